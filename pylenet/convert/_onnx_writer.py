"""A Sequential as an ONNX graph, made from the nodes that its layers are computed by.

Samples go in, and come out, as pylenet has them: images with channels last, any number of them,
float32. Inside, images have their channels first, as ONNX's convolutions want them; transposes
stand where one becomes the other. Opset 17, which every runtime of the last years reads.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from .._arrays import Shape

if TYPE_CHECKING:
    from ..models import Sequential
    from ..models._graph import Node

OPSET, IR_VERSION = 17, 8  # both of 2022

Weights = Mapping[str, NDArray[np.float32]]


def proto_of(model: Sequential) -> Any:
    """A ModelProto. Raises ValueError where a layer does what ONNX has no way to say."""
    from onnx import TensorProto, checker, helper

    flat = model.network.snapshot(model.parameters)
    writer = _Writer(model.input_shape[1:])
    for placed in model.placed:
        layer = placed.layer
        writer.layer = layer.name or type(layer).__name__
        for node in placed.nodes:
            if node.kind not in _KINDS:
                raise ValueError(
                    f"layer {layer.name!r} ({type(layer).__name__}) cannot be written to ONNX"
                )
            _KINDS[node.kind](writer, node, {t.name: t.of(flat) for t in node.tensors})
        writer.reshape(placed.output_shape)
    writer.channels_last()
    writer.layer = "output"
    writer.add("Identity", output="output")
    input_, output = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *shape[1:]])
        for name, shape in (("input", model.input_shape), ("output", model.output_shape))
    )
    graph = helper.make_graph(writer.nodes, model.name, [input_], [output], writer.tensors)
    proto = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="pylenet",
        producer_version=__version__,
    )
    facts = model.facts().items()
    helper.set_model_props(proto, {k: json.dumps(v) for k, v in facts if v is not None})
    checker.check_model(proto)
    return proto


class _Writer:
    """Writes one node behind the other. layer: whose they are. value: what the last one gives."""

    layer = "input"

    def __init__(self, shape: tuple[int | None, ...]) -> None:
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []
        self.value = "input"
        self._names: set[str] = set()
        self.shape: Shape = tuple(size or 0 for size in shape)  # of a sample, as pylenet has it
        self.first = False  # whether an image has its channels first, in the file

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """A node of the value and of other inputs; the value is what it gives."""
        from onnx import helper

        name = self._new(f"{self.layer}/{operator}")
        given = output or f"{name}:0"
        self.nodes.append(
            helper.make_node(operator, [self.value, *inputs], [given], name, **attributes)
        )
        self.value = given
        return given

    def tensor(self, name: str, values: Any, dtype: Any = np.float32) -> str:
        """A constant of the layer."""
        from onnx import numpy_helper

        name = self._new(f"{self.layer}.{name}")
        array = np.array(values, dtype, order="C")
        self.tensors.append(numpy_helper.from_array(array, name))
        return name

    def _new(self, name: str) -> str:
        """A name that nothing has yet."""
        number, found = 0, name
        while found in self._names:
            number += 1
            found = f"{name}_{number}"
        self._names.add(found)
        return found

    def channels_first(self) -> None:
        """Turns an image, unless it is so."""
        if not self.first:
            self.add("Transpose", perm=[0, 3, 1, 2])
            self.first = True

    def channels_last(self) -> None:
        """Turns an image back, if it was turned."""
        if self.first:
            self.add("Transpose", perm=[0, 2, 3, 1])
            self.first = False

    def reshape(self, shape: Shape) -> None:
        """The value gets the shape that a layer's output has here."""
        if shape == self.shape:
            return
        if len(shape) == 1:
            if self.first and self.shape[2] > 1 and math.prod(self.shape[:2]) > 1:
                self.channels_last()
            self.add("Flatten", axis=1)
        else:
            self.channels_last()
            self.add("Reshape", self.tensor("shape", [-1, *shape], np.int64))
        self.shape, self.first = shape, False

    def gives(self, shape: Shape) -> None:
        """A node has given an image of another shape."""
        self.shape = shape

    def scale(self, scale: Any, offset: Any) -> None:
        """value * scale + offset; what changes nothing is left out."""
        if np.any(np.asarray(scale) != 1):
            self.add("Mul", self.tensor("scale", scale))
        if np.any(np.asarray(offset) != 0):
            self.add("Add", self.tensor("offset", offset))

    def activation(self, function: Any) -> None:
        """An activation as C++ knows it."""
        if function.name not in _ACTIVATIONS:
            raise ValueError(
                f"layer {self.layer!r}: its activation {function.name!r} cannot be written to ONNX"
            )
        _ACTIVATIONS[function.name](self, function)


# Activations


def _one(operator: str) -> Callable[[_Writer, Any], None]:
    """Of an activation that is one operator."""

    def write(writer: _Writer, function: Any) -> None:
        writer.add(operator)

    return write


def _scaled_tanh(writer: _Writer, function: Any) -> None:
    writer.scale(2 / 3, 0)
    writer.add("Tanh")
    writer.scale(1.7159, 0)


def _silu(writer: _Writer, function: Any) -> None:
    x = writer.value
    writer.add("Sigmoid")
    writer.add("Mul", x)


def _gelu(writer: _Writer, function: Any) -> None:
    """x / 2 * (1 + erf(x / sqrt(2))): an operator of its own is of opset 20."""
    x = writer.value
    writer.add("Mul", writer.tensor("gelu_slope", math.sqrt(0.5)))
    writer.add("Erf")
    writer.add("Add", writer.tensor("gelu_one", 1))
    writer.add("Mul", x)
    writer.add("Mul", writer.tensor("gelu_half", 0.5))


def _gelu_tanh(writer: _Writer, function: Any) -> None:
    """x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))."""
    x = writer.value
    writer.add("Mul", x)
    writer.add("Mul", writer.tensor("gelu_cubic", 0.044715))
    one = writer.tensor("gelu_one", 1)
    writer.add("Add", one)
    writer.add("Mul", x)
    writer.add("Mul", writer.tensor("gelu_slope", math.sqrt(2 / math.pi)))
    writer.add("Tanh")
    writer.add("Add", one)
    writer.add("Mul", x)
    writer.add("Mul", writer.tensor("gelu_half", 0.5))


def _bounded_relu(writer: _Writer, function: Any) -> None:
    """Below the threshold (x - threshold) * slope, elsewhere x, at most the ceiling."""
    x = writer.value
    if function.parameter == 0 and function.threshold == 0:
        writer.add("Clip", writer.tensor("low", 0), writer.tensor("high", function.ceiling))
        return
    threshold = writer.tensor("threshold", function.threshold)
    below = writer.add("Less", threshold)
    writer.value = x
    high = writer.add("Min", writer.tensor("high", function.ceiling))
    writer.value = x
    writer.add("Sub", threshold)
    low = writer.add("Mul", writer.tensor("slope", function.parameter))
    writer.value = below
    writer.add("Where", low, high)


_ACTIVATIONS: dict[str, Callable[[_Writer, Any], object]] = {
    "linear": lambda writer, function: None,
    "relu": _one("Relu"),
    "tanh": _one("Tanh"),
    "sigmoid": _one("Sigmoid"),
    "softplus": _one("Softplus"),
    "softsign": _one("Softsign"),
    "exponential": _one("Exp"),
    "selu": _one("Selu"),
    "elu": lambda writer, function: writer.add("Elu", alpha=function.parameter),
    "leaky_relu": lambda writer, function: writer.add("LeakyRelu", alpha=function.parameter),
    "hard_sigmoid": lambda writer, function: writer.add("HardSigmoid", alpha=1 / 6, beta=0.5),
    "softmax": lambda writer, function: writer.add("Softmax", axis=1),
    "scaled_tanh": _scaled_tanh,
    "silu": _silu,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "bounded_relu": _bounded_relu,
}


# Nodes


def _conv2d(writer: _Writer, node: Node, weights: Weights) -> None:
    settings = node.settings
    kernel = weights["kernel"]
    if settings["connections"]:
        kernel = full_kernel(kernel, settings["connections"], node.input_shape[2])
    writer.channels_first()
    inputs = [writer.tensor("kernel", kernel.transpose(3, 2, 0, 1))]
    if settings["use_bias"]:
        inputs.append(writer.tensor("bias", weights["bias"]))
    writer.add("Conv", *inputs, **_windows(node, settings["kernel_size"]))
    writer.gives(node.output_shape)
    writer.activation(settings["activation"])


def full_kernel(
    kernel: NDArray[np.float32], connections: Any, channels: int
) -> NDArray[np.float32]:
    """A kernel (kh, kw, in, filters) with zeros for the links that are not there."""
    table = np.zeros((channels, len(connections)), bool)
    for filter_, inputs in enumerate(connections):
        table[list(inputs), filter_] = True
    full = np.zeros((*kernel.shape[:2], *table.shape), np.float32)
    full[:, :, table] = kernel
    return full


def _windows(node: Node, kernel: tuple[int, int]) -> dict[str, Any]:
    """Attributes of a convolution or a pooling."""
    strides = node.settings["strides"]
    pads = [0] * 4
    if node.settings.get("same_padding"):
        for axis in (0, 1):
            size, count = node.input_shape[axis], node.output_shape[axis]
            total = max((count - 1) * strides[axis] + kernel[axis] - size, 0)
            pads[axis], pads[axis + 2] = total // 2, total - total // 2
    return {"kernel_shape": kernel, "strides": strides, "pads": pads}


def _dense(writer: _Writer, node: Node, weights: Weights) -> None:
    inputs = [writer.tensor(name, values) for name, values in weights.items()]
    writer.add("Gemm", *inputs)
    writer.gives(node.output_shape[2:])
    writer.activation(node.settings["activation"])


def _pool2d(writer: _Writer, node: Node, weights: Weights) -> None:
    kind = "Max" if node.kind == "max_pool2d" else "Average"
    writer.channels_first()
    if node.settings["pool_size"] == node.input_shape[:2] and node.output_shape[:2] == (1, 1):
        writer.add(f"Global{kind}Pool")
    else:
        writer.add(f"{kind}Pool", **_windows(node, node.settings["pool_size"]))
    writer.gives(node.output_shape)


def _zero_padding2d(writer: _Writer, node: Node, weights: Weights) -> None:
    top, bottom, left, right = node.settings["padding"]
    writer.channels_first()
    pads = [0, 0, top, left, 0, 0, bottom, right]
    writer.add("Pad", writer.tensor("pads", pads, np.int64))
    writer.gives(node.output_shape)


def _batch_normalization(writer: _Writer, node: Node, weights: Weights) -> None:
    if len(writer.shape) == 3:
        writer.channels_first()
    ones = np.ones_like(weights["moving_variance"])
    values = {"gamma": ones, "beta": np.zeros_like(ones), **weights}
    inputs = [writer.tensor(name, value) for name, value in values.items()]
    writer.add("BatchNormalization", *inputs, epsilon=node.settings["epsilon"])


def _rescaling(writer: _Writer, node: Node, weights: Weights) -> None:
    writer.scale(node.settings["scale"], node.settings["offset"])


def _subsample2d(writer: _Writer, node: Node, weights: Weights) -> None:
    """The window's sum is its mean times its size."""
    size = node.settings["pool_size"]
    writer.channels_first()
    writer.add("AveragePool", **_windows(node, size))
    writer.gives(node.output_shape)
    coefficient = weights["coefficient"] * np.float32(math.prod(size))
    writer.scale(coefficient.reshape(-1, 1, 1), weights["bias"].reshape(-1, 1, 1))
    writer.activation(node.settings["activation"])


def _rbf(writer: _Writer, node: Node, weights: Weights) -> None:
    codes = [[1.0 if sign == "+" else -1.0 for sign in code] for code in node.settings["codes"]]
    writer.add("Unsqueeze", writer.tensor("axis_of_units", [1], np.int64))
    difference = writer.add("Sub", writer.tensor("codes", codes))
    writer.add("Mul", difference)
    writer.add("ReduceSum", writer.tensor("axis_of_values", [2], np.int64), keepdims=0)
    writer.gives(node.output_shape[2:])


def _nothing(writer: _Writer, node: Node, weights: Weights) -> None:
    """What predictions pass as they are; a new shape is for `reshape`."""


_KINDS: dict[str, Callable[[_Writer, Node, Weights], object]] = {
    "activation": lambda writer, node, weights: writer.activation(node.settings["activation"]),
    "average_pool2d": _pool2d,
    "batch_normalization": _batch_normalization,
    "channel_dropout": _nothing,
    "conv2d": _conv2d,
    "dense": _dense,
    "dropout": _nothing,
    "flatten": _nothing,
    "gaussian_noise": _nothing,
    "max_pool2d": _pool2d,
    "rbf": _rbf,
    "rescaling": _rescaling,
    "reshape": _nothing,
    "subsample2d": _subsample2d,
    "zero_padding2d": _zero_padding2d,
}
