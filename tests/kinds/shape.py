"""Layers that move values or scale them: Flatten, ZeroPadding2D, Rescaling."""

import numpy as np
from hypothesis import strategies as st
from reference import float64
from seeded import uniform
from tolerance import summed

from pylenet import layers
from pylenet.layers import Flatten, Rescaling, ZeroPadding2D

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
    good, wrong = {}, {"data_format": [("channels_first", TypeError)]}

    def forward(self, layer, x):
        return float64(x).reshape(len(x), -1)

    def backward(self, layer, dy, x):
        return (float64(dy).reshape(x.shape),)

    def random(self, draw, input_shape):
        return Flatten()

    def suits_networks(self):
        return False  # they have one of their own, below what is flat


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
    good, wrong = {}, {"padding": SIDES}
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
