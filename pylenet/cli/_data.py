"""The data set that --data names."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..datasets import fashion_mnist, load_folder, mnist
from ..datasets._idx import Bytes
from ..datasets._known import FASHION_MNIST, MNIST
from ..models import load_model

KNOWN = {"mnist": mnist.load_data, "fashion_mnist": fashion_mnist.load_data}
CLASS_NAMES = {known.name: known.class_names for known in (MNIST, FASHION_MNIST)}


@dataclass(frozen=True)
class Data:
    """Uint8 images (N, height, width) and labels (N,), for training and for testing.

    title: what it is called. class_names: by label.
    """

    title: str
    class_names: tuple[str, ...]
    train: tuple[Bytes, Bytes]
    test: tuple[Bytes, Bytes]

    @cached_property
    def sha256(self) -> str:
        """Of the training images and labels."""
        images, labels = self.train
        digest = hashlib.sha256(images.data)
        digest.update(labels.data)
        return digest.hexdigest()

    @property
    def name(self) -> str:
        """By which a model knows its data again; a folder's with the first of its sha256."""
        return self.title if self.title in KNOWN else f"{self.title} (sha256 {self.sha256[:8]})"


def load(data: str, size: tuple[int, ...], classes: int) -> Data:
    """A data set by name or folder: images of `size` (height, width), labels below `classes`.

    Raises ValueError for other images or labels, and what the loaders in `datasets` raise.
    """
    title, class_names = data, tuple(map(str, range(classes)))
    if data in KNOWN:
        train, test = KNOWN[data]()
        class_names = CLASS_NAMES[data]
    else:
        folder = Path(data).expanduser()
        if not folder.is_dir():
            raise FileNotFoundError(f"--data must be {', '.join(KNOWN)} or a folder, got {data!r}")
        train, test = load_folder(folder)
        title = f"folder {folder.resolve().name}"
    if train[0].shape[1:] != size:
        raise ValueError(f"--data must hold images of {size} pixels, got {train[0].shape[1:]}")
    highest = max(train[1].max(), test[1].max())
    if highest >= classes:
        raise ValueError(f"--data must hold labels below {classes}, got {highest}")
    return Data(title, class_names, train, test)


def of_model(path: Path) -> set[str]:
    """The name of a saved model's data; none where there is no model, or one that knows none."""
    try:
        name = load_model(path).data_name
    except (FileNotFoundError, ValueError):
        return set()
    return set() if name is None else {name}


def of_results(path: Path) -> set[str]:
    """The names of the data in an earlier run's results; none where there are no results."""
    try:
        return {str(result["data"]) for result in json.loads(path.read_text())}
    except (FileNotFoundError, ValueError, TypeError, LookupError):
        return set()
