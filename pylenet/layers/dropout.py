"""Layers that do something in training alone."""

from __future__ import annotations

from typing import Any

from .. import _check
from .._arrays import Shape
from ._base import Layer, Settings

__all__ = ["Dropout"]


class Dropout(Layer):
    """Sets random values to zero while training, each with probability `rate`, 0 <= rate < 1.

    What is left is divided by 1 - rate; predictions pass as they are. What is dropped is a function
    of a seed, the epoch, the sample and the value's place, so it depends on neither batches nor
    threads. seed: an integer from 0 to 2**31 - 1, for the same zeros in every training and in every
    call of `train_on_batch`; None: drawn for each of them.
    """

    kind = "dropout"

    def __init__(self, rate: float, *, seed: int | None = None, **common: Any) -> None:
        super().__init__(**common)
        self.rate = _check.real("rate", rate, "[0, 1)")
        self.seed = None if seed is None else _check.unsigned("seed", seed, 31)

    def nodes(self, input_shape: Shape) -> list[Settings]:
        seed = -1 if self.seed is None else self.seed
        return [{"kind": self.kind, "rate": self.rate, "seed": seed}]
