"""What the benchmark asks of a model beyond its public interface: all of it is here."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..layers.activation import LINEAR
from ..models import Sequential
from ..models._graph import Node

__all__ = ["PHASES", "by_weight", "images_at_once", "kernel_names", "profile"]

PHASES = ("forward", "backward", "update")


def images_at_once(model: Sequential) -> int:
    """How many images the kernels of the active instruction set compute together."""
    return model.network.lanes


def profile(
    model: Sequential, x: NDArray[Any], y: NDArray[Any], repeats: int = 1
) -> dict[str, Any]:
    """The extension's profile of `repeats` steps of cross-entropy on one thread.

    x: (images, height, width, channels), as many images as are computed together at most. y:
    labels (images,). "pack" and "loss": median seconds; "layers": each layer's seconds,
    multiply-adds and multiplications an image, by phase.
    """
    loss = _core.LossKind.CROSS_ENTROPY_FROM_LOGITS
    labels = y.astype(np.int32)
    return model.network.profile(model.parameters, x, labels, loss, repeats)


def kernel_names(model: Sequential, layers: list[dict[str, Any]]) -> list[str]:
    """Names of a profile's layers, with the activation where it is part of one."""
    nodes = model.graph.nodes
    return [_name(nodes[layer["node"]]) for layer in layers]


def _name(node: Node) -> str:
    activation = node.settings.get("activation", LINEAR).name
    own = node.layers[0]
    return own if activation == "linear" else f"{own} + {activation}"


def by_weight(model: Sequential, flat: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """One of the optimizer's slots, (all parameters,), as arrays shaped as the weights."""
    return list(model.named_weights(flat).values())
