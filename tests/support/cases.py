"""Inputs for the kernel tests: seeded arrays, and each op once as an object that can be called."""

import math
from dataclasses import dataclass, field

import numpy as np

from pylenet import ops
from pylenet.models import _lenet1998


def uniform(shape, seed):
    """float32 numbers between -1 and 1."""
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


def integers(shape, seed):
    """float32 integers from -3 to 3: their products and sums are exact, whatever the order."""
    return np.random.default_rng(seed).integers(-3, 4, shape).astype(np.float32)


def distinct(shape, seed):
    """float32 integers, no two the same."""
    values = np.random.default_rng(seed).permutation(math.prod(shape))
    return values.reshape(shape).astype(np.float32)


def result_or_refusal(f):
    """f(), or the text of the ValueError that it raises."""
    try:
        return f()
    except ValueError as error:
        return str(error)


@dataclass(frozen=True)
class Call:
    """An op with its options and the shapes of its arrays; x and dy are given without the batch."""

    name: str
    x: tuple
    dy: tuple | None = None
    weights: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)

    def inputs(self, batch, seed=0, make=uniform):
        shapes = {} if self.dy is None else {"dy": (batch, *self.dy)}
        shapes |= {"x": (batch, *self.x)} | self.weights
        return {name: make(shape, seed + k) for k, (name, shape) in enumerate(shapes.items())}

    def __call__(self, arrays):
        """The op's results, always as a tuple; the first has the batch in front."""
        result = getattr(ops, self.name)(**arrays, **self.options)
        return result if isinstance(result, tuple) else (result,)

    def __str__(self):
        words = [v for v in self.options.values() if isinstance(v, str)]
        return "-".join([self.name, *words, "x".join(map(str, self.x))])


_CONV = {"strides": (1, 2), "padding": "same"}
_SAME = {"padding": "same"}
_LINKS = {"connections": ((0, 2), (1,), (0, 1, 2), (2,), (0, 1))}
_CODES = {"codes": ("++-+--+-+++", "-+-+--++--+", "--+++-+---+")}
_FRAME = {"padding": ((1, 2), (0, 3))}
_POOL = {"pool_size": (3, 2), "strides": (2, 1), "padding": "same"}

# Every op on a small, awkward shape.
SMALL = [
    Call("conv2d", (7, 6, 3), None, {"kernel": (3, 2, 3, 5), "bias": (5,)}, _CONV),
    Call("conv2d_backward", (7, 6, 3), (7, 3, 5), {"kernel": (3, 2, 3, 5)}, _CONV),
    Call("conv2d", (7, 6, 3), None, {"kernel": (3, 2, 9), "bias": (5,)}, _CONV | _LINKS),
    Call("conv2d_backward", (7, 6, 3), (7, 3, 5), {"kernel": (3, 2, 9)}, _CONV | _LINKS),
    Call("subsampling2d", (6, 4, 3), None, {"coefficient": (3,), "bias": (3,)}),
    Call("subsampling2d_backward", (6, 4, 3), (3, 2, 3), {"coefficient": (3,)}),
    Call(
        *("subsampling2d_backward", (7, 6, 3), (3, 5, 3), {"coefficient": (3,)}),
        {"pool_size": (3, 2), "strides": (2, 1)},
    ),
    Call("rbf", (11,), None, {}, _CODES),
    Call("rbf_backward", (11,), (3,), {}, _CODES),
    Call("zero_padding2d", (3, 4, 2), None, {}, _FRAME),
    Call("zero_padding2d_backward", (3, 4, 2), (6, 7, 2), {}, _FRAME),
    Call("max_pool2d", (7, 6, 3), None, {}, _POOL),
    Call("max_pool2d_backward", (7, 6, 3), (4, 6, 3), {}, _POOL),
    Call("average_pool2d", (7, 6, 3), None, {}, _POOL),
    Call("average_pool2d_backward", (7, 6, 3), (4, 6, 3), {}, _POOL),
    Call("dense", (13,), None, {"kernel": (13, 7), "bias": (7,)}),
    Call("dense_backward", (13,), (7,), {"kernel": (13, 7)}),
    *(Call("activation", (11,), None, {}, {"name": n}) for n in ("tanh", "sigmoid", "softmax")),
    *(Call("activation", (5, 3, 2), None, {}, {"name": n}) for n in ("relu", "linear", "tanh")),
    Call("activation_backward", (11,), (11,), {}, {"name": "tanh"}),
    Call("activation", (11,), None, {}, {"name": "scaled_tanh"}),
    Call("activation_backward", (5, 3, 2), (5, 3, 2), {}, {"name": "scaled_tanh"}),
    Call("activation_backward", (11,), (11,), {}, {"name": "softmax"}),
    Call("activation_backward", (5, 3, 2), (5, 3, 2), {}, {"name": "relu"}),
    Call("activation_backward", (5, 3, 2), (5, 3, 2), {}, {"name": "sigmoid"}),
]

_1998 = {"connections": _lenet1998.CONNECTIONS}

# Every op on a shape of LeNet's.
LENET = [
    Call("conv2d", (28, 28, 1), None, {"kernel": (5, 5, 1, 6), "bias": (6,)}),
    Call("conv2d", (12, 12, 6), None, {"kernel": (5, 5, 6, 16), "bias": (16,)}),
    Call("conv2d", (14, 14, 6), None, {"kernel": (5, 5, 6, 16), "bias": (16,)}, _SAME),
    Call("conv2d_backward", (28, 28, 1), (24, 24, 6), {"kernel": (5, 5, 1, 6)}),
    Call("conv2d_backward", (12, 12, 6), (8, 8, 16), {"kernel": (5, 5, 6, 16)}),
    Call("conv2d", (14, 14, 6), None, {"kernel": (5, 5, 60), "bias": (16,)}, _1998),
    Call("conv2d_backward", (14, 14, 6), (10, 10, 16), {"kernel": (5, 5, 60)}, _1998),
    Call("conv2d_backward", (5, 5, 16), (1, 1, 120), {"kernel": (5, 5, 16, 120)}),
    Call("subsampling2d", (28, 28, 6), None, {"coefficient": (6,), "bias": (6,)}),
    Call("subsampling2d_backward", (10, 10, 16), (5, 5, 16), {"coefficient": (16,)}),
    Call("max_pool2d", (24, 24, 6)),
    Call("max_pool2d_backward", (24, 24, 6), (12, 12, 6)),
    Call("average_pool2d", (24, 24, 6)),
    Call("average_pool2d_backward", (24, 24, 6), (12, 12, 6)),
    Call("dense", (256,), None, {"kernel": (256, 120), "bias": (120,)}),
    Call("dense", (84,), None, {"kernel": (84, 10), "bias": (10,)}),
    Call("dense_backward", (256,), (120,), {"kernel": (256, 120)}),
    Call("dense_backward", (84,), (10,), {"kernel": (84, 10)}),
    Call("activation", (24, 24, 6), None, {}, {"name": "tanh"}),
    Call("activation_backward", (24, 24, 6), (24, 24, 6), {}, {"name": "tanh"}),
    Call("activation", (10,), None, {}, {"name": "softmax"}),
    Call("activation_backward", (10,), (10,), {}, {"name": "softmax"}),
]
