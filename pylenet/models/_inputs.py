"""What a model is fed: images and targets, checked and in the form C++ reads."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _arrays, _check, _core
from .._arrays import Shape
from ..layers import Layer
from ..layers.activation import LINEAR, Function
from ..layers.shape import scales_pixels
from ..losses import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    Huber,
    Loss,
    MaximumAPosteriori,
    SparseCategoricalCrossentropy,
)

if TYPE_CHECKING:
    from ._graph import Node

PROBABILITIES = ("softmax", "sigmoid")  # activations that give these, or positive numbers
SCALED_SAMPLE = 8  # images looked at to see whether pixels are scaled already, or dark on light
LIGHT_BORDER = 0.9  # share of a border's pixels: noise would not have so many


class Labelled(NamedTuple):
    """Samples and their targets, checked. weights: of the samples' losses; None where all are 1.

    loss: C++'s for these targets.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    weights: NDArray[np.float32] | None
    loss: _core.Loss

    def part(self, which: slice) -> Labelled:
        """Some of the samples."""
        weights = None if self.weights is None else self.weights[which]
        return self._replace(x=self.x[which], y=self.y[which], weights=weights)

    def parts(self, size: int) -> Iterator[Labelled]:
        """All the samples, so many at a time."""
        for start in range(0, len(self.x), size):
            yield self.part(slice(start, start + size))

    def weigh_classes(self, class_weight: Mapping[int, float] | None) -> Labelled:
        """The same with a weight for each class, 1 for those that are not named.

        Raises ValueError where samples have weights already.
        """
        if class_weight is None:
            return self
        if self.weights is not None:
            raise ValueError("class_weight must be None where sample_weight is given, got both")
        labels = self.y
        if labels.ndim == 2:
            labels = labels.argmax(axis=1) if labels.shape[1] > 1 else labels[:, 0].round()
        weights = np.ones(len(labels), np.float32)
        for label, weight in class_weight.items():
            weights[labels == label] = weight
        return self._replace(weights=weights)


def class_weights(value: Any) -> dict[int, float] | None:
    """The argument class_weight, checked: a dict of label to weight, or None."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise TypeError(f"class_weight must be a dict of label to weight, got {value!r}")
    return {
        _check.integer("class_weight's labels", label, 0): _check.real32(
            f"class_weight[{label!r}]", weight, "(-inf, inf)"
        )
        for label, weight in value.items()
    }


def images(name: str, x: Any, sample: Shape) -> NDArray[Any]:
    """x, checked: (N, height, width, channels), (N, height, width) of one, or (N, features)."""
    a = _arrays.numbers(name, x)
    if a.shape[1:] != sample and a.shape[1:] not in _same_images(sample):
        if len(sample) == 2:
            sample = (*sample, 1)
        hint = ""
        if np.shape(x) in (sample, sample[:2]):
            hint = f"; for one image give {name}[None]"
        elif a.ndim == 2 and a.shape[1] == math.prod(sample):
            array = f"{name}.to_numpy()" if hasattr(x, "to_numpy") else name
            hint = f"; give {array}.reshape(-1, {', '.join(map(str, sample))})"
        expected = ", ".join(map(str, sample)) + ("," if len(sample) == 1 else "")
        raise ValueError(f"{name} must have shape (N, {expected}), got {np.shape(x)}{hint}")
    if len(a) == 0:
        raise ValueError(f"{name} must hold at least one sample, got shape {np.shape(x)}")
    return a


def _same_images(sample: Shape) -> tuple[Shape, ...]:
    """The shapes that images of one channel may have as well."""
    if len(sample) == 2:
        return ((*sample, 1),)
    return (sample[:2],) if sample[2:] == (1,) else ()


def targets(name: str, y: Any, loss: Loss, outputs: int, samples: int) -> NDArray[Any]:
    """y as int32 labels (N,) or float32 rows (N, outputs), as the loss wants it."""
    if y is None:
        raise TypeError(f"{name} must be given with an array x, got None")
    a = np.asarray(y)
    if a.shape[:1] != (samples,):
        raise ValueError(
            f"{name} must hold {samples} targets, one for each sample of x, got shape {a.shape}"
        )
    if loss.takes_labels:
        if a.shape not in ((samples,), (samples, 1)):
            raise ValueError(
                f"{name} must hold integer labels, shape ({samples},), got {a.shape}; for one-hot "
                "labels compile with loss='categorical_crossentropy'"
            )
        return _check.label_column(name, a, (samples, outputs)).astype(np.int32)
    if outputs == 1 and a.shape == (samples,):
        a = a[:, None]
    if a.shape != (samples, outputs):
        hint = (
            "; for integer labels compile with loss='sparse_categorical_crossentropy', or use "
            "utils.to_categorical"
            if a.ndim == 1 and loss.kind == "categorical_crossentropy"
            else ""
        )
        raise ValueError(f"{name} must have shape ({samples}, {outputs}), got {a.shape}{hint}")
    if a.dtype.kind not in "buif":
        raise TypeError(f"{name} must hold numbers, got dtype {a.dtype}")
    with np.errstate(over="ignore"):
        rows = np.require(a, np.float32, ["C_CONTIGUOUS", "ALIGNED"])
    if not np.isfinite(rows).all():
        raise ValueError(f"{name} must hold finite numbers, got NaN or infinity")
    return rows


def warn_if_scaled(name: str, x: NDArray[Any], layers: Sequence[Layer]) -> None:
    """Warn where a model that scales pixels down itself is given pixels that look scaled."""
    rescaling = scales_pixels(layers)
    if rescaling is None or abs(rescaling.scale) >= 0.1:
        return
    largest = float(x[:SCALED_SAMPLE].max())
    if 0 < largest <= 1:
        from .._warn import warn  # not needed to import the package

        warn(
            f"{name} looks scaled already (its largest value is {largest:g}), but the model's "
            f"{rescaling!r} expects raw pixels, 0-255"
        )


def has_light_border(x: NDArray[Any]) -> bool:
    """Whether the first images of one channel, (N, height, width[, 1]), are light all around.

    Light is what is above the middle between their darkest pixel and their lightest.
    """
    if x.ndim < 3 or x.shape[3:] not in ((), (1,)):
        return False
    few = x[:SCALED_SAMPLE].reshape(-1, *x.shape[1:3])
    border = np.concatenate([few[:, [0, -1]].ravel(), few[:, :, [0, -1]].ravel()])
    middle = (float(few.min()) + float(few.max())) / 2
    return bool(np.mean(border > middle) > LIGHT_BORDER)


def warns_of_light_border(name: str, x: NDArray[Any]) -> bool:
    """Warn of images that look like dark ink on paper, and say whether they do."""
    if not has_light_border(x):
        return False
    from .._warn import warn  # not needed to import the package

    warn(
        f"{name} has a light border, as ink on paper has it, and the model was not trained on such "
        "images: for pictures of digits there is utils.prepare_digits"
    )
    return True


def core_loss(
    loss: Loss, nodes: Iterable[Node], outputs: Shape, targets: NDArray[Any] | None = None
) -> _core.Loss:
    """C++'s loss for this one after a model's nodes; ValueError where they do not fit.

    nodes: from the last one down. targets: what it is to be computed for, as `targets` gives it.
    """
    down = list(nodes)
    last = down[0] if down else None
    if len(outputs) != 1:
        raise ValueError(
            f"loss needs flat output (classes,), got {outputs}: put a Flatten before the end"
        )
    if isinstance(loss, MaximumAPosteriori):
        return _core.Loss(_core.LossKind.MAXIMUM_A_POSTERIORI, loss.j)
    if last is not None and last.kind == "rbf":
        raise ValueError(
            "loss must be MaximumAPosteriori after an RBF layer, whose outputs are distances, "
            f"got {loss!r}"
        )
    settings = {} if last is None else last.settings
    activation = settings.get("activation", LINEAR).name
    if loss.from_logits and activation != "linear":
        raise ValueError(
            f"loss has from_logits=True, so the last layer must be linear, got {activation!r}"
        )
    scale, shift = (1.0, 0.0)
    if targets is not None and targets.ndim == 2:
        scale, shift = loss.target_map(targets)
    kind, constant = _loss_kind(loss, activation, down, outputs)
    return _core.Loss(kind, constant, scale, shift)


def warn_if_no_softmax(loss: Loss, nodes: Iterable[Node]) -> None:
    """Warn where a loss that takes probabilities gets positive numbers that are none.

    nodes: from the last one down.
    """
    crossentropy = isinstance(loss, (CategoricalCrossentropy, SparseCategoricalCrossentropy))
    if crossentropy and _activation_of_outputs(nodes) == "sigmoid":
        from .._warn import warn  # not needed to import the package

        warn(
            f"loss {loss.kind!r} takes probabilities, but the outputs come from a 'sigmoid' each, "
            "which do not sum to 1: they are divided by their sum, as in Keras; classes that "
            "exclude each other need a 'softmax'"
        )


def _activation_of_outputs(nodes: Iterable[Node]) -> str | None:
    """The activation that the outputs come from, below what changes no sign; None for none."""
    for node in nodes:
        activation: Function | None = node.settings.get("activation")
        if activation is not None and (node.kind, activation) != ("activation", LINEAR):
            return activation.name
    return None


def _loss_kind(
    loss: Loss, activation: str, nodes: list[Node], outputs: Shape
) -> tuple[_core.LossKind, float]:
    """C++'s kind and its constant. activation: the last node's own."""
    kinds = _core.LossKind
    if isinstance(loss, BinaryCrossentropy):
        if loss.from_logits or activation == "sigmoid":
            return kinds.BINARY_CROSS_ENTROPY_FROM_LOGITS, 0.0
        _require_probabilities(loss, "sigmoid", nodes)
        return kinds.BINARY_CROSS_ENTROPY_FROM_PROBABILITIES, 0.0
    if isinstance(loss, (CategoricalCrossentropy, SparseCategoricalCrossentropy)):
        if loss.from_logits or activation == "softmax":
            return kinds.CROSS_ENTROPY_FROM_LOGITS, 0.0
        if outputs[0] == 1:
            raise ValueError(
                f"loss {loss.kind!r} needs at least 2 outputs, one for each class, got 1; for one "
                "output between 0 and 1 there is 'binary_crossentropy'"
            )
        _require_probabilities(loss, "softmax", nodes)
        return kinds.CROSS_ENTROPY_FROM_PROBABILITIES, 0.0
    kind: _core.LossKind = getattr(kinds, loss.kind.upper())
    return kind, loss.delta if isinstance(loss, Huber) else 0.0


def _require_probabilities(loss: Loss, expected: str, nodes: list[Node]) -> None:
    activation = _activation_of_outputs(nodes)
    if nodes and activation not in (None, *PROBABILITIES):
        raise ValueError(
            f"loss {loss.kind!r} takes probabilities, so the outputs must come from a {expected}, "
            f"got {activation!r}, whose values may be negative or all 0; or let the last layer "
            f"be linear and the loss losses.{type(loss).__name__}(from_logits=True)"
        )
