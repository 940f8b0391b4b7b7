"""The peak of multiply-adds, and each kernel of a training step on one thread beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import _core
from .inside import PHASES, images_at_once, kernel_names, profile
from .measurement import Effort, Measurement, rounds
from .subjects import EPOCH, LENETS, PLANS, Images, in_shape, model_of

__all__ = ["Peaks", "epoch_flops", "epoch_multiplications", "steps"]

WARM_UP = 10  # steps


class Peaks:
    """FLOP/s of nothing but multiply-adds: the one limit that everything is compared with.

    measurements: of each number of threads, in each round; the highest value counts.
    """

    def __init__(self, counts: list[int], effort: Effort) -> None:
        self.measurements = [Measurement("", 0, count, "FLOP/s") for count in counts]
        _core.peak_flops(max(counts), effort.warm_up_seconds)  # wakes processors and threads
        for _ in rounds(effort):
            for measured in self.measurements:
                measured.values.append(_core.peak_flops(measured.threads, effort.peak_seconds))

    def __getitem__(self, threads: int) -> float:
        (found,) = (max(m.values) for m in self.measurements if m.threads == threads)
        return found


def steps(images: Images, effort: Effort, forms: Sequence[str] = LENETS) -> list[Measurement]:
    """The kernels of networks with as many images as are computed together, and with one."""
    together = images_at_once(model_of(forms[0]))
    subjects = [_Step(form, n, images, effort) for form in forms for n in (together, 1)]
    for _ in rounds(effort):
        for subject in subjects:
            subject.measure()
    return [kernel for subject in subjects for kernel in subject.kernels]


def epoch_flops(form: str) -> float:
    """What an epoch of 60,000 images needs: the layers' multiply-adds, two operations each."""
    return EPOCH * 2.0 * _epoch_sums(form)[1]


def epoch_multiplications(form: str) -> float:
    """What an epoch's kernels multiply: fewer than the layers' multiply-adds where an algorithm
    needs fewer."""
    return EPOCH * _epoch_sums(form)[2]


def _epoch_sums(form: str) -> list[float]:
    """Of one image: seconds, multiply-adds, multiplications."""
    x, y = np.zeros((1, *PLANS[form].image), np.uint8), np.zeros(1, np.uint8)
    layers = profile(model_of(form), x, y)["layers"]
    return [sum(layer[phase][k] for layer in layers for phase in PHASES) for k in range(3)]


class _Step:
    """A training step of a network in the making."""

    def __init__(self, form: str, count: int, images: Images, effort: Effort) -> None:
        x, y = images
        self._model = model_of(form)
        self._x, self._y = in_shape(x[:count], PLANS[form].image), y[:count]
        first = self._profile(WARM_UP)
        seconds = sum(seconds for *_, seconds in first)
        self._repeats = max(1, int(effort.step_seconds / max(seconds, 1e-9)))
        self.kernels = [
            Measurement(
                *(form, count, 1),
                name=name,
                phase=phase,
                flops=2.0 * count * multiply_adds,
                multiplications=count * multiplications,
            )
            for name, phase, multiply_adds, multiplications, _ in first
        ]

    def measure(self) -> None:
        for kernel, (*_, seconds) in zip(self.kernels, self._profile(self._repeats), strict=True):
            kernel.values.append(seconds)

    def _profile(self, repeats: int) -> list[tuple[str, str, float, float, float]]:
        """Name, phase, multiply-adds and multiplications an image, and seconds of each kernel, in
        network order."""
        found: dict[str, Any] = profile(self._model, self._x, self._y, repeats)
        kernels = [("pack", "forward", 0.0, 0.0, found["pack"])]
        names = kernel_names(self._model, found["layers"])
        for name, layer in zip(names, found["layers"], strict=True):
            for phase in PHASES:
                seconds, multiply_adds, multiplications = layer[phase]
                if seconds > 0 or multiply_adds > 0:
                    kernels.append((name, phase, multiply_adds, multiplications, seconds))
        return [*kernels, ("softmax + loss", "forward", 0.0, 0.0, found["loss"])]
