"""Activation, and each activation function: one entry of FUNCTIONS; and their layers."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from reference import float64
from seeded import uniform
from tolerance import EPS, FEW_ULPS, TINY, summed

from pylenet import layers

from ._kind import Case, Kind
from ._wrong import ACTIVATIONS


@dataclass(frozen=True)
class Function:
    """An activation function in float64, and what its float32 must keep."""

    forward: Callable  # y of x
    backward: Callable  # dx of dy, x, y
    elementwise: bool = True  # each value alone; else along the last axis
    kinks: Sequence[float] = ()  # where the derivative jumps
    exact: bool = False  # no error on small integers
    rtol: float = FEW_ULPS  # relative error over all of float32
    atol: float = 0.0  # where results are below the smallest normal number though x is not
    drop: float = 0.0  # relative: by how much a larger argument may give a smaller result
    rises: bool = True  # everywhere
    flat_below: bool = False  # the derivative is 0 at -200
    bend: Callable = lambda y: 1.2  # what no slope is above, nor what a slope changes by
    has_hessian: bool = True

    def y(self, x):
        return float64(self.forward(float64(x)))

    def dx(self, dy, x):
        x = float64(x)
        return self.backward(float64(dy), x, self.forward(x))

    def errors(self, dy, x):
        """The largest float32 errors of y and dx, x being right."""
        if self.exact:
            return [0.0, 0.0]
        # 1 - y^2 and y (1 - y) carry the error of y; softmax sums dy y over the row, where y sums
        # to 1.
        y = self.y(x)
        bend = max(1.2, self.bend(y)) / 1.2
        return [FEW_ULPS * 3 * np.abs(y).max() + EPS * 2, 4 * bend * summed(2, dy)]

    def near_kink(self, x, margin):
        """Which values lie within `margin` of a kink."""
        return np.any([np.abs(x - kink) < margin for kink in self.kinks], axis=0)


def _sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1.0) / (1 + e)


def _normal(x):
    """The share of the standard normal distribution below x, and the density there."""
    below = [math.erfc(-value / math.sqrt(2)) / 2 for value in np.ravel(x)]
    return np.reshape(below, np.shape(x)), np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _gelu_slope(x):
    below, density = _normal(x)
    return below + x * density


def _gelu_tanh(x):
    x = np.clip(x, -50, None)  # below, it is 0
    return x * _sigmoid(math.sqrt(8 / math.pi) * (x + 0.044715 * x**3))


def _gelu_tanh_slope(x):
    x = np.clip(x, -50, 50)
    share = _sigmoid(math.sqrt(8 / math.pi) * (x + 0.044715 * x**3))
    return share + x * share * (1 - share) * math.sqrt(8 / math.pi) * (1 + 3 * 0.044715 * x**2)


def _elu(alpha, scale=1.0):
    alpha, most = float64(np.float32(alpha)), np.finfo(np.float32).max / scale
    return Function(
        lambda x: (
            scale
            * np.where(x > 0, np.where(x > most, np.inf, x), alpha * np.expm1(np.minimum(x, 0)))
        ),
        lambda dy, x, y: dy * scale * np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0))),
        kinks=[] if alpha == 1 else [0.0],
        atol=TINY,
        drop=2 * FEW_ULPS,
        flat_below=True,
        bend=lambda y: scale * max(1.0, alpha),
    )


def _bounded_relu(ceiling, slope, threshold):
    ceiling, slope, threshold = np.float32([ceiling, slope, threshold]).tolist()

    def pieces(x, top, middle, bottom):
        return np.where(x >= ceiling, top, np.where(x > threshold, middle, bottom))

    return Function(
        lambda x: pieces(x, ceiling, x, np.where(x == threshold, x, slope * (x - threshold))),
        lambda dy, x, y: pieces(x, 0.0, dy, slope * dy),
        kinks=[threshold] * (threshold < ceiling) + [ceiling] * math.isfinite(ceiling),
        exact=slope == 0,
        atol=TINY,
        flat_below=slope == 0,
        bend=lambda y: max(1.0, slope),
    )


def _softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _leaky_relu(slope):
    slope = np.float32(slope)
    return Function(
        lambda x: np.where(x > 0, x, slope * x),
        lambda dy, x, y: np.where(x > 0, dy, slope * dy),
        kinks=[0.0],
        atol=TINY,
    )


FUNCTIONS = {
    "linear": Function(lambda x: x, lambda dy, x, y: dy, exact=True),
    "relu": Function(
        lambda x: np.where(x <= 0, 0.0, x),
        lambda dy, x, y: np.where(x <= 0, 0.0, dy),
        kinks=[0.0],
        exact=True,
        flat_below=True,
    ),
    "leaky_relu": _leaky_relu(0.2),
    # Two neighbours of tanh may each be wrong by a few ulps.
    "tanh": Function(
        np.tanh, lambda dy, x, y: dy * (1 - y * y), drop=2 * FEW_ULPS, flat_below=True
    ),
    # Two constants, rounded, more than tanh. Its slope where it is flat is such a rounding, not 0.
    "scaled_tanh": Function(
        lambda x: 1.7159 * np.tanh(2 * x / 3),
        lambda dy, x, y: dy * 1.7159 * 2 / 3 * (1 - (y / 1.7159) ** 2),
        rtol=2 * FEW_ULPS,
        atol=TINY,
        drop=4 * FEW_ULPS,
    ),
    "sigmoid": Function(_sigmoid, lambda dy, x, y: dy * y * (1 - y), atol=TINY, flat_below=True),
    "elu": _elu(1.0),
    "selu": _elu(1.6732632423543772, 1.0507009873554805),
    "exponential": Function(
        lambda x: np.where(x > 88.72284, np.inf, np.exp(np.minimum(x, 89))),
        lambda dy, x, y: dy * y,
        atol=TINY,
        drop=2 * FEW_ULPS,
        flat_below=True,
        bend=lambda y: y.max(),
    ),
    "softplus": Function(
        lambda x: np.logaddexp(0, x),
        lambda dy, x, y: dy * _sigmoid(x),
        atol=TINY,
        drop=2 * FEW_ULPS,
        flat_below=True,
    ),
    "softsign": Function(
        lambda x: x / (1 + np.abs(x)),
        lambda dy, x, y: dy / (1 + np.abs(x)) ** 2,
        drop=2 * FEW_ULPS,
        bend=lambda y: 2,
    ),
    "hard_sigmoid": Function(
        lambda x: np.clip(x / 6 + 0.5, 0, 1),
        lambda dy, x, y: np.where(np.abs(x) < 3, dy / 6, 0.0),
        kinks=[-3.0, 3.0],
        drop=FEW_ULPS,
        flat_below=True,
    ),
    "relu6": _bounded_relu(6, 0, 0),
    "silu": Function(
        lambda x: x * _sigmoid(x),
        lambda dy, x, y: dy * _sigmoid(x) * (1 + x * _sigmoid(-x)),
        atol=TINY,
        rises=False,
        flat_below=True,
    ),
    "gelu": Function(
        lambda x: x * _normal(x)[0],
        lambda dy, x, y: dy * _gelu_slope(x),
        atol=TINY,
        rises=False,
        flat_below=True,
    ),
    # Its exponent is rounded to eps/2 of a magnitude of up to 104, past which the result is 0.
    "gelu_tanh": Function(
        _gelu_tanh,
        lambda dy, x, y: dy * _gelu_tanh_slope(x),
        rtol=104 * EPS,
        atol=TINY,
        rises=False,
        flat_below=True,
    ),
    "softmax": Function(
        _softmax,
        lambda dy, x, y: y * (dy - (dy * y).sum(axis=-1, keepdims=True)),
        elementwise=False,
        has_hessian=False,
    ),
}
ELEMENTWISE = [name for name, function in FUNCTIONS.items() if function.elementwise]
TAME = [name for name in ELEMENTWISE if name != "exponential"]  # two of these are out of all range
# With a layer: those that its node computes, and one of each sort that is a node behind it.
WITHIN = ["linear", "relu", "leaky_relu", "tanh", "scaled_tanh", "sigmoid", "elu", "gelu"]
some = st.just("linear") | st.sampled_from(TAME)  # of a layer, half of the time none
NO_HESSIAN = "through a softmax that is not part of the loss"


def activation(x, name):
    return FUNCTIONS[name].y(x)


def activation_backward(dy, x, name):
    return FUNCTIONS[name].dx(dy, x)


class Activated(Kind):
    """A kind with an activation behind what it computes: `before` and its gradient."""

    def function(self, layer) -> Function:
        return FUNCTIONS[layer.activation]

    def before(self, layer, x, *weights) -> np.ndarray:
        raise NotImplementedError

    def before_backward(self, layer, dy, x, *weights) -> tuple:
        raise NotImplementedError

    def before_errors(self, layer, dy, x, *weights) -> Sequence[float]:
        raise NotImplementedError

    def forward(self, layer, x, *weights):
        return self.function(layer).y(self.before(layer, x, *weights))

    def backward(self, layer, dy, x, *weights):
        dy = self.function(layer).dx(dy, self.before(layer, x, *weights))
        return self.before_backward(layer, dy, x, *weights)

    def errors(self, layer, dy, x, *weights):
        function, before = self.function(layer), self.before(layer, x, *weights)
        own = self.before_errors(layer, function.dx(dy, before), x, *weights)
        if function is FUNCTIONS["linear"]:
            return own
        # The error of `before` moves the slopes, too; with the error of dx, that goes through as
        # many products as before_errors has counted.
        y, dx = function.errors(dy, before)
        bend = function.bend(function.y(before))
        y += bend * own[0]
        if not function.exact:
            dx += bend * own[0] * np.abs(dy).max()
        through = self.before_errors(layer, np.full(dy.shape, dx / EPS), x, *weights)
        return [y, *(a + b for a, b in zip(own[1:], through[1:], strict=True))]

    def has_op(self, layer):
        return self.function(layer) is FUNCTIONS["linear"]

    def exact(self, layer):
        return self.function(layer).exact

    def near_kink(self, layer, margin, x, *weights):
        if self.smooth(layer):
            return np.bool_(False)
        return self.function(layer).near_kink(self.before(layer, x, *weights), margin)

    def smooth(self, layer):
        return not self.function(layer).kinks

    def without_hessian(self, layer, input_shape):
        return None if self.function(layer).has_hessian else NO_HESSIAN


class Pointwise(Activated):
    """A layer that is nothing but its function."""

    ranks = (3, 1)

    def before(self, layer, x):
        return float64(x)

    def before_backward(self, layer, dy, x):
        return (dy,)

    def before_errors(self, layer, dy, x):
        return [0.0, 0.0 if self.function(layer).exact else EPS * np.abs(dy).max()]

    def inputs(self, shape, seed):
        return 4 * uniform(shape, seed)


class Activation(Pointwise):
    layer = layers.Activation
    op, options = "activation", {"name": "activation"}

    awkward = [
        *(Case(layers.Activation(n), (5, 3, 2), (5, 3, 2)) for n in ELEMENTWISE if n != "relu6"),
        Case(layers.Activation("tanh"), (11,), (11,)),
        Case(layers.Activation("softmax"), (11,), (11,)),
    ]
    cases = [
        *awkward,
        *(Case(layers.Activation(n), (7,), (7,)) for n in FUNCTIONS if n != "relu6"),
        *(Case(layers.Activation(n), (4, 3, 2), (4, 3, 2)) for n in ELEMENTWISE if n != "relu6"),
        Case(layers.Activation("sigmoid"), (4, 3), (4, 3)),
        Case(layers.Activation("gelu"), (4, 3), (4, 3)),
        Case(layers.Activation("softmax"), (6,), (6,)),
        Case(layers.Activation(None), (6,), (6,)),
    ]
    lenet = [
        Case(layers.Activation("tanh"), (24, 24, 6)),
        Case(layers.Activation("softmax"), (10,)),
    ]
    sizes = [
        *(
            Case(layers.Activation(n), (size,), batch=batch)
            for n in FUNCTIONS
            for batch, size in [(1, 1), (3, 7), (1, 10), (16, 10), (17, 33), (5, 84), (33, 15)]
        ),
        *(Case(layers.Activation(n), (1000,), batch=2) for n in FUNCTIONS),
        *(
            Case(layers.Activation(n), image, batch=batch)
            for n in ELEMENTWISE
            for batch, *image in [(1, 1, 1, 1), (3, 5, 7, 2), (17, 4, 4, 6), (2, 3, 1, 17)]
        ),
        *(Case(layers.Activation(n), (28, 28, 6), batch=1) for n in ELEMENTWISE),
    ]

    good, wrong = {"activation": "relu"}, {"activation": ACTIVATIONS}
    misfits = [(layers.Activation("softmax"), (4, 4, 2), "takes flat input .*put a Flatten before")]

    def has_op(self, layer):
        return True

    def random(self, draw, input_shape):
        flat = len(input_shape) == 1
        return layers.Activation(draw(st.sampled_from([*TAME, "softmax"] if flat else TAME)))


class _Parametric(Pointwise):
    """Its function depends on the layer's arguments."""

    def has_op(self, layer):
        return False


class ReLU(_Parametric):
    layer = layers.ReLU
    awkward = [Case(layers.ReLU(2.5, 0.25, 0.5), (5, 3, 2), (5, 3, 2))]
    cases = [
        *awkward,
        Case(layers.ReLU(), (7,), (7,)),
        Case(layers.ReLU(max_value=3.0), (4, 3, 2), (4, 3, 2)),
        Case(layers.ReLU(negative_slope=0.1), (4, 3), (4, 3)),
        Case(layers.ReLU(threshold=0.5), (7,), (7,)),
    ]
    numbers = [("3", TypeError), (-0.1, ValueError), (float("nan"), ValueError), (1e39, ValueError)]
    good = {}
    wrong = {"max_value": numbers, "negative_slope": [*numbers, (None, TypeError)]}
    wrong |= {"threshold": [*numbers, (None, TypeError)]}

    def function(self, layer):
        ceiling = math.inf if layer.max_value is None else layer.max_value
        return _bounded_relu(ceiling, layer.negative_slope, layer.threshold)

    def random(self, draw, input_shape):
        few = st.sampled_from([0.0, 0.25, 1.0])
        return layers.ReLU(draw(st.sampled_from([None, 0.5, 2.0])), draw(few), draw(few))


class ELU(_Parametric):
    layer = layers.ELU
    awkward = [Case(layers.ELU(0.5), (5, 3, 2), (5, 3, 2))]
    cases = [
        *awkward,
        Case(layers.ELU(), (7,), (7,)),
        Case(layers.ELU(alpha=2.0), (4, 3), (4, 3)),
        Case(layers.ELU(0), (4, 3, 2), (4, 3, 2)),
    ]
    good, wrong = {}, {"alpha": [*ReLU.numbers, (None, TypeError)]}

    def function(self, layer):
        return _elu(layer.alpha)

    def random(self, draw, input_shape):
        return layers.ELU(draw(st.sampled_from([0.25, 1.0, 1.5])))


class Softmax(Pointwise):
    layer = layers.Softmax
    ranks = (1,)
    cases = [
        Case(layers.Softmax(), (6,), (6,)),
        Case(layers.Softmax(axis=1), (11,), (11,)),
    ]
    good = {}
    wrong = {"axis": [("1", TypeError), (1.0, TypeError), (0, ValueError), (-2, ValueError)]}
    misfits = [(layers.Softmax(), (4, 4, 2), "takes flat input .*put a Flatten before")]

    def function(self, layer):
        return FUNCTIONS["softmax"]

    def has_op(self, layer):
        return False

    def random(self, draw, input_shape):
        return layers.Softmax()


class LeakyReLU(_Parametric):
    layer = layers.LeakyReLU
    awkward = [Case(layers.LeakyReLU(), (5, 3, 2), (5, 3, 2))]
    cases = [
        *awkward,
        Case(layers.LeakyReLU(negative_slope=0.01), (7,), (7,)),
        Case(layers.LeakyReLU(0), (4, 3), (4, 3)),
        Case(layers.LeakyReLU(1.5), (4, 3, 2), (4, 3, 2)),
    ]
    good = {}
    wrong = {"negative_slope": [("0.3", TypeError), (None, TypeError), (-0.1, ValueError)]}
    wrong["negative_slope"] += [(float("nan"), ValueError), (1e39, ValueError)]

    def function(self, layer):
        return _leaky_relu(layer.negative_slope)

    def random(self, draw, input_shape):
        return layers.LeakyReLU(draw(st.sampled_from([0.0, 0.1, 0.3, 1.0])))
