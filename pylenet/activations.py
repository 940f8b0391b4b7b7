"""Activations as functions of numpy arrays, of any shape, through the code that layers run.

Each takes real numbers and gives new float32 numbers of the same shape; of what a layer gives, it
gives what its own layer does on that, for `Model`. A layer's `activation` may
be one of these functions, or its name. Every function raises TypeError for what is no array of real
numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _missing, layers
from .layers._base import SymbolicTensor
from .layers.activation import ACTIVATIONS, ALIASES

__all__ = [
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "hard_sigmoid",
    "leaky_relu",
    "linear",
    "relu",
    "relu6",
    "scaled_tanh",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "swish",
    "tanh",
]

__getattr__ = _missing.of(__name__)

Floats = NDArray[np.float32]


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where it is positive, elsewhere alpha * (e^x - 1)."""
    return _through(layers.ELU(alpha), x)


def exponential(x: Any) -> Any:
    """e^x."""
    return _through(layers.Activation("exponential"), x)


def gelu(x: Any, approximate: bool = False) -> Any:
    """x times the share of the standard normal distribution below x.

    approximate: with tanh(sqrt(2 / pi) (x + 0.044715 x^3)) instead of the error function.
    Source: D. Hendrycks and K. Gimpel, arXiv:1606.08415.
    """
    return _through(layers.Activation("gelu_tanh" if approximate else "gelu"), x)


def hard_sigmoid(x: Any) -> Any:
    """x / 6 + 1/2, held to the range from 0 to 1."""
    return _through(layers.Activation("hard_sigmoid"), x)


def leaky_relu(x: Any, negative_slope: float = 0.2) -> Any:
    """x where it is positive, elsewhere x * negative_slope."""
    return _through(layers.LeakyReLU(negative_slope), x)


def linear(x: Any) -> Any:
    """x."""
    return _through(layers.Activation("linear"), x)


def relu(
    x: Any, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Any:
    """As layers.ReLU: x where it is positive, elsewhere 0, unless told otherwise."""
    return _through(layers.ReLU(max_value, negative_slope, threshold), x)


def relu6(x: Any) -> Any:
    """x, held to the range from 0 to 6."""
    return _through(layers.Activation("relu6"), x)


def scaled_tanh(x: Any) -> Any:
    """1.7159 tanh(2 x / 3), LeNet-5's of 1998."""
    return _through(layers.Activation("scaled_tanh"), x)


def selu(x: Any) -> Any:
    """1.0507 x where x is positive, elsewhere 1.0507 * 1.6733 (e^x - 1).

    Source: G. Klambauer and others, "Self-normalizing neural networks", NIPS 2017.
    """
    return _through(layers.Activation("selu"), x)


def sigmoid(x: Any) -> Any:
    """1 / (1 + e^-x)."""
    return _through(layers.Activation("sigmoid"), x)


def silu(x: Any) -> Any:
    """x * sigmoid(x)."""
    return _through(layers.Activation("silu"), x)


swish = silu


def softmax(x: Any, axis: int = -1) -> Any:
    """e^x, divided by the sum of these along an axis."""
    if isinstance(x, SymbolicTensor):
        return _through(layers.Softmax(axis), x)
    values = _real(x)
    if not values.ndim:
        raise ValueError("x must have an axis for softmax, got a single number")
    moved: Floats = np.moveaxis(_through(layers.Softmax(), np.moveaxis(values, axis, -1)), -1, axis)
    return moved


def softplus(x: Any) -> Any:
    """log(1 + e^x)."""
    return _through(layers.Activation("softplus"), x)


def softsign(x: Any) -> Any:
    """x / (1 + |x|)."""
    return _through(layers.Activation("softsign"), x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return _through(layers.Activation("tanh"), x)


def get(identifier: Any) -> Callable[..., Any]:
    """The function that a name stands for; None is linear, and a callable is returned as it is."""
    if identifier is None:
        return linear
    if callable(identifier):
        found: Callable[..., Any] = identifier
        return found
    if not isinstance(identifier, str):
        raise TypeError(f"activation must be a name or a function, got {identifier!r}")
    name = ALIASES.get(identifier, identifier)
    if name == "gelu_tanh":
        return _gelu_tanh
    if name not in ACTIVATIONS:
        raise ValueError(f"activation must be one of {list(ACTIVATIONS)}, got {identifier!r}")
    function: Callable[..., Any] = globals()[name]
    return function


deserialize = get


def serialize(activation: Callable[..., Any]) -> str:
    """The name of a function, which `get` takes."""
    return str(layers.Activation(activation).activation)


def _gelu_tanh(x: Any) -> Any:
    return gelu(x, approximate=True)


_gelu_tanh.__name__ = "gelu_tanh"  # by which a layer knows it


def _real(x: Any) -> NDArray[Any]:
    values = np.asarray(x)
    if values.dtype.kind not in "buif":
        raise TypeError(f"x must hold real numbers, got dtype {values.dtype}")
    return values


def _through(layer: layers.Layer, x: Any) -> Any:
    """The layer's output, the last axis being a sample's values."""
    if isinstance(x, SymbolicTensor):
        return layer(x)
    from .ops import _forward  # not needed to name a function

    values = _real(x)
    if not values.size:
        return np.zeros(values.shape, np.float32)
    rows = values.astype(np.float32).reshape(-1, values.shape[-1] if values.ndim else 1)
    return _forward(layer, rows).reshape(values.shape)
