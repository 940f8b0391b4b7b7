"""Constraints: what is done to a layer's weights after each step of training, in Keras's words.

Layers take them as kernel_constraint, bias_constraint, gamma_constraint, beta_constraint: an
instance, a class, a config dict or a name. A constraint called with an array gives what the weights
become. What is frozen is left alone.

axis: the axes that a norm runs over, a number or a list of neighbouring ones. 0 for the weights
that lead to one unit of Dense, [0, 1, 2] for those to one filter of Conv2D.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _check, _configurable, _missing
from ._arrays import Shape
from ._configurable import serialize

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]

__getattr__ = _missing.of(__name__)

EPSILON = 1e-7

Norm = tuple[float, float, float]  # low, high, rate


class Constraint(_configurable.Configurable, family="constraint", not_called=("call", "__call__")):
    """Base class."""

    def plan(self, shape: Shape) -> tuple[int, int, int]:
        """(outer, length, inner): how C++ sees weights of this shape.

        Raises ValueError where they have no such axes.
        """
        raise NotImplementedError(f"{type(self).__name__} must override plan(self, shape)")

    def norm(self) -> Norm | None:
        """The norm's bounds and the rate at which it is brought there; None for no norm."""
        return None

    def __call__(self, w: Any) -> NDArray[np.float32]:
        """What these weights become."""
        raise NotImplementedError(f"{type(self).__name__} must override __call__(self, w)")


class NonNeg(Constraint):
    """Weights below 0 become 0."""

    def plan(self, shape: Shape) -> tuple[int, int, int]:
        return 1, math.prod(shape), 1

    def __call__(self, w: Any) -> NDArray[np.float32]:
        return np.asarray(np.maximum(np.asarray(w, np.float32), 0), np.float32)


class _Norm(Constraint):
    """w * wanted / (1e-7 + n), n being the norm over `axis`, wanted what it should be.

    wanted = rate * clip(n, low, high) + (1 - rate) * n.
    """

    axis: int | list[int]

    def norm(self) -> Norm:
        raise NotImplementedError

    def plan(self, shape: Shape) -> tuple[int, int, int]:
        axes = self._axes(len(shape))
        parts = shape[: axes[0]], shape[axes[0] : axes[-1] + 1], shape[axes[-1] + 1 :]
        outer, length, inner = map(math.prod, parts)
        return outer, length, inner

    def __call__(self, w: Any) -> NDArray[np.float32]:
        array = np.asarray(w, np.float64)
        low, high, rate = self.norm()
        norms = np.sqrt((array**2).sum(axis=tuple(self._axes(array.ndim)), keepdims=True))
        wanted = rate * np.clip(norms, low, high) + (1 - rate) * norms
        return np.asarray(array * (wanted / (EPSILON + norms)), np.float32)

    def _axes(self, rank: int) -> list[int]:
        given = [self.axis] if isinstance(self.axis, int) else self.axis
        axes = sorted(axis + rank if axis < 0 else axis for axis in given)
        if axes[0] < 0 or axes[-1] >= rank or axes != list(range(axes[0], axes[-1] + 1)):
            raise ValueError(
                f"axis must be neighbouring axes of weights with {rank}, got {self.axis}"
            )
        return axes


class MaxNorm(_Norm):
    """Norms above max_value become max_value."""

    def __init__(self, max_value: float = 2, axis: int | Sequence[int] = 0) -> None:
        self.max_value = _check.real("max_value", max_value, "[0, inf)")
        self.axis = _axis(axis)

    def norm(self) -> Norm:
        return 0.0, self.max_value, 1.0


class UnitNorm(_Norm):
    """Norms become 1; vectors of zeros stay."""

    def __init__(self, axis: int | Sequence[int] = 0) -> None:
        self.axis = _axis(axis)

    def norm(self) -> Norm:
        return 1.0, 1.0, 1.0


class MinMaxNorm(_Norm):
    """Norms come nearer to what lies between min_value and max_value: by the share `rate`."""

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: int | Sequence[int] = 0,
    ) -> None:
        self.min_value = _check.real("min_value", min_value, "[0, inf)")
        self.max_value = _check.real("max_value", max_value, "[0, inf)")
        if self.max_value < self.min_value:
            raise ValueError(f"max_value must be at least min_value, {min_value}, got {max_value}")
        self.rate = _check.real("rate", rate, "[0, 1]")
        self.axis = _axis(axis)

    def norm(self) -> Norm:
        return self.min_value, self.max_value, self.rate


max_norm, min_max_norm, non_neg, unit_norm = MaxNorm, MinMaxNorm, NonNeg, UnitNorm

_NAMES: dict[str, type[Constraint]] = {
    "max_norm": MaxNorm,
    "min_max_norm": MinMaxNorm,
    "non_neg": NonNeg,
    "unit_norm": UnitNorm,
}


def get(identifier: Any) -> Constraint | None:
    """The Constraint for a name, a class, a config dict or a Constraint; None for None."""
    if identifier is None:
        return None
    if isinstance(identifier, type) and identifier in Constraint.members.values():
        identifier = identifier.__name__
    return _configurable.get(Constraint, identifier, _NAMES)


def _axis(value: Any) -> int | list[int]:
    if isinstance(value, (list, tuple)) and value:
        return [_check.integer("axis", axis, -4) for axis in value]
    return _check.integer("axis", value, -4)
