"""Losses. In training C++ computes them; the functions here are for use on plain arrays.

The functions take y_true and y_pred of a batch and return one float32 value a sample, shape (N,),
computed in float64. y_pred is (N, classes), probabilities unless from_logits. As in Keras,
probabilities are divided by their sum and clipped to [1e-7, 1 - 1e-7] first. For
maximum_a_posteriori y_pred holds distances, the smallest of the class that is found.

A model compiled with a cross-entropy that is not from logits must end in a softmax: other outputs
that are no probabilities are an error where they may be negative or all zero (linear, relu, tanh),
and a warning after a sigmoid, whose outputs are divided by their sum.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from . import _check, _configurable, _missing
from ._configurable import serialize

__all__ = [
    "CategoricalCrossentropy",
    "Loss",
    "MaximumAPosteriori",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "categorical_crossentropy",
    "get",
    "maximum_a_posteriori",
    "mean_squared_error",
    "serialize",
    "sparse_categorical_crossentropy",
]

__getattr__ = _missing.of(__name__)

EPSILON = 1e-7
RUBBISH = 1.0  # MaximumAPosteriori's j


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False
) -> NDArray[np.float32]:
    """-sum(y_true * log(y_pred)) over the classes; y_true: one-hot rows, (N, classes)."""
    pred = _check.matrix("y_pred", y_pred)
    true = _check.matrix("y_true", y_true, pred.shape)
    values = -np.sum(true * _log_probabilities(pred, from_logits), axis=1)
    return np.asarray(values, np.float32)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False
) -> NDArray[np.float32]:
    """-log(y_pred[label]); y_true: integer labels 0 .. classes - 1, (N,) or (N, 1)."""
    pred = _check.matrix("y_pred", y_pred)
    labels = _check.label_column("y_true", y_true, pred.shape)
    values = -_log_probabilities(pred, from_logits)[np.arange(len(pred)), labels]
    return np.asarray(values, np.float32)


def mean_squared_error(y_true: Any, y_pred: Any) -> NDArray[np.float32]:
    """Mean of (y_true - y_pred)**2 over the last axis; both (N, features)."""
    pred = _check.matrix("y_pred", y_pred)
    true = _check.matrix("y_true", y_true, pred.shape)
    return np.asarray(np.mean((true - pred) ** 2, axis=1), np.float32)


def maximum_a_posteriori(y_true: Any, y_pred: Any, j: float = RUBBISH) -> NDArray[np.float32]:
    """y_pred[label] + log(e^-j + sum over the classes of e^-y_pred), of distances.

    y_true: integer labels 0 .. classes - 1, (N,) or (N, 1); y_pred: (N, classes).
    """
    pred = _check.matrix("y_pred", y_pred)
    labels = _check.label_column("y_true", y_true, pred.shape)
    all_ = np.column_stack([np.full(len(pred), _check.real("j", j)), pred])
    least = all_.min(axis=1)
    logs = np.log(np.exp(least[:, None] - all_).sum(axis=1)) - least
    return np.asarray(pred[np.arange(len(pred)), labels] + logs, np.float32)


class Loss(_configurable.Configurable, ABC, family="loss"):
    """Base class: which loss training computes, and its mean over a batch as a call."""

    kind: ClassVar[str]
    takes_labels: ClassVar[bool] = False  # integers; else one row of targets for each sample
    from_logits = False

    def __init__(self, *, name: str | None = None) -> None:
        self.name = self.kind if name is None else _check.text("name", name)

    @abstractmethod
    def _values(self, y_true: Any, y_pred: Any) -> NDArray[np.float32]:
        """One value a sample."""

    def __call__(self, y_true: Any, y_pred: Any) -> float:
        """Mean over the samples of a batch. Raises ValueError for an empty batch."""
        values = self._values(y_true, y_pred)
        if not values.size:
            raise ValueError("y_pred must hold at least one sample, got none")
        return float(np.mean(values, dtype=np.float64))


class _Crossentropy(Loss):
    def __init__(self, from_logits: bool = False, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.from_logits = _check.boolean("from_logits", from_logits)


class CategoricalCrossentropy(_Crossentropy):
    """Cross-entropy with one-hot labels. from_logits: y_pred holds logits, not probabilities."""

    kind = "categorical_crossentropy"

    def _values(self, y_true: Any, y_pred: Any) -> NDArray[np.float32]:
        return categorical_crossentropy(y_true, y_pred, self.from_logits)


class SparseCategoricalCrossentropy(_Crossentropy):
    """Cross-entropy with integer labels. from_logits: y_pred holds logits, not probabilities."""

    kind = "sparse_categorical_crossentropy"
    takes_labels = True

    def _values(self, y_true: Any, y_pred: Any) -> NDArray[np.float32]:
        return sparse_categorical_crossentropy(y_true, y_pred, self.from_logits)


class MeanSquaredError(Loss):
    """Mean squared difference."""

    kind = "mean_squared_error"

    def _values(self, y_true: Any, y_pred: Any) -> NDArray[np.float32]:
        return mean_squared_error(y_true, y_pred)


class MaximumAPosteriori(Loss):
    """LeNet-5's loss of 1998 with integer labels, for distances: y_label + log(e^-j + sum e^-y).

    It pulls the right class's distance down and pushes those of others up, the more the smaller
    they are; j is the distance of a class of rubbish, beyond which others are left alone.
    """

    kind = "maximum_a_posteriori"
    takes_labels = True

    def __init__(self, j: float = RUBBISH, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.j = _check.real32("j", j, "(-inf, inf)")

    def _values(self, y_true: Any, y_pred: Any) -> NDArray[np.float32]:
        return maximum_a_posteriori(y_true, y_pred, self.j)


_NAMES: dict[str, type[Loss]] = {
    **{loss.kind: loss for loss in Loss.members.values()},
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
}
_FUNCTIONS = (
    categorical_crossentropy,
    sparse_categorical_crossentropy,
    mean_squared_error,
    maximum_a_posteriori,
)


def get(identifier: Any) -> Loss:
    """The Loss for a name, one of this module's functions or classes, a config dict or a Loss."""
    if callable(identifier) and not isinstance(identifier, Loss):
        if identifier not in (*_FUNCTIONS, *Loss.members.values()):
            raise ValueError(f"loss must be one of {list(_NAMES)}, got {identifier!r}")
        identifier = identifier.__name__
    return _configurable.get(Loss, identifier, _NAMES)


def _log_probabilities(pred: NDArray[np.float64], from_logits: bool) -> NDArray[np.float64]:
    if from_logits:
        shifted = pred - pred.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    else:
        probabilities = pred / pred.sum(axis=1, keepdims=True)
        logs = np.log(np.clip(probabilities, EPSILON, 1 - EPSILON))
    return np.asarray(logs)
