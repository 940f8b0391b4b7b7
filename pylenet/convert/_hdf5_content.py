"""What an HDF5 file holds, as lines of JSON and plain numbers. A script for a process of its own.

    python -I _hdf5_content.py

stdin: a line of JSON with `path`, the sys.path that has h5py; `most`, how many bytes the file may
hold; `memory`, how many more the process may map, on Linux. Then the bytes of the file. stdout: see
`write`. It ends with NO_LIBRARY where h5py cannot be imported.

The HDF5 library ends its process on some damaged files. Therefore this file imports nothing of
pylenet: it starts in the time that h5py and numpy need.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
from collections.abc import Callable
from typing import Any

NO_LIBRARY = 77  # the exit code
ERRORS = (  # of h5py, on files that make no sense
    *(ValueError, TypeError, LookupError, OSError, RuntimeError),
    *(AttributeError, OverflowError, MemoryError),
)


def write(source: bytes, most: int, out: Callable[[bytes], Any]) -> None:
    """Give `out` a line of JSON for each object, in order of number; the root's is 0.

    A group: {"links": {name: number, or null for a link that is not to an object of this file, or
    {"error"}}}. An array: {"dtype", "shape", "size"}, and then `size` bytes. Both have
    "attributes": {name: a text, a list of texts, or {"error"}}. What cannot be read is {"error":
    why}. Names that are not UTF-8 are left out. The last line is {"end": how many objects}; without
    it the content is not whole.
    """
    import h5py

    count = 0
    try:
        with h5py.File(io.BytesIO(source), "r") as file:
            for record, values in _Content(file, most).records():
                out(json.dumps(record).encode() + b"\n")
                out(values)
                count += 1
    except ERRORS as error:
        if count:
            raise
        out(json.dumps(_damage(error)).encode() + b"\n")
        count = 1
    out(json.dumps({"end": count}).encode() + b"\n")


class _Content:
    """An open file. Each object is read once, however many links lead to it."""

    def __init__(self, file: Any, most: int) -> None:
        self.left = most  # bytes that may still be read
        self.found = [(file, "/")]  # by number: a group, and the name of the object in it
        self.numbers = {_address(file, "/"): 0}

    def records(self) -> Any:
        for group, name in self.found:  # grows meanwhile
            try:
                yield self._record(group[name], name)
            except ERRORS as error:
                yield _damage(error), b""

    def _record(self, one: Any, name: str) -> tuple[dict[str, Any], bytes]:
        import h5py

        attributes = {key: self._texts(one, key) for key in one.attrs if isinstance(key, str)}
        if isinstance(one, h5py.Group):
            links = {key: self._number(one, key) for key in one if isinstance(key, str)}
            return {"links": links, "attributes": attributes}, b""
        if not isinstance(one, h5py.Dataset):
            raise ValueError(f"{name!r} is neither a group nor an array")
        if one.external or one.is_virtual:
            raise ValueError(f"{name!r} has its values in another file")
        if one.dtype.kind not in "fiu" or one.shape is None:
            raise ValueError(f"{name!r} must hold numbers, got {one.dtype}")
        size = math.prod(one.shape) * one.dtype.itemsize
        self._take(size, name)
        record = {"dtype": one.dtype.str, "shape": one.shape, "size": size}
        return {**record, "attributes": attributes}, one[()].tobytes()

    def _number(self, group: Any, name: str) -> int | dict[str, str] | None:
        import h5py

        try:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                return None
            address = _address(group, name)
        except ERRORS as error:
            return _damage(error)
        if address not in self.numbers:
            self.numbers[address] = len(self.found)
            self.found.append((group, name))
        return self.numbers[address]

    def _texts(self, one: Any, name: str) -> Any:
        import h5py
        import numpy as np

        try:
            attribute = one.attrs.get_id(name)
            dtype = attribute.dtype
            if 0 in (attribute.shape or ()):  # Keras writes a list of no texts as no numbers
                return []
            if h5py.check_string_dtype(dtype) is None:
                raise ValueError(f"{name!r} must be a text, got {dtype}")
            self._take(math.prod(attribute.shape or ()) * dtype.itemsize, name)
            values = one.attrs[name]
            texts = [_text(value, name) for value in np.atleast_1d(values)]
            self._take(sum(map(len, texts)), name)
            return texts if isinstance(values, np.ndarray) else texts[0]
        except ERRORS as error:
            return _damage(error)

    def _take(self, size: int, name: str) -> None:
        if size > self.left:
            raise ValueError(f"{name!r} is larger than a file of this size can mean")
        self.left -= size


def _damage(error: BaseException) -> dict[str, str]:
    return {"error": str(error) or repr(error)}


def _address(group: Any, name: str) -> int:
    """Where in the file the object is."""
    import h5py

    return int(h5py.h5o.get_info(group.id, group._e(name)).addr)


def _text(value: Any, name: str) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise ValueError(f"{name!r} must be a text, got {type(value).__name__}")
    return value


def _limit_process(memory: int) -> None:
    """What the system lets a process of its own be limited in; a crash leaves no dump of it."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {resource.RLIMIT_CORE: 0}
    with contextlib.suppress(OSError), open("/proc/self/statm") as file:  # of Linux
        mapped = int(file.read().split()[0]) * resource.getpagesize()
        limits[resource.RLIMIT_AS] = mapped + memory
    for kind, wanted in limits.items():
        with contextlib.suppress(ValueError, OSError):
            _, most = resource.getrlimit(kind)
            allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
            resource.setrlimit(kind, (allowed, most))


def main() -> None:
    given = json.loads(sys.stdin.buffer.readline())
    sys.path[:] = given["path"]
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # numpy need not start threads for this
    try:
        import h5py  # noqa: F401
    except ImportError:
        sys.exit(NO_LIBRARY)
    _limit_process(given["memory"])
    write(sys.stdin.buffer.read(), given["most"], sys.stdout.buffer.write)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
