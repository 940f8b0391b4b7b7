"""Reads the IDX format (big-endian header, raw values), plain or gzip, and .npz; checks sha256.

Readers allocate what the description promises and never read past it, so a damaged or hostile
file costs no more memory than a good one. Nothing is unpickled.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt

from . import _known
from ._known import DataSet, IdxFile

Bytes = npt.NDArray[np.uint8]

_UNSIGNED_BYTE, _INT32 = 0x08, 0x0C
_GZIP = b"\x1f\x8b"
_PIECE = 1 << 20
_NPZ_KEYS = ("x_train", "y_train", "x_test", "y_test")
BROKEN_GZIP = (EOFError, zlib.error, gzip.BadGzipFile)
# What zipfile and numpy's header parser raise on damaged archives.
_BROKEN_NPZ = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    ValueError,
    SyntaxError,
    NotImplementedError,
    RuntimeError,
    tokenize.TokenError,
    struct.error,
)


class Stream(Protocol):
    """A binary stream, plain or decompressing."""

    def read(self, size: int = ..., /) -> bytes: ...


class DamagedError(ValueError):
    """A file that is there but does not hold the expected bytes.

    `other` is the title of the data set the bytes do belong to, if that is known.
    """

    def __init__(self, text: str, other: str | None = None) -> None:
        super().__init__(text)
        self.other = other


def header(shape: tuple[int, ...]) -> bytes:
    """The IDX header of an array of unsigned bytes."""
    return struct.pack(f">HBB{len(shape)}I", 0, _UNSIGNED_BYTE, len(shape), *shape)


def parse_header(stream: Stream, axes: int, where: str) -> tuple[int, ...]:
    """Read an IDX header that must announce unsigned bytes in `axes` dimensions."""
    kind, shape = _header(stream, where)
    if kind != _UNSIGNED_BYTE or len(shape) != axes:
        raise DamagedError(
            f"{where}: expected IDX type 0x08 (unsigned bytes) with {axes} dimensions, "
            f"got type 0x{kind:02x} with {len(shape)}"
        )
    return shape


def parse_label_header(stream: Stream, where: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Read the IDX header of labels: unsigned bytes (N,), or int32 (N,) or (N, columns)."""
    kind, shape = _header(stream, where)
    if (kind, len(shape)) not in ((_UNSIGNED_BYTE, 1), (_INT32, 1), (_INT32, 2)):
        raise DamagedError(
            f"{where}: expected IDX type 0x08 (unsigned bytes) with 1 dimension, or type 0x0c "
            f"(int32) with 1 or 2, got type 0x{kind:02x} with {len(shape)}"
        )
    return np.dtype(np.uint8 if kind == _UNSIGNED_BYTE else ">i4"), shape


def _header(stream: Stream, where: str) -> tuple[int, tuple[int, ...]]:
    """The type and the dimensions that a file announces."""
    raw = stream.read(4)
    if len(raw) < 4 or raw[:2] != b"\0\0":
        raise DamagedError(f"{where} is not an IDX file: it begins with {raw.hex() or 'nothing'}")
    kind, axes = raw[2:]
    sizes = stream.read(4 * axes)
    if len(sizes) < 4 * axes:
        raise DamagedError(f"{where} is truncated: its header ends after {4 + len(sizes)} bytes")
    return kind, struct.unpack(f">{axes}I", sizes)


def fill(stream: Stream, array: Bytes) -> int:
    """Read into a C-contiguous array until it is full or the stream ends; return the bytes read."""
    view = array.reshape(-1).data
    done = 0
    while done < len(view) and (piece := stream.read(min(_PIECE, len(view) - done))):
        view[done : done + len(piece)] = piece
        done += len(piece)
    return done


def check(array: Bytes, file: IdxFile, where: str) -> Bytes:
    """Return the array if its IDX file has the expected sha256, else raise DamagedError."""
    digest = hashlib.sha256(header(file.shape))
    digest.update(array.data)
    if digest.hexdigest() != file.sha256:
        raise damaged(where, file, digest.hexdigest())
    return array


def damaged(where: str, file: IdxFile, found: str, detail: str = "") -> DamagedError:
    """The error for a file of the wrong bytes; names the data set they belong to, if known."""
    expected = f"expected sha256 {file.sha256} ({file.size} bytes), found {found}"
    for data_set in (_known.MNIST, _known.FASHION_MNIST):
        if any(found == known.sha256 for known in data_set.files):
            return DamagedError(f"{where} is {data_set.title}'s: {expected}", data_set.title)
    return DamagedError(f"{where} is damaged: {expected}{detail}")


def read_stream(stream: Stream, file: IdxFile, where: str) -> Bytes:
    """Read the whole of a known IDX file, and check its sha256."""
    array: Bytes = np.empty(file.shape, np.uint8)
    try:
        head = stream.read(len(header(file.shape)))
        filled = fill(stream, array)
        longer = bool(stream.read(1))
    except BROKEN_GZIP as error:
        raise damaged(where, file, "a broken gzip stream", f": {error}") from None
    if longer:
        raise damaged(where, file, f"more than {file.size} bytes")
    digest = hashlib.sha256(head)
    digest.update(array.reshape(-1)[:filled].data)
    if digest.hexdigest() != file.sha256:
        size = len(head) + filled
        detail = f" ({size} bytes)" if size != file.size else ""
        raise damaged(where, file, digest.hexdigest(), detail)
    return array


def file_names(name: str) -> tuple[str, ...]:
    """How an IDX file of this name may be called: raw or .gz, and with a dot, as Kaggle has it."""
    dotted = name.replace("-idx", ".idx")
    return name, f"{name}.gz", dotted, f"{dotted}.gz"


def is_gzip(path: Path) -> bool:
    """Whether the content is gzip's, whatever the name says."""
    with path.open("rb") as file:
        return file.read(2) == _GZIP


def unpacked(path: Path) -> io.BufferedReader | gzip.GzipFile:
    """The file, open for reading; decompressed if its content is gzip's."""
    return gzip.open(path, "rb") if is_gzip(path) else path.open("rb")


def read_file(path: Path, file: IdxFile) -> Bytes:
    """Read a known IDX file from disk."""
    with unpacked(path) as stream:
        return read_stream(stream, file, str(path))


def read_npz(source: Path | IO[bytes], data_set: DataSet, where: str) -> dict[str, Bytes]:
    """Read an .npz in Keras's layout; return its four arrays under the IDX files' names."""
    arrays = {}
    try:
        with zipfile.ZipFile(source) as archive:
            for key, file in zip(_NPZ_KEYS, data_set.files, strict=True):
                with archive.open(f"{key}.npy") as member:
                    array = _read_npy(member, file, f"{where}[{key}]")
                arrays[file.name] = check(array, file, f"{where}[{key}]")
    except DamagedError:
        raise
    except _BROKEN_NPZ as error:
        raise DamagedError(f"{where} is damaged: not a readable .npz ({error})") from None
    return arrays


def _read_npy(stream: Stream, file: IdxFile, where: str) -> Bytes:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    else:
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    if (shape, fortran, dtype) != (file.shape, False, np.dtype(np.uint8)):
        order = " in Fortran order" if fortran else ""
        raise DamagedError(
            f"{where} is damaged: expected uint8 {file.shape}, sha256 {file.sha256}, "
            f"found {dtype} {shape}{order}"
        )
    array: Bytes = np.empty(file.shape, np.uint8)
    got = fill(stream, array)
    if got != array.size:
        raise DamagedError(f"{where} is truncated: expected {array.size} bytes, found {got}")
    return array
