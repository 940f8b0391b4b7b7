"""load_csv: images as rows of a CSV file, as Kaggle has MNIST and many sets like it."""

from __future__ import annotations

import gzip
import math
import os
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from .. import _arrays, _check
from ._idx import BROKEN_GZIP, is_gzip
from ._load import checked_path

Column = int | str | None
INFERRED = "inferred"
_LABELS = ("label", "labels", "class", "target", "y", "digit")  # what such a column is called
DELIMITERS = (",", ";", "\t", "|", " ")  # that files have
_ROWS = 1024  # that are parsed at a time, as float64


def load_csv(
    path: str | os.PathLike[str],
    label_column: Column = INFERRED,
    *,
    header: bool | None = None,
    image_size: tuple[int, int] | None = None,
    delimiter: str = ",",
    transpose: bool = False,
) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """Load images and labels from a CSV file, a row for each image; gzip data as well.

    Kaggle's train.csv (785 columns, label first) and test.csv (784) need no more than their path.

    Args:
        path: the file.
        label_column: name or index of the column of labels, None for a file without. "inferred"
            takes one that the header calls label, class, target, y or digit; else the first, if the
            others make a square image; else none, if all do.
        header: whether the first row holds names; None: if none of it is a number, or some
            of it is such a name of a column of labels.
        image_size: (height, width); None: a square image, or (N, columns) where the number of
            columns is no square.
        delimiter: what stands between values.
        transpose: swap rows and columns of each image, which sets EMNIST's upright.

    Returns:
        x, y: images (N, height, width), uint8 if all values are whole and from 0 to 255, else
        float32; int64 labels (N,), or None. Besides what is returned some MB are used.

    Raises:
        FileNotFoundError: there is no file.
        ValueError: a value is no number, a label not whole or below 0, rows are of different
            lengths, there are none, or there is no such column; the text names file and row.
        TypeError: an argument is of the wrong kind.
    """
    file = checked_path(path)
    turn = _check.boolean("transpose", transpose)
    if header is not None:
        header = _check.boolean("header", header)
    if label_column is not None and not isinstance(label_column, str):
        label_column = _check.integer("label_column", label_column, -(2**31))
    size = None if image_size is None else _arrays.pair("image_size", image_size)
    if len(_check.text("delimiter", delimiter)) != 1:
        raise ValueError(f"delimiter must be one character, got {delimiter!r}")
    try:
        with _opened(file) as lines:
            x, y = _read(_Rows(str(file), lines, delimiter, header), label_column)
    except UnicodeDecodeError:
        raise ValueError(f"{file} is not a CSV file: it is no text") from None
    except BROKEN_GZIP as error:
        raise ValueError(f"{file} is damaged: {error}") from None
    x = _as_images(str(file), x, size)
    if turn and x.ndim == 3:
        x = np.ascontiguousarray(x.transpose(0, 2, 1))
    return x, y


def _opened(file: Path) -> IO[str]:
    if is_gzip(file):
        return gzip.open(file, "rt", encoding="utf-8-sig")
    return file.open(encoding="utf-8-sig")


class _Rows:
    """The rows of a CSV file, some at a time.

    names: of the header, None without one. columns: how many there are. hint: for messages, where
    the delimiter looks wrong.
    """

    def __init__(self, where: str, lines: IO[str], delimiter: str, header: bool | None) -> None:
        self.where, self._delimiter = where, delimiter
        first = next((line for line in lines if line.strip()), None)
        if first is None:
            raise ValueError(f"{where} holds no rows")
        fields = _fields(first, delimiter)
        self.columns = len(fields)
        other = next((d for d in DELIMITERS if d in first.strip()), None)
        self.hint = f"; is the delimiter {other!r}?" if len(fields) == 1 and other else ""
        if header is None:
            named = any(field.lower().lstrip("# ") in _LABELS for field in fields)
            header = named or not any(map(_is_number, fields))
        self.names = fields if header else None
        self._lines = lines if header else chain([first], lines)

    def __iter__(self) -> Iterator[NDArray[np.float64]]:
        """Arrays (rows, columns)."""
        done = 0
        while lines := list(islice(self._lines, _ROWS)):
            lines = [line for line in lines if line.strip()]
            if lines:
                yield self._parsed(lines, done)
            done += len(lines)

    def _parsed(self, lines: list[str], done: int) -> NDArray[np.float64]:
        settings: dict[str, Any] = {"delimiter": self._delimiter, "quotechar": '"', "ndmin": 2}
        try:
            rows = np.loadtxt(lines, comments=None, **settings)
        except ValueError as error:
            raise ValueError(self._what_is_wrong(lines, done) or f"{self.where}: {error}") from None
        if rows.shape[1] != self.columns:
            raise ValueError(self._what_is_wrong(lines, done))
        return rows

    def _what_is_wrong(self, lines: list[str], done: int) -> str:
        """Where the first fault is, rows counted from 1 behind the header; "" if none is found."""
        for row, line in enumerate(lines, done + 1):
            fields = _fields(line, self._delimiter)
            if len(fields) != self.columns:
                return (
                    f"{self.where} must hold rows of {self.columns} values, got {len(fields)} in "
                    f"row {row}{self.hint}"
                )
            for column, field in enumerate(fields, 1):
                if not _is_number(field):
                    return (
                        f"{self.where} must hold numbers, got {field[:40]!r} in row {row}, column "
                        f"{column}{self.hint}"
                    )
        return ""


def _read(rows: _Rows, label_column: Column) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """All values but the labels, uint8 or float32, and the labels."""
    column = _label_index(rows, label_column)
    if rows.columns == 1 and column is not None:
        raise ValueError(f"{rows.where} must hold more columns than the labels, got 1{rows.hint}")
    parts: list[NDArray[Any]] = []
    labels: list[NDArray[np.int64]] = []
    as_bytes = True
    for values in rows:
        if column is not None:
            name = f"label_column of {rows.where}"
            labels.append(_check.class_labels(name, values[:, column]))
            values = np.delete(values, column, axis=1)
        small = values.astype(np.uint8) if as_bytes and _are_bytes(values) else None
        if small is None and as_bytes:
            as_bytes = False
            parts = [part.astype(np.float32) for part in parts]
        parts.append(values.astype(np.float32) if small is None else small)
    if not parts:
        raise ValueError(f"{rows.where} holds no rows but its header")
    return np.concatenate(parts), None if column is None else np.concatenate(labels)


def _are_bytes(values: NDArray[np.float64]) -> bool:
    if not (values.min() >= 0 and values.max() <= 255):
        return False
    return bool((values == np.floor(values)).all())


def _label_index(rows: _Rows, label_column: Column) -> int | None:
    """The index of the column of labels."""
    names, columns = rows.names, rows.columns
    if label_column == INFERRED and not (names and INFERRED in names):
        called = [name for name in names or () if name.lower() in _LABELS]
        if called and names:
            return names.index(called[0])
        if math.isqrt(columns - 1) ** 2 == columns - 1 > 0:
            return 0
        if math.isqrt(columns) ** 2 == columns:
            return None
        raise ValueError(
            f"label_column must be given: none of the {columns} columns of {rows.where} is called "
            f"{', '.join(_LABELS)}, nor do all, or all but the first, make a square image"
        )
    if isinstance(label_column, str):
        if names is None or label_column not in names:
            there = "no header" if names is None else f"the columns {', '.join(names[:5])} ..."
            raise ValueError(
                f"label_column must be in {rows.where}, got {label_column!r}: it has {there}"
                f"{rows.hint}"
            )
        return names.index(label_column)
    if label_column is not None and not -columns <= label_column < columns:
        raise ValueError(
            f"label_column must be below {columns}, the number of columns of {rows.where}, got "
            f"{label_column}"
        )
    return None if label_column is None else label_column % columns


def _as_images(where: str, x: NDArray[Any], size: tuple[int, int] | None) -> NDArray[Any]:
    count, pixels = x.shape
    if size is None:
        side = math.isqrt(pixels)
        return x.reshape(count, side, side) if side * side == pixels else x
    if size[0] * size[1] != pixels:
        raise ValueError(
            f"image_size must be of {pixels} pixels, the columns of {where} but the labels, got "
            f"{size}"
        )
    return x.reshape(count, *size)


def _fields(line: str, delimiter: str) -> list[str]:
    return [field.strip().strip('"') for field in line.strip().split(delimiter)]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
