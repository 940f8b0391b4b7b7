"""Metrics, in Keras's words, for compile(metrics=[...]) and by themselves; losses as functions.

A metric gathers batches: m.update_state(y_true, y_pred), then m.result(), a float, and
m.reset_state(). y_pred: (N, outputs). y_true: rows (N, outputs), or integer labels (N,) or (N, 1)
where a metric compares classes. sample_weight: (N,) or (N, 1). Sums are taken in float64.
The functions take y_true and y_pred of a batch and return one float32 value a sample, shape (N,).

While a model is trained or evaluated C++ counts right answers; what other metrics need of the
outputs is handed to them step by step, and so it is to one's own: a function of (y_true, y_pred),
as numpy arrays, that returns a number or one value a sample, or a subclass of Metric. Of a function
it is the mean that counts, a number being that of all samples of its batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from . import _check, _configurable, _missing, initializers, losses
from ._configurable import Configurable, is_own, short_name
from ._eager import EagerTensor, eager
from .losses import (
    binary_crossentropy,
    categorical_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)

__all__ = [
    "AUC",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "Poisson",
    "Precision",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SquaredHinge",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "binary_accuracy",
    "binary_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_hinge",
    "cosine_similarity",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
]

__getattr__ = _missing.of(__name__)

EPSILON = 1e-7


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> NDArray[np.float32]:
    """The share of a sample's outputs that are above the threshold where y_true is 1, else not.

    y_true, y_pred: (N, outputs), y_true also (N,) of one output. Returns float32 (N,).
    """
    true, pred = _rows(y_true, y_pred)
    above = pred > np.float32(_check.real("threshold", threshold))
    return np.asarray((above == true).mean(axis=1), np.float32)


def categorical_accuracy(y_true: Any, y_pred: Any) -> NDArray[np.float32]:
    """1 where the largest prediction is the class of the one-hot label, else 0.

    y_true, y_pred: (N, classes). Returns float32 (N,). Of equal predictions the first counts.
    """
    true, pred = _rows(y_true, y_pred)
    return np.asarray(true.argmax(axis=1) == pred.argmax(axis=1), np.float32)


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> NDArray[np.float32]:
    """1 where the largest prediction is the class of the integer label, else 0.

    y_true: (N,) or (N, 1); y_pred: (N, classes). Returns float32 (N,).
    """
    pred = _check.matrix("y_pred", y_pred)
    labels = _check.label_column("y_true", y_true, pred.shape)
    return np.asarray(labels == pred.argmax(axis=1), np.float32)


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> NDArray[np.float32]:
    """1 where the class of the one-hot label is among the k largest predictions, else 0.

    y_true, y_pred: (N, classes). Returns float32 (N,). Predictions equal to the k-th largest all
    count, as in Keras; a prediction that is not finite does not.
    """
    true, pred = _rows(y_true, y_pred)
    return sparse_top_k_categorical_accuracy(true.argmax(axis=1), pred, k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> NDArray[np.float32]:
    """The same for integer labels, y_true: (N,) or (N, 1)."""
    pred = _check.matrix("y_pred", y_pred)
    labels = _check.label_column("y_true", y_true, pred.shape)
    k = _check.integer("k", k, 1)
    own = pred[np.arange(len(pred)), labels]
    larger = (pred > own[:, None]).sum(axis=1)
    return np.asarray((larger < k) & np.isfinite(own), np.float32)


def cosine_similarity(y_true: Any, y_pred: Any) -> NDArray[np.float32]:
    """The cosine of the angle between the rows: minus the loss of this name.

    y_true, y_pred: (N, outputs), y_true also (N,) of one output. Returns float32 (N,).
    """
    return -losses.cosine_similarity(y_true, y_pred)


class _Reset(_missing.OldArguments):
    """Of metrics: each is reset when it is made, after its own constructor."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        metric = super().__call__(*args, **kwargs)
        metric.reset_state()
        return metric


class Metric(Configurable, ABC, family="metric", not_called=("call", "__call__"), metaclass=_Reset):
    """Base class. name: the key in the logs, made from the class's name if None.

    A metric of one's own keeps what it has seen in attributes, which reset_state sets, or in what
    add_weight gives. y_true are labels (N,) or rows (N, outputs), as the model's loss takes them.
    """

    needs_rows: ClassVar[bool] = False  # as y_true; else it may be labels as well
    takes_one_output: ClassVar[bool] = True
    counted: ClassVar[bool] = False  # by C++, where samples have no weights

    def __init__(self, name: str | None = None) -> None:
        self.name = self.default_name() if name is None else _check.text("name", name)
        self._variables: list[tuple[EagerTensor, NDArray[np.float32]]] = []  # and first values

    @classmethod
    def default_name(cls) -> str:
        """As top_k_categorical_accuracy of TopKCategoricalAccuracy."""
        return short_name(cls)

    def reset_state(self) -> None:
        """Forget all batches: what add_weight gave has its first values again.

        Raises TypeError where there is none of it, and the class has no reset_state of its own.
        """
        former = getattr(self, "reset_states", None)  # its name before Keras 2.5
        if former is not None:
            former()
        elif not self._variables:
            raise TypeError(
                f"{type(self).__name__} must have a method reset_state, which sets its state, or "
                "keep its state in what add_weight gives"
            )
        for variable, first in self._variables:
            variable.assign(first)

    @abstractmethod
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""

    @abstractmethod
    def result(self) -> float:
        """The value of all batches so far."""

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """Add a batch; returns the value so far."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()

    def add_weight(
        self,
        shape: Sequence[int] | str = (),
        initializer: Any = "zeros",
        dtype: Any = None,
        name: str | None = None,
    ) -> EagerTensor:
        """State of this shape, a numpy array that also has assign and assign_add.

        shape: where it is text, it is the name, which Keras 2 takes first. initializer: as a
        layer's. dtype: float32 if None.
        """
        if isinstance(shape, str):
            name, shape = shape, ()
        sizes = tuple(_check.integer("shape", size, 0) for size in shape)
        first = initializers.get(initializer)(sizes)
        variable = eager(np.array(first, np.float32 if dtype is None else np.dtype(dtype)))
        variable.name = variable.path = name or ""
        self._variables.append((variable, first))
        return variable

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments, as JSON values."""
        return {"name": self.name, **self.arguments()}

    def _weights(self, sample_weight: Any, samples: int) -> NDArray[np.float64]:
        if sample_weight is None:
            return np.ones(samples)
        weights = _check.sample_weights("sample_weight", sample_weight, samples)
        return weights.astype(np.float64)


class _Mean(Metric):
    """The mean over the samples of what `values` gives, each times its weight."""

    def reset_state(self) -> None:
        self._total = self._count = 0.0

    @abstractmethod
    def values(self, y_true: Any, y_pred: Any) -> NDArray[np.float32]:
        """One value a sample."""

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        values = self.values(y_true, y_pred)
        weights = self._weights(sample_weight, len(values))
        self._total += float((values * weights).sum())
        self._count += float(weights.sum())

    def result(self) -> float:
        return self._total / self._count if self._count else 0.0


class CategoricalAccuracy(_Mean):
    """The share of right answers with one-hot labels."""

    counted = True
    takes_one_output = False

    def values(self, y_true: Any, y_pred: Any) -> NDArray[np.float32]:
        return _by_class(sparse_categorical_accuracy, categorical_accuracy)(y_true, y_pred)


class SparseCategoricalAccuracy(CategoricalAccuracy):
    """The share of right answers with integer labels."""


class _Accuracy(CategoricalAccuracy):
    """What "accuracy" means: of classes, or where there is one output, of yes and no."""

    takes_one_output = True

    def values(self, y_true: Any, y_pred: Any) -> NDArray[np.float32]:
        if np.shape(y_pred)[1] == 1:
            return binary_accuracy(y_true, y_pred)
        return super().values(y_true, y_pred)


class BinaryAccuracy(_Mean):
    """The share of outputs that are above the threshold where they should be 1, else not."""

    needs_rows = True

    def __init__(self, name: str | None = None, *, threshold: float = 0.5) -> None:
        self.threshold = _check.real("threshold", threshold)
        super().__init__(name=name)

    def values(self, y_true: Any, y_pred: Any) -> NDArray[np.float32]:
        return binary_accuracy(y_true, y_pred, self.threshold)


class TopKCategoricalAccuracy(_Mean):
    """The share of samples whose class is among the k largest outputs, with one-hot labels."""

    takes_one_output = False

    def __init__(self, k: int = 5, name: str | None = None) -> None:
        self.k = _check.integer("k", k, 1)
        super().__init__(name=name)

    @classmethod
    def default_name(cls) -> str:
        return short_name(cls).replace("top_k", "top_k_").replace("__", "_")

    def values(self, y_true: Any, y_pred: Any) -> NDArray[np.float32]:
        choice = _by_class(sparse_top_k_categorical_accuracy, top_k_categorical_accuracy)
        return choice(y_true, y_pred, self.k)


class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """The share of samples whose class is among the k largest outputs, with integer labels."""


class _LossMetric(_Mean):
    """A loss as a metric: its mean without the penalties of a training."""

    needs_rows = True
    loss: losses.Loss

    def values(self, y_true: Any, y_pred: Any) -> NDArray[np.float32]:
        return self.loss.values(y_true, y_pred)


class MeanSquaredError(_LossMetric):
    """Mean squared difference."""

    loss = losses.MeanSquaredError()


class RootMeanSquaredError(MeanSquaredError):
    """The square root of the mean squared difference."""

    def result(self) -> float:
        return float(np.sqrt(super().result()))


class MeanAbsoluteError(_LossMetric):
    """Mean absolute difference."""

    loss = losses.MeanAbsoluteError()


class MeanAbsolutePercentageError(_LossMetric):
    """Mean absolute difference in percent of the target."""

    loss = losses.MeanAbsolutePercentageError()


class MeanSquaredLogarithmicError(_LossMetric):
    """Mean squared difference of the logarithms of 1 + y."""

    loss = losses.MeanSquaredLogarithmicError()


class LogCoshError(_LossMetric):
    """Mean logarithm of the difference's hyperbolic cosine."""

    loss = losses.LogCosh()

    @classmethod
    def default_name(cls) -> str:
        return "logcosh"


class CosineSimilarity(_Mean):
    """Mean cosine of the angle between outputs and targets; see cosine_similarity."""

    needs_rows = True

    def values(self, y_true: Any, y_pred: Any) -> NDArray[np.float32]:
        return cosine_similarity(y_true, y_pred)


class KLDivergence(_LossMetric):
    """Mean Kullback-Leibler divergence of two distributions."""

    loss = losses.KLDivergence()

    @classmethod
    def default_name(cls) -> str:
        return "kl_divergence"


class Poisson(_LossMetric):
    """Mean of y_pred - y_true * log(y_pred)."""

    loss = losses.Poisson()


class Hinge(_LossMetric):
    """Mean of max(0, 1 - y_true * y_pred), with targets -1 and 1."""

    loss = losses.Hinge()


class SquaredHinge(_LossMetric):
    """Mean of max(0, 1 - y_true * y_pred)**2, with targets -1 and 1."""

    loss = losses.SquaredHinge()


class CategoricalHinge(_LossMetric):
    """Mean of how much the right class's output is not 1 above the others'."""

    loss = losses.CategoricalHinge()


class BinaryCrossentropy(_LossMetric):
    """Mean cross-entropy of each output alone; arguments as of the loss."""

    def __init__(
        self, name: str | None = None, *, from_logits: bool = False, label_smoothing: float = 0.0
    ) -> None:
        self.loss = losses.BinaryCrossentropy(from_logits, label_smoothing)
        self.from_logits, self.label_smoothing = self.loss.from_logits, self.loss.label_smoothing
        super().__init__(name=name)


class CategoricalCrossentropy(_LossMetric):
    """Mean cross-entropy with one-hot labels; arguments as of the loss."""

    def __init__(
        self, name: str | None = None, *, from_logits: bool = False, label_smoothing: float = 0.0
    ) -> None:
        self.loss = losses.CategoricalCrossentropy(from_logits, label_smoothing)
        self.from_logits, self.label_smoothing = self.loss.from_logits, self.loss.label_smoothing
        super().__init__(name=name)


class SparseCategoricalCrossentropy(_LossMetric):
    """Mean cross-entropy with integer labels; arguments as of the loss."""

    needs_rows = False
    takes_one_output = False

    def __init__(self, name: str | None = None, *, from_logits: bool = False) -> None:
        self.loss = losses.SparseCategoricalCrossentropy(from_logits)
        self.from_logits = self.loss.from_logits
        super().__init__(name=name)

    def values(self, y_true: Any, y_pred: Any) -> NDArray[np.float32]:
        labels = np.argmax(y_true, axis=1) if _are_rows(y_true, y_pred) else y_true
        return super().values(labels, y_pred)


class _Function(_Mean):
    """One of this module's functions as a metric."""

    needs_rows = True

    def __init__(self, function: Callable[..., NDArray[np.float32]], name: str) -> None:
        self.function = function
        super().__init__(name=name)

    def values(self, y_true: Any, y_pred: Any) -> NDArray[np.float32]:
        return self.function(y_true, y_pred)


class _OwnFunction(_Mean):
    """A function of the user's as a metric."""

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        self.function = function
        named: Any = function if hasattr(function, "__name__") else type(function)
        super().__init__(name=short_name(named).strip("<>"))

    def values(self, y_true: Any, y_pred: Any) -> NDArray[np.float32]:
        found, samples = np.asarray(self.function(y_true, y_pred)), len(y_pred)
        if found.dtype.kind not in "biuf":
            raise TypeError(
                f"metric {self.name!r} must give a number or one value a sample, got {found!r}"
            )
        if found.ndim == 0:
            return np.full(samples, found, np.float32)
        if len(found) != samples:
            raise ValueError(
                f"metric {self.name!r} must give a number or one value a sample, ({samples},), got "
                f"shape {found.shape}"
            )
        return np.asarray(found.reshape(samples, -1).mean(axis=1), np.float32)


class _Confusion(Metric):
    """Counts right and wrong answers, yes being an output above a threshold."""

    needs_rows = True

    def reset_state(self) -> None:
        shape = len(self._thresholds())
        self.true_positives, self.false_positives = np.zeros(shape), np.zeros(shape)
        self.true_negatives, self.false_negatives = np.zeros(shape), np.zeros(shape)

    @abstractmethod
    def _thresholds(self) -> NDArray[np.float32]:
        """In increasing order."""

    def _outputs(self, y_true: Any, y_pred: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Those that count, (N, outputs)."""
        return _rows(y_true, y_pred)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        true, pred = self._outputs(y_true, y_pred)
        weights = self._weights(sample_weight, len(pred))[:, None] * np.ones(pred.shape)
        thresholds = self._thresholds()
        # How many thresholds an output is above: it says yes to these, the first ones.
        above = np.searchsorted(thresholds, pred.astype(np.float32).ravel(), side="left")
        wanted = true.ravel() != 0
        sums = [
            np.bincount(above[which], weights.ravel()[which], len(thresholds) + 1)
            for which in (wanted, ~wanted)
        ]
        positives, negatives = (s[::-1].cumsum()[::-1][1:] for s in sums)
        self.true_positives += positives
        self.false_positives += negatives
        self.false_negatives += sums[0].sum() - positives
        self.true_negatives += sums[1].sum() - negatives


class _Rate(_Confusion):
    """A share of right answers among some."""

    def __init__(
        self,
        thresholds: float | None = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
    ) -> None:
        if isinstance(thresholds, (list, tuple)) and len(thresholds) == 1:
            (thresholds,) = thresholds
        self.thresholds = None if thresholds is None else _check.real("thresholds", thresholds)
        self.top_k = None if top_k is None else _check.integer("top_k", top_k, 1)
        self.class_id = None if class_id is None else _check.integer("class_id", class_id, 0)
        super().__init__(name=name)

    def _thresholds(self) -> NDArray[np.float32]:
        if self.thresholds is not None:
            return np.array([self.thresholds], np.float32)
        return np.array([0.5 if self.top_k is None else -1e10], np.float32)

    def _outputs(self, y_true: Any, y_pred: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        true, pred = super()._outputs(y_true, y_pred)
        if self.top_k is not None:
            order = np.argsort(-pred, axis=1, kind="stable")[:, : self.top_k]
            kept = np.full(pred.shape, -np.inf)
            np.put_along_axis(kept, order, np.take_along_axis(pred, order, axis=1), axis=1)
            pred = kept
        if self.class_id is not None:
            if self.class_id >= pred.shape[1]:
                raise ValueError(
                    f"class_id must be below {pred.shape[1]}, the number of outputs, got "
                    f"{self.class_id}"
                )
            true, pred = true[:, [self.class_id]], pred[:, [self.class_id]]
        return true, pred


class _Answers(_Confusion):
    """Counts answers of one kind, each times its sample's weight."""

    def __init__(self, thresholds: float | None = None, name: str | None = None) -> None:
        self.thresholds = None if thresholds is None else _check.real("thresholds", thresholds)
        super().__init__(name=name)

    def _thresholds(self) -> NDArray[np.float32]:
        return np.array([0.5 if self.thresholds is None else self.thresholds], np.float32)


class TruePositives(_Answers):
    """How many outputs above the threshold should be; a number, 0.5 if None."""

    def result(self) -> float:
        return float(self.true_positives[0])


class FalsePositives(_Answers):
    """How many outputs above the threshold should not be; a number, 0.5 if None."""

    def result(self) -> float:
        return float(self.false_positives[0])


class TrueNegatives(_Answers):
    """How many outputs not above the threshold should not be; a number, 0.5 if None."""

    def result(self) -> float:
        return float(self.true_negatives[0])


class FalseNegatives(_Answers):
    """How many outputs not above the threshold should be; a number, 0.5 if None."""

    def result(self) -> float:
        return float(self.false_negatives[0])


class Precision(_Rate):
    """Of what is said to be yes, the share that is; 0 where nothing is.

    thresholds: an output above it says yes; a number, 0.5 if None (take 0 for logits). top_k: only
    a sample's k largest outputs may say yes, and without thresholds they all do. class_id: of this
    class's output alone.
    """

    def result(self) -> float:
        said = self.true_positives + self.false_positives
        return float(_ratio(self.true_positives, said)[0])


class Recall(_Rate):
    """Of what is yes, the share that is said to be; 0 where nothing is. Precision's arguments."""

    def result(self) -> float:
        wanted = self.true_positives + self.false_negatives
        return float(_ratio(self.true_positives, wanted)[0])


class AUC(_Confusion):
    """The area under the curve of thresholds, by trapezoids ("interpolation") between them.

    curve: "ROC", of recall over the share of no that is said to be yes, or "PR", of precision over
    recall, interpolated as Davis and Goadrich do (ICML 2006). num_thresholds: evenly from 0 to 1;
    or thresholds: those between 0 and 1, which are taken besides these two.
    summation_method: "interpolation", or rectangles as high as the lower ("minoring") or the
    higher ("majoring") end. from_logits: outputs go through a sigmoid first.
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        *,
        thresholds: Sequence[float] | None = None,
        from_logits: bool = False,
    ) -> None:
        self.num_thresholds = _check.integer("num_thresholds", num_thresholds, 2)
        self.curve = _check.one_of("curve", curve, ("ROC", "PR"))
        self.summation_method = _check.one_of(
            "summation_method", summation_method, ("interpolation", "minoring", "majoring")
        )
        self.thresholds = None
        inner = [(i + 1) / (self.num_thresholds - 1) for i in range(self.num_thresholds - 2)]
        if thresholds is not None:
            inner = sorted(_check.real("thresholds", t, "[0, 1]") for t in thresholds)
            self.thresholds, self.num_thresholds = inner, len(inner) + 2
        self._limits = np.array([-EPSILON, *inner, 1 + EPSILON], np.float32)
        self.from_logits = _check.boolean("from_logits", from_logits)
        super().__init__(name=name)

    @classmethod
    def default_name(cls) -> str:
        return "auc"

    def _thresholds(self) -> NDArray[np.float32]:
        return self._limits

    def _outputs(self, y_true: Any, y_pred: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        true, pred = super()._outputs(y_true, y_pred)
        if self.from_logits:
            with np.errstate(over="ignore"):
                pred = 1 / (1 + np.exp(-pred))
        if pred.size and not (pred.min() >= 0 and pred.max() <= 1):
            raise ValueError(
                f"metric {self.name!r} needs outputs from 0 to 1, got {pred.min()} to "
                f"{pred.max()}; logits need from_logits=True"
            )
        return true, pred

    def result(self) -> float:
        recall = _ratio(self.true_positives, self.true_positives + self.false_negatives)
        if self.curve == "PR":
            if self.summation_method == "interpolation":
                return self._interpolated_precision()
            x, y = recall, _ratio(self.true_positives, self.true_positives + self.false_positives)
        else:
            x, y = _ratio(self.false_positives, self.false_positives + self.true_negatives), recall
        ends = y[:-1], y[1:]
        heights = {
            "interpolation": (ends[0] + ends[1]) / 2,
            "minoring": np.minimum(*ends),
            "majoring": np.maximum(*ends),
        }
        return float(((x[:-1] - x[1:]) * heights[self.summation_method]).sum())

    def _interpolated_precision(self) -> float:
        """Between two thresholds positives of both kinds grow on a line."""
        true, positives = self.true_positives, self.true_positives + self.false_positives
        gained = true[:-1] - true[1:]
        slope = _ratio(gained, np.maximum(positives[:-1] - positives[1:], 0))
        start = true[1:] - slope * positives[1:]
        both = (positives[:-1] > 0) & (positives[1:] > 0)
        ratio = np.where(both, _ratio(positives[:-1], np.maximum(positives[1:], 0)), 1.0)
        wanted = np.maximum(true[1:] + self.false_negatives[1:], 0)
        return float(_ratio(slope * (gained + start * np.log(ratio)), wanted).sum())


_NAMES: dict[str, type[Metric]] = {
    **{cls.default_name(): cls for cls in Metric.members.values()},
    "bce": BinaryCrossentropy,
    "BCE": BinaryCrossentropy,
    "mse": MeanSquaredError,
    "MSE": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "MAE": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "MAPE": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError,
    "MSLE": MeanSquaredLogarithmicError,
    "kld": KLDivergence,
    "KLD": KLDivergence,
}
_FUNCTIONS: dict[str, Callable[..., NDArray[np.float32]]] = {
    name: globals()[name]
    for name in __all__
    if name.islower() and name not in ("get", "serialize", "deserialize")
}


def get(identifier: Any) -> Metric:
    """The Metric for a name, a function, a class, a config dict or a Metric.

    A name is the key in the logs, also where it is a short one: "acc", "mse". A function that is
    none of this module's is called as f(y_true, y_pred), and its name is the key.
    """
    if isinstance(identifier, str):
        if identifier in ("accuracy", "acc"):
            return _Accuracy(name=identifier)
        if identifier in _FUNCTIONS and identifier not in _NAMES:
            return _Function(_FUNCTIONS[identifier], identifier)
        if identifier not in (*_NAMES, *Metric.members):
            raise ValueError(f"metrics must be among {_known()}, got {identifier!r}")
        metric = _configurable.get(Metric, identifier, _NAMES)
        metric.name = identifier
        return metric
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        own: Metric = identifier()
        return own
    if callable(identifier) and not isinstance(identifier, (Metric, type)):
        for name, function in _FUNCTIONS.items():
            if identifier is function:
                return get(name)
        return _OwnFunction(identifier)
    return _configurable.get(Metric, identifier, _NAMES)


def is_user_s(metric: Metric) -> bool:
    """Whether it runs Python of the user's, which no file holds."""
    return isinstance(metric, _OwnFunction) or not is_own(type(metric))


def serialize(metric: Metric) -> str | dict[str, Any]:
    """What `deserialize` makes the same metric of, without its state: JSON values."""
    if isinstance(metric, (_Accuracy, _Function)):
        return metric.name
    return _configurable.serialize(metric)


def deserialize(config: str | dict[str, Any]) -> Metric:
    """The metric that `serialize` was told; a name that `get` does not know is of an accuracy."""
    if isinstance(config, str) and config not in _known():
        return _Accuracy(config)
    return get(config)


def _known() -> list[str]:
    return ["accuracy", *_NAMES, *(name for name in _FUNCTIONS if name not in _NAMES)]


def _rows(y_true: Any, y_pred: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as float64 matrices of one shape."""
    pred = _check.matrix("y_pred", y_pred)
    if pred.shape[1] == 1 and np.shape(y_true) == pred.shape[:1]:
        y_true = np.asarray(y_true)[:, None]
    return _check.matrix("y_true", y_true, pred.shape), pred


def _are_rows(y_true: Any, y_pred: Any) -> bool:
    return np.ndim(y_true) == 2 and np.shape(y_true)[1] == np.shape(y_pred)[1]


def _by_class(
    of_labels: Callable[..., NDArray[np.float32]], of_rows: Callable[..., NDArray[np.float32]]
) -> Callable[..., NDArray[np.float32]]:
    def choose(y_true: Any, y_pred: Any, *settings: Any) -> NDArray[np.float32]:
        function = of_rows if _are_rows(y_true, y_pred) else of_labels
        return function(y_true, y_pred, *settings)

    return choose


def _ratio(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """a / b, 0 where b is."""
    return np.divide(a, b, out=np.zeros(len(a)), where=b != 0)
