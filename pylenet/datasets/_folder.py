"""load_folder: a user's own data in MNIST's four files, whatever their size and content."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np

from ._idx import BROKEN_GZIP, Bytes, DamagedError, Stream, fill, parse_header, unpacked
from ._known import NAMES
from ._load import Arrays, checked_path, missing_files

# Bytes that a .gz may unpack to, 80 times MNIST's. A raw file is bound by its own length.
_GZIP_LIMIT = 1 << 32


def load_folder(path: str | os.PathLike[str]) -> Arrays:
    """Load any data set kept in MNIST's four-file IDX layout, each file raw or .gz.

    The structure is checked (magic, type, dimensions, length, as many labels as images, one image
    size), the content is not: no sha256 is known. Use `mnist.load_data(path)` for MNIST itself.

    Args:
        path: folder that holds train-images-idx3-ubyte, train-labels-idx1-ubyte,
            t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte; a raw file is preferred to its .gz.

    Returns:
        (x_train, y_train), (x_test, y_test): uint8 images (N, H, W) and uint8 labels (N,).

    Raises:
        FileNotFoundError: the folder or one of the files is missing.
        ValueError: a file is not what its name says; the text names it.
        TypeError: path is not a path.
    """
    folder = checked_path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"path must be a folder, but {folder} is not one")
    files = {name: file for name in NAMES if (file := _locate(folder, name))}
    if len(files) < len(NAMES):
        raise FileNotFoundError(
            f"path {folder} does not hold a data set: {missing_files(NAMES, files)}"
        )
    train, test = (_pair(files[images], files[labels]) for images, labels in (NAMES[:2], NAMES[2:]))
    if train[0].shape[1:] != test[0].shape[1:]:
        raise ValueError(
            f"{folder}: training images are {train[0].shape[1:]}, test images {test[0].shape[1:]}; "
            "expected one size"
        )
    return train, test


def _locate(folder: Path, name: str) -> Path | None:
    paths = (folder / name, folder / f"{name}.gz")
    return next((path for path in paths if path.is_file()), None)


def _pair(images_path: Path, labels_path: Path) -> tuple[Bytes, Bytes]:
    images, labels = _read(images_path, 3), _read(labels_path, 1)
    if len(images) != len(labels):
        raise ValueError(
            f"{images_path} holds {len(images)} images, but {labels_path} {len(labels)} labels"
        )
    return images, labels


def _read(path: Path, axes: int) -> Bytes:
    limit = _GZIP_LIMIT if path.suffix == ".gz" else path.stat().st_size
    try:
        with unpacked(path) as stream:
            return _read_stream(stream, axes, str(path), limit)
    except BROKEN_GZIP as error:
        raise DamagedError(f"{path} is damaged: {error}") from None


def _read_stream(stream: Stream, axes: int, path: str, limit: int) -> Bytes:
    shape = parse_header(stream, axes, path)
    size = math.prod(shape)
    if not size:
        raise ValueError(f"{path} holds no data: its header says {shape}")
    promise = f"{path}: its header {shape} promises {size} bytes"
    if size > limit:
        raise ValueError(f"{promise}, but there are {limit} at most")
    array: Bytes = np.empty(shape, np.uint8)
    got = fill(stream, array)
    if got < size:
        raise ValueError(f"{promise}, but only {got} follow: the file is truncated")
    if stream.read(1):
        raise ValueError(f"{promise}, but more follow")
    return array
