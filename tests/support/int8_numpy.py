"""The steps of docs/int8.md in numpy: plain and exact, fast enough for thousands of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pylenet.quantization import _steps
from pylenet.quantization._steps import Step


def run(steps: Sequence[Step], images: NDArray[Any]) -> NDArray[np.int32]:
    """The last step's integers (N, height, width, channels) for integer images of that layout."""
    x = images.astype(np.int64)
    for step in steps:
        x = STEPS[step.kind](step, x)
    return x.astype(np.int32)


def _rounded(step: Step, sums: NDArray[np.int64], multiplier: Any) -> NDArray[np.int64]:
    return _ended(step, (sums * multiplier + (1 << (step.shift - 1))) >> step.shift)


def _ended(step: Step, y: NDArray[np.int64]) -> NDArray[np.int64]:
    table = step.tensors.get("table")
    if table is None:
        return np.clip(y, step.low, step.high)
    half = _steps.TABLE // 2
    return table[np.clip(y, -half, half - 1) + half].astype(np.int64)


def _windows(step: Step, x: NDArray[np.int64], outside: int) -> NDArray[np.int64]:
    """(N, output height, output width, channels, window height, window width)."""
    sides = [(0, 0)]
    for axis in (0, 1):
        out, stride = step.output_shape[axis], step.strides[axis]
        needed = (out - 1) * stride + step.window[axis] - step.before[axis]
        sides.append((step.before[axis], max(0, needed - step.input_shape[axis])))
    padded = np.pad(x, (*sides, (0, 0)), constant_values=outside)
    found = sliding_window_view(padded, step.window, (1, 2))
    rows, columns = step.output_shape[:2]
    return found[:, :: step.strides[0], :: step.strides[1]][:, :rows, :columns]


def _conv2d(step: Step, x: NDArray[np.int64]) -> NDArray[np.int64]:
    kernel = step.tensors["kernel"].astype(np.float64)  # float64 holds every sum exactly
    windows = np.moveaxis(_windows(step, x, 0), 3, -1)
    patches = windows.reshape(*windows.shape[:3], -1).astype(np.float64)
    sums = (patches @ kernel.reshape(len(kernel), -1).T).astype(np.int64) + step.tensors["bias"]
    return _rounded(step, sums, step.tensors["multiplier"].astype(np.int64))


def _dense(step: Step, x: NDArray[np.int64]) -> NDArray[np.int64]:
    kernel = step.tensors["kernel"].astype(np.float64)
    sums = (x.reshape(len(x), -1).astype(np.float64) @ kernel.T).astype(np.int64)
    sums += step.tensors["bias"]
    y = _rounded(step, sums, step.tensors["multiplier"].astype(np.int64))
    return y.reshape(len(x), *step.output_shape)


def _affine(step: Step, x: NDArray[np.int64]) -> NDArray[np.int64]:
    x = x.reshape(len(x), *step.input_shape)
    sums = x * step.tensors["multiplier"].astype(np.int64) + step.tensors["bias"]
    return _rounded(step, sums, 1)


def _max_pool2d(step: Step, x: NDArray[np.int64]) -> NDArray[np.int64]:
    y: NDArray[np.int64] = _windows(step, x, -_steps.ANSWER_TOP).max(axis=(-2, -1))
    return y


def _average_pool2d(step: Step, x: NDArray[np.int64]) -> NDArray[np.int64]:
    cells = np.multiply.outer(step.cells_along(0), step.cells_along(1))
    multiplier = np.vectorize(step.cells.__getitem__)(cells)
    return _rounded(step, _windows(step, x, 0).sum(axis=(-2, -1)), multiplier[..., None])


def _zero_padding2d(step: Step, x: NDArray[np.int64]) -> NDArray[np.int64]:
    y = np.zeros((len(x), *step.output_shape), np.int64)
    (top, left), (height, width, _) = step.before, step.input_shape
    y[:, top : top + height, left : left + width] = x
    return y


STEPS = {
    "conv2d": _conv2d,
    "dense": _dense,
    "affine": _affine,
    "max_pool2d": _max_pool2d,
    "average_pool2d": _average_pool2d,
    "zero_padding2d": _zero_padding2d,
}
