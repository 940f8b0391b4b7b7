"""HDF5 files, read with care: what a file says of itself bounds neither memory nor other files.

Links that lead out of the file, data in other files and virtual data are refused, and no more is
read than `limit` says.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_RATIO = 16  # of what is read to the file's size: more is no compression of weights
SMALL = 2**20  # bytes that any file may hold


def limit(size: int) -> int:
    """How many bytes a file of this size may hold."""
    return SMALL + LARGEST_RATIO * size


class Reader:
    """An open file and how many bytes may still be read of it."""

    def __init__(self, file: Any, size: int) -> None:
        self.root, self.left = file, limit(size)

    def child(self, group: Any, name: str) -> Any:
        """The group or dataset at this path below `group`, None where there is none."""
        import h5py

        for part in name.split("/"):
            if not isinstance(group, h5py.Group):
                return None
            link = group.get(part, getlink=True)
            if link is None:
                return None
            if not isinstance(link, h5py.HardLink):
                raise ValueError(f"{name!r} is a link to elsewhere")
            group = group[part]
        return group

    def array(self, dataset: Any, name: str) -> NDArray[Any]:
        """The numbers of a dataset, as the file has them."""
        import h5py

        if not isinstance(dataset, h5py.Dataset):
            raise ValueError(f"{name!r} must be an array")
        if dataset.external or dataset.is_virtual:
            raise ValueError(f"{name!r} has its values in another file")
        if dataset.dtype.kind not in "fiu" or dataset.shape is None:
            raise ValueError(f"{name!r} must hold numbers, got {dataset.dtype}")
        self._count(math.prod(dataset.shape) * dataset.dtype.itemsize, name)
        return np.asarray(dataset[()])

    def weight(self, dataset: Any, name: str) -> NDArray[np.float32]:
        """The same as float32."""
        values = self.array(dataset, name)
        if values.dtype.kind != "f":
            raise ValueError(f"{name!r} must hold floating-point numbers, got {values.dtype}")
        with np.errstate(over="ignore"):
            return values.astype(np.float32)

    def text(self, group: Any, name: str) -> str | None:
        """An attribute that is a text, None where there is none."""
        values = self._attribute(group, name)
        return None if values is None else _text(values, name)

    def texts(self, group: Any, name: str) -> list[str] | None:
        """An attribute that is a list of texts, in pieces name0, name1, ... where it is long."""
        whole = self._attribute(group, name)
        if whole is not None:
            return [_text(value, name) for value in np.atleast_1d(whole)]
        pieces: list[Any] = []
        while (piece := self._attribute(group, f"{name}{len(pieces)}")) is not None:
            pieces.append(piece)
        texts = [_text(value, name) for piece in pieces for value in np.atleast_1d(piece)]
        return texts if pieces else None

    def _attribute(self, group: Any, name: str) -> Any:
        import h5py

        if name not in group.attrs:
            return None
        attribute = h5py.h5a.open(group.id, name.encode())
        self._count(math.prod(attribute.shape or ()) * attribute.dtype.itemsize, name)
        return group.attrs[name]

    def _count(self, size: int, name: str) -> None:
        self.left -= size
        if self.left < 0:
            raise ValueError(f"{name!r} is larger than a file of this size can mean")


def _text(value: Any, name: str) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise ValueError(f"{name!r} must be a text, got {type(value).__name__}")
    return value


@contextmanager
def opened(source: Path | bytes, title: str) -> Iterator[Reader]:
    """The file, or the bytes of one; ValueError, beginning with `title`, for all that is wrong."""
    import h5py

    size = len(source) if isinstance(source, bytes) else source.stat().st_size
    try:
        with h5py.File(io.BytesIO(source) if isinstance(source, bytes) else source, "r") as file:
            yield Reader(file, size)
    except (ValueError, TypeError, LookupError, OSError, RuntimeError, RecursionError) as error:
        raise ValueError(f"{title}: {error}") from error
    except (AttributeError, OverflowError, MemoryError) as error:  # of a config, or of h5py
        raise ValueError(f"{title}: {error!r}") from error


def written(write: Any) -> bytes:
    """The bytes of a file that `write(file)` fills: the same for the same content."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", track_order=False) as file:
        write(file)
    return buffer.getvalue()
