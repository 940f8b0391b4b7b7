"""The tensors of a file that torch.save wrote, read without PyTorch and without unpickling.

Since PyTorch 1.6 such a file is a zip whose member `data.pkl` is a pickle that tells names, shapes
and places of tensors, and whose members `data/0`, `data/1` hold their values. The pickle's opcodes
are gone through here by a small machine of its own, which imports nothing and calls nothing: it
knows the few names that a state dict needs as plain texts, and refuses all others.
"""

from __future__ import annotations

import io
import math
import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

LONGEST_PICKLE = 2**24  # bytes: state dicts of LeNets take some thousand
DTYPES = {
    "FloatStorage": "f4",
    "DoubleStorage": "f8",
    "HalfStorage": "f2",
    "BFloat16Storage": "u2",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
_ORDERED_DICT = "collections.OrderedDict"
_TENSOR, _PARAMETER = "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_parameter"
_KNOWN = {_ORDERED_DICT, _TENSOR, _PARAMETER, *(f"torch.{name}" for name in DTYPES)}


class _Name(NamedTuple):
    """A name that the pickle would import."""

    text: str


class _Storage(NamedTuple):
    """A member of the zip: its values, and the kind of its elements."""

    values: NDArray[Any]
    kind: str


def read(path: Path) -> Any:
    """What the file holds: dicts, lists, tuples, numbers, texts, and tensors as arrays.

    Raises ValueError for a file that is not whole, or that holds anything else.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _Machine(_Members(archive, path.stat().st_size)).result
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
        raise ValueError(f"its zip is not whole: {error}") from None


class _Members:
    """The zip's members; all that are read together are no larger than the file."""

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        self._archive, self._left = archive, size
        self._infos = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in self._infos if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise ValueError(f"it must have one member data.pkl, got {len(pickles)}")
        self._folder = pickles[0].removesuffix("data.pkl")
        self._storages: dict[str, _Storage] = {}
        order = f"{self._folder}byteorder"
        self._order = ">" if order in self._infos and self._read(order) == b"big" else "<"

    def pickle(self) -> bytes:
        name = f"{self._folder}data.pkl"
        if self._infos[name].file_size > LONGEST_PICKLE:
            raise ValueError(f"its pickle must have at most {LONGEST_PICKLE} bytes")
        return self._read(name)

    def storage(self, kind: str, key: str, count: int) -> _Storage:
        """The member of this key, which must hold so many elements."""
        name, dtype = f"{self._folder}data/{key}", np.dtype(self._order + DTYPES[kind])
        if key not in self._storages:
            info = self._infos.get(name)
            if info is None or info.file_size != count * dtype.itemsize:
                raise ValueError(f"its member {name!r} must hold {count} values")
            values = np.frombuffer(self._read(name), dtype)
            self._storages[key] = _Storage(values, kind)
        if self._storages[key].kind != kind:
            raise ValueError(f"its member {name!r} is told to be of two kinds")
        return self._storages[key]

    def _read(self, name: str) -> bytes:
        info = self._infos[name]
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise ValueError(f"its member {name!r} must be stored as it is, as torch.save does")
        self._left -= info.file_size
        if self._left < 0:
            raise ValueError("its members are larger than the file")
        return self._archive.read(info)


class _Machine:
    """Goes through a pickle. result: what it ends with."""

    def __init__(self, members: _Members) -> None:
        self._members = members
        self._stack: list[Any] = []
        self._marks: list[int] = []  # the stack's lengths where MARK was met
        self._memo: dict[int, Any] = {}
        try:
            for name, argument in _opcodes(members.pickle()):
                self._do(name, argument)
        except (IndexError, KeyError, UnicodeDecodeError) as error:
            raise ValueError(f"its pickle makes no sense: {error!r}") from None
        if len(self._stack) != 1:
            raise ValueError("its pickle does not end with one object")
        self.result = self._stack[0]

    def _do(self, name: str, argument: Any) -> None:
        stack = self._stack
        if name in ("PROTO", "FRAME", "STOP"):
            return
        if name in _VALUES:
            stack.append(_VALUES[name]() if callable(_VALUES[name]) else _VALUES[name])
        elif name in _ARGUMENTS:
            stack.append(argument)
        elif name == "MARK":
            self._marks.append(len(stack))
        elif name in _TUPLES:
            items = self._since_mark() if name == "TUPLE" else self._last(_TUPLES[name])
            stack.append(tuple(items))
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif name == "GLOBAL":
            stack.append(_named(argument))
        elif name == "STACK_GLOBAL":
            stack.append(_named(".".join(map(str, self._last(2)))))
        elif name == "BINPERSID":
            stack.append(self._storage(stack.pop()))
        elif name == "REDUCE":
            function, arguments = self._last(2)
            stack.append(_called(function, arguments))
        elif name == "BUILD":  # attributes, as a state dict's _metadata
            stack.pop()
        elif name in ("SETITEM", "SETITEMS"):
            items = self._last(2) if name == "SETITEM" else self._since_mark()
            _set_items(stack[-1], items)
        else:  # APPEND, APPENDS
            items = self._last(1) if name == "APPEND" else self._since_mark()
            if not isinstance(stack[-1], list):
                raise ValueError("its pickle appends to what is no list")
            stack[-1].extend(items)

    def _since_mark(self) -> list[Any]:
        return self._last(len(self._stack) - self._marks.pop())

    def _last(self, count: int) -> list[Any]:
        """Takes them off the stack."""
        start = len(self._stack) - count
        if start < 0 or count < 0 or (self._marks and start < self._marks[-1]):
            raise ValueError("its pickle takes more than there is")
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _storage(self, told: Any) -> _Storage:
        if not (isinstance(told, tuple) and len(told) == 5 and told[0] == "storage"):
            raise ValueError("its pickle tells of something that is no storage")
        _, kind, key, _, count = told
        name = kind.text.removeprefix("torch.") if isinstance(kind, _Name) else ""
        if name not in DTYPES or not isinstance(key, str) or not _is_count(count):
            raise ValueError("its pickle tells of a storage that makes no sense")
        return self._members.storage(name, key, count)


def _opcodes(data: bytes) -> Iterator[tuple[str, Any]]:
    """Names and arguments up to STOP. Raises ValueError for one that no state dict needs."""
    file = io.BytesIO(data)
    name = ""
    while name != "STOP":
        opcode = _BY_CODE.get(file.read(1).decode("latin-1"))
        name = "" if opcode is None else opcode.name
        if opcode is None or name not in _OPCODES:
            raise ValueError(f"its pickle has the opcode {name!r}, which no state dict needs")
        if name == "GLOBAL":  # a module and a name in it, a line for each
            yield name, ".".join(file.readline().decode("ascii").strip() for _ in range(2))
        else:
            yield name, None if opcode.arg is None else opcode.arg.reader(file)


_VALUES: dict[str, Any] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": (),
}
_ARGUMENTS = {
    *("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
}
_TUPLES = {"TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_BY_CODE = {opcode.code: opcode for opcode in pickletools.opcodes}
_OPCODES = {
    *("PROTO", "FRAME", "STOP", "MARK", "BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET"),
    *("LONG_BINGET", "GLOBAL", "STACK_GLOBAL", "BINPERSID", "REDUCE", "BUILD", "SETITEM"),
    *("SETITEMS", "APPEND", "APPENDS", *_VALUES, *_ARGUMENTS, *_TUPLES),
}


def _named(text: str) -> _Name:
    if text not in _KNOWN:
        raise ValueError(
            f"it holds {text}, and only tensors by name are read: save model.state_dict()"
        )
    return _Name(text)


def _called(function: Any, arguments: Any) -> Any:
    """What a known name gives that the pickle calls."""
    name = function.text if isinstance(function, _Name) else ""
    if not isinstance(arguments, tuple):
        raise ValueError("its pickle calls without arguments")
    if name == _ORDERED_DICT and not arguments:
        return {}
    if name == _PARAMETER and arguments and isinstance(arguments[0], np.ndarray):
        return arguments[0]
    if name == _TENSOR and len(arguments) >= 4:
        return _tensor(*arguments[:4])
    raise ValueError(f"its pickle calls {name or function!r} with arguments that make no sense")


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> NDArray[Any]:
    """The array of a tensor, a view into its storage."""
    ok = isinstance(storage, _Storage) and _is_count(offset)
    for sizes in (shape, strides):
        ok = ok and isinstance(sizes, tuple) and len(sizes) <= 8 and all(map(_is_count, sizes))
    if not ok or len(shape) != len(strides):
        raise ValueError("its pickle tells of a tensor that makes no sense")
    values, count = storage.values, math.prod(shape)
    steps = sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if count > values.size or (count and offset + steps >= values.size):
        raise ValueError(f"a tensor of shape {shape} does not fit its storage, {values.size}")
    strided = np.lib.stride_tricks.as_strided(
        values[offset:] if count else values[:0],
        shape,
        [stride * values.itemsize for stride in strides],
        writeable=False,
    )
    if storage.kind == "BFloat16Storage":  # the upper half of a float32
        # Without dtype=, numpy 1 makes an int64 of one value without axes.
        return np.asarray(np.left_shift(strided, 16, dtype=np.uint32)).view(np.float32)
    return strided


def _set_items(target: Any, items: list[Any]) -> None:
    if not isinstance(target, dict) or len(items) % 2:
        raise ValueError("its pickle sets items of what is no dict")
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, (str, int, float)):
            raise ValueError("its pickle has a key that is no name")
        target[key] = value


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < 2**40
