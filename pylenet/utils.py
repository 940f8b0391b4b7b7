"""Small helpers a script needs: one-hot labels, one seed for everything, pictures, batches."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _check, _missing, _random
from ._digits import prepare_digits
from ._image_folder import image_dataset_from_directory
from ._pictures import img_to_array, load_img
from ._plot import plot_model

__all__ = [
    "PyDataset",
    "Sequence",
    "image_dataset_from_directory",
    "img_to_array",
    "load_img",
    "normalize",
    "plot_model",
    "prepare_digits",
    "register_keras_serializable",
    "set_random_seed",
    "to_categorical",
]

__path__: list[str] = []  # as a package has: old modules of Keras may be imported from here
__getattr__ = _missing.of(__name__)


class PyDataset:
    """Base class of what gives batches by number: `model.fit(MyData(...))`.

    Override `__len__`, the number of batches, and `__getitem__(index)`, which returns the batch
    (x, y) at this place, from 0. `on_epoch_begin` and `on_epoch_end` are called around each epoch.
    Batches are asked for one after the other, by the thread that trains: workers,
    use_multiprocessing and max_queue_size are kept and change nothing.
    """

    def __init__(
        self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10
    ) -> None:
        self.workers, self.use_multiprocessing = workers, use_multiprocessing
        self.max_queue_size = max_queue_size

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must override __len__(self)")

    def __getitem__(self, index: int) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must override __getitem__(self, index)")

    @property
    def num_batches(self) -> int:
        """The number of batches."""
        return len(self)

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


Sequence = PyDataset  # its name in Keras 2


@_missing.takes_old_arguments
def to_categorical(x: Any, num_classes: int | None = None) -> NDArray[np.float32]:
    """One-hot rows for integer class labels.

    x: labels 0 .. num_classes - 1, numbers or strings of digits, any shape; a last axis of length
    1 is dropped, as in Keras.
    num_classes: length of the new last axis; max(x) + 1 when None.
    Returns a float32 array (Keras 3: float64) of shape x.shape + (num_classes,).
    Raises TypeError for labels that are no numbers, ValueError for a label that is negative,
    not whole, or not below num_classes.
    """
    if num_classes is not None:
        num_classes = _check.integer("num_classes", num_classes, 1)
    labels = _check.class_labels("x", _numbers(x), num_classes)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if num_classes is None:
        if labels.size == 0:
            raise ValueError("num_classes must be given when x is empty")
        num_classes = int(labels.max()) + 1
    one_hot = np.zeros((labels.size, num_classes), np.float32)
    one_hot[np.arange(labels.size), labels.ravel()] = 1
    return one_hot.reshape(*labels.shape, num_classes)


def normalize(x: Any, axis: int = -1, order: int = 2) -> NDArray[Any]:
    """x divided by its norms along an axis; what is all 0 stays 0.

    order: of the norm, as numpy.linalg.norm's ord. Returns floating-point numbers of x's shape.
    """
    values = np.asarray(x)
    if values.dtype.kind not in "buif":
        raise TypeError(f"x must hold real numbers, got dtype {values.dtype}")
    values = values if values.dtype.kind == "f" else values.astype(np.float64)
    norms = np.linalg.norm(np.atleast_1d(values), order, axis, keepdims=True)
    return np.asarray(values / np.where(norms == 0, 1, norms), values.dtype)


def _numbers(x: Any) -> Any:
    """Strings of digits as integers, anything else as it is."""
    labels = np.asarray(x)
    if labels.dtype.kind == "O" and all(isinstance(label, str) for label in labels.flat):
        labels = labels.astype(str)
    if labels.dtype.kind not in "US":
        return x
    try:
        return labels.astype(np.int64)
    except ValueError:
        return x


def register_keras_serializable(package: str = "Custom", name: str | None = None) -> Any:
    """A decorator that returns what it decorates, for scripts of Keras: nothing need be known here.

    A model is saved as the layers that it computes with, and is loaded as a Sequential.
    """
    return lambda registered: registered


def set_random_seed(seed: int) -> None:
    """Seed pylenet's generator, and as Keras does Python's `random` and numpy's global one.

    seed: integer, 0 <= seed < 2**32. The same seed gives the same initial weights and the same
    shuffling, and drops the same values, so the same training run.
    """
    seed = _check.integer("seed", seed, 0)
    if seed >= 2**32:
        raise ValueError(f"seed must be an integer below 2**32, got {seed}")
    random.seed(seed)
    np.random.seed(seed)
    _random.seed(seed)
