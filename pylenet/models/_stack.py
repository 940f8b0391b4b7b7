"""A stack of layers with its plan in C++ and its parameters: everything of a model but training."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _arrays, _check, _core
from .._arrays import Shape
from .._configurable import short_name
from ..layers import Input, Layer
from ..layers._base import SymbolicTensor, assign_weights, sample_shape
from ._trainer import TrainerLock

if TYPE_CHECKING:  # imported where they are used, for that takes a twentieth of the package's time
    from ._graph import Graph, Node, Placed, Prefix

EVALUATION_CHUNK = 4096  # samples in one call, at most
EVALUATION_WORK = 2**31  # multiply-adds in one call: some 0.1 s, which other threads wait for


class Layered:
    """What every model tells of its layers."""

    name: str
    layers: tuple[Layer, ...]
    _trainable = True

    @property
    def trainable(self) -> bool:
        """Whether training changes weights. Setting it sets that of all layers.

        It takes effect when the model is compiled. While it is False, so is every layer's.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = _check.boolean("trainable", value)
        for layer in self.layers:
            layer.trainable = value

    @property
    def trainable_weights(self) -> list[NDArray[np.float32]]:
        """The weights that the optimizer changes, in Keras's order, as live views."""
        layers = self.layers if self.trainable else ()
        return [view for layer in layers for view in layer.trainable_weights]

    @property
    def non_trainable_weights(self) -> list[NDArray[np.float32]]:
        """The weights that it does not change: layers' moving averages and what is frozen."""
        changed = {id(view) for view in self.trainable_weights}
        return [view for view in self.weights if id(view) not in changed]

    @property
    def weights(self) -> list[NDArray[np.float32]]:
        """All weights in Keras's order, as live views."""
        return [view for layer in self.layers for view in layer.weights]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of this name, or at this place, the last being -1.

        Raises ValueError where there is none, or unless one of both is given.
        """
        if (name is None) == (index is None):
            raise ValueError(f"name or index must be given, got name={name!r}, index={index!r}")
        if index is not None:
            count = len(self.layers)
            place = _check.integer("index", index, -count)
            if place >= count:
                raise ValueError(f"index must be below {count}, the number of layers, got {place}")
            return self.layers[place]
        names = [layer.name for layer in self.layers]
        if _check.text("name", name) not in names:
            raise ValueError(f"name must be one of {names}, got {name!r}")
        return self.layers[names.index(name)]

    def count_params(self) -> int:
        """The number of weights, moving averages included."""
        return sum(w.size for w in self.weights)

    def summary(
        self, line_length: int | None = None, *, print_fn: Callable[[str], object] | None = None
    ) -> None:
        """Print a table of the layers, through print_fn, or print if None.

        Output shapes, neurons, weights and connections, as the layers count them; of
        a model whose input shape is not known yet the layers alone. line_length: characters of a
        line of the table, as many as it needs if None. Raises ValueError where they are too few.
        """
        if line_length is not None:
            line_length = _check.integer("line_length", line_length, 1)
        from ._summary import lines  # not needed to import the package

        for line in lines(self.name, self.layers, line_length):
            (print_fn or print)(line)


class LayerStack(Layered):
    """Layers in order, each placed on those below once the input shape is known.

    parameters: all weights in one flat float32 buffer, which the layers' weights are views into.
    """

    _network: _core.Network | None = None  # planned when it is first needed

    def __init__(
        self, layers: Sequence[Layer | Input] | None = None, *, name: str = "sequential"
    ) -> None:
        self.name = _check.text("name", name)
        self.layers: tuple[Layer, ...] = ()
        self._memory = self.parameters = _core.zeros(0)  # memory: for some more to come, too
        self._input_shape: Shape | None = None
        self._placed: list[Placed] | None = None  # the layers, once the input shape is known
        self._names: set[str] = set()  # of layers
        self._classes: Counter[type[Layer]] = Counter()  # of layers: how many there are of each
        self._frozen: frozenset[str] = frozenset()  # names of layers, since the model was compiled
        self._trainer = TrainerLock()
        self.identity = object()  # by which an optimizer knows whose state it holds
        if layers is not None and not isinstance(layers, (list, tuple)):
            raise TypeError(f"layers must be a list of layers, got {type(layers).__name__}")
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Layer | Input) -> None:
        """Put a layer on top. Raises ValueError, and changes nothing, where it does not fit."""
        if isinstance(layer, Input):
            if self.layers or self._input_shape is not None:
                raise ValueError(f"layer must not be Input unless it is the first, got {layer!r}")
            self._input_shape = layer.sample_shape
            return
        if not isinstance(layer, Layer):
            raise TypeError(f"layer must be a pylenet layer, got {layer!r}")
        if layer.input_shape is not None or layer in self.layers:
            raise ValueError(f"layer must be new, got {layer!r}, which is part of a model already")
        self._check_declared(layer)
        former_name = layer.name
        layer.name = self._unique_name(layer)
        try:
            if shape := self._input_shape or layer.declared_input_shape:
                self._place([layer], shape)
        except Exception:
            layer.name = former_name
            raise
        self.layers = (*self.layers, layer)
        self._names.add(layer.name)
        if not layer.trainable:
            self._frozen |= {layer.name}
        self._classes[type(layer)] += 1

    def pop(self) -> Layer:
        """Take the last layer off and return it; the weights below stay as they are.

        The model is to be compiled again, with a new optimizer. Raises ValueError without layers.
        """
        if not self.layers:
            raise ValueError(f"model {self.name!r} has no layers to take off")
        *rest, last = self.layers
        self.layers = tuple(rest)
        self._names.remove(last.name or "")
        self._frozen -= {last.name or ""}
        self._classes[type(last)] -= 1
        if self._placed is not None:
            self._placed = self._placed[:-1]
            end = self._placed[-1].end if self._placed else 0
            self.parameters = self._memory[:end]
            last.place_nowhere()
            vars(self).pop("_network", None)
        return last

    def build(self, input_shape: Sequence[int]) -> None:
        """Fix the shape of one sample, as (28, 28, 1), or with Keras's leading None."""
        shape = sample_shape(without_batch(input_shape))
        if self._input_shape not in (None, shape):
            raise ValueError(f"input_shape must be {self._input_shape}, got {shape}")
        if not self.built:
            self._place(self.layers, shape)

    def build_to_load(self, input_shape: Sequence[int], size: int) -> None:
        """As `build`, with weights of zero. size: how many there must be.

        Raises ValueError for another number, before memory is taken for them.
        """
        self._place(self.layers, sample_shape(input_shape), size)

    @property
    def built(self) -> bool:
        """Whether the input shape is known, hence the weights are there."""
        return self._placed is not None

    @property
    def placed(self) -> tuple[Placed, ...]:
        """The layers on their inputs' shapes. Raises ValueError before these are known."""
        return tuple(self._built())

    @property
    def graph(self) -> Graph:
        """The network as it is run. Raises ValueError before the input shape is known."""
        from . import _graph

        return _graph.inference(self._input_shape or (), self._built())

    @property
    def network(self) -> _core.Network:
        """The graph planned in C++. Raises ValueError before the input shape is known."""
        network = self._network
        if network is None:
            self._samples_a_call = _samples_a_call(self.layers)
            self._output_is_large = math.prod(self._output_shape()) >= _arrays.LARGE
            # Two threads that plan at once go on with the same one.
            network = vars(self).setdefault("_network", self.graph.network(self._frozen))
        return network

    def prefix(self, last: Layer) -> Prefix:
        """The layers up to this one. Raises ValueError before the input shape is known."""
        from . import _graph

        placed = self._built()[: self.layers.index(last) + 1]
        network = _graph.inference(self._input_shape or (), placed).network()
        return _graph.Prefix(network, placed[-1].end, placed[-1].output_shape)

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """[What goes in], for `Model`. Raises ValueError before the input shape is known."""
        self._built()
        tensor = Input(self._input_shape or ())
        tensor.model = self
        return [tensor]

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """[What comes out], for `Model`. Raises ValueError before the input shape is known."""
        return [layer.output for layer in self.layers[-1:]] or self.inputs

    @property
    def input(self) -> SymbolicTensor:
        """The one of `inputs`."""
        return self.inputs[0]

    @property
    def output(self) -> SymbolicTensor:
        """The one of `outputs`."""
        return self.outputs[0]

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """(None, ...), as Keras's. Raises ValueError before it is known."""
        self._built()
        return (None, *(self._input_shape or ()))

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """(None, ...), as Keras's. Raises ValueError before it is known."""
        self._built()
        return (None, *self._output_shape())

    @property
    def weights(self) -> list[NDArray[np.float32]]:
        """All weights in Keras's order, as live views."""
        self._built()
        return super().weights

    def named_weights(
        self, flat: NDArray[np.float32] | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """The weights by name, as "dense_1.kernel": live views, or views into `flat`.

        flat: a buffer like `parameters`, as the optimizer's slots.
        """
        flat = self.parameters if flat is None else flat
        return {
            f"{placed.layer.name}.{tensor.name}": tensor.of(flat)
            for placed in self._built()
            for tensor in placed.tensors
        }

    def snapshot(self) -> dict[str, NDArray[np.float32]]:
        """Copies of all weights by name, all from after the same step of training."""
        flat = self.network.snapshot(self.parameters)
        return {name: view.copy() for name, view in self.named_weights(flat).items()}

    def names_of(self, layer: Layer) -> list[str]:
        """A layer's names in `named_weights`, in its order."""
        (placed,) = (placed for placed in self._built() if placed.layer is layer)
        return [f"{layer.name}.{tensor.name}" for tensor in placed.tensors]

    def trainable_names(self) -> set[str]:
        """Of `named_weights`, those that an optimizer has state for."""
        return {
            f"{placed.layer.name}.{tensor.name}"
            for placed in self._built()
            for tensor in placed.tensors
            if tensor.trainable
        }

    def get_weights(self) -> list[NDArray[np.float32]]:
        """Copies of all weights, in Keras's order and layouts."""
        return list(self.snapshot().values())

    def set_weights(self, weights: Sequence[NDArray[Any]]) -> None:
        """Copy a list as `get_weights` gives it, of ours or of a Keras model, into the weights."""
        flat = self.network.snapshot(self.parameters)
        assign_weights(self.named_weights(flat), weights)
        self.network.assign(self.parameters, flat)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}: {len(self.layers)} layers>"

    def _repr_html_(self) -> str:
        """The summary as a table, for notebooks."""
        from ._notebook import summary_table

        return summary_table(self.name, self.layers)

    def _built(self) -> list[Placed]:
        if self._placed is None:
            raise ValueError(
                f"model {self.name!r} does not know its input shape yet: give the first layer "
                "input_shape=, start with an Input, call build, or train it"
            )
        return self._placed

    def _freeze(self) -> None:
        """From now on training leaves alone the weights of what is not trainable at this moment."""
        frozen = {layer.name or "" for layer in self.layers if not layer.trainable}
        if not self.trainable:
            frozen = {layer.name or "" for layer in self.layers}
        if frozen != self._frozen:
            self._frozen = frozenset(frozen)
            vars(self).pop("_network", None)

    def _nodes_down(self) -> Iterator[Node]:
        """What the layers compute, from the last one down, as they say it: not rewritten."""
        return (node for placed in reversed(self._built()) for node in reversed(placed.nodes))

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
        if layer.name is not None:
            if layer.name in self._names:
                raise ValueError(f"name must be unique in a model, got {layer.name!r} twice")
            return layer.name
        base = short_name(type(layer))
        number = self._classes[type(layer)]
        name = f"{base}_{number}" if number else base
        while name in self._names:
            number += 1
            name = f"{base}_{number}"
        return name

    def _place(self, layers: Sequence[Layer], input_shape: Shape, size: int | None = None) -> None:
        """Put layers on top: plan them, then take memory for their weights and draw these.

        size: how many weights there must be, to be loaded: none are drawn.
        """
        from . import _graph

        _core.active_isa()  # raises ValueError at once where PYLENET_ISA makes no sense
        below = self._placed or []
        shape, end = (below[-1].output_shape, below[-1].end) if below else (input_shape, 0)
        new: list[Placed] = []
        for layer in layers:
            new.append(_graph.place(layer, shape, end))
            shape, end = new[-1].output_shape, new[-1].end
        if size is not None and size != (count := _count(new)):
            raise ValueError(f"the layers have {count} parameters, expected {size}")

        memory = self._memory
        if end > memory.size:
            memory = _core.zeros(max(end, memory.size * 5 // 4))  # copies are few, little is unused
            memory[: self.parameters.size] = self.parameters
        memory[self.parameters.size : end] = 0  # also where drawing once failed half-way
        for placed in new if size is None else ():
            for tensor in placed.tensors:
                tensor.of(memory)[...] = placed.layer.initial_weight(tensor.name, tensor.shape)

        for placed in new if memory is self._memory else [*below, *new]:
            weights = {tensor.name: tensor.of(memory) for tensor in placed.tensors}
            averages = [tensor.name for tensor in placed.tensors if not tensor.trainable]
            placed.layer.place(placed.input_shape, placed.output_shape, weights, averages)
        self._placed, self._input_shape = [*below, *new], input_shape
        self._memory, self.parameters = memory, memory[:end]
        vars(self).pop("_network", None)


def without_batch(input_shape: Sequence[Any]) -> Sequence[int]:
    """A sample's shape that may have Keras's None in front."""
    if isinstance(input_shape, (tuple, list)) and input_shape and input_shape[0] is None:
        return tuple(input_shape)[1:]
    return input_shape


def _samples_a_call(layers: Sequence[Layer]) -> int:
    """Of an evaluation, in one call into C++. By the layers alone: sums do not depend on time."""
    work = 1
    for layer in layers:
        *places, _ = layer.output_shape or (1,)
        kernel = max((w.size for w in layer.weights), default=0)
        work += math.prod(places) * kernel + math.prod(layer.input_shape or ())
    return max(1, min(EVALUATION_CHUNK, EVALUATION_WORK // work))


def _count(layers: Sequence[Placed]) -> int:
    return sum(math.prod(tensor.shape) for placed in layers for tensor in placed.tensors)
