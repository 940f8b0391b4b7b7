"""Layers that do something in training alone.

What they draw is a function of a seed, the epoch, the sample and the value's place, so it depends
on neither batches nor threads. seed: an integer from 0 to 2**31 - 1, for the same in every
training; None: one drawn for each training, and a stream of its own for each layer. In
`train_on_batch`, and where batches are given to `fit`, the number of steps done takes the epoch's
place.
"""

from __future__ import annotations

from typing import Any

from .. import _check
from .._arrays import Shape
from ._base import Layer, Settings, check_data_format, require_image

__all__ = ["Dropout", "GaussianNoise", "SpatialDropout2D"]


class _Drawing(Layer):
    """Base class: predictions pass as they are."""

    def __init__(self, seed: int | None, **common: Any) -> None:
        super().__init__(**common)
        self.seed = None if seed is None else _check.unsigned("seed", seed, 31)

    def _node(self, **settings: float) -> list[Settings]:
        return [{"kind": self.kind, "seed": -1 if self.seed is None else self.seed, **settings}]


class Dropout(_Drawing):
    """Sets random values to zero while training, each with probability `rate`, 0 <= rate < 1.

    What is left is divided by 1 - rate; predictions pass as they are. seed: None for one that is
    drawn, or an integer (see `pylenet.layers.dropout`).
    """

    kind = "dropout"

    def __init__(self, rate: float, *, seed: int | None = None, **common: Any) -> None:
        super().__init__(seed, **common)
        self.rate = _check.real("rate", rate, "[0, 1)")

    def nodes(self, input_shape: Shape) -> list[Settings]:
        return self._node(rate=self.rate)


class SpatialDropout2D(_Drawing):
    """`Dropout` of whole channels of images (height, width, channels).

    Source: J. Tompson and others, "Efficient object localization using convolutional networks",
    arXiv:1411.4280.
    """

    kind = "channel_dropout"

    def __init__(
        self,
        rate: float,
        *,
        data_format: str | None = None,
        seed: int | None = None,
        **common: Any,
    ) -> None:
        super().__init__(seed, **common)
        self.rate = _check.real("rate", rate, "[0, 1)")
        check_data_format(self, data_format)

    def nodes(self, input_shape: Shape) -> list[Settings]:
        require_image(self, input_shape)
        return self._node(rate=self.rate)


class GaussianNoise(_Drawing):
    """Adds normally distributed numbers while training; predictions pass as they are.

    stddev: their standard deviation, not negative. None is beyond 5.77 times it. seed: as
    `Dropout`'s.
    """

    kind = "gaussian_noise"

    def __init__(self, stddev: float, *, seed: int | None = None, **common: Any) -> None:
        super().__init__(seed, **common)
        self.stddev = _check.real32("stddev", stddev, "[0, inf)")

    def nodes(self, input_shape: Shape) -> list[Settings]:
        return self._node(stddev=self.stddev)
