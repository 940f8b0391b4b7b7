"""Weights of the LeNets for libraries that keep channels first.

Convolution kernels become (out, in, kh, kw), and the first dense layer's rows are put in the order
in which such a library flattens an image; dense weights stay (in, out).
"""

from __future__ import annotations

import numpy as np

from .base import Weights

FLATTENED = (4, 4, 16)  # rows, columns and channels of what Flatten sees
FIRST_DENSE = 4  # its place among the weights


def to_channels_first(weights: Weights) -> Weights:
    """Contiguous float32 copies."""
    there = [w.transpose(3, 2, 0, 1) if w.ndim == 4 else w for w in weights]
    dense = there[FIRST_DENSE]
    there[FIRST_DENSE] = dense.reshape(*FLATTENED, -1).transpose(2, 0, 1, 3).reshape(dense.shape)
    return [np.array(w, np.float32, order="C") for w in there]


def from_channels_first(weights: Weights) -> Weights:
    """What to_channels_first was given."""
    rows, columns, channels = FLATTENED
    here = [w.transpose(2, 3, 1, 0) if w.ndim == 4 else w for w in weights]
    dense = here[FIRST_DENSE]
    blocks = dense.reshape(channels, rows, columns, -1).transpose(1, 2, 0, 3)
    here[FIRST_DENSE] = blocks.reshape(dense.shape)
    return [np.array(w, np.float32, order="C") for w in here]
