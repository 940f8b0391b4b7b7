"""A model's layers as real-valued blocks, each of which becomes one step on integers.

What only scales and shifts its channels (BatchNormalization, Rescaling) is folded into the weights
beside it, zeros around an image into the convolution behind them, and an activation belongs to the
block whose values it takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._arrays import CoreShape
from ..layers.activation import LINEAR, Function
from ..models import Sequential
from ..models._graph import Graph, Node

Floats = NDArray[np.float64]

PASSED = ("dropout", "channel_dropout", "gaussian_noise", "flatten", "reshape")
POOLS = ("max_pool2d", "average_pool2d")
WEIGHTED = ("conv2d", "dense")
AFFINE = ("batch_normalization", "rescaling")


@dataclass
class Block:
    """One computation on real numbers.

    kernel: (out, ...), of an affine block its factors (out,); empty where there are no weights.
    before, after: cells of padding, (top, left) and (bottom, right). nodes: how many of the model's
    nodes come up to here, the activation not counted, and counted.
    """

    kind: str
    layers: list[str]
    input_shape: CoreShape
    output_shape: CoreShape
    kernel: Floats = field(default_factory=lambda: np.zeros(0))
    bias: Floats = field(default_factory=lambda: np.zeros(0))
    function: Function = LINEAR
    window: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    before: tuple[int, int] = (0, 0)
    after: tuple[int, int] = (0, 0)
    nodes: int = 0
    activated: int = 0

    @property
    def takes_affine(self) -> bool:
        """Whether a scale and a shift of its output can be part of it."""
        return self.kind in (*WEIGHTED, "affine") and self.function == LINEAR

    @property
    def ceiling(self) -> float | None:
        """Of an activation that is no more than bounds of its value, the upper; None of others."""
        name, parameter, ceiling, threshold = self.function
        if name in ("linear", "relu"):
            return math.inf
        return ceiling if name == "bounded_relu" and parameter == threshold == 0 else None

    @property
    def is_padded(self) -> bool:
        return self.before != (0, 0) or self.after != (0, 0)

    def scale_output(self, factor: Floats, summand: Floats) -> None:
        """Let it give factor * y + summand of what it gave, channel by channel."""
        self.kernel = self.kernel * factor.reshape(-1, *[1] * (self.kernel.ndim - 1))
        self.bias = self.bias * factor + summand

    def scale_input(self, factor: Floats, summand: Floats) -> None:
        """Let it take x and compute what it did of factor * x + summand, channel by channel."""
        if self.kind == "dense":
            copies = self.kernel.shape[1] // len(factor)
            factor, summand = np.tile(factor, copies), np.tile(summand, copies)
        self.bias = self.bias + (self.kernel * summand).reshape(len(self.bias), -1).sum(axis=1)
        self.kernel = self.kernel * factor


@dataclass
class Chain:
    """A model as blocks.

    graph: its nodes as layers told them, activations apart. parameters: one snapshot of its
    weights. classes: what the layers are, by name.
    """

    graph: Graph
    parameters: NDArray[np.float32]
    classes: dict[str, str]
    blocks: list[Block] = field(default_factory=list)

    @property
    def nodes_before_last_function(self) -> int:
        """How many nodes give the answer's real numbers: a last softmax, say, is not of them."""
        last = self.blocks[-1]
        return last.activated if last.ceiling is not None else last.nodes

    def outputs(self, images: NDArray[Any], nodes: int) -> NDArray[np.float32]:
        """What the first so many nodes give. Raises ValueError where that is not finite."""
        y = self._outputs(images, nodes)
        finite = np.isfinite(y).reshape(len(y), -1).all(axis=1)
        if not finite.all():
            image = images[~finite][:1]
            first = next(
                node
                for count, node in enumerate(self.graph.nodes, 1)
                if not np.isfinite(self._outputs(image, count)).all()
            )
            raise ValueError(
                f"layer {first.layers[0]!r} must give finite numbers for images, got NaN or "
                f"infinity for {len(y) - finite.sum()} of {len(y)}"
            )
        return y

    def _outputs(self, images: NDArray[Any], nodes: int) -> NDArray[np.float32]:
        first = self.graph._replace(nodes=self.graph.nodes[:nodes])
        network = first.network()
        shape = first.nodes[-1].output_shape if nodes else self.graph.input_shape
        y = np.empty((len(images), *shape), np.float32)
        network.predict(y, self.parameters[: network.parameter_floats], images, 1)
        return y


def chain_of(model: Sequential) -> Chain:
    """The model's blocks. Raises ValueError, naming the layer, for what has no step on integers."""
    placed = model.placed
    nodes = tuple(_apart(node for layer in placed for node in layer.nodes))
    parameters = model.network.snapshot(model.parameters)
    graph = Graph(nodes[0].input_shape if nodes else (0, 0, 0), nodes)
    chain = Chain(graph, parameters, {n.name or "": type(n).__name__ for n in model.layers})
    for count, node in enumerate(nodes, 1):
        _add(chain, node, count)
    if not any(block.kind in WEIGHTED for block in chain.blocks):
        raise ValueError(f"model {model.name!r} must have a Conv2D or a Dense layer")
    _fold_forward(chain)
    return chain


def _apart(nodes: Iterator[Node]) -> Iterator[Node]:
    """Activations as nodes of their own."""
    for node in nodes:
        function = node.settings.get("activation", LINEAR)
        if node.kind == "activation" or function == LINEAR:
            yield node
            continue
        yield node._replace(settings={**node.settings, "activation": LINEAR})
        shape = node.output_shape
        yield Node("activation", {"activation": function}, shape, shape, (), node.layers)


def _add(chain: Chain, node: Node, count: int) -> None:
    blocks = chain.blocks
    last = blocks[-1] if blocks else None
    settings = node.settings
    block = Block(node.kind, list(node.layers), node.input_shape, node.output_shape, nodes=count)
    block.activated = count
    if node.kind in PASSED:
        pass
    elif node.kind in AFFINE:
        factor, summand = _affine(chain, node)
        if last is not None and last.takes_affine:
            last.scale_output(factor, summand)
            _extend(last, node, count, count)
        else:
            block.kind, block.kernel, block.bias = "affine", factor, summand
            blocks.append(block)
    elif node.kind == "activation":
        function = settings["activation"]
        if function.name == "linear":
            return
        if function.name == "softmax" and count < len(chain.graph.nodes):
            later = {later.kind for later in chain.graph.nodes[count:]} - set(PASSED)
            if later:
                raise _refusal(chain, node, "a softmax that is not the last")
        if last is None or not last.takes_affine:
            channels = node.input_shape[2]
            block.kind, block.nodes = "affine", count - 1
            block.kernel, block.bias = np.ones(channels), np.zeros(channels)
            blocks.append(block)
            last = block
        last.function = function
        _extend(last, node, last.nodes, count)
    elif node.kind == "zero_padding2d":
        top, bottom, left, right = settings["padding"]
        block.before, block.after = (top, left), (bottom, right)
        blocks.append(block)
    elif node.kind in POOLS:
        block.window, block.strides = settings["pool_size"], settings["strides"]
        _place_window(block, settings["same_padding"])
        blocks.append(block)
    elif node.kind in WEIGHTED:
        _add_weighted(chain, node, block)
    else:
        raise _refusal(chain, node, "what it computes")


def _refusal(chain: Chain, node: Node, what: str) -> ValueError:
    name = node.layers[0]
    return ValueError(
        f"layer {name!r} ({chain.classes.get(name, node.kind)}) cannot be quantized: the contract "
        f"of docs/int8.md does not cover {what}"
    )


def _extend(block: Block, node: Node, nodes: int, activated: int) -> None:
    block.layers += [name for name in node.layers if name not in block.layers]
    block.nodes, block.activated = nodes, activated


def _affine(chain: Chain, node: Node) -> tuple[Floats, Floats]:
    channels = node.input_shape[2]
    settings = node.settings
    if node.kind == "rescaling":
        # As float32, which is what the model computes with.
        scale, offset = (float(np.float32(settings[name])) for name in ("scale", "offset"))
        return np.full(channels, scale), np.full(channels, offset)
    found = {t.name: t.of(chain.parameters).astype(np.float64) for t in node.tensors}
    deviation = np.sqrt(found["moving_variance"] + settings["epsilon"])
    factor = found.get("gamma", np.ones(channels)) / deviation
    return factor, found.get("beta", np.zeros(channels)) - found["moving_mean"] * factor


def _add_weighted(chain: Chain, node: Node, block: Block) -> None:
    found = {t.name: t.of(chain.parameters).astype(np.float64) for t in node.tensors}
    kernel, settings = found["kernel"], node.settings
    channels = node.output_shape[2]
    block.bias = found.get("bias", np.zeros(channels))
    if node.kind == "dense":
        block.kernel = np.ascontiguousarray(kernel.reshape(-1, channels).T)
    else:
        if settings["connections"]:
            full = np.zeros((*settings["kernel_size"], node.input_shape[2], channels))
            table = np.zeros(full.shape[2:], bool)
            for filter_, inputs in enumerate(settings["connections"]):
                table[list(inputs), filter_] = True
            full[:, :, table] = kernel
            kernel = full
        block.kernel = np.ascontiguousarray(np.moveaxis(kernel, -1, 0))
        block.window, block.strides = settings["kernel_size"], settings["strides"]
        _place_window(block, settings["same_padding"])
        _take_padding(chain, block)
    chain.blocks.append(block)


def _place_window(block: Block, same: bool) -> None:
    """Padding as TensorFlow has it: the odd cell goes to the end."""
    if not same:
        return
    sides = []
    for size, out, window, stride in zip(
        block.input_shape, block.output_shape, block.window, block.strides, strict=False
    ):
        needed = max(0, (out - 1) * stride + window - size)
        sides.append((needed // 2, needed - needed // 2))
    (top, bottom), (left, right) = sides
    block.before, block.after = (top, left), (bottom, right)


def _take_padding(chain: Chain, block: Block) -> None:
    """Zeros around the image that come before a convolution are its own."""
    while chain.blocks and chain.blocks[-1].kind == "zero_padding2d":
        pad = chain.blocks.pop()
        block.before = (block.before[0] + pad.before[0], block.before[1] + pad.before[1])
        block.after = (block.after[0] + pad.after[0], block.after[1] + pad.after[1])
        block.input_shape = pad.input_shape
        block.layers[:0] = pad.layers


def _fold_forward(chain: Chain) -> None:
    """A scale and a shift before weights are part of these, unless padding would be shifted."""
    blocks: list[Block] = []
    for block in chain.blocks:
        last = blocks[-1] if blocks else None
        if (
            last is not None
            and last.kind == "affine"
            and last.function == LINEAR
            and block.kind in WEIGHTED
            and (not block.is_padded or not last.bias.any())
        ):
            block.scale_input(last.kernel, last.bias)
            block.layers[:0] = [name for name in last.layers if name not in block.layers]
            blocks.pop()
        blocks.append(block)
    chain.blocks[:] = blocks
