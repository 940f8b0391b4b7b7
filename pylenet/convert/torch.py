"""PyTorch's state dicts: weights by name, in PyTorch's layouts.

PyTorch keeps images channels first: kernels are (out, in, kh, kw), Linear's weights (out, in), and
a Linear behind a flattened image reads its values in the order (channels, height, width). A state
dict tells no layers, so it is read into a model that is there: tensors and layers come together by
order and shape.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .._warn import warn
from ..layers import BatchNormalization, Conv2D, Dense, Layer
from ._chain import channels_first, in_order
from ._onnx_writer import full_kernel

if TYPE_CHECKING:
    from ..models import Sequential
    from ..models._graph import Placed

__all__ = ["read_weights", "safetensors_bytes", "set_state_dict", "state_dict", "weights_bytes"]

Tensors = dict[str, NDArray[Any]]
NESTED = ("state_dict", "model_state_dict", "model")  # where checkpoints keep a state dict
UNUSED = "num_batches_tracked"  # of batch normalisation: no prediction depends on it
PYTORCH_EPSILON = 1e-5
BEFORE_1_6 = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how such a file begins


def read_weights(model: Sequential, path: Path) -> None:
    """Set all weights from a state dict that torch.save, or safetensors.torch.save_file, wrote.

    A checkpoint may have it under "state_dict", "model_state_dict" or "model". Raises ValueError
    where it does not fit the model, or for anything in the file but names, numbers and tensors.
    """
    with open(path, "rb") as file:
        head = file.read(len(BEFORE_1_6))
    try:
        if head.startswith(b"PK"):
            from . import _torch_file

            set_state_dict(model, _state_dict(_torch_file.read(path)), ordered=True)
        elif head == BEFORE_1_6:
            set_state_dict(model, _state_dict(_with_torch(path)), ordered=True)
        elif head.startswith(b"\x80"):
            raise ValueError("it is a pickle, and torch.save did not write it")
        else:
            set_state_dict(model, _safetensors(path), ordered=False)
    except ValueError as error:
        raise ValueError(f"the weights of {str(path)!r} cannot be loaded: {error}") from None


def weights_bytes(model: Sequential) -> bytes:
    """A state dict, as torch.save writes it: load_state_dict(torch.load(path)) reads it.

    Raises ValueError where a layer has no counterpart there.
    """
    import torch

    file = io.BytesIO()
    torch.save({name: torch.from_numpy(a) for name, a in state_dict(model).items()}, file)
    return file.getvalue()


def safetensors_bytes(model: Sequential) -> bytes:
    """A state dict as a safetensors file: load_state_dict(safetensors.torch.load_file(path))."""
    from safetensors.numpy import save

    return save(state_dict(model), metadata={"format": "pt"})


def state_dict(model: Sequential) -> Tensors:
    """Copies of all weights under the names, and in the layouts, of a PyTorch module.

    Its submodules have the layers' names: conv2d.weight, conv2d.bias.
    """
    flat = model.network.snapshot(model.parameters)
    found: Tensors = {}
    for part in _parts(model):
        own = {tensor.name: tensor.of(flat) for tensor in part.tensors}
        for name, values in _there(part, own).items():
            found[f"{part.layer.name}.{name}"] = np.array(values, order="C")
        if isinstance(part.layer, BatchNormalization):
            found[f"{part.layer.name}.{UNUSED}"] = np.zeros((), np.int64)
    return found


def set_state_dict(model: Sequential, tensors: Tensors, *, ordered: bool) -> None:
    """Set all of a model's weights from a state dict, or none and raise ValueError.

    ordered: whether the dict has the order that the modules were made in; a safetensors file is
    sorted by name.
    """
    modules: dict[str, Tensors] = {}
    names = tensors if ordered else sorted(tensors, key=_natural)
    for name in names:
        module, _, kind = name.rpartition(".")
        if kind != UNUSED:
            modules.setdefault(module, {})[kind] = _as_float32(name, tensors[name])
    parts = list(_parts(model))
    chosen = _matched(parts, modules, ordered)
    weights: list[NDArray[Any]] = []
    for part, module in zip(parts, chosen, strict=True):
        own = _here(part, modules[module])
        weights += [own[tensor.name] for tensor in part.tensors]
    model.set_weights(weights)
    _warn_of_epsilon(parts)


class _Part(NamedTuple):
    """A layer with weights. order: the places, among its inputs here, of PyTorch's inputs."""

    layer: Layer
    tensors: Any
    channels: int
    order: NDArray[np.int32] | None

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of PyTorch's tensors, by name."""
        own = {tensor.name: np.broadcast_to(np.float32(0), tensor.shape) for tensor in self.tensors}
        return {name: values.shape for name, values in _there(self, own).items()}


def _parts(model: Sequential) -> Iterator[_Part]:
    """The layers that have weights. Raises ValueError where one has no counterpart in PyTorch."""
    order: NDArray[np.int32] | None = None
    for placed in model.placed:
        layer, shape = placed.layer, placed.input_shape
        if len(shape) == 3 and len(placed.output_shape) == 1:
            flattens = math.prod(shape) == placed.output_shape[0]
            order = channels_first(shape).ravel() if flattens else None
        if placed.tensors:
            if not isinstance(layer, (BatchNormalization, Conv2D, Dense)):
                raise ValueError(
                    f"layer {layer.name!r} ({type(layer).__name__}) has no counterpart in PyTorch"
                )
            yield _Part(layer, placed.tensors, shape[-1], order)
        if isinstance(layer, Dense):
            order = None
        check_order(placed)


def reshapes(placed: Placed) -> bool:
    """Whether a layer gives values a new shape, and nothing else."""
    return any(node.kind == "reshape" for node in placed.nodes)


def check_order(placed: Placed) -> None:
    """Raise ValueError where a layer gives values a new shape in which PyTorch has another order.

    Flat outputs are not meant: a Dense layer behind them has its inputs reordered.
    """
    shapes = placed.input_shape, placed.output_shape
    if not reshapes(placed) or len(shapes[1]) == 1:
        return
    before, after = (
        (channels_first(shape) if len(shape) == 3 else in_order(shape)).ravel() for shape in shapes
    )
    if not np.array_equal(before, after):
        raise ValueError(
            f"layer {placed.layer.name!r} gives values a shape in which PyTorch, with channels "
            "first, has another order"
        )


def _there(part: _Part, own: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """A layer's weights under PyTorch's names, in its layouts."""
    layer, order = part.layer, part.order
    if isinstance(layer, BatchNormalization):
        ones = np.ones_like(own["moving_mean"])
        found = {
            "weight": own.get("gamma", ones),
            "bias": own.get("beta", 0 * ones),
            "running_mean": own["moving_mean"],
            "running_var": own["moving_variance"],
        }
        return found if order is None else {name: v[order] for name, v in found.items()}
    kernel = own["kernel"]
    if isinstance(layer, Conv2D):
        if layer.connections is not None:
            kernel = full_kernel(kernel, layer.connections, part.channels)
        found = {"weight": kernel.transpose(3, 2, 0, 1)}
    else:
        found = {"weight": (kernel if order is None else kernel[order]).T}
    return found | ({"bias": own["bias"]} if "bias" in own else {})


def _here(part: _Part, there: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """A layer's weights of PyTorch's."""
    layer, order = part.layer, part.order
    if isinstance(layer, BatchNormalization):
        if order is not None:
            there = {name: _reordered(values, order) for name, values in there.items()}
        for name, kept, neutral in (("weight", layer.scale, 1), ("bias", layer.center, 0)):
            if not kept and (there[name] != neutral).any():
                raise ValueError(f"{layer!r} has no {name}, and the file's is not {neutral}")
        return {
            "gamma": there["weight"],
            "beta": there["bias"],
            "moving_mean": there["running_mean"],
            "moving_variance": there["running_var"],
        }
    kernel = there["weight"]
    if isinstance(layer, Conv2D):
        kernel = kernel.transpose(2, 3, 1, 0)
        if layer.connections is not None:
            table = np.zeros(kernel.shape[2:], bool)
            for filter_, inputs in enumerate(layer.connections):
                table[list(inputs), filter_] = True
            if kernel[:, :, ~table].any():
                raise ValueError(f"{layer!r} lacks links that have a weight in the file")
            kernel = kernel[:, :, table]
    else:
        kernel = kernel.T if order is None else _reordered(kernel.T, order)
    return {"kernel": kernel, "bias": there.get("bias", np.zeros(0))}


def _reordered(values: NDArray[Any], order: NDArray[np.int32]) -> NDArray[Any]:
    """Rows of PyTorch's where they are here."""
    own = np.empty_like(values)
    own[order] = values
    return own


def _matched(parts: list[_Part], modules: dict[str, Tensors], ordered: bool) -> list[str]:
    """For each layer the name of the module that is its counterpart."""
    wanted = [_signature(part.shapes()) for part in parts]
    there = {
        name: _signature({kind: a.shape for kind, a in m.items()}) for name, m in modules.items()
    }
    if sorted(wanted) != sorted(there.values()):
        raise ValueError(
            f"the model needs tensors of {_told(wanted)}, the file has those of "
            f"{_told(list(there.values()))}"
        )
    chosen = []
    for place, signature in enumerate(wanted):
        alike = [name for name in there if there[name] == signature]
        if not ordered and len({re.sub(r"\d+", "", name) for name in alike}) > 1:
            raise ValueError(
                f"the modules {alike} have weights of the same shapes, and a safetensors file does "
                "not tell their order: save the state dict with torch.save"
            )
        chosen.append(alike[wanted[:place].count(signature)])
    return chosen


def _signature(shapes: dict[str, tuple[int, ...]]) -> str:
    """As "bias (6,), weight (6, 1, 5, 5)"."""
    return ", ".join(f"{name} {shapes[name]}" for name in sorted(shapes))


def _told(signatures: list[str]) -> str:
    return "; ".join(f"[{signature}]" for signature in signatures[:20])


def _natural(name: str) -> list[Any]:
    """A key by which layer2 comes before layer10."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name)
    ]


def _as_float32(name: str, values: Any) -> NDArray[np.float32]:
    if hasattr(values, "detach"):  # a tensor of PyTorch's
        values = values.detach().float().numpy()
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        kind = values.dtype if isinstance(values, np.ndarray) else type(values).__name__
        raise ValueError(f"{name!r} must hold floats, got {kind}")
    return values.astype(np.float32, copy=False)


def _state_dict(found: Any) -> Tensors:
    """The state dict in what a file holds."""
    for key in NESTED:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not found or not all(isinstance(key, str) for key in found):
        raise ValueError("it must hold a state dict: tensors by name")
    return found


def _safetensors(path: Path) -> Tensors:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, TypeError) as error:  # TypeError: of kinds that numpy has not
        raise ValueError(str(error)) from None


def _with_torch(path: Path) -> Any:
    """What a file from before PyTorch 1.6 holds, read by PyTorch, which unpickles weights alone."""
    try:
        import torch
    except ImportError:
        raise ImportError(
            f"{str(path)!r} has the format from before PyTorch 1.6: to read it, pip install torch"
        ) from None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # of many kinds, for whatever is wrong in a file
        raise ValueError(f"PyTorch cannot read it: {error}") from None


def _warn_of_epsilon(parts: list[_Part]) -> None:
    for part in parts:
        epsilon = getattr(part.layer, "epsilon", PYTORCH_EPSILON)
        if epsilon != PYTORCH_EPSILON:
            warn(
                f"layer {part.layer.name!r} has epsilon={epsilon}; PyTorch's default is "
                f"{PYTORCH_EPSILON}, and a state dict does not tell: make the layer with the "
                "module's"
            )
            return
