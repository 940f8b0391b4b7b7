"""The layers of 1998: Subsampling2D and RBF."""

import numpy as np
from hypothesis import strategies as st
from reference import float64, out_shape, windows
from tolerance import EPS, summed

from pylenet import initializers, layers
from pylenet.layers import RBF, Subsampling2D

from . import _wrong
from ._kind import Case, Kind
from .activation import WITHIN, Activated, some


def subsampling2d(x, coefficient, bias, pool_size=(2, 2), strides=None):
    x, strides = float64(x), strides or pool_size
    y = np.zeros(out_shape(x.shape, pool_size, strides, "valid", x.shape[3]))
    for (i, j), image, _ in windows(x.shape, pool_size, strides, "valid"):
        y[:, i, j] = x[image].sum(axis=(1, 2)) * float64(coefficient) + bias
    return y


def subsampling2d_backward(dy, x, coefficient, pool_size=(2, 2), strides=None):
    dy, x, strides = float64(dy), float64(x), strides or pool_size
    dx, dcoefficient = np.zeros(x.shape), np.zeros(x.shape[3])
    for (i, j), image, _ in windows(x.shape, pool_size, strides, "valid"):
        dx[image] += dy[:, i : i + 1, j : j + 1] * float64(coefficient)
        dcoefficient += (dy[:, i, j] * x[image].sum(axis=(1, 2))).sum(axis=0)
    return dx, dcoefficient, dy.sum(axis=(0, 1, 2))


def rbf(x, codes):
    """codes: strings of + and -."""
    signs = np.array([[1.0 if c == "+" else -1.0 for c in code] for code in codes])
    return ((float64(x)[:, None] - signs) ** 2).sum(axis=2)


def rbf_backward(dy, x, codes):
    signs = np.array([[1.0 if c == "+" else -1.0 for c in code] for code in codes])
    return (2 * (float64(x)[:, None] - signs) * float64(dy)[:, :, None]).sum(axis=1)


def _subsampling(image, output, *arguments, **options):
    weights = {"coefficient": image[2:], "bias": image[2:]}
    return Case(Subsampling2D(*arguments, **options), image, output, weights)


class Subsampling(Activated):
    layer = layers.Subsampling2D
    op, options = "subsampling2d", {"pool_size": "pool_size", "strides": "strides"}
    awkward = [
        _subsampling((6, 4, 3), (3, 2, 3)),
        _subsampling((7, 6, 3), (3, 5, 3), (3, 2), (2, 1)),
    ]
    cases = [
        *awkward,
        _subsampling((5, 6, 2), (2, 3, 2)),
        _subsampling(
            *((7, 6, 17), (3, 5, 17), (3, 2)),
            strides=(2, 1),
            activation="scaled_tanh",
            coefficient_initializer="ones",
            bias_initializer=initializers.FanInUniform(1.0, seed=3),
        ),
        *(_subsampling((4, 5, 3), (2, 2, 3), activation=name) for name in WITHIN),
    ]
    lenet = [Case(Subsampling2D(), (28, 28, 6)), Case(Subsampling2D(), (10, 10, 16))]
    sizes = [
        Case(Subsampling2D(pool, strides), image, batch=batch)
        for batch, image, pool, strides in [
            (1, (28, 28, 6), 2, None),
            (16, (10, 10, 16), 2, None),
            (3, (1, 1, 1), 1, None),
            (9, (5, 7, 3), (2, 3), None),
            (17, (9, 8, 17), 3, (1, 2)),
            (33, (5, 4, 2), (5, 4), None),
        ]
    ]
    sweeps = {
        "channels": [Case(Subsampling2D(), (4, 4, c), batch=2) for c in range(1, 36)],
        "batch": [Case(Subsampling2D(), (4, 5, 2), batch=n) for n in range(1, 51)],
    }
    good = {}
    wrong = {
        "pool_size": _wrong.PAIRS,
        "strides": _wrong.PAIRS,
        "activation": [*_wrong.ACTIVATIONS, ("softmax", ValueError)],
        "coefficient_initializer": _wrong.INITIALIZERS,
        "bias_initializer": _wrong.INITIALIZERS,
    }
    misfits = [
        (Subsampling2D(), (9,), "Subsampling2D takes images"),
        (Subsampling2D(5), (4, 6, 1), "pool_size .*must not be larger than the image, 4 x 6$"),
    ]

    def weights(self, layer, input_shape):
        return {"coefficient": input_shape[2:], "bias": input_shape[2:]}

    def before(self, layer, x, coefficient, bias):
        return subsampling2d(x, coefficient, bias, layer.pool_size, layer.strides)

    def before_backward(self, layer, dy, x, coefficient, bias):
        return subsampling2d_backward(dy, x, coefficient, layer.pool_size, layer.strides)

    def before_errors(self, layer, dy, x, coefficient, bias):
        cells, places = np.prod(layer.pool_size), np.prod(dy.shape[:3])
        return [
            summed(cells, x, coefficient, bias=bias),
            summed(cells, dy, coefficient),
            summed(places * cells, dy, x),
            summed(places, dy),
        ]

    def random(self, draw, input_shape):
        sides = st.tuples(*(st.integers(1, min(6, size)) for size in input_shape[:2]))
        pool, strides = draw(sides), draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
        return Subsampling2D(pool, strides, activation=draw(some))


CODES = [(3, TypeError), ("+-", TypeError), ([1, -1], TypeError), ([], ValueError)]
CODES += [(["+-", "+"], ValueError), (["+ "], ValueError), (np.array([1, -1]), ValueError)]
CODES += [(np.array([[1, 0]]), ValueError), ([""], ValueError), (["", "+"], ValueError)]


def _codes(units, inputs, seed=0):
    signs = np.random.default_rng(seed).integers(0, 2, (units, inputs))
    return ["".join("-+"[sign] for sign in row) for row in signs]


class Distances(Kind):
    layer = layers.RBF
    op, options = "rbf", {"codes": "codes"}
    ranks = (1,)
    awkward = [Case(RBF(["++-+--+-+++", "-+-+--++--+", "--+++-+---+"]), (11,), (3,))]
    cases = [
        *awkward,
        Case(RBF(["+-+-+", "++--+", "---++"]), (5,), (3,)),
        Case(RBF(codes=("+-++-+",), code_shape=(2, 3)), (6,), (1,)),
    ]
    lenet = [Case(RBF(_codes(10, 84)), (84,))]
    sweeps = {
        "units": [Case(RBF(_codes(units, 5)), (5,), batch=3) for units in range(1, 36)],
        "inputs": [Case(RBF(_codes(3, inputs)), (inputs,), batch=3) for inputs in range(1, 36)],
        "batch": [Case(RBF(_codes(3, 5)), (5,), batch=n) for n in range(1, 51)],
    }
    good = {"codes": ["+-"]}
    wrong = {"codes": CODES, "code_shape": [*_wrong.PAIRS, ((2, 2), ValueError)]}
    misfits = [
        (RBF(["+-"]), (4, 4, 1), "RBF.*takes flat input .*put a Flatten before it"),
        (RBF(["+-"]), (3,), r"codes of 2 values takes as many inputs, got \(3,\)"),
    ]

    def forward(self, layer, x):
        return rbf(x, layer.codes)

    def backward(self, layer, dy, x):
        return (rbf_backward(dy, x, layer.codes),)

    def errors(self, layer, dy, x):
        farthest, length = np.abs(x).max() + 1, x.shape[1]
        # The difference is rounded before it is squared, or multiplied. Squares are positive: their
        # partial sums grow as the length, not as its root.
        y = max(summed(length + 2, [farthest], [farthest]), EPS / 2 * length**1.5 * farthest**2)
        return [y, 2 * (summed(len(layer.codes), [farthest], dy) + EPS * farthest)]

    def without_hessian(self, layer, input_shape):
        return "through an RBF that is not part of the loss"

    def random(self, draw, input_shape):
        return RBF(_codes(draw(st.integers(1, 19)), input_shape[0], draw(st.integers(0, 999))))

    def suits_networks(self):
        return False
