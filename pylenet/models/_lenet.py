"""LeNet-5 as it is built today, in two forms, and smaller networks of its kind.

After Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proc. IEEE 86(11), 1998; with full connections, ordinary pooling and softmax.
"""

from __future__ import annotations

from .. import _check
from ..layers import (
    AveragePooling2D,
    Conv2D,
    Dense,
    Flatten,
    Layer,
    MaxPooling2D,
    Rescaling,
)
from ._sequential import Sequential


def lenet5_classic(classes: int = 10) -> Sequential:
    """The tutorials' LeNet: tanh and average pooling. Takes pixels 0-255, (N, 28, 28[, 1]).

    44,426 parameters with 10 classes; not compiled. To be trained with plain SGD.
    """
    return _lenet5("lenet5_classic", classic_layers(), classes)


def lenet5_modern(classes: int = 10) -> Sequential:
    """LeNet with ReLU and max pooling. Takes pixels 0-255, (N, 28, 28[, 1]).

    44,426 parameters with 10 classes; not compiled.
    """
    return _lenet5("lenet5_modern", modern_layers(), classes)


def lenet5_small(classes: int = 10) -> Sequential:
    """For microcontrollers: ReLU, no hidden dense layer. Takes pixels 0-255, (N, 28, 28[, 1]).

    5,074 parameters with 10 classes, which `quantize` makes 5.6 KB of; 222,840 multiply-adds. Not
    compiled.
    """
    return _lenet5("lenet5_small", _three_convolutions(8, 12, 20), classes)


def lenet5_medium(classes: int = 10) -> Sequential:
    """Between small and modern: ReLU, no hidden dense layer. Takes pixels 0-255, (N, 28, 28[, 1]).

    14,734 parameters with 10 classes, which `quantize` makes 15.4 KB of; 441,360 multiply-adds. Not
    compiled.
    """
    return _lenet5("lenet5_medium", _three_convolutions(10, 24, 40), classes)


def classic_layers() -> list[Layer]:
    """Those between the scaled image, of 16 x 16 pixels or more, and the outputs."""
    return _between("tanh", AveragePooling2D)


def modern_layers() -> list[Layer]:
    """Those between the scaled image, of 16 x 16 pixels or more, and the outputs."""
    return _between("relu", MaxPooling2D)


def _between(activation: str, pooling: type[AveragePooling2D] | type[MaxPooling2D]) -> list[Layer]:
    return [
        Conv2D(6, 5, activation=activation),
        pooling(2),
        Conv2D(16, 5, activation=activation),
        pooling(2),
        Flatten(),
        Dense(120, activation),
        Dense(84, activation),
    ]


def _three_convolutions(first: int, second: int, third: int) -> list[Layer]:
    """Maps of 24, 10 and 3 pixels: small kernels take the place of hidden dense layers."""
    return [
        Conv2D(first, 5, activation="relu"),
        MaxPooling2D(2),
        Conv2D(second, 3, activation="relu"),
        MaxPooling2D(2),
        Conv2D(third, 3, activation="relu"),
        Flatten(),
    ]


def _lenet5(name: str, between: list[Layer], classes: int) -> Sequential:
    pixels = Rescaling(1 / 255, input_shape=(28, 28, 1))
    outputs = Dense(_check.integer("classes", classes, 2), "softmax")
    return Sequential([pixels, *between, outputs], name=name)
