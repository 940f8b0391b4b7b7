"""Layers, in Keras's words and with Keras's meaning and weight layouts.

A layer holds what its constructor was given. Inside a model it also has `input_shape` and
`output_shape` (without the batch) and its weights, which are views into the model's one flat
parameter buffer: writing into them changes the model. Channels come last everywhere.
Constructors raise TypeError for the wrong kind of argument, ValueError for the wrong value.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _check, initializers
from .ops import ACTIVATIONS, Codes, Connections, Padding, Pair

__all__ = [
    "RBF",
    "Activation",
    "AveragePooling2D",
    "AvgPool2D",
    "Conv2D",
    "Dense",
    "Flatten",
    "Input",
    "Layer",
    "MaxPool2D",
    "MaxPooling2D",
    "Rescaling",
    "Subsampling2D",
    "ZeroPadding2D",
]

FLOAT32 = "[-3.4e38, 3.4e38]"
Shape = tuple[int, ...]


class AlwaysTrainable:
    """What cannot be frozen: layers and models."""

    @property
    def trainable(self) -> bool:
        """True. Setting it to anything else raises ValueError."""
        return True

    @trainable.setter
    def trainable(self, value: bool) -> None:
        if value is not True:
            raise ValueError(f"trainable must be True: nothing can be frozen, got {value!r}")


class Layer(AlwaysTrainable):
    """Base class. name: unique in its model, made from the class's name if None.

    input_shape: for the first layer of a model, the shape of one sample, as (28, 28, 1).
    """

    kind: str  # of the C++ layer

    def __init__(self, *, name: str | None = None, input_shape: Sequence[int] | None = None):
        self.name = None if name is None else _check.text("name", name)
        if name is not None and (not name or not name.isascii() or not name.isprintable()):
            raise ValueError(f"name must be printable ASCII, got {name!r}")
        self.declared_input_shape = None if input_shape is None else sample_shape(input_shape)
        self.input_shape: Shape | None = None
        self.output_shape: Shape | None = None
        self._weights: dict[str, NDArray[np.float32]] = {}

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse changes that a model which has this layer would not see."""
        if name in self.__dict__ and name in self._arguments() and self.input_shape is not None:
            raise AttributeError(
                f"{name} of a layer in a model must stay as it is, {getattr(self, name)!r}"
            )
        super().__setattr__(name, value)

    @property
    def weights(self) -> list[NDArray[np.float32]]:
        """Kernel and bias, as live views; empty for a layer without weights or outside a model."""
        return list(self._weights.values())

    def get_weights(self) -> list[NDArray[np.float32]]:
        """Copies of the layer's weights."""
        return [w.copy() for w in self.weights]

    def set_weights(self, weights: Sequence[NDArray[Any]]) -> None:
        """Copy arrays of the weights' shapes into them."""
        assign_weights(self._weights, weights)

    def count_params(self) -> int:
        """The number of trainable parameters. Raises ValueError outside a built model."""
        if self.input_shape is None:
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

    def _built_shapes(self) -> tuple[Shape, Shape]:
        if self.input_shape is None or self.output_shape is None:
            raise ValueError(f"{self!r} has no shape yet: add it to a model with an input shape")
        return self.input_shape, self.output_shape

    def _connections(self, inputs: Shape, outputs: Shape) -> int:
        return 0

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments, as JSON values."""
        return {"name": self.name, **self._arguments()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Layer":
        """The layer `get_config` came from."""
        return cls(**config)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self._arguments().items())
        return f"{type(self).__name__}({arguments})"

    def _arguments(self) -> dict[str, Any]:
        return {}

    def _specs(self, input_shape: Shape) -> list[dict[str, Any]]:
        """What C++ is to build for this layer. Raises ValueError where the input does not fit."""
        return [{"kind": self.kind}]

    def _shape_of(self, core_shape: tuple[int, int, int], input_shape: Shape) -> Shape:
        """The public output shape, given C++'s (height, width, channels)."""
        return core_shape

    def _initial(self, name: str, shape: Shape) -> NDArray[np.float32]:
        """First values of the weight `name`."""
        raise NotImplementedError

    def _weight(self, name: str) -> NDArray[np.float32]:
        if name not in self._weights:
            raise ValueError(f"{self!r} has no {name} yet: add it to a model with an input shape")
        return self._weights[name]


class Input:
    """The shape of a model's samples, without the batch: Sequential([Input((28, 28, 1)), ...]).

    dtype and the rest of Keras's arguments do not exist: images of any supported dtype come in.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = sample_shape(shape)

    def __repr__(self) -> str:
        return f"Input(shape={self.shape})"


class Rescaling(Layer):
    """y = x * scale + offset. As a model's first layer it costs nothing."""

    kind = "rescaling"

    def __init__(self, scale: float, offset: float = 0.0, **common: Any) -> None:
        super().__init__(**common)
        self.scale = _check.real("scale", scale, FLOAT32)
        self.offset = _check.real("offset", offset, FLOAT32)

    def _arguments(self) -> dict[str, Any]:
        return {"scale": self.scale, "offset": self.offset}

    def _specs(self, input_shape: Shape) -> list[dict[str, Any]]:
        return [{"kind": self.kind, "scale": self.scale, "offset": self.offset}]

    def _shape_of(self, core_shape: tuple[int, int, int], input_shape: Shape) -> Shape:
        return input_shape


class ZeroPadding2D(Layer):
    """Zeros around images (height, width, channels).

    padding: cells on every side, or (height, width), or ((top, bottom), (left, right)).
    """

    kind = "zero_padding2d"

    def __init__(self, padding: Padding = (1, 1), **common: Any) -> None:
        super().__init__(**common)
        self.padding = _arrays.padding_sides(padding)

    def _arguments(self) -> dict[str, Any]:
        return {"padding": self.padding}

    def _specs(self, input_shape: Shape) -> list[dict[str, Any]]:
        image_shape(self, input_shape)
        return [{"kind": self.kind, "padding": [n for side in self.padding for n in side]}]


class _Weighted(Layer):
    """A layer with kernel, optional bias and activation."""

    def __init__(
        self,
        activation: str | None,
        use_bias: bool,
        kernel_initializer: Any,
        bias_initializer: Any,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.activation = activation_name("activation", activation)
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

    def _weighted_arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {"activation": self.activation, "use_bias": self.use_bias}
        return arguments | _changed_initializers(
            self, {"kernel_initializer": "glorot_uniform", "bias_initializer": "zeros"}
        )

    def _with_activation(self, spec: dict[str, Any]) -> list[dict[str, Any]]:
        spec = {"kind": self.kind, "use_bias": self.use_bias, **spec}
        return [spec, *_activation_spec(self.activation)]

    def _initial(self, name: str, shape: Shape) -> NDArray[np.float32]:
        return (self.kernel_initializer if name == "kernel" else self.bias_initializer)(shape)


class Conv2D(_Weighted):
    """2-D convolution of images (height, width, in): kernel (kh, kw, in, filters), bias (filters,).

    kernel_size, strides: an integer or a pair (height, width). padding: 'valid' or 'same'.
    activation: one of linear, relu, scaled_tanh, sigmoid, tanh, or None for linear.
    connections: for each filter the list of input channels that feed it; None means all. Missing
    links have no weight: the kernel is (kh, kw, links), which is full[:, :, table] of a full kernel
    and the boolean table (in, filters). They add nothing to a sum unless an input is infinite or
    NaN, which reaches all filters. Initial values are drawn for each filter's links alone.
    """

    kind = "conv2d"

    def __init__(
        self,
        filters: int,
        kernel_size: Pair,
        strides: Pair = (1, 1),
        padding: str = "valid",
        *,
        activation: str | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        connections: Connections | None = None,
        **common: Any,
    ) -> None:
        super().__init__(activation, use_bias, kernel_initializer, bias_initializer, **common)
        if self.activation == "softmax":
            raise ValueError("activation must not be 'softmax' in Conv2D: it needs flat input")
        self.filters = _check.integer("filters", filters, 1)
        self.kernel_size = _arrays.pair("kernel_size", kernel_size)
        self.strides = _arrays.pair("strides", strides)
        self.padding = _arrays.padding(padding)
        self.connections = None if connections is None else _arrays.connection_table(connections)
        if self.connections is not None and len(self.connections) != self.filters:
            raise ValueError(
                f"connections must have a list for each of the {self.filters} filters, "
                f"got {len(self.connections)}"
            )

    def _arguments(self) -> dict[str, Any]:
        return {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            **self._weighted_arguments(),
            "connections": self.connections,
        }

    def _connections(self, inputs: Shape, outputs: Shape) -> int:
        cells = _cells_in_windows(inputs, self.kernel_size, self.strides, self.padding)
        links = inputs[2] * self.filters
        if self.connections is not None:
            links = sum(map(len, self.connections))
        return cells * links + math.prod(outputs) * self.use_bias

    def _initial(self, name: str, shape: Shape) -> NDArray[np.float32]:
        if name != "kernel" or self.connections is None:
            return super()._initial(name, shape)
        channels = max(map(max, self.connections)) + 1
        full = np.empty((*shape[:2], channels, self.filters), np.float32)
        table = np.zeros((channels, self.filters), bool)
        for o, inputs in enumerate(map(list, self.connections)):
            full[:, :, inputs, o] = super()._initial(name, (*shape[:2], len(inputs), 1))[..., 0]
            table[inputs, o] = True
        return full[:, :, table]

    def _specs(self, input_shape: Shape) -> list[dict[str, Any]]:
        image_shape(self, input_shape)
        if self.connections is not None and max(map(max, self.connections)) >= input_shape[2]:
            raise ValueError(
                f"connections must hold input channels from 0 to {input_shape[2] - 1}, "
                f"got {max(map(max, self.connections))}"
            )
        _arrays.fits_image("kernel_size", self.kernel_size, input_shape, self.padding)
        return self._with_activation(
            {
                "units": self.filters,
                "window": self.kernel_size,
                "strides": self.strides,
                "same_padding": self.padding == "same",
                "connections": self.connections or (),
            }
        )


class Dense(_Weighted):
    """x @ kernel + bias for flat input (in,): kernel (in, units), bias (units,).

    activation: one of linear, relu, scaled_tanh, sigmoid, softmax, tanh, or None for linear.
    """

    kind = "dense"

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        *,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **common: Any,
    ) -> None:
        super().__init__(activation, use_bias, kernel_initializer, bias_initializer, **common)
        self.units = _check.integer("units", units, 1)

    def _arguments(self) -> dict[str, Any]:
        return {"units": self.units, **self._weighted_arguments()}

    def _connections(self, inputs: Shape, outputs: Shape) -> int:
        return (inputs[0] + self.use_bias) * self.units

    def _specs(self, input_shape: Shape) -> list[dict[str, Any]]:
        flat_shape(self, input_shape)
        return self._with_activation({"units": self.units})

    def _shape_of(self, core_shape: tuple[int, int, int], input_shape: Shape) -> Shape:
        return (self.units,)


class _Pooling2D(Layer):
    def __init__(
        self,
        pool_size: Pair = (2, 2),
        strides: Pair | None = None,
        padding: str = "valid",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.pool_size = _arrays.pair("pool_size", pool_size)
        self.strides = self.pool_size if strides is None else _arrays.pair("strides", strides)
        self.padding = _arrays.padding(padding)

    def _arguments(self) -> dict[str, Any]:
        return {"pool_size": self.pool_size, "strides": self.strides, "padding": self.padding}

    def _connections(self, inputs: Shape, outputs: Shape) -> int:
        return inputs[2] * _cells_in_windows(inputs, self.pool_size, self.strides, self.padding)

    def _specs(self, input_shape: Shape) -> list[dict[str, Any]]:
        image_shape(self, input_shape)
        _arrays.fits_image("pool_size", self.pool_size, input_shape, self.padding)
        return [
            {
                "kind": self.kind,
                "window": self.pool_size,
                "strides": self.strides,
                "same_padding": self.padding == "same",
            }
        ]


class MaxPooling2D(_Pooling2D):
    """The largest value of each window; padding ('valid' or 'same') does not take part.

    pool_size, strides: an integer or a pair (height, width); strides is pool_size if None.
    """

    kind = "max_pool2d"


class AveragePooling2D(_Pooling2D):
    """The mean of each window; padding ('valid' or 'same') does not count.

    pool_size, strides: an integer or a pair (height, width); strides is pool_size if None.
    """

    kind = "average_pool2d"


MaxPool2D, AvgPool2D = MaxPooling2D, AveragePooling2D


class Subsampling2D(Layer):
    """LeNet-5's sub-sampling: each window's sum, times a coefficient, plus a bias, then activation.

    Coefficient and bias are trainable, (channels,): one pair for each channel. pool_size, strides:
    an integer or a pair (height, width); strides is pool_size if None. activation: one of linear,
    relu, scaled_tanh, sigmoid, tanh, or None for linear. Coefficients are drawn as weights of a
    unit with pool_size inputs.
    """

    kind = "subsample2d"

    def __init__(
        self,
        pool_size: Pair = (2, 2),
        strides: Pair | None = None,
        *,
        activation: str | None = None,
        coefficient_initializer: Any = "fan_in_uniform",
        bias_initializer: Any = "zeros",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.pool_size = _arrays.pair("pool_size", pool_size)
        self.strides = self.pool_size if strides is None else _arrays.pair("strides", strides)
        self.activation = activation_name("activation", activation)
        if self.activation == "softmax":
            raise ValueError("activation must not be 'softmax' here: it needs flat input")
        self.coefficient_initializer = initializers.get(coefficient_initializer)
        self.bias_initializer = initializers.get(bias_initializer)

    @property
    def coefficient(self) -> NDArray[np.float32]:
        """The coefficients, as a live view. Raises ValueError before there are any."""
        return self._weight("coefficient")

    @property
    def bias(self) -> NDArray[np.float32]:
        """The biases, as a live view. Raises ValueError before there are any."""
        return self._weight("bias")

    def _arguments(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "pool_size": self.pool_size,
            "strides": self.strides,
            "activation": self.activation,
        }
        return arguments | _changed_initializers(
            self, {"coefficient_initializer": "fan_in_uniform", "bias_initializer": "zeros"}
        )

    def _specs(self, input_shape: Shape) -> list[dict[str, Any]]:
        image_shape(self, input_shape)
        _arrays.fits_image("pool_size", self.pool_size, input_shape, None)
        spec = {"kind": self.kind, "window": self.pool_size, "strides": self.strides}
        return [spec, *_activation_spec(self.activation)]

    def _connections(self, inputs: Shape, outputs: Shape) -> int:
        cells = _cells_in_windows(inputs, self.pool_size, self.strides, "valid")
        return inputs[2] * cells + math.prod(outputs)

    def _initial(self, name: str, shape: Shape) -> NDArray[np.float32]:
        if name == "bias":
            return self.bias_initializer(shape)
        kernel: NDArray[np.float32] = self.coefficient_initializer(
            (math.prod(self.pool_size), *shape)
        )
        return kernel[:1].reshape(shape)


class RBF(Layer):
    """Squared Euclidean distances from fixed codes: y_i = sum over j of (x_j - code_ij)^2.

    codes: (units, in) of +1 and -1, or a string of + and - for each unit. Nothing is trainable. As
    a model's last layer its classes are told by the *smallest* output, and the loss to train with
    is losses.MaximumAPosteriori. code_shape: (rows, columns) in which codes are pictures, for
    `pictures`.
    """

    kind = "rbf"

    def __init__(
        self, codes: Codes, *, code_shape: tuple[int, int] | None = None, **common: Any
    ) -> None:
        super().__init__(**common)
        self.codes = _arrays.code_strings(codes)
        self.code_shape = None if code_shape is None else _arrays.pair("code_shape", code_shape)
        if self.code_shape is not None and math.prod(self.code_shape) != len(self.codes[0]):
            raise ValueError(
                f"code_shape must have {len(self.codes[0])} cells, as many as a code has values, "
                f"got {code_shape!r}"
            )

    def pictures(self) -> list[str]:
        """Lines that show the codes as pictures side by side; none without code_shape."""
        if self.code_shape is None:
            return []
        rows, columns = self.code_shape
        drawn = [code.replace("+", "#").replace("-", ".") for code in self.codes]
        starts = range(0, rows * columns, columns)
        return ["  ".join(code[start : start + columns] for code in drawn) for start in starts]

    def _arguments(self) -> dict[str, Any]:
        return {"codes": self.codes, "code_shape": self.code_shape}

    def _specs(self, input_shape: Shape) -> list[dict[str, Any]]:
        flat_shape(self, input_shape)
        if input_shape[0] != len(self.codes[0]):
            raise ValueError(
                f"RBF with codes of {len(self.codes[0])} values takes as many inputs, "
                f"got {input_shape}"
            )
        return [{"kind": self.kind, "codes": self.codes}]

    def _shape_of(self, core_shape: tuple[int, int, int], input_shape: Shape) -> Shape:
        return (len(self.codes),)

    def _connections(self, inputs: Shape, outputs: Shape) -> int:
        return inputs[0] * outputs[0]


class Flatten(Layer):
    """(height, width, channels) to (height * width * channels,), channels fastest."""

    kind = "flatten"

    def _shape_of(self, core_shape: tuple[int, int, int], input_shape: Shape) -> Shape:
        return (core_shape[2],)


class Activation(Layer):
    """linear, relu, scaled_tanh, sigmoid, softmax (of flat input) or tanh as a layer of its own."""

    kind = "activation"

    def __init__(self, activation: str, **common: Any) -> None:
        super().__init__(**common)
        self.activation = activation_name("activation", activation)

    def _arguments(self) -> dict[str, Any]:
        return {"activation": self.activation}

    def _specs(self, input_shape: Shape) -> list[dict[str, Any]]:
        if self.activation == "softmax":
            flat_shape(self, input_shape)
        return [{"kind": self.kind, "activation": self.activation}]

    def _shape_of(self, core_shape: tuple[int, int, int], input_shape: Shape) -> Shape:
        return input_shape


LAYERS: dict[str, type[Layer]] = {
    cls.__name__: cls
    for cls in (
        Rescaling,
        ZeroPadding2D,
        Conv2D,
        MaxPooling2D,
        AveragePooling2D,
        Subsampling2D,
        Flatten,
        Dense,
        Activation,
        RBF,
    )
}


def activation_name(argument: str, value: object) -> str:
    """One of ACTIVATIONS; None means linear."""
    return "linear" if value is None else _check.one_of(argument, value, ACTIVATIONS)


def _activation_spec(activation: str) -> list[dict[str, Any]]:
    """What C++ is to build for an activation argument."""
    linear = activation == "linear"
    return [] if linear else [{"kind": "activation", "activation": activation}]


def _changed_initializers(layer: Layer, defaults: dict[str, str]) -> dict[str, Any]:
    """The configs of the layer's initializers that are not the default."""
    configs = {name: initializers.serialize(getattr(layer, name)) for name in defaults}
    return {
        name: config
        for name, config in configs.items()
        if config != initializers.serialize(initializers.get(defaults[name]))
    }


def _cells_in_windows(image: Shape, window: Shape, strides: Shape, padding: str) -> int:
    """How many cells of one channel all windows have together, without padding."""
    cells = 1
    for size, length, stride in zip(image[:2], window, strides, strict=True):
        count, before = (size - length) // stride + 1, 0
        if padding == "same":
            count = -(-size // stride)
            before = max((count - 1) * stride + length - size, 0) // 2
        starts = [position * stride - before for position in range(count)]
        cells *= sum(min(start + length, size) - max(start, 0) for start in starts)
    return cells


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


def scales_pixels(layers: Sequence[Layer]) -> Rescaling | None:
    """The Rescaling that raw pixels come to first, if there is one."""
    first = next((layer for layer in layers if not isinstance(layer, ZeroPadding2D)), None)
    return first if isinstance(first, Rescaling) else None


def image_shape(layer: Layer, input_shape: Shape) -> None:
    """Raise ValueError unless the input is images with channels."""
    if len(input_shape) != 3:
        raise ValueError(
            f"{type(layer).__name__} takes images (height, width, channels), got {input_shape}"
        )


def flat_shape(layer: Layer, input_shape: Shape) -> None:
    """Raise ValueError unless the input is flat."""
    if len(input_shape) != 1:
        raise ValueError(
            f"{layer!r} takes flat input (features,), got {input_shape}; put a Flatten before it"
        )


def assign_weights(views: dict[str, NDArray[np.float32]], weights: Sequence[NDArray[Any]]) -> None:
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
