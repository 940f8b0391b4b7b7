"""What changes the place or the scale of values and computes nothing of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .. import _arrays, _check
from .._arrays import CoreShape, Padding, Shape
from ._base import Layer, Settings, check_data_format, require_image

__all__ = ["Flatten", "Permute", "Rescaling", "Reshape", "ZeroPadding2D"]

FLOAT32 = "[-3.4e38, 3.4e38]"


class Flatten(Layer):
    """(height, width, channels) to (height * width * channels,), channels fastest."""

    kind = "flatten"

    def __init__(self, data_format: str | None = None, **common: Any) -> None:
        super().__init__(**common)
        check_data_format(self, data_format)

    def public_shape(self, core_shape: CoreShape, input_shape: Shape) -> Shape:
        return core_shape[2:]


class _Reshaping(Layer):
    """Another shape of as many values, which keep their order."""

    kind = "reshape"

    def target(self, input_shape: Shape) -> Shape:
        """The output's shape. Raises ValueError where the input does not fit."""
        raise NotImplementedError

    def nodes(self, input_shape: Shape) -> list[Settings]:
        return [{"kind": self.kind, "shape": _arrays.core_shape(self.target(input_shape))}]

    def public_shape(self, core_shape: CoreShape, input_shape: Shape) -> Shape:
        return self.target(input_shape)


class Reshape(_Reshaping):
    """Another shape of as many values, which keep their order, channels fastest.

    target_shape: without the batch, of 1 to 3 sizes, as (28, 28, 1); one may be -1, for what is
    left.
    """

    def __init__(self, target_shape: Sequence[int], **common: Any) -> None:
        super().__init__(**common)
        if not isinstance(target_shape, (tuple, list)):
            raise TypeError(f"target_shape must be a tuple as (28, 28, 1), got {target_shape!r}")
        sizes = tuple(_check.integer("target_shape", size, -1) for size in target_shape)
        if not 1 <= len(sizes) <= 3 or 0 in sizes or sizes.count(-1) > 1:
            raise ValueError(
                "target_shape must have 1 to 3 sizes, none 0 and at most one -1, got "
                f"{target_shape!r}"
            )
        self.target_shape = sizes

    def target(self, input_shape: Shape) -> Shape:
        known = math.prod(size for size in self.target_shape if size > 0)
        values = math.prod(input_shape)
        if -1 in self.target_shape:
            fits, rest = values % known == 0, values // known
        else:
            fits, rest = values == known, 0
        if not fits:
            raise ValueError(
                f"target_shape must hold {values} values, as the input {input_shape} does, got "
                f"{self.target_shape}"
            )
        return tuple(rest if size == -1 else size for size in self.target_shape)


class Permute(_Reshaping):
    """The axes in another order, where no value changes its place in memory by that.

    dims: for each axis of the output that of the input, from 1 on, as (1, 2, 3), which changes
    nothing. Only axes of size 1 may change their place: images stay (height, width, channels).
    """

    def __init__(self, dims: Sequence[int], **common: Any) -> None:
        super().__init__(**common)
        if not isinstance(dims, (tuple, list)):
            raise TypeError(f"dims must be a tuple as (1, 2, 3), got {dims!r}")
        self.dims = tuple(_check.integer("dims", axis, 1) for axis in dims)
        if sorted(self.dims) != list(range(1, len(dims) + 1)) or len(dims) > 3:
            raise ValueError(f"dims must hold the axes from 1 on, each once, got {dims!r}")

    def target(self, input_shape: Shape) -> Shape:
        if len(self.dims) != len(input_shape):
            raise ValueError(
                f"dims must hold an axis for each of the input's {input_shape}, got {self.dims}"
            )
        longer = [axis for axis in self.dims if input_shape[axis - 1] > 1]
        if longer != sorted(longer):
            raise ValueError(
                "dims must leave axes longer than 1 in their order, images are (height, width, "
                f"channels), got {self.dims} of {input_shape}"
            )
        return tuple(input_shape[axis - 1] for axis in self.dims)


class ZeroPadding2D(Layer):
    """Zeros around images (height, width, channels).

    padding: cells on every side, or (height, width), or ((top, bottom), (left, right)).
    """

    kind = "zero_padding2d"

    def __init__(
        self, padding: Padding = (1, 1), data_format: str | None = None, **common: Any
    ) -> None:
        super().__init__(**common)
        check_data_format(self, data_format)
        self.padding = _arrays.padding_sides(padding)

    def nodes(self, input_shape: Shape) -> list[Settings]:
        require_image(self, input_shape)
        return [{"kind": self.kind, "padding": [n for side in self.padding for n in side]}]


class Rescaling(Layer):
    """y = x * scale + offset. As a model's first layer it costs nothing."""

    kind = "rescaling"

    def __init__(self, scale: float, offset: float = 0.0, **common: Any) -> None:
        super().__init__(**common)
        self.scale = _check.real("scale", scale, FLOAT32)
        self.offset = _check.real("offset", offset, FLOAT32)

    def nodes(self, input_shape: Shape) -> list[Settings]:
        return [{"kind": self.kind, "scale": self.scale, "offset": self.offset}]


def scales_pixels(layers: Sequence[Layer]) -> Rescaling | None:
    """The Rescaling that raw pixels come to first, if there is one."""
    first = next((layer for layer in layers if not isinstance(layer, ZeroPadding2D)), None)
    return first if isinstance(first, Rescaling) else None
