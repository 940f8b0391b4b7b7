"""Argument checks shared by the pure-Python modules. Each error names argument, wish and value."""

from __future__ import annotations

import operator
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray


def real(name: str, value: object, within: str = "(-inf, inf)") -> float:
    """`value` as a float inside the interval written in `within`, e.g. "[0, 1)"."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{name} must be a number in {within}, got one beyond float64") from None
    low, high = (float(end) for end in within[1:-1].split(","))
    above = number >= low if within[0] == "[" else number > low
    below = number <= high if within[-1] == "]" else number < high
    if not (above and below):
        raise ValueError(f"{name} must be a number in {within}, got {number!r}")
    return number


def real32(name: str, value: object, within: str) -> float:
    """`real(name, value, within)` that is still within when rounded to float32, as C++ has it."""
    number = real(name, value, within)
    with np.errstate(over="ignore"):
        real(f"{name}, as float32,", float(np.float32(number)), within)
    return number


def integer(name: str, value: Any, at_least: int) -> int:
    """`value` as an int not below `at_least`."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
    if number < at_least:
        raise ValueError(f"{name} must be an integer >= {at_least}, got {number}")
    return number


def unsigned(name: str, value: Any, bits: int) -> int:
    """`value` as an unsigned integer of so many bits."""
    number = integer(name, value, 0)
    if number >= 2**bits:
        raise ValueError(f"{name} must be below 2**{bits}, got {number}")
    return number


def boolean(name: str, value: object) -> bool:
    """`value` if it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def text(name: str, value: object) -> str:
    """`value` if it is a str."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, got {value!r}")
    return value


def one_of(name: str, value: object, choices: tuple[str, ...]) -> str:
    """`value` if it is one of the strings in `choices`."""
    if text(name, value) not in choices:
        raise ValueError(f"{name} must be one of {list(choices)}, got {value!r}")
    return str(value)


def class_labels(name: str, value: object, below: int | None = None) -> NDArray[np.int64]:
    """`value` as int64 class labels 0 .. below - 1: integers of any kind, or floats if whole."""
    labels = np.asarray(value)
    if labels.size == 0:
        return np.zeros(labels.shape, np.int64)
    if labels.dtype.kind not in "buif":
        raise TypeError(f"{name} must hold integer labels, got dtype {labels.dtype}")
    if labels.dtype.kind == "f":
        wrong = labels[~(np.isfinite(labels) & (labels == np.floor(labels)))]
        if wrong.size:
            raise ValueError(f"{name} must hold integer labels, got {wrong[0]}")
    lowest, highest = int(labels.min()), int(labels.max())
    if lowest < 0:
        raise ValueError(f"{name} must hold labels >= 0, got {lowest}")
    limit = 2**63 if below is None else below
    if highest >= limit:
        raise ValueError(f"{name} must hold labels below {limit}, got {highest}")
    return labels.astype(np.int64)


def matrix(name: str, value: object, shape: tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """`value` as a float64 matrix, of the shape given."""
    array = np.asarray(value)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must hold numbers, got dtype {array.dtype}")
    if array.ndim != 2 or (shape is not None and array.shape != shape):
        expected = "(N, features)" if shape is None else shape
        raise ValueError(f"{name} must have shape {expected}, got {array.shape}")
    return array.astype(np.float64)


def label_column(name: str, value: Any, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """`value`, of shape (N,) or (N, 1), as N labels for predictions of shape (N, classes)."""
    samples, classes = shape
    given = np.shape(value)
    if given not in ((samples,), (samples, 1)):
        raise ValueError(f"{name} must have shape ({samples},) or ({samples}, 1), got {given}")
    return class_labels(name, value, classes).reshape(samples)


def sample_weights(name: str, value: Any, samples: int) -> NDArray[np.float32]:
    """`value`, of shape (N,) or (N, 1), as float32 (N,), finite numbers."""
    array = np.asarray(value)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must hold numbers, got dtype {array.dtype}")
    if array.shape not in ((samples,), (samples, 1)):
        raise ValueError(f"{name} must have shape ({samples},), one a sample, got {array.shape}")
    with np.errstate(over="ignore"):
        weights = np.ascontiguousarray(array.reshape(samples), np.float32)
    if not np.isfinite(weights).all():
        raise ValueError(f"{name} must hold finite numbers, got NaN or infinity")
    return weights
