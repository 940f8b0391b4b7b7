"""LeNet-5 as it is built today, in two forms.

After Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proc. IEEE 86(11), 1998; with full connections, ordinary pooling and softmax.
"""

from __future__ import annotations

from .. import _check
from ..layers import AveragePooling2D, Conv2D, Dense, Flatten, MaxPooling2D, Rescaling
from ._sequential import Sequential


def lenet5_classic(classes: int = 10) -> Sequential:
    """The tutorials' LeNet: tanh and average pooling. Takes pixels 0-255, (N, 28, 28[, 1]).

    44,426 parameters with 10 classes; not compiled. To be trained with plain SGD.
    """
    return _lenet5("lenet5_classic", "tanh", AveragePooling2D, classes)


def lenet5_modern(classes: int = 10) -> Sequential:
    """LeNet with ReLU and max pooling. Takes pixels 0-255, (N, 28, 28[, 1]).

    44,426 parameters with 10 classes; not compiled.
    """
    return _lenet5("lenet5_modern", "relu", MaxPooling2D, classes)


def _lenet5(
    name: str,
    activation: str,
    pooling: type[AveragePooling2D] | type[MaxPooling2D],
    classes: int,
) -> Sequential:
    return Sequential(
        [
            Rescaling(1 / 255, input_shape=(28, 28, 1)),
            Conv2D(6, 5, activation=activation),
            pooling(2),
            Conv2D(16, 5, activation=activation),
            pooling(2),
            Flatten(),
            Dense(120, activation),
            Dense(84, activation),
            Dense(_check.integer("classes", classes, 2), "softmax"),
        ],
        name=name,
    )
