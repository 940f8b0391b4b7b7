"""From real-valued blocks to steps on integers, by what calibration images make of the blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _core
from .._arrays import CoreShape
from ..layers.activation import LINEAR, Function
from . import _ranges, _steps
from ._blocks import Block, Chain, Floats
from ._steps import Step

MOST_OBSERVED = 2**23  # values of one block that are looked at
HEADROOM = 2.0  # of answers, beyond what calibration images have


class Input(NamedTuple):
    """The integers that come in. scale: the real number that 1 stands for."""

    low: int
    high: int
    scale: float


class Output(NamedTuple):
    """What the last step's integers mean. scale: what 1 stands for. function: to be applied."""

    scale: float
    function: Function


class Observed(NamedTuple):
    """What calibration images give in a block before and after its activation."""

    before: NDArray[np.float32]
    after: NDArray[np.float32]


def observe(chain: Chain, images: NDArray[Any]) -> list[Observed]:
    """For each block; of as many images as there is room for."""
    found = []
    for block in chain.blocks:
        some = images[: max(1, MOST_OBSERVED // math.prod(block.output_shape))]
        before = chain.outputs(some, block.nodes)
        after = before
        if block.activated > block.nodes:
            after = chain.outputs(some, block.activated)
        found.append(Observed(before, after))
    return found


def equalized(
    blocks: Sequence[Block], observed: Sequence[Observed], exponent: float
) -> tuple[list[Block], list[Observed]]:
    """The same network with channels whose largest values are more alike.

    What a ReLU or nothing ends may give each channel divided by a factor, and the weights behind
    multiply by it: the channel's largest value, to the power `exponent`. Source: M. Nagel and
    others, arXiv:1906.04721, who take one half.
    """
    made, seen = [replace(block) for block in blocks], list(observed)
    for place, block in enumerate(made):
        behind = place + 1
        while behind < len(made) and not made[behind].kernel.size:
            behind += 1
        homogeneous = block.kernel.size > 0 and block.function.name in ("linear", "relu")
        if not homogeneous or behind == len(made):
            continue
        channels = block.output_shape[2]
        factor = np.abs(seen[place].after).reshape(-1, channels).max(axis=0).astype(np.float64)
        factor[factor == 0] = factor.max() or 1.0
        factor = (factor / factor.max()) ** exponent
        block.scale_output(1 / factor, np.zeros(channels))
        made[behind].scale_input(factor, np.zeros(channels))
        for own in range(place, behind):
            seen[own] = Observed(*((a / factor).astype(np.float32) for a in seen[own]))
    return made, seen


def input_of(images: NDArray[Any]) -> Input:
    """Pixels as they are; of real numbers 255 steps from 0 to the largest, or 127 to both sides."""
    if images.dtype == np.uint8:
        return Input(0, _steps.PIXEL_TOP, 1.0)
    largest = float(np.abs(images).max()) or 1.0
    if images.min() < 0:
        return Input(-_steps.TOP, _steps.TOP, largest / _steps.TOP)
    return Input(0, _steps.PIXEL_TOP, largest / _steps.PIXEL_TOP)


def build(
    blocks: Sequence[Block],
    images: NDArray[Any],
    observed: Sequence[Observed],
    source: Input,
    method: str,
    dense_bits: int,
) -> tuple[tuple[Step, ...], Output]:
    """The steps, and what their last integers mean."""
    steps: list[Step] = []
    low, high, scale = source
    mean = images.reshape(-1, *blocks[0].input_shape).mean(axis=0, dtype=np.float64)
    function = LINEAR
    for place, (block, seen) in enumerate(zip(blocks, observed, strict=True)):
        last = place == len(blocks) - 1
        if not block.kernel.size:
            step, scale = _pool(block, seen, (low, high), scale, method, last)
        else:
            if last and block.ceiling is None:
                function = block.function
                block, seen = replace(block, function=LINEAR), Observed(seen.before, seen.before)
            step, scale = _weighted(block, seen, (low, high), scale, mean, method, dense_bits, last)
        mean = seen.after.mean(axis=0, dtype=np.float64)
        _steps.check_step(step, low, high, last)
        steps.append(step)
        low, high = step.low, step.high
    return tuple(steps), Output(float(np.float32(scale)), function)


def _pool(
    block: Block,
    seen: Observed,
    bounds: tuple[int, int],
    scale: float,
    method: str,
    last: bool,
) -> tuple[Step, float]:
    """Max and average pooling, padding; and the scale of what they give."""
    low, high = bounds
    step = Step(
        block.kind,
        tuple(block.layers),
        block.input_shape,
        block.output_shape,
        low,
        high,
        window=block.window,
        strides=block.strides,
        before=block.before,
    )
    if block.kind != "average_pool2d":
        return step, scale
    top = _steps.ANSWER_TOP if last else _steps.TOP
    low = -top if low < 0 else 0
    largest = _ranges.largest(seen.after, "max" if last else method, top)
    to = (largest * HEADROOM if last else min(largest, scale * high)) / top
    counts = step.cell_counts()
    multipliers, shift = fixed_point(np.array([scale / to / n for n in counts]))
    cells = dict(zip(counts, multipliers.tolist(), strict=True))
    return replace(step, low=low, high=top, shift=shift, cells=cells), to


def _weighted(
    block: Block,
    seen: Observed,
    bounds: tuple[int, int],
    scale: float,
    mean: Floats,
    method: str,
    dense_bits: int,
    last: bool,
) -> tuple[Step, float]:
    """A convolution, a dense layer, or factors and summands; and the scale of what it gives."""
    table = None
    top = _steps.ANSWER_TOP if last else _steps.TOP
    if block.ceiling is not None:
        largest = _ranges.largest(seen.after, "max" if last else method, top)
        to = min(largest * (HEADROOM if last else 1), block.ceiling) / top
        low, index = -top if block.function == LINEAR else 0, to
    else:
        top = _steps.TOP
        to = _ranges.largest(seen.after, method, top) / top
        low = -top if float(seen.after.min()) < 0 else 0
        table, index = _table(block.function, seen.before, to, low)

    tensors: dict[str, NDArray[Any]] = {}
    if block.kind == "affine":
        shift = _shift(float(np.abs(block.kernel).max()) * scale / index, bias=block.bias / index)
        tensors["multiplier"] = np.rint(block.kernel * scale / index * 2.0**shift)
        tensors["bias"] = np.rint(block.bias / index * 2.0**shift)
    else:
        limit = 2 ** (dense_bits - 1) - 1 if block.kind == "dense" else _steps.TOP
        kernel, unit = _integers(block.kernel, block.bias, scale, limit)
        bias = block.bias - _shifts(block, kernel, unit, mean)
        multipliers, shift = fixed_point(unit * scale / index)
        tensors["kernel"], tensors["multiplier"] = kernel, multipliers
        tensors["bias"] = np.rint(bias / (unit * scale))
    if table is not None:
        tensors["table"] = table
    step = Step(
        block.kind,
        tuple(block.layers),
        block.input_shape,
        block.output_shape,
        low,
        top,
        shift,
        block.window,
        block.strides,
        block.before,
        tensors={
            key: np.ascontiguousarray(values, _steps.TENSORS[key])
            for key, values in tensors.items()
        },
    )
    return step, to


def _integers(kernel: Floats, bias: Floats, scale: float, limit: int) -> tuple[Floats, Floats]:
    """Weights from -limit to limit for each output channel, and what 1 stands for in each.

    That is not so little that a bias would be beyond a quarter of the largest sum.
    """
    rows = kernel.reshape(len(kernel), -1)
    unit = np.abs(rows).max(axis=1) / limit
    unit = np.maximum(unit, np.abs(bias) / scale * (4 / _steps.LARGEST_SUM))
    unit[unit == 0] = 1.0
    shape = (-1, *[1] * (kernel.ndim - 1))
    return np.clip(np.rint(kernel / unit.reshape(shape)), -limit, limit), unit


def _shifts(block: Block, kernel: Floats, unit: Floats, mean: Floats) -> Floats:
    """By how much rounded weights move the mean of each output, which its bias is to take back.

    mean: of the input, (height, width, channels). Source: M. Nagel and others, "Data-free
    quantization through weight equalization and bias correction", arXiv:1906.04721.
    """
    errors = kernel * unit.reshape(-1, *[1] * (kernel.ndim - 1)) - block.kernel
    if block.kind == "conv2d":
        errors, mean = errors.sum(axis=(1, 2)), mean.mean(axis=(0, 1))
    shifts: Floats = errors @ mean.ravel()
    return shifts


def fixed_point(factors: Floats) -> tuple[NDArray[np.int64], int]:
    """m and s with m / 2^s next to each factor, s as large as 15 bits for m allow."""
    shift = _shift(float(factors.max()))
    return np.rint(factors * 2.0**shift).astype(np.int64), shift


def _shift(largest: float, bias: Floats | None = None) -> int:
    for shift in range(_steps.MOST_SHIFT, 0, -1):
        fits = round(largest * 2.0**shift) <= _steps.MOST_MULTIPLIER
        if bias is not None and np.abs(bias).max() * 2.0**shift > _steps.LARGEST_SUM / 2:
            fits = False
        if fits:
            return shift
    raise ValueError(
        f"a factor of {largest:g} between two steps is too large for {_steps.CONTRACT}"
    )


def _table(
    function: Function, before: NDArray[np.float32], to: float, low: int
) -> tuple[NDArray[np.int8], float]:
    """The function's integers for 1,024 arguments around 0, and how far these lie apart.

    They reach as far as the function's integers change, and no farther than calibration images do.
    """
    half = _steps.TABLE // 2
    reach = float(np.abs(before).max()) or 1.0

    def integers(arguments: NDArray[Any]) -> Floats:
        values = _applied(function, arguments.astype(np.float32)).astype(np.float64)
        return np.clip(np.rint(values / to), low, _steps.TOP)

    places = np.linspace(-reach, reach, 16 * _steps.TABLE + 1)
    values = integers(places)
    changing = np.flatnonzero((values != values[0]) & (values != values[-1]))
    if changing.size:
        farthest = float(np.abs(places[changing]).max()) or places[1] - places[0]
        reach = min(reach, float(farthest) * (1 + 2 / half))
    step = reach / half
    return integers(np.arange(-half, half) * step).astype(np.int8), step


def _applied(function: Function, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the activation's own kernel gives."""
    shape: CoreShape = (1, 1, 1)
    network = _core.Network(shape, [{"kind": "activation", "activation": function}])
    y = np.empty((len(x), 1), np.float32)
    network.predict(y, _core.zeros(0), x[:, None], 1)
    return y[:, 0]
