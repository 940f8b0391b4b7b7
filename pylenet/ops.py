"""The kernels alone: arrays in, arrays out, through the code that training runs.

Images are (N, height, width, channels) numpy arrays of uint8, float32 or float64 in any memory
layout, kernels and biases float32 or float64; results are new float32 arrays. Computation is in
float32. kernel_size, pool_size and strides are an integer or a pair (height, width); padding is
'valid' or 'same' with TensorFlow's meaning. Every function raises TypeError for the wrong kind of
argument and ValueError for the wrong shape or value.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _check, _core, _threads

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

ACTIVATIONS = ("linear", "relu", "scaled_tanh", "sigmoid", "softmax", "tanh")

Floats = NDArray[np.float32]
Pair = int | tuple[int, int]
Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]]
Sides = tuple[tuple[int, int], tuple[int, int]]
Connections = Sequence[Sequence[int]]
Table = tuple[tuple[int, ...], ...]
Codes = Sequence[str] | NDArray[Any]


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
    shape = _images(x)
    spec = _conv_spec(x, kernel, strides, padding, connections)
    layer = _Single("conv2d", shape, spec)
    weights = {"kernel": kernel}
    if bias is not None:
        weights["bias"] = _arrays.shaped("bias", bias, (spec["units"],), _arrays.FLOATS)
    return layer.forward(x, weights, use_bias=bias is not None)


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
    layer = _Single("conv2d", _images(x), _conv_spec(x, kernel, strides, padding, connections))
    dx, weights = layer.backward(dy, x, {"kernel": kernel})
    return dx, weights["kernel"], weights["bias"]


def dense(x: NDArray[Any], kernel: NDArray[Any], bias: NDArray[Any] | None = None) -> Floats:
    """x @ kernel + bias: x (N, in), kernel (in, out), bias (out,). Returns (N, out)."""
    layer = _Single("dense", _rows(x), _dense_spec(x, kernel))
    weights = {"kernel": kernel}
    if bias is not None:
        weights["bias"] = _arrays.shaped("bias", bias, kernel.shape[-1:], _arrays.FLOATS)
    return layer.forward(x, weights, use_bias=bias is not None)


def dense_backward(
    dy: NDArray[Any], x: NDArray[Any], kernel: NDArray[Any]
) -> tuple[Floats, Floats, Floats]:
    """Gradients (dx, dkernel, dbias) of sum(dy * dense(x, kernel, bias)); dy is (N, out)."""
    layer = _Single("dense", _rows(x), _dense_spec(x, kernel))
    dx, weights = layer.backward(dy, x, {"kernel": kernel})
    return dx, weights["kernel"], weights["bias"]


def max_pool2d(
    x: NDArray[Any],
    pool_size: Pair = (2, 2),
    *,
    strides: Pair | None = None,
    padding: str = "valid",
) -> Floats:
    """Largest value of each window, padding left out. strides: pool_size if None."""
    return _pool("max_pool2d", x, pool_size, strides, padding).forward(x, {})


def max_pool2d_backward(
    dy: NDArray[Any],
    x: NDArray[Any],
    pool_size: Pair = (2, 2),
    *,
    strides: Pair | None = None,
    padding: str = "valid",
) -> Floats:
    """Gradient of sum(dy * max_pool2d(x)): to the first maximum of each window, row by row."""
    return _pool("max_pool2d", x, pool_size, strides, padding).backward(dy, x, {})[0]


def average_pool2d(
    x: NDArray[Any],
    pool_size: Pair = (2, 2),
    *,
    strides: Pair | None = None,
    padding: str = "valid",
) -> Floats:
    """Mean of each window, padding not counted. strides: pool_size if None."""
    return _pool("average_pool2d", x, pool_size, strides, padding).forward(x, {})


def average_pool2d_backward(
    dy: NDArray[Any],
    x: NDArray[Any],
    pool_size: Pair = (2, 2),
    *,
    strides: Pair | None = None,
    padding: str = "valid",
) -> Floats:
    """Gradient of sum(dy * average_pool2d(x)); only x's shape matters."""
    return _pool("average_pool2d", x, pool_size, strides, padding).backward(dy, x, {})[0]


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
    layer = _pool("subsample2d", x, pool_size, strides, "valid")
    shape = x.shape[3:]
    coefficient = _arrays.shaped("coefficient", coefficient, shape, _arrays.FLOATS)
    weights = {"coefficient": coefficient}
    if bias is not None:
        weights["bias"] = _arrays.shaped("bias", bias, shape, _arrays.FLOATS)
    return layer.forward(x, weights)


def subsampling2d_backward(
    dy: NDArray[Any],
    x: NDArray[Any],
    coefficient: NDArray[Any],
    pool_size: Pair = (2, 2),
    *,
    strides: Pair | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Gradients (dx, dcoefficient, dbias) of sum(dy * subsampling2d(x, coefficient, bias))."""
    layer = _pool("subsample2d", x, pool_size, strides, "valid")
    coefficient = _arrays.shaped("coefficient", coefficient, x.shape[3:], _arrays.FLOATS)
    dx, weights = layer.backward(dy, x, {"coefficient": coefficient})
    return dx, weights["coefficient"], weights["bias"]


def rbf(x: NDArray[Any], codes: Codes) -> Floats:
    """Squared Euclidean distances (N, units) of x (N, in) from the codes (units, in) of +1 and -1.

    Each is summed over the inputs in order. codes: numbers, or strings of + and -.
    """
    return _Single("rbf", _rows(x), {"codes": _arrays.code_strings(codes)}).forward(x, {})


def rbf_backward(dy: NDArray[Any], x: NDArray[Any], codes: Codes) -> Floats:
    """Gradient of sum(dy * rbf(x, codes))."""
    return _Single("rbf", _rows(x), {"codes": _arrays.code_strings(codes)}).backward(dy, x, {})[0]


def zero_padding2d(x: NDArray[Any], padding: Padding = (1, 1)) -> Floats:
    """x (N, H, W, channels) with zeros around it; padding as in layers.ZeroPadding2D."""
    sides = [n for side in _arrays.padding_sides(padding) for n in side]
    return _Single("zero_padding2d", _images(x), {"padding": sides}).forward(x, {})


def zero_padding2d_backward(dy: NDArray[Any], x: NDArray[Any], padding: Padding = (1, 1)) -> Floats:
    """Gradient of sum(dy * zero_padding2d(x)); only x's shape matters."""
    sides = [n for side in _arrays.padding_sides(padding) for n in side]
    return _Single("zero_padding2d", _images(x), {"padding": sides}).backward(dy, x, {})[0]


def activation(x: NDArray[Any], name: str) -> Floats:
    """x, (N, features) or (N, H, W, channels), through one of ACTIVATIONS.

    softmax is over the features, of (N, features) only; scaled_tanh is 1.7159 tanh(2 x / 3).
    """
    return _Single("activation", *_activation_spec(x, name)).forward(x, {})


def activation_backward(dy: NDArray[Any], x: NDArray[Any], name: str) -> Floats:
    """Gradient of sum(dy * activation(x, name)); relu's is 0 at 0."""
    return _Single("activation", *_activation_spec(x, name)).backward(dy, x, {})[0]


class _Single:
    """A network of one layer on inputs of one shape, its weights given at each call."""

    def __init__(self, kind: str, input_shape: tuple[int, ...], spec: dict[str, Any]) -> None:
        self._spec = {"kind": kind, **spec}
        self._shape = (1, 1, *input_shape) if len(input_shape) == 1 else input_shape

    def forward(
        self, x: NDArray[Any], weights: dict[str, NDArray[Any]], *, use_bias: bool = True
    ) -> Floats:
        network, parameters = self._load(weights, use_bias)
        shape = network.output_shape(0)
        y = np.empty((len(x), *(shape[2:] if x.ndim == 2 else shape)), np.float32)
        network.predict(y, parameters, x, _threads.get_num_threads())
        return y

    def backward(
        self, dy: NDArray[Any], x: NDArray[Any], weights: dict[str, NDArray[Any]]
    ) -> tuple[Floats, dict[str, Floats]]:
        network, parameters = self._load(weights, True)
        output = network.output_shape(0)
        _arrays.shaped("dy", dy, (len(x), *(output[2:] if x.ndim == 2 else output)))
        dx, flat = network.gradient(parameters, x, dy, _threads.get_num_threads())
        return dx, {
            name: flat[offset : offset + int(np.prod(shape))].reshape(shape)
            for name, offset, shape in network.tensors(0)
        }

    def _load(
        self, weights: dict[str, NDArray[Any]], use_bias: bool
    ) -> tuple[_core.Network, Floats]:
        network = _core.Network(self._shape, [self._spec | {"use_bias": use_bias}])
        parameters = _core.zeros(network.parameter_floats)
        for name, offset, _ in network.tensors(0):
            if name in weights:
                parameters[offset : offset + weights[name].size] = weights[name].ravel()
        return network, parameters


def _images(x: NDArray[Any]) -> tuple[int, ...]:
    return _arrays.shaped("x", x, ("N", "height", "width", "channels")).shape[1:]


def _rows(x: NDArray[Any]) -> tuple[int, ...]:
    return _arrays.shaped("x", x, ("N", "in")).shape[1:]


def _conv_spec(
    x: NDArray[Any],
    kernel: NDArray[Any],
    strides: Pair,
    padding: str,
    connections: Connections | None,
) -> dict[str, Any]:
    shape: tuple[str | int, ...] = ("kernel height", "kernel width", x.shape[3], "out")
    table: Table = ()
    if connections is not None:
        table = _arrays.connection_table(connections)
        shape = (*shape[:2], sum(map(len, table)))
    window = _arrays.shaped("kernel", kernel, shape, _arrays.FLOATS).shape[:2]
    padding = _arrays.padding(padding)
    _arrays.fits_image("kernel", window, x.shape[1:], padding)
    return {
        "units": len(table) or kernel.shape[3],
        "window": window,
        "strides": _arrays.pair("strides", strides),
        "same_padding": padding == "same",
        "connections": table,
    }


def _dense_spec(x: NDArray[Any], kernel: NDArray[Any]) -> dict[str, Any]:
    _arrays.shaped("kernel", kernel, (x.shape[1], "out"), _arrays.FLOATS)
    return {"units": kernel.shape[1]}


def _pool(
    kind: str, x: NDArray[Any], pool_size: Pair, strides: Pair | None, padding: str
) -> _Single:
    shape = _images(x)
    window = _arrays.pair("pool_size", pool_size)
    padding = _arrays.padding(padding)
    _arrays.fits_image("pool_size", window, shape, None if kind == "subsample2d" else padding)
    spec = {
        "window": window,
        "strides": window if strides is None else _arrays.pair("strides", strides),
        "same_padding": padding == "same",
    }
    return _Single(kind, shape, spec)


def _activation_spec(x: NDArray[Any], name: str) -> tuple[tuple[int, ...], dict[str, Any]]:
    _check.one_of("name", name, ACTIVATIONS)
    if _arrays.array("x", x).ndim == 2:
        return _rows(x), {"activation": name}
    if name == "softmax":
        raise ValueError(f"x must have shape (N, features) for softmax, got {x.shape}")
    return _images(x), {"activation": name}
