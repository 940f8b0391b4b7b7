"""Layers of LeNet-5 as it was in 1998, which nets of today do without.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proc. IEEE 86(11), 2278-2324, 1998.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _arrays, initializers
from .._arrays import Codes, Pair, Shape
from ._base import Layer, Settings, require_flat, require_image
from .activation import elementwise, with_activation

__all__ = ["RBF", "Subsampling2D"]


class Subsampling2D(Layer):
    """LeNet-5's sub-sampling: each window's sum, times a coefficient, plus a bias, then activation.

    Coefficient and bias are trainable, (channels,): one pair for each channel. pool_size, strides:
    an integer or a pair (height, width); strides is pool_size if None. activation: as
    `Activation` takes it, but not softmax; None means linear. Coefficients are drawn as weights of
    a unit with pool_size inputs.
    """

    kind = "subsample2d"

    def __init__(
        self,
        pool_size: Pair = (2, 2),
        strides: Pair | None = None,
        *,
        activation: Any = None,
        coefficient_initializer: Any = "fan_in_uniform",
        bias_initializer: Any = "zeros",
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.pool_size = _arrays.pair("pool_size", pool_size)
        self.strides = self.pool_size if strides is None else _arrays.pair("strides", strides)
        self.activation = elementwise(self, activation)
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

    def nodes(self, input_shape: Shape) -> list[Settings]:
        require_image(self, input_shape)
        _arrays.fits_image("pool_size", self.pool_size, input_shape, None)
        node = {"kind": self.kind, "pool_size": self.pool_size, "strides": self.strides}
        return with_activation(node, self.activation)

    def initial_weight(self, name: str, shape: Shape) -> NDArray[np.float32]:
        if name == "bias":
            return super().initial_weight(name, shape)
        kernel = super().initial_weight(name, (math.prod(self.pool_size), *shape))
        return kernel[:1].reshape(shape)

    def _connections(self, inputs: Shape, outputs: Shape) -> int:
        cells = _arrays.cells_in_windows(inputs, self.pool_size, self.strides, "valid")
        return inputs[2] * cells + math.prod(outputs)


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

    def nodes(self, input_shape: Shape) -> list[Settings]:
        require_flat(self, input_shape)
        if input_shape[0] != len(self.codes[0]):
            raise ValueError(
                f"RBF with codes of {len(self.codes[0])} values takes as many inputs, "
                f"got {input_shape}"
            )
        return [{"kind": self.kind, "codes": self.codes}]

    def _connections(self, inputs: Shape, outputs: Shape) -> int:
        return inputs[0] * outputs[0]
