"""Regularizers: penalties on weights that a training adds to its loss, in Keras's words.

Layers take them as kernel_regularizer, bias_regularizer, gamma_regularizer, beta_regularizer: an
instance, a class, a config dict, or the names "l1" and "l2". The loss that is told, also by
`evaluate`, has them in it. What is frozen is not penalised.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _check, _configurable, _missing
from ._configurable import serialize, short_name

__all__ = ["L1", "L1L2", "L2", "Regularizer", "get", "l1", "l1_l2", "l2", "serialize"]

__getattr__ = _missing.of(__name__)


class Regularizer(
    _configurable.Configurable, family="regularizer", not_called=("call", "__call__")
):
    """Base class: l1 * sum(abs(w)) + l2 * sum(w**2), whose slope at w = 0 is 0."""

    l1 = l2 = 0.0

    def __call__(self, x: Any) -> float:
        """The penalty on an array of weights."""
        w = np.asarray(x, np.float64)
        return float(self.l1 * np.abs(w).sum() + self.l2 * (w**2).sum())


class L1(Regularizer):
    """l1 * sum(abs(w)); l1 >= 0."""

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = _check.real32("l1", l1, "[0, inf)")


class L2(Regularizer):
    """l2 * sum(w**2); l2 >= 0."""

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = _check.real32("l2", l2, "[0, inf)")


class L1L2(Regularizer):
    """Both. As in Keras, neither has a part in it that is not given."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = _check.real32("l1", l1, "[0, inf)")
        self.l2 = _check.real32("l2", l2, "[0, inf)")


l1, l2, l1_l2 = L1, L2, L1L2

_NAMES: dict[str, type[Regularizer]] = {short_name(cls): cls for cls in (L1, L2)}


def get(identifier: Any) -> Regularizer | None:
    """The Regularizer for a name, a class, a config dict or a Regularizer; None for None."""
    if identifier is None:
        return None
    if identifier in ("l1_l2", "L1L2"):  # without arguments it is nothing
        raise ValueError("regularizer must be L1L2(l1=..., l2=...) with its factors, got a name")
    if isinstance(identifier, type) and identifier in Regularizer.members.values():
        identifier = identifier.__name__
    return _configurable.get(Regularizer, identifier, _NAMES)
