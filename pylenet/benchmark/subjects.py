"""What is measured: networks of MNIST's size, and the images that they are given."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import utils
from ..datasets._idx import Bytes
from ..datasets._known import MNIST
from ..datasets._load import Arrays, Search
from ..layers import AveragePooling2D, Conv2D, Dense, Flatten, Input, MaxPooling2D, Rescaling
from ..models import Sequential, lenet5_classic, lenet5_modern
from ..optimizers import SGD
from .plans import LENETS, NETWORKS, PLANS, Plan

__all__ = [
    "EPOCH",
    "FORMS",
    "LENETS",
    "NETWORKS",
    "PLANS",
    "SEED",
    "Arrays",
    "Images",
    "Plan",
    "digits",
    "in_shape",
    "mnist_on_disk",
    "model_of",
]


def _built(plan: Plan) -> Sequential:
    pool = AveragePooling2D if plan.pool == "average" else MaxPooling2D
    model = Sequential([Input(plan.image), Rescaling(1 / 255)])
    for kind, *sizes in plan.layers:
        if kind == "conv":
            model.add(Conv2D(*sizes, activation=plan.activation))
        elif kind == "pool":
            model.add(pool(2))
        else:
            if not isinstance(model.layers[-1], Dense):
                model.add(Flatten())
            model.add(Dense(sizes[0], plan.activation))
    if not isinstance(model.layers[-1], Dense):
        model.add(Flatten())
    model.add(Dense(10, "softmax"))
    return model


FORMS: dict[str, Callable[[], Sequential]] = {
    **{name: partial(_built, plan) for name, plan in PLANS.items()},
    "classic": lenet5_classic,
    "modern": lenet5_modern,
}
EPOCH = 60_000  # images
SEED = 1

Images = tuple[Bytes, NDArray[Any]]


def model_of(form: str, learning_rate: float = 0.001) -> Sequential:
    """A network with the weights of one seed, compiled with plain SGD."""
    utils.set_random_seed(SEED)
    model = FORMS[form]()
    model.compile(SGD(learning_rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def mnist_on_disk() -> Arrays | None:
    """MNIST where it is on this machine, whole; nothing is fetched."""
    search = Search(MNIST)
    for _ in search.on_disk():
        pass  # what is damaged is not used
    return None if search.missing else search.arrays()


def digits(count: int, seed: int = SEED) -> Images:
    """Images (count, 28, 28) of MNIST's type that can be learned: noise around ten patterns."""
    rng = np.random.default_rng(seed)
    patterns = np.kron(rng.integers(0, 2, (10, 7, 7)), np.ones((4, 4), int)) * 160
    labels = rng.permutation(np.arange(count, dtype=np.uint8) % 10)
    noise = rng.integers(0, 96, (count, 28, 28), np.uint8)
    return noise + patterns.astype(np.uint8)[labels], labels


def in_shape(x: Bytes, image: tuple[int, int, int]) -> Bytes:
    """Images (N, 28, 28) as (N, *image): zeros around them, channels that are all the same."""
    rows, columns, channels = image
    around = [(size - 28, (size - 28) // 2) for size in (rows, columns)]
    padded = np.pad(x, [(0, 0), *((before, more - before) for more, before in around)])
    return np.repeat(padded[..., np.newaxis], channels, axis=3)
