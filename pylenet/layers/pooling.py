"""Pooling, without weights."""

from __future__ import annotations

import math
from typing import Any

from .. import _arrays, _check
from .._arrays import CoreShape, Pair, Shape
from ._base import Layer, Settings, check_data_format, require_image

__all__ = [
    "AveragePooling2D",
    "AvgPool2D",
    "GlobalAveragePooling2D",
    "GlobalAvgPool2D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling2D",
    "MaxPool2D",
    "MaxPooling2D",
]


class _Pooling2D(Layer):
    def __init__(
        self,
        pool_size: Pair = (2, 2),
        strides: Pair | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        check_data_format(self, data_format)
        self.pool_size = _arrays.pair("pool_size", pool_size)
        self.strides = self.pool_size if strides is None else _arrays.pair("strides", strides)
        self.padding = _arrays.padding(padding)

    def nodes(self, input_shape: Shape) -> list[Settings]:
        require_image(self, input_shape)
        _arrays.fits_image("pool_size", self.pool_size, input_shape, self.padding)
        return [
            {
                "kind": self.kind,
                "pool_size": self.pool_size,
                "strides": self.strides,
                "same_padding": self.padding == "same",
            }
        ]

    def _connections(self, inputs: Shape, outputs: Shape) -> int:
        windows = self.pool_size, self.strides, self.padding
        return inputs[2] * _arrays.cells_in_windows(inputs, *windows)


class MaxPooling2D(_Pooling2D):
    """The largest value of each window; padding ('valid' or 'same') does not take part.

    pool_size, strides: an integer or a pair (height, width); strides is pool_size if None.
    """

    kind = "max_pool2d"


class AveragePooling2D(_Pooling2D):
    """The mean of each window; padding ('valid' or 'same') does not count.

    pool_size, strides: an integer or a pair (height, width); strides is pool_size if None.
    """

    kind = "average_pool2d"


class _GlobalPooling2D(Layer):
    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **common: Any
    ) -> None:
        super().__init__(**common)
        check_data_format(self, data_format)
        self.keepdims = _check.boolean("keepdims", keepdims)

    def nodes(self, input_shape: Shape) -> list[Settings]:
        require_image(self, input_shape)
        image = input_shape[:2]
        return [{"kind": self.kind, "pool_size": image, "strides": image, "same_padding": False}]

    def public_shape(self, core_shape: CoreShape, input_shape: Shape) -> Shape:
        return core_shape if self.keepdims else core_shape[2:]

    def _connections(self, inputs: Shape, outputs: Shape) -> int:
        return math.prod(inputs)


class GlobalAveragePooling2D(_GlobalPooling2D):
    """The mean of each channel: (height, width, channels) to (channels,).

    keepdims: to (1, 1, channels) instead.
    """

    kind = "average_pool2d"


class GlobalMaxPooling2D(_GlobalPooling2D):
    """The largest value of each channel: (height, width, channels) to (channels,).

    keepdims: to (1, 1, channels) instead.
    """

    kind = "max_pool2d"


MaxPool2D, AvgPool2D = MaxPooling2D, AveragePooling2D
GlobalAvgPool2D, GlobalMaxPool2D = GlobalAveragePooling2D, GlobalMaxPooling2D
