"""Layers that move values or scale them: Flatten, Reshape, Permute, ZeroPadding2D, Rescaling."""

import numpy as np
from hypothesis import strategies as st
from reference import float64
from seeded import uniform
from tolerance import summed

from pylenet import layers
from pylenet.layers import Flatten, Permute, Rescaling, Reshape, ZeroPadding2D

from . import _wrong
from ._kind import Case, Kind


class Flattened(Kind):
    layer = layers.Flatten
    cases = [
        Case(Flatten(), (3, 4, 2), (24,)),
        Case(Flatten(), (3, 4), (12,)),
        Case(Flatten(), (5,), (5,)),
    ]
    lenet = [Case(Flatten(), (4, 4, 16))]
    sweeps = {
        "channels": [Case(Flatten(), (2, 3, c), batch=17) for c in range(1, 36)],
        "batch": [Case(Flatten(), (2, 3, 5), batch=n) for n in range(1, 51)],
    }
    good, wrong = {}, {"data_format": _wrong.DATA_FORMATS}

    def forward(self, layer, x):
        return float64(x).reshape(len(x), -1)

    def backward(self, layer, dy, x):
        return (float64(dy).reshape(x.shape),)

    def random(self, draw, input_shape):
        return Flatten()

    def suits_networks(self):
        return False  # they have one of their own, below what is flat


class _Reshaped(Kind):
    good = {}

    def forward(self, layer, x):
        return float64(x).reshape(len(x), *layer.target(x.shape[1:]))

    def backward(self, layer, dy, x):
        return (float64(dy).reshape(x.shape),)

    def suits_networks(self):
        return False  # other layers want images, or flat input


class Reshaped(_Reshaped):
    layer = layers.Reshape
    ranks = (3, 1)
    cases = [
        Case(Reshape((2, 3, 4)), (24,), (2, 3, 4)),
        Case(Reshape((4, -1, 2)), (2, 4, 3), (4, 3, 2)),
        Case(Reshape([3, 17]), (17, 3, 1), (3, 17)),
        Case(Reshape(target_shape=(-1,)), (3, 4, 5), (60,)),
        Case(Reshape((5, 4, 1)), (5, 4), (5, 4, 1)),
    ]
    good = {"target_shape": (2, 3)}
    wrong = {"target_shape": [(6, TypeError), ((2.0, 3), TypeError), ((), ValueError)]}
    wrong["target_shape"] += [((1, 2, 3, 4), ValueError), ((0, 2), ValueError)]
    wrong["target_shape"] += [((-1, -1), ValueError), ((-2, 3), ValueError)]
    misfits = [
        (Reshape((5, 5)), (24,), r"target_shape must hold 24 values, as the input \(24,\) does"),
        (Reshape((5, -1)), (24,), "target_shape must hold 24 values"),
    ]

    def random(self, draw, input_shape):
        *_, last = input_shape
        return Reshape(draw(st.sampled_from([(-1,), (last, -1), (1, last, -1), (-1, last)])))


class Permuted(_Reshaped):
    layer = layers.Permute
    ranks = (3, 1)
    cases = [
        Case(Permute((1, 2, 3)), (3, 4, 2), (3, 4, 2)),
        Case(Permute(dims=(3, 1, 2)), (3, 4, 1), (1, 3, 4)),
        Case(Permute([2, 3, 1]), (1, 3, 4), (3, 4, 1)),
        Case(Permute((1,)), (5,), (5,)),
        Case(Permute((1, 2)), (5, 4), (5, 4)),
    ]
    good = {"dims": (1, 2)}
    wrong = {"dims": [(1, TypeError), ((1.0, 2), TypeError), ((0, 1), ValueError)]}
    wrong["dims"] += [((1, 1), ValueError), ((1, 3), ValueError), ((1, 2, 3, 4), ValueError)]
    misfits = [
        (Permute((3, 1, 2)), (3, 4, 2), "dims must leave axes longer than 1 in their order"),
        (Permute((1, 2)), (3, 4, 2), "dims must hold an axis for each"),
    ]

    def random(self, draw, input_shape):
        return Permute(tuple(range(1, len(input_shape) + 1)))


SIDES = [("3", TypeError), (1.0, TypeError), (-1, ValueError), (None, TypeError)]
SIDES += [((1, 2, 3), ValueError), (((1, 2), (1, 2, 3)), ValueError), (10**9, ValueError)]
SIDES += [(np.array([1, 2]), TypeError)]


class Padded(Kind):
    layer = layers.ZeroPadding2D
    op, options = "zero_padding2d", {"padding": "padding"}
    awkward = [Case(ZeroPadding2D(((1, 2), (0, 3))), (3, 4, 2), (6, 7, 2))]
    cases = [
        *awkward,
        Case(ZeroPadding2D(), (3, 4, 2), (5, 6, 2)),
        Case(ZeroPadding2D(padding=((0, 1), [2, 3])), (3, 4, 2), (4, 9, 2)),
    ]
    sweeps = {"channels": [Case(ZeroPadding2D((1, 2)), (2, 3, c), batch=2) for c in range(1, 36)]}
    good, wrong = {}, {"padding": SIDES, "data_format": _wrong.DATA_FORMATS}
    misfits = [(ZeroPadding2D(), (9, 9), "ZeroPadding2D takes images")]

    def forward(self, layer, x):
        return np.pad(float64(x), ((0, 0), *layer.padding, (0, 0)))

    def backward(self, layer, dy, x):
        (top, _), (left, _) = layer.padding
        return (float64(dy)[:, top : top + x.shape[1], left : left + x.shape[2]],)

    def random(self, draw, input_shape):
        side = st.tuples(st.integers(0, 3), st.integers(0, 3))
        return ZeroPadding2D(draw(st.tuples(side, side)))


class Rescaled(Kind):
    layer = layers.Rescaling
    ranks = (3, 1)
    cases = [
        Case(Rescaling(0.25), (5, 4, 3), (5, 4, 3)),
        Case(Rescaling(scale=-2.0, offset=0.5), (7,), (7,)),
        Case(Rescaling(1 / 255), (5, 4), (5, 4)),
    ]
    good = {"scale": 1.0}
    wrong = {"scale": _wrong.NUMBERS, "offset": _wrong.NUMBERS}

    def forward(self, layer, x):
        return float64(x) * layer.scale + layer.offset

    def backward(self, layer, dy, x):
        return (float64(dy) * layer.scale,)

    def errors(self, layer, dy, x):
        return [summed(1, x, [layer.scale], bias=layer.offset), summed(1, dy, [layer.scale])]

    def inputs(self, shape, seed):
        return 4 * uniform(shape, seed)

    def exact(self, layer):
        return all((4 * number).is_integer() for number in (layer.scale, layer.offset))

    def random(self, draw, input_shape):
        # A smaller scale is warned of: it expects raw pixels.
        scale = draw(st.floats(0.125, 2) | st.floats(-2, -0.125))
        return Rescaling(scale, draw(st.floats(-1, 1)))
