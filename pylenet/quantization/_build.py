"""From real-valued blocks to steps on integers, by what calibration images make of the blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _core, _threads
from .._arrays import CoreShape
from ..layers.activation import LINEAR, Function
from . import _ranges, _steps, _weights
from ._blocks import Block, Chain, Floats
from ._steps import Step
from ._weights import Weights

MOST_OBSERVED = 2**23  # values of one block that are looked at
HEADROOM = 2.0  # of answers, beyond what calibration images have
EXPONENTS = (0.0, 0.5, 1.0)  # of `equalized`
TABLE_REACHES = np.linspace(0.5, 1.0, 11)  # of the farthest one, that are tried
MOST_ARGUMENTS = 2**16  # of an activation that are looked at


class Input(NamedTuple):
    """The integers that come in. scale: the real number that 1 stands for."""

    low: int
    high: int
    scale: float

    def integers(self, images: NDArray[Any]) -> NDArray[Any]:
        """uint8 or int8, as docs/int8.md says."""
        if images.dtype == np.uint8 and self == (0, _steps.PIXEL_TOP, 1.0):
            return images
        real = np.nan_to_num(images.astype(np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf)
        whole = np.clip(np.floor(real / self.scale + 0.5), self.low, self.high)
        found: NDArray[Any] = whole.astype(np.int8 if self.low < 0 else np.uint8)
        return found

    def bytes_of(self, integers: NDArray[Any]) -> NDArray[np.uint8]:
        """Integers as C++ takes them: with 128 added where they may be negative."""
        integers = np.ascontiguousarray(integers)
        found: NDArray[np.uint8] = integers.view(np.uint8)
        return found if integers.dtype == np.uint8 else found ^ np.uint8(128)


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


def _homogeneous(block: Block) -> bool:
    return block.kernel.size > 0 and block.function.name in ("linear", "relu")


def exponents(blocks: Sequence[Block]) -> tuple[float, ...]:
    """Those of `equalized` that are worth trying: one where it would change nothing."""
    return EXPONENTS if any(map(_homogeneous, blocks[:-1])) else EXPONENTS[:1]


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
        if not _homogeneous(block) or behind == len(made):
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
    """Pixels as they are; of real numbers 255 steps from 0 to the largest, or 127 to both sides.

    Pixels are uint8, or whole numbers from 0 to 255 of another dtype, some of them above 127.
    """
    pixels = images.dtype == np.uint8 or (
        images.min() >= 0
        and _steps.TOP < images.max() <= _steps.PIXEL_TOP
        and bool((images == np.floor(images)).all())
    )
    if pixels:
        return Input(0, _steps.PIXEL_TOP, 1.0)
    largest = float(np.abs(images).max()) or 1.0
    if images.min() < 0:
        return Input(-_steps.TOP, _steps.TOP, largest / _steps.TOP)
    return Input(0, _steps.PIXEL_TOP, largest / _steps.PIXEL_TOP)


def weights_of(
    blocks: Sequence[Block], images: NDArray[Any], observed: Sequence[Observed], dense_bits: int
) -> list[Weights | None]:
    """Of each block its weights as integers, None where it has none or they are an affine's."""
    inputs = [images, *(seen.after for seen in observed)]
    limits = {"conv2d": _steps.TOP, "dense": 2 ** (dense_bits - 1) - 1}
    return [
        _weights.rounded(block, x, limits[block.kind]) if block.kind in limits else None
        for block, x in zip(blocks, inputs, strict=False)
    ]


def build(
    blocks: Sequence[Block],
    weights: Sequence[Weights | None],
    images: NDArray[Any],
    observed: Sequence[Observed],
    source: Input,
    method: str,
) -> tuple[tuple[Step, ...], Output]:
    """The steps, and what their last integers mean. weights: as `weights_of` found them."""
    steps: list[Step] = []
    low, high, scale = source
    integers = source.integers(images)
    before: NDArray[Any] = images
    function = LINEAR
    for place, (block, own, seen) in enumerate(zip(blocks, weights, observed, strict=True)):
        last = place == len(blocks) - 1
        if not block.kernel.size:
            step, scale = _pool(block, seen, (low, high), scale, method, last)
        else:
            if last and block.ceiling is None:
                function = block.function
                block, seen = replace(block, function=LINEAR), Observed(seen.before, seen.before)
            bias = block.bias
            if own is not None:
                given = _given(steps, source, integers[: len(before)]) * scale
                own = _of_room(own, bias, scale)
                bias = bias - _shifts(block, own, given, before)
            step, scale = _weighted(block, own, bias, seen, (low, high), scale, method, last)
        before = seen.after
        _steps.check_step(step, low, high, last)
        steps.append(step)
        low, high = step.low, step.high
    return tuple(steps), Output(float(np.float32(scale)), function)


def _given(steps: Sequence[Step], source: Input, integers: NDArray[Any]) -> NDArray[Any]:
    """The integers that these steps make of those that come in."""
    if not steps:
        return integers
    shape, low = steps[0].input_shape, source.low
    network = _core.Int8Network(shape, low, steps, scale=1.0, function=LINEAR)
    found = np.empty((len(integers), *steps[-1].output_shape), np.int32)
    network.scores(found, source.bytes_of(integers), _threads.asked_for())
    return found


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
    weights: Weights | None,
    bias: Floats,
    seen: Observed,
    bounds: tuple[int, int],
    scale: float,
    method: str,
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
        table, index = _table(block.function, seen, to, low)

    tensors: dict[str, NDArray[Any]] = {}
    if weights is None:
        shift = _shift(float(np.abs(block.kernel).max()) * scale / index, bias=bias / index)
        tensors["multiplier"] = np.rint(block.kernel * scale / index * 2.0**shift)
        tensors["bias"] = np.rint(bias / index * 2.0**shift)
    else:
        multipliers, shift = fixed_point(weights.unit * scale / index)
        tensors["kernel"], tensors["multiplier"] = weights.kernel, multipliers
        tensors["bias"] = np.rint(bias / (weights.unit * scale))
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


def _of_room(weights: Weights, bias: Floats, scale: float) -> Weights:
    """The same with 1 standing for so much that no bias is beyond a quarter of the largest sum."""
    unit = np.maximum(weights.unit, np.abs(bias) / scale * (4 / _steps.LARGEST_SUM))
    factor = (weights.unit / unit).reshape(-1, *[1] * (weights.kernel.ndim - 1))
    return Weights(np.rint(weights.kernel * factor), unit)


def _shifts(block: Block, weights: Weights, given: NDArray[Any], expected: NDArray[Any]) -> Floats:
    """By how much integers move the mean of each output, which its bias is to take back.

    given: what comes in, of the integers before. expected: of the real network. Both (N, ...).
    Source: M. Nagel and others, "Data-free quantization through weight equalization and bias
    correction", arXiv:1906.04721.
    """

    def mean(kernel: Floats, x: NDArray[Any]) -> Floats:
        middle = x.mean(axis=0, dtype=np.float64)[None]
        window = _weights.windows_of(block, middle)[0].mean(axis=(0, 1))
        found: Floats = kernel.reshape(len(kernel), -1) @ window.ravel()
        return found

    return weights.unit * mean(weights.kernel, given) - mean(block.kernel, expected)


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
    function: Function, seen: Observed, to: float, low: int
) -> tuple[NDArray[np.int8], float]:
    """The function's integers for 1,024 arguments around 0, and how far these lie apart.

    They reach as far as leaves the least squared error for calibration images: no farther than the
    function's integers change, and than these images do.
    """
    half = _steps.TABLE // 2
    reach = float(np.abs(seen.before).max()) or 1.0

    def integers(values: NDArray[Any]) -> Floats:
        return np.clip(np.rint(values.astype(np.float64) / to), low, _steps.TOP)

    places = np.linspace(-reach, reach, 16 * _steps.TABLE + 1)
    values = integers(_applied(function, places))
    changing = np.flatnonzero((values != values[0]) & (values != values[-1]))
    if changing.size:
        farthest = float(np.abs(places[changing]).max()) or places[1] - places[0]
        reach = min(reach, float(farthest) * (1 + 2 / half))
    every = -(-seen.before.size // MOST_ARGUMENTS)
    arguments = seen.before.ravel()[::every].astype(np.float64)
    wanted = seen.after.ravel()[::every].astype(np.float64)
    found = []
    for share in TABLE_REACHES:
        apart = share * reach / half
        entries = _applied(function, np.arange(-half, half) * apart)
        index = np.clip(np.floor(arguments / apart + 0.5), -half, half - 1).astype(np.intp) + half
        for end in (0, -1):  # which stand for all that lies beyond as well
            beyond = wanted[index == end % _steps.TABLE]
            entries[end] = beyond.mean() if beyond.size else entries[end]
        table = integers(entries)
        found.append((float(np.square(table[index] * to - wanted).sum()), table, apart))
    _, table, apart = min(found, key=lambda one: one[0])
    return table.astype(np.int8), apart


def _applied(function: Function, x: Floats) -> NDArray[np.float32]:
    """What the activation's own kernel gives."""
    shape: CoreShape = (1, 1, 1)
    network = _core.Network(shape, [{"kind": "activation", "activation": function}])
    y = np.empty((len(x), 1), np.float32)
    network.predict(y, _core.zeros(0), x.astype(np.float32)[:, None], 1)
    return y[:, 0]
