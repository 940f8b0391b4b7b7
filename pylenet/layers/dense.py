"""Fully connected layers."""

from __future__ import annotations

from typing import Any

from .. import _check
from .._arrays import Shape
from ._base import Settings, _Weighted, require_flat
from .activation import checked, with_activation

__all__ = ["Dense"]


class Dense(_Weighted):
    """x @ kernel + bias for flat input (in,): kernel (in, units), bias (units,).

    activation: as `Activation` takes it; None means linear.
    """

    kind = "dense"

    def __init__(
        self,
        units: int,
        activation: Any = None,
        *,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **common: Any,
    ) -> None:
        super().__init__(use_bias, kernel_initializer, bias_initializer, **common)
        self.activation = checked(activation)
        self.units = _check.integer("units", units, 1)

    def nodes(self, input_shape: Shape) -> list[Settings]:
        require_flat(self, input_shape)
        node = {"kind": self.kind, "units": self.units, "use_bias": self.use_bias}
        return with_activation(node, self.activation)

    def _connections(self, inputs: Shape, outputs: Shape) -> int:
        return (inputs[0] + self.use_bias) * self.units
