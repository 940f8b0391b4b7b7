"""The kernels alone: arrays in, arrays out, through the code that training runs.

Images are (N, height, width, channels) numpy arrays of uint8, float32 or float64 in any memory
layout, kernels and biases float32 or float64; results are new float32 arrays. Computation is in
float32. kernel_size, pool_size and strides are an integer or a pair (height, width); padding is
'valid' or 'same' with TensorFlow's meaning. Every function raises TypeError for the wrong kind of
argument and ValueError for the wrong shape or value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _check, _core, _missing, _threads, layers
from ._arrays import Codes, Connections, Padding, Pair
from .layers.activation import ACTIVATIONS
from .models import _graph

__all__ = [
    "activation",
    "activation_backward",
    "average_pool2d",
    "average_pool2d_backward",
    "conv2d",
    "conv2d_backward",
    "dense",
    "dense_backward",
    "max_pool2d",
    "max_pool2d_backward",
    "rbf",
    "rbf_backward",
    "subsampling2d",
    "subsampling2d_backward",
    "zero_padding2d",
    "zero_padding2d_backward",
]

__getattr__ = _missing.of(__name__)

Floats = NDArray[np.float32]


def conv2d(
    x: NDArray[Any],
    kernel: NDArray[Any],
    bias: NDArray[Any] | None = None,
    *,
    strides: Pair = (1, 1),
    padding: str = "valid",
    connections: Connections | None = None,
) -> Floats:
    """2-D convolution (cross-correlation): x (N, H, W, in), kernel (kh, kw, in, out), bias (out,).

    Returns (N, OH, OW, out). Each output is summed over bias, input channel, kernel row, column;
    where the kernel is as large as the image, in the order of `dense`.
    connections: the input channels that feed each output, as in layers.Conv2D; the kernel is then
    (kh, kw, links).
    """
    layer = _conv2d(x, kernel, strides, padding, connections, use_bias=bias is not None)
    return _forward(layer, x, kernel=kernel, bias=bias)


def conv2d_backward(
    dy: NDArray[Any],
    x: NDArray[Any],
    kernel: NDArray[Any],
    *,
    strides: Pair = (1, 1),
    padding: str = "valid",
    connections: Connections | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Gradients (dx, dkernel, dbias) of sum(dy * conv2d(x, kernel, bias)), dy (N, OH, OW, out)."""
    layer = _conv2d(x, kernel, strides, padding, connections)
    dx, dkernel, dbias = _backward(layer, dy, x, kernel=kernel)
    return dx, dkernel, dbias


def dense(x: NDArray[Any], kernel: NDArray[Any], bias: NDArray[Any] | None = None) -> Floats:
    """x @ kernel + bias: x (N, in), kernel (in, out), bias (out,). Returns (N, out)."""
    return _forward(_dense(x, kernel, use_bias=bias is not None), x, kernel=kernel, bias=bias)


def dense_backward(
    dy: NDArray[Any], x: NDArray[Any], kernel: NDArray[Any]
) -> tuple[Floats, Floats, Floats]:
    """Gradients (dx, dkernel, dbias) of sum(dy * dense(x, kernel, bias)); dy is (N, out)."""
    dx, dkernel, dbias = _backward(_dense(x, kernel), dy, x, kernel=kernel)
    return dx, dkernel, dbias


def max_pool2d(
    x: NDArray[Any],
    pool_size: Pair = (2, 2),
    *,
    strides: Pair | None = None,
    padding: str = "valid",
) -> Floats:
    """Largest value of each window, padding left out. strides: pool_size if None."""
    return _forward(layers.MaxPooling2D(pool_size, strides, padding), _images(x))


def max_pool2d_backward(
    dy: NDArray[Any],
    x: NDArray[Any],
    pool_size: Pair = (2, 2),
    *,
    strides: Pair | None = None,
    padding: str = "valid",
) -> Floats:
    """Gradient of sum(dy * max_pool2d(x)): to the first maximum of each window, row by row."""
    return _backward(layers.MaxPooling2D(pool_size, strides, padding), dy, _images(x))[0]


def average_pool2d(
    x: NDArray[Any],
    pool_size: Pair = (2, 2),
    *,
    strides: Pair | None = None,
    padding: str = "valid",
) -> Floats:
    """Mean of each window, padding not counted. strides: pool_size if None."""
    return _forward(layers.AveragePooling2D(pool_size, strides, padding), _images(x))


def average_pool2d_backward(
    dy: NDArray[Any],
    x: NDArray[Any],
    pool_size: Pair = (2, 2),
    *,
    strides: Pair | None = None,
    padding: str = "valid",
) -> Floats:
    """Gradient of sum(dy * average_pool2d(x)); only x's shape matters."""
    return _backward(layers.AveragePooling2D(pool_size, strides, padding), dy, _images(x))[0]


def subsampling2d(
    x: NDArray[Any],
    coefficient: NDArray[Any],
    bias: NDArray[Any] | None = None,
    pool_size: Pair = (2, 2),
    *,
    strides: Pair | None = None,
) -> Floats:
    """coefficient times the sum of each window, plus bias; both (channels,), x (N, H, W, channels).

    strides: pool_size if None. Windows lie within the image.
    """
    layer = layers.Subsampling2D(pool_size, strides)
    return _forward(layer, _images(x), coefficient=coefficient, bias=bias)


def subsampling2d_backward(
    dy: NDArray[Any],
    x: NDArray[Any],
    coefficient: NDArray[Any],
    pool_size: Pair = (2, 2),
    *,
    strides: Pair | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Gradients (dx, dcoefficient, dbias) of sum(dy * subsampling2d(x, coefficient, bias))."""
    layer = layers.Subsampling2D(pool_size, strides)
    dx, dcoefficient, dbias = _backward(layer, dy, _images(x), coefficient=coefficient)
    return dx, dcoefficient, dbias


def rbf(x: NDArray[Any], codes: Codes) -> Floats:
    """Squared Euclidean distances (N, units) of x (N, in) from the codes (units, in) of +1 and -1.

    Each is summed over the inputs in order. codes: numbers, or strings of + and -.
    """
    return _forward(layers.RBF(codes), _rows(x))


def rbf_backward(dy: NDArray[Any], x: NDArray[Any], codes: Codes) -> Floats:
    """Gradient of sum(dy * rbf(x, codes))."""
    return _backward(layers.RBF(codes), dy, _rows(x))[0]


def zero_padding2d(x: NDArray[Any], padding: Padding = (1, 1)) -> Floats:
    """x (N, H, W, channels) with zeros around it; padding as in layers.ZeroPadding2D."""
    return _forward(layers.ZeroPadding2D(padding), _images(x))


def zero_padding2d_backward(dy: NDArray[Any], x: NDArray[Any], padding: Padding = (1, 1)) -> Floats:
    """Gradient of sum(dy * zero_padding2d(x)); only x's shape matters."""
    return _backward(layers.ZeroPadding2D(padding), dy, _images(x))[0]


def activation(x: NDArray[Any], name: str) -> Floats:
    """x, (N, features) or (N, H, W, channels), through one of ACTIVATIONS.

    softmax is over the features, of (N, features) only; scaled_tanh is 1.7159 tanh(2 x / 3).
    """
    return _forward(_activation(x, name), x)


def activation_backward(dy: NDArray[Any], x: NDArray[Any], name: str) -> Floats:
    """Gradient of sum(dy * activation(x, name)); relu's is 0 at 0."""
    return _backward(_activation(x, name), dy, x)[0]


def _forward(layer: layers.Layer, x: NDArray[Any], **weights: NDArray[Any] | None) -> Floats:
    """The layer's outputs with these weights; a bias that is missing is zero."""
    placed, network, parameters = _load(layer, x, weights)
    if len(x) == 1 and math.prod(placed.output_shape) >= _arrays.LARGE:
        return network.predict_one(parameters, x).reshape(1, *placed.output_shape)
    y = np.empty((len(x), *placed.output_shape), np.float32)
    network.predict(y, parameters, x, _threads.asked_for())
    return y


def _backward(
    layer: layers.Layer, dy: NDArray[Any], x: NDArray[Any], **weights: NDArray[Any]
) -> list[Floats]:
    """The gradients of sum(dy * outputs): by x, then by each weight."""
    placed, network, parameters = _load(layer, x, weights)
    _arrays.shaped("dy", dy, (len(x), *placed.output_shape))
    dx, flat = network.gradient(parameters, x, dy, _threads.asked_for())
    return [dx, *(tensor.of(flat) for tensor in placed.tensors)]


def _load(
    layer: layers.Layer, x: NDArray[Any], weights: Mapping[str, NDArray[Any] | None]
) -> tuple[_graph.Placed, _core.Network, Floats]:
    placed = _graph.place(layer, x.shape[1:])
    network = _graph.inference(placed.input_shape, [placed]).network()
    parameters = _core.zeros(network.parameter_floats)
    for tensor in placed.tensors:
        values = weights.get(tensor.name)
        if values is not None or tensor.name != "bias":
            values = _arrays.shaped(tensor.name, values, tensor.shape, _arrays.FLOATS)
            tensor.of(parameters)[...] = values
    return placed, network, parameters


def _images(x: NDArray[Any]) -> NDArray[Any]:
    return _arrays.shaped("x", x, ("N", "height", "width", "channels"))


def _rows(x: NDArray[Any]) -> NDArray[Any]:
    return _arrays.shaped("x", x, ("N", "in"))


def _conv2d(
    x: NDArray[Any],
    kernel: NDArray[Any],
    strides: Pair,
    padding: str,
    connections: Connections | None,
    use_bias: bool = True,
) -> layers.Conv2D:
    """The layer that has this kernel."""
    shape: tuple[str | int, ...] = ("kernel height", "kernel width", _images(x).shape[3], "out")
    if connections is not None:
        connections = _arrays.connection_table(connections)
        shape = (*shape[:2], sum(map(len, connections)))
    window = _arrays.shaped("kernel", kernel, shape, _arrays.FLOATS).shape[:2]
    _arrays.fits_image("kernel", window, x.shape[1:], _arrays.padding(padding))
    filters = kernel.shape[3] if connections is None else len(connections)
    arguments = (filters, window, strides, padding)
    return layers.Conv2D(*arguments, use_bias=use_bias, connections=connections)


def _dense(x: NDArray[Any], kernel: NDArray[Any], use_bias: bool = True) -> layers.Dense:
    """The layer that has this kernel."""
    _arrays.shaped("kernel", kernel, (_rows(x).shape[1], "out"), _arrays.FLOATS)
    return layers.Dense(kernel.shape[1], use_bias=use_bias)


def _activation(x: NDArray[Any], name: str) -> layers.Activation:
    _check.one_of("name", name, ACTIVATIONS)
    if _arrays.array("x", x).ndim == 2:
        _rows(x)
    elif name == "softmax":
        raise ValueError(f"x must have shape (N, features) for softmax, got {x.shape}")
    else:
        _images(x)
    return layers.Activation(name)
