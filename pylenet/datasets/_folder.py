"""load_folder: a user's own data in MNIST's four files, whatever their size and content."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .. import _check
from ._idx import (
    BROKEN_GZIP,
    Bytes,
    DamagedError,
    Stream,
    fill,
    is_gzip,
    parse_header,
    parse_label_header,
    unpacked,
)
from ._known import NAMES
from ._load import Arrays, checked_path, content, missing_files

# Bytes that a .gz may unpack to, 80 times MNIST's. A raw file is bound by its own length.
_GZIP_LIMIT = 1 << 32
_TURNED = 4096  # images that are turned at a time
# The names of files, as emnist-letters-train-images-idx3-ubyte.gz: what it is called, which part of
# it, and which form of the name, in order of preference.
_NAME = re.compile(
    r"(|.*[^A-Za-z0-9])(train|t10k|test)-(images|labels)(-idx|\.idx)(3-ubyte|1-ubyte|2-int)(|\.gz)"
)
_FORMS = ("t10k", "-idx", "1-ubyte", "")
_PARTS = tuple((part, what) for part in ("train", "test") for what in ("images", "labels"))

Files = dict[tuple[str, str], Path]


def load_folder(path: str | os.PathLike[str], *, transpose: bool = False) -> Arrays:
    """Load any data set kept in MNIST's four-file IDX layout, each file raw or .gz.

    Files may be called as MNIST's, as train-images.idx3-ubyte with a dot, t10k or test, and their
    names may begin with a name of the data set's own, as emnist-letters-train-images-idx3-ubyte;
    gzip data are known by their content. Of QMNIST's labels, which are eight numbers each, the
    first is taken, the class. The structure is checked (magic, type, dimensions, length, as many
    labels as images, one image size), the content is not: no sha256 is known. Use
    `mnist.load_data(path)` for MNIST itself.

    Args:
        path: folder that holds the four files; or, where it holds those of several data sets, the
            folder and the name that one's files begin with, as "gzip/emnist-letters".
        transpose: swap the rows and columns of each image, which sets EMNIST's upright.

    Returns:
        (x_train, y_train), (x_test, y_test): uint8 images (N, H, W) and uint8 labels (N,), as the
        files have them: EMNIST's letters are 1 to 26.

    Raises:
        FileNotFoundError: the folder or one of the files is missing; the text lists what is there.
        ValueError: a file is not what its name says; the text names it. Or there are several data
            sets, and path names none of them.
        TypeError: path is not a path, transpose not a bool.
    """
    turn = _check.boolean("transpose", transpose)
    _, files = _locate(checked_path(path))
    train, test = (
        _pair(files[part, "images"], files[part, "labels"]) for part in ("train", "test")
    )
    if train[0].shape[1:] != test[0].shape[1:]:
        raise ValueError(
            f"{path}: training images are {train[0].shape[1:]}, test images {test[0].shape[1:]}; "
            "expected one size"
        )
    if turn:
        return (_transposed(train[0]), train[1]), (_transposed(test[0]), test[1])
    return train, test


def data_set_name(path: Path) -> str:
    """What the names of the files begin with that load_folder takes: "emnist-letters"; else ""."""
    return _locate(path)[0]


def data_set_names(folder: Path) -> list[str]:
    """The names of all whole data sets in a folder, but for one with names as MNIST's."""
    if not folder.is_dir():
        return []
    return [name for name, files in _data_sets(folder).items() if name and _is_whole(files)]


def _locate(path: Path) -> tuple[str, Files]:
    """The four files that `path` stands for, and what their names begin with."""
    folder, name = (path, "") if path.is_dir() else (path.parent, path.name)
    if not folder.is_dir() or path.is_file():
        raise FileNotFoundError(f"path must be a folder, but {path} is not one")
    found = _data_sets(folder)
    whole = {key: files for key, files in found.items() if _is_whole(files)}
    if name in whole:
        return name, whole[name]
    names = ", ".join(filter(None, whole))
    if name:
        raise FileNotFoundError(
            f"path must be a folder, but {path} is not one, nor are there files in {folder} whose "
            f"names begin with {name!r}" + (f"; there are {names}" if names else "")
        )
    if len(whole) == 1:
        return next(iter(whole.items()))
    if whole:
        raise ValueError(
            f"path {folder} holds several data sets, {names}: name one of them, as "
            f"{str(folder / min(whole))!r}"
        )
    most = max(found.values(), key=len, default={})
    there = [file for file, part in zip(NAMES, _PARTS, strict=True) if part in most]
    raise FileNotFoundError(
        f"path {folder} does not hold a data set: {missing_files(NAMES, there)}. {content(folder)}"
    )


def _data_sets(folder: Path) -> dict[str, Files]:
    """The files of all data sets in a folder, by their names' beginnings."""
    best: dict[str, dict[tuple[str, str], tuple[list[bool], Path]]] = {}
    for path in sorted(folder.iterdir()):
        match = _NAME.fullmatch(path.name)
        if match is None or not path.is_file():
            continue
        prefix, part, what, dash, kind, gz = match.groups()
        if (what == "images") != (kind == "3-ubyte"):
            continue
        files = best.setdefault(re.sub("[^A-Za-z0-9]+$", "", prefix), {})
        key = ("train" if part == "train" else "test", what)
        rank = [a != b for a, b in zip((part, dash, kind, gz), _FORMS, strict=True)]
        if key not in files or rank < files[key][0]:
            files[key] = rank, path
    return {name: {part: path for part, (_, path) in files.items()} for name, files in best.items()}


def _is_whole(files: Files) -> bool:
    return len(files) == len(_PARTS)


def _pair(images_path: Path, labels_path: Path) -> tuple[Bytes, Bytes]:
    images, labels = _read(images_path, _images), _read(labels_path, _labels)
    if len(images) != len(labels):
        raise ValueError(
            f"{images_path} holds {len(images)} images, but {labels_path} {len(labels)} labels"
        )
    return images, labels


def _read(path: Path, read: Callable[[Stream, str, int], Bytes]) -> Bytes:
    limit = _GZIP_LIMIT if is_gzip(path) else path.stat().st_size
    try:
        with unpacked(path) as stream:
            return read(stream, str(path), limit)
    except BROKEN_GZIP as error:
        raise DamagedError(f"{path} is damaged: {error}") from None


def _images(stream: Stream, path: str, limit: int) -> Bytes:
    return _values(stream, parse_header(stream, 3, path), path, limit)


def _labels(stream: Stream, path: str, limit: int) -> Bytes:
    dtype, shape = parse_label_header(stream, path)
    if dtype == np.uint8:
        return _values(stream, shape, path, limit)
    labels = _values(stream, (*shape, dtype.itemsize), path, limit).view(dtype)[..., 0]
    if len(shape) == 2:
        labels = labels[:, 0]
    if labels.min() < 0 or labels.max() > 255:
        wrong = labels[(labels < 0) | (labels > 255)][0]
        raise ValueError(f"{path} must hold labels from 0 to 255, got {wrong}")
    return labels.astype(np.uint8)


def _values(stream: Stream, shape: tuple[int, ...], path: str, limit: int) -> Bytes:
    """The bytes that follow a header."""
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


def _transposed(images: Bytes) -> Bytes:
    """Rows and columns swapped, in place where they are as many."""
    if images.shape[1] != images.shape[2]:
        return np.ascontiguousarray(images.transpose(0, 2, 1))
    for start in range(0, len(images), _TURNED):
        part = images[start : start + _TURNED]
        part[...] = part.transpose(0, 2, 1).copy()
    return images
