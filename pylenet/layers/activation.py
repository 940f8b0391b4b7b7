"""Activations: what their names stand for, in every layer's `activation`, and as layers."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from .. import _check, _core
from .._arrays import Shape
from ._base import Layer, Settings, require_flat

__all__ = ["ELU", "Activation", "LeakyReLU", "ReLU", "Softmax"]


class Function(NamedTuple):
    """An activation as C++ knows it. ceiling, threshold: bounded_relu's."""

    name: str
    parameter: float = 0.0
    ceiling: float = 0.0
    threshold: float = 0.0


LINEAR = Function("linear")
JOINED = _core.joined_activations()  # by name: those that other layers compute along with their own
SPECIAL = {  # names that stand for a function with parameters
    "elu": Function("elu", 1.0),
    "leaky_relu": Function("leaky_relu", 0.2),
    "relu6": Function("bounded_relu", 0.0, 6.0),
}
ALIASES = {"swish": "silu"}
ACTIVATIONS = tuple(sorted({*_core.activations(), *SPECIAL} - {"bounded_relu"}))


class _Function(Layer):
    """A layer that is a function of each value alone, or of all values of a sample."""

    kind = "activation"

    @property
    def function(self) -> Function:
        """As C++ knows it."""
        raise NotImplementedError

    def nodes(self, input_shape: Shape) -> list[Settings]:
        if self.function.name == "softmax":
            require_flat(self, input_shape)
        return [{"kind": self.kind, "activation": self.function}]


class Activation(_Function):
    """An activation as a layer of its own.

    activation: a name, or a function of that name, of `pylenet.activations` or of another library:
    elu, exponential, gelu (exact), gelu_tanh (its approximation), hard_sigmoid, leaky_relu (of
    slope 0.2), linear, relu, relu6, scaled_tanh, selu, sigmoid, silu (or swish), softmax (of flat
    input), softplus, softsign or tanh. Or an activation's layer, as LeakyReLU(0.1).
    """

    def __init__(self, activation: Any, **common: Any) -> None:
        super().__init__(**common)
        self.activation = checked(activation)

    @property
    def function(self) -> Function:
        return function(self.activation)


class LeakyReLU(_Function):
    """x where it is positive, elsewhere x * negative_slope, which is not negative."""

    def __init__(self, negative_slope: float = 0.3, **common: Any) -> None:
        super().__init__(**common)
        self.negative_slope = _check.real32("negative_slope", negative_slope, "[0, inf)")

    @property
    def function(self) -> Function:
        return Function("leaky_relu", self.negative_slope)


class ReLU(_Function):
    """max_value where x is at least that, else x from threshold on, below it a slope.

    The slope is (x - threshold) * negative_slope. max_value: not negative; None for no bound.
    negative_slope, threshold: not negative.
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.max_value = None
        if max_value is not None:
            self.max_value = _check.real32("max_value", max_value, "[0, inf)")
        self.negative_slope = _check.real32("negative_slope", negative_slope, "[0, inf)")
        self.threshold = _check.real32("threshold", threshold, "[0, inf)")

    @property
    def function(self) -> Function:
        if self.max_value is None and self.threshold == 0:
            if self.negative_slope == 0:
                return Function("relu")
            return Function("leaky_relu", self.negative_slope)
        ceiling = math.inf if self.max_value is None else self.max_value
        return Function("bounded_relu", self.negative_slope, ceiling, self.threshold)


class ELU(_Function):
    """x where it is positive, elsewhere alpha * (e^x - 1); alpha is not negative.

    Source: D. Clevert, T. Unterthiner and S. Hochreiter, arXiv:1511.07289.
    """

    def __init__(self, alpha: float = 1.0, **common: Any) -> None:
        super().__init__(**common)
        self.alpha = _check.real32("alpha", alpha, "[0, inf)")

    @property
    def function(self) -> Function:
        return Function("elu", self.alpha)


class Softmax(_Function):
    """e^x, divided by the sum of these over the sample's values: flat input alone.

    axis: -1 or 1, which are the same there.
    """

    def __init__(self, axis: int = -1, **common: Any) -> None:
        super().__init__(**common)
        self.axis = _check.integer("axis", axis, -1)
        if self.axis not in (-1, 1):
            raise ValueError(f"axis must be -1 or 1, that of flat input's values, got {axis}")

    @property
    def function(self) -> Function:
        return Function("softmax")


def checked(value: object) -> str | Layer:
    """The argument `activation`: one of ACTIVATIONS, or a layer; None means linear."""
    if value is None:
        return "linear"
    if isinstance(value, dict):  # a layer's config
        value = _layer_of(value)
    if isinstance(value, _Function):
        return value
    name = value if isinstance(value, str) else getattr(value, "__name__", None)
    name = ALIASES.get(name, name) if isinstance(name, str) else name
    if name in ACTIVATIONS and (isinstance(value, str) or callable(value)):
        return str(name)
    error = ValueError if isinstance(value, str) else TypeError
    raise error(
        f"activation must be one of {list(ACTIVATIONS)}, a function of such a name or an "
        f"activation's layer, got {value!r}"
    )


def elementwise(layer: Layer, value: object) -> str | Layer:
    """The argument `activation` of a layer that gives images: any but softmax."""
    activation = checked(value)
    if function(activation).name == "softmax":
        raise ValueError(
            f"activation must not be 'softmax' in {type(layer).__name__}: it needs flat input"
        )
    return activation


def function(activation: str | Layer) -> Function:
    """What a checked activation means."""
    if isinstance(activation, _Function):
        return activation.function
    name = str(activation)
    return SPECIAL.get(name, Function(name))


def with_activation(node: Settings, activation: str | Layer) -> list[Settings]:
    """The node with its activation; one that the node cannot compute is a node behind it."""
    own = function(activation)
    if own.name in JOINED:
        return [node | {"activation": own}]
    return [node | {"activation": LINEAR}, {"kind": "activation", "activation": own}]


def _layer_of(config: dict[str, Any]) -> Layer:
    found = Layer.members.get(str(config.get("class_name")))
    if found is None or not issubclass(found, _Function):
        raise ValueError(f"activation must be an activation's layer, got {config!r}")
    layer: Layer = found.from_config(dict(config.get("config") or {}))
    return layer
