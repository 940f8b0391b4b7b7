"""Dropout: which values a step drops is known from an independent generator."""

import numpy as np
from hypothesis import strategies as st
from reference import float64, philox

from pylenet import layers
from pylenet.layers import Dropout

from . import _wrong
from ._kind import Case, Kind


def factors(shape, rate, key, images, epoch=0):
    """(N, *shape): 0 where a value is dropped, else what it is multiplied with.

    images: their indices. A counter's four random words are for four values a quarter apart.
    """
    size = int(np.prod(shape))
    quarter = -(-size // 4)
    place, words = np.arange(quarter, dtype=np.uint64), []
    for image in images:
        counter = (int(image) % 2**32, int(image) >> 32, epoch, place)
        words.append(np.concatenate(philox(counter, (key % 2**32, key >> 32)))[:size])
    dropped = np.reshape(words, (len(images), *shape)) < int(rate * 2**32)
    return np.where(dropped, 0.0, 1 / (1 - rate))


SEEDS = [("3", TypeError), (1.0, TypeError), (True, TypeError), (-1, ValueError)]
SEEDS += [(2**31, ValueError)]


class Dropped(Kind):
    layer = layers.Dropout
    ranks = (3, 1)
    cases = [
        Case(Dropout(0.4, seed=5), (3, 4, 17), (3, 4, 17)),
        Case(Dropout(0.25, seed=2**31 - 1), (5, 6, 1), (5, 6, 1)),
        Case(Dropout(rate=0.5, seed=1), (5, 4), (5, 4)),
        Case(Dropout(0.1, seed=0), (9,), (9,)),
        Case(Dropout(0, seed=3), (3, 3, 2), (3, 3, 2)),
    ]
    good = {"rate": 0.5}
    wrong = {
        "rate": [*_wrong.NUMBERS, (-0.1, ValueError), (1, ValueError), (1.5, ValueError)],
        "seed": SEEDS,
        "noise_shape": [((1, 2), TypeError)],
    }

    def forward(self, layer, x):
        return float64(x)

    def backward(self, layer, dy, x):
        return (float64(dy),)

    def forward_in_training(self, layer, x):
        return x * factors(x.shape[1:], layer.rate, layer.seed, range(len(x)))

    def backward_in_training(self, layer, dy, x):
        return (self.forward_in_training(layer, dy),)

    def random(self, draw, input_shape):
        return Dropout(draw(st.floats(0, 0.7)), seed=draw(st.integers(0, 2**31 - 1)))
