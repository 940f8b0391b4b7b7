"""What Keras's backend module tells and sets: float32, channels last, epsilon.

There is one way to compute here, so settings can only be set to what they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _check, _missing
from .losses import EPSILON

__all__ = [
    "backend",
    "cast_to_floatx",
    "clear_session",
    "epsilon",
    "floatx",
    "get_value",
    "image_data_format",
    "image_dim_ordering",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_image_dim_ordering",
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
    """x: weights are arrays here."""
    return x


def clear_session(free_memory: bool = True) -> None:
    """Nothing: a model is gone, with its memory, when nobody has it any more."""
    _check.boolean("free_memory", free_memory)
