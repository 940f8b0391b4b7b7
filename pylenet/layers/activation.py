"""Activations: what their names stand for, in every layer's `activation`, and as layers."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import _check, _core
from .._arrays import Shape
from ._base import Layer, Settings, require_flat

__all__ = ["Activation", "LeakyReLU"]

ACTIVATIONS = _core.activations()


class Function(NamedTuple):
    """An activation as C++ knows it."""

    name: str
    parameter: float = 0.0


LINEAR = Function("linear")
PARAMETERS = {"leaky_relu": 0.2}  # of names that stand for a function with one


class Activation(Layer):
    """An activation as a layer of its own.

    leaky_relu (of slope 0.2), linear, relu, scaled_tanh, sigmoid, softmax (of flat input) or tanh.
    """

    kind = "activation"

    def __init__(self, activation: str, **common: Any) -> None:
        super().__init__(**common)
        self.activation = activation_name(activation)

    def nodes(self, input_shape: Shape) -> list[Settings]:
        if self.activation == "softmax":
            require_flat(self, input_shape)
        return [{"kind": self.kind, "activation": function(self.activation)}]


class LeakyReLU(Layer):
    """x where it is positive, elsewhere x * negative_slope, which is not negative."""

    kind = "activation"

    def __init__(self, negative_slope: float = 0.3, **common: Any) -> None:
        super().__init__(**common)
        self.negative_slope = _check.real32("negative_slope", negative_slope, "[0, inf)")

    def nodes(self, input_shape: Shape) -> list[Settings]:
        return [{"kind": self.kind, "activation": Function("leaky_relu", self.negative_slope)}]


def function(name: str) -> Function:
    """What a name means."""
    return Function(name, PARAMETERS.get(name, 0.0))


def activation_name(value: object) -> str:
    """The argument `activation`, checked: one of ACTIVATIONS; None means linear."""
    return "linear" if value is None else _check.one_of("activation", value, ACTIVATIONS)


def elementwise_name(layer: Layer, value: object) -> str:
    """The argument `activation` of a layer that gives images: any but softmax."""
    if (name := activation_name(value)) == "softmax":
        raise ValueError(
            f"activation must not be 'softmax' in {type(layer).__name__}: it needs flat input"
        )
    return name


def with_activation(node: Settings, name: str) -> list[Settings]:
    """The node with an activation of its own; softmax is a node behind it."""
    if name == "softmax":
        behind = {"kind": "activation", "activation": function(name)}
        return [node | {"activation": LINEAR}, behind]
    return [node | {"activation": function(name)}]
