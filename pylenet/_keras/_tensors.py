"""Functions of arrays by the names that keras.ops, keras.backend and TensorFlow have for numpy's.

They are for what a model has given. Each takes arrays and gives an array that also has `numpy()`;
a network is computed in C++, so what a layer gives, before there are samples, they refuse.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .. import activations, utils
from .._eager import eager
from ..layers._base import SymbolicTensor

Function = Callable[..., Any]


def _of_arrays(function: Function) -> Function:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        values = [*args, *kwargs.values()]
        for value in list(values):
            values += value if isinstance(value, (list, tuple)) else []
        if any(isinstance(value, SymbolicTensor) for value in values):
            raise TypeError(
                f"{function.__name__} takes arrays, not what a layer gives: a network is one chain "
                "of layers; put a layer there, or call this on what the model predicts"
            )
        return eager(function(*args, **kwargs))

    return call


def _activation(function: Function) -> Function:
    """The same of what a layer gives: an activation is a layer as well."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        found = function(*args, **kwargs)
        return found if isinstance(found, SymbolicTensor) else eager(found)

    return call


def _numpy(names: str, **renamed: str) -> dict[str, Function]:
    """numpy's functions by their names, and by others of these."""
    pairs = {**{name: name for name in names.split()}, **renamed}
    return {name: _of_arrays(getattr(np, own)) for name, own in pairs.items()}


def _some(functions: dict[str, Any], names: str) -> dict[str, Any]:
    return {name: functions[name] for name in names.split()}


def _own(*functions: Function) -> dict[str, Function]:
    return {function.__name__: _of_arrays(function) for function in functions}


def cast(x: Any, dtype: Any) -> Any:
    """x as an array of this dtype."""
    return np.asarray(x).astype(dtype)


def convert_to_tensor(x: Any, dtype: Any = None) -> Any:
    """x as an array."""
    return np.array(x, dtype)


def constant(value: Any, dtype: Any = None) -> Any:
    """value as an array."""
    return np.array(value, dtype)


def one_hot(x: Any, num_classes: int) -> Any:
    """float32 rows of num_classes values, 1 at the index and 0 elsewhere."""
    return utils.to_categorical(x, num_classes)


def flatten(x: Any) -> Any:
    """All values in one axis."""
    return np.ravel(x)


def batch_flatten(x: Any) -> Any:
    """All values but for the first axis in one."""
    return np.reshape(x, (len(x), -1))


def confusion_matrix(labels: Any, predictions: Any, num_classes: int | None = None) -> Any:
    """How often each label (row) was predicted as each (column); int32."""
    truth, found = np.ravel(labels).astype(int), np.ravel(predictions).astype(int)
    count = num_classes or int(max(truth.max(initial=-1), found.max(initial=-1))) + 1
    matrix = np.zeros((count, count), np.int32)
    np.add.at(matrix, (truth, found), 1)
    return matrix


def _shape(x: Any) -> tuple[int, ...]:
    return np.shape(x)


def _plain(x: Any) -> Any:
    return np.array(x)


def _last_axis(names: Iterable[str]) -> dict[str, Function]:
    """numpy's functions whose axis is the last one if none is given."""

    def of(own: Function) -> Function:
        @functools.wraps(own)
        def call(x: Any, axis: int = -1) -> Any:
            return own(x, axis)

        return _of_arrays(call)

    return {name: of(getattr(np, name)) for name in names}


_COMMON = _numpy(
    "abs all any arange cos cumprod cumsum dot equal exp eye greater greater_equal less less_equal "
    "log max maximum mean min minimum not_equal ones ones_like prod reshape round sign sin sqrt "
    "square squeeze stack std sum tanh tile transpose var zeros zeros_like"
)
_ACTIVATIONS = {
    name: _activation(getattr(activations, name))
    for name in (
        "elu",
        "hard_sigmoid",
        "relu",
        "sigmoid",
        "softmax",
        "softplus",
        "softsign",
        "tanh",
    )
}

OPS: dict[str, Any] = {
    **_COMMON,
    **_numpy(
        "absolute add argmax argmin argsort array ceil clip concatenate copy count_nonzero diag "
        "divide expand_dims expm1 flip floor full full_like hstack isclose isfinite isinf isnan "
        "linspace log10 log1p log2 logical_and logical_not logical_or matmul median moveaxis "
        "multiply negative outer pad power ravel repeat roll sort subtract swapaxes take tan "
        "true_divide vstack where"
    ),
    **_ACTIVATIONS,
    **{
        name: _activation(getattr(activations, name))
        for name in ("gelu", "leaky_relu", "relu6", "selu", "silu", "swish")
    },
    **_own(cast, convert_to_tensor, one_hot),
    "convert_to_numpy": _plain,
    "shape": _shape,
}
BACKEND: dict[str, Any] = {
    **_COMMON,
    **_numpy("clip ndim", pow="power", permute_dimensions="transpose"),
    **_last_axis(("argmax", "argmin", "concatenate", "expand_dims")),
    **_ACTIVATIONS,
    **_own(batch_flatten, cast, constant, flatten, one_hot),
    "shape": _shape,
}
TENSORFLOW: dict[str, Any] = {
    **_some(
        OPS,
        "abs cast convert_to_tensor equal exp expand_dims eye greater less matmul maximum minimum "
        "not_equal one_hot ones ones_like pad repeat reshape round shape sigmoid sqrt square "
        "squeeze stack tanh tile transpose where zeros zeros_like",
    ),
    **_numpy("argmax argmin", clip_by_value="clip", concat="concatenate", range="arange"),
    **_numpy("", **{f"reduce_{name}": name for name in ("max", "mean", "min", "prod", "sum")}),
    **_own(constant),
}
MATH: dict[str, Any] = {
    **_some(TENSORFLOW, "abs argmax argmin equal exp greater less maximum minimum not_equal round"),
    **_some(
        TENSORFLOW, "reduce_max reduce_mean reduce_min reduce_prod reduce_sum sqrt square tanh"
    ),
    **_some(OPS, "add divide log multiply sigmoid softplus subtract"),
    **_own(confusion_matrix),
}
NN: dict[str, Any] = {
    name: _activation(getattr(activations, name))
    for name in activations.__all__
    if name not in ("deserialize", "get", "serialize")
}
PLACES = {"ops": OPS, "backend": BACKEND}
