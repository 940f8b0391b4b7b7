"""The random generator that initial weights, shuffling and dropout draw from.

The package has one; `drawing_from` puts another in its place, for the thread that asks.
"""

from __future__ import annotations

from _thread import _local as local  # threading takes long to import, and has no other
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

# Made at first use: importing numpy.random takes as long as the rest of the package.
_generator: np.random.Generator | None = None


class _InItsPlace(local):
    generator: np.random.Generator | None = None


_in_its_place = _InItsPlace()


def generator() -> np.random.Generator:
    """The generator to draw from: this thread's own within `drawing_from`, else the package's.

    The package's has fresh entropy until `utils.set_random_seed` seeds it.
    """
    global _generator
    own = _in_its_place.generator
    if own is not None:
        return own
    if _generator is None:
        _generator = np.random.default_rng()
    return _generator


def seed(value: int) -> None:
    """Start the package's generator anew from `value`."""
    global _generator
    _generator = np.random.default_rng(value)


@contextmanager
def drawing_from(own: np.random.Generator) -> Iterator[None]:
    """Within the block, draw from `own` in this thread; other threads see nothing of it."""
    former, _in_its_place.generator = _in_its_place.generator, own
    try:
        yield
    finally:
        _in_its_place.generator = former
