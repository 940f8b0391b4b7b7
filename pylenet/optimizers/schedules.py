"""Learning rate schedules: the rate as a function of the optimizer's step.

Each is called with a step (int, from 0) and returns a float; EpochwiseConstant with fit's epoch.
EpochwiseConstant and OneCycle, a triangle, are not in Keras; the others mean what they mean there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from .. import _check, _configurable, _missing
from .._configurable import serialize

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "EpochwiseConstant",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "OneCycle",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]

__getattr__ = _missing.of(__name__)


class LearningRateSchedule(_configurable.Configurable, family="schedule"):
    """Base class: override `__call__(step) -> float`, and `get_config` to make it savable."""

    def __call__(self, step: int) -> float:
        raise NotImplementedError(f"{type(self).__name__} must override __call__(self, step)")

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments, as JSON values."""
        raise NotImplementedError(f"{type(self).__name__} must override get_config(self)")


class _BuiltIn(LearningRateSchedule):
    def get_config(self) -> dict[str, Any]:
        return self.arguments()


class CosineDecay(_BuiltIn):
    """Half a cosine from the initial rate down to alpha times it, after an optional warm-up.

    With warmup_target the rate first rises linearly from initial_learning_rate to warmup_target
    over warmup_steps, then decays from warmup_target over decay_steps.
    Source: Loshchilov and Hutter, ICLR 2017.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        *,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        rate = _check.real("initial_learning_rate", initial_learning_rate, "[0, inf)")
        self.initial_learning_rate = rate
        self.decay_steps = _check.integer("decay_steps", decay_steps, 1)
        self.alpha = _check.real("alpha", alpha, "[0, inf)")
        self.warmup_steps = _check.integer("warmup_steps", warmup_steps, 0)
        self.warmup_target = None
        if warmup_target is not None:
            self.warmup_target = _check.real("warmup_target", warmup_target, "[0, inf)")
        elif self.warmup_steps:
            raise ValueError(f"warmup_steps={warmup_steps} needs a warmup_target, got None")

    def __call__(self, step: int) -> float:
        start, peak = self.initial_learning_rate, self.warmup_target
        if peak is None:
            peak = start
        elif step < self.warmup_steps:
            return start + (peak - start) * step / self.warmup_steps
        done = min((step - self.warmup_steps) / self.decay_steps, 1.0)
        cosine = 0.5 * (1 + math.cos(math.pi * done))
        return peak * ((1 - self.alpha) * cosine + self.alpha)


class CosineDecayRestarts(_BuiltIn):
    """Half cosines one after the other: SGDR.

    The first goes over first_decay_steps from the initial rate down to alpha times it; each next
    one is t_mul times as long and begins m_mul times as high.
    Source: Loshchilov and Hutter, ICLR 2017.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
    ) -> None:
        rate = _check.real("initial_learning_rate", initial_learning_rate, "[0, inf)")
        self.initial_learning_rate = rate
        self.first_decay_steps = _check.integer("first_decay_steps", first_decay_steps, 1)
        self.t_mul = _check.real("t_mul", t_mul, "[1, inf)")
        self.m_mul = _check.real("m_mul", m_mul, "[0, inf)")
        self.alpha = _check.real("alpha", alpha, "[0, inf)")

    def __call__(self, step: int) -> float:
        done = step / self.first_decay_steps
        if self.t_mul == 1.0:
            restarts = math.floor(done)
            done -= restarts
        else:
            restarts = math.floor(math.log(1 - done * (1 - self.t_mul)) / math.log(self.t_mul))
            length = self.t_mul**restarts
            done = (done - (1 - length) / (1 - self.t_mul)) / length
        cosine = 0.5 * self.m_mul**restarts * (1 + math.cos(math.pi * done))
        return self.initial_learning_rate * ((1 - self.alpha) * cosine + self.alpha)


class _Decay(_BuiltIn):
    """A rate that falls with step / decay_steps, or with its whole part where `staircase`."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
    ) -> None:
        rate = _check.real("initial_learning_rate", initial_learning_rate, "[0, inf)")
        self.initial_learning_rate = rate
        self.decay_steps = _check.real("decay_steps", decay_steps, "(0, inf)")
        self.decay_rate = _check.real("decay_rate", decay_rate, "[0, inf)")
        self.staircase = _check.boolean("staircase", staircase)

    def _done(self, step: int) -> float:
        done = step / self.decay_steps
        return math.floor(done) if self.staircase else done


class ExponentialDecay(_Decay):
    """initial_learning_rate * decay_rate ** (step / decay_steps), in steps where `staircase`."""

    def __call__(self, step: int) -> float:
        return float(self.initial_learning_rate * self.decay_rate ** self._done(step))


class InverseTimeDecay(_Decay):
    """initial_learning_rate / (1 + decay_rate * step / decay_steps), in steps where `staircase`.

    Keras 1's and 2's optimizer(decay=d) is this with decay_steps=1, decay_rate=d.
    """

    def __call__(self, step: int) -> float:
        return self.initial_learning_rate / (1 + self.decay_rate * self._done(step))


class PolynomialDecay(_BuiltIn):
    """From the initial rate to the last one in decay_steps, as (1 - step / decay_steps) ** power.

    cycle: go on with so many times decay_steps as are needed, else the rate stays at the end.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
    ) -> None:
        rate = _check.real("initial_learning_rate", initial_learning_rate, "[0, inf)")
        self.initial_learning_rate = rate
        self.decay_steps = _check.real("decay_steps", decay_steps, "(0, inf)")
        self.end_learning_rate = _check.real("end_learning_rate", end_learning_rate, "[0, inf)")
        self.power = _check.real("power", power, "[0, inf)")
        self.cycle = _check.boolean("cycle", cycle)

    def __call__(self, step: int) -> float:
        length = self.decay_steps
        if self.cycle:
            length *= max(1, math.ceil(step / length))
        left = 1 - min(step / length, 1.0)
        span = self.initial_learning_rate - self.end_learning_rate
        return float(span * left**self.power + self.end_learning_rate)


class PiecewiseConstantDecay(_BuiltIn):
    """values[0] up to and including step boundaries[0], values[1] up to boundaries[1], and so on.

    boundaries: strictly increasing steps. values: one rate more than there are boundaries.
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float]) -> None:
        self.boundaries = _numbers("boundaries", boundaries)
        self.values = _numbers("values", values, "[0, inf)")
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(
                f"values must hold one number more than boundaries ({len(self.boundaries)}), "
                f"got {len(self.values)}"
            )
        if any(a >= b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise ValueError(f"boundaries must be strictly increasing, got {self.boundaries}")

    def __call__(self, step: int) -> float:
        return self.values[sum(boundary < step for boundary in self.boundaries)]


class EpochwiseConstant(_BuiltIn):
    """values[0] in the first epoch of `fit`, values[1] in the second; the last one ever after.

    values: one rate or more.
    """

    def __init__(self, values: Sequence[float]) -> None:
        self.values = _numbers("values", values, "[0, inf)")
        if not self.values:
            raise ValueError("values must hold one rate or more, got none")

    def __call__(self, step: int) -> float:
        return self.values[min(step, len(self.values) - 1)]


class OneCycle(_BuiltIn):
    """A triangle: linearly up over the first warmup_fraction of the steps, then down to zero.

    The first step's rate is above zero, the highest is max_learning_rate, the last of
    total_steps is small but above zero, and every later step's is zero.
    Source: Smith and Topin, arXiv:1708.07120, without its last phase.
    """

    def __init__(
        self, max_learning_rate: float, total_steps: int, *, warmup_fraction: float = 0.2
    ) -> None:
        self.max_learning_rate = _check.real("max_learning_rate", max_learning_rate, "[0, inf)")
        self.total_steps = _check.integer("total_steps", total_steps, 1)
        self.warmup_fraction = _check.real("warmup_fraction", warmup_fraction, "[0, 1)")

    def __call__(self, step: int) -> float:
        steps_up = round(self.warmup_fraction * self.total_steps)
        steps_up = max(1, min(steps_up, self.total_steps - 1))
        up = (step + 1) / steps_up
        down = (self.total_steps - step) / (self.total_steps - steps_up + 1)
        return self.max_learning_rate * max(0.0, min(up, down))


def _numbers(name: str, values: Any, within: str = "(-inf, inf)") -> list[float]:
    if isinstance(values, str) or not isinstance(values, Iterable):
        raise TypeError(f"{name} must be a list of numbers, got {values!r}")
    return [_check.real(name, value, within) for value in values]


def deserialize(config: dict[str, Any]) -> LearningRateSchedule:
    """The schedule of a {"class_name": ..., "config": {...}} dict; only this module's classes."""
    names: dict[str, type[LearningRateSchedule]] = LearningRateSchedule.members
    return _configurable.get(LearningRateSchedule, config, names)
