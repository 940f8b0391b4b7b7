"""Which range of real numbers a step's integers stand for, found on calibration images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

METHODS = ("max", "99.99", "99.9", "error")
MOST_LOOKED_AT = 2**20  # values, to find the range with the least error
CLIPPED = np.linspace(0.4, 1.0, 31)  # of the largest, that is tried


def largest(values: NDArray[Any], method: str, top: int) -> float:
    """The number that `top` stands for, of what was observed; above 0.

    method: "max", a percentile of the absolute values that are not 0, or "error", the range with
    the least squared error of rounding.
    """
    sizes = np.abs(values.ravel())
    sizes = sizes[sizes > 0]
    if not sizes.size:
        return 1.0
    most = float(sizes.max())
    if method == "max":
        return most
    if method != "error":
        return float(np.percentile(sizes, float(method)))
    some = sizes[:: -(-sizes.size // MOST_LOOKED_AT)]
    errors = []
    for share in CLIPPED:
        unit = share * most / top
        rounded = np.minimum(np.rint(some / unit), top) * unit
        errors.append(float(np.square(some - rounded, dtype=np.float64).sum()))
    return float(CLIPPED[int(np.argmin(errors))]) * most


def methods(method: str) -> Iterator[str]:
    """Those that are tried for the argument `method`."""
    yield from METHODS if method == "best" else (method,)
