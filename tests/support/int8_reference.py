"""A second implementation of docs/int8.md: plain Python integers, and nothing of pylenet.

It was written from that page alone, without a look at pylenet's code: a reader of the file, which
refuses what the page does not allow, and the arithmetic.
"""

import json
import math
import struct

LARGEST = 1 << 30  # of sums, and of what they are rounded to
MOST_VALUES = 1 << 26
LONGEST = 1 << 16
DTYPES = {"I8": "b", "I16": "h", "I32": "i"}
TENSORS = {"kernel": "I8", "bias": "I32", "multiplier": "I16", "table": "I8"}
MODEL = (
    *("format", "name", "input_shape", "output_shape", "input", "steps", "output"),
    *("compile", "data_name", "class_names", "light_border"),
)
OF_ALL = ("kind", "layers", "input_shape", "output_shape", "low", "high")
WINDOW = ("window", "strides", "before")
KEYS = {
    "conv2d": (*OF_ALL, "shift", *WINDOW),
    "dense": (*OF_ALL, "shift"),
    "affine": (*OF_ALL, "shift"),
    "max_pool2d": (*OF_ALL, *WINDOW),
    "average_pool2d": (*OF_ALL, "shift", *WINDOW, "cells"),
    "zero_padding2d": (*OF_ALL, "before"),
}
NEEDED = {
    "conv2d": {"kernel", "bias", "multiplier"},
    "dense": {"kernel", "bias", "multiplier"},
    "affine": {"bias", "multiplier"},
}


def need(condition, what):
    if not condition:
        raise ValueError(what)


def read(data):
    """The metadata of a file's bytes, and of each tensor its dtype, its shape and its values."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    body = data[8 + length :]
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        letter = DTYPES[entry["dtype"]]
        count = (end - begin) // struct.calcsize(letter)
        values = struct.unpack(f"<{count}{letter}", body[begin:end])
        tensors[name] = (entry["dtype"], entry["shape"], list(values))
    return metadata, tensors


def rounded(a, m, s):
    return (a * m + (1 << (s - 1))) >> s


def is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


class Network:
    """What a file's bytes describe. Raises ValueError where the page does not allow it."""

    def __init__(self, data):
        metadata, tensors = read(data)
        need(list(metadata) == ["model"], "metadata")
        self.model = model = json.loads(metadata["model"])
        need(set(model) == set(MODEL), "keys of the model")
        need(model["format"] == "pylenet-int8-1", "format")
        source, output = model["input"], model["output"]
        need(set(source) == {"low", "high", "scale"}, "keys of the input")
        need(set(output) == {"scale", "function"}, "keys of the output")
        self.low, self.high, self.scale = source["low"], source["high"], source["scale"]
        need((self.low, self.high) in ((0, 255), (-127, 127)), "bounds of the input")
        for scale in (self.scale, output["scale"]):
            need(isinstance(scale, (int, float)) and 0 < scale < math.inf, "scale")
        need(1 <= len(model["steps"]) <= 1000, "number of steps")
        self.steps = []
        used = 0
        bounds, count = (self.low, self.high), math.prod(model["input_shape"])
        for place, config in enumerate(model["steps"]):
            need(config["kind"] in KEYS, f"kind of step {place}")
            need(set(config) == set(KEYS[config["kind"]]), f"keys of step {place}")
            own = {
                name: tensors[f"{place}.{name}"] for name in TENSORS if f"{place}.{name}" in tensors
            }
            used += len(own)
            step = {**config, **{name: values for name, (_, _, values) in own.items()}}
            last = place + 1 == len(model["steps"])
            check_numbers(step)
            need(math.prod(step["input_shape"]) == count, f"input of step {place}")
            check_tensors(step, own)
            check_bounds(step, bounds, last)
            check_shapes(step)
            check_sums(step, bounds[1])
            bounds, count = (step["low"], step["high"]), math.prod(step["output_shape"])
            self.steps.append(step)
        need(used == len(tensors), "tensors of no step")
        need(count == math.prod(model["output_shape"]), "the model's output")

    def integer_of(self, value):
        """A real number, as float64, as an integer that comes in."""
        if value != value:
            return 0
        q = value / self.scale + 0.5
        if math.isinf(q):
            return self.high if q > 0 else self.low
        return min(max(math.floor(q), self.low), self.high)

    def scores(self, image, pixels):
        """The answer's integers for one image's flat values. pixels: whether they are uint8."""
        as_they_are = pixels and self.low == 0 and self.scale == 1
        x = list(image) if as_they_are else [self.integer_of(float(v)) for v in image]
        for step in self.steps:
            x = STEPS[step["kind"]](step, x)
        return x


def check_numbers(step):
    shift, cells = step.get("shift", 1), step.get("cells", [])
    numbers = [step["low"], step["high"], shift, *(n for pair in cells for n in pair)]
    for name, size in (("input_shape", 3), ("output_shape", 3), *((name, 2) for name in WINDOW)):
        if name in step:
            need(len(step[name]) == size, name)
            numbers += step[name]
    need(all(map(is_integer, numbers)), "a number")
    need(all(len(pair) == 2 for pair in cells), "cells")
    need(1 <= shift <= 31, "shift")


def check_tensors(step, own):
    kind, outputs = step["kind"], step["output_shape"][2]
    needed = NEEDED.get(kind, set())
    need(needed <= set(own) <= (needed | {"table"} if needed else set()), "tensors")
    height, width, channels = step["input_shape"]
    shapes = {"bias": [outputs], "multiplier": [outputs], "table": [1024]}
    if kind == "conv2d":
        shapes["kernel"] = [outputs, *step["window"], channels]
    elif kind == "dense":
        shapes["kernel"] = [outputs, height * width * channels]
    for name, (dtype, shape, _) in own.items():
        need((dtype, shape) == (TENSORS[name], shapes[name]), name)
    need(min(step.get("kernel", [0])) >= -127, "a weight of -128")
    least = -32767 if kind == "affine" else 0
    need(min(step.get("multiplier", [0])) >= least, "multiplier")
    need(all(step["low"] <= v <= step["high"] for v in step.get("table", [])), "table")


def check_bounds(step, of_input, last):
    if step["kind"] in ("max_pool2d", "zero_padding2d"):
        need((step["low"], step["high"]) == of_input, "bounds of what only moves")
        return
    high = 32767 if last and "table" not in step else 127
    need(step["high"] == high and step["low"] in (0, -high), "bounds")


def check_shapes(step):
    kind, before = step["kind"], step.get("before", [0, 0])
    window, strides = step.get("window", [1, 1]), step.get("strides", [1, 1])
    shape, out = step["input_shape"], step["output_shape"]
    need(min(*shape, *out, *window, *strides) >= 1 and min(before) >= 0, "a size")
    sides = (*shape[:2], *out[:2], *window, *strides, *before)
    need(max(sides) <= LONGEST, "a side too long")
    need(max(math.prod(shape), math.prod(out)) <= MOST_VALUES, "too many values")
    if kind == "dense":
        need(out[:2] == [1, 1], "a dense step's output")
    elif kind == "affine":
        need(out == shape, "an affine step's output")
    elif kind != "conv2d":
        need(out[2] == shape[2], "channels")
    if kind == "zero_padding2d":
        need(all(out[axis] >= before[axis] + shape[axis] for axis in (0, 1)), "room")
    if "window" not in step:
        return
    ends = [(out[axis] - 1) * strides[axis] + window[axis] for axis in (0, 1)]
    if kind == "conv2d":
        padded = [max(before[axis] + shape[axis], ends[axis]) for axis in (0, 1)]
        need(math.prod(padded) * shape[2] <= MOST_VALUES, "too large with its padding")
        need(all(ends[k] - before[k] - shape[k] <= LONGEST for k in (0, 1)), "too far beyond")
        return
    for axis in (0, 1):
        need(before[axis] < window[axis], "a pool's window outside")
        need(ends[axis] - window[axis] - before[axis] < shape[axis], "a pool's window outside")
    if kind == "average_pool2d":
        counts = {len(cells_inside(step, i, j)) for i in range(out[0]) for j in range(out[1])}
        need(sorted(n for n, _ in step["cells"]) == sorted(counts), "cells")


def check_sums(step, largest):
    """largest: of the input."""
    kind = step["kind"]
    if kind in ("conv2d", "dense"):
        size = len(step["kernel"]) // len(step["bias"])
        sums = [
            abs(b) + largest * sum(map(abs, step["kernel"][o * size : (o + 1) * size]))
            for o, b in enumerate(step["bias"])
        ]
        pairs = list(zip(sums, step["multiplier"], strict=True))
    elif kind == "affine":
        pairs = [
            (abs(b) + largest * abs(m), 0)
            for b, m in zip(step["bias"], step["multiplier"], strict=True)
        ]
    else:
        pairs = [(largest * n, m) for n, m in step.get("cells", [])]
        need(all(0 <= m <= 32767 for _, m in pairs), "a multiplier of cells")
    for size, m in pairs:
        need(size <= LARGEST, "a sum")
        need(rounded(size, m, step.get("shift", 1)) <= LARGEST, "a rounded sum")


def ended(step, r):
    if "table" in step:
        return step["table"][min(max(r, -512), 511) + 512]
    return min(max(r, step["low"]), step["high"])


def cells_inside(step, i, j):
    """(window row, window column, row, column) of each cell inside of one window."""
    height, width, _ = step["input_shape"]
    first_row = i * step["strides"][0] - step["before"][0]
    first_column = j * step["strides"][1] - step["before"][1]
    return [
        (u, v, first_row + u, first_column + v)
        for u in range(step["window"][0])
        for v in range(step["window"][1])
        if 0 <= first_row + u < height and 0 <= first_column + v < width
    ]


def conv2d(step, x):
    _, width, channels = step["input_shape"]
    rows, columns, outputs = step["output_shape"]
    size = math.prod(step["window"]) * channels
    kernel = step["kernel"]
    y = []
    for i in range(rows):
        for j in range(columns):
            pairs = [
                (
                    (u * step["window"][1] + v) * channels + c,
                    x[(row * width + column) * channels + c],
                )
                for u, v, row, column in cells_inside(step, i, j)
                for c in range(channels)
            ]
            pairs = [pair for pair in pairs if pair[1]]
            for o in range(outputs):
                a = step["bias"][o] + sum(kernel[o * size + k] * value for k, value in pairs)
                y.append(ended(step, rounded(a, step["multiplier"][o], step["shift"])))
    return y


def dense(step, x):
    pairs = [(k, value) for k, value in enumerate(x) if value]
    y = []
    for o, bias in enumerate(step["bias"]):
        a = bias + sum(step["kernel"][o * len(x) + k] * value for k, value in pairs)
        y.append(ended(step, rounded(a, step["multiplier"][o], step["shift"])))
    return y


def affine(step, x):
    channels, s = step["input_shape"][2], step["shift"]
    y = []
    for k, value in enumerate(x):
        c = k % channels
        a = value * step["multiplier"][c] + step["bias"][c]
        y.append(ended(step, (a + (1 << (s - 1))) >> s))
    return y


def pooled(step, x, of):
    _, width, channels = step["input_shape"]
    y = []
    for i in range(step["output_shape"][0]):
        for j in range(step["output_shape"][1]):
            cells = cells_inside(step, i, j)
            for c in range(channels):
                y.append(of([x[(row * width + col) * channels + c] for _, _, row, col in cells]))
    return y


def max_pool2d(step, x):
    return pooled(step, x, max)


def average_pool2d(step, x):
    multipliers = dict(step["cells"])

    def average(values):
        return ended(step, rounded(sum(values), multipliers[len(values)], step["shift"]))

    return pooled(step, x, average)


def zero_padding2d(step, x):
    height, width, channels = step["input_shape"]
    y = [0] * math.prod(step["output_shape"])
    for row in range(height):
        for column in range(width):
            begin = (row + step["before"][0]) * step["output_shape"][1]
            to = (begin + column + step["before"][1]) * channels
            cell = (row * width + column) * channels
            y[to : to + channels] = x[cell : cell + channels]
    return y


STEPS = {
    "conv2d": conv2d,
    "dense": dense,
    "affine": affine,
    "max_pool2d": max_pool2d,
    "average_pool2d": average_pool2d,
    "zero_padding2d": zero_padding2d,
}
