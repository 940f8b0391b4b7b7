"""Files of pylenet-int8-1 with random steps, which `quantize` would not make: for the tests."""

import json
import math

import int8_reference as reference
import numpy as np
from safetensors.numpy import save

KINDS = list(reference.KEYS)
MOST = 2000  # values of an image


def file_of(model, tensors):
    """The file's bytes."""
    return save(tensors, metadata={"model": json.dumps(model)})


def random_file(rng):
    """A network's bytes and three images for it: weights, sums and shifts up to their ends."""
    while True:
        shape = [int(rng.integers(1, 8)), int(rng.integers(1, 8)), _one_of(rng, 1, 2, 3, 8, 17)]
        low, high = _one_of(rng, (0, 255), (-127, 127))
        scale = _one_of(rng, 1.0, 0.013, 3.7) if low == 0 else 0.02
        source = {"low": low, "high": high, "scale": scale}
        model = {
            "format": "pylenet-int8-1",
            "name": "random",
            "input_shape": shape,
            "input": source,
            "steps": [],
            "output": {"scale": 0.01, "function": ["linear", 0.0, 0.0, 0.0]},
            **dict.fromkeys(("compile", "data_name", "class_names")),
            "light_border": False,
        }
        tensors = {}
        count = int(rng.integers(1, 6))
        for place in range(count):
            step, own = _random_step(rng, shape, (low, high), place + 1 == count)
            model["steps"].append(step)
            tensors |= {f"{place}.{name}": values for name, values in own.items()}
            shape, low, high = step["output_shape"], step["low"], step["high"]
        model["output_shape"] = shape
        data = file_of(model, tensors)
        try:
            reference.Network(data)
        except ValueError:  # a sum too large, a pool's window outside
            continue
        return data, _images(rng, model["input_shape"], source)


def file_of_sums(sums, multipliers, shift, table=None):
    """A network's bytes: a dense step on one pixel, whose sums are these for any image."""
    high = 32767 if table is None else 127
    step = {
        "kind": "dense",
        "layers": ["dense"],
        "input_shape": [1, 1, 1],
        "output_shape": [1, 1, len(sums)],
        "low": -high,
        "high": high,
        "shift": shift,
    }
    model = {
        "format": "pylenet-int8-1",
        "name": "sums",
        "input_shape": [1],
        "output_shape": [len(sums)],
        "input": {"low": 0, "high": 255, "scale": 1.0},
        "steps": [step],
        "output": {"scale": 1.0, "function": ["linear", 0.0, 0.0, 0.0]},
        **dict.fromkeys(("compile", "data_name", "class_names")),
        "light_border": False,
    }
    tensors = {
        "0.kernel": np.zeros((len(sums), 1), np.int8),
        "0.bias": np.asarray(sums, np.int32),
        "0.multiplier": np.asarray(multipliers, np.int16),
    }
    if table is not None:
        tensors["0.table"] = np.asarray(table, np.int8)
    return file_of(model, tensors)


def _one_of(rng, *choices):
    return choices[int(rng.integers(len(choices)))]


def _images(rng, shape, source):
    if source["low"] == 0 and source["scale"] == 1:
        images = rng.integers(0, 256, (3, *shape), np.uint8)
        images[0] = 255
        return images
    images = rng.normal(0, 90, (3, *shape)) * source["scale"]
    images[0] = 1000 * source["scale"]
    images[1] = (np.floor(images[1] / source["scale"]) + 0.5) * source["scale"]  # halves
    return images


def _random_step(rng, shape, bounds, last):
    kind = _one_of(rng, *KINDS, *["dense"] * (3 if last else 0))
    height, width, channels = shape
    if math.prod(shape) > MOST:
        kind = "dense"
    step = {"kind": kind, "layers": ["random"], "input_shape": list(shape)}
    step["output_shape"] = list(shape)
    step["low"], step["high"] = bounds
    tensors = {}
    if "shift" in reference.KEYS[kind]:
        table = kind != "average_pool2d" and rng.random() < 0.4
        high = 32767 if last and not table else 127
        step["low"], step["high"] = _one_of(rng, 0, -high), high
        step["shift"] = int(rng.integers(1, 32) if rng.random() < 0.3 else rng.integers(14, 29))
        if table:
            entries = rng.integers(step["low"], high + 1, 1024).astype(np.int8)
            tensors["table"] = np.sort(entries) if rng.random() < 0.5 else entries
    if "window" in reference.KEYS[kind]:
        _random_window(rng, step)
    elif kind == "zero_padding2d":
        step["before"] = rng.integers(0, 3, 2).tolist()
        more = rng.integers(0, 3, 2).tolist()
        step["output_shape"][:2] = [
            n + b + m for n, b, m in zip(shape, step["before"], more, strict=False)
        ]
    if kind in ("conv2d", "dense"):
        outputs = _one_of(rng, 1, 2, 5, 10, 33)
        own = (*step["window"], channels) if kind == "conv2d" else (height * width * channels,)
        step["output_shape"] = [
            *(step["output_shape"][:2] if kind == "conv2d" else (1, 1)),
            outputs,
        ]
        ends = rng.choice([-127, 127], (outputs, *own))
        kernel = np.where(rng.random(ends.shape) < 0.5, ends, rng.integers(-127, 128, ends.shape))
        tensors["kernel"] = kernel.astype(np.int8)
        sums = bounds[1] * np.abs(kernel).reshape(outputs, -1).sum(axis=1)
        _random_numbers(rng, step, tensors, sums, 0)
    elif kind == "affine":
        multiplier = rng.integers(-32767, 32768, channels)
        multiplier[rng.random(channels) < 0.3] = _one_of(rng, -32767, 0, 1, 32767)
        tensors["multiplier"] = multiplier.astype(np.int16)
        _random_numbers(rng, step, tensors, bounds[1] * np.abs(multiplier), None)
    elif kind == "average_pool2d":
        _random_cells(rng, step, bounds[1])
    return step, tensors


def _random_window(rng, step):
    sizes = step["input_shape"][:2]
    step["window"] = [int(rng.integers(1, min(4, size) + 1)) for size in sizes]
    step["strides"] = rng.integers(1, 4, 2).tolist()
    step["before"] = [int(rng.integers(0, size)) for size in step["window"]]
    places = zip(sizes, step["window"], step["strides"], step["before"], strict=True)
    step["output_shape"][:2] = [
        (size + before + int(rng.integers(0, window)) - window) // stride + 1
        for size, window, stride, before in places
    ]


def _random_numbers(rng, step, tensors, sums, least):
    """Biases, some of them as large as they may be, and multipliers unless least is None."""
    room = 2**30 - sums
    small = np.minimum(room, 2 ** min(30, step["shift"] + 7))
    bias = np.where(rng.random(len(sums)) < 0.3, room, rng.integers(0, small + 1))
    tensors["bias"] = (bias * rng.choice([-1, 1], len(sums))).astype(np.int32)
    if least is None:
        return
    goal = (60 if "table" in tensors else step["high"]) * rng.uniform(0.2, 6, len(sums))
    wished = goal * 2.0 ** step["shift"] / (np.sqrt(sums) + 1) / 8
    allowed = 2.0 ** (30 + step["shift"]) / np.maximum(1, sums + bias) - 1
    found = np.clip(np.minimum(wished, allowed), least, 32767)
    tensors["multiplier"] = found.astype(np.int16)


def _random_cells(rng, step, largest):
    rows, columns, _ = step["output_shape"]
    places = [(i, j) for i in range(rows) for j in range(columns)]
    counts = sorted({len(reference.cells_inside(step, i, j)) for i, j in places} - {0})
    step["shift"] = int(rng.integers(6, 17))
    goal = 2 ** step["shift"] * (step["high"] / largest if step["high"] == 127 else 1)
    step["cells"] = [[n, min(32767, int(goal * rng.uniform(0.5, 1.5) / n))] for n in counts]
