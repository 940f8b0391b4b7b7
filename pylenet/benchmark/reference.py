"""A LeNet-5 forward and backward in float64 numpy: short, slow and meant to be obviously right.

Images are (N, height, width, channels), kernels (5, 5, in, out), dense weights (in, out).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

__all__ = ["lenet5"]

Array = NDArray[np.float64]


def lenet5(
    form: str, weights: Sequence[NDArray[Any]], images: NDArray[Any], labels: NDArray[Any]
) -> tuple[Array, list[Array]]:
    """Probabilities (N, 10), and the gradients of the mean cross-entropy in the weights' order.

    form: "classic" (tanh, average pooling) or "modern" (ReLU, max pooling). images: (N, 28, 28)
    with pixels 0 to 255.
    """
    k1, b1, k2, b2, w3, b3, w4, b4, w5, b5 = (np.float64(w) for w in weights)
    x0 = np.float64(images)[..., np.newaxis] / 255
    y1 = _activation(form, _conv2d(x0, k1) + b1)
    x1 = _pool(form, y1)
    y2 = _activation(form, _conv2d(x1, k2) + b2)
    x2 = _pool(form, y2)
    x3 = x2.reshape(len(x2), -1)
    y3 = _activation(form, x3 @ w3 + b3)
    y4 = _activation(form, y3 @ w4 + b4)
    logits = y4 @ w5 + b5
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Array = e / e.sum(axis=1, keepdims=True)

    d5 = (probabilities - np.eye(10)[labels]) / len(images)
    d4 = d5 @ w5.T * _slope(form, y4)
    d3 = d4 @ w4.T * _slope(form, y3)
    d2 = _pool_backward(form, (d3 @ w3.T).reshape(x2.shape), y2) * _slope(form, y2)
    d1 = _pool_backward(form, _conv2d_dx(d2, k2), y1) * _slope(form, y1)
    over = (0, 1, 2)
    gradients = [_conv2d_dkernel(d1, x0), d1.sum(over), _conv2d_dkernel(d2, x1), d2.sum(over)]
    for x, d in ((x3, d3), (y3, d4), (y4, d5)):
        gradients += [x.T @ d, d.sum(axis=0)]
    return probabilities, gradients


def _windows(x: Array) -> Array:
    """(N, height - 4, width - 4, channels, 5, 5): the 5 x 5 cells from each place on."""
    return sliding_window_view(x, (5, 5), axis=(1, 2))


def _conv2d(x: Array, kernel: Array) -> Array:
    return np.tensordot(_windows(x), kernel, axes=((3, 4, 5), (2, 0, 1)))


def _conv2d_dx(dy: Array, kernel: Array) -> Array:
    around = np.pad(dy, ((0, 0), (4, 4), (4, 4), (0, 0)))
    return np.tensordot(_windows(around), kernel[::-1, ::-1], axes=((3, 4, 5), (3, 0, 1)))


def _conv2d_dkernel(dy: Array, x: Array) -> Array:
    dkernel: Array = np.tensordot(_windows(x), dy, axes=((0, 1, 2), (0, 1, 2)))
    return np.moveaxis(dkernel, 0, 2)


def _activation(form: str, x: Array) -> Array:
    return np.tanh(x) if form == "classic" else np.maximum(x, 0)


def _slope(form: str, y: Array) -> Array:
    """The activation's derivative where its value is y."""
    return 1 - y * y if form == "classic" else np.float64(y > 0)


def _blocks(y: Array) -> Array:
    n, h, w, c = y.shape
    return y.reshape(n, h // 2, 2, w // 2, 2, c)


def _pool(form: str, y: Array) -> Array:
    blocks = _blocks(y)
    pooled: Array = blocks.mean((2, 4)) if form == "classic" else blocks.max((2, 4))
    return pooled


def _pool_backward(form: str, dy: Array, y: Array) -> Array:
    """Equal largest values are taken for zeros, whose slope stops the gradient anyway."""
    blocks = _blocks(y)
    largest = blocks == blocks.max((2, 4), keepdims=True)
    share = np.full_like(blocks, 0.25) if form == "classic" else largest
    return (share * dy[:, :, np.newaxis, :, np.newaxis]).reshape(y.shape)
