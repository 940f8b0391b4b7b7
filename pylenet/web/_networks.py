"""Networks as JavaScript reads them: nodes, weights, and the outputs that are expected."""

from __future__ import annotations

import math
import zlib
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..layers.activation import LINEAR
from ..layers.shape import scales_pixels
from ..models import Sequential
from ..models._graph import Graph, Node, fuses
from ..quantization import QuantizedModel

SIDE = 28  # of the images
MOST_WEIGHTS = 2_000_000  # 11 MB of text
# The kinds of nodes and the activations that kinds.js and float32.js compute.
KINDS = (
    *("activation", "average_pool2d", "batch_normalization", "conv2d", "dense", "max_pool2d"),
    *("rbf", "rescaling", "subsample2d", "zero_padding2d"),
)
ACTIVATIONS = (
    *("bounded_relu", "elu", "exponential", "gelu", "gelu_tanh", "hard_sigmoid", "leaky_relu"),
    *("linear", "relu", "scaled_tanh", "selu", "sigmoid", "silu", "softmax", "softplus"),
    *("softsign", "tanh"),
)
# These leave every value as it is, where nothing is trained.
UNCHANGING = ("channel_dropout", "dropout", "flatten", "gaussian_noise", "reshape")
OUTPUTS = {"softmax": "probabilities", "rbf": "distances"}  # by the last node; else scores


def describe(model: Sequential, name: str, images: NDArray[np.uint8]) -> dict[str, Any]:
    """The model under this name, and what it gives for images (N, 28, 28).

    Raises ValueError where a page cannot show it.
    """
    check_shapes(model, name)
    graph = model.graph
    nodes = [node for node in graph.nodes if not _is_unchanging(node)]
    for node in nodes:
        _check_node(node, name)
    parameters = model.network.snapshot(model.parameters)
    tensors = [tensor.of(parameters) for node in nodes for tensor in node.tensors]
    check_size(tensors, name)
    last = nodes[-1] if nodes else None
    end = "" if last is None else last.kind
    if last is not None and last.kind == "activation":
        end = last.settings["activation"].name
    divisor = 1 if scales_pixels(model.layers) is not None else 255
    return {
        "name": name,
        "outputs": OUTPUTS.get(end, "scores"),
        "pixels": {"divisor": divisor, "scale": graph.scale, "offset": graph.offset},
        "nodes": [
            {
                "kind": node.kind,
                "layers": node.layers,
                "settings": {name: plain(value) for name, value in node.settings.items()},
                "input": node.input_shape,
                "output": node.output_shape,
                "tensors": [described_tensor(t.name, t.of(parameters)) for t in node.tensors],
            }
            for node in nodes
        ],
        "weights": packed(*tensors),
        "check": _expected(graph, parameters, images, divisor),
    }


def plain(value: Any) -> Any:
    """A setting as JSON can have it: infinity, which it has not, as text that stands for it."""
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    return "Infinity" if value == math.inf else value


def described_tensor(name: str, tensor: NDArray[Any]) -> dict[str, Any]:
    """What JavaScript is told of an array that `packed` has."""
    return {"name": name, "type": tensor.dtype.name, "size": tensor.size}


def packed(*arrays: NDArray[Any]) -> str:
    """The arrays one after the other as text: of each the bytes of equal rank together, deflated.

    Sign and exponent of weights are alike, so that a seventh is saved.
    """
    planes = []
    for array in arrays:
        numbers = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
        planes.append(numbers.view(np.uint8).reshape(-1, array.itemsize).T.tobytes())
    return deflated(b"".join(planes))


def deflated(content: bytes) -> str:
    """The bytes as text, which boot.js inflates."""
    return b64encode(zlib.compress(content, 9)[2:-4]).decode()  # without zlib's frame


def check_size(tensors: Sequence[NDArray[Any]], name: str) -> None:
    """Raise ValueError where a page would be too large."""
    if (count := sum(tensor.size for tensor in tensors)) > MOST_WEIGHTS:
        raise ValueError(
            f"model {name!r} has {count:,} weights, and a page takes {MOST_WEIGHTS:,} at most"
        )


def check_shapes(model: Sequential | QuantizedModel, name: str) -> None:
    """Raise ValueError where a model does not take what one draws, or gives no classes."""
    takes, gives = model.input_shape[1:], model.output_shape[1:]
    if takes not in ((SIDE, SIDE), (SIDE, SIDE, 1), (SIDE * SIDE,)):
        raise ValueError(
            f"model {name!r} must take images of {SIDE} x {SIDE} pixels, got the shape {takes}"
        )
    if len(gives) != 1 or (gives[0] or 0) < 2:
        raise ValueError(
            f"model {name!r} must give a number for each of 2 or more classes, got {gives}: the "
            "page shows how these compare. For a yes or no train a softmax of two outputs"
        )


def _is_unchanging(node: Node) -> bool:
    linear = node.kind == "activation" and node.settings["activation"] == LINEAR
    return linear or node.kind in UNCHANGING


def _check_node(node: Node, name: str) -> None:
    layer = node.layers[0]
    if node.kind not in KINDS:
        raise ValueError(
            f"model {name!r} has the layer {layer!r} of kind {node.kind!r}, and a page computes "
            f"{', '.join(KINDS)} only"
        )
    check_activation(node.settings.get("activation", LINEAR).name, layer, name)


def check_activation(activation: str, layer: str, name: str) -> None:
    """Raise ValueError where the page cannot compute it."""
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"model {name!r} has the activation {activation!r} in the layer {layer!r}, and a page "
            f"computes {', '.join(ACTIVATIONS)} only"
        )


def _expected(
    graph: Graph, parameters: NDArray[np.float32], images: NDArray[np.uint8], divisor: int
) -> dict[str, Any]:
    """The outputs for the images, and whether a browser has to give the same bits."""
    x = images.reshape(len(images), *graph.input_shape)
    network = graph.network(isa="baseline", convolution="direct")
    classes = graph.nodes[-1].output_shape[2] if graph.nodes else graph.input_shape[2]
    y = np.empty((len(x), classes), np.float32)
    if len(x):
        network.predict(y, parameters, x if divisor == 1 else x / np.float32(divisor), 1)
    return {"exact": not fuses("baseline"), **expected(outputs=y)}


def expected(**arrays: NDArray[Any]) -> dict[str, Any]:
    """What a browser has to give, outputs first."""
    kinds = [described_tensor(name, array) for name, array in arrays.items()]
    return {"kinds": kinds, "outputs": packed(*arrays.values())}


def packed_images(images: NDArray[np.uint8]) -> str:
    """Images for the page, as text: a zero is followed by how many zeros there are, up to 255."""
    packed = bytearray()
    for image in images.reshape(len(images), -1):
        pixels = image.tolist()
        start = 0
        while start < len(pixels):
            if pixels[start]:
                packed.append(pixels[start])
                start += 1
                continue
            end = start
            while end < min(len(pixels), start + 255) and not pixels[end]:
                end += 1
            packed += bytes((0, end - start))
            start = end
    return b64encode(packed).decode()


def labelled(classes: Sequence[str], labels: NDArray[np.integer[Any]], most: int) -> list[int]:
    """Places of up to `most` labels: the first of each class, then the second, and so on."""
    turns: list[tuple[int, int, int]] = []
    for label in range(len(classes)):
        places = np.flatnonzero(labels == label)[:most].tolist()
        turns += [(turn, label, place) for turn, place in enumerate(places)]
    chosen = sorted(turns)[:most]
    return [place for _, _, place in sorted(chosen, key=lambda turn: turn[1])]
