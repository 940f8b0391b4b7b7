"""Arrays that also have what scripts ask of another library's tensors."""

from __future__ import annotations

from typing import Any

import numpy as np


class EagerTensor(np.ndarray):
    """A numpy array with `numpy()`, as TensorFlow's eager tensors and Keras's weights have it."""

    def numpy(self) -> Any:
        """A copy as a plain array; of a single number, that."""
        return np.array(self)[()]


def eager(values: Any) -> EagerTensor:
    """Values as such an array, which shares the memory of an array that they are."""
    return np.asarray(values).view(EagerTensor)
