"""Layers that draw in training: what they draw is known from an independent generator."""

import numpy as np
from hypothesis import strategies as st
from reference import float64, philox

from pylenet import layers
from pylenet.layers import Dropout, GaussianNoise, SpatialDropout2D

from . import _wrong
from ._kind import Case, Kind


def drawn(shape, key, images, epoch=0, domain=0, made=np.concatenate):
    """(N, *shape) random words, or what `made` makes of a counter's four for each quarter of them.

    images: their indices. domain: each kind of layer has its own words.
    """
    size = int(np.prod(shape))
    quarter = -(-size // 4)
    place, found = np.arange(quarter, dtype=np.uint64) + np.uint64(domain << 28), []
    for image in images:
        counter = (int(image) % 2**32, int(image) >> 32, epoch, place)
        found.append(made(philox(counter, (key % 2**32, key >> 32)))[:size])
    return np.reshape(found, (len(images), *shape))


def factors(shape, rate, key, images, epoch=0, domain=0):
    """(N, *shape): 0 where a value is dropped, else what it is multiplied with."""
    dropped = drawn(shape, key, images, epoch, domain) < int(rate * 2**32)
    return np.where(dropped, 0.0, 1 / (1 - rate))


def normal(words):
    """Box and Muller's, from the upper 23 bits of four words for each quarter of the values."""
    shares = [(np.float64(word >> np.uint64(9)) + 0.5) / 2**23 for word in words]
    found = []
    for distance, angle in (shares[:2], shares[2:]):
        r, turn = np.sqrt(-2 * np.log(distance)), 2 * np.pi * (angle - 0.5)
        found += [r * np.cos(turn), r * np.sin(turn)]
    return np.concatenate(found)


def noise(shape, key, images, epoch=0):
    """(N, *shape) normal numbers."""
    return drawn(shape, key, images, epoch, 1, normal)


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


class ChannelsDropped(Dropped):
    layer = layers.SpatialDropout2D
    ranks = (3,)
    cases = [
        Case(SpatialDropout2D(0.4, seed=5), (3, 4, 17), (3, 4, 17)),
        Case(SpatialDropout2D(rate=0.5, seed=2), (2, 3, 5), (2, 3, 5)),
        Case(SpatialDropout2D(0.25, seed=7), (5, 6, 1), (5, 6, 1)),
    ]
    wrong = Dropped.wrong | {"data_format": _wrong.DATA_FORMATS}
    misfits = [(SpatialDropout2D(0.5), (9,), "SpatialDropout2D takes images")]

    def forward_in_training(self, layer, x):
        channels = factors(x.shape[-1:], layer.rate, layer.seed, range(len(x)), domain=2)
        return x * channels[:, None, None]

    def random(self, draw, input_shape):
        return SpatialDropout2D(draw(st.floats(0, 0.7)), seed=draw(st.integers(0, 2**31 - 1)))


class Noisy(Kind):
    layer = layers.GaussianNoise
    ranks = (3, 1)
    cases = [
        Case(GaussianNoise(0.4, seed=5), (3, 4, 17), (3, 4, 17)),
        Case(GaussianNoise(stddev=0.25, seed=2**31 - 1), (5, 6, 1), (5, 6, 1)),
        Case(GaussianNoise(0.5, seed=1), (5, 4), (5, 4)),
        Case(GaussianNoise(0.1, seed=0), (9,), (9,)),
        Case(GaussianNoise(0, seed=3), (3, 3, 2), (3, 3, 2)),
    ]
    good = {"stddev": 0.5}
    wrong = {"stddev": [*_wrong.NUMBERS, (-0.1, ValueError), (1e39, ValueError)], "seed": SEEDS}

    def forward(self, layer, x):
        return float64(x)

    def backward(self, layer, dy, x):
        return (float64(dy),)

    def forward_in_training(self, layer, x):
        return x + layer.stddev * noise(x.shape[1:], layer.seed, range(len(x)))

    def backward_in_training(self, layer, dy, x):
        return (float64(dy),)

    def random(self, draw, input_shape):
        return GaussianNoise(draw(st.floats(0, 0.5)), seed=draw(st.integers(0, 2**31 - 1)))
