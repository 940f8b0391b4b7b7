"""The package's one random generator: initial weights and shuffling draw from it."""

import numpy as np

_generator = np.random.default_rng()


def generator() -> np.random.Generator:
    """The package's generator: fresh entropy until `utils.set_random_seed` seeds it."""
    return _generator


def seed(value: int) -> None:
    """Start the package's generator anew from `value`."""
    global _generator
    _generator = np.random.default_rng(value)
