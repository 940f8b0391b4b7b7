"""Each layer in the middle of a network, and float64 versions of whole networks."""

import numpy as np
from nets import compiled, one_hot
from reference import float64
from seeded import uniform

from pylenet.layers import Conv2D, Dense, Flatten, Input
from pylenet.models import Sequential

from . import copy_of, kind_of

CLASSES = 3


def inside(case, optimizer, loss, top, batch=5):
    """A compiled model with the layer between others whose weights are trained; x and rows.

    In float64, nothing in it lies near a kink.
    """
    shape = case.input_shape
    below = {1: [Dense(shape[-1], "tanh")], 3: [Conv2D(shape[-1], 1, activation="tanh")]}

    def build():
        layers = [*below.get(len(shape), []), copy_of(case.layer), Flatten(), Dense(CLASSES, top)]
        return Sequential([Input(shape), *layers])

    x = kind_of(case.layer).inputs((batch, *shape), 3)
    rows = one_hot(np.arange(batch) % CLASSES, CLASSES)
    for seed in range(20):
        model = compiled(build, optimizer, loss, seed)
        model.set_weights([w + 0.2 * uniform(w.shape, seed) for w in model.get_weights()])
        if not near_kink(model, x):
            return model, x, rows
    raise AssertionError("a kink is always near")


def parts_of(model):
    """The model's layers, each with its weights."""
    return [(layer, layer.get_weights()) for layer in model.layers]


def values(parts, x, training=False):
    """What goes into each layer, and the output, in float64."""
    found = [float64(x)]
    for layer, weights in parts:
        kind = kind_of(layer)
        forward = kind.forward_in_training if training else kind.forward
        found.append(forward(layer, found[-1], *weights))
    return found


def near_kink(model, x):
    parts = parts_of(model)
    return any(
        kind_of(layer).near_kink(layer, 1e-5, y, *weights).any()
        for (layer, weights), y in zip(parts, values(parts, x), strict=False)
    )


def gradients(model, x, rows):
    """Of the mean cross-entropy of `rows` with a softmax's output, one for each weight.

    They are a training step's, which takes them off the weights at a learning rate of 1.
    """
    parts = parts_of(model)
    *inputs, p = values(parts, x, training=True)
    dy, found = -rows / p / len(x), []
    for layer, weights in reversed(parts):
        dy, *own = kind_of(layer).backward_in_training(layer, dy, inputs.pop(), *weights)
        found = [*own, *found]
    return found


def squared_jacobian(layer, h, x, *weights):
    """How h goes through a layer: sum over outputs of (d output / d v)^2 h.

    For x, and summed over the images for each weight.
    """
    kind, squares = kind_of(layer), np.zeros(x.shape)
    totals = [np.zeros(w.shape) for w in weights]
    for n, *place in zip(*np.nonzero(h), strict=True):
        dy = np.zeros((1, *h.shape[1:]))
        dy[(0, *place)] = 1
        dx, *rest = kind.backward(layer, dy, x[n : n + 1], *weights)
        squares[n] += dx[0] ** 2 * h[(n, *place)]
        for total, slope in zip(totals, rest, strict=True):
            total += slope**2 * h[(n, *place)]
    return squares, *totals


def hessian(parts, x, h_of, through=squared_jacobian):
    """The mean of the images' Gauss-Newton diagonals, one array for each weight.

    h_of: the loss's second derivatives with respect to the output, of the output.
    """
    *inputs, y = values(parts, x)
    h, found = h_of(y), []
    for layer, weights in reversed(parts):
        h, *own = through(layer, h, inputs.pop(), *weights)
        found = [*(total / len(x) for total in own), *found]
    return found
