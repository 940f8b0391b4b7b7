"""Each kernel of a training step on one thread, beside the peak of multiply-adds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import _core
from ..layers.activation import LINEAR
from ..models import Sequential
from ..models._graph import Node
from .effort import Effort, rounds
from .subjects import EPOCH, FORMS, Images, model_of

PHASES = ("forward", "backward", "update")
WARM_UP = 10  # steps
LOSS = _core.LossKind.CROSS_ENTROPY_FROM_LOGITS


@dataclass
class Peak:
    """flops: of multiply-adds, two operations each, a second, in each round."""

    threads: int
    flops: list[float] = field(default_factory=list)


@dataclass
class Kernel:
    """One phase of a layer for all images of a step; the seconds of each round.

    flops: how many it needs, counting multiply-adds as two; 0 where there are none.
    """

    name: str
    phase: str
    flops: float
    seconds: list[float] = field(default_factory=list)


@dataclass
class Step:
    """A training step of a LeNet for `images` images; peaks: one thread's, in each round."""

    form: str
    images: int
    peaks: list[float]
    kernels: list[Kernel]


def peaks(threads: int, effort: Effort) -> list[Peak]:
    """The peak on one thread and, where there are more, on all."""
    found = [Peak(count) for count in sorted({1, threads})]
    _core.peak_flops(threads, effort.peak_seconds)  # wakes processors and threads
    for _ in rounds(effort):
        for peak in found:
            peak.flops.append(_core.peak_flops(peak.threads, effort.peak_seconds))
    return found


@contextmanager
def beside_peak(peaks: list[float], threads: int, effort: Effort) -> Iterator[None]:
    """Measure the peak before and after what is inside, and append the higher of the two.

    The lower one may come from another process in between; a share of it would flatter.
    """
    before = _core.peak_flops(threads, effort.peak_seconds)
    yield
    peaks.append(max(before, _core.peak_flops(threads, effort.peak_seconds)))


def steps(images: Images, effort: Effort) -> list[Step]:
    """Both LeNets with as many images as fill the registers, and with one."""
    lanes = model_of("classic").network.lanes
    subjects = [_Subject(form, count, images, effort) for form in FORMS for count in (lanes, 1)]
    for _ in rounds(effort):
        for subject in subjects:
            subject.measure(effort)
    return [subject.step for subject in subjects]


def epoch_flops(form: str) -> float:
    """What an epoch of 60,000 images needs: the layers' multiply-adds, two operations each."""
    x, y = np.zeros((1, 28, 28, 1), np.uint8), np.zeros(1, np.int32)
    model = model_of(form)
    profile = model.network.profile(model.parameters, x, y, LOSS, 1)
    multiply_adds: float = sum(layer[phase][1] for layer in profile["layers"] for phase in PHASES)
    return EPOCH * 2.0 * multiply_adds


class _Subject:
    """A step in the making."""

    def __init__(self, form: str, count: int, images: Images, effort: Effort) -> None:
        x, y = images
        self._model = model_of(form)
        self._x, self._y = x[:count, ..., np.newaxis], y[:count].astype(np.int32)
        first = _kernels(self._model, count, self._profile(WARM_UP))
        total = sum(kernel.seconds[0] for kernel in first)
        self._repeats = max(1, int(effort.step_seconds / max(total, 1e-9)))
        kernels = [Kernel(k.name, k.phase, k.flops) for k in first]
        self.step = Step(form, count, [], kernels)

    def measure(self, effort: Effort) -> None:
        with beside_peak(self.step.peaks, 1, effort):
            profile = self._profile(self._repeats)
        measured = _kernels(self._model, self.step.images, profile)
        for kernel, new in zip(self.step.kernels, measured, strict=True):
            kernel.seconds += new.seconds

    def _profile(self, repeats: int) -> dict[str, Any]:
        model = self._model
        return model.network.profile(model.parameters, self._x, self._y, LOSS, repeats)


def _kernels(model: Sequential, images: int, profile: dict[str, Any]) -> list[Kernel]:
    """A profile as kernels in the network's order, without phases that a layer does not have."""
    names = [_name(node) for node in model.graph.nodes]
    kernels = [Kernel("pack", "forward", 0.0, [profile["pack"]])]
    for layer in profile["layers"]:
        for phase in PHASES:
            seconds, multiply_adds = layer[phase]
            if seconds > 0 or multiply_adds > 0:
                flops = 2.0 * images * multiply_adds
                kernels.append(Kernel(names[layer["node"]], phase, flops, [seconds]))
    kernels.append(Kernel("softmax + loss", "forward", 0.0, [profile["loss"]]))
    return kernels


def _name(node: Node) -> str:
    """The layer's name and, where it is part of the node, the activation's."""
    activation = node.settings.get("activation", LINEAR).name
    own = node.layers[0]
    return own if activation == "linear" else f"{own} + {activation}"
