"""Batch normalisation.

S. Ioffe and C. Szegedy, "Batch normalization: accelerating deep network training by reducing
internal covariate shift", arXiv:1502.03167.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _check, initializers
from .._arrays import Shape
from ._base import Layer, Settings

__all__ = ["BatchNormalization"]


class BatchNormalization(Layer):
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, for each channel (the last axis).

    x: images (height, width, channels), or flat (features,) with a channel for each feature.

    While training, mean and variance are those of all the step's samples and places; predictions
    use moving averages of them, which each step takes nearer: average * momentum + value * (1 -
    momentum). The variance is the biased one. Weights, all (channels,): gamma if `scale`, beta if
    `center`, moving_mean, moving_variance; the last two are no parameters of the optimizer.

    Where a Conv2D without activation stands below, predictions do both at once, to the same bits.
    Where the layer is frozen (`trainable`), training uses the averages, too.

    axis: the last one, counted from the end or, with the samples' axis as 0, from the beginning: 3
    for images, 1 for flat input. momentum: from 0 to 1. epsilon: above 0. A step needs memory for
    the activations of all its samples at once. SDLM raises ValueError: no Hessian goes through this
    layer.
    """

    kind = "batch_normalization"

    def __init__(
        self,
        axis: int = -1,
        *,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.rule("gamma", gamma_regularizer, gamma_constraint)
        self.rule("beta", beta_regularizer, beta_constraint)
        if isinstance(axis, (tuple, list)) and len(axis) == 1:
            (axis,) = axis
        self.axis = _check.integer("axis", axis, -1)
        self.momentum = _check.real("momentum", momentum, "[0, 1]")
        self.epsilon = _check.real32("epsilon", epsilon, "(0, inf)")
        self.center = _check.boolean("center", center)
        self.scale = _check.boolean("scale", scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)

    def arguments(self) -> dict[str, Any]:
        """As other layers'; without the axis once it is known to be the last one."""
        found = super().arguments()
        if self.axis == -1 or self.sample_input_shape is not None:
            del found["axis"]
        return found

    @property
    def gamma(self) -> NDArray[np.float32] | None:
        """The factors, as a live view, or None without. Raises ValueError before there are any."""
        return self._weight("gamma") if self.scale else None

    @property
    def beta(self) -> NDArray[np.float32] | None:
        """The summands, as a live view, or None without. Raises ValueError before there are any."""
        return self._weight("beta") if self.center else None

    @property
    def moving_mean(self) -> NDArray[np.float32]:
        """The means that predictions use, as a live view. Raises ValueError before it is there."""
        return self._weight("moving_mean")

    @property
    def moving_variance(self) -> NDArray[np.float32]:
        """The variances that predictions use, likewise."""
        return self._weight("moving_variance")

    def nodes(self, input_shape: Shape) -> list[Settings]:
        if len(input_shape) == 2:  # their channel is no axis
            raise ValueError(
                "BatchNormalization takes images (height, width, channels) or flat input "
                f"(features,), got {input_shape}"
            )
        if self.axis not in (-1, len(input_shape)):
            raise ValueError(
                f"axis must be -1 or {len(input_shape)} in BatchNormalization here, the last one, "
                f"got {self.axis}: images are (height, width, channels)"
            )
        names = ("momentum", "epsilon", "center", "scale")
        return [{"kind": self.kind} | {name: getattr(self, name) for name in names}]
