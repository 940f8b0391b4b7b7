"""Model: a chain of layers, told by what goes in and what comes out, or by a class with `call`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _check
from .._configurable import refuse_methods, short_name
from .._eager import eager
from .._missing import takes_old_arguments
from ..layers import Input, Layer
from ..layers._base import SymbolicTensor
from ..layers.dropout import _Drawing
from ._sequential import TRAINING_METHODS, Sequential
from ._stack import Layered, applied, check_alone, check_training, without_batch

Tensors = SymbolicTensor | Sequence[SymbolicTensor]
Arrays = NDArray[np.float32] | list[NDArray[np.float32]]


class Model:
    """What layers in the middle of a model give: Model(model.inputs, layer.output).

    inputs: a model's `inputs`, an Input, or a layer's `input`. outputs: `layer.output` of a layer
    of that model, or what layers and models gave that were called one on the other, as
    Dense(10)(x); or a list of these.

    Where one model has all these layers from its input on, its weights are seen, live: this
    predicts, and is not trained. Else Model(inputs, outputs) returns a Sequential of the layers, to
    be trained as any other; those that other models have it shares with them. (Of a list of
    outputs, what looks into such a Sequential.)

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
        chains = [_chain(source, tensor) for tensor in tensors]
        whole = _whole(source, chains, tensors)
        if whole is None:
            whole = _sequential(source, chains, tensors, name)
            if len(tensors) == 1:
                return whole
        view = super().__new__(View)
        view._whole, view._ends = whole, [chain[-1] for chain in chains]
        return view

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


_arguments.__qualname__ = Model.__name__  # in messages
_arguments = takes_old_arguments(_arguments)


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

    def _take(self, source: SymbolicTensor, output: object) -> None:
        if not isinstance(output, SymbolicTensor):
            raise TypeError(
                f"{type(self).__name__} must give what its last layer gives (it is a chain of "
                f"layers), got {type(output).__name__}"
            )
        layers = _chain(source, output)
        self.add(Input(source.sample_shape))
        if layers:
            self._add(layers, known=True)
        _belong(self, source, [output])


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

    _whole: Sequential
    _ends: list[Layer]

    def __init__(self, inputs: Tensors, outputs: Tensors, *, name: str = "functional") -> None:
        self.name = _check.text("name", name)
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
        self,
        x: NDArray[Any],
        batch_size: int | None = None,
        verbose: int | str = 0,
        *,
        callbacks: Any = None,
    ) -> Arrays:
        """The outputs for x, float32 (N, ...); a list of arrays for a list of outputs.

        To the bits of what the whole model computes, all by the weights from after the same step
        of a training. batch_size: as in Keras, but results do not depend on it.
        """
        found = self._whole.predict_prefixes(self._prefixes, x, batch_size, verbose, callbacks)
        return found[0] if self._alone else found

    def predict_on_batch(self, x: NDArray[Any]) -> Arrays:
        """What predict gives."""
        return self.predict(x)

    def __call__(self, inputs: Any, training: bool | None = None, mask: None = None) -> Any:
        """What predict gives, as a tensor; called on what a layer gives, what its layers do.

        training: as a Sequential's.
        """
        check_training(self.layers, training)
        if not isinstance(inputs, SymbolicTensor):
            found = self.predict(inputs)
            return eager(found) if self._alone else [eager(each) for each in found]
        check_alone(self)
        return applied(self.layers, inputs)

    def __reduce__(self) -> tuple[Any, ...]:
        return _model_of, (self._whole, self._places(), self._alone, self.name)

    def _places(self) -> list[int]:
        return [self._whole.layers.index(layer) for layer in self._ends]

    def __repr__(self) -> str:
        return f"<Model {self.name!r}: {len(self._ends)} outputs of {self._whole!r}>"


def _model_of(whole: Sequential, places: list[int], alone: bool, name: str) -> Any:
    outputs = [whole.layers[place].output for place in places]
    return Model(whole.inputs, outputs[0] if alone else outputs, name=name)


def _source(inputs: object) -> SymbolicTensor:
    tensors = _tensors("inputs", inputs)
    if len(tensors) != 1:
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


def _chain(source: SymbolicTensor, tensor: SymbolicTensor) -> list[Layer]:
    """The layers from `source` on, one on the other, up to the one that gives `tensor`."""
    layers: list[Layer] = []
    step = tensor
    while not _are_one(source, step):
        if step.layer is None:
            raise ValueError(f"outputs must come from inputs, {source!r}, got one from {step!r}")
        if step.layer in layers:
            raise ValueError(f"layers must be called once in a model, got {step.layer!r} twice")
        layers.insert(0, step.layer)
        step = _below(source, step)
    if not layers:
        raise _branch(tensor)
    return layers


def _are_one(source: SymbolicTensor, step: SymbolicTensor) -> bool:
    """Whether they stand for the same: a model's input is another object each time."""
    if source is step or source.layer is not step.layer:
        return source is step
    return source.layer is not None or (source.model is not None and source.model is step.model)


def _below(source: SymbolicTensor, step: SymbolicTensor) -> SymbolicTensor:
    """What a layer was called on, or is given in a model that has it: that of `source` first."""
    if step.below is not None:
        return step.below
    layer = step.layer
    for model in (source.model, step.model):
        if model is not None and layer in model.layers:
            below: SymbolicTensor = model.input_of(layer)
            return below
    raise ValueError(f"outputs must come from inputs, {source!r}, got one from {step!r}")


def _whole(
    source: SymbolicTensor, chains: list[list[Layer]], tensors: list[SymbolicTensor]
) -> Sequential | None:
    """The model that has all these layers from its input on, if there is one."""
    if source.layer is not None:
        return None
    for model in (source.model, *(tensor.model for tensor in tensors)):
        if model is not None and all(_begins(model.layers, chain) for chain in chains):
            found: Sequential = model
            return found
    return None


def _begins(layers: Sequence[Layer], chain: list[Layer]) -> bool:
    return list(layers[: len(chain)]) == chain


def _sequential(
    source: SymbolicTensor, chains: list[list[Layer]], tensors: list[SymbolicTensor], name: str
) -> Sequential:
    """A new model of the longest chain's layers."""
    longest = max(chains, key=len)
    for chain, tensor in zip(chains, tensors, strict=True):
        if not _begins(longest, chain):
            raise _branch(tensor)
    whole = Sequential([Input(source.sample_shape)], name=name)
    whole._add(longest, known=True)
    _belong(whole, source, tensors)
    return whole


def _belong(model: Sequential, source: SymbolicTensor, tensors: list[SymbolicTensor]) -> None:
    """Remember of what was called on the way from `source` that this model has it."""
    for tensor in tensors:
        step: SymbolicTensor | None = tensor
        while step is not None and step is not source:
            step.model = step.model or model
            step = step.below
    if source.layer is None:
        source.model = model


def _branch(tensor: SymbolicTensor) -> ValueError:
    return ValueError(
        "outputs must be of one chain of layers from inputs on (a graph that branches is not "
        f"supported), got {tensor!r}, which is not in it"
    )
