"""BatchNormalization: a factor and a summand for each channel, from averages or from the step."""

import numpy as np
from hypothesis import strategies as st
from reference import float64
from tolerance import EPS, summed

from pylenet import initializers, layers
from pylenet.layers import BatchNormalization

from . import _wrong
from ._kind import Case, Kind
from ._sums import over_images


def split(layer, weights):
    """gamma, beta, mean, variance; 1 and 0 for the two that the layer may lack."""
    rest = [*map(float64, weights)]
    gamma = rest.pop(0) if layer.scale else 1.0
    beta = rest.pop(0) if layer.center else 0.0
    return gamma, beta, *rest


def own(layer, dgamma, dbeta, *averages):
    """Those of the weights that the layer has."""
    return [*[dgamma] * layer.scale, *[dbeta] * layer.center, *averages]


def outer(x):
    """The axes that are summed: all but the channels."""
    return tuple(range(x.ndim - 1))


def normalized(layer, x, mean, variance):
    return (x - mean) / np.sqrt(variance + layer.epsilon)


def _case(shape, batch=19, **arguments):
    layer = BatchNormalization(**arguments)
    names = own(layer, "gamma", "beta", "moving_mean", "moving_variance")
    return Case(layer, shape, shape, dict.fromkeys(names, shape[-1:]), batch)


class Normalized(Kind):
    layer = layers.BatchNormalization
    averages = ("moving_mean", "moving_variance")
    ranks = (3, 1)
    cases = [
        _case((3, 4, 5)),
        _case((7,), momentum=0.9, epsilon=0.1),
        _case((3, 2, 17), center=False),
        _case((4, 3, 1), scale=False),
        _case((5,), axis=1, center=False, scale=False, epsilon=1.0),
        _case(
            (2, 3, 3),
            epsilon=1.0,
            beta_initializer="he_normal",
            gamma_initializer=initializers.FanInUniform(1.0, seed=3),
            moving_mean_initializer="ones",
            moving_variance_initializer=initializers.Ones(),
        ),
    ]
    sizes = [_case((5, 4, 33), batch=9), _case((150,), batch=33), _case((9, 8, 2), epsilon=1.0)]
    sweeps = {
        "channels": [_case((2, 3, c), batch=17, epsilon=1.0) for c in range(1, 36)],
        "flat": [_case((c,), batch=3, epsilon=1.0) for c in range(1, 36)],
        "batch": [_case((2, 2, 3), batch=n, epsilon=1.0) for n in range(1, 51)],
    }
    order = [_case((2, 3, 5), batch=n) for n in (1, 3, 40)] + [_case((19,), batch=17)]
    good = {}
    wrong = {
        "momentum": [*_wrong.NUMBERS, (-0.1, ValueError), (1.1, ValueError)],
        # Keras 1's None is the default.
        "epsilon": [n for n in _wrong.NUMBERS if n[0] is not None]
        + [(0, ValueError), (-1e-3, ValueError), (1e-60, ValueError)],
        "center": _wrong.FLAGS,
        "scale": _wrong.FLAGS,
        "beta_initializer": _wrong.INITIALIZERS,
        "gamma_initializer": _wrong.INITIALIZERS,
        "moving_mean_initializer": _wrong.INITIALIZERS,
        "moving_variance_initializer": _wrong.INITIALIZERS,
        "axis": [*_wrong.NUMBERS[:4], (-2, ValueError), (1.0, TypeError)],
        "beta_regularizer": _wrong.RULES,
        "gamma_regularizer": _wrong.RULES,
        "beta_constraint": _wrong.RULES,
        "gamma_constraint": _wrong.RULES,
    }
    misfits = [
        (BatchNormalization(), (9, 8), "BatchNormalization takes .*flat"),
        (BatchNormalization(axis=1), (9, 8, 2), "axis must be -1 or 3 .*, got 1: images are"),
        (BatchNormalization(axis=3), (9,), "axis must be -1 or 1 .*, got 3"),
    ]

    def weights(self, layer, input_shape):
        names = own(layer, "gamma", "beta", "moving_mean", "moving_variance")
        return dict.fromkeys(names, input_shape[-1:])

    def weight(self, name, values):
        """With an epsilon of 1 the root of whole numbers' variances is 2: exact."""
        if name != "moving_variance":
            return values
        whole = np.array_equal(values, np.round(values))
        return np.full_like(values, 3) if whole else values + np.float32(1.5)

    def exact(self, layer):
        return layer.epsilon == 1

    def forward(self, layer, x, *weights):
        gamma, beta, mean, variance = split(layer, weights)
        return gamma * normalized(layer, float64(x), mean, variance) + beta

    def backward(self, layer, dy, x, *weights):
        gamma, _, mean, variance = split(layer, weights)
        dy, x = float64(dy), float64(x)
        dgamma = (dy * normalized(layer, x, mean, variance)).sum(axis=outer(x))
        zeros = np.zeros(mean.shape)
        dx = dy * gamma / np.sqrt(variance + layer.epsilon)
        return dx, *own(layer, dgamma, dy.sum(axis=outer(x)), zeros, zeros)

    def forward_in_training(self, layer, x, *weights):
        gamma, beta, *_ = split(layer, weights)
        x = float64(x)
        mean, variance = x.mean(axis=outer(x)), x.var(axis=outer(x))
        return gamma * normalized(layer, x, mean, variance) + beta

    def backward_in_training(self, layer, dy, x, *weights):
        """dx = d normal / sd, less what goes through the variance and the mean."""
        gamma, _, *averages = split(layer, weights)
        mean, variance = x.mean(axis=outer(x)), x.var(axis=outer(x))
        normal, sd = normalized(layer, x, mean, variance), np.sqrt(variance + layer.epsilon)
        dnormal = dy * gamma
        through = normal * (dnormal * normal).mean(axis=outer(x)) + dnormal.mean(axis=outer(x))
        taken = [
            (1 - layer.momentum) * (average - present)
            for average, present in zip(averages, (mean, variance), strict=True)
        ]
        dgamma, dbeta = (dy * normal).sum(axis=outer(x)), dy.sum(axis=outer(x))
        return (dnormal - through) / sd, *own(layer, dgamma, dbeta, *taken)

    def errors(self, layer, dy, x, *weights):
        gamma, beta, mean, variance = split(layer, weights)
        factor, places = gamma / np.sqrt(variance + layer.epsilon), np.prod(dy.shape[:-1])
        largest = np.abs(x).max() + np.abs(mean).max()
        normal = normalized(layer, float64(x), mean, variance)
        # Root, quotient and product are rounded, then the mean's product and the sum.
        return [
            6 * EPS * (np.abs(factor).max() * largest + np.abs(beta).max()),
            summed(2, dy, factor),
            *own(layer, summed(places + 4, dy, normal), summed(places, dy), 0.0, 0.0),
        ]

    def without_hessian(self, layer, input_shape):
        return "through batch normalisation"

    def random(self, draw, input_shape):
        """An epsilon that leaves numbers about as large as they were."""
        return BatchNormalization(
            momentum=draw(st.floats(0, 1)),
            epsilon=draw(st.floats(0.125, 2)),
            center=draw(st.booleans()),
            scale=draw(st.booleans()),
        )

    def in_order(self, layer, multiply_add, dy, x, gamma, beta, mean, variance):
        inverse = np.float32(1) / np.sqrt(variance + np.float32(layer.epsilon))
        factor = inverse * gamma
        y = multiply_add(factor, x, beta - mean * factor)
        rows = [a.reshape(len(x), -1, x.shape[-1]) for a in (dy, dy * ((x - mean) * inverse))]
        totals = []
        for a in rows:
            total = np.zeros(a[:, 0].shape, np.float32)
            for place in range(a.shape[1]):
                total = total + a[:, place]
            totals.append(over_images(total))
        dbeta, dgamma = totals
        return y, dy * factor, dgamma, dbeta, np.zeros_like(mean), np.zeros_like(mean)
