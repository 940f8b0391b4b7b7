"""A stack of layers with its plan in C++ and its parameters: everything of a model but training."""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _check, _core
from ..layers import AlwaysTrainable, Input, Layer, Shape, assign_weights, sample_shape
from ._trainer import TrainerLock

EVALUATION_CHUNK = 4096  # samples in one call, at most
EVALUATION_WORK = 2**31  # multiply-adds in one call: some 0.1 s, which other threads wait for


class LayerStack(AlwaysTrainable):
    """Layers in order, planned anew at each `add` once the input shape is known."""

    def __init__(
        self, layers: Sequence[Layer | Input] | None = None, *, name: str = "sequential"
    ) -> None:
        self.name = _check.text("name", name)
        self.layers: tuple[Layer, ...] = ()
        self._input_shape: Shape | None = None
        self._network: _core.Network | None = None
        self._trainer = TrainerLock()
        self._identity = object()  # by which an optimizer knows whose state it holds
        self._parameters: NDArray[np.float32] = np.zeros(0, np.float32)
        self._views: dict[str, NDArray[np.float32]] = {}
        if layers is not None and not isinstance(layers, (list, tuple)):
            raise TypeError(f"layers must be a list of layers, got {type(layers).__name__}")
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Layer | Input) -> None:
        """Put a layer on top. Raises ValueError, and changes nothing, where it does not fit."""
        if isinstance(layer, Input):
            if self.layers or self._input_shape is not None:
                raise ValueError(f"layer must not be Input unless it is the first, got {layer!r}")
            self._input_shape = layer.shape
            return
        if not isinstance(layer, Layer):
            raise TypeError(f"layer must be a pylenet layer, got {layer!r}")
        if layer.input_shape is not None or layer in self.layers:
            raise ValueError(f"layer must be new, got {layer!r}, which is part of a model already")
        self._check_declared(layer)
        layers = (*self.layers, layer)
        former_name = layer.name
        layer.name = self._unique_name(layer)
        try:
            if shape := self._input_shape or layer.declared_input_shape:
                self._assemble(layers, shape)
            self.layers = layers
        except Exception:
            layer.name = former_name
            raise

    def build(self, input_shape: Sequence[int]) -> None:
        """Fix the shape of one sample, as (28, 28, 1), or with Keras's leading None."""
        if isinstance(input_shape, (tuple, list)) and input_shape and input_shape[0] is None:
            input_shape = tuple(input_shape)[1:]
        shape = sample_shape(input_shape)
        if self._input_shape not in (None, shape):
            raise ValueError(f"input_shape must be {self._input_shape}, got {shape}")
        self._assemble(self.layers, shape)

    @property
    def built(self) -> bool:
        """Whether the input shape is known, hence the weights are there."""
        return self._network is not None

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """(None, ...), as Keras's. Raises ValueError before it is known."""
        self._planned()
        return (None, *(self._input_shape or ()))

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """(None, ...), as Keras's. Raises ValueError before it is known."""
        self._planned()
        return (None, *self._output_shape())

    @property
    def weights(self) -> list[NDArray[np.float32]]:
        """All weights in Keras's order, as live views."""
        self._planned()
        return list(self._views.values())

    def get_weights(self) -> list[NDArray[np.float32]]:
        """Copies of all weights, in Keras's order and layouts."""
        return list(self._snapshot().values())

    def set_weights(self, weights: Sequence[NDArray[Any]]) -> None:
        """Copy a list as `get_weights` gives it, of ours or of a Keras model, into the weights."""
        network = self._planned()
        flat = network.snapshot(self._parameters)
        assign_weights(self._views_in(flat), weights)
        network.assign(self._parameters, flat)

    def count_params(self) -> int:
        """The number of trainable parameters."""
        return sum(w.size for w in self.weights)

    def summary(self, *, print_fn: Callable[[str], object] = print) -> None:
        """Print a table of the layers, through print_fn.

        Output shapes, neurons, trainable parameters and connections, as the layers count them.
        """
        self._planned()
        rows = [
            (
                f"{layer.name} ({type(layer).__name__})",
                str((None, *(layer.output_shape or ()))),
                f"{layer.count_neurons():,}",
                f"{layer.count_params():,}",
                f"{layer.count_connections():,}",
            )
            for layer in self.layers
        ]
        head = ("Layer (type)", "Output shape", "Neurons", "Params", "Connections")
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        rule = "-" * (sum(widths) + 2 * len(widths) - 2)
        print_fn(f'Model: "{self.name}"')
        print_fn(rule)
        for i, row in enumerate([head, *rows]):
            cells = [
                cell.ljust(width) if column < 2 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            print_fn("  ".join(cells))
            if i == 0:
                print_fn(rule)
        print_fn(rule)
        total = self.count_params()
        print_fn(f"Total params: {total:,} ({total * 4 / 1024:.1f} KiB)")
        print_fn(f"Total connections: {sum(layer.count_connections() for layer in self.layers):,}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {len(self.layers)} layers>"

    def _snapshot(self) -> dict[str, NDArray[np.float32]]:
        """Copies of all weights by name, all from after the same step of training."""
        flat = self._planned().snapshot(self._parameters)
        return {name: view.copy() for name, view in self._views_in(flat).items()}

    def _views_in(self, flat: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """The weights by name in a buffer like the parameters'."""
        begin = self._parameters.ctypes.data
        offsets = {n: (v.ctypes.data - begin) // v.itemsize for n, v in self._views.items()}
        return {
            name: flat[offsets[name] : offsets[name] + view.size].reshape(view.shape)
            for name, view in self._views.items()
        }

    def _planned(self) -> _core.Network:
        if self._network is None:
            raise ValueError(
                f"model {self.name!r} does not know its input shape yet: give the first layer "
                "input_shape=, start with an Input, call build, or train it"
            )
        return self._network

    def _output_shape(self) -> Shape:
        return (self.layers[-1].output_shape if self.layers else self._input_shape) or ()

    def _check_declared(self, layer: Layer) -> None:
        declared = layer.declared_input_shape
        expected = self._output_shape() if self.layers else self._input_shape
        if declared and expected and declared != expected:
            raise ValueError(f"input_shape must be {expected} here, got {declared} in {layer!r}")
        if declared and not expected and self.layers:
            raise ValueError(f"input_shape must be given with the first layer, got it in {layer!r}")

    def _unique_name(self, layer: Layer) -> str:
        taken = {other.name for other in self.layers}
        if layer.name is not None:
            if layer.name in taken:
                raise ValueError(f"name must be unique in a model, got {layer.name!r} twice")
            return layer.name
        base = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(layer).__name__).lower()
        number = sum(type(other) is type(layer) for other in self.layers)
        name = f"{base}_{number}" if number else base
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        return name

    def _assemble(
        self, layers: Sequence[Layer], input_shape: Shape, *, size: int | None = None
    ) -> None:
        """Plan the layers, keep the weights there are and draw the new ones.

        size: how many parameters there must be, checked before memory is taken for them.
        """
        specs: list[dict[str, Any]] = []
        shapes, ends = [input_shape], []  # before and after each layer; where its specs end
        for layer in layers:
            own = layer._specs(shapes[-1])
            alone = _core.Network(_core_shape(shapes[-1]), own)
            shapes.append(layer._shape_of(alone.output_shape(len(own) - 1), shapes[-1]))
            specs += own
            ends.append(len(specs))
        network = _core.Network(_core_shape(input_shape), specs)
        if size is not None and size != (count := _parameter_count(network, len(specs))):
            raise ValueError(f"the layers have {count} parameters, expected {size}")

        parameters = _core.zeros(network.parameter_floats)
        parameters[: self._parameters.size] = self._parameters
        views = [
            _views_of(network, parameters, begin, end)
            for begin, end in zip([0, *ends], ends, strict=False)
        ]
        for layer, own_views in zip(layers, views, strict=True):
            if layer.input_shape is None and size is None:
                for name, view in own_views.items():
                    view[...] = layer._initial(name, view.shape)
        for k, layer in enumerate(layers):
            layer.input_shape, layer.output_shape = shapes[k], shapes[k + 1]
            layer._weights = views[k]
        self._views = {
            f"{layer.name}.{name}": view
            for layer, own_views in zip(layers, views, strict=True)
            for name, view in own_views.items()
        }
        self._network, self._parameters, self._input_shape = network, parameters, input_shape
        self._samples_a_call = _samples_a_call(layers)


def _samples_a_call(layers: Sequence[Layer]) -> int:
    """Of an evaluation, in one call into C++. By the layers alone: sums do not depend on time."""
    work = 1
    for layer in layers:
        *places, _ = layer.output_shape or (1,)
        kernel = max((w.size for w in layer.weights), default=0)
        work += math.prod(places) * kernel + math.prod(layer.input_shape or ())
    return max(1, min(EVALUATION_CHUNK, EVALUATION_WORK // work))


def _core_shape(shape: Shape) -> tuple[int, int, int]:
    """A sample's shape as C++ has it: (height, width, channels)."""
    if len(shape) == 1:
        return (1, 1, shape[0])
    return (shape[0], shape[1], shape[2] if len(shape) == 3 else 1)


def _parameter_count(network: _core.Network, specs: int) -> int:
    return sum(math.prod(shape) for i in range(specs) for _, _, shape in network.tensors(i))


def _views_of(
    network: _core.Network, parameters: NDArray[np.float32], begin: int, end: int
) -> dict[str, NDArray[np.float32]]:
    """The weights of the specs begin .. end - 1 by name."""
    return {
        name: parameters[offset : offset + math.prod(shape)].reshape(shape)
        for i in range(begin, end)
        for name, offset, shape in network.tensors(i)
    }
