"""One description of a network for everything that runs it.

Layers are placed one after the other: each says which nodes compute it, and C++ says what these
give and where their weights lie in one flat buffer. `inference` then rewrites the nodes, once, to
the fewer ones that are run.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _arrays, _core
from .._arrays import CoreShape, Shape
from ..layers import Layer
from ..layers.activation import JOINED, LINEAR, Function


class Tensor(NamedTuple):
    """A weight: its name in the layer, its first float's place in the flat buffer, its shape.

    trainable: whether the optimizer changes it.
    """

    name: str
    offset: int
    shape: Shape
    trainable: bool

    def of(self, flat: NDArray[np.float32]) -> NDArray[np.float32]:
        """This weight of a flat buffer, as a view."""
        return flat[self.offset : self.offset + math.prod(self.shape)].reshape(self.shape)


class Node(NamedTuple):
    """One computation on a sample. layers: the names of the layers it comes from."""

    kind: str
    settings: Mapping[str, Any]
    input_shape: CoreShape
    output_shape: CoreShape
    tensors: tuple[Tensor, ...]
    layers: tuple[str, ...]


class Placed(NamedTuple):
    """A layer on an input of a shape, as it was given: its nodes are not rewritten.

    begin, end: the places in the flat buffer between which its weights lie.
    """

    layer: Layer
    input_shape: Shape
    output_shape: Shape
    nodes: tuple[Node, ...]
    begin: int
    end: int

    def moved(self, begin: int) -> Placed:
        """The same with its weights from another place on, a multiple of 16."""
        if not self.end:
            return self  # it has no weights
        by = begin - self.begin
        nodes = tuple(
            node._replace(tensors=tuple(t._replace(offset=t.offset + by) for t in node.tensors))
            for node in self.nodes
        )
        return self._replace(nodes=nodes, begin=begin, end=self.end + by)

    @property
    def tensors(self) -> list[Tensor]:
        return [tensor for node in self.nodes for tensor in node.tensors]


class Prefix(NamedTuple):
    """The first layers of a stack, planned. parameters: how many, the first of the stack's."""

    network: _core.Network
    parameters: int
    output_shape: Shape


class Graph(NamedTuple):
    """A network as it is run: nodes one after the other on x * scale + offset."""

    input_shape: CoreShape
    nodes: tuple[Node, ...]
    scale: float = 1.0
    offset: float = -0.0  # neutral for -0.0 too

    def network(
        self,
        frozen: Container[str] = (),
        isa: str | None = None,
        gate: _core.Gate | None = None,
        convolution: str | None = None,
    ) -> _core.Network:
        """The graph planned in C++.

        frozen: names of layers whose weights training leaves alone. isa, convolution: an
        instruction set and the convolutions' algorithm by name; None means the one in force.
        gate: of the weights' memory; None means one of its own.
        """
        nodes = [{"kind": node.kind, **node.settings} for node in self.nodes]
        still = [
            place
            for place, node in enumerate(self.nodes)
            if node.tensors and node.layers[0] in frozen
        ]
        return _core.Network(
            self.input_shape,
            nodes,
            scale=self.scale,
            offset=self.offset,
            frozen=still,
            places=[node.tensors[0].offset if node.tensors else 0 for node in self.nodes],
            gate=gate,
            isa=isa,
            convolution=convolution,
        )


def place(layer: Layer, input_shape: Shape) -> Placed:
    """The layer, its weights from 0 on. Raises ValueError where the input does not fit."""
    shape, nodes, offset = _arrays.core_shape(input_shape), [], 0
    for settings in layer.nodes(input_shape):
        kind = settings.pop("kind")
        output, tensors, offset = _core.describe({"kind": kind, **settings}, shape, offset)
        weights = tuple(Tensor(*tensor) for tensor in tensors)
        nodes.append(Node(kind, settings, shape, output, weights, (layer.name or kind,)))
        shape = output
    placed = Placed(
        layer, input_shape, layer.public_shape(shape, input_shape), tuple(nodes), 0, offset
    )
    for tensor in placed.tensors if layer.rules else ():
        _, constraint = layer.rules.get(tensor.name, (None, None))
        if constraint is not None:
            constraint.plan(tensor.shape)
    return placed


def size(layers: Iterable[Placed]) -> int:
    """How many parameters a stack of these has in the flat buffer, what lies between included."""
    return max((placed.end for placed in layers), default=0)


def inference(input_shape: Shape, layers: Iterable[Placed]) -> Graph:
    """The network of these layers in as few nodes as compute the same, to the same bits."""
    nodes = [_as_dense(node) for placed in layers for node in placed.nodes]
    joined = _sigmoid_apart(_join_activations(nodes))
    return _scale_pixels(Graph(_arrays.core_shape(input_shape), joined))


def _as_dense(node: Node) -> Node:
    """A convolution whose kernel is as large as its image is a dense node of that image.

    Eight times faster so for LeNet-5's of 1998, one image alone. The kernel keeps its shape.
    """
    settings = node.settings
    if (
        node.kind != "conv2d"
        or settings["kernel_size"] != node.input_shape[:2]
        or settings["same_padding"]
        or settings["connections"]
    ):
        return node
    kept = {name: settings[name] for name in ("use_bias", "activation")}
    return node._replace(kind="dense", settings={"units": settings["filters"], **kept})


def _join_activations(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """An activation of each value for itself is done by the node before it that could do one."""
    joined: list[Node] = []
    for node in nodes:
        before = joined[-1] if joined else None
        if (
            before is not None
            and node.kind == "activation"
            and node.settings["activation"].name in JOINED
            and before.settings.get("activation") == LINEAR
        ):
            settings = {**before.settings, **node.settings}
            joined[-1] = before._replace(settings=settings, layers=before.layers + node.layers)
        else:
            joined.append(node)
    return tuple(joined)


def _sigmoid_apart(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """A sigmoid of flat outputs is a node of its own: binary cross-entropy looks behind it."""
    last = nodes[-1] if nodes else None
    activation: Function | None = last.settings.get("activation") if last else None
    if (
        last is None
        or activation is None
        or activation.name != "sigmoid"
        or last.kind == "activation"
        or last.output_shape[:2] != (1, 1)
    ):
        return nodes
    below = last._replace(settings={**last.settings, "activation": LINEAR})
    shape = last.output_shape
    above = Node("activation", {"activation": activation}, shape, shape, (), last.layers)
    return (*nodes[:-1], below, above)


def _scale_pixels(graph: Graph) -> Graph:
    """A rescaling that comes first is done while pixels are read."""
    first, *rest = graph.nodes or (None,)
    if first is None or first.kind != "rescaling":
        return graph
    return graph._replace(nodes=tuple(rest), **first.settings)


def fuses(isa: str) -> bool:
    """Whether an instruction set, by name, rounds a product and a sum together."""
    settings = {"units": 1, "use_bias": True, "activation": LINEAR}
    network = _core.Network((1, 1, 1), [{"kind": "dense", **settings}], isa=isa)
    parameters = _core.zeros(network.parameter_floats)
    x = np.full((1, 1, 1, 1), 1 + 2**-12, np.float32)
    _, tensors, _ = _core.describe({"kind": "dense", **settings}, (1, 1, 1), 0)
    kernel, bias = (offset for _, offset, _, _ in tensors)
    parameters[kernel], parameters[bias] = x.item(), -np.square(x).item()
    y = np.empty((1, 1), np.float32)
    network.predict(y, parameters, x, 1)
    return bool(y.item() != 0)
