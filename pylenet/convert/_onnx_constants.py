"""Constants of an ONNX graph: tensors in the file or beside it, and what is computed of them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_VALUES = 2**22  # of a sample, or of what is computed of constants: bounds time and memory


class Constant(NamedTuple):
    """values: of numpy. batch: whether a -1 among them stands for the number of samples."""

    values: NDArray[Any]
    batch: bool = False


def tensor(proto: Any, folder: Path) -> NDArray[Any]:
    """The array of a TensorProto; its values may lie in a file in or below `folder`.

    Raises ValueError for what is not whole, or would be read from elsewhere.
    """
    from onnx import TensorProto, helper, numpy_helper

    name, shape = proto.name, tuple(proto.dims)
    if any(size < 0 for size in shape):
        raise ValueError(f"tensor {name!r} has the shape {list(shape)}")
    if proto.data_location == TensorProto.EXTERNAL:
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(proto.data_type)).newbyteorder("<")
        data = _outside(proto, folder, math.prod(shape) * dtype.itemsize)
        return np.frombuffer(data, dtype).reshape(shape)
    try:
        array: NDArray[Any] = numpy_helper.to_array(proto)
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        raise ValueError(f"tensor {name!r} is not whole: {error}") from None
    if array.shape != shape:
        raise ValueError(f"tensor {name!r} must have shape {list(shape)}, got {list(array.shape)}")
    return array


def _outside(proto: Any, folder: Path, size: int) -> bytes:
    """`size` bytes of the file that a tensor names, which must lie in or below `folder`."""
    place = {entry.key: entry.value for entry in proto.external_data}
    location = place.get("location", "")
    path, folder = (folder / location).resolve(), folder.resolve()
    if not location or not path.is_relative_to(folder) or not path.is_file():
        raise ValueError(
            f"tensor {proto.name!r} must be in a file in the model's folder, got {location!r}"
        )
    offset, length = int(place.get("offset") or 0), int(place.get("length") or size)
    there = path.stat().st_size
    if length != size or not 0 <= offset <= there - size:
        raise ValueError(
            f"tensor {proto.name!r} must be {size} bytes in {location!r}, which has {there}, "
            f"got {length} from {offset} on"
        )
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(size)


def shape_of(sizes: list[int]) -> Constant:
    """What Shape gives of samples of these sizes."""
    return Constant(np.array([-1, *sizes], np.int64), batch=True)


def arithmetic(operator: str, left: Constant, right: Constant) -> Constant:
    """Add, Sub, Mul or Div. Raises ValueError where the number of samples takes part."""
    if left.batch or right.batch:
        raise ValueError("it computes with the number of samples")
    shape = np.broadcast_shapes(left.values.shape, right.values.shape)
    if math.prod(shape) > MOST_VALUES:
        raise ValueError(f"it computes a constant of shape {shape}")
    function: Callable[..., NDArray[Any]] = ARITHMETIC[operator]
    if operator == "Div" and left.values.dtype.kind == "i":
        if min(left.values.min(initial=0), right.values.min(initial=1)) < 0:
            raise ValueError("it divides negative integers")
        function = np.floor_divide
    with np.errstate(all="ignore"):
        return Constant(np.asarray(function(left.values, right.values)))


ARITHMETIC = {"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide}


def gathered(data: Constant, indices: Constant, axis: int) -> Constant:
    """Of a vector, or along an axis of a constant."""
    if data.values.ndim == 0 or indices.values.dtype.kind != "i" or indices.batch:
        raise ValueError("it gathers with indices that are no integers")
    if indices.values.size * data.values.size > MOST_VALUES:
        raise ValueError("it gathers too many values")
    return _part(data, np.take(data.values, indices.values, axis=axis))


def _part(data: Constant, values: NDArray[Any]) -> Constant:
    """Some of a constant's values. Sizes are not negative, so -1 alone stands for the samples."""
    return Constant(values, data.batch and bool((values == -1).any()))


def joined(parts: list[Constant], axis: int) -> Constant:
    """Concat."""
    if sum(part.values.size for part in parts) > MOST_VALUES:
        raise ValueError("it joins too many values")
    values = np.concatenate([part.values for part in parts], axis=axis)
    return Constant(values, any(part.batch for part in parts))


def sliced(data: Constant, bounds: list[Constant]) -> Constant:
    """Slice. bounds: starts, ends, then perhaps axes and steps."""
    starts, ends, *rest = (bound.values.tolist() for bound in bounds)
    axes = rest[0] if rest else list(range(len(starts)))
    steps = rest[1] if len(rest) > 1 else [1] * len(starts)
    cut = [slice(None)] * data.values.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        cut[axis] = slice(start, end, step)
    return _part(data, data.values[tuple(cut)])


def filled(shape: Constant, value: NDArray[Any] | None) -> Constant:
    """ConstantOfShape. value: of one element, float32 zero if None."""
    sizes = shape.values.tolist()
    if shape.batch or shape.values.dtype.kind != "i" or math.prod(sizes) > MOST_VALUES:
        raise ValueError(f"it makes a constant of shape {sizes}")
    element = np.zeros((), np.float32) if value is None else value.reshape(())
    return Constant(np.full(sizes, element))
