"""A network forward and backward in float64 numpy: short, slow and meant to be obviously right.

Images are (N, height, width, channels), kernels (height, width, in, out), dense weights (in, out).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .subjects import Plan

__all__ = ["network"]

Array = NDArray[np.float64]


def network(
    plan: Plan, weights: Sequence[NDArray[Any]], images: NDArray[Any], labels: NDArray[Any]
) -> tuple[Array, list[Array]]:
    """Probabilities (N, 10), and the gradients of the mean cross-entropy in the weights' order.

    images: (N, height, width) or (N, height, width, channels), with pixels 0 to 255.
    """
    left = [np.float64(w) for w in weights]
    x = np.float64(images).reshape(-1, *plan.image) / 255
    kinds = [kind for kind, *_ in plan.layers] + ["dense"]
    passed: list[tuple[Array, ...]] = []  # each layer's input and output, and its kernel
    for i, kind in enumerate(kinds):
        if kind == "pool":
            passed.append((x, x := _pool(plan.pool, x)))
            continue
        kernel, bias, *left = left
        x = x if kind == "conv" else x.reshape(len(x), -1)
        y = (_conv2d(x, kernel) if kind == "conv" else x @ kernel) + bias
        passed.append(
            (x, x := y if i + 1 == len(kinds) else _activation(plan.activation, y), kernel)
        )
    e = np.exp(x - x.max(axis=1, keepdims=True))
    probabilities: Array = e / e.sum(axis=1, keepdims=True)

    dy = (probabilities - np.eye(10)[labels]) / len(images)
    gradients: list[Array] = []
    for i in reversed(range(len(kinds))):
        x, y, *kernels = passed[i]
        dy = dy.reshape(y.shape)
        if kinds[i] == "pool":
            dy = _pool_backward(plan.pool, dy, x)
            continue
        if i + 1 < len(kinds):
            dy = dy * _slope(plan.activation, y)
        (kernel,) = kernels
        conv = kinds[i] == "conv"
        dkernel = _conv2d_dkernel(dy, x, kernel.shape[:2]) if conv else x.T @ dy
        gradients = [dkernel, dy.sum(axis=tuple(range(dy.ndim - 1))), *gradients]
        if i > 0:
            dy = _conv2d_dx(dy, kernel) if conv else dy @ kernel.T
    return probabilities, gradients


def _windows(x: Array, size: tuple[int, ...]) -> Array:
    """(N, rows, columns, channels, *size): the cells of such a window from each place on."""
    return sliding_window_view(x, size, axis=(1, 2))


def _conv2d(x: Array, kernel: Array) -> Array:
    return np.tensordot(_windows(x, kernel.shape[:2]), kernel, axes=((3, 4, 5), (2, 0, 1)))


def _conv2d_dx(dy: Array, kernel: Array) -> Array:
    size = kernel.shape[:2]
    around = np.pad(dy, ((0, 0), *((k - 1, k - 1) for k in size), (0, 0)))
    return np.tensordot(_windows(around, size), kernel[::-1, ::-1], axes=((3, 4, 5), (3, 0, 1)))


def _conv2d_dkernel(dy: Array, x: Array, size: tuple[int, ...]) -> Array:
    dkernel: Array = np.tensordot(_windows(x, size), dy, axes=((0, 1, 2), (0, 1, 2)))
    return np.moveaxis(dkernel, 0, 2)


def _activation(name: str, x: Array) -> Array:
    return np.tanh(x) if name == "tanh" else np.maximum(x, 0)


def _slope(name: str, y: Array) -> Array:
    """The activation's derivative where its value is y."""
    return 1 - y * y if name == "tanh" else np.float64(y > 0)


def _blocks(y: Array) -> Array:
    """Of 2 x 2; a last row or column that has none is left out."""
    n, h, w, c = y.shape
    return y[:, : h // 2 * 2, : w // 2 * 2].reshape(n, h // 2, 2, w // 2, 2, c)


def _pool(name: str, y: Array) -> Array:
    blocks = _blocks(y)
    pooled: Array = blocks.mean((2, 4)) if name == "average" else blocks.max((2, 4))
    return pooled


def _pool_backward(name: str, dy: Array, y: Array) -> Array:
    """Equal largest values are taken for zeros, whose slope stops the gradient anyway."""
    blocks = _blocks(y)
    largest = blocks == blocks.max((2, 4), keepdims=True)
    share = np.full_like(blocks, 0.25) if name == "average" else largest
    n, h, _, w, _, c = blocks.shape
    dx = np.zeros_like(y)
    dx[:, : 2 * h, : 2 * w] = (share * dy[:, :, np.newaxis, :, np.newaxis]).reshape(
        n, 2 * h, 2 * w, c
    )
    return dx
