"""Weights for libraries that keep channels first.

Convolution kernels become (out, in, kh, kw), and the first dense layer's rows are put in the order
in which such a library flattens an image; dense weights stay (in, out).
"""

from __future__ import annotations

import numpy as np

from .base import Weights
from .plans import PLANS


def to_channels_first(weights: Weights, form: str = "modern") -> Weights:
    """Contiguous float32 copies."""
    there = [w.transpose(3, 2, 0, 1) if w.ndim == 4 else w for w in weights]
    first, flattened = _first_dense(form)
    dense = there[first]
    there[first] = dense.reshape(*flattened, -1).transpose(2, 0, 1, 3).reshape(dense.shape)
    return [np.array(w, np.float32, order="C") for w in there]


def from_channels_first(weights: Weights, form: str = "modern") -> Weights:
    """What to_channels_first was given."""
    first, (rows, columns, channels) = _first_dense(form)
    here = [w.transpose(2, 3, 1, 0) if w.ndim == 4 else w for w in weights]
    dense = here[first]
    blocks = dense.reshape(channels, rows, columns, -1).transpose(1, 2, 0, 3)
    here[first] = blocks.reshape(dense.shape)
    return [np.array(w, np.float32, order="C") for w in here]


def _first_dense(form: str) -> tuple[int, tuple[int, ...]]:
    """Its place among the weights, and the rows, columns and channels that it is given."""
    place = 0
    for kind, _, shape in PLANS[form].placed():
        if kind == "dense":
            return place, shape
        place += 2 if kind == "conv" else 0
    raise ValueError(form)
