"""The method that trained LeNet-5 in 1998."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _check
from ._base import Optimizer
from .schedules import EpochwiseConstant, LearningRateSchedule

# LeNet-5's in 1998, one a pass; the last one goes on.
RATES_1998 = (*[5e-4] * 2, *[2e-4] * 3, *[1e-4] * 3, *[5e-5] * 4, 1e-5)


class SDLM(Optimizer):
    """Stochastic diagonal Levenberg-Marquardt: w -= learning_rate / (mu + h) * g, h of each weight.

    h is the diagonal of the Gauss-Newton Hessian, estimated anew before each epoch of fit on the
    first `samples` samples of its order, and before the first step outside of fit on its batch.
    Under an RBF layer it begins with the most that the loss's second derivatives can be where its
    inputs lie within +-1.7159, as scaled_tanh's do; for others that is no bound, and the rates may
    be too high. The method takes one sample a step: fit(batch_size=1). mu: a number > 1e-38. slots:
    1 / (mu + h). Training raises ValueError where h is NaN, and for models without this Hessian:
    with softmax or RBF layers that are not part of the loss, with average pooling over cut-off
    windows, or cross-entropy of other probabilities.
    Source: LeCun, Bottou, Bengio and Haffner, Proc. IEEE 86(11), 1998, appendix C.
    """

    kind = "sdlm"
    own_arguments = ("mu", "samples")

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule | None = None,
        mu: float = 0.02,
        samples: int = 500,
        **common: Any,
    ) -> None:
        rate = EpochwiseConstant(RATES_1998) if learning_rate is None else learning_rate
        super().__init__(rate, **common)
        self.mu = _check.real32("mu", mu, "(1e-38, inf)")  # 1 / mu is a float32
        self.samples = _check.integer("samples", samples, 1)

    def _own_slots(self) -> tuple[str, ...]:
        return ("gain",)

    def hessian_samples(self, epoch: int | None) -> int:
        gain = self.slots[0]
        return 0 if epoch is None and gain.any() else self.samples

    def prepare(self, epoch: int | None, hessian: NDArray[np.float32] | None) -> None:
        super().prepare(epoch, hessian)
        if hessian is None:
            return
        if np.isnan(hessian).any():
            raise ValueError(
                "the Hessian's diagonal is nan: expected numbers. Look for NaN, infinity and very "
                "large numbers in x and in the weights"
            )
        np.divide(1, self.mu + hessian, out=self.slots[0])
