"""What changes the place or the scale of values and computes nothing of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import _arrays, _check
from .._arrays import CoreShape, Padding, Shape
from ._base import Layer, Settings, require_image

__all__ = ["Flatten", "Rescaling", "ZeroPadding2D"]

FLOAT32 = "[-3.4e38, 3.4e38]"


class Flatten(Layer):
    """(height, width, channels) to (height * width * channels,), channels fastest."""

    kind = "flatten"

    def public_shape(self, core_shape: CoreShape, input_shape: Shape) -> Shape:
        return core_shape[2:]


class ZeroPadding2D(Layer):
    """Zeros around images (height, width, channels).

    padding: cells on every side, or (height, width), or ((top, bottom), (left, right)).
    """

    kind = "zero_padding2d"

    def __init__(self, padding: Padding = (1, 1), **common: Any) -> None:
        super().__init__(**common)
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
