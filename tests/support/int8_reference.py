"""docs/int8.md in plain Python: whole numbers, lists and loops, and nothing of pylenet.

It was written from that page alone. A network is read from the bytes of its file.
"""

import json
import math
import struct


def read(data):
    """(config, tensors) of a file's bytes; tensors are flat lists by name."""
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    config = json.loads(header.pop("__metadata__")["model"])
    assert config["format"] == "pylenet-int8-1"
    tensors = {}
    for name, entry in header.items():
        begin, end = (8 + length + place for place in entry["data_offsets"])
        letter, size = {"I8": ("b", 1), "I16": ("h", 2), "I32": ("i", 4)}[entry["dtype"]]
        tensors[name] = struct.unpack(f"<{(end - begin) // size}{letter}", data[begin:end])
    return config, tensors


def answer(config, tensors, integers):
    """The last step's integers, flat, for one image's, flat, channels fastest."""
    x = [int(v) for v in integers]
    for place, step in enumerate(config["steps"]):
        own = {
            name.split(".")[1]: values
            for name, values in tensors.items()
            if name.split(".")[0] == str(place)
        }
        assert len(x) == math.prod(step["input_shape"])
        x = STEPS[step["kind"]](step, own, x)
        assert len(x) == math.prod(step["output_shape"])
    return x


def integer_of(config, value):
    """A real number as the input's integer."""
    source = config["input"]
    if math.isnan(value):
        return 0
    if math.isinf(value):
        return source["high"] if value > 0 else source["low"]
    whole = math.floor(value / source["scale"] + 0.5)
    return min(max(whole, source["low"]), source["high"])


def rounded(a, m, s):
    return (a * m + 2 ** (s - 1)) >> s


def ended(step, own, r):
    if "table" in own:
        return own["table"][min(max(r, -512), 511) + 512]
    return min(max(r, step["low"]), step["high"])


def places(step):
    """For each output row and column the cells inside its window: (u, v, row, column)."""
    height, width, _ = step["input_shape"]
    rows, columns, _ = step["output_shape"]
    for i in range(rows):
        for j in range(columns):
            row, column = (
                place * stride - before
                for place, stride, before in zip(
                    (i, j), step["strides"], step["before"], strict=True
                )
            )
            yield [
                (u, v, row + u, column + v)
                for u in range(step["window"][0])
                for v in range(step["window"][1])
                if 0 <= row + u < height and 0 <= column + v < width
            ]


def conv2d(step, own, x):
    _, width, channels = step["input_shape"]
    window = step["window"]
    y = []
    for cells in places(step):
        for o in range(step["output_shape"][2]):
            a = own["bias"][o]
            for u, v, row, column in cells:
                weight = ((o * window[0] + u) * window[1] + v) * channels
                value = (row * width + column) * channels
                for c in range(channels):
                    a += own["kernel"][weight + c] * x[value + c]
            assert abs(a) <= 2**30
            y.append(ended(step, own, rounded(a, own["multiplier"][o], step["shift"])))
    return y


def dense(step, own, x):
    y = []
    for o in range(step["output_shape"][2]):
        row = own["kernel"][o * len(x) : (o + 1) * len(x)]
        a = own["bias"][o] + sum(w * v for w, v in zip(row, x, strict=True))
        assert abs(a) <= 2**30
        y.append(ended(step, own, rounded(a, own["multiplier"][o], step["shift"])))
    return y


def affine(step, own, x):
    channels, s = step["input_shape"][2], step["shift"]
    return [
        ended(
            step,
            own,
            (v * own["multiplier"][k % channels] + own["bias"][k % channels] + 2 ** (s - 1)) >> s,
        )
        for k, v in enumerate(x)
    ]


def max_pool2d(step, own, x):
    _, width, channels = step["input_shape"]
    return [
        max(x[(row * width + column) * channels + c] for _, _, row, column in cells)
        for cells in places(step)
        for c in range(channels)
    ]


def average_pool2d(step, own, x):
    _, width, channels = step["input_shape"]
    multipliers = dict(step["cells"])
    y = []
    for cells in places(step):
        for c in range(channels):
            a = sum(x[(row * width + column) * channels + c] for _, _, row, column in cells)
            y.append(ended(step, own, rounded(a, multipliers[len(cells)], step["shift"])))
    return y


def zero_padding2d(step, own, x):
    height, width, channels = step["input_shape"]
    _, out_width, _ = step["output_shape"]
    top, left = step["before"]
    y = [0] * math.prod(step["output_shape"])
    for row in range(height):
        begin = ((row + top) * out_width + left) * channels
        y[begin : begin + width * channels] = x[row * width * channels :][: width * channels]
    return y


STEPS = {
    "conv2d": conv2d,
    "dense": dense,
    "affine": affine,
    "max_pool2d": max_pool2d,
    "average_pool2d": average_pool2d,
    "zero_padding2d": zero_padding2d,
}
