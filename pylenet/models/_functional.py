"""Model: a chain of layers, told by what goes in and what comes out, or by a class with `call`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _check
from .._configurable import refuse_methods, short_name
from ..layers import Input, Layer
from ..layers._base import SymbolicTensor
from ..layers.dropout import _Drawing
from ._sequential import TRAINING_METHODS, Sequential
from ._stack import Layered, without_batch

Tensors = SymbolicTensor | Sequence[SymbolicTensor]
Arrays = NDArray[np.float32] | list[NDArray[np.float32]]


class Model:
    """What layers in the middle of a model give: Model(model.inputs, layer.output).

    inputs: a model's `inputs`, or an Input. outputs: `layer.output` of a layer of that model, or
    what layers gave that were called one on the other, as Dense(10)(x); or a list of these.

    Its weights are those of the model that has the layers, live; it predicts, and is not trained.
    Layers that no model has yet become a Sequential, and where `outputs` is the last one's, that
    Sequential is what Model(inputs, outputs) returns, to be trained as any other.

    A class of one's own, class Net(Model), makes layers in its constructor and applies them, one
    on the other, in `call(self, inputs)`. It is a Sequential of these, as soon as the shape of its
    input is known: by `build`, or from what it is trained on. `call(self, inputs, training)` is
    asked for both: only layers as Dropout, which predictions pass as they are, may make a
    difference. A method that takes over Keras's training, as train_step, is refused.

    Raises ValueError where the outputs are not of one chain of layers from `inputs` on.
    """

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        if issubclass(cls, (View, Traced)):
            return super().__new__(cls)
        if cls is not Model:
            return super().__new__(_traced(cls))
        inputs, outputs, name = _arguments(*arguments, **named)
        source, tensors = _source(inputs), _tensors("outputs", outputs)
        chain = max((_chain(source, tensor) for tensor in tensors), key=len)
        if not chain or chain[-1].model is not None:
            return super().__new__(View)
        whole = _sequential(source, chain, tensors, name)
        return whole if len(tensors) == 1 else super().__new__(View)

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """What a class of one's own calls: of it, the rest is a Sequential."""
        super().__init__(*arguments, **named)

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        refuse_methods(cls, TRAINING_METHODS)


def _arguments(
    inputs: Tensors, outputs: Tensors, *, name: str = "functional"
) -> tuple[Tensors, Tensors, str]:
    return inputs, outputs, name


class Traced(Sequential):
    """What a class of a user's own is, besides: its layers as it applies them, one on the other."""

    def __init__(self, inputs: Any = None, outputs: Any = None, *, name: str | None = None) -> None:
        super().__init__(name=short_name(type(self)) if name is None else name)
        if inputs is not None or outputs is not None:
            self._take(_source(inputs), outputs)

    def call(self, inputs: SymbolicTensor) -> SymbolicTensor:
        """What the layers give, each applied on what another gave: for a user to say."""
        raise TypeError(f"{type(self).__name__} must have a method call(self, inputs)")

    def build(self, input_shape: Sequence[int]) -> None:
        """Fix the shape of one sample, as (28, 28, 1), or with Keras's leading None."""
        if not self.layers:
            source = Input(batch_shape=(None, *without_batch(input_shape)))
            self._take(source, self._applied(source))
        super().build(input_shape)

    def __call__(self, inputs: Any, *, training: bool | None = None) -> Any:
        """What predict gives; on what a layer gives, what `call` does."""
        return self._applied(inputs) if isinstance(inputs, SymbolicTensor) else self.predict(inputs)

    def _applied(self, inputs: SymbolicTensor) -> Any:
        """What `call` gives; where it takes `training`, in training."""
        if "training" not in inspect.signature(self.call).parameters:
            return self.call(inputs)
        usual, trained = (_call(self.call, inputs, training) for training in (False, True))
        if isinstance(usual, SymbolicTensor) and isinstance(trained, SymbolicTensor):
            chains = [_steps(inputs, tensor) for tensor in (usual, trained)]
            for tensor in chains[1]:
                tensor.training = inputs.training
            layers = [[tensor.layer for tensor in chain] for chain in chains]
            if not _same_in_prediction(*layers):
                raise ValueError(
                    f"{type(self).__name__}.call must apply the same layers with training=True and "
                    "training=False, but for those as Dropout, which only training uses: got "
                    f"{layers[1]} and {layers[0]}"
                )
        return trained

    def _check_layers(self) -> None:
        pass

    def _take(self, source: Input, output: object) -> None:
        if not isinstance(output, SymbolicTensor):
            raise TypeError(
                f"{type(self).__name__} must give what its last layer gives (it is a chain of "
                f"layers), got {type(output).__name__}"
            )
        chain = _chain(source, output)
        self.add(source)
        for layer in _layers_of(chain):
            self.add(layer)
        for tensor in (source, *chain):
            tensor.model = self


def _call(call: Any, inputs: SymbolicTensor, training: bool) -> Any:
    former = inputs.training
    inputs.training = training
    try:
        return call(inputs, training=training)
    finally:
        inputs.training = former


def _steps(inputs: SymbolicTensor, tensor: SymbolicTensor) -> list[SymbolicTensor]:
    """What layers gave from `inputs` on up to `tensor`."""
    steps: list[SymbolicTensor] = []
    step: SymbolicTensor | None = tensor
    while step is not None and step is not inputs:
        steps.insert(0, step)
        step = step.below
    return steps


def _same_in_prediction(usual: Sequence[Any], trained: Sequence[Any]) -> bool:
    """Whether these layers predict alike: they are the same but for those that pass values on."""
    chains = [[layer for layer in ls if not isinstance(layer, _Drawing)] for ls in (usual, trained)]
    return len(chains[0]) == len(chains[1]) and all(map(_are_alike, *chains))


def _are_alike(a: Any, b: Any) -> bool:
    """Whether they are one layer, or of one kind and config without weights, made in `call`."""
    if a is b:
        return True
    if type(a) is not type(b) or not isinstance(a, Layer):
        return False
    has_weights = any(name.endswith("_initializer") for name in a._parameters())
    return not has_weights and a.arguments() == b.arguments()


def _traced(cls: type[Model]) -> type[Any]:
    """The class that instances of a user's own have: it, and what it becomes."""
    made = vars(cls).get("_as_sequential")
    if made is None:
        names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
        made = type(cls.__name__, (cls, Traced), names | {"__doc__": cls.__doc__})
        cls._as_sequential = made  # type: ignore[attr-defined]
    found: type[Any] = made
    return found


class View(Model, Layered):
    """Model of layers that another model has."""

    def __init__(self, inputs: Tensors, outputs: Tensors, *, name: str = "functional") -> None:
        source, tensors = _source(inputs), _tensors("outputs", outputs)
        self.name = _check.text("name", name)
        self._whole: Sequential = tensors[0].model or source.model
        self._ends = [_layer_of(self._whole, tensor) for tensor in tensors]
        self._alone = isinstance(outputs, SymbolicTensor)  # else predictions are a list of arrays
        self._prefixes = [self._whole.prefix(layer) for layer in self._ends]
        self.layers = self._whole.layers[: max(self._places()) + 1]

    @property
    def inputs(self) -> list[SymbolicTensor]:
        """[What goes in]."""
        return self._whole.inputs

    @property
    def outputs(self) -> list[SymbolicTensor]:
        """What comes out."""
        return [layer.output for layer in self._ends]

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """(None, ...), as Keras's."""
        return self._whole.input_shape

    @property
    def output_shape(self) -> tuple[int | None, ...] | list[tuple[int | None, ...]]:
        """(None, ...), as Keras's; a list of them for a list of outputs."""
        shapes = [tensor.shape for tensor in self.outputs]
        return shapes[0] if self._alone else shapes

    def predict(
        self, x: NDArray[Any], batch_size: int | None = None, verbose: int | str = 0
    ) -> Arrays:
        """The outputs for x, float32 (N, ...); a list of arrays for a list of outputs.

        To the bits of what the whole model computes, all by the weights from after the same step
        of a training. batch_size: as in Keras, but results do not depend on it.
        """
        found = self._whole.predict_prefixes(self._prefixes, x, batch_size, verbose)
        return found[0] if self._alone else found

    def predict_on_batch(self, x: NDArray[Any]) -> Arrays:
        """What predict gives."""
        return self.predict(x)

    def __call__(self, inputs: NDArray[Any]) -> Arrays:
        """What predict gives."""
        return self.predict(inputs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _model_of, (self._whole, self._places(), self._alone, self.name)

    def _places(self) -> list[int]:
        return [self._whole.layers.index(layer) for layer in self._ends]

    def __repr__(self) -> str:
        return f"<Model {self.name!r}: {len(self._ends)} outputs of {self._whole!r}>"


def _model_of(whole: Sequential, places: list[int], alone: bool, name: str) -> Any:
    outputs = [whole.layers[place].output for place in places]
    return Model(whole.inputs, outputs[0] if alone else outputs, name=name)


def _source(inputs: object) -> Input:
    tensors = _tensors("inputs", inputs)
    if len(tensors) != 1 or not isinstance(tensors[0], Input):
        raise ValueError(f"inputs must be one Input, or a model's `inputs`, got {inputs!r}")
    return tensors[0]


def _tensors(name: str, value: object) -> list[SymbolicTensor]:
    found: list[SymbolicTensor] = []
    for tensor in value if isinstance(value, (tuple, list)) else (value,):
        if not isinstance(tensor, SymbolicTensor):
            raise TypeError(
                f"{name} must be an Input, what a layer gives, or a list of these, got {tensor!r}"
            )
        found.append(tensor)
    if not found:
        raise ValueError(f"{name} must not be empty, got {value!r}")
    return found


def _chain(source: Input, tensor: SymbolicTensor) -> list[SymbolicTensor]:
    """What layers gave that were called one on the other, from the first one to `tensor`."""
    chain: list[SymbolicTensor] = []
    below = tensor
    while below.below is not None:
        chain.insert(0, below)
        below = below.below
    if chain and below is not source:
        raise ValueError(f"outputs must come from inputs, {source!r}, got one from {below!r}")
    return chain


def _sequential(
    source: Input, chain: list[SymbolicTensor], tensors: list[SymbolicTensor], name: str
) -> Sequential:
    """A new model of the chain's layers."""
    for tensor in tensors:
        if tensor not in chain:
            raise _branch(tensor)
    whole = Sequential([source, *_layers_of(chain)], name=name)
    for tensor in (source, *chain):
        tensor.model = whole
    return whole


def _layers_of(chain: list[SymbolicTensor]) -> list[Layer]:
    layers: list[Layer] = []
    for tensor in chain:
        layer = tensor.layer
        if layer is None or layer in layers or layer.input_shape is not None:
            raise ValueError(
                "outputs must be of layers that are called once and of no other model (where a "
                f"Model is part of another, make the longest first), got {layer!r}"
            )
        layers.append(layer)
    return layers


def _layer_of(whole: Sequential | None, tensor: SymbolicTensor) -> Layer:
    if whole is None or tensor.layer is None or tensor.layer not in whole.layers:
        raise _branch(tensor)
    return tensor.layer


def _branch(tensor: SymbolicTensor) -> ValueError:
    return ValueError(
        "outputs must be of one chain of layers from inputs on (a graph that branches is not "
        f"supported), got {tensor!r}, which is not in it"
    )
