"""SGD, Adam, AdamW and SDLM: hyper-parameters, step count and state. Their arithmetic is in C++."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .. import _check, _configurable
from . import schedules
from .schedules import EpochwiseConstant, LearningRateSchedule


class Optimizer(_configurable.Configurable, ABC, family="optimizer"):
    """What all optimizers share. One optimizer serves one model.

    learning_rate: float >= 0, or a LearningRateSchedule.
    weight_decay: float >= 0 or None; before each update w -= w * weight_decay * learning_rate.

    iterations: steps done so far. slots: the state, one flat float32 array as long as the
    model's parameters for each of `slot_names`; empty until `build`.
    """

    kind: ClassVar[str]  # the C++ update: "sgd", "adam" or "sdlm"
    own_arguments: ClassVar[tuple[str, ...]]  # which that update is told of too
    epoch = 0  # of fit, which an EpochwiseConstant follows

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule,
        *,
        weight_decay: float | None,
        name: str,
    ) -> None:
        self._learning_rate = _number_or_schedule(learning_rate)
        self.weight_decay = weight_decay
        if weight_decay is not None:
            self.weight_decay = _check.real32("weight_decay", weight_decay, "[0, inf)")
        self.name = _check.text("name", name)
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
    @abstractmethod
    def slot_names(self) -> tuple[str, ...]:
        """Names of the state arrays."""

    @property
    def learning_rate(self) -> float:
        """The rate of the next step. Can be set to a number, or to a schedule.

        Raises TypeError when set to a number while a schedule is in use, as Keras does.
        """
        return self._rate_at(self.iterations)

    @learning_rate.setter
    def learning_rate(self, value: float | LearningRateSchedule) -> None:
        rate = _number_or_schedule(value)
        if isinstance(self._learning_rate, LearningRateSchedule) and isinstance(rate, float):
            raise TypeError(
                f"learning_rate cannot be set to {rate}: this optimizer follows the schedule "
                f"{self._learning_rate!r}; give it a number when it is constructed instead"
            )
        self._learning_rate = rate

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
        """Make the state for a model of `size` parameters, zeros; keep it if it is there already.

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
            self.slots = [np.zeros(size, np.float32) for _ in self.slot_names]

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
        return {"kind": self.kind, **self._own(), "weight_decay": self.weight_decay or 0.0}

    def arguments(self) -> dict[str, Any]:
        """The constructor's arguments by name; `name` only if it is not the default."""
        rate, decay = self._learning_rate, self.weight_decay
        named = {} if self.name == type(self).__name__.lower() else {"name": self.name}
        return {"learning_rate": rate, **self._own(), "weight_decay": decay, **named}

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

    def _own(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.own_arguments}

    def _rate_at(self, step: int) -> float:
        if isinstance(self._learning_rate, float):
            return self._learning_rate
        by_epoch = isinstance(self._learning_rate, EpochwiseConstant)
        rate = self._learning_rate(self.epoch if by_epoch else step)
        return _check.real32(f"learning rate of the schedule at step {step}", rate, "[0, inf)")


class SGD(Optimizer):
    """Stochastic gradient descent: w -= lr * g, or with momentum m = momentum * m - lr * g; w += m.

    nesterov: with momentum, w += momentum * m - lr * g instead.
    """

    kind = "sgd"
    own_arguments = ("momentum", "nesterov")

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        *,
        weight_decay: float | None = None,
        name: str = "sgd",
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, name=name)
        self.momentum = _check.real32("momentum", momentum, "[0, 1]")
        self.nesterov = _check.boolean("nesterov", nesterov)

    @property
    def slot_names(self) -> tuple[str, ...]:
        return ("momentum",) if self.momentum else ()


class Adam(Optimizer):
    """Adam: w -= a * m / (sqrt(v) + epsilon), with m and v running means of g and g**2.

    At step t (from 1) a = lr * sqrt(1 - beta_2**t) / (1 - beta_1**t).
    beta_1, beta_2: decay of m and of v. epsilon: the paper's "epsilon hat".
    Source: Kingma and Ba, ICLR 2015.
    """

    kind = "adam"
    own_arguments = ("beta_1", "beta_2", "epsilon")

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        weight_decay: float | None = None,
        name: str = "adam",
    ) -> None:
        super().__init__(learning_rate, weight_decay=weight_decay, name=name)
        self.beta_1 = _check.real32("beta_1", beta_1, "[0, 1)")
        self.beta_2 = _check.real32("beta_2", beta_2, "[0, 1)")
        self.epsilon = _check.real32("epsilon", epsilon, "(0, inf)")

    @property
    def slot_names(self) -> tuple[str, ...]:
        return ("momentum", "velocity")


class AdamW(Adam):
    """Adam with weight decay. Source: Loshchilov and Hutter, ICLR 2019."""

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        *,
        name: str = "adamw",
    ) -> None:
        decay = _check.real("weight_decay", weight_decay, "[0, inf)")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, weight_decay=decay, name=name)


# LeNet-5's in 1998, one a pass; the last one goes on.
RATES_1998 = (*[5e-4] * 2, *[2e-4] * 3, *[1e-4] * 3, *[5e-5] * 4, 1e-5)


class SDLM(Optimizer):
    """Stochastic diagonal Levenberg-Marquardt: w -= learning_rate / (mu + h) * g, h of each weight.

    h is the diagonal of the Gauss-Newton Hessian, estimated anew before each epoch of fit on the
    first `samples` samples of its order, and before the first step outside of fit on its batch.
    Under an RBF layer it begins with the most that the loss's second derivatives can be where its
    inputs lie within +-1.7159, as scaled_tanh's do; for others that is no bound, and the rates may
    be too high. The method takes one sample a step: fit(batch_size=1). mu: a number > 1e-38. slots:
    1 / (mu + h). Training raises ValueError where h is NaN, and for models without this Hessian:
    with softmax or RBF layers that are not part of the loss, with average pooling over cut-off
    windows, or cross-entropy of other probabilities.
    Source: LeCun, Bottou, Bengio and Haffner, Proc. IEEE 86(11), 1998, appendix C.
    """

    kind = "sdlm"
    own_arguments = ("mu", "samples")

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule | None = None,
        mu: float = 0.02,
        samples: int = 500,
        *,
        weight_decay: float | None = None,
        name: str = "sdlm",
    ) -> None:
        rate = EpochwiseConstant(RATES_1998) if learning_rate is None else learning_rate
        super().__init__(rate, weight_decay=weight_decay, name=name)
        self.mu = _check.real32("mu", mu, "(1e-38, inf)")  # 1 / mu is a float32
        self.samples = _check.integer("samples", samples, 1)

    @property
    def slot_names(self) -> tuple[str, ...]:
        return ("gain",)

    def hessian_samples(self, epoch: int | None) -> int:
        (gain,) = self.slots
        return 0 if epoch is None and gain.any() else self.samples

    def prepare(self, epoch: int | None, hessian: NDArray[np.float32] | None) -> None:
        super().prepare(epoch, hessian)
        if hessian is None:
            return
        if np.isnan(hessian).any():
            raise ValueError(
                "the Hessian's diagonal is nan: expected numbers. Look for NaN, infinity and very "
                "large numbers in x and in the weights"
            )
        np.divide(1, self.mu + hessian, out=self.slots[0])


_NAMES: dict[str, type[Optimizer]] = {name.lower(): cls for name, cls in Optimizer.members.items()}


def get(identifier: object) -> Optimizer:
    """The optimizer for a name (any case), a config dict or an instance (returned as it is)."""
    return _configurable.get(Optimizer, identifier, _NAMES, str.lower)


def _number_or_schedule(value: object) -> float | LearningRateSchedule:
    if isinstance(value, LearningRateSchedule):
        return value
    if isinstance(value, str) or callable(value):
        raise TypeError(f"learning_rate must be a number or a LearningRateSchedule, got {value!r}")
    return _check.real32("learning_rate", value, "[0, inf)")
