"""A stack of layers with its plan in C++ and its parameters: everything of a model but training."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from .. import _arrays, _check, _core
from .._arrays import Shape
from .._configurable import short_name
from .._eager import eager
from .._missing import takes_old_arguments
from ..layers import Input, Layer
from ..layers._base import SymbolicTensor, assign_weights, sample_shape
from ._memory import Memory

if TYPE_CHECKING:  # imported where they are used, for that takes a twentieth of the package's time
    from ._graph import Graph, Node, Placed, Prefix
    from ._trainer import TrainerLock

EVALUATION_CHUNK = 4096  # samples in one call, at most
EVALUATION_WORK = 2**31  # multiply-adds in one call: some 0.1 s, which other threads wait for


class Layered:
    """What every model tells of its layers."""

    name: str
    layers: tuple[Layer, ...]
    _models: Mapping[str, Layered] = {}
    _alone = True  # whether it has one output, the last layer's
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

    @property
    def variables(self) -> list[NDArray[np.float32]]:
        """The same as `weights`."""
        return self.weights

    @property
    def trainable_variables(self) -> list[NDArray[np.float32]]:
        """The same as `trainable_weights`."""
        return self.trainable_weights

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of this name, or at this place, the last being -1.

        name: also of a model that was put into this one, which is then returned.
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
        name = _check.text("name", name)
        if name not in names:
            if name in self._models:
                return cast(Layer, self._models[name])
            raise ValueError(f"name must be one of {names}, got {name!r}")
        return self.layers[names.index(name)]

    def count_params(self) -> int:
        """The number of weights, moving averages included."""
        return sum(w.size for w in self.weights)

    @takes_old_arguments
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
    Models that have layers in common share these layers' weights, live: their buffers are ranges of
    one `Memory`, and may have others' weights between their own.
    """

    _network: _core.Network | None = None  # planned when it is first needed

    def __init__(
        self, layers: Sequence[Layer | Input] | None = None, *, name: str = "sequential"
    ) -> None:
        self.name = _check.text("name", name)
        self.layers: tuple[Layer, ...] = ()
        self._memory, self._base = Memory(), 0  # where the weights lie, from which place on
        self.parameters = self._memory.buffer[:0]
        self._input_shape: Shape | None = None
        self._placed: list[Placed] | None = None  # the layers, once the input shape is known
        self._parts: list[LayerStack] = []  # models in it that know no input shape yet
        self._models: dict[str, Layered] = {}  # all models in it, by name
        self._classes: Counter[type[Layer]] = Counter()  # of layers: how many there are of each
        self._still: frozenset[Layer] = frozenset()  # are not trained, since the last compile
        self.identity = object()  # by which an optimizer knows whose state it holds
        if layers is not None and not isinstance(layers, (list, tuple)):
            raise TypeError(f"layers must be a list of layers, got {type(layers).__name__}")
        for layer in layers or ():
            self.add(layer)

    def add(self, layer: Layer | Input | Layered) -> None:
        """Put a layer on top, or all layers of a model, one after the other.

        A layer that another model has is shared with it: its weights are those of both, live. Where
        its name is taken here, it gets another. Raises ValueError, and changes nothing, where the
        layer does not fit.
        """
        if isinstance(layer, Input):
            if self.layers or self._input_shape is not None:
                raise ValueError(f"layer must not be Input unless it is the first, got {layer!r}")
            self._input_shape = layer.sample_shape
            return
        if isinstance(layer, Layered):
            self._add_model(layer)
        elif isinstance(layer, Layer):
            self._add([layer])
        else:
            raise TypeError(f"layer must be a pylenet layer, or a model, got {layer!r}")

    def _add_model(self, model: Layered) -> None:
        if isinstance(model, LayerStack) and not model.built and self._input_shape is not None:
            model.build(self._output_shape())
        check_alone(model)
        if not model.layers:
            raise ValueError(
                f"model {model.name!r} has no layers yet: give it an input shape first"
            )
        self._add(model.layers, known=True)
        self._models[model.name] = model
        if isinstance(model, LayerStack) and not model.built:
            self._parts.append(model)

    def _add(self, layers: Sequence[Layer], known: bool = False) -> None:
        """Put layers on top. known: another model may have them, also without a shape yet."""
        for place, layer in enumerate(layers):
            if layer in self.layers or layer in layers[:place]:
                raise ValueError(f"layer must be in a model once, got {layer!r} twice")
            if layer.memory is None and layer.sample_input_shape is not None:
                raise ValueError(f"layer must be new or of a model, got a copy of {layer!r}")
        self._check_declared(layers[0])
        former_names = [layer.name for layer in layers]
        taken = {layer.name for layer in self.layers}
        try:
            for layer in layers:
                layer.name = self._unique_name(layer, taken, known or layer.memory is not None)
                taken.add(layer.name)
                self._classes[type(layer)] += 1
            if shape := self._input_shape or _input_shape_of(layers[0]):
                self._place(layers, shape)
        except Exception:
            for layer, name in zip(layers, former_names, strict=True):
                layer.name = name
            self._classes = Counter(type(layer) for layer in self.layers)
            raise
        self.layers = (*self.layers, *layers)
        self._still |= {layer for layer in layers if not layer.trainable}

    def pop(self) -> Layer:
        """Take the last layer off and return it; the weights below stay as they are.

        A layer that another model has keeps its weights there. The model is to be compiled again,
        with a new optimizer. Raises ValueError without layers.
        """
        if not self.layers:
            raise ValueError(f"model {self.name!r} has no layers to take off")
        *rest, last = self.layers
        self.layers = tuple(rest)
        self._still -= {last}
        self._classes[type(last)] -= 1
        if self._placed is not None:
            self._placed = self._placed[:-1]
            if not self._memory.others(last, self):
                last.place_nowhere()
                self._memory.forget_what_nobody_has()
            self.move(self._memory, 0)
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
            planned = self.graph.network(self._frozen, gate=self._memory.gate)
            network = vars(self).setdefault("_network", planned)
        return network

    def prefix(self, last: Layer) -> Prefix:
        """The layers up to this one. Raises ValueError before the input shape is known."""
        from . import _graph

        placed = self._built()[: self.layers.index(last) + 1]
        network = _graph.inference(self._input_shape or (), placed).network()
        return _graph.Prefix(network, _graph.size(placed), placed[-1].output_shape)

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
        return [self.output_of(layer) for layer in self.layers[-1:]] or self.inputs

    @property
    def input(self) -> SymbolicTensor:
        """The one of `inputs`."""
        return self.inputs[0]

    @property
    def output(self) -> SymbolicTensor:
        """The one of `outputs`."""
        return self.outputs[0]

    def input_of(self, layer: Layer) -> SymbolicTensor:
        """What is given to this layer of the model."""
        place = self.layers.index(layer)
        return self.output_of(self.layers[place - 1]) if place else self.input

    def output_of(self, layer: Layer) -> SymbolicTensor:
        """What this layer gives in this model."""
        tensor = layer.output
        tensor.model = self
        return tensor

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

    @property
    def range(self) -> tuple[int, int]:
        """Where its parameters lie in the memory that it shares with other models."""
        return self._base, self._base + self.parameters.size

    def move(self, memory: Memory, by: int) -> None:
        """For a memory that has moved the weights there, `by` floats from where they were."""
        from . import _graph

        self._memory, self._base = memory, self._base + by
        placed = self._placed or []
        self.parameters = memory.buffer[self._base :][: _graph.size(placed)]
        for each in placed:
            self._view(each)
        vars(self).pop("_network", None)

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
        """From now on training leaves alone the weights of what is not trainable at this moment.

        The network is planned anew, by the algorithm of convolutions that is now in use.
        """
        still = {layer for layer in self.layers if not (layer.trainable and self.trainable)}
        self._still = frozenset(still)
        vars(self).pop("_network", None)

    @property
    def _frozen(self) -> frozenset[str]:
        """The names of layers that training leaves alone."""
        return frozenset(layer.name or "" for layer in self._still)

    @property
    def _trainer(self) -> TrainerLock:
        return self._memory.trainer

    def _nodes_down(self) -> Iterator[Node]:
        """What the layers compute, from the last one down, as they say it: not rewritten."""
        return (node for placed in reversed(self._built()) for node in reversed(placed.nodes))

    def _output_shape(self) -> Shape:
        return (self.layers[-1].sample_output_shape if self.layers else self._input_shape) or ()

    def _check_declared(self, layer: Layer) -> None:
        declared = _input_shape_of(layer)
        expected = self._output_shape() if self.layers else self._input_shape
        if declared and expected and declared != expected:
            raise ValueError(f"input_shape must be {expected} here, got {declared} in {layer!r}")
        if declared and not expected and self.layers:
            raise ValueError(f"input_shape must be given with the first layer, got it in {layer!r}")

    def _unique_name(self, layer: Layer, taken: set[str | None], may_change: bool) -> str:
        """A name that is not taken here, nor, of a layer that others have, there."""
        base, number = short_name(type(layer)), self._classes[type(layer)]
        if layer.name is not None:
            if layer.name not in taken:
                return layer.name
            if not may_change:
                raise ValueError(f"name must be unique in a model, got {layer.name!r} twice")
            others = layer.memory.others(layer, self) if layer.memory is not None else []
            taken = taken.union(*({own.name for own in other.layers} for other in others))
            number = max(number, 1)
        name = f"{base}_{number}" if number else base
        while name in taken:
            number += 1
            name = f"{base}_{number}"
        return name

    def _place(self, layers: Sequence[Layer], input_shape: Shape, size: int | None = None) -> None:
        """Put layers on top: plan them, then take memory for new weights and draw these.

        size: how many weights there must be, to be loaded: none are drawn.
        """
        from . import _graph

        _core.active_isa()  # raises ValueError at once where PYLENET_ISA makes no sense
        below = self._placed or []
        shape = below[-1].output_shape if below else input_shape
        drafts: list[Placed] = []
        for layer in layers:
            layer.check_shared(shape)
            drafts.append(_graph.place(layer, shape))
            shape = drafts[-1].output_shape
        if size is not None and size != (count := _count(drafts)):
            raise ValueError(f"the layers have {count} parameters, expected {size}")

        self._share_memory(layers)
        memory, end = self._memory, self._memory.end
        begins: list[int] = []  # in the memory
        for draft in drafts:
            known = draft.layer.memory is not None
            begins.append(draft.layer.begin if known else end)
            end += 0 if known else draft.end
        buffer = memory.room(end)
        for draft, begin in zip(drafts, begins, strict=True):
            if draft.layer.memory is None and size is None:
                for tensor in draft.moved(begin).tensors:
                    values = draft.layer.initial_weight(tensor.name, tensor.shape)
                    tensor.of(buffer)[...] = values

        memory.take(buffer, end)
        memory.serve(self)
        weighted = [begin for draft, begin in zip(drafts, begins, strict=True) if draft.end]
        base = min([self._base] * bool(self.parameters.size) + weighted, default=self._base)
        for draft in drafts:
            if draft.layer.memory is None:
                draft.layer.belong(self)
        self._placed = [
            *(placed.moved(placed.begin + self._base - base) for placed in below),
            *(draft.moved(begin - base) for draft, begin in zip(drafts, begins, strict=True)),
        ]
        self._base, self._input_shape = base, input_shape
        self.move(memory, 0)
        for part in self._parts:
            part.build(part.layers[0].sample_input_shape or ())
        self._parts = []

    def _share_memory(self, layers: Sequence[Layer]) -> None:
        """Make one memory of this model's and those of layers that other models have."""
        bound = self.parameters.size > 0
        for layer in layers:
            if layer.memory in (None, self._memory):
                bound = bound or layer.memory is not None
            elif bound:
                self._memory.absorb(layer.memory)
            else:
                self._memory, self._base, bound = layer.memory, 0, True

    def _view(self, placed: Placed) -> None:
        weights = {tensor.name: eager(tensor.of(self.parameters)) for tensor in placed.tensors}
        for name, weight in weights.items():
            weight.name, weight.path = name, f"{placed.layer.name}/{name}"
        averages = [tensor.name for tensor in placed.tensors if not tensor.trainable]
        placed.layer.place(
            placed.input_shape,
            placed.output_shape,
            weights,
            averages,
            self._memory,
            self._base + placed.begin,
        )


def without_batch(input_shape: Sequence[Any]) -> Sequence[int]:
    """A sample's shape that may have Keras's None in front."""
    if isinstance(input_shape, (tuple, list)) and input_shape and input_shape[0] is None:
        return tuple(input_shape)[1:]
    return input_shape


def applied(layers: Sequence[Layer], inputs: SymbolicTensor) -> SymbolicTensor:
    """What the last of these gives, each being called on what the one before it gives."""
    tensor = inputs
    for layer in layers:
        tensor = layer(tensor)
    return tensor


def check_alone(model: Layered) -> None:
    """Raise ValueError where a model that is to be part of a chain has several outputs."""
    if not model._alone:
        raise ValueError(f"{model!r} has several outputs, and a chain of layers goes on from one")


def check_training(layers: Sequence[Layer], training: object) -> None:
    """Raise ValueError where a prediction is asked for as training would compute it, and cannot."""
    if not training:
        return
    from ..layers.dropout import _Drawing
    from ..layers.normalization import BatchNormalization

    for layer in layers:
        if isinstance(layer, (_Drawing, BatchNormalization)):
            raise ValueError(
                f"training must be None or False, got {training!r}: a model that is called "
                f"predicts, and {layer!r} computes something else while it is trained"
            )


def _input_shape_of(layer: Layer) -> Shape | None:
    """What is known of it before a model has told the layer."""
    return layer.sample_input_shape or layer.declared_input_shape


def _samples_a_call(layers: Sequence[Layer]) -> int:
    """Of an evaluation, in one call into C++. By the layers alone: sums do not depend on time."""
    work = 1
    for layer in layers:
        *places, _ = layer.sample_output_shape or (1,)
        kernel = max((w.size for w in layer.weights), default=0)
        work += math.prod(places) * kernel + math.prod(layer.sample_input_shape or ())
    return max(1, min(EVALUATION_CHUNK, EVALUATION_WORK // work))


def _count(layers: Sequence[Placed]) -> int:
    return sum(math.prod(tensor.shape) for placed in layers for tensor in placed.tensors)
