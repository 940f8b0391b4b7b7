"""Model(inputs, outputs): a chain of layers, told by what goes in and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _check
from ..layers import Input, Layer
from ..layers._base import SymbolicTensor
from ._sequential import Sequential
from ._stack import Layered

Tensors = SymbolicTensor | Sequence[SymbolicTensor]
Arrays = NDArray[np.float32] | list[NDArray[np.float32]]


class Model(Layered):
    """What layers in the middle of a model give: Model(model.inputs, layer.output).

    inputs: a model's `inputs`, or an Input. outputs: `layer.output` of a layer of that model, or
    what layers gave that were called one on the other, as Dense(10)(x); or a list of these.

    Its weights are those of the model that has the layers, live; it predicts, and is not trained.
    Layers that no model has yet become a Sequential, and where `outputs` is the last one's, that
    Sequential is what Model(inputs, outputs) returns, to be trained as any other.

    Raises ValueError where the outputs are not of one chain of layers from `inputs` on.
    """

    def __new__(cls, inputs: Tensors, outputs: Tensors, *, name: str = "functional") -> Any:
        source, tensors = _source(inputs), _tensors("outputs", outputs)
        chain = max((_chain(source, tensor) for tensor in tensors), key=len)
        if not chain or chain[-1].model is not None:
            return super().__new__(cls)
        whole = _sequential(source, chain, tensors, name)
        return whole if len(tensors) == 1 else super().__new__(cls)

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
    layers: list[Layer] = []
    for tensor in chain:
        layer = tensor.layer
        if layer is None or layer in layers or layer.input_shape is not None:
            raise ValueError(
                "outputs must be of layers that are called once and of no other model (where a "
                f"Model is part of another, make the longest first), got {layer!r}"
            )
        layers.append(layer)
    whole = Sequential([source, *layers], name=name)
    for tensor in (source, *chain):
        tensor.model = whole
    return whole


def _layer_of(whole: Sequential | None, tensor: SymbolicTensor) -> Layer:
    if whole is None or tensor.layer is None or tensor.layer not in whole.layers:
        raise _branch(tensor)
    return tensor.layer


def _branch(tensor: SymbolicTensor) -> ValueError:
    return ValueError(
        "outputs must be of one chain of layers from inputs on (a graph that branches is not "
        f"supported), got {tensor!r}, which is not in it"
    )
