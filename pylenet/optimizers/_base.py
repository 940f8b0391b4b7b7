"""What all optimizers share: hyper-parameters, step count and state. C++ does the arithmetic."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .. import _check, _configurable
from .._eager import Number
from . import schedules
from .schedules import EpochwiseConstant, InverseTimeDecay, LearningRateSchedule

if TYPE_CHECKING:
    from typing import TypeGuard

CLIPPING = ("clipnorm", "clipvalue", "global_clipnorm")


class _Rate(Number):
    """An optimizer's learning rate, which can be set by `assign`, as Keras's variable."""

    _optimizer: Optimizer

    @classmethod
    def of(cls, optimizer: Optimizer, value: float) -> _Rate:
        rate = cls(value)
        rate._optimizer = optimizer
        return rate

    def assign(self, value: float | LearningRateSchedule) -> None:
        """Set the optimizer's learning_rate."""
        self._optimizer.learning_rate = value


class Optimizer(
    _configurable.Configurable,
    ABC,
    family="optimizer",
    not_called=("apply_gradients", "update_step"),
):
    """What all optimizers share. One optimizer serves one model.

    learning_rate: float >= 0, or a LearningRateSchedule.
    weight_decay: float >= 0 or None; before each update w -= w * weight_decay * learning_rate.
    clipvalue: float > 0 or None; no value of the gradient is larger, or smaller than its negative.
    clipnorm: the same for the Euclidean norm of each weight's gradient. global_clipnorm: for that
    of the whole gradient. Only one of the three may be given.
    use_ema: whether to keep a moving average of the weights, ema_momentum * average +
    (1 - ema_momentum) * weights after each step, from the first step's weights on; `fit` ends with
    it in the weights' place. ema_overwrite_frequency: after how many steps it is put there during
    training as well; None: never. Layers' moving averages are left alone.

    iterations: steps done so far. slots: the state, one flat float32 array as long as the
    model's parameters for each of `slot_names`; empty until `build`.
    """

    kind: ClassVar[str]  # the C++ update
    own_arguments: ClassVar[tuple[str, ...]]  # which that update is told of too
    epoch = 0  # of fit, which an EpochwiseConstant follows

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule,
        *,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        name: str | None = None,
        **unknown: Any,
    ) -> None:
        if unknown:
            (first, *_), call = unknown, f"{type(self).__name__}()"
            raise TypeError(f"{call} got an unexpected keyword argument {first!r}")
        self._learning_rate = _number_or_schedule(learning_rate)
        self.weight_decay = _real_or_none("weight_decay", weight_decay, "[0, inf)")
        self.clipnorm = _real_or_none("clipnorm", clipnorm, "(0, inf)")
        self.clipvalue = _real_or_none("clipvalue", clipvalue, "(0, inf)")
        self.global_clipnorm = _real_or_none("global_clipnorm", global_clipnorm, "(0, inf)")
        if len(given := self._clipping()) > 1:
            raise ValueError(
                f"clipnorm, clipvalue and global_clipnorm must be given one at a time, got {given}"
            )
        self.use_ema = _check.boolean("use_ema", use_ema)
        self.ema_momentum = _check.real32("ema_momentum", ema_momentum, "[0, 1]")
        self.ema_overwrite_frequency = ema_overwrite_frequency
        if ema_overwrite_frequency is not None:
            steps = _check.integer("ema_overwrite_frequency", ema_overwrite_frequency, 1)
            self.ema_overwrite_frequency = steps
        self.name = type(self).__name__.lower() if name is None else _check.text("name", name)
        self.step_count = np.zeros(1, np.int64)  # C++ counts in it
        self.slots: list[NDArray[np.float32]] = []
        self._built_for: tuple[int, object] | None = None

    @property
    def iterations(self) -> int:
        """Steps done so far. Can be set."""
        return int(self.step_count[0])

    @iterations.setter
    def iterations(self, value: int) -> None:
        self.step_count[0] = _check.integer("iterations", value, 0)

    @property
    def slot_names(self) -> tuple[str, ...]:
        """Names of the state arrays: the update's own, then "average" of a moving average."""
        return (*self._own_slots(), "average") if self.use_ema else self._own_slots()

    @abstractmethod
    def _own_slots(self) -> tuple[str, ...]:
        """Names of the update's own state arrays."""

    def _first_value(self, slot: str) -> float:
        return 0.0

    @property
    def learning_rate(self) -> float:
        """The rate of the next step. Can be set to a number, or to a schedule.

        Raises TypeError when set to a number while a schedule is in use, as Keras does. Only where
        the rate falls as with Keras 2's `decay`, by InverseTimeDecay in single steps, the number
        takes the place of its initial rate, as it did there. The number has Keras's `assign`, which
        sets it, and `numpy`.
        """
        return _Rate.of(self, self._rate_at(self.iterations))

    @learning_rate.setter
    def learning_rate(self, value: float | LearningRateSchedule) -> None:
        rate = _number_or_schedule(value)
        if isinstance(rate, float) and isinstance(self._learning_rate, LearningRateSchedule):
            if not _is_decay(self._learning_rate):
                raise TypeError(f"learning_rate cannot be set to {rate}: {self._follows()}")
            settings = self._learning_rate.arguments() | {"initial_learning_rate": value}
            rate = InverseTimeDecay(**settings)
        self._learning_rate = rate

    @property
    def base_rate(self) -> float:
        """The number that takes effect when learning_rate is set to it: without `decay`, the rate.

        Raises TypeError while a schedule is in use, as then there is none.
        """
        rate = self._learning_rate
        if isinstance(rate, float):
            return rate
        if not _is_decay(rate):
            raise TypeError(f"learning_rate cannot be set in training: {self._follows()}")
        return rate.initial_learning_rate

    def _follows(self) -> str:
        return (
            f"this optimizer follows the schedule {self._learning_rate!r}; give it a number when "
            "it is constructed instead"
        )

    @property
    def lr(self) -> float:
        """learning_rate, as Keras 1 and 2 called it, with a DeprecationWarning.

        Where it falls by `decay`, this is the initial rate, as it was there.
        """
        self._warn_of_lr()
        rate = self._learning_rate
        return _Rate.of(self, self.base_rate) if _is_decay(rate) else self.learning_rate

    @lr.setter
    def lr(self, value: float | LearningRateSchedule) -> None:
        self._warn_of_lr()
        self.learning_rate = value

    def _warn_of_lr(self) -> None:
        from .._keras._old import warn_once  # not needed to import the package

        warn_once("optimizer.lr is a name of Keras 1 or 2; today it is optimizer.learning_rate")

    def learning_rates(self, steps: int) -> NDArray[np.float32]:
        """Rates of the next `steps` iterations, float32 of shape (steps,)."""
        steps = _check.integer("steps", steps, 0)
        if isinstance(self._learning_rate, float):
            return np.full(steps, self._learning_rate, np.float32)
        if isinstance(self._learning_rate, EpochwiseConstant):
            return np.full(steps, self.learning_rate, np.float32)
        first = self.iterations
        return np.array([self._rate_at(step) for step in range(first, first + steps)], np.float32)

    def build(self, size: int, owner: object = None) -> None:
        """Make the state for a model of `size` parameters; keep it if it is there already.

        Raises ValueError when the optimizer was built for another size or another owner.
        """
        size = _check.integer("size", size, 0)
        former_size, former_owner = self._built_for or (size, owner)
        if former_size != size or former_owner is not owner:
            raise ValueError(
                "optimizer serves another model already, or this one before layers were added: "
                "compile with a new optimizer"
            )
        self._built_for = size, owner
        if len(self.slots) != len(self.slot_names):
            first = map(self._first_value, self.slot_names)
            self.slots = [np.full(size, value, np.float32) for value in first]

    def serves(self, size: int, owner: object) -> bool:
        """Whether the state is there, and of this owner's `size` parameters."""
        return self._built_for == (size, owner) and len(self.slots) == len(self.slot_names)

    def hessian_samples(self, epoch: int | None) -> int:
        """How many samples' Hessian `prepare` wants before this epoch of fit; 0 for none.

        epoch: None before a step outside of fit.
        """
        return 0

    def prepare(self, epoch: int | None, hessian: NDArray[np.float32] | None) -> None:
        """Called before each epoch of fit, and with None before a step outside of it.

        hessian: where `hessian_samples` asked for it, the diagonal of the loss's Gauss-Newton
        Hessian at the weights, a mean over the first of the samples that are about to be trained
        on: so many as it said, fewer if there are fewer.
        """
        if epoch is not None:
            self.epoch = epoch

    def hyperparameters(self) -> dict[str, float | bool | str]:
        """What the C++ update needs besides the learning rate."""
        average: dict[str, float | bool | str] = {}
        if self.use_ema:
            every = self.ema_overwrite_frequency or 0
            average = {"ema_momentum": self.ema_momentum, "ema_overwrite_frequency": every}
        decay = {"weight_decay": self.weight_decay or 0.0}
        return {"kind": self.kind, **self._own(), **decay, **self._clipping(), **average}

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments by name; those that all optimizers take if not the default.

        weight_decay is always among them.
        """
        rate, decay = self._learning_rate, self.weight_decay
        shared = {
            name: getattr(self, name)
            for name, parameter in _SHARED.items()
            if getattr(self, name) != parameter.default
        }
        if self.name == type(self).__name__.lower():
            del shared["name"]
        return {"learning_rate": rate, **self._own(), "weight_decay": decay, **shared}

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments, as JSON values."""
        config = self.arguments() | {"name": self.name}
        if isinstance(self._learning_rate, LearningRateSchedule):
            config["learning_rate"] = schedules.serialize(self._learning_rate)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Optimizer:
        """A new optimizer, without state, from what `get_config` returned."""
        config = dict(config)
        if isinstance(config.get("learning_rate"), dict):
            config["learning_rate"] = schedules.deserialize(config["learning_rate"])
        return cls(**config)

    @property
    def clips_norms(self) -> bool:
        """Whether an update needs the norms of whole gradients."""
        return self.clipnorm is not None or self.global_clipnorm is not None

    def _clipping(self) -> dict[str, float]:
        """The one of the three arguments that is given, by name."""
        values = ((name, getattr(self, name)) for name in CLIPPING)
        return {name: value for name, value in values if value is not None}

    def _own(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.own_arguments}

    def _rate_at(self, step: int) -> float:
        if isinstance(self._learning_rate, float):
            return self._learning_rate
        by_epoch = isinstance(self._learning_rate, EpochwiseConstant)
        rate = self._learning_rate(self.epoch if by_epoch else step)
        return _check.real32(f"learning rate of the schedule at step {step}", rate, "[0, inf)")


_SHARED = {
    name: parameter
    for name, parameter in inspect.signature(Optimizer.__init__).parameters.items()
    if name not in ("self", "learning_rate", "weight_decay", "unknown")
}


def _is_decay(rate: float | LearningRateSchedule) -> TypeGuard[InverseTimeDecay]:
    """Whether this is what Keras 2's argument `decay` made of a rate."""
    return type(rate) is InverseTimeDecay and rate.decay_steps == 1 and not rate.staircase


def _number_or_schedule(value: object) -> float | LearningRateSchedule:
    if isinstance(value, LearningRateSchedule):
        return value
    if isinstance(value, str) or callable(value):
        raise TypeError(f"learning_rate must be a number or a LearningRateSchedule, got {value!r}")
    return _check.real32("learning_rate", value, "[0, inf)")


def _real_or_none(name: str, value: object, within: str) -> float | None:
    return None if value is None else _check.real32(name, value, within)
