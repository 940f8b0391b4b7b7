"""What a quantised network is made of: steps on integers, as docs/int8.md describes them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _check
from .._arrays import CoreShape

CONTRACT = "pylenet-int8-1"
TOP = 127  # of weights, and of what a step gives to the next one
PIXEL_TOP = 255
ANSWER_TOP = 32767  # of what the last step gives
TABLE = 1024  # entries
MOST_SHIFT = 31
MOST_MULTIPLIER = 32767
LARGEST_SUM = 2**30
MOST_VALUES = 2**26  # of an image between two steps
LONGEST = 2**16  # of its sides, of a window and of what that moves by

Integers = NDArray[Any]

TENSORS = {  # of a step: dtype, whether it must be there
    "kernel": np.int8,
    "bias": np.int32,
    "multiplier": np.int16,
    "table": np.int8,
}
NEEDED = {
    "conv2d": ("kernel", "bias", "multiplier"),
    "dense": ("kernel", "bias", "multiplier"),
    "affine": ("bias", "multiplier"),
    "max_pool2d": (),
    "average_pool2d": (),
    "zero_padding2d": (),
}
SIZES = {"input_shape": 3, "output_shape": 3, "window": 2, "strides": 2, "before": 2}
WINDOWED = ("conv2d", "max_pool2d", "average_pool2d")
ROUNDED = ("conv2d", "dense", "affine", "average_pool2d")


@dataclass(frozen=True)
class Step:
    """One step. Shapes are (height, width, channels); a flat value is (1, 1, features).

    layers: the names of the layers it comes from. low, high: of the output. window, strides: of a
    window that slides, (height, width). before: cells of padding, (top, left). shift: of the
    rounding. cells: of an average, for each number of cells a window may have the multiplier.
    tensors: by name, as TENSORS says.
    """

    kind: str
    layers: tuple[str, ...]
    input_shape: CoreShape
    output_shape: CoreShape
    low: int
    high: int
    shift: int = 0
    window: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)
    cells: Mapping[int, int] = field(default_factory=dict)
    tensors: Mapping[str, Integers] = field(default_factory=dict)

    def config(self) -> dict[str, Any]:
        """As JSON values, without the tensors."""

        def plain(value: Any) -> Any:
            if isinstance(value, Mapping):
                return [list(pair) for pair in value.items()]
            return list(value) if isinstance(value, tuple) else value

        return {name: plain(getattr(self, name)) for name in keys_of(self.kind)}

    def cells_along(self, axis: int) -> NDArray[np.int64]:
        """How many cells each window has inside the image along one axis, (outputs,)."""
        starts = np.arange(self.output_shape[axis]) * self.strides[axis] - self.before[axis]
        ends = np.minimum(starts + self.window[axis], self.input_shape[axis])
        found: NDArray[np.int64] = ends - np.maximum(starts, 0)
        return found

    def cell_counts(self) -> list[int]:
        """The numbers of cells that windows have, ascending."""
        rows, columns = (set(self.cells_along(axis).tolist()) for axis in (0, 1))
        return sorted({row * column for row in rows for column in columns})

    def multiply_adds(self) -> int:
        """Of one image."""
        kernel = self.tensors.get("kernel")
        if kernel is None:
            return 0
        return math.prod(self.output_shape[:2]) * kernel.size


def keys_of(kind: str) -> list[str]:
    """What a file says of a step of this kind, besides its tensors."""
    found = ["kind", "layers", "input_shape", "output_shape", "low", "high"]
    if kind in ROUNDED:
        found.append("shift")
    if kind in WINDOWED:
        found += ["window", "strides"]
    if kind in (*WINDOWED, "zero_padding2d"):
        found.append("before")
    if kind == "average_pool2d":
        found.append("cells")
    return found


def check_step(step: Step, low: int, high: int, last: bool) -> None:
    """Raise ValueError where a step breaks the contract; low, high: of its input."""
    name = f"step {step.kind!r} of {', '.join(step.layers)}"
    for shape in (step.input_shape, step.output_shape):
        if min(shape) < 1 or max(shape[:2]) > LONGEST or math.prod(shape) > MOST_VALUES:
            raise ValueError(
                f"{name}: a shape must be at least 1 each and not too large, got {shape}"
            )
    _check_bounds(step, name, (low, high), last)
    _check_tensors(step, name)
    if step.kind in WINDOWED:
        _check_window(step, name)
    if step.kind == "zero_padding2d":
        rooms = zip(step.input_shape, step.output_shape, (*step.before, 0), strict=True)
        if any(n < 0 or size + n > out for size, out, n in rooms) or (
            step.input_shape[2] != step.output_shape[2]
        ):
            raise ValueError(f"{name}: the padded image must have room for the image")
    if step.kind == "average_pool2d":
        counts = step.cell_counts()
        if sorted(step.cells) != counts:
            raise ValueError(f"{name}: cells must have the counts {counts}, got {step.cells}")
    if step.kind in ROUNDED:
        _check_sums(step, name, max(-low, high))


def _check_bounds(step: Step, name: str, of_input: tuple[int, int], last: bool) -> None:
    bounds = (step.low, step.high)
    if step.kind not in ROUNDED:
        if bounds != of_input:
            raise ValueError(f"{name}: its bounds must be its input's, {of_input}, got {bounds}")
        return
    top = ANSWER_TOP if last and "table" not in step.tensors else TOP
    if bounds not in ((0, top), (-top, top)):
        raise ValueError(f"{name}: its bounds must be (0, {top}) or {(-top, top)}, got {bounds}")
    if not 1 <= step.shift <= MOST_SHIFT:
        raise ValueError(f"{name}: shift must be from 1 to {MOST_SHIFT}, got {step.shift}")


def _check_tensors(step: Step, name: str) -> None:
    needed = set(NEEDED[step.kind])
    if not needed <= set(step.tensors) <= needed | {"table"} or (
        "table" in step.tensors and "multiplier" not in needed
    ):
        raise ValueError(f"{name}: its tensors must be {sorted(needed)}, got {[*step.tensors]}")
    *_, channels = step.output_shape
    shapes: dict[str, tuple[int, ...]] = {
        "bias": (channels,),
        "multiplier": (channels,),
        "table": (TABLE,),
    }
    if step.kind == "dense":
        shapes["kernel"] = (channels, math.prod(step.input_shape))
    elif step.kind == "conv2d":
        shapes["kernel"] = (channels, *step.window, step.input_shape[2])
    for tensor, values in step.tensors.items():
        if values.dtype != TENSORS[tensor] or values.shape != shapes[tensor]:
            raise ValueError(
                f"{name}: {tensor} must be {np.dtype(TENSORS[tensor])} {shapes[tensor]}, got "
                f"{values.dtype} {values.shape}"
            )
    table = step.tensors.get("table")
    if table is not None and (table.min() < step.low or table.max() > step.high):
        raise ValueError(f"{name}: table must be from {step.low} to {step.high}")
    if step.kind == "dense" and step.output_shape[:2] != (1, 1):
        raise ValueError(f"{name}: it must give a flat value, got {step.output_shape}")
    if step.kind == "affine" and step.input_shape != step.output_shape:
        raise ValueError(f"{name}: it must give its input's shape, got {step.output_shape}")


def _check_window(step: Step, name: str) -> None:
    if step.kind != "conv2d" and step.input_shape[2] != step.output_shape[2]:
        raise ValueError(f"{name}: it must keep the channels, got {step.output_shape}")
    axes = zip(step.window, step.strides, step.before, strict=True)
    for axis, (window, stride, before) in enumerate(axes):
        size, out = step.input_shape[axis], step.output_shape[axis]
        last = (out - 1) * stride - before
        if min(window, stride) < 1 or before < 0:
            raise ValueError(f"{name}: window and strides must be at least 1, before 0")
        if max(window, stride, before) > LONGEST:
            raise ValueError(f"{name}: its window, strides or padding are too large")
        if step.kind != "conv2d" and (before >= window or last >= size):
            raise ValueError(f"{name}: every window must have a cell of the image")
        if step.kind == "conv2d" and max(before, last + window - size) > LONGEST:
            raise ValueError(f"{name}: its windows must not reach so far beyond the image")
    padded = [
        max(before + size, (out - 1) * stride + window)
        for before, size, out, stride, window in zip(
            *(step.before, step.input_shape, step.output_shape, step.strides, step.window),
            strict=False,
        )
    ]
    if math.prod(padded) * step.input_shape[2] > MOST_VALUES:
        raise ValueError(f"{name}: its padded image must have at most {MOST_VALUES} values")


def _check_sums(step: Step, name: str, top: int) -> None:
    """No sum may leave what int32 holds, nor what it becomes by rounding."""
    if step.kind == "average_pool2d":
        largest = np.array([top * n for n in step.cells], np.int64)
        multiplier = np.array([*step.cells.values()], np.int64)
    else:
        multiplier = step.tensors["multiplier"].astype(np.int64)
        bias = np.abs(step.tensors["bias"].astype(np.int64))
        if step.kind == "affine":
            if multiplier.min() < -MOST_MULTIPLIER:
                raise ValueError(f"{name}: multipliers must be at least {-MOST_MULTIPLIER}")
            largest = bias + top * np.abs(multiplier)
            if largest.max() > LARGEST_SUM:
                raise ValueError(f"{name}: a sum may be {largest.max()}, more than {LARGEST_SUM}")
            return
        kernel = np.abs(step.tensors["kernel"].astype(np.int64))
        if kernel.max() > TOP:
            raise ValueError(f"{name}: kernel must be from {-TOP} to {TOP}")
        largest = bias + top * kernel.reshape(len(kernel), -1).sum(axis=1)
    if multiplier.min() < 0 or multiplier.max() > MOST_MULTIPLIER:
        raise ValueError(f"{name}: multipliers must be from 0 to {MOST_MULTIPLIER}")
    if largest.max() > LARGEST_SUM:
        raise ValueError(f"{name}: a sum may be {largest.max()}, more than {LARGEST_SUM}")
    half = 1 << (step.shift - 1)
    if ((largest * multiplier + half) >> step.shift).max() > LARGEST_SUM:
        raise ValueError(f"{name}: a rounded sum may be more than {LARGEST_SUM}")


def step_from_config(config: Any, tensors: Mapping[str, Integers]) -> Step:
    """The step of what `Step.config` gave. Raises ValueError or TypeError where it is none."""
    if not isinstance(config, dict) or config.get("kind") not in NEEDED:
        raise ValueError(f"a step's kind must be one of {sorted(NEEDED)}, got {config!r}")
    if set(config) != set(keys_of(config["kind"])):
        raise ValueError(
            f"a {config['kind']} must have the keys {keys_of(config['kind'])}, got {[*config]}"
        )

    def whole(value: Any) -> int:
        number = _check.integer("a number of a step", value, -(2**31))
        if number >= 2**31:
            raise ValueError(f"a number of a step must be below 2**31, got {number}")
        return number

    def wholes(name: str, value: Any, count: int) -> Any:
        found = tuple(whole(v) for v in value)
        if len(found) != count:
            raise ValueError(f"{name} of a step must have {count} numbers, got {found}")
        return found

    found: dict[str, Any] = {
        name: whole(config[name]) for name in ("low", "high", "shift") if name in config
    }
    for name, count in SIZES.items():
        if name in config:
            found[name] = wholes(name, config[name], count)
    if "cells" in config:
        pairs = [wholes("a pair of cells", pair, 2) for pair in config["cells"]]
        found["cells"] = dict(pairs)
        if len(found["cells"]) != len(pairs):
            raise ValueError(f"cells must have each count once, got {pairs}")
    layers = tuple(_check.text("layers", name) for name in config["layers"])
    return Step(kind=config["kind"], layers=layers, tensors=tensors, **found)
