"""ONNX graphs that are one chain of layers, as a Sequential.

The graph is gone through node by node, with constants computed (`_onnx_constants.py`) and what
comes of the model's input told as a chain (`_chain.py`). ONNX's operators and their versions:
https://onnx.ai/onnx/operators/. Whatever is not known here is refused by operator and node: loading
does not guess.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._arrays import Shape
from .._warn import warn
from ..models import Sequential
from . import _chain, _onnx_constants
from ._chain import FunctionStep, LayerStep, Samples, channels_first, in_order
from ._onnx_constants import MOST_VALUES, Constant
from ._onnx_node import Node, Value, Windows, windows

OPSETS = range(7, 29)  # of the standard operators: those whose changes are known here
MOST_NODES = 2000
OWN = "pylenet"  # a producer's name
SECTIONS = ("functions", "training_info")


def model_of(proto: Any, folder: Path) -> Sequential:
    """The model of a ModelProto whose external tensors lie in `folder`, or below it."""
    model = _model_of(proto, folder)
    if proto.producer_name == OWN:  # others may have props of these names
        told = {entry.key: entry.value for entry in proto.metadata_props}
        model.set_facts({name: json.loads(told[name]) for name in model.facts() if name in told})
    return model


def _model_of(proto: Any, folder: Path) -> Sequential:
    for section in SECTIONS:
        if len(getattr(proto, section)):
            raise ValueError(f"it has {section}, which are not known here")
    opset = _opset(proto)
    graph = proto.graph
    if len(graph.node) > MOST_NODES or len(graph.sparse_initializer):
        raise ValueError(f"it must have at most {MOST_NODES} nodes and no sparse tensors")
    if len(graph.output) != 1:
        raise ValueError(f"it must have one output, got {len(graph.output)}")
    constants = {t.name: Constant(_onnx_constants.tensor(t, folder)) for t in graph.initializer}
    inputs = [entry for entry in graph.input if entry.name not in constants]
    if len(inputs) != 1:
        raise ValueError(f"it must have one input, got {len(inputs)}")
    batch, sizes = _input(inputs[0])
    failures: list[_Failure] = []
    own = proto.producer_name == OWN
    for shape in _input_shapes(sizes, own):
        last = own or (len(sizes) == 3 and shape == sizes)
        order = channels_first(shape) if shape[:2] == sizes[1:] else in_order(shape)
        values: dict[str, Value] = dict(constants)
        values[inputs[0].name] = Samples((), shape, order.reshape(sizes))
        try:
            return _Reader(opset, batch, folder, values).model(graph, shape, last)
        except _Failure as failure:
            failures.append(failure)
    raise ValueError(str(max(failures, key=lambda failure: failure.place)))


EDGE = "that repeats the edge of images"  # there is none: maximum pooling does without it
Sides = tuple[tuple[int, int], tuple[int, int]]


class _Failure(ValueError):
    """What is wrong, and at the how manieth node."""

    def __init__(self, place: int, message: str) -> None:
        super().__init__(message)
        self.place = place


def _opset(proto: Any) -> int:
    versions = [entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")]
    if len(versions) != 1 or versions[0] not in OPSETS:
        raise ValueError(
            f"its operators must be of one version from {OPSETS[0]} to {OPSETS[-1]}, got {versions}"
        )
    return int(versions[0])


def _input(entry: Any) -> tuple[int | None, Shape]:
    """How many samples go in, None for any number, and the shape of one as the file has it."""
    from onnx import TensorProto

    kind = entry.type.tensor_type
    if kind.elem_type not in (TensorProto.FLOAT, TensorProto.UINT8):
        name = TensorProto.DataType.Name(kind.elem_type)
        raise ValueError(f"its input {entry.name!r} must be FLOAT or UINT8, got {name}")
    sizes = [size.dim_value for size in kind.shape.dim]
    shape = tuple(sizes[1:])
    if not 1 <= len(shape) <= 3 or min(shape) < 1 or math.prod(shape) > MOST_VALUES:
        raise ValueError(
            f"its input {entry.name!r} must be flat samples or images of fixed sizes, of at most "
            f"{MOST_VALUES} values, got sizes {sizes} (0 is any)"
        )
    return (sizes[0] if sizes[0] > 0 else None), shape


def _input_shapes(sizes: Shape, own: bool) -> list[Shape]:
    """The shapes that samples may have here, the likeliest first. own: of a file of pylenet's.

    Of an image the file does not tell whether its first or its last axis is the channels; the graph
    mostly does, for only one of both makes sense in it.
    """
    if len(sizes) == 1:
        return [sizes]
    if len(sizes) == 2:
        return [sizes, (*sizes, 1)] if own else [(*sizes, 1), sizes]
    first = (*sizes[1:], sizes[0])
    return [first, sizes] if sizes[0] <= sizes[2] and not own else [sizes, first]


class _Reader:
    """Goes through a graph. values: of tensors by name. batch: how many samples, None for any."""

    def __init__(
        self, opset: int, batch: int | None, folder: Path, values: dict[str, Value]
    ) -> None:
        self.opset, self.batch, self.folder, self.values = opset, batch, folder, values
        self.warnings: list[str] = []

    def model(self, graph: Any, input_shape: Shape, channels_last: bool) -> Sequential:
        nodes = _needed(graph)
        for place, node in enumerate(nodes):
            try:
                self._read(node)
            except (ValueError, TypeError, IndexError, OverflowError) as error:
                name = node.name or (node.output[0] if node.output else "")
                operator = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
                raise _Failure(place, f"node {name!r} ({operator}): {error}") from None
        try:
            output = self.values[graph.output[0].name]
            if not isinstance(output, Samples):
                raise ValueError("its output does not depend on its input")
            model = _chain.model_of(
                _model_name(graph.name), input_shape, _output(output, channels_last)
            )
        except (ValueError, TypeError, KeyError) as error:
            raise _Failure(len(nodes), str(error)) from None
        for text in self.warnings:
            warn(text)
        return model

    def _read(self, proto: Any) -> None:
        if proto.domain not in ("", "ai.onnx") or proto.op_type not in _OPERATORS:
            hint = HINTS.get(proto.op_type, "")
            raise ValueError(f"this operator is not known here{hint}")
        missing = [name for name in proto.input if name and name not in self.values]
        if missing:
            raise ValueError(f"its input {missing[0]!r} is computed nowhere before it")
        inputs = [self.values[name] if name else None for name in proto.input]
        node = Node(proto, inputs, self.opset)
        value = _OPERATORS[proto.op_type](self, node)
        node.finish()
        if isinstance(value, Samples) and value.order.size > MOST_VALUES:
            raise ValueError(f"a sample has {value.order.size} values there, at most {MOST_VALUES}")
        if proto.output[0] in self.values:
            raise ValueError(f"its output {proto.output[0]!r} is computed twice")
        self.values[proto.output[0]] = value


LOG_SOFTMAX = (
    "its LogSoftmax is loaded as a softmax: predictions are probabilities, not their logarithms"
)
HINTS = dict.fromkeys(
    ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger", "DynamicQuantizeLinear"),
    ": a quantised model; load the float model that it was made from",
)


def _needed(graph: Any) -> list[Any]:
    """The nodes that the output is computed from, in the file's order."""
    wanted, needed = {entry.name for entry in graph.output}, []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            needed.append(node)
            wanted.update(node.input)
    return needed[::-1]


def _model_name(name: str) -> str:
    return name if name.isascii() and name.isprintable() and name else "sequential"


def _output(samples: Samples, channels_last: bool) -> Samples:
    """The same in the shape that the file's output has; of images channels last.

    channels_last: whether images in the file have them last, where both make sense.
    """
    found, order = _chain.settled(samples), samples.order
    shapes = [(order.shape, in_order(order.shape))]
    if order.ndim == 3:
        image = (*order.shape[1:], order.shape[0])
        shapes.insert(1 if channels_last else 0, (image, channels_first(image)))
    for shape, wanted in shapes:
        if np.array_equal(order, wanted):
            return found.shaped(shape)
    raise ValueError("its outputs come in another order than a layer here gives them in")


_Handler = Callable[[_Reader, Node], Value]
_OPERATORS: dict[str, _Handler] = {}


def _reads(*operators: str) -> Callable[[_Handler], _Handler]:
    """Makes a function the one that reads nodes of these operators."""

    def register(handler: _Handler) -> _Handler:
        _OPERATORS.update(dict.fromkeys(operators, handler))
        return handler

    return register


# Layers


@_reads("Conv")
def _conv(reader: _Reader, node: Node) -> Value:
    kernel = node.weight(1)
    if kernel.ndim != 4 or not kernel.size:
        raise ValueError(f"its kernel must have 4 dimensions, got shape {kernel.shape}")
    samples, (filters, links, *size) = node.samples().image(), kernel.shape
    height, width, channels = samples.shape
    groups = node.integer("group", 1)
    node.expect("kernel_shape", size)
    if groups < 1 or links * groups != channels or filters % groups:
        raise ValueError(
            f"its kernel {kernel.shape} in {groups} groups does not fit {channels} channels"
        )
    rows, columns = windows(node, (height, width), size)
    padding = "valid"
    if rows.is_same() and columns.is_same() and not (rows.is_valid() and columns.is_valid()):
        padding = "same"
    elif not (rows.is_valid() and columns.is_valid()):
        samples = _padded(samples, rows, columns)
    arguments = {
        "filters": filters,
        "kernel_size": tuple(size),
        "strides": (rows.stride, columns.stride),
        "padding": padding,
        "activation": None,
        "use_bias": node.has(2),
    }
    kernel = kernel.transpose(2, 3, 1, 0)
    if groups > 1:
        each = filters // groups
        firsts = [filter_ // each * links for filter_ in range(filters)]
        arguments["connections"] = [list(range(first, first + links)) for first in firsts]
        kernel = _by_input(kernel, firsts)
    weights = (kernel, node.weight(2)) if node.has(2) else (kernel,)
    shape = (rows.places, columns.places, filters)
    return Samples((*samples.steps, LayerStep("Conv2D", arguments, weights)), shape, _first(shape))


def _by_input(kernel: NDArray[Any], firsts: list[int]) -> NDArray[Any]:
    """A kernel (kh, kw, links, filters) as Conv2D(connections=) has it: by input, then filter.

    firsts: each filter's first input.
    """
    links = kernel.shape[2]
    table = [(first + k, filter_, k) for filter_, first in enumerate(firsts) for k in range(links)]
    return np.stack([kernel[:, :, k, filter_] for _, filter_, k in sorted(table)], axis=-1)


@_reads("MaxPool", "AveragePool")
def _pool(reader: _Reader, node: Node) -> Value:
    kernel = node.integers("kernel_shape")
    node.ignore("storage_order")
    counts_padding = bool(node.integer("count_include_pad", 0))
    samples, is_max = node.samples().image(), node.operator == "MaxPool"
    samples, edge = _without_edge(samples)
    if not is_max and any(map(any, edge)):
        raise ValueError(
            "its padding repeats the image's edge and counts, as Keras on PyTorch pads 'same'; "
            "here, as in Keras on TensorFlow, padding does not count"
        )
    height, width, channels = samples.shape
    rows, columns = both = windows(node, (height, width), kernel, edge)
    padding = "valid"
    if counts_padding and any(one.before or one.padded for one in both):
        if any(one.after > one.padded for one in both):
            raise ValueError("it counts padding, and has windows that reach beyond it")
        samples = _padded(samples, rows, columns)
    elif all(one.is_valid() for one in both):
        pass
    elif all(one.is_same() for one in both):
        padding = "same"
    elif (  # zeros are then no larger than any value, and no window has nothing else
        is_max
        and all(max(one.before, one.after) < one.length for one in both)
        and _chain.never_negative(samples)
    ):
        samples = _padded(samples, rows, columns)
    else:
        raise ValueError(
            f"its padding {[one.before for one in both]} before and {[one.after for one in both]} "
            "behind the image does not count, and no layer here pads so but by 'valid' and 'same'"
        )
    arguments = {
        "pool_size": (rows.length, columns.length),
        "strides": (rows.stride, columns.stride),
        "padding": padding,
    }
    shape = (rows.places, columns.places, channels)
    step = LayerStep("MaxPooling2D" if is_max else "AveragePooling2D", arguments)
    return Samples((*samples.steps, step), shape, _first(shape))


def _padded(samples: Samples, rows: Windows, columns: Windows) -> Samples:
    """An image with zeros around it, as many as the windows reach."""
    return _around(samples, ((rows.before, rows.after), (columns.before, columns.after)))


def _around(samples: Samples, sides: Sides, layer: str = "ZeroPadding2D") -> Samples:
    height, width, channels = samples.shape
    shape = (height + sum(sides[0]), width + sum(sides[1]), channels)
    step = LayerStep(layer, {"padding": sides})
    return Samples((*samples.steps, step), shape, _first(shape))


def _without_edge(samples: Samples) -> tuple[Samples, Sides]:
    """An image as it was before it was padded by its edge, and by how much on each side.

    Windows that reach into such padding have the edge's values in them anyway, so a maximum does
    not see it.
    """
    last = samples.steps[-1] if samples.steps else None
    if not isinstance(last, LayerStep) or last.layer != EDGE:
        return samples, ((0, 0), (0, 0))
    sides: Sides = last.arguments["padding"]
    shape = (samples.shape[0] - sum(sides[0]), samples.shape[1] - sum(sides[1]), samples.shape[2])
    return Samples(samples.steps[:-1], shape, channels_first(shape)), sides


def _first(shape: Shape) -> _chain.Order:
    """channels_first(shape), of a shape that is not too large."""
    if math.prod(shape) > MOST_VALUES:
        raise ValueError(f"it gives {shape}, more than {MOST_VALUES} values")
    return channels_first(shape)


@_reads("Pad")
def _pad(reader: _Reader, node: Node) -> Value:
    samples, pads = node.samples(), node.list_of("pads", 1, since=11)
    if (mode := node.text("mode", "constant")) not in ("constant", "edge"):
        raise ValueError(f"its mode must be constant or edge, got {mode!r}")
    value = node.real("value", 0.0) if node.opset < 11 else 0.0
    if node.opset >= 11 and node.has(2):
        value = float(node.constant(2).values.reshape(()))
    if value != 0 or node.has(3) or pads is None or len(pads) != 2 * (samples.order.ndim + 1):
        raise ValueError("it must pad all axes, with zeros")
    samples = _chain.settled(samples)
    turned = np.array_equal(samples.order, in_order(samples.shape))
    image = samples if turned else samples.image()
    ends = list(zip(pads[: len(pads) // 2], pads[len(pads) // 2 :], strict=True))
    sizes = [ends[axis] for axis in ((0, 3, 1, 2) if turned else (0, 1, 2, 3))]
    if len(image.shape) != 3 or any(map(any, sizes[:2])):
        raise ValueError("it must pad the rows and columns of images alone")
    if not all(0 <= n < 2**20 for pair in sizes for n in pair):
        raise ValueError(f"its pads must not be negative, got {pads}")
    layer = "ZeroPadding2D" if mode == "constant" else EDGE
    found = _around(image, (sizes[2], sizes[3]), layer)
    return found._replace(order=in_order(found.shape)) if turned else found


@_reads("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(reader: _Reader, node: Node) -> Value:
    return _over_image(node.samples().image(), "Max" in node.operator, keepdims=True)


def _over_image(samples: Samples, largest: bool, *, keepdims: bool) -> Samples:
    shape = (1, 1, samples.shape[-1])
    layer = "GlobalMaxPooling2D" if largest else "GlobalAveragePooling2D"
    step = LayerStep(layer, {"keepdims": True})
    found = Samples((*samples.steps, step), shape, channels_first(shape))
    return found if keepdims else found._replace(order=found.order.reshape(-1))


@_reads("ReduceMean", "ReduceMax")
def _reduce(reader: _Reader, node: Node) -> Value:
    samples = _chain.settled(node.samples())
    axes = node.list_of("axes", 1, since=18) or []
    keepdims = bool(node.integer("keepdims", 1))
    node.expect("noop_with_empty_axes", 0)
    found = {axis % (samples.order.ndim + 1) for axis in axes}
    if found == {1, 2} and np.array_equal(samples.order, in_order(samples.shape)):
        result = _over_image(samples, node.operator == "ReduceMax", keepdims=keepdims)
        return result._replace(order=result.order.transpose(1, 2, 0)) if keepdims else result
    if found == {2, 3}:
        return _over_image(samples.image(), node.operator == "ReduceMax", keepdims=keepdims)
    raise ValueError(f"it must be over the rows and columns of images, got axes {axes}")


@_reads("Gemm")
def _gemm(reader: _Reader, node: Node) -> Value:
    node.expect("transA", 0)
    kernel = node.weight(1).T if node.integer("transB", 0) else node.weight(1)
    kernel = kernel * np.float32(node.real("alpha", 1.0))
    beta = np.float32(node.real("beta", 1.0))
    return _dense(node.samples(), kernel, node.weight(2) * beta if node.has(2) else None)


@_reads("MatMul")
def _matmul(reader: _Reader, node: Node) -> Value:
    return _dense(node.samples(), node.weight(1), None)


def _dense(samples: Samples, kernel: NDArray[Any], bias: NDArray[Any] | None) -> Samples:
    samples = samples.flat()
    if kernel.ndim != 2 or len(kernel) != samples.order.size or not kernel.size:
        raise ValueError(
            f"its weights must have shape ({samples.order.size}, units), got {kernel.shape}"
        )
    units = kernel.shape[1]
    own = np.empty_like(kernel)
    own[samples.order] = kernel
    weights = [own]
    if bias is not None:
        if bias.shape not in ((units,), (1, units), (1,), ()):
            raise ValueError(f"its bias must have shape ({units},), got {bias.shape}")
        weights.append(np.broadcast_to(bias.reshape(-1), (units,)))
    arguments = {"units": units, "activation": None, "use_bias": bias is not None}
    step = LayerStep("Dense", arguments, tuple(weights))
    return Samples((*samples.steps, step), (units,), in_order((units,)))


@_reads("BatchNormalization")
def _batch_normalization(reader: _Reader, node: Node) -> Value:
    node.expect("training_mode", 0)
    node.expect("spatial", 1)
    samples = node.samples()
    samples = samples.flat() if samples.order.ndim == 1 else samples.image()
    channels = samples.shape[-1]
    weights = [node.weight(place) for place in (1, 2, 3, 4)]
    if any(weight.shape != (channels,) for weight in weights):
        raise ValueError(f"its weights must have shape ({channels},)")
    if samples.order.ndim == 1:
        weights = [_placed(weight, samples) for weight in weights]
    momentum, epsilon = node.real("momentum", 0.9), node.real("epsilon", 1e-5)
    arguments = {"momentum": momentum, "epsilon": epsilon}
    return samples.then(LayerStep("BatchNormalization", arguments, tuple(weights)))


def _placed(values: NDArray[Any], samples: Samples) -> NDArray[Any]:
    """Values of a tensor of the samples' shape, where pylenet has them."""
    own = np.empty(samples.order.size, values.dtype)
    own[samples.order.ravel()] = values.ravel()
    return own


# Functions of each value

_ACTIVATIONS = {
    "Relu": "relu",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Exp": "exponential",
    "HardSwish": "hard_silu",
}


@_reads(*_ACTIVATIONS)
def _activation(reader: _Reader, node: Node) -> Value:
    name = _ACTIVATIONS[node.operator]
    return node.samples().then(_chain.activation(name))


def _elementwise(
    node: Node, layer: str, arguments: dict[str, Any], function: _chain.Function
) -> Samples:
    return node.samples().then(LayerStep(layer, arguments, (), function))


@_reads("LeakyRelu", "PRelu")
def _leaky_relu(reader: _Reader, node: Node) -> Value:
    if node.operator == "LeakyRelu":
        slope = node.real("alpha", 0.01)
    else:
        slopes = node.weight(1)
        if not slopes.size or (slopes != slopes.flat[0]).any():
            raise ValueError("its slope must be one for all channels")
        slope = float(slopes.flat[0])
    return _elementwise(
        node, "LeakyReLU", {"negative_slope": slope}, lambda x: np.where(x < 0, x * slope, x)
    )


@_reads("Elu")
def _elu(reader: _Reader, node: Node) -> Value:
    alpha = node.real("alpha", 1.0)
    return _elementwise(
        node, "ELU", {"alpha": alpha}, lambda x: np.where(x < 0, alpha * np.expm1(x), x)
    )


@_reads("Clip")
def _clip(reader: _Reader, node: Node) -> Value:
    low, high = -math.inf, math.inf
    if node.opset < 11:
        low, high = node.real("min", low), node.real("max", high)
    else:
        low = float(node.constant(1).values.reshape(())) if node.has(1) else low
        high = float(node.constant(2).values.reshape(())) if node.has(2) else high
    if low == 0 and 0 < high < math.inf:
        return _elementwise(node, "ReLU", {"max_value": high}, lambda x: x.clip(low, high))
    return _function(node, lambda x: x.clip(low, high))


@_reads("Selu")
def _selu(reader: _Reader, node: Node) -> Value:
    alpha, gamma = node.real("alpha", 1.6732632), node.real("gamma", 1.0507010)
    return _function(node, lambda x: gamma * np.where(x < 0, alpha * np.expm1(x), x))


@_reads("HardSigmoid")
def _hard_sigmoid(reader: _Reader, node: Node) -> Value:
    alpha, beta = node.real("alpha", 0.2), node.real("beta", 0.5)
    return _function(node, lambda x: (alpha * x + beta).clip(0, 1))


@_reads("Gelu")
def _gelu(reader: _Reader, node: Node) -> Value:
    if node.text("approximate", "none") == "tanh":
        c = math.sqrt(2 / math.pi)
        return _function(node, lambda x: x / 2 * (1 + np.tanh(c * (x + 0.044715 * x**3))))
    return _function(node, lambda x: x / 2 * (1 + _erf(x / math.sqrt(2))))


_erf = np.vectorize(math.erf, otypes=[np.float64])
_FUNCTIONS: dict[str, _chain.Function] = {
    "Neg": np.negative,
    "Abs": np.abs,
    "Sqrt": np.sqrt,
    "Log": np.log,
    "Reciprocal": np.reciprocal,
    "Erf": _erf,
    "Erfc": lambda x: 1 - _erf(x),
    "Mish": lambda x: x * np.tanh(np.logaddexp(x, 0)),
}


@_reads(*_FUNCTIONS)
def _other_function(reader: _Reader, node: Node) -> Value:
    return _function(node, _FUNCTIONS[node.operator])


def _function(node: Node, function: _chain.Function) -> Samples:
    """What may be an activation, or a part of one."""
    return node.samples().then(FunctionStep(node.operator, function))


@_reads("Pow")
def _power(reader: _Reader, node: Node) -> Value:
    exponent = float(node.constant(1).values.reshape(()))
    return _function(node, lambda x: x**exponent)


@_reads("Softmax", "LogSoftmax")
def _softmax(reader: _Reader, node: Node) -> Value:
    samples = _chain.settled(node.samples())
    rank = samples.order.ndim + 1
    axis = node.integer("axis", -1 if node.opset >= 13 else 1)
    axis = axis % rank if -rank <= axis < rank else 0
    over = samples.order.shape[axis - 1] if node.opset >= 13 else math.prod(samples.order.shape)
    if axis == 0 or over != samples.order.size or (node.opset < 13 and axis != 1):
        raise ValueError("it must be over all values of a sample")
    if node.operator == "LogSoftmax":
        reader.warnings.append(LOG_SOFTMAX)
    return samples.shaped((samples.order.size,)).then(_chain.activation("softmax"))


@_reads("Add", "Sub", "Mul", "Div")
def _arithmetic(reader: _Reader, node: Node) -> Value:
    if len(node.inputs) != 2:
        raise ValueError(f"it must have 2 inputs, got {len(node.inputs)}")
    left, right = node.inputs
    if isinstance(left, Constant) and isinstance(right, Constant):
        return _onnx_constants.arithmetic(node.operator, left, right)
    if isinstance(left, Samples) and isinstance(right, Samples):
        operation = _onnx_constants.ARITHMETIC[node.operator]
        return _chain.joined(node.operator, left, right, operation)
    samples = node.samples(0 if isinstance(left, Samples) else 1)
    constant = node.weight(1 if isinstance(left, Samples) else 0)
    value = _for_channels(samples, constant)
    if node.operator == "Add":
        return _chain.scaled(samples, 1, value)
    if node.operator == "Mul":
        return _chain.scaled(samples, value, 0)
    if node.operator == "Sub":
        return _chain.scaled(samples, *((1, -value) if samples is left else (-1, value)))
    if samples is left:
        return _chain.scaled(samples, 1 / value, 0)
    if value.ndim:
        raise ValueError("it divides by samples")
    return _function(node, lambda x: value / x)


def _for_channels(samples: Samples, constant: NDArray[np.float32]) -> NDArray[np.float64]:
    """A constant that is combined with samples: one value, or one for each of their channels."""
    if constant.size == 1:
        return constant.reshape(()).astype(np.float64)
    shape = samples.order.shape
    if constant.ndim > len(shape):
        if constant.shape[0] != 1 or constant.ndim > len(shape) + 1:
            raise ValueError(f"its constant has shape {constant.shape}, samples have {shape}")
        constant = constant[0]
    if np.broadcast_shapes(constant.shape, shape) != shape:
        raise ValueError(f"its constant has shape {constant.shape}, samples have {shape}")
    everywhere = _placed(np.broadcast_to(constant, shape), samples).reshape(samples.shape)
    channels = everywhere.reshape(-1, samples.shape[-1])
    if (channels != channels[0]).any():
        raise ValueError("its constant must have one value, or one for each channel")
    values: NDArray[np.float64] = channels[0].astype(np.float64)
    return values


# What moves values, or shapes, and computes nothing


@_reads("Identity", "Dropout")
def _identity(reader: _Reader, node: Node) -> Value:
    node.ignore("ratio", "seed")
    if node.has(2) and bool(node.constant(2).values.any()):
        raise ValueError("its training_mode must be false")
    return node.samples() if isinstance(node.inputs[0], Samples) else node.constant(0)


@_reads("Cast")
def _cast(reader: _Reader, node: Node) -> Value:
    from onnx import TensorProto, helper

    to = node.integer("to", 0)
    node.ignore("saturate", "round_mode")
    if isinstance(node.inputs[0], Samples):
        if to != TensorProto.FLOAT:
            raise ValueError(f"samples must stay float32, got a cast to type {to}")
        return node.samples()
    constant = node.constant(0)
    if to not in (TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64):
        raise ValueError(f"constants must become FLOAT, INT32 or INT64, got a cast to type {to}")
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(to))
    return constant._replace(values=constant.values.astype(dtype))


@_reads("Transpose")
def _transpose(reader: _Reader, node: Node) -> Value:
    axes = node.integers("perm")
    if isinstance(node.inputs[0], Constant):
        constant = node.constant(0)
        return constant._replace(values=constant.values.transpose(axes or None))
    samples = node.samples()
    axes = axes or list(range(samples.order.ndim + 1))[::-1]
    if sorted(axes) != list(range(samples.order.ndim + 1)) or axes[0] != 0:
        raise ValueError(f"it must leave the samples' axis the first, got perm {axes}")
    return samples._replace(order=samples.order.transpose([axis - 1 for axis in axes[1:]]))


@_reads("Reshape")
def _reshape(reader: _Reader, node: Node) -> Value:
    target = node.constant(1)
    if target.values.dtype.kind != "i" or target.values.ndim != 1:
        raise ValueError("its shape must be a list of integers")
    copies = not node.integer("allowzero", 0)
    first, *rest = target.values.tolist() or [None]
    if isinstance(node.inputs[0], Constant):
        return node.constant(0)._replace(values=node.constant(0).values.reshape([first, *rest]))
    samples = node.samples()
    if not (first == -1 or (first == 0 and copies) or first == reader.batch):
        raise ValueError(f"it must keep the number of samples, got shape {[first, *rest]}")
    sizes = samples.order.shape
    if copies:
        rest = [sizes[axis] if size == 0 else size for axis, size in enumerate(rest)]
    if first == -1 and not target.batch and -1 in rest:
        raise ValueError(f"its shape must have one -1 at most, got {[first, *rest]}")
    if not 1 <= len(rest) <= 4:
        raise ValueError(f"it must keep samples flat or images, got shape {[first, *rest]}")
    return samples._replace(order=samples.order.reshape(rest))


@_reads("Flatten")
def _flatten(reader: _Reader, node: Node) -> Value:
    samples = node.samples()
    if node.integer("axis", 1) not in (1, -samples.order.ndim):
        raise ValueError("its axis must be 1")
    return samples._replace(order=samples.order.reshape(-1))


@_reads("Squeeze", "Unsqueeze")
def _squeeze(reader: _Reader, node: Node) -> Value:
    axes, squeezes = node.list_of("axes", 1, since=13), node.operator == "Squeeze"
    if axes is None and not squeezes:
        raise ValueError("its axes are missing")
    change: Callable[..., NDArray[Any]] = np.squeeze if squeezes else np.expand_dims
    if isinstance(node.inputs[0], Constant):
        constant = node.constant(0)
        return constant._replace(values=change(constant.values, axes and tuple(axes)))
    samples = node.samples()
    if axes is None:
        if reader.batch == 1:
            raise ValueError("it must leave the samples' axis as it is")
        return samples._replace(order=samples.order.squeeze())
    rank = samples.order.ndim + 1 + (0 if squeezes else len(axes))
    found = [axis % rank - 1 for axis in axes]
    if min(found) < 0:
        raise ValueError("it must leave the samples' axis as it is")
    return samples._replace(order=change(samples.order, tuple(found)))


@_reads("Shape")
def _shape(reader: _Reader, node: Node) -> Value:
    if isinstance(node.inputs[0], Constant):
        return Constant(np.array(node.constant(0).values.shape, np.int64))
    found = _onnx_constants.shape_of(list(node.samples().order.shape))
    start, end = node.integer("start", 0), node.integer("end", len(found.values))
    return found._replace(values=found.values[start:end])


@_reads("Constant")
def _constant(reader: _Reader, node: Node) -> Value:
    if (proto := node.proto("value")) is not None:
        return Constant(_onnx_constants.tensor(proto, reader.folder))
    for kind, dtype in (("INT", np.int64), ("FLOAT", np.float32)):
        for name in (kind, f"{kind}S"):
            if (value := node.attribute(f"value_{name.lower()}", name)) is not None:
                return Constant(np.array(value, dtype))
    raise ValueError("it has no value known here")


@_reads("ConstantOfShape")
def _constant_of_shape(reader: _Reader, node: Node) -> Value:
    proto = node.proto("value")
    value = None if proto is None else _onnx_constants.tensor(proto, reader.folder)
    return _onnx_constants.filled(node.constant(0), value)


@_reads("Gather")
def _gather(reader: _Reader, node: Node) -> Value:
    return _onnx_constants.gathered(node.constant(0), node.constant(1), node.integer("axis", 0))


@_reads("Concat")
def _concat(reader: _Reader, node: Node) -> Value:
    if any(isinstance(value, Samples) for value in node.inputs):
        raise ValueError("it joins two branches, and only chains of layers are loaded")
    parts = [node.constant(place) for place in range(len(node.inputs))]
    return _onnx_constants.joined(parts, node.integer("axis", 0))


@_reads("Slice")
def _slice(reader: _Reader, node: Node) -> Value:
    bounds = [node.constant(place) for place in range(1, len(node.inputs))]
    return _onnx_constants.sliced(node.constant(0), bounds)
