"""What a model's outputs say of each class."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..layers import RBF
from ..losses import MaximumAPosteriori
from ._sequential import Sequential

if TYPE_CHECKING:
    from ..quantization import QuantizedModel


def class_values(
    model: Sequential | QuantizedModel, outputs: NDArray[np.float32]
) -> tuple[str, NDArray[np.float64]]:
    """What the values are called, and a row of them for each image, the largest being the class.

    They are probabilities if the outputs are, being positive with the sum 1, or if the model's loss
    says how to get them: from logits; from the distances of an RBF layer, among which the loss of
    1998 has a class of rubbish besides.
    """
    values, loss = outputs.astype(np.float64), model.loss
    if isinstance(model, Sequential) and isinstance(model.layers[-1], RBF):
        rubbish = loss.j if isinstance(loss, MaximumAPosteriori) else MaximumAPosteriori().j
        values = -np.column_stack([values, np.full(len(values), rubbish)])
    elif not getattr(loss, "from_logits", False):
        are_shares = (values >= 0).all() and np.allclose(values.sum(1), 1, atol=1e-3)
        return ("probability" if are_shares else "output"), values
    shares = np.exp(values - values.max(1, keepdims=True))
    return "probability", (shares / shares.sum(1, keepdims=True))[:, : outputs.shape[1]]
