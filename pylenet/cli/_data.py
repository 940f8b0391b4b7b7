"""The data set that --data names."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..datasets import fashion_mnist, load_folder, mnist
from ..datasets._folder import data_set_name, data_set_names
from ..datasets._idx import Bytes
from ..datasets._known import EMNIST, FASHION_MNIST, MNIST
from ..models import load_model

KNOWN = {"mnist": mnist.load_data, "fashion_mnist": fashion_mnist.load_data}
CLASS_NAMES = {known.name: known.class_names for known in (MNIST, FASHION_MNIST)}


Labelled = tuple[Bytes, Bytes]


@dataclass(frozen=True)
class Data:
    """Uint8 images (N, height, width) and labels (N,), for training and for testing.

    title: what it is called. first_label, class_names: the label of class 0, and what it and those
    that follow are called. on_their_side: whether the images are known to be.
    """

    title: str
    first_label: int
    class_names: tuple[str, ...]
    train: Labelled
    test: Labelled
    on_their_side: bool = False

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

    def numbered(
        self, class_names: Sequence[str] | None, outputs: int
    ) -> tuple[Labelled, Labelled]:
        """For training and testing a model whose outputs have these names: outputs for labels.

        They are the labels themselves where the model has no names, or others than the data.
        Raises ValueError for a label that is none of the outputs.
        """
        (x, y), (x_test, y_test) = self.train, self.test
        labels = np.unique(np.concatenate([y, y_test]))
        names = [self.class_names[label - self.first_label] for label in labels]
        by_name = {name: output for output, name in enumerate(class_names or ())}
        known = all(name in by_name for name in names)
        numbers = [by_name[name] for name in names] if known else labels
        if max(numbers) >= outputs:
            raise ValueError(f"--data must hold labels below {outputs}, got {max(numbers)}")
        table = np.zeros(256, np.uint8)
        table[labels] = numbers
        return (x, table[y]), (x_test, table[y_test])


def load(data: str, size: tuple[int, ...], transpose: bool = False) -> Data:
    """A data set by name or folder: images of `size` (height, width), two classes or more.

    The least label of a folder is class 0 if it is 1, as EMNIST's letters have it; else label 0 is.
    transpose: swap the rows and columns of a folder's images.
    Raises ValueError for other images or labels, and what the loaders in `datasets` raise.
    """
    if data not in KNOWN:
        loaded = _folder(data, transpose)
    elif transpose:
        raise ValueError(f"--transpose is for a folder, got --data {data}")
    else:
        loaded = Data(data, 0, CLASS_NAMES[data], *KNOWN[data]())
    if (got := loaded.train[0].shape[1:]) != size:
        raise ValueError(f"--data must hold images of {size} pixels, got {got}")
    if len(loaded.class_names) < 2:
        raise ValueError(
            f"--data must hold two classes or more, got label {loaded.train[1][0]} alone"
        )
    return loaded


def _folder(data: str, transpose: bool) -> Data:
    path = Path(data).expanduser()
    if not path.is_dir() and path.name not in (names := data_set_names(path.parent)):
        there = f"; in {path.parent} there are {', '.join(names)}" if names else ""
        raise FileNotFoundError(
            f"--data must be {', '.join(KNOWN)} or a folder, got {data!r}{there}"
        )
    name = data_set_name(path)
    train, test = load_folder(path, transpose=transpose)
    lowest, highest = (int(end([end(train[1]), end(test[1])])) for end in (np.min, np.max))
    first, known = EMNIST.get(name, (0, ""))
    if first <= lowest and highest < first + len(known):
        class_names = tuple(known)
    else:
        first = 1 if lowest == 1 else 0
        class_names = tuple(map(str, range(first, highest + 1)))
    title = f"folder {name or path.resolve().name}"
    on_their_side = name in EMNIST and not transpose
    return Data(title, first, class_names, train, test, on_their_side)


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
