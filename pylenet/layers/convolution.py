"""Convolutions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _arrays, _check
from .._arrays import Connections, Pair, Shape
from ._base import Settings, _Weighted, check_data_format, require_image
from .activation import elementwise, with_activation

__all__ = ["Conv2D"]


class Conv2D(_Weighted):
    """2-D convolution of images (height, width, in): kernel (kh, kw, in, filters), bias (filters,).

    kernel_size, strides: an integer or a pair (height, width). padding: 'valid' or 'same'.
    activation: as `Activation` takes it, but not softmax; None means linear.
    connections: for each filter the list of input channels that feed it; None means all. Missing
    links have no weight: the kernel is (kh, kw, links), which is full[:, :, table] of a full kernel
    and the boolean table (in, filters). They add nothing to a sum unless an input is infinite or
    NaN, which reaches all filters. Initial values are drawn for each filter's links alone.
    """

    kind = "conv2d"

    def __init__(
        self,
        filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "valid",
        *,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        connections: Connections | None = None,
        data_format: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(use_bias, kernel_initializer, bias_initializer, **common)
        check_data_format(self, data_format)
        self.activation = elementwise(self, activation)
        self.filters = _check.integer("filters", filters, 1)
        self.kernel_size = _arrays.pair("kernel_size", kernel_size)
        self.strides = _arrays.pair("strides", strides)
        self.padding = _arrays.padding(padding)
        self.connections = None if connections is None else _arrays.connection_table(connections)
        if self.connections is not None and len(self.connections) != self.filters:
            raise ValueError(
                f"connections must have a list for each of the {self.filters} filters, "
                f"got {len(self.connections)}"
            )

    def nodes(self, input_shape: Shape) -> list[Settings]:
        require_image(self, input_shape)
        if self.connections is not None and max(map(max, self.connections)) >= input_shape[2]:
            raise ValueError(
                f"connections must hold input channels from 0 to {input_shape[2] - 1}, "
                f"got {max(map(max, self.connections))}"
            )
        _arrays.fits_image("kernel_size", self.kernel_size, input_shape, self.padding)
        node = {
            "kind": self.kind,
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "same_padding": self.padding == "same",
            "use_bias": self.use_bias,
            "connections": self.connections or (),
        }
        return with_activation(node, self.activation)

    def initial_weight(self, name: str, shape: Shape) -> NDArray[np.float32]:
        if name != "kernel" or self.connections is None:
            return super().initial_weight(name, shape)
        channels = max(map(max, self.connections)) + 1
        full = np.empty((*shape[:2], channels, self.filters), np.float32)
        table = np.zeros((channels, self.filters), bool)
        for o, inputs in enumerate(map(list, self.connections)):
            own = super().initial_weight(name, (*shape[:2], len(inputs), 1))
            full[:, :, inputs, o] = own[..., 0]
            table[inputs, o] = True
        return full[:, :, table]

    def _connections(self, inputs: Shape, outputs: Shape) -> int:
        cells = _arrays.cells_in_windows(inputs, self.kernel_size, self.strides, self.padding)
        links = inputs[2] * self.filters
        if self.connections is not None:
            links = sum(map(len, self.connections))
        return cells * links + math.prod(outputs) * self.use_bias
