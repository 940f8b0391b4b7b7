"""What the benchmark asks of a model beyond its public interface: all of it is here."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _core
from ..models import Sequential

__all__ = ["PHASES", "by_weight", "images_at_once", "kernel_names", "profile"]

PHASES = ("forward", "backward", "update")


def images_at_once(model: Sequential) -> int:
    """How many images the kernels of the active instruction set compute together."""
    return model._planned().lanes


def profile(
    model: Sequential, x: NDArray[Any], y: NDArray[Any], repeats: int = 1
) -> dict[str, Any]:
    """The extension's profile of `repeats` steps of cross-entropy on one thread.

    x: (images, height, width, channels), as many images as are computed together at most. y:
    labels (images,). "pack" and "loss": median seconds; "layers": each layer's seconds and
    multiply-adds an image, by phase.
    """
    loss = _core.LossKind.CROSS_ENTROPY_FROM_LOGITS
    labels = y.astype(np.int32)
    return model._planned().profile(model._parameters, x, labels, loss, repeats)


def kernel_names(model: Sequential, layers: list[dict[str, Any]]) -> list[str]:
    """Names of a profile's layers; an activation that is fused into its layer shares its name.

    The last activation, softmax, is part of the loss.
    """
    measured = {layer["spec"] for layer in layers}
    names: dict[int, str] = {}
    spec = 0
    for layer in model.layers:
        first = spec
        for own in layer._specs(layer.input_shape or ()):
            activation = own.get("activation")
            if activation is None:
                names[spec] = layer.name or own["kind"]
            elif spec in measured:
                names[spec] = f"{layer.name} {activation}"
            elif activation != "softmax":
                names[first] += f" + {activation}"
            spec += 1
    return [names[layer["spec"]] for layer in layers]


def by_weight(model: Sequential, flat: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """One of the optimizer's slots, (all parameters,), as arrays shaped as the weights."""
    base = model._parameters.ctypes.data
    starts = [(w.ctypes.data - base) // w.itemsize for w in model.weights]
    pairs = zip(starts, model.weights, strict=True)
    return [flat[start : start + w.size].reshape(w.shape) for start, w in pairs]
