"""Checks of arrays and of window arguments, shared by ops, layers and models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _check

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
Shape = tuple[int, ...]
CoreShape = tuple[int, int, int]  # a sample as C++ has it: (height, width, channels)
Pair = int | tuple[int, int]
Padding = int | tuple[int, int] | tuple[tuple[int, int], tuple[int, int]]
Connections = Sequence[Sequence[int]]
Codes = Sequence[str] | NDArray[Any]
LONGEST = 2**26  # of a window, a stride or a sample's values; C++ has the same bounds
IMAGES = (np.dtype(np.uint8), *FLOATS)
LARGE = 2**16  # values of one image: such an output is computed where it stays, not copied


def array(name: str, value: Any, dtypes: tuple[np.dtype[Any], ...] = IMAGES) -> NDArray[Any]:
    """`value` if it is a numpy array of one of the dtypes, in native byte order."""
    if isinstance(value, np.ndarray) and value.dtype in dtypes:
        return value
    names = [dtype.name for dtype in dtypes]
    expected = f"{', '.join(names[:-1])} or {names[-1]}"
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name} must be a numpy array of {expected}, got {type(value).__name__}")
    swapped = ", not in native byte order" if not value.dtype.isnative else ""
    raise TypeError(
        f"{name} must have dtype {expected}, got {value.dtype}{swapped}; "
        f"convert it with {name}.astype('float32')"
    )


def numbers(name: str, x: Any) -> NDArray[Any]:
    """x as an array that C++ reads: as it is, or its values copied to float32.

    Integers that are all of 0 to 255 become uint8, which takes a quarter of that memory. Data
    frames are asked for `to_numpy`, tensors and the like for `__array__`; of a list of one array,
    as Keras's models of several inputs take it, that is taken.
    """
    if isinstance(x, (list, tuple)) and len(x) == 1 and hasattr(x[0], "__array__"):
        (x,) = x
    if isinstance(x, np.ndarray) and x.dtype in IMAGES:
        return x
    if hasattr(x, "to_numpy"):
        x = x.to_numpy()
    elif not isinstance(x, np.ndarray) and hasattr(x, "__array__"):
        x = np.asarray(x)
    if isinstance(x, (list, tuple)):
        raise TypeError(
            f"{name} must be a numpy array, got {type(x).__name__}; of images of one size "
            f"np.stack({name}) makes one"
        )
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "buif":
        return array(name, x)  # raises TypeError
    if x.dtype.kind in "iu" and x.size and x.min() >= 0 and x.max() <= 255:
        return x.astype(np.uint8)
    with np.errstate(over="ignore"):
        return x.view(np.uint8) if x.dtype == bool else x.astype(np.float32)


def shaped(
    name: str,
    value: Any,
    shape: tuple[int | str, ...],
    dtypes: tuple[np.dtype[Any], ...] = IMAGES,
) -> NDArray[Any]:
    """`array(name, value)` of the given shape, where a word stands for any positive size."""
    a = array(name, value, dtypes)
    fits = a.ndim == len(shape) and all(
        size > 0 if isinstance(wanted, str) else size == wanted
        for size, wanted in zip(a.shape, shape, strict=True)
    )
    if not fits:
        text = ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "")
        raise ValueError(f"{name} must have shape ({text}), got {a.shape}")
    return a


def pair(name: str, value: Any) -> tuple[int, int]:
    """An integer, or two, as two; each from 1 to LONGEST."""
    if isinstance(value, (tuple, list)):
        if len(value) != 2:
            raise ValueError(f"{name} must be an integer or a pair of integers, got {value!r}")
        first, second = value
    else:
        first = second = value
    sizes = _check.integer(name, first, 1), _check.integer(name, second, 1)
    if max(sizes) > LONGEST:
        raise ValueError(f"{name} must not be larger than {LONGEST}, got {value!r}")
    return sizes


def padding(value: object) -> str:
    """'valid' or 'same', in any case."""
    lowered = value.lower() if isinstance(value, str) else value
    return _check.one_of("padding", lowered, ("valid", "same"))


def fits_image(
    name: str, window: tuple[int, int], image: Sequence[int], padding: str | None
) -> None:
    """Raise ValueError where a window does not fit into an image (height, width, ...).

    padding: None for a layer that has no such argument.
    """
    if padding != "same" and (window[0] > image[0] or window[1] > image[1]):
        hint = "" if padding is None else ", unless padding is 'same'"
        if len(image) == 3 and image[0] in (1, 3) and image[2] > 3:
            hint = (
                f"; images are height x width x channels: should the shape be "
                f"{(image[1], image[2], image[0])}?"
            )
        raise ValueError(
            f"{name} {window} must not be larger than the image, {image[0]} x {image[1]}{hint}"
        )


def cells_in_windows(image: Shape, window: Shape, strides: Shape, padding: str) -> int:
    """How many cells of one channel all windows have together, without padding."""
    cells = 1
    for size, length, stride in zip(image[:2], window, strides, strict=True):
        count, before = (size - length) // stride + 1, 0
        if padding == "same":
            count = -(-size // stride)
            before = max((count - 1) * stride + length - size, 0) // 2
        starts = [position * stride - before for position in range(count)]
        cells *= sum(min(start + length, size) - max(start, 0) for start in starts)
    return cells


def core_shape(shape: Shape) -> CoreShape:
    """A sample's shape as C++ has it."""
    if len(shape) == 1:
        return (1, 1, shape[0])
    return (shape[0], shape[1], shape[2] if len(shape) == 3 else 1)


def padding_sides(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    """Cells ((top, bottom), (left, right)) from these, from (height, width) or from one integer."""
    rows, columns = value if isinstance(value, (tuple, list)) and len(value) == 2 else (value,) * 2
    sides = _before_and_after(rows), _before_and_after(columns)
    if max(map(max, sides)) > LONGEST // 4:
        raise ValueError(f"padding must not be larger than {LONGEST // 4}, got {value!r}")
    return sides


def _before_and_after(value: Any) -> tuple[int, int]:
    ends = value if isinstance(value, (tuple, list)) else (value, value)
    if len(ends) != 2:
        raise ValueError(
            "padding must be an integer, a pair (height, width) or a pair of pairs "
            f"((top, bottom), (left, right)), got {value!r} in it"
        )
    return _check.integer("padding", ends[0], 0), _check.integer("padding", ends[1], 0)


def connection_table(value: Any) -> tuple[tuple[int, ...], ...]:
    """For each filter the input channels that feed it, ascending."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(
            f"connections must be a list of lists, the input channels of each filter, got {value!r}"
        )
    if not value:
        raise ValueError(f"connections must hold a list for each filter, got {value!r}")
    table = []
    for inputs in value:
        if not isinstance(inputs, (tuple, list)):
            raise TypeError(f"connections must hold a list for each filter, got {inputs!r}")
        channels = sorted(
            _check.integer("a channel in connections", channel, 0) for channel in inputs
        )
        if not channels or len(set(channels)) < len(channels):
            raise ValueError(
                f"connections must hold one channel or more for each filter, none twice, "
                f"got {inputs!r}"
            )
        table.append(tuple(channels))
    return tuple(table)


def code_strings(value: Any) -> tuple[str, ...]:
    """Codes (units, in) of +1 and -1, or strings of + and -, as strings."""
    if isinstance(value, np.ndarray):
        if value.ndim != 2 or not value.size:
            raise ValueError(f"codes must be an array (units, in), got shape {value.shape}")
        if not (right := np.isin(value, (-1, 1))).all():
            raise ValueError(f"codes must be +1 and -1, got {value[~right][0]!r}")
        return tuple("".join("+" if v > 0 else "-" for v in row) for row in value)
    if not isinstance(value, (tuple, list)) or not all(isinstance(code, str) for code in value):
        raise TypeError(f"codes must be an array (units, in) or a list of strings, got {value!r}")
    codes = tuple(value)
    lengths = set(map(len, codes))
    if len(lengths) != 1 or lengths == {0} or not set("".join(codes)) <= set("+-"):
        raise ValueError(f"codes must be strings of + and -, all of one length, got {value!r}")
    return codes
