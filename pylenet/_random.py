"""The package's one random generator: initial weights, shuffling and dropout draw from it."""

from __future__ import annotations

import numpy as np

# Made at first use: importing numpy.random takes as long as the rest of the package.
_generator: np.random.Generator | None = None


def generator() -> np.random.Generator:
    """The package's generator: fresh entropy until `utils.set_random_seed` seeds it."""
    global _generator
    if _generator is None:
        _generator = np.random.default_rng()
    return _generator


def seed(value: int) -> None:
    """Start the package's generator anew from `value`."""
    global _generator
    _generator = np.random.default_rng(value)
