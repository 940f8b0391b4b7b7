"""What must hold before anything is timed: right results, and the same bits every time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core, _threads
from ..models import Sequential
from . import reference
from .subjects import LENETS, PLANS, Images, digits, in_shape, model_of

__all__ = ["WrongResultError", "check"]

IMAGES = 33  # two blocks of sixteen and one image over, whatever the width of the registers
ALLOWED_PROBABILITY = 1e-5  # float32 through five layers comes to some 1e-6
ALLOWED_GRADIENT = 1e-4  # of a tensor's largest: sums over up to 33 x 576 places in float32
BATCH = 16  # of the training whose weights are compared: two steps and a smaller one

Weights = list[NDArray[np.float32]]


class WrongResultError(ValueError):
    """A network computes something else than it should."""


def check(threads: int, forms: Sequence[str] = LENETS) -> str:
    """Say what held. Raises WrongResultError if anything does not."""
    counts = sorted({_core.count_threads(count) for count in (1, 2, 3, threads)})
    errors = [_check_form(form, counts) for form in forms]
    probability, gradient = (max(column) for column in zip(*errors, strict=True))
    tried = ", ".join(map(str, counts))
    return (
        f"predictions within {probability:.0e} and gradients within {gradient:.0e} of float64; the "
        f"same bits alone and among {IMAGES} images, with thread counts {tried}"
    )


def _check_form(form: str, counts: list[int]) -> tuple[float, float]:
    x, y = digits(IMAGES)
    images, model = (in_shape(x, PLANS[form].image), y), model_of(form)
    with _threads.on_threads(1):
        errors = [_check_values(form, model, (x, y)) for x, y in _alone_and_together(images)]
        predicted = model.predict(images[0])
        _check_alone(form, model, images[0], predicted)
        trained = _trained(form, images)
    for count in counts[1:]:
        with _threads.on_threads(count):
            same = np.array_equal(model.predict(images[0]), predicted)
            _require(same, f"{form}: predictions change with {count} threads")
            same = all(map(np.array_equal, _trained(form, images), trained))
            _require(same, f"{form}: training changes with {count} threads")
    probability, gradient = (max(column) for column in zip(*errors, strict=True))
    return probability, gradient


def _alone_and_together(images: Images) -> Iterable[Images]:
    x, y = images
    return (x[:1], y[:1]), (x, y)


def _check_values(form: str, model: Sequential, images: Images) -> tuple[float, float]:
    """The largest errors of probabilities and, relative to a tensor's largest, of gradients."""
    x, y = images
    expected, gradients = reference.network(PLANS[form], model.get_weights(), x, y)
    probability = float(np.abs(model.predict(x) - expected).max())
    gradient = 0.0
    for actual, right in zip(_gradients(form, images), gradients, strict=True):
        error = np.abs(actual - right).max() / np.abs(right).max()
        gradient = max(gradient, float(error)) if np.isfinite(error) else np.inf
    for what, error, allowed in (
        ("predictions", probability, ALLOWED_PROBABILITY),
        ("gradients", gradient, ALLOWED_GRADIENT),
    ):
        _require(
            error <= allowed,
            f"{form}: {what} for {len(x)} image(s) must be within {allowed:g} of the float64 "
            f"reference, got a difference of {error:.2g}",
        )
    return probability, gradient


def _gradients(form: str, images: Images) -> list[NDArray[np.float64]]:
    """What one step of SGD at rate 1 takes off the weights."""
    model = model_of(form, learning_rate=1.0)
    before = model.get_weights()
    model.train_on_batch(*images)
    return [np.float64(a) - b for a, b in zip(before, model.weights, strict=True)]


def _check_alone(
    form: str, model: Sequential, x: NDArray[Any], predicted: NDArray[np.float32]
) -> None:
    for i in range(len(x)):
        for predict in (model.predict, model.predict_on_batch):
            same = np.array_equal(predict(x[i : i + 1])[0], predicted[i])
            _require(
                same, f"{form}: the prediction of image {i} alone differs from that in a batch"
            )


def _trained(form: str, images: Images) -> Weights:
    model = model_of(form, learning_rate=0.1)
    model.fit(*images, batch_size=BATCH, epochs=2, verbose=0, shuffle=False)
    return model.get_weights()


def _require(holds: bool, text: str) -> None:
    if not holds:
        raise WrongResultError(f"{text}: nothing was timed")
