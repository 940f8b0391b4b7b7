"""Dense."""

import numpy as np
from hypothesis import strategies as st
from reference import float64

from pylenet import initializers, layers
from pylenet.layers import Dense

from . import _wrong
from ._kind import Case, product_errors
from .activation import WITHIN, Activated, some


def dense(x, kernel, bias=None):
    y = float64(x) @ float64(kernel)
    return y if bias is None else y + bias


def dense_backward(dy, x, kernel):
    dy, x, kernel = float64(dy), float64(x), float64(kernel)
    return dy @ kernel.T, x.T @ dy, dy.sum(axis=0)


def _case(batch, inputs, units, **options):
    return Case(Dense(units, **options), (inputs,), batch=batch)


class FullyConnected(Activated):
    layer = layers.Dense
    op = "dense"
    ranks = (1,)

    awkward = [Case(Dense(7), (13,), (7,), {"kernel": (13, 7), "bias": (7,)})]
    cases = [
        *awkward,
        Case(Dense(7), (5,), (7,), {"kernel": (5, 7), "bias": (7,)}),
        Case(Dense(1, "sigmoid"), (3,), (1,), {"kernel": (3, 1), "bias": (1,)}),
        Case(
            Dense(units=4, activation="softmax", use_bias=False), (17,), (4,), {"kernel": (17, 4)}
        ),
        Case(
            Dense(
                3,
                kernel_initializer=initializers.GlorotNormal(seed=3),
                bias_initializer="ones",
            ),
            (2,),
            (3,),
            {"kernel": (2, 3), "bias": (3,)},
        ),
        *(
            Case(Dense(6, n), (9,), (6,), {"kernel": (9, 6), "bias": (6,)})
            for n in [*WITHIN, "softmax"]
        ),
    ]
    lenet = [Case(Dense(120), (256,)), Case(Dense(10), (84,)), Case(Dense(512), (130,))]
    sizes = [
        # LeNet's own layers
        _case(1, 256, 120),
        _case(16, 256, 120),
        _case(33, 400, 120),
        _case(1, 120, 84),
        _case(17, 120, 84),
        _case(1, 84, 10),
        _case(15, 84, 10),
        # ones, primes, and sizes about a vector and a tile
        _case(1, 1, 1),
        _case(16, 1, 1),
        _case(7, 1, 13),
        _case(9, 13, 1),
        _case(3, 2, 3),
        _case(4, 7, 8),
        _case(5, 8, 7),
        _case(8, 15, 16),
        _case(9, 16, 17),
        _case(15, 17, 15),
        _case(17, 31, 33),
        _case(33, 97, 31),
        _case(2, 784, 300),
        _case(50, 33, 47),
        _case(129, 5, 6),
        _case(9, 16, 17, use_bias=False),
        # many weights: groups side by side
        _case(1, 784, 512),
        _case(6, 9216, 128),
        _case(50, 800, 500),
        _case(33, 257, 511, use_bias=False),
    ]
    sweeps = {
        "batch": [_case(n, 5, 6) for n in (*range(1, 68), 1023, 1024, 1025, 2049)],
        "inputs": [_case(3, n, 6) for n in range(1, 68)],
        "units": [_case(3, 5, n) for n in range(1, 140)],
        "batch-and-units": [_case(n, 2, units) for n in range(1, 10) for units in range(1, 36)],
        "batch-and-inputs": [_case(n, inputs, 2) for n in range(1, 10) for inputs in range(1, 36)],
        # of many weights
        "many-batch": [_case(n, 128, 512) for n in (*range(1, 20), 31, 32, 33, 47, 63, 65, 97)],
        "many-inputs": [_case(33, n, 527) for n in (*range(125, 138), 255, 256, 257, 383, 385)],
        "many-units": [_case(33, 131, n) for n in range(501, 530)],
        "many-units-few": [_case(5, 131, n) for n in range(501, 570, 4)],
    }

    good = {"units": 2}
    wrong = {"units": _wrong.COUNTS, **_wrong.WEIGHTED}
    misfits = [
        (Dense(3), (4, 4, 1), "Dense.*takes flat input .*got .*put a Flatten before it"),
        (Dense(3), (4, 4), "takes flat input"),
    ]

    def weights(self, layer, input_shape):
        bias = {"bias": (layer.units,)} if layer.use_bias else {}
        return {"kernel": (input_shape[0], layer.units)} | bias

    def before(self, layer, x, kernel, bias=None):
        return dense(x, kernel, bias)

    def before_backward(self, layer, dy, x, kernel, *bias):
        return dense_backward(dy, x, kernel)[: 2 + len(bias)]

    def before_errors(self, layer, dy, x, kernel, bias=None):
        return product_errors(x.shape[1], layer.units, len(x), dy, x, kernel, bias)

    def random(self, draw, input_shape):
        units, activation = draw(st.integers(1, 150)), draw(some | st.just("softmax"))
        return Dense(units, activation, use_bias=draw(st.booleans()))

    order = [
        _case(1, 256, 120),
        _case(16, 120, 84),
        _case(17, 84, 10),
        _case(33, 31, 53),
        _case(3, 7, 24),
        _case(1040, 5, 9),
        _case(4, 129, 513),
        _case(33, 257, 258),
    ]

    def in_order(self, layer, multiply_add, dy, x, kernel, bias):
        """y: bias, then inputs. dx: units. dkernel and dbias: images."""
        y = np.broadcast_to(bias, dy.shape)
        for i in range(kernel.shape[0]):
            y = multiply_add(x[:, i, None], kernel[i], y)
        dx = np.zeros(x.shape, np.float32)
        for o in range(kernel.shape[1]):
            dx = multiply_add(dy[:, o, None], kernel[:, o], dx)
        dkernel = np.zeros(kernel.shape, np.float32)
        for n in range(len(x)):
            dkernel = multiply_add(x[n, :, None], dy[n], dkernel)
        return y, dx, dkernel, np.add.accumulate(dy)[-1]
