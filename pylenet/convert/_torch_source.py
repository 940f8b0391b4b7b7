"""The PyTorch module that a Sequential's state dict is for, as Python source."""

from __future__ import annotations

import keyword
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import __version__
from .torch import check_order, reshapes

if TYPE_CHECKING:
    from ..models import Sequential
    from ..models._graph import Node, Placed

HEAD = '''"""{name}, written by pylenet {version}.

    net = {name}()
    net.load_state_dict(torch.load("{name}.pt"))  # what export("{name}.pt") wrote
    net.eval()
"""

import torch
from torch import nn
from torch.nn import functional as F


class {name}(nn.Module):
    """x: float32 {inputs}. Returns {outputs}."""

    def __init__(self):
        super().__init__()
'''


def source_of(model: Sequential) -> str:
    """Source of a class that computes what the model predicts, channels first.

    Raises ValueError for a layer that has no counterpart, or whose name cannot be an attribute's.
    """
    writer = _Writer()
    for placed in model.placed:
        writer.write(placed)
    shapes = [_shape(shape[1:]) for shape in (model.input_shape, model.output_shape)]
    name = "".join(part.capitalize() for part in re.findall("[A-Za-z0-9]+", model.name))
    name = name if name.isidentifier() else f"Net{name}"
    head = HEAD.format(name=name, version=__version__, inputs=shapes[0], outputs=shapes[1])
    lines = [*writer.modules, "", "    def forward(self, x):", *writer.steps, "        return x"]
    return head + "\n".join(lines) + "\n"


def _shape(shape: tuple[Any, ...]) -> str:
    """Of samples in PyTorch."""
    return str(("N", *(shape[2:] + shape[:2]))).replace("'N'", "N")


class _Writer:
    """Writes one layer behind the other. modules: lines of __init__; steps: lines of forward."""

    def __init__(self) -> None:
        self.modules: list[str] = []
        self.steps: list[str] = []

    def write(self, placed: Placed) -> None:
        layer, before = placed.layer, placed.input_shape
        for node in placed.nodes:
            if node.kind not in _KINDS:
                raise ValueError(
                    f"layer {layer.name!r} ({type(layer).__name__}) has no counterpart in PyTorch"
                )
            _KINDS[node.kind](self, node, str(layer.name))
        after = placed.output_shape
        if len(after) == 1 and len(before) > 1:
            self.step("x = torch.flatten(x, 1)")
        elif reshapes(placed):
            check_order(placed)
            self.step(f"x = x.reshape({(-1, *after[2:], *after[:2])})")

    def step(self, line: str) -> None:
        self.steps.append(f"        {line}")

    def module(self, name: str, call: str) -> None:
        """A submodule, and the step that calls it."""
        if not name.isidentifier() or keyword.iskeyword(name) or name in _TAKEN:
            raise ValueError(f"layer name {name!r} cannot be that of a submodule in PyTorch")
        self.modules.append(f"        self.{name} = nn.{call}")
        self.step(f"x = self.{name}(x)")

    def activation(self, function: Any) -> None:
        if function.name not in _ACTIVATIONS:
            raise ValueError(f"the activation {function.name!r} has no counterpart in PyTorch")
        line = _ACTIVATIONS[function.name]
        if line:
            self.step(f"x = {line.format(f=function)}")

    def pad(self, sides: list[int], value: str = "") -> None:
        """Around images. sides: left, right, top, bottom."""
        if any(sides):
            self.step(f"x = F.pad(x, {tuple(sides)}{value})")


_TAKEN = frozenset(dir(object)) | {
    *("add_module", "apply", "buffers", "children", "cpu", "cuda", "double", "eval", "float"),
    *("forward", "half", "modules", "parameters", "register_buffer", "state_dict", "to", "train"),
    *("training", "type", "zero_grad", "share_memory", "compile", "bfloat16", "dump_patches"),
}

_ACTIVATIONS = {  # f: the function, as C++ knows it
    "linear": "",
    "relu": "F.relu(x)",
    "tanh": "torch.tanh(x)",
    "sigmoid": "torch.sigmoid(x)",
    "softmax": "torch.softmax(x, 1)",
    "softplus": "F.softplus(x)",
    "softsign": "F.softsign(x)",
    "exponential": "torch.exp(x)",
    "selu": "F.selu(x)",
    "silu": "F.silu(x)",
    "gelu": "F.gelu(x)",
    "gelu_tanh": 'F.gelu(x, approximate="tanh")',
    "hard_sigmoid": "F.hardsigmoid(x)",
    "elu": "F.elu(x, {f.parameter!r})",
    "leaky_relu": "F.leaky_relu(x, {f.parameter!r})",
    "scaled_tanh": "1.7159 * torch.tanh(2 / 3 * x)",
    "bounded_relu": (
        "torch.where(x < {f.threshold!r}, (x - {f.threshold!r}) * {f.parameter!r}, "
        'x.clamp(max=float("{f.ceiling!r}")))'
    ),
}


def _sides(node: Node, window: tuple[int, int]) -> list[int]:
    """Cells of padding: left, right, top, bottom."""
    if not node.settings.get("same_padding"):
        return [0] * 4
    found = []
    for axis in (1, 0):
        size, count = node.input_shape[axis], node.output_shape[axis]
        total = max((count - 1) * node.settings["strides"][axis] + window[axis] - size, 0)
        found += [total // 2, total - total // 2]
    return found


def _conv2d(writer: _Writer, node: Node, name: str) -> None:
    settings, size = node.settings, node.settings["kernel_size"]
    writer.pad(_sides(node, size))
    writer.module(
        name,
        f"Conv2d({node.input_shape[2]}, {settings['filters']}, {size}, "
        f"stride={settings['strides']}, bias={settings['use_bias']})",
    )
    writer.activation(settings["activation"])


def _dense(writer: _Writer, node: Node, name: str) -> None:
    settings, inputs = node.settings, math.prod(node.input_shape)
    writer.module(name, f"Linear({inputs}, {settings['units']}, bias={settings['use_bias']})")
    writer.activation(settings["activation"])


def _batch_normalization(writer: _Writer, node: Node, name: str) -> None:
    settings = node.settings
    kind = "BatchNorm1d" if node.input_shape[:2] == (1, 1) else "BatchNorm2d"
    writer.module(
        name,
        f"{kind}({node.input_shape[2]}, eps={settings['epsilon']!r}, "
        f"momentum={1 - settings['momentum']!r})",
    )


def _max_pool2d(writer: _Writer, node: Node, name: str) -> None:
    size = node.settings["pool_size"]
    writer.pad(_sides(node, size), ', value=float("-inf")')
    writer.step(f"x = F.max_pool2d(x, {size}, {node.settings['strides']})")


def _average_pool2d(writer: _Writer, node: Node, name: str) -> None:
    """Padding does not count: where there is some, a sum of 0 and 1 tells how many cells do."""
    size, sides = node.settings["pool_size"], tuple(_sides(node, node.settings["pool_size"]))
    pooled = f"F.avg_pool2d({{}}, {size}, {node.settings['strides']})"
    if not any(sides):
        writer.step(f"x = {pooled.format('x')}")
        return
    writer.step(f"inside = F.pad(torch.ones_like(x), {sides})")
    writer.step(f"x = {pooled.format(f'F.pad(x, {sides})')} / {pooled.format('inside')}")


def _zero_padding2d(writer: _Writer, node: Node, name: str) -> None:
    top, bottom, left, right = node.settings["padding"]
    writer.pad([left, right, top, bottom])


def _rescaling(writer: _Writer, node: Node, name: str) -> None:
    writer.step(f"x = x * {node.settings['scale']!r} + {node.settings['offset']!r}")


def _dropout(writer: _Writer, node: Node, name: str) -> None:
    function = "dropout" if node.kind == "dropout" else "dropout2d"
    writer.step(f"x = F.{function}(x, {node.settings['rate']!r}, self.training)")


def _gaussian_noise(writer: _Writer, node: Node, name: str) -> None:
    writer.step(f"x = x + {node.settings['stddev']!r} * self.training * torch.randn_like(x)")


def _nothing(writer: _Writer, node: Node, name: str) -> None:
    """What predictions pass as they are, or what `write` does for the new shape."""


_KINDS: dict[str, Callable[[_Writer, Node, str], None]] = {
    "activation": lambda writer, node, name: writer.activation(node.settings["activation"]),
    "average_pool2d": _average_pool2d,
    "batch_normalization": _batch_normalization,
    "channel_dropout": _dropout,
    "conv2d": _conv2d,
    "dense": _dense,
    "dropout": _dropout,
    "flatten": _nothing,
    "gaussian_noise": _gaussian_noise,
    "max_pool2d": _max_pool2d,
    "rescaling": _rescaling,
    "reshape": _nothing,
    "zero_padding2d": _zero_padding2d,
}
