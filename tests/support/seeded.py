"""Arrays of random numbers, the same for the same shape and seed."""

import math

import numpy as np


def uniform(shape, seed):
    """float32 numbers between -1 and 1."""
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def integers(shape, seed):
    """float32 integers from -3 to 3: their products and sums are exact, whatever the order."""
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


def distinct(shape, seed):
    """float32 integers, no two the same, as many below zero as above."""
    size = math.prod(shape)
    values = np.random.default_rng(seed).permutation(size) - size // 2
    return values.reshape(shape).astype(np.float32)
