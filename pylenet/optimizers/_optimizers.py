"""Keras's optimizers, its formulas and defaults. `g` is the gradient, `lr` the learning rate."""

from __future__ import annotations

from typing import Any

from .. import _check
from ._base import Optimizer
from .schedules import LearningRateSchedule


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
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.momentum = _check.real32("momentum", momentum, "[0, 1]")
        self.nesterov = _check.boolean("nesterov", nesterov)

    def _own_slots(self) -> tuple[str, ...]:
        return ("momentum",) if self.momentum else ()


class RMSprop(Optimizer):
    """w -= lr * g / sqrt(v + epsilon), v being a running mean of g**2.

    rho: decay of the running means. momentum: m = momentum * m + the step; w -= m.
    centered: with the variance of g, v - mean(g)**2, in place of v.
    Source: Tieleman and Hinton, "Neural networks for machine learning", lecture 6.5, 2012.
    """

    kind = "rmsprop"
    own_arguments = ("rho", "momentum", "epsilon", "centered")

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.rho = _check.real32("rho", rho, "[0, 1)")
        self.momentum = _check.real32("momentum", momentum, "[0, 1]")
        self.epsilon = _check.real32("epsilon", epsilon, "(0, inf)")
        self.centered = _check.boolean("centered", centered)

    def _own_slots(self) -> tuple[str, ...]:
        momentum = ("momentum",) if self.momentum else ()
        return ("velocity", *momentum, *(("average_gradient",) if self.centered else ()))


class Adagrad(Optimizer):
    """s += g**2; w -= lr * g / sqrt(s + epsilon), s beginning with initial_accumulator_value.

    Source: Duchi, Hazan and Singer, JMLR 12, 2011.
    """

    kind = "adagrad"
    own_arguments = ("initial_accumulator_value", "epsilon")

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        first = _check.real32("initial_accumulator_value", initial_accumulator_value, "[0, inf)")
        self.initial_accumulator_value = first
        self.epsilon = _check.real32("epsilon", epsilon, "(0, inf)")

    def _own_slots(self) -> tuple[str, ...]:
        return ("accumulator",)

    def _first_value(self, slot: str) -> float:
        return self.initial_accumulator_value if slot == "accumulator" else 0.0


class Adadelta(Optimizer):
    """w -= lr * d with d = g * sqrt(u + epsilon) / sqrt(s + epsilon).

    s and u: running means of g**2, this step's among them, and of d**2, up to the step before.
    rho: their decay. The method's own learning rate is 1; the default is Keras's, 0.001.
    Source: Zeiler, arXiv:1212.5701.
    """

    kind = "adadelta"
    own_arguments = ("rho", "epsilon")

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        rho: float = 0.95,
        epsilon: float = 1e-7,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.rho = _check.real32("rho", rho, "[0, 1)")
        self.epsilon = _check.real32("epsilon", epsilon, "(0, inf)")

    def _own_slots(self) -> tuple[str, ...]:
        return ("accumulated_grad", "accumulated_delta_var")


class _AdamLike(Optimizer):
    """beta_1, beta_2: decay of the running means of g and of g**2, or of its norm."""

    own_arguments = ("beta_1", "beta_2", "epsilon")

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, **common)
        self.beta_1 = _check.real32("beta_1", beta_1, "[0, 1)")
        self.beta_2 = _check.real32("beta_2", beta_2, "[0, 1)")
        self.epsilon = _check.real32("epsilon", epsilon, "(0, inf)")

    def _own_slots(self) -> tuple[str, ...]:
        return ("momentum", "velocity")


class Adam(_AdamLike):
    """Adam: w -= a * m / (sqrt(v) + epsilon), with m and v running means of g and g**2.

    At step t (from 1) a = lr * sqrt(1 - beta_2**t) / (1 - beta_1**t).
    beta_1, beta_2: decay of m and of v. epsilon: the paper's "epsilon hat".
    amsgrad: with the largest v so far in place of v (Reddi, Kale and Kumar, ICLR 2018).
    Source: Kingma and Ba, ICLR 2015.
    """

    kind = "adam"

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **common)
        self.amsgrad = _check.boolean("amsgrad", amsgrad)

    def _own(self) -> dict[str, Any]:
        return super()._own() | ({"amsgrad": True} if self.amsgrad else {})

    def _own_slots(self) -> tuple[str, ...]:
        return (*super()._own_slots(), *(("velocity_hat",) if self.amsgrad else ()))


class AdamW(Adam):
    """Adam with weight decay. Source: Loshchilov and Hutter, ICLR 2019."""

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **common: Any,
    ) -> None:
        common["weight_decay"] = _check.real("weight_decay", weight_decay, "[0, inf)")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, **common)


class Adamax(_AdamLike):
    """w -= lr / (1 - beta_1**t) * m / (u + epsilon), u = max(beta_2 * u, abs(g)), at step t from 1.

    beta_1, beta_2: decay of m, the running mean of g, and of u.
    Source: Kingma and Ba, ICLR 2015, section 7.
    """

    kind = "adamax"

    def _own_slots(self) -> tuple[str, ...]:
        return ("momentum", "norm")


class Nadam(_AdamLike):
    """Adam with Nesterov momentum: w -= lr * n / (sqrt(v / (1 - beta_2**t)) + epsilon).

    n = b(t+1) * m / (1 - p(t+1)) + (1 - b(t)) * g / (1 - p(t)) at step t (from 1), with
    b(t) = beta_1 * (1 - 0.96**t / 2), p(t) the product of all up to b(t), m and v as Adam's.
    Source: Dozat, ICLR 2016 workshop.
    """

    kind = "nadam"
