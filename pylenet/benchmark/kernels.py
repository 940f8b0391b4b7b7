"""The peak of multiply-adds, and each kernel of a training step on one thread beside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _core
from .inside import PHASES, images_at_once, kernel_names, profile
from .measurement import Effort, Measurement, rounds
from .subjects import EPOCH, FORMS, Images, model_of

__all__ = ["Peaks", "epoch_flops", "steps"]

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


def steps(images: Images, effort: Effort) -> list[Measurement]:
    """The kernels of both LeNets with as many images as are computed together, and with one."""
    together = images_at_once(model_of("classic"))
    subjects = [_Step(form, n, images, effort) for form in FORMS for n in (together, 1)]
    for _ in rounds(effort):
        for subject in subjects:
            subject.measure()
    return [kernel for subject in subjects for kernel in subject.kernels]


def epoch_flops(form: str) -> float:
    """What an epoch of 60,000 images needs: the layers' multiply-adds, two operations each."""
    x, y = np.zeros((1, 28, 28, 1), np.uint8), np.zeros(1, np.uint8)
    layers = profile(model_of(form), x, y)["layers"]
    multiply_adds: float = sum(layer[phase][1] for layer in layers for phase in PHASES)
    return EPOCH * 2.0 * multiply_adds


class _Step:
    """A training step of a LeNet in the making."""

    def __init__(self, form: str, count: int, images: Images, effort: Effort) -> None:
        x, y = images
        self._model = model_of(form)
        self._x, self._y = x[:count, ..., np.newaxis], y[:count]
        first = self._profile(WARM_UP)
        seconds = sum(seconds for *_, seconds in first)
        self._repeats = max(1, int(effort.step_seconds / max(seconds, 1e-9)))
        self.kernels = [
            Measurement(form, count, 1, name=name, phase=phase, flops=2.0 * count * multiply_adds)
            for name, phase, multiply_adds, _ in first
        ]

    def measure(self) -> None:
        for kernel, (*_, seconds) in zip(self.kernels, self._profile(self._repeats), strict=True):
            kernel.values.append(seconds)

    def _profile(self, repeats: int) -> list[tuple[str, str, float, float]]:
        """Name, phase, multiply-adds an image and seconds of each kernel, in network order."""
        found: dict[str, Any] = profile(self._model, self._x, self._y, repeats)
        kernels = [("pack", "forward", 0.0, found["pack"])]
        names = kernel_names(self._model, found["layers"])
        for name, layer in zip(names, found["layers"], strict=True):
            for phase in PHASES:
                seconds, multiply_adds = layer[phase]
                if seconds > 0 or multiply_adds > 0:
                    kernels.append((name, phase, multiply_adds, seconds))
        return [*kernels, ("softmax + loss", "forward", 0.0, found["loss"])]
