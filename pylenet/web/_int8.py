"""Networks in whole numbers as JavaScript reads them: the steps of docs/int8.md, and their end."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..layers.activation import LINEAR
from ..models._graph import fuses
from ..quantization import QuantizedModel
from ..quantization._steps import Step
from . import _networks

MOVING = ("max_pool2d", "zero_padding2d")  # steps that kinds.js computes, as of any numbers


def describe(model: QuantizedModel, name: str, images: NDArray[np.uint8]) -> dict[str, Any]:
    """The model under this name, and what it gives for images (N, 28, 28).

    The steps are followed by two nodes in float32: what the integers mean, and the function that
    makes outputs of that. Raises ValueError where a page cannot show the model.
    """
    _networks.check_shapes(model, name)
    function, layers = model.output.function, list(model.steps[-1].layers)
    _networks.check_activation(function.name, layers[-1], name)
    tensors = [_tensors(step) for step in model.steps]
    flat = [tensor for own in tensors for tensor in own.values()]
    weights = [own[key] for own in tensors for key in ("kernel", "bias") if key in own]
    _networks.check_size(weights, name)
    ends: list[tuple[str, dict[str, Any]]] = [("real_numbers", {"scale": model.output.scale})]
    if function != LINEAR:
        ends.append(("activation", {"activation": function}))
    low, high, scale = model.source
    divisor = 1 if model.takes_pixels else 255
    return {
        "name": name,
        "outputs": _networks.OUTPUTS.get(function.name, "scores"),
        "pixels": {"divisor": divisor, "low": low, "high": high, "scale": scale},
        "nodes": [
            *(_node(step, own) for step, own in zip(model.steps, tensors, strict=True)),
            *(_end(model, kind, layers[-1], settings) for kind, settings in ends),
        ],
        "weights": _networks.packed(*flat),
        "check": _expected(model, images, divisor),
    }


def _tensors(step: Step) -> dict[str, NDArray[Any]]:
    """A step's tensors; kernels have their output channels last, as in float32."""
    tensors = dict(step.tensors)
    if "kernel" in tensors:
        tensors["kernel"] = np.moveaxis(tensors["kernel"], 0, -1)
    return tensors


def _node(step: Step, tensors: dict[str, NDArray[Any]]) -> dict[str, Any]:
    (height, width, _), (top, left) = step.output_shape, step.before
    settings: dict[str, Any] = {
        "low": step.low,
        "high": step.high,
        "shift": step.shift,
        "strides": step.strides,
        "before": step.before,
        "kernel_size" if step.kind == "conv2d" else "pool_size": step.window,
    }
    if step.kind == "zero_padding2d":
        below, right = height - top - step.input_shape[0], width - left - step.input_shape[1]
        settings["padding"] = (top, below, left, right)
    if step.kind == "average_pool2d":
        settings["cells"] = list(step.cells.items())
    return {
        "kind": step.kind if step.kind in MOVING else f"int8_{step.kind}",
        "layers": [" + ".join(step.layers)],
        "settings": settings,
        "input": step.input_shape,
        "output": step.output_shape,
        "tensors": [_networks.described_tensor(*item) for item in tensors.items()],
    }


def _end(model: QuantizedModel, kind: str, layer: str, settings: dict[str, Any]) -> dict[str, Any]:
    shape = (1, 1, math.prod(model.steps[-1].output_shape))
    return {
        "kind": kind,
        "layers": [layer],
        "settings": {key: _networks.plain(value) for key, value in settings.items()},
        "input": shape,
        "output": shape,
        "tensors": [],
    }


def _expected(model: QuantizedModel, images: NDArray[np.uint8], divisor: int) -> dict[str, Any]:
    """Outputs and integers for the images, and whether a browser has to give the outputs' bits."""
    x = images.reshape(len(images), *(size or 0 for size in model.input_shape[1:]))
    integers = model.scores(x if divisor == 1 else x / np.float32(divisor)).astype(np.int16)
    outputs = integers.astype(np.float32) * np.float32(model.output.scale)
    if model.output.function != LINEAR:
        classes = outputs.shape[1]
        function = {"kind": "activation", "activation": model.output.function}
        network = _core.Network((1, 1, classes), [function], isa="baseline")
        real = outputs.reshape(-1, 1, 1, classes).copy()
        network.predict(outputs, _core.zeros(0), real, 1)
    return {
        "exact": not fuses("baseline"),
        **_networks.expected(outputs=outputs, integers=integers),
    }
