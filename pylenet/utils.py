"""Small helpers a script needs: one-hot labels, one seed for everything, digits like MNIST's."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _check, _random
from ._digits import prepare_digits

__all__ = ["prepare_digits", "set_random_seed", "to_categorical"]


def to_categorical(x: Any, num_classes: int | None = None) -> NDArray[np.float32]:
    """One-hot rows for integer class labels.

    x: labels 0 .. num_classes - 1, any shape; a last axis of length 1 is dropped, as in Keras.
    num_classes: length of the new last axis; max(x) + 1 when None.
    Returns a float32 array (Keras 3: float64) of shape x.shape + (num_classes,).
    Raises TypeError for labels that are no numbers, ValueError for a label that is negative,
    not whole, or not below num_classes.
    """
    if num_classes is not None:
        num_classes = _check.integer("num_classes", num_classes, 1)
    labels = _check.class_labels("x", x, num_classes)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if num_classes is None:
        if labels.size == 0:
            raise ValueError("num_classes must be given when x is empty")
        num_classes = int(labels.max()) + 1
    one_hot = np.zeros((labels.size, num_classes), np.float32)
    one_hot[np.arange(labels.size), labels.ravel()] = 1
    return one_hot.reshape(*labels.shape, num_classes)


def set_random_seed(seed: int) -> None:
    """Seed pylenet's generator, and as Keras does Python's `random` and numpy's global one.

    seed: integer, 0 <= seed < 2**32. The same seed gives the same initial weights and the same
    shuffling, and drops the same values, so the same training run.
    """
    seed = _check.integer("seed", seed, 0)
    if seed >= 2**32:
        raise ValueError(f"seed must be an integer below 2**32, got {seed}")
    random.seed(seed)
    np.random.seed(seed)
    _random.seed(seed)
