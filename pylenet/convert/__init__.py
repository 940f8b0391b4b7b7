"""Model files of other tools: which there are, how each is told, who reads and writes it.

A format that pylenet reads or writes names a module of this package. That module has a function for
each thing that the table says it can do:

    read_model(path, compile) -> Sequential  reads "model", compiled where that is wanted and known
    read_weights(model, path) -> None        reads "weights": all are set, or none and it raises
    model_bytes(model) -> bytes              writes "model"
    weights_bytes(model) -> bytes            writes "weights"
    check_model(model) -> None               writes "model": ValueError where the format has no way
                                             to say what a layer of the model does

Readers raise ValueError for whatever is wrong with a file's content. They execute and unpickle
nothing. Files are told by their first bytes, files to be written by their names.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from importlib import import_module, util
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["FORMATS", "Format", "endings", "named", "of_content", "of_name", "reader", "writer"]


class Format(NamedTuple):
    """A kind of file. title: with its article. suffixes: of names, lower case, with the dot.

    packages: to be installed for it, by the extra `extra`; writers: besides, to write it. hint:
    what to do with a file of it where pylenet does not load a model from it.
    """

    title: str
    suffixes: tuple[str, ...]
    hint: str = ""
    module: str = ""
    reads: frozenset[str] = frozenset()
    writes: frozenset[str] = frozenset()
    packages: tuple[str, ...] = ()
    extra: str = ""
    writers: tuple[str, ...] = ()


BOTH = frozenset({"model", "weights"})
MODEL, WEIGHTS = frozenset({"model"}), frozenset({"weights"})

SAFETENSORS = Format("a safetensors file", (".safetensors",))
KERAS = Format(
    "a Keras file (.keras)",
    (".keras",),
    module="keras",
    reads=BOTH,
    writes=MODEL,
    packages=("h5py",),
    extra="keras",
)
KERAS_WEIGHTS = Format(  # by name alone: what these have in them is HDF5
    "a Keras file of weights (.weights.h5)",
    (".weights.h5",),
    module="keras_weights",
    writes=WEIGHTS,
    packages=("h5py",),
    extra="keras",
)
HDF5 = Format(
    "a Keras HDF5 file",
    (".h5", ".hdf5"),
    module="keras_h5",
    reads=BOTH,
    writes=BOTH,
    packages=("h5py",),
    extra="keras",
)
ONNX = Format(
    "an ONNX model",
    (".onnx",),
    module="onnx",
    reads=MODEL,
    writes=MODEL,
    packages=("onnx",),
    extra="onnx",
    hint="it holds a whole model: load it with load_model",
)
TORCH = Format(
    "a PyTorch file",
    (".pt", ".pth"),
    "it holds weights without layers: build the model, and call its load_weights",
    module="torch",
    reads=WEIGHTS,
    writes=WEIGHTS,
    writers=("torch",),
)
PICKLE = Format("a pickle", (".pkl", ".pickle", ".joblib"), "pylenet unpickles nothing")
TFLITE = Format("a TensorFlow Lite model", (".tflite",), "pylenet does not read it")
NPZ = Format(
    "a numpy archive",
    (".npz", ".npy"),
    "read it with numpy.load, and give its arrays to model.set_weights",
)
SAVED_MODEL = Format(
    "a TensorFlow SavedModel",
    (".pb",),
    "load it with TensorFlow, and save it as .keras or .h5 there",
)
JSON = Format(
    "a JSON text",
    (".json",),
    "it may hold a model's layers, without its weights",
)
GZIP = Format("gzip data", (".gz",), "unpack it first")
FORMATS = (
    *(SAFETENSORS, KERAS, KERAS_WEIGHTS, HDF5, ONNX, TORCH),
    *(PICKLE, TFLITE, NPZ, SAVED_MODEL, JSON, GZIP),
)


def _is_safetensors(head: bytes) -> bool:
    return head[8:9] == b"{" and 0 < int.from_bytes(head[:8], "little") < 2**32


def _is_pickle(head: bytes) -> bool:
    """Of protocol 2 to 5; the length of a safetensors header may begin with the same bytes."""
    return head[:1] == b"\x80" and head[1:2] in b"\2\3\4\5" and not _is_safetensors(head)


def _is_onnx(head: bytes) -> bool:
    """A ModelProto begins with a small ir_version, then goes on with a text or with the graph."""
    return head[:1] == b"\x08" and head[1:2] < b"\x20" and head[2:3] in b"\x12\x1a\x3a\x42"


_TESTS: tuple[tuple[Format, Callable[[bytes], bool]], ...] = (  # in the order they are tried
    (HDF5, lambda head: head.startswith(b"\x89HDF\r\n\x1a\n")),
    (TFLITE, lambda head: head[4:8] == b"TFL3"),
    (NPZ, lambda head: head.startswith(b"\x93NUMPY")),
    (GZIP, lambda head: head.startswith(b"\x1f\x8b")),
    (SAFETENSORS, _is_safetensors),
    (JSON, lambda head: head.lstrip()[:1] == b"{"),
    (ONNX, _is_onnx),
)


def of_name(path: Path) -> Format | None:
    """The format that a name's ending stands for, None for none of them."""
    name = path.name.lower()
    return next((one for one in FORMATS if name.endswith(one.suffixes)), None)


def of_content(path: Path) -> Format | None:
    """The format of a file, by its content; where that does not tell, None.

    Raises OSError where the file cannot be read.
    """
    if path.is_dir():
        return SAVED_MODEL if (path / "saved_model.pb").is_file() else None
    with open(path, "rb") as file:
        head = file.read(64)
    if head.startswith(b"PK\3\4"):
        return _of_zip(path)
    if _is_pickle(head):
        return TORCH if of_name(path) is TORCH else PICKLE
    return next((one for one, fits in _TESTS if len(head) > 8 and fits(head)), None)


def _of_zip(path: Path) -> Format | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OverflowError):
        return of_name(path)
    if "config.json" in names:
        return KERAS
    if any(name.endswith("/data.pkl") for name in names):
        return TORCH
    return NPZ if any(name.endswith(".npy") for name in names) else None


def named(path: Path, one: Format) -> str:
    """As "'m.h5' is a Keras HDF5 file"."""
    return f"{str(path)!r} is {one.title}"


def reader(path: Path, one: Format, what: str) -> Any:
    """The module that reads `what` ("model" or "weights") from a file of this format.

    Raises ValueError where none does, ImportError where a package is missing.
    """
    if what not in one.reads:
        raise ValueError(f"{named(path, one)}: {one.hint}")
    if missing := _missing(one.packages):
        raise ImportError(f"{named(path, one)}: to read it, {_install(one)} ({missing} is missing)")
    return import_module(f".{one.module}", __name__)


def writer(path: Path, what: str) -> Any:
    """The module that writes `what` ("model" or "weights") into a file of this name.

    None for pylenet's own format. Raises ValueError where the name is another format's that is not
    written, ImportError where a package is missing.
    """
    one = of_name(path)
    if one is None or one is SAFETENSORS:
        return None
    if what not in one.writes:
        raise ValueError(
            f"filepath must end in {' or '.join(endings(what))}, got {str(path)!r}: the {what} "
            f"cannot be written as {one.title}"
        )
    if missing := _missing((*one.packages, *one.writers)):
        raise ImportError(
            f"filepath {str(path)!r} is to be {one.title}: {_install(one)} ({missing} is missing)"
        )
    return import_module(f".{one.module}", __name__)


def endings(what: str) -> list[str]:
    """Of the names of files that `what` can be written to."""
    written = [one for one in FORMATS if what in one.writes]
    return [*SAFETENSORS.suffixes, *(one.suffixes[0] for one in written)]


def _missing(packages: Iterable[str]) -> str | None:
    return next((name for name in packages if util.find_spec(name) is None), None)


def _install(one: Format) -> str:
    return f'pip install "pylenet[{one.extra}]"' if one.extra else f"pip install {one.writers[0]}"
