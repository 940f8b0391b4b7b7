"""Losses. In training C++ computes them; the functions here are for use on plain arrays.

The functions take y_true and y_pred of a batch and return one float32 value a sample, shape (N,),
computed in float64. Both are (N, outputs); y_true may be (N,) where there is one output.
Cross-entropies take probabilities unless from_logits. As in Keras, those of classes are divided by
their sum, and all are clipped to [1e-7, 1 - 1e-7] first. For maximum_a_posteriori y_pred holds
distances, the smallest of the class that is found.

A model compiled with a cross-entropy that is not from logits must end in a softmax, for a binary
one in a sigmoid: other outputs that are no probabilities are an error where they may be negative or
all zero (linear, relu, tanh), and a warning where outputs of sigmoids are divided by their sum.
After that softmax or sigmoid it is computed from what goes into it, which nothing rounds off.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from . import _check, _configurable, _missing
from ._configurable import serialize
from ._eager import Number

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "MaximumAPosteriori",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "binary_crossentropy",
    "categorical_crossentropy",
    "categorical_hinge",
    "cosine_similarity",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "maximum_a_posteriori",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
]

__getattr__ = _missing.of(__name__)

EPSILON = 1e-7
RUBBISH = 1.0  # MaximumAPosteriori's j


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0
) -> NDArray[np.float32]:
    """Mean over the outputs of -(t * log(p) + (1 - t) * log(1 - p)).

    label_smoothing: t = y_true * (1 - label_smoothing) + label_smoothing / 2.
    """
    true, pred = _pair(y_true, y_pred)
    true = _smoothed(true, label_smoothing, 2)
    if _check.boolean("from_logits", from_logits):
        values = np.maximum(pred, 0) - pred * true + np.log1p(np.exp(-np.abs(pred)))
    else:
        p = np.clip(pred, EPSILON, 1 - EPSILON)
        values = -(true * np.log(p) + (1 - true) * np.log(1 - p))
    return _means(values)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0
) -> NDArray[np.float32]:
    """-sum(t * log(y_pred)) over the classes; y_true: one-hot rows, (N, classes).

    label_smoothing: t = y_true * (1 - label_smoothing) + label_smoothing / classes.
    """
    true, pred = _pair(y_true, y_pred)
    true = _smoothed(true, label_smoothing, pred.shape[1])
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
    """Mean of (y_true - y_pred)**2 over the outputs."""
    true, pred = _pair(y_true, y_pred)
    return _means((true - pred) ** 2)


def mean_absolute_error(y_true: Any, y_pred: Any) -> NDArray[np.float32]:
    """Mean of abs(y_true - y_pred) over the outputs."""
    true, pred = _pair(y_true, y_pred)
    return _means(np.abs(true - pred))


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> NDArray[np.float32]:
    """Mean of 100 * abs(y_true - y_pred) / max(abs(y_true), 1e-7) over the outputs."""
    true, pred = _pair(y_true, y_pred)
    return _means(100 * np.abs(true - pred) / np.maximum(np.abs(true), EPSILON))


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> NDArray[np.float32]:
    """Mean of (log(1 + y_true) - log(1 + y_pred))**2 over the outputs, both at least 1e-7."""
    true, pred = (np.log1p(np.maximum(a, EPSILON)) for a in _pair(y_true, y_pred))
    return _means((true - pred) ** 2)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> NDArray[np.float32]:
    """Mean over the outputs of e**2 / 2 with e = abs(y_true - y_pred), or beyond delta a line.

    The line: delta * e - delta**2 / 2. Source: Huber, Annals of Mathematical Statistics 35, 1964.
    """
    true, pred = _pair(y_true, y_pred)
    delta = _check.real("delta", delta, "(0, inf)")
    e = np.abs(true - pred)
    return _means(np.where(e <= delta, e**2 / 2, delta * e - delta**2 / 2))


def log_cosh(y_true: Any, y_pred: Any) -> NDArray[np.float32]:
    """Mean of log(cosh(y_pred - y_true)) over the outputs."""
    true, pred = _pair(y_true, y_pred)
    e = np.abs(pred - true)
    return _means(e + np.log1p(np.exp(-2 * e)) - np.log(2))


def kl_divergence(y_true: Any, y_pred: Any) -> NDArray[np.float32]:
    """Sum of y_true * log(y_true / y_pred), both clipped to [1e-7, 1]."""
    true, pred = (np.clip(a, EPSILON, 1) for a in _pair(y_true, y_pred))
    return np.asarray(np.sum(true * np.log(true / pred), axis=1), np.float32)


def poisson(y_true: Any, y_pred: Any) -> NDArray[np.float32]:
    """Mean of y_pred - y_true * log(y_pred + 1e-7) over the outputs."""
    true, pred = _pair(y_true, y_pred)
    return _means(pred - true * np.log(pred + EPSILON))


def hinge(y_true: Any, y_pred: Any) -> NDArray[np.float32]:
    """Mean of max(0, 1 - y_true * y_pred) over the outputs.

    y_true: -1 or 1; where all are 0 or 1, these are taken for -1 and 1.
    """
    true, pred = _pair(y_true, y_pred)
    return _means(np.maximum(0, 1 - _signs(true) * pred))


def squared_hinge(y_true: Any, y_pred: Any) -> NDArray[np.float32]:
    """Mean of max(0, 1 - y_true * y_pred)**2 over the outputs; y_true as for hinge."""
    true, pred = _pair(y_true, y_pred)
    return _means(np.maximum(0, 1 - _signs(true) * pred) ** 2)


def categorical_hinge(y_true: Any, y_pred: Any) -> NDArray[np.float32]:
    """max(0, 1 + max((1 - y_true) * y_pred) - sum(y_true * y_pred)); y_true: one-hot rows."""
    true, pred = _pair(y_true, y_pred)
    wrong, right = np.max((1 - true) * pred, axis=1), np.sum(true * pred, axis=1)
    return np.asarray(np.maximum(0, 1 + wrong - right), np.float32)


def cosine_similarity(y_true: Any, y_pred: Any) -> NDArray[np.float32]:
    """Minus the cosine of the angle between the rows, from -1, which is best, to 1.

    A row's length below 1e-7 is taken for 1e-7: the value of zeros is 0.
    """
    true, pred = (
        a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), EPSILON)
        for a in _pair(y_true, y_pred)
    )
    return np.asarray(-np.sum(true * pred, axis=1), np.float32)


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


class Loss(
    _configurable.Configurable, ABC, family="loss", not_called=("call", "__call__", "values")
):
    """Base class: which loss training computes, and its mean over a batch as a call."""

    kind: ClassVar[str]  # also the name of its function
    takes_labels: ClassVar[bool] = False  # integers; else one row of targets for each sample
    from_logits = False
    label_smoothing = 0.0

    def __init__(self, *, name: str | None = None) -> None:
        self.name = self.kind if name is None else _check.text("name", name)

    def values(self, y_true: Any, y_pred: Any) -> NDArray[np.float32]:
        """One value a sample."""
        values: NDArray[np.float32] = _FUNCTIONS[self.kind](y_true, y_pred, *self._settings())
        return values

    def _settings(self) -> tuple[Any, ...]:
        """The function's further arguments."""
        return ()

    def target_map(self, targets: NDArray[Any]) -> tuple[float, float]:
        """The scale and shift by which the loss takes rows of these targets."""
        return 1.0, 0.0

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """Sum over the samples of a batch, each times its weight, divided by their number.

        sample_weight: (N,) or (N, 1). Raises ValueError for an empty batch.
        """
        values = self.values(y_true, y_pred)
        if not values.size:
            raise ValueError("y_pred must hold at least one sample, got none")
        if sample_weight is not None:
            values = values * _check.sample_weights("sample_weight", sample_weight, len(values))
        return Number(np.mean(values, dtype=np.float64))


class _Crossentropy(Loss):
    def __init__(self, from_logits: bool = False, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.from_logits = _check.boolean("from_logits", from_logits)

    def _settings(self) -> tuple[Any, ...]:
        return (self.from_logits,)


class _SmoothedCrossentropy(_Crossentropy):
    def __init__(
        self, from_logits: bool = False, label_smoothing: float = 0.0, *, name: str | None = None
    ) -> None:
        super().__init__(from_logits, name=name)
        self.label_smoothing = _check.real32("label_smoothing", label_smoothing, "[0, 1]")

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments by name; label_smoothing only if there is any."""
        found = super().arguments()
        if not self.label_smoothing:
            del found["label_smoothing"]
        return found

    def _settings(self) -> tuple[Any, ...]:
        return self.from_logits, self.label_smoothing


class BinaryCrossentropy(_SmoothedCrossentropy):
    """Cross-entropy of each output alone, a yes (1) or a no (0); see binary_crossentropy.

    from_logits: y_pred holds logits, not probabilities.
    """

    kind = "binary_crossentropy"

    def target_map(self, targets: NDArray[Any]) -> tuple[float, float]:
        return 1 - self.label_smoothing, self.label_smoothing / 2


class CategoricalCrossentropy(_SmoothedCrossentropy):
    """Cross-entropy with one-hot labels; see categorical_crossentropy.

    from_logits: y_pred holds logits, not probabilities.
    """

    kind = "categorical_crossentropy"

    def target_map(self, targets: NDArray[Any]) -> tuple[float, float]:
        return 1 - self.label_smoothing, self.label_smoothing / targets.shape[1]


class SparseCategoricalCrossentropy(_Crossentropy):
    """Cross-entropy with integer labels. from_logits: y_pred holds logits, not probabilities."""

    kind = "sparse_categorical_crossentropy"
    takes_labels = True


class MeanSquaredError(Loss):
    """Mean squared difference."""

    kind = "mean_squared_error"


class MeanAbsoluteError(Loss):
    """Mean absolute difference."""

    kind = "mean_absolute_error"


class MeanAbsolutePercentageError(Loss):
    """Mean absolute difference in percent of the target; see mean_absolute_percentage_error."""

    kind = "mean_absolute_percentage_error"


class MeanSquaredLogarithmicError(Loss):
    """Mean squared difference of logarithms; see mean_squared_logarithmic_error."""

    kind = "mean_squared_logarithmic_error"


class Huber(Loss):
    """Half the squared difference, from delta on a line; see huber."""

    kind = "huber"

    def __init__(self, delta: float = 1.0, *, name: str | None = None) -> None:
        super().__init__(name=name)
        self.delta = _check.real32("delta", delta, "(0, inf)")

    def _settings(self) -> tuple[Any, ...]:
        return (self.delta,)


class LogCosh(Loss):
    """Mean logarithm of the difference's hyperbolic cosine."""

    kind = "log_cosh"


class KLDivergence(Loss):
    """Kullback-Leibler divergence of two distributions; see kl_divergence."""

    kind = "kl_divergence"


class Poisson(Loss):
    """y_pred - y_true * log(y_pred), for counts; see poisson."""

    kind = "poisson"


class Hinge(Loss):
    """max(0, 1 - y_true * y_pred) with targets -1 and 1; see hinge."""

    kind = "hinge"

    def target_map(self, targets: NDArray[Any]) -> tuple[float, float]:
        return (2.0, -1.0) if np.isin(targets, (0, 1)).all() else (1.0, 0.0)


class SquaredHinge(Hinge):
    """The square of hinge's values; see squared_hinge."""

    kind = "squared_hinge"


class CategoricalHinge(Loss):
    """By how much the right class's output is not 1 above the others'; see categorical_hinge."""

    kind = "categorical_hinge"


class CosineSimilarity(Loss):
    """Minus the cosine of the angle between outputs and targets; see cosine_similarity."""

    kind = "cosine_similarity"


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

    def _settings(self) -> tuple[Any, ...]:
        return (self.j,)


_NAMES: dict[str, type[Loss]] = {
    **{loss.kind: loss for loss in Loss.members.values()},
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "MAE": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "MAPE": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError,
    "MSLE": MeanSquaredLogarithmicError,
    "bce": BinaryCrossentropy,
    "BCE": BinaryCrossentropy,
    "kld": KLDivergence,
    "KLD": KLDivergence,
    "kullback_leibler_divergence": KLDivergence,
    "logcosh": LogCosh,
}
_FUNCTIONS: dict[str, Callable[..., NDArray[np.float32]]] = {
    kind: globals()[kind] for kind in _NAMES if kind in __all__
}


def get(identifier: Any) -> Loss:
    """The Loss for a name, one of this module's functions or classes, a config dict or a Loss."""
    if callable(identifier) and not isinstance(identifier, Loss):
        if identifier not in (*_FUNCTIONS.values(), *Loss.members.values()):
            raise ValueError(
                f"loss must be one of {list(_NAMES)}, got {identifier!r}; C++ computes losses and "
                "their gradients, so none of one's own can be trained with; a function among the "
                "metrics of compile is called, and shown in each epoch"
            )
        identifier = identifier.__name__
    return _configurable.get(Loss, identifier, _NAMES)


def _pair(y_true: Any, y_pred: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as float64 matrices of one shape."""
    pred = _check.matrix("y_pred", y_pred)
    if pred.shape[1] == 1 and np.shape(y_true) == pred.shape[:1]:
        y_true = np.asarray(y_true)[:, None]
    return _check.matrix("y_true", y_true, pred.shape), pred


def _means(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Over the outputs."""
    return np.asarray(values.mean(axis=1), np.float32)


def _smoothed(
    true: NDArray[np.float64], label_smoothing: float, choices: int
) -> NDArray[np.float64]:
    share = _check.real("label_smoothing", label_smoothing, "[0, 1]")
    return true * (1 - share) + share / choices


def _signs(true: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2 * true - 1 if np.isin(true, (0, 1)).all() else true


def _log_probabilities(pred: NDArray[np.float64], from_logits: bool) -> NDArray[np.float64]:
    if from_logits:
        shifted = pred - pred.max(axis=1, keepdims=True)
        logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    else:
        probabilities = pred / pred.sum(axis=1, keepdims=True)
        logs = np.log(np.clip(probabilities, EPSILON, 1 - EPSILON))
    return np.asarray(logs)
