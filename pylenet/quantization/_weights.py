"""Weights as integers, rounded so that what they give is nearest to what the real ones give."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ._blocks import Block, Floats

MOST_PATCHED = 2**22  # numbers of the windows that are looked at
MOST_TOGETHER = 1024  # weights of one output that are rounded together
SWEEPS = 8
DAMPING = 0.01  # of the mean variance, added to each: so many images do not tell all there are


class Weights(NamedTuple):
    """kernel: integers of the block's layout. unit: what 1 stands for in each output (out,)."""

    kernel: Floats
    unit: Floats


def windows_of(block: Block, images: NDArray[Any]) -> NDArray[Any]:
    """What each output of a convolution or a dense block sees, (N, rows, columns, ...): a view."""
    x = images.reshape(len(images), *block.input_shape)
    if block.kind == "dense":
        return x.reshape(len(x), 1, 1, -1)
    sides = zip(block.before, block.after, strict=True)
    padded = np.pad(x, ((0, 0), *sides, (0, 0)))
    windows = sliding_window_view(padded, block.window, (1, 2))
    windows = windows[:, :: block.strides[0], :: block.strides[1]]
    return np.moveaxis(windows, 3, -1)


def rounded(block: Block, images: NDArray[Any], limit: int) -> Weights:
    """Integers from -limit to limit for the block's weights. images: what comes in, (N, ...).

    One weight after the other becomes the integer that leaves the least squared error of the
    output, the others as they are, until none moves. The mean error is the bias's to take back, so
    the covariance of the inputs tells the error. Weights of 0 stay 0. Source: K. Behdin and others,
    "QuantEase", arXiv:2309.01885.
    """
    real = block.kernel.reshape(len(block.kernel), -1)
    unit = np.abs(real).max(axis=1) / limit
    unit[unit == 0] = 1.0
    found = np.clip(np.rint(real / unit[:, None]), -limit, limit)
    size = windows_of(block, images[:1]).size
    some = images[:: -(-len(images) // max(1, MOST_PATCHED // size))]
    every = 1 + math.isqrt(size // MOST_PATCHED)  # of the rows and columns of a large image
    seen = windows_of(block, some)[:, ::every, ::every].reshape(-1, real.shape[1])
    for first in range(0, real.shape[1], MOST_TOGETHER):
        own = slice(first, first + MOST_TOGETHER)
        deviations = seen[:, own].astype(np.float64)
        deviations -= deviations.mean(axis=0)
        covariance = deviations.T @ deviations / len(deviations)
        _descend(found[:, own], real[:, own], unit, covariance, limit)
    return Weights(found.reshape(block.kernel.shape), unit)


def _descend(found: Floats, real: Floats, unit: Floats, covariance: Floats, limit: int) -> None:
    """Move the integers `found` (out, weights) to where the error is least, coordinate by one."""
    variances = np.diag(covariance)
    covariance = covariance + np.diag(np.full(len(variances), DAMPING * variances.mean()))
    if not covariance.any():
        return
    slopes = (found * unit[:, None] - real) @ covariance
    for _ in range(SWEEPS):
        moved = False
        for place, row in enumerate(covariance):
            best = np.rint(found[:, place] - slopes[:, place] / (row[place] * unit))
            best = np.where(real[:, place] == 0, 0, np.clip(best, -limit, limit))
            by = (best - found[:, place]) * unit
            (where,) = np.nonzero(by)
            if where.size:
                slopes[where] += by[where, None] * row
                found[where, place] = best[where]
                moved = True
        if not moved:
            return
