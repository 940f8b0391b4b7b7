"""What Keras's backend module tells and sets: float32, channels last, epsilon; and `function`.

There is one way to compute here, so settings can only be set to what they are. Besides, it has
functions of arrays by Keras's names, which are numpy's: K.mean, K.argmax and the like.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _check, _missing
from ._eager import EagerTensor
from .losses import EPSILON

__all__ = [
    "backend",
    "batch_get_value",
    "batch_set_value",
    "cast_to_floatx",
    "clear_session",
    "count_params",
    "epsilon",
    "eval",
    "floatx",
    "function",
    "get_value",
    "image_data_format",
    "image_dim_ordering",
    "int_shape",
    "learning_phase",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_image_dim_ordering",
    "set_learning_phase",
    "set_value",
]

__getattr__ = _missing.of(__name__)


def backend() -> str:
    """ "pylenet": what computes."""
    return "pylenet"


def image_data_format() -> str:
    """ "channels_last": images are (height, width, channels)."""
    return "channels_last"


def set_image_data_format(data_format: str) -> None:
    """Accept "channels_last". Raises ValueError for "channels_first"."""
    if _check.one_of("data_format", data_format, ("channels_last", "channels_first")) != (
        image_data_format()
    ):
        raise ValueError(
            "data_format must be 'channels_last', got 'channels_first': images are (height, width, "
            "channels) here; turn them with numpy.moveaxis(images, 1, -1)"
        )


def image_dim_ordering() -> str:
    """ "tf": what Keras 1 called channels last."""
    return "tf"


def set_image_dim_ordering(dim_ordering: str) -> None:
    """Accept "tf", Keras 1's word for channels last. Raises ValueError for "th"."""
    ordering = _check.one_of("dim_ordering", dim_ordering, ("tf", "th"))
    set_image_data_format({"tf": "channels_last", "th": "channels_first"}[ordering])


def floatx() -> str:
    """ "float32": the numbers of weights and results."""
    return "float32"


def set_floatx(value: str) -> None:
    """Accept "float32". Raises ValueError for any other."""
    if _check.text("value", value) != floatx():
        raise ValueError(f"value must be 'float32', the only numbers there are, got {value!r}")


def cast_to_floatx(x: Any) -> NDArray[np.float32]:
    """x as a float32 array."""
    return np.asarray(x, np.float32)


def epsilon() -> float:
    """1e-7: how far from 0 and 1 losses keep probabilities."""
    return EPSILON


def set_epsilon(value: float) -> None:
    """Accept 1e-7. Raises ValueError for any other."""
    if _check.real("value", value) != EPSILON:
        raise ValueError(f"value must be {EPSILON}, which the compiled losses have, got {value}")


def get_value(x: Any) -> Any:
    """The values of a weight, or of an array, as a copy; a number is returned as it is."""
    return np.array(x) if isinstance(x, np.ndarray) else x


eval = get_value


def set_value(x: Any, value: Any) -> None:
    """Write values into a weight, as layer.kernel, which changes its models, or into an array.

    x may be optimizer.learning_rate, too. Raises ValueError for another shape.
    """
    if isinstance(x, np.ndarray):
        x.view(EagerTensor).assign(value)
    elif hasattr(x, "assign"):
        x.assign(value)
    else:
        raise TypeError(f"x must be a weight, an array or a learning rate, got {type(x).__name__}")


def batch_get_value(tensors: Sequence[Any]) -> list[Any]:
    """What get_value gives of each."""
    return [get_value(x) for x in tensors]


def batch_set_value(tuples: Sequence[tuple[Any, Any]]) -> None:
    """set_value of each pair."""
    for x, value in tuples:
        set_value(x, value)


def int_shape(x: Any) -> tuple[int | None, ...]:
    """The shape, None for any number of samples."""
    return tuple(x.shape)


def count_params(x: Any) -> int:
    """The number of values of a weight."""
    return int(np.size(x))


def learning_phase() -> int:
    """0: what is called predicts."""
    return 0


def set_learning_phase(value: int) -> None:
    """Accept 0 and 1: `fit` trains and `predict` predicts, whatever is set."""
    if value not in (0, 1):
        raise ValueError(f"value must be 0 or 1, got {value!r}")


def function(inputs: Any, outputs: Any) -> Callable[[Any], list[NDArray[np.float32]]]:
    """What gives layers' outputs, as a list of arrays, for a list of one array of samples.

    inputs: [model.input], and maybe learning_phase(). outputs: [layer.output, ...]. The function
    takes the phase as a second value; raises ValueError where 1 would compute something else.
    """
    from .models import Model

    make: Any = Model
    given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    wanted = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    model = make([x for x in given if not isinstance(x, int)], wanted)

    def call(values: Any) -> list[NDArray[np.float32]]:
        x, *phase = values if isinstance(values, (list, tuple)) else [values]
        found = model(x, training=bool(phase and phase[0]))
        return [np.asarray(y) for y in (found if isinstance(found, list) else [found])]

    return call


def clear_session(free_memory: bool = True) -> None:
    """Nothing: a model is gone, with its memory, when nobody has it any more."""
    _check.boolean("free_memory", free_memory)
