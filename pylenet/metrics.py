"""Metrics: accuracy under its Keras names, and the losses as functions, which scripts expect here.

Training counts right answers in C++; the functions here are for use on plain arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _check, _missing
from ._configurable import Configurable, short_name
from .losses import (
    categorical_crossentropy,
    mean_squared_error,
    sparse_categorical_crossentropy,
)

__all__ = [
    "CategoricalAccuracy",
    "SparseCategoricalAccuracy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "get",
    "mean_squared_error",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
]

__getattr__ = _missing.of(__name__)


def categorical_accuracy(y_true: Any, y_pred: Any) -> NDArray[np.float32]:
    """1 where the largest prediction is the class of the one-hot label, else 0.

    y_true, y_pred: (N, classes). Returns float32 (N,). Of equal predictions the first counts.
    """
    pred = _check.matrix("y_pred", y_pred)
    true = _check.matrix("y_true", y_true, pred.shape)
    return np.asarray(true.argmax(axis=1) == pred.argmax(axis=1), np.float32)


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> NDArray[np.float32]:
    """1 where the largest prediction is the class of the integer label, else 0.

    y_true: (N,) or (N, 1); y_pred: (N, classes). Returns float32 (N,).
    """
    pred = _check.matrix("y_pred", y_pred)
    labels = _check.label_column("y_true", y_true, pred.shape)
    return np.asarray(labels == pred.argmax(axis=1), np.float32)


class _Accuracy(Configurable, family="metric"):
    """The share of right answers, for compile(metrics=[...]); `name` is its key in the logs."""

    def __init__(self, name: str | None = None) -> None:
        self.name = short_name(type(self)) if name is None else _check.text("name", name)


class CategoricalAccuracy(_Accuracy):
    """Accuracy with one-hot labels."""


class SparseCategoricalAccuracy(_Accuracy):
    """Accuracy with integer labels."""


_NAMES = ("accuracy", "acc", *map(short_name, _Accuracy.members.values()), *_Accuracy.members)
_FUNCTIONS = (categorical_accuracy, sparse_categorical_accuracy)


def get(identifier: object) -> str:
    """The key in the logs of an accuracy given by name, function, class or instance.

    Raises ValueError for any other metric.
    """
    if isinstance(identifier, type) and issubclass(identifier, _Accuracy):
        identifier = identifier()
    if isinstance(identifier, _Accuracy):
        return identifier.name
    if identifier in _FUNCTIONS:
        return identifier.__name__
    if identifier in _NAMES:
        return str(identifier)
    raise ValueError(f"metrics must be accuracies, one of {list(_NAMES)}, got {identifier!r}")
