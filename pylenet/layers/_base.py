"""What all layers share; a family's module holds its layers. See Layer for what one must tell."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _arrays, _check, _core, initializers
from .._arrays import CoreShape, Shape
from .._configurable import Configurable, serialize
from .._missing import takes_old_arguments
from ..initializers import Initializer

if TYPE_CHECKING:
    from ..constraints import Constraint
    from ..regularizers import Regularizer

__all__ = ["Input", "InputLayer", "Layer"]

Settings = dict[str, Any]  # of a node: its "kind" and what C++ is to know of it


NOT_CALLED = ("call", "__call__", "build", "compute_output_shape", "compute_mask", "add_weight")


class Layer(Configurable, family="layer", not_called=NOT_CALLED):
    """Base class. name: unique in its model, made from the class's name if None.

    input_shape: for the first layer of a model, the shape of one sample, as (28, 28, 1); or
    input_dim, for input_shape=(input_dim,). trainable: see the property.

    A layer keeps its constructor's arguments as attributes of their names, and tells a model by
    `nodes`, `public_shape` and `initial_weight` what it is made of. Its class is known by name to
    whoever loads a model.
    """

    kind: str  # of the node in C++

    def __init__(
        self,
        *,
        name: str | None = None,
        input_shape: Sequence[int] | None = None,
        input_dim: int | None = None,
        trainable: bool = True,
        dtype: str | None = None,
        **unknown: Any,
    ) -> None:
        if unknown:
            known = [name for name in self._parameters() if name not in ("self", "unknown")]
            raise TypeError(
                f"{type(self).__name__}() got an unexpected argument {next(iter(unknown))!r}; it "
                f"takes {', '.join(name for name in known if name != 'common')}"
            )
        self.name = None if name is None else checked_name(name)
        self.trainable = trainable
        if dtype not in (None, "float32"):
            raise ValueError(f"dtype must be 'float32' or None, got {dtype!r}")
        if input_dim is not None:
            if input_shape is not None:
                raise ValueError("input_dim must be None where input_shape is given, got both")
            input_shape = (_check.integer("input_dim", input_dim, 1),)
        self.declared_input_shape = None if input_shape is None else sample_shape(input_shape)
        # Of one sample, once a model has placed the layer; and the first model that has.
        self.sample_input_shape: Shape | None = None
        self.sample_output_shape: Shape | None = None
        self._model: Callable[[], Any] = _no_model
        self.memory: Any = None  # in which the weights lie, the model's
        self.begin = 0  # the place in it from which on
        self._weights: dict[str, NDArray[np.float32]] = {}
        # By weight's name, of those that have one or both.
        self.rules: dict[str, tuple[Regularizer | None, Constraint | None]] = {}
        self._averages: frozenset[str] = frozenset()  # of these, those without a gradient

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights. Can be set; takes effect when a model is compiled.

        What is frozen stays as it is, whatever the optimizer; a BatchNormalization uses its moving
        averages in training, too.
        """
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = _check.boolean("trainable", value)

    @property
    def trainable_weights(self) -> list[NDArray[np.float32]]:
        """The weights that the optimizer changes, as live views; none where `trainable` is not."""
        own = self._weights.items()
        return [w for name, w in own if self.trainable and name not in self._averages]

    @property
    def non_trainable_weights(self) -> list[NDArray[np.float32]]:
        """The other weights: moving averages, and all where `trainable` is False."""
        own = self._weights.items()
        return [w for name, w in own if not self.trainable or name in self._averages]

    def __getstate__(self) -> dict[str, Any]:
        """A copy has weights of its own, and no model."""
        return vars(self) | {"memory": None, "begin": 0, "_model": _no_model}

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse changes that a model which has this layer would not see."""
        if (
            name in self.__dict__
            and self.sample_input_shape is not None
            and name in self.arguments()
        ):
            raise AttributeError(
                f"{name} of a layer in a model must stay as it is, {getattr(self, name)!r}"
            )
        super().__setattr__(name, value)

    @property
    def weights(self) -> list[NDArray[np.float32]]:
        """The weights in Keras's order, as live views; empty without any or outside a model."""
        return list(self._weights.values())

    @property
    def variables(self) -> list[NDArray[np.float32]]:
        """The same as `weights`."""
        return self.weights

    @property
    def trainable_variables(self) -> list[NDArray[np.float32]]:
        """The same as `trainable_weights`."""
        return self.trainable_weights

    def get_weights(self) -> list[NDArray[np.float32]]:
        """Copies of the layer's weights."""
        return [w.copy() for w in self.weights]

    def set_weights(self, weights: Sequence[NDArray[Any]]) -> None:
        """Copy arrays of the weights' shapes into them."""
        assign_weights(self._weights, weights)

    def count_params(self) -> int:
        """The number of values of all weights. Raises ValueError outside a built model."""
        if self.sample_input_shape is None:
            raise ValueError(f"{self!r} has no weights yet: add it to a model with an input shape")
        return sum(w.size for w in self.weights)

    def count_neurons(self) -> int:
        """The number of units whose inputs are summed or compared; 0 where values only pass.

        Raises ValueError outside a built model, as count_connections does.
        """
        return math.prod(self._built_shapes()[1]) if self.count_connections() else 0

    def count_connections(self) -> int:
        """The number of inputs of all neurons, biases included, as the LeNet-5 paper counts."""
        return self._connections(*self._built_shapes())

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """(None, ...), as Keras's: None is for any number of samples.

        Raises AttributeError outside a built model, as output_shape does.
        """
        return (None, *self._known(self.sample_input_shape))

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """(None, ...), as Keras's."""
        return (None, *self._known(self.sample_output_shape))

    def arguments(self) -> dict[str, Any]:
        """The constructor's own arguments by name; initializers as configs, none at its default.

        So are regularizers and constraints, of those there are.
        """
        names = [name for name in self._parameters() if name not in ("name", "input_shape")]
        found = {name: getattr(self, name) for name in names if hasattr(self, name)}
        if self.trainable:
            found.pop("trainable", None)
        parameters = self._parameters()
        for name, value in list(found.items()):
            if name.endswith(("_regularizer", "_constraint")):
                if value is None:
                    del found[name]
                else:
                    found[name] = serialize(value)
            if isinstance(value, Layer):  # an activation
                found[name] = serialize(value)
            if isinstance(value, Initializer):
                found[name] = serialize(value)
                if found[name] == serialize(initializers.get(parameters[name].default)):
                    del found[name]
        return found

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments, as JSON values."""
        return {"name": self.name, **self.arguments()}

    @property
    def output(self) -> SymbolicTensor:
        """What it gives in its model, for `Model`. Raises ValueError outside a built model."""
        tensor = SymbolicTensor(self._built_shapes()[1], self)
        tensor.model = self._model()
        return tensor

    @property
    def input(self) -> SymbolicTensor:
        """What it is given in its model, the first one that has it, for `Model`.

        Raises ValueError outside a built model, and where that model is no more.
        """
        self._built_shapes()
        model = self._model()
        if model is None:
            raise ValueError(f"the model that {self!r} was first part of is no more")
        found: SymbolicTensor = model.input_of(self)
        return found

    def __call__(self, inputs: SymbolicTensor, *, training: bool | None = None) -> SymbolicTensor:
        """What the layer gives on an Input, or on what another layer gives, for `Model`.

        training: None or False; the model says when it trains. Raises ValueError for True, except
        where the `call` of a class of one's own was given it, and where these inputs do not fit.
        """
        if training and not getattr(inputs, "training", False):
            raise ValueError(
                f"training must be None or False, the model says when it trains, got {training!r}"
            )
        if not isinstance(inputs, SymbolicTensor):
            raise TypeError(
                "inputs must be an Input or what one other layer gives (a graph that branches is "
                f"not supported, and arrays are for models), got {type(inputs).__name__}"
            )
        input_shape = inputs.sample_shape
        if self.declared_input_shape not in (None, input_shape):
            raise ValueError(
                f"input_shape must be {input_shape} here, got {self.declared_input_shape} in "
                f"{self!r}"
            )
        self.check_shared(input_shape)
        shape = _arrays.core_shape(input_shape)
        for node in self.nodes(input_shape):
            shape, _, _ = _core.describe(node, shape, 0)
        found = SymbolicTensor(self.public_shape(shape, input_shape), self, inputs)
        found.training = inputs.training
        return found

    def nodes(self, input_shape: Shape) -> list[Settings]:
        """What C++ computes for this layer. Raises ValueError where the input does not fit."""
        return [{"kind": self.kind}]

    def public_shape(self, core_shape: CoreShape, input_shape: Shape) -> Shape:
        """The output's shape, given C++'s (height, width, channels): of the input's rank."""
        return (core_shape[2:], core_shape[:2], core_shape)[len(input_shape) - 1]

    def initial_weight(self, name: str, shape: Shape) -> NDArray[np.float32]:
        """First values of the weight `name`."""
        values: NDArray[np.float32] = getattr(self, f"{name}_initializer")(shape)
        return values

    def rule(self, weight: str, regularizer: Any, constraint: Any) -> None:
        """Give the weight of this name a regularizer and a constraint, or None of them."""
        found: tuple[Regularizer | None, Constraint | None] = None, None
        if regularizer is not None or constraint is not None:
            from .. import constraints, regularizers  # not needed to import the package

            found = regularizers.get(regularizer), constraints.get(constraint)
            self.rules[weight] = found
        vars(self)[f"{weight}_regularizer"], vars(self)[f"{weight}_constraint"] = found

    def place(
        self,
        input_shape: Shape,
        output_shape: Shape,
        weights: Mapping[str, NDArray[np.float32]],
        averages: Collection[str] = (),
        memory: Any = None,
        begin: int = 0,
    ) -> None:
        """For a model that has taken this layer: here are its shapes and its weights.

        averages: the names of those that have no gradient. memory, begin: where the weights lie.
        """
        vars(self).update(
            sample_input_shape=input_shape,
            sample_output_shape=output_shape,
            _weights=dict(weights),
            memory=memory,
            begin=begin,
        )
        self._averages = frozenset(averages)

    def belong(self, model: Any) -> None:
        """For the first model that places this layer: `input` and `output` are in that."""
        self._model = weakref.ref(model)

    def place_nowhere(self) -> None:
        """For a model that gives this layer away: its weights are gone."""
        vars(self).update(
            sample_input_shape=None, sample_output_shape=None, _weights={}, memory=None, begin=0
        )
        self._model = _no_model

    def check_shared(self, input_shape: Shape) -> None:
        """Raise ValueError where a model has this layer on inputs of another shape."""
        if self.sample_input_shape not in (None, input_shape):
            raise ValueError(
                f"{self!r} is part of a model already, with the input shape "
                f"{self.sample_input_shape}: it must be the same here, got {input_shape}"
            )

    def _built_shapes(self) -> tuple[Shape, Shape]:
        if self.sample_input_shape is None or self.sample_output_shape is None:
            raise ValueError(self._no_shape())
        return self.sample_input_shape, self.sample_output_shape

    def _known(self, shape: Shape | None) -> Shape:
        if shape is None:
            raise AttributeError(self._no_shape())
        return shape

    def _no_shape(self) -> str:
        return f"{self!r} has no shape yet: add it to a model with an input shape"

    def _connections(self, inputs: Shape, outputs: Shape) -> int:
        return 0

    def _weight(self, name: str) -> NDArray[np.float32]:
        if name not in self._weights:
            raise ValueError(f"{self!r} has no {name} yet: add it to a model with an input shape")
        return self._weights[name]


class _Weighted(Layer):
    """A layer with kernel and optional bias.

    kernel_regularizer, bias_regularizer: penalties from `regularizers`, or None.
    kernel_constraint, bias_constraint: from `constraints`, or None.
    """

    def __init__(
        self,
        use_bias: bool,
        kernel_initializer: Any,
        bias_initializer: Any,
        *,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: None = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.rule("kernel", kernel_regularizer, kernel_constraint)
        self.rule("bias", bias_regularizer, bias_constraint)
        if activity_regularizer is not None:
            raise ValueError(
                "activity_regularizer must be None: penalties are of weights alone, got "
                f"{activity_regularizer!r}"
            )
        self.use_bias = _check.boolean("use_bias", use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    @property
    def kernel(self) -> NDArray[np.float32]:
        """The kernel, as a live view. Raises ValueError before there is one."""
        return self._weight("kernel")

    @property
    def bias(self) -> NDArray[np.float32] | None:
        """The bias, as a live view, or None without one. Raises ValueError before there is one."""
        return self._weight("bias") if self.use_bias else None


def _no_model() -> None:
    """In place of a weak reference."""


def checked_name(name: str) -> str:
    """A layer's name, as model files can hold it."""
    if not _check.text("name", name) or not name.isascii() or not name.isprintable():
        raise ValueError(f"name must be printable ASCII, got {name!r}")
    return name


class SymbolicTensor:
    """What a layer gives, or what goes into a model, before there are samples: see `Model`.

    layer: the one that gives it, None for an Input. below: what that was called on, None for a
    layer that a model has placed. model: the one that this is known to be of. training: whether a
    `call` is being asked what it applies in training.
    """

    training = False
    dtype = "float32"

    def __init__(
        self, shape: Shape, layer: Layer | None = None, below: SymbolicTensor | None = None
    ) -> None:
        self.sample_shape, self.layer, self.below = shape, layer, below
        self.model: Any = None

    @property
    def shape(self) -> tuple[int | None, ...]:
        """(None, ...), as Keras's: None is for any number of samples."""
        return (None, *self.sample_shape)

    def __repr__(self) -> str:
        return f"<SymbolicTensor of shape {self.shape}, the output of {self.layer!r}>"

    def _branches(self, other: object) -> SymbolicTensor:
        raise TypeError(
            "what a layer gives can only go into the next layer: a graph that branches, or "
            f"arithmetic between layers, is not supported, got {self!r} and {other!r}"
        )

    def __getitem__(self, item: object) -> None:
        raise TypeError(
            f"what a layer gives cannot be indexed before there are samples, got [{item!r}]: "
            "predict with Model(inputs, outputs), and index the array that it gives"
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _branches
    __truediv__ = __rtruediv__ = __matmul__ = __rmatmul__ = _branches


class Input(SymbolicTensor):
    """What goes into a model, the shape of one sample: Sequential([Input((28, 28, 1)), ...]).

    batch_shape: the same with the number of samples in front, None or any, instead of shape.
    batch_size, dtype: as in Keras, but images of any supported dtype and number come in.
    """

    @takes_old_arguments
    def __init__(
        self,
        shape: Sequence[int] | None = None,
        batch_size: int | None = None,
        dtype: str | None = None,
        *,
        name: str | None = None,
        batch_shape: Sequence[int | None] | None = None,
    ) -> None:
        if batch_shape is not None:
            if shape is not None:
                raise ValueError("shape must be None where batch_shape is given, got both")
            if not isinstance(batch_shape, (tuple, list)) or not batch_shape:
                raise TypeError(
                    f"batch_shape must be a tuple as (None, 28, 28, 1), got {batch_shape!r}"
                )
            batch_size, *rest = batch_shape
            shape = [size for size in rest if size is not None]
        if batch_size is not None:
            _check.integer("batch_size", batch_size, 1)
        if dtype is not None:
            _check.text("dtype", dtype)
        super().__init__(sample_shape(shape))  # type: ignore[arg-type]
        self.name = None if name is None else checked_name(name)

    def __repr__(self) -> str:
        named = "" if self.name is None else f", name={self.name!r}"
        return f"Input(shape={self.sample_shape}{named})"


class InputLayer(Input):
    """Input, under the name of Keras's layer.

    input_shape, batch_input_shape: the same as shape, batch_shape.
    """

    @takes_old_arguments
    def __init__(
        self,
        shape: Sequence[int] | None = None,
        batch_size: int | None = None,
        dtype: str | None = None,
        *,
        name: str | None = None,
        batch_shape: Sequence[int | None] | None = None,
        input_shape: Sequence[int] | None = None,
        batch_input_shape: Sequence[int | None] | None = None,
    ) -> None:
        if batch_input_shape is not None:
            if batch_shape is not None or shape is not None or input_shape is not None:
                raise ValueError("batch_input_shape must be None where another shape is given")
            batch_shape = batch_input_shape
        if input_shape is not None:
            if shape is not None:
                raise ValueError("input_shape must be None where shape is given, got both")
            shape = input_shape
        super().__init__(shape, batch_size, dtype, name=name, batch_shape=batch_shape)


def sample_shape(value: Sequence[int]) -> Shape:
    """The shape of one sample: (features,), (height, width) or (height, width, channels)."""
    if not isinstance(value, (tuple, list)):
        raise TypeError(f"input shape must be a tuple as (28, 28, 1), got {value!r}")
    shape = tuple(_check.integer("input shape", size, 1) for size in value)
    if math.prod(shape) > _arrays.LONGEST:
        raise ValueError(f"input shape must have at most {_arrays.LONGEST} values, got {shape}")
    if not 1 <= len(shape) <= 3:
        raise ValueError(
            "input shape must be (features,), (height, width) or (height, width, channels), "
            f"got {shape}"
        )
    return shape


def check_data_format(layer: Layer, data_format: str | None) -> None:
    """Raise unless it is "channels_last", or None for that."""
    if data_format is None or _check.text("data_format", data_format) == "channels_last":
        return
    raise ValueError(
        f"data_format must be 'channels_last' in {type(layer).__name__}, images are (height, "
        f"width, channels), got {data_format!r}"
    )


def require_image(layer: Layer, input_shape: Shape) -> None:
    """Raise ValueError unless the input is images with channels."""
    if len(input_shape) != 3:
        raise ValueError(
            f"{type(layer).__name__} takes images (height, width, channels), got {input_shape}"
        )


def require_flat(layer: Layer, input_shape: Shape) -> None:
    """Raise ValueError unless the input is flat."""
    if len(input_shape) != 1:
        raise ValueError(
            f"{layer!r} takes flat input (features,), got {input_shape}; put a Flatten before it"
        )


def assign_weights(
    views: Mapping[str, NDArray[np.float32]], weights: Sequence[NDArray[Any]]
) -> None:
    """Copy `weights` into the named views, all or nothing."""
    if not isinstance(weights, Sequence):
        raise TypeError(f"weights must be a list of arrays, got {type(weights).__name__}")
    if len(weights) != len(views):
        raise ValueError(f"weights must be a list of {len(views)} arrays, got {len(weights)}")
    arrays = [np.asarray(w) for w in weights]
    for (name, view), a in zip(views.items(), arrays, strict=True):
        if a.dtype.kind not in "fiu":
            raise TypeError(f"weights: {name} must hold real numbers, got dtype {a.dtype}")
        if a.shape != view.shape:
            raise ValueError(f"weights: {name} must have shape {view.shape}, got {a.shape}")
    for view, a in zip(views.values(), arrays, strict=True):
        view[...] = a
