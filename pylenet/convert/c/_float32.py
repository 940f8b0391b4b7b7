"""A float32 network as a program in C, to the bits of Python's with direct convolutions.

Every sum has the order that csrc/kernels/kernel_list.h states. What is done to each value alone
(activations, batch normalisation, scaling) is done where the value comes about, and a pooling that
halves the image where the convolution below it does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...layers.activation import LINEAR, Function
from ...layers.shape import scales_pixels
from ...models import Sequential
from ...models._graph import Node
from .._onnx_writer import full_kernel
from ._float32_functions import FUNCTIONS, PARAMETERS
from ._program import WINDOWS, Program, filled, real

Weights = Mapping[str, NDArray[np.float32]]
UNCHANGING = ("channel_dropout", "dropout", "flatten", "gaussian_noise", "reshape")

CONV2D = """  int i, j, f, k;
  for (i = 0; i < $rows; i++)
    for (j = 0; j < $columns; j += $across) {
      const float *corner = x + i * $down + j * $right;
$offsets      for (f = 0; f < $filters; f += NET_TILE) {
        const int end = $filters - f < NET_TILE ? $filters : f + NET_TILE;
        float sums[4 * NET_TILE];
        net_conv2d(sums, corner, $places, $kernel + f, $bias + f, $channels, $window, $row,
                   $filters);
$each$store      }
    }
"""
STORE_LARGEST = """        {
          float best[NET_TILE];
          net_largest(best, sums, $floor);
          for (k = f; k < end; k++) {
            float v = best[k - f];
$after            y[(i * $columns + j) * $filters + k] = v;
          }
        }
"""
OFFSETS = """      const int n = $columns - j < 4 ? $columns - j : 4;
      const int b = n > 1 ? $right : 0, c = n > 2 ? 2 * $right : b, d = n > 3 ? 3 * $right : c;
"""
STORE = """        for (k = f; k < end; k++) {
          int place;
          for (place = 0; place < n; place++) {
            float v = sums[place * NET_TILE + k - f];
$end            y[(i * $columns + j + place) * $filters + k] = v;
          }
        }
"""
STORE_MAX = """        for (k = f; k < end; k++) {
          float best = 0.0f;
          int place;
          for (place = 0; place < 4; place++) {
            float v = sums[place * NET_TILE + k - f];
$end            best = place == 0 ? v : net_larger_or_nan(best, v);
          }
          {
            float v = best;
$after            y[(i * $columns + j) * $filters + k] = v;
          }
        }
"""
STORE_MEAN = """        for (k = f; k < end; k++) {
          float sum = 0.0f;
          int place;
          for (place = 0; place < 4; place++) {
            float v = sums[place * NET_TILE + k - f];
$end            sum += v;
          }
          {
            float v = sum * 0.25f;
$after            y[(i * $columns + j) * $filters + k] = v;
          }
        }
"""
DENSE = """  int o, k;
  for (o = 0; o < $units; o += NET_WIDE) {
    const int end = $units - o < NET_WIDE ? $units : o + NET_WIDE;
    float sums[NET_WIDE];
    net_dense(sums, x, $kernel + o, $bias + o, $inputs, $units);
$each    for (k = o; k < end; k++) {
      float v = sums[k - o];
$end      y[k] = v;
    }
  }
"""
MAP = """  int i, k;
  for (i = 0; i < $cells; i++)
    for (k = 0; k < $channels; k++) {
      float v = $value;
$end      y[i * $channels + k] = v;
    }
"""
POOL = f"""  int i, j, k, row, column;
{WINDOWS}      for (k = 0; k < $channels; k++) {{
        float v = $start;
        for (row = row_begin; row < row_end; row++)
          for (column = column_begin; column < column_end; column++)
            $gather
$end        y[(i * $columns + j) * $channels + k] = v;
      }}
    }}
"""
PAD = """  int i, j, k;
  for (i = 0; i < $rows; i++)
    for (j = 0; j < $columns; j++) {
      const int row = i - $top, column = j - $left;
      const int inside = row >= 0 && row < $in_rows && column >= 0 && column < $in_columns;
      for (k = 0; k < $channels; k++) {
        float v = inside ? x[(row * $in_columns + column) * $channels + k] : 0.0f;
$end        y[(i * $columns + j) * $channels + k] = v;
      }
    }
"""
RBF = """  int i, k;
  for (k = 0; k < $units; k++) {
    float v = 0.0f;
    for (i = 0; i < $inputs; i++) {
      const float distance = x[i] - (float)$codes[i * $units + k];
      v = NET_FMA(distance, distance, v);
    }
$end    y[k] = v;
  }
"""


class _Writer:
    """Goes through the nodes; what is done to each value alone waits for the step it belongs to."""

    def __init__(self, model: Sequential) -> None:
        graph = model.graph
        pixels = scales_pixels(model.layers) is not None
        last = graph.nodes[-1].output_shape if graph.nodes else graph.input_shape
        self.program = Program(
            math.prod(graph.input_shape),
            "uint8_t" if pixels else "float",
            math.prod(last),
            "float",
        )
        self.parameters = model.network.snapshot(model.parameters)
        self.nodes = [node for node in graph.nodes if not _is_unchanging(node)]
        self.at = 0
        if pixels or (graph.scale, graph.offset) != (1.0, 0.0) or not self.nodes:
            value = "(float)x[i * $channels + k]" if pixels else "x[i * $channels + k]"
            scale = self.rescaled(graph.scale, graph.offset)
            title = "pixels as floats" if pixels else "input, scaled"
            self.map(title, graph.input_shape, value, scale + self.each_value())

    def write(self) -> Program:
        while self.at < len(self.nodes):
            node = self.nodes[self.at]
            self.at += 1
            weights = {tensor.name: tensor.of(self.parameters) for tensor in node.tensors}
            _KINDS[node.kind](self, node, weights)
        return self.program

    # What is done to a value: lines of C that change v, of channel k.

    def each_value(self) -> str:
        """Of the nodes that follow, those that change each value for itself."""
        lines = ""
        while self.at < len(self.nodes):
            node = self.nodes[self.at]
            found = self.of_value(node)
            if found is None:
                break
            lines += found
            self.at += 1
        return lines

    def of_value(self, node: Node) -> str | None:
        if node.kind == "rescaling":
            return self.rescaled(node.settings["scale"], node.settings["offset"])
        if node.kind == "batch_normalization":
            weights = {tensor.name: tensor.of(self.parameters) for tensor in node.tensors}
            return self.affine(*batch_affine(weights, node.settings["epsilon"]))
        if node.kind == "activation" and node.settings["activation"].name != "softmax":
            return self.activation(node.settings["activation"])
        return None

    def rescaled(self, scale: float, offset: float) -> str:
        factor, summand = np.float32(scale), np.float32(offset)
        lines = "" if factor == 1 else f"v = v * {real(factor)};\n"
        # Adding -0 changes nothing, and adding 0 makes 0 of -0.
        neutral = summand == 0 and bool(np.signbit(summand))
        return lines if neutral else f"{lines}v = v + {real(summand)};\n"

    def affine(self, factor: NDArray[np.float32], summand: NDArray[np.float32]) -> str:
        names = [
            self.program.constant(name, "float", values)
            for name, values in (("factor", factor), ("summand", summand))
        ]
        return f"v = NET_FMA({names[0]}[k], v, {names[1]}[k]);\n"

    def activation(self, function: Function) -> str:
        if function == LINEAR:
            return ""
        name = self.program.need(function.name, FUNCTIONS)
        arguments = (function.parameter, function.ceiling, function.threshold)
        some = arguments[: PARAMETERS.get(function.name, 0)]
        return f"v = {name}({', '.join(['v', *map(real, some)])});\n"

    def ends(self, node: Node, done: bool = False) -> str:
        """The node's own activation, unless that is done, and what follows it."""
        own = node.settings.get("activation", LINEAR)
        if own.name == "softmax":
            return ""
        return ("" if done else self.activation(own)) + self.each_value()

    def own_of_sums(self, node: Node, count: str) -> str:
        """A line for the node's own activation of `count` sums in vectors; nothing but for tanh."""
        own = node.settings.get("activation", LINEAR)
        if own.name != "tanh":
            return ""
        return f"{self.program.need('tanh_each', FUNCTIONS)}(sums, {count});\n"

    # Steps

    def add(self, title: str, text: str, shape: tuple[int, int, int], **values: Any) -> None:
        for name in ("end", "after"):
            if name in values:
                values[name] = _indented(values[name], 12 if "net_conv2d" in text else 6)
        body = filled(text, **values)
        self.program.add(f"{title}: {_words(shape)}", body, math.prod(shape), "float")

    def softmax(self, node: Node) -> None:
        own = node.settings.get("activation", LINEAR)
        if own.name == "softmax":
            name = self.program.need("softmax", FUNCTIONS)
            values = math.prod(node.output_shape)
            if not self.program.steps:
                self.map("input", node.input_shape, "x[i * $channels + k]", "")
            body = f"  {name}(y, {values});\n  (void)x;\n"
            self.program.add("softmax", body, values, "float", in_place=True)
            if lines := self.each_value():
                self.map("scaled", node.output_shape, "x[i * $channels + k]", lines)

    def map(self, title: str, shape: tuple[int, int, int], value: str, end: str) -> None:
        height, width, channels = shape
        text = MAP.replace("$value", value)
        self.add(title, text, shape, cells=height * width, channels=channels, end=end)

    def padded(self, shape: tuple[int, int, int], size: tuple[int, int], top: int, left: int,
               end: str = "") -> None:  # fmt: skip
        self.add(
            "zeros around it",
            PAD,
            (*size, shape[2]),
            rows=size[0],
            columns=size[1],
            top=top,
            left=left,
            in_rows=shape[0],
            in_columns=shape[1],
            channels=shape[2],
            end=end,
        )

    def halving(self) -> Node | None:
        """The next node, where it takes the largest or the mean of each four cells."""
        node = self.nodes[self.at] if self.at < len(self.nodes) else None
        if node is None or node.kind not in ("max_pool2d", "average_pool2d"):
            return None
        halves = node.settings["pool_size"] == node.settings["strides"] == (2, 2)
        if not halves or any(2 * out > size for out, size in _sizes(node)):
            return None
        return node


def _conv2d(writer: _Writer, node: Node, weights: Weights) -> None:
    program, settings = writer.program, node.settings
    (before, padded), window, strides = _padding(node, "kernel_size"), *_window(node, "kernel_size")
    kernel = weights["kernel"]
    if settings["connections"]:
        kernel = full_kernel(kernel, settings["connections"], node.input_shape[2])
    if padded != node.input_shape[:2]:
        writer.padded(node.input_shape, padded, *before)
    channels, filters = kernel.shape[2:]
    bias = weights.get("bias", np.zeros(filters, np.float32))
    title = f"conv2d {node.layers[0]}"
    program.multiply_adds += math.prod(node.output_shape[:2]) * kernel.size
    program.need("conv2d", FUNCTIONS)
    names = {
        "kernel": program.constant("kernel", "float", kernel.transpose(2, 0, 1, 3), "NET_SPARE"),
        "bias": program.constant("bias", "float", bias, "NET_SPARE"),
    }
    each = writer.own_of_sums(node, "4 * NET_TILE")
    end = writer.ends(node, bool(each))
    row = padded[1] * channels
    pool = writer.halving()
    down, right = strides[0] * row, strides[1] * channels
    shape = node.output_shape
    if pool is not None:
        writer.at += 1
        shape, title = pool.output_shape, f"{title}, {pool.kind} {pool.layers[0]}"
        largest = pool.kind == "max_pool2d"
        store, offsets = STORE_MAX if largest else STORE_MEAN, ""
        if largest and end in ("", "v = net_relu(v);\n"):
            store = STORE_LARGEST.replace("$floor", "0.0f" if end else "-HUGE_VALF")
        if largest:
            needed = "largest" if "net_largest" in store else "larger_or_nan"
            program.need(needed, FUNCTIONS)
        places, across = f"{right}, {down}, {down + right}", 1
        down, right = 2 * down, 2 * right
        after = writer.each_value()
    else:
        store, offsets, places, across, after = STORE, OFFSETS, "b, c, d", 4, ""
    writer.add(
        title,
        CONV2D.replace("$offsets", offsets).replace("$store", store),
        shape,
        rows=shape[0],
        columns=shape[1],
        across=across,
        down=down,
        right=right,
        filters=filters,
        channels=channels,
        window=f"{window[0]}, {window[1]}",
        row=row,
        places=places,
        each=f"        {each}" if each else "",
        end=end,
        after=after,
        **names,
    )
    writer.softmax(node)


def _dense(writer: _Writer, node: Node, weights: Weights) -> None:
    program = writer.program
    units = node.output_shape[2]
    inputs = math.prod(node.input_shape)
    bias = weights.get("bias", np.zeros(units, np.float32))
    program.multiply_adds += inputs * units
    program.need("dense", FUNCTIONS)
    names = {
        "kernel": program.constant("kernel", "float", weights["kernel"], "NET_SPARE"),
        "bias": program.constant("bias", "float", bias, "NET_SPARE"),
    }
    each = writer.own_of_sums(node, "NET_WIDE")
    names["end"] = writer.ends(node, bool(each))
    names["each"] = f"    {each}" if each else ""
    title = f"dense {node.layers[0]}"
    writer.add(title, DENSE, node.output_shape, units=units, inputs=inputs, **names)
    writer.softmax(node)


def _pool2d(writer: _Writer, node: Node, weights: Weights) -> None:
    (top, left), _ = _padding(node, "pool_size")
    (height, width), strides = _window(node, "pool_size")
    rows, columns, channels = node.output_shape
    cell = f"x[(row * {node.input_shape[1]} + column) * {channels} + k]"
    end = ""
    if node.kind == "max_pool2d":
        start = cell.replace("row", "row_begin").replace("column", "column_begin")
        gather = f"v = {writer.program.need('larger_or_nan', FUNCTIONS)}(v, {cell});"
    else:
        start, gather = "0.0f", f"v += {cell};"
        if node.kind == "average_pool2d":
            end = "v = v / (float)((row_end - row_begin) * (column_end - column_begin));\n"
        else:
            end = writer.affine(weights["coefficient"], weights["bias"])
    writer.add(
        f"{node.kind} {node.layers[0]}",
        POOL,
        node.output_shape,
        rows=rows,
        columns=columns,
        channels=channels,
        top=top,
        left=left,
        height=height,
        width=width,
        step_down=strides[0],
        step_right=strides[1],
        in_rows=node.input_shape[0],
        in_columns=node.input_shape[1],
        start=start,
        gather=gather,
        end=end + writer.ends(node),
    )
    writer.softmax(node)


def _zero_padding2d(writer: _Writer, node: Node, weights: Weights) -> None:
    top, _, left, _ = node.settings["padding"]
    rows, columns, _ = node.output_shape
    writer.padded(node.input_shape, (rows, columns), top, left, writer.each_value())


def _rbf(writer: _Writer, node: Node, weights: Weights) -> None:
    codes = np.array([[1 if sign == "+" else -1 for sign in c] for c in node.settings["codes"]])
    units, inputs = codes.shape
    writer.program.multiply_adds += codes.size
    name = writer.program.constant("codes", "int8_t", codes.T.astype(np.int8))
    end = writer.each_value()
    title = f"rbf {node.layers[0]}"
    writer.add(title, RBF, node.output_shape, units=units, inputs=inputs, codes=name, end=end)


def _of_each(writer: _Writer, node: Node, weights: Weights) -> None:
    """What comes first, or after a softmax: nothing there could do it along."""
    if node.settings.get("activation", LINEAR).name == "softmax":
        writer.softmax(node)
        return
    writer.at -= 1
    writer.map(node.layers[0], node.input_shape, "x[i * $channels + k]", writer.each_value())


_KINDS = {
    "activation": _of_each,
    "average_pool2d": _pool2d,
    "batch_normalization": _of_each,
    "conv2d": _conv2d,
    "dense": _dense,
    "max_pool2d": _pool2d,
    "rbf": _rbf,
    "rescaling": _of_each,
    "subsample2d": _pool2d,
    "zero_padding2d": _zero_padding2d,
}


def batch_affine(
    weights: Weights, epsilon: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Factor and summand of a batch normalisation, to the bits of csrc/layers/normalization.cpp."""
    one = np.float32(1)
    factor = one / np.sqrt(weights["moving_variance"] + np.float32(epsilon))
    if "gamma" in weights:
        factor = factor * weights["gamma"]
    shift = weights["moving_mean"] * factor
    return factor, (weights["beta"] - shift if "beta" in weights else -shift)


def program_of(model: Sequential) -> Program:
    """The model as a program. Raises ValueError where C cannot say what a layer does."""
    for node in model.graph.nodes:
        if not _is_unchanging(node) and node.kind not in _KINDS:
            raise ValueError(
                f"model {model.name!r} has the layer {node.layers[0]!r} of kind {node.kind!r}, "
                f"and C is written of {', '.join(_KINDS)} only"
            )
    return _Writer(model).write()


def _is_unchanging(node: Node) -> bool:
    return node.kind in UNCHANGING or (
        node.kind == "activation" and node.settings["activation"] == LINEAR
    )


def _sizes(node: Node) -> list[tuple[int, int]]:
    return [(node.output_shape[axis], node.input_shape[axis]) for axis in (0, 1)]


def _window(node: Node, name: str) -> tuple[tuple[int, int], tuple[int, int]]:
    return node.settings[name], node.settings["strides"]


def _padding(node: Node, name: str) -> tuple[tuple[int, int], tuple[int, int]]:
    """Zeros before, (top, left), and the sizes with all zeros."""
    before, sizes = [0, 0], [*node.input_shape[:2]]
    if node.settings.get("same_padding"):
        window, strides = _window(node, name)
        for axis, (out, size) in enumerate(_sizes(node)):
            total = max((out - 1) * strides[axis] + window[axis] - size, 0)
            before[axis], sizes[axis] = total // 2, size + total
    return (before[0], before[1]), (sizes[0], sizes[1])


def _words(shape: tuple[int, int, int]) -> str:
    return f"{shape[2]} values" if shape[:2] == (1, 1) else "x".join(map(str, shape))


def _indented(lines: str, by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in lines.splitlines())
