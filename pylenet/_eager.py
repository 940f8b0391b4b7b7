"""Arrays that also have what scripts ask of another library's tensors."""

from __future__ import annotations

from typing import Any

import numpy as np


class EagerTensor(np.ndarray):
    """A numpy array with `numpy()`, as TensorFlow's eager tensors and Keras's weights have it.

    name: of a weight, as "kernel". path: the same with its layer's, as "conv2d/kernel".
    """

    name = path = ""

    def numpy(self) -> Any:
        """A copy as a plain array; of a single number, that."""
        return np.array(self)[()]

    def assign(self, value: Any) -> EagerTensor:
        """Set all values, of a weight and so in its models. ValueError for another shape."""
        values = np.asarray(value)
        if values.shape != self.shape:
            raise ValueError(f"value must have shape {self.shape}, got {values.shape}")
        self[...] = values
        return self

    def assign_add(self, value: Any) -> EagerTensor:
        """Add to all values."""
        return self.assign(np.asarray(self) + np.asarray(value))

    def assign_sub(self, value: Any) -> EagerTensor:
        """Take from all values."""
        return self.assign(np.asarray(self) - np.asarray(value))


class Number(float):
    """A float with `numpy()`."""

    def numpy(self) -> np.float32:
        """The number as numpy's float32."""
        value: np.float32 = np.float32(self)
        return value

    def __reduce__(self) -> tuple[Any, ...]:
        return float, (float(self),)  # a copy is a plain number


def eager(values: Any) -> EagerTensor:
    """Values as such an array, which shares the memory of an array that they are."""
    return np.asarray(values).view(EagerTensor)
