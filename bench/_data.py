"""The images and weights that all processes read: files in one folder."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TRAINED_RATE, TRAINED_BATCH = 0.1, 32


def write(folder: Path, source: str, forms: list[str]) -> str:
    """Images and, for each form, initial and trained weights; returns which images these are."""
    name, x, y, x_test = images(source)
    for stem, array in (("x", x), ("y", y), ("x_test", x_test)):
        np.save(folder / f"{stem}.npy", array)
    for form in forms:
        initial, trained = weights(form, x, y)
        save(folder / f"{form}-initial.npz", initial)
        save(folder / f"{form}-trained.npz", trained)
    return name


def images(source: str) -> tuple[str, NDArray[Any], NDArray[Any], NDArray[Any]]:
    """MNIST, or synthetic images of the same shape: asked for, or where MNIST cannot be had."""
    if source == "mnist":
        from pylenet.datasets import mnist

        try:
            (x, y), (x_test, _) = mnist.load_data()
            return "MNIST", x, y, x_test
        except OSError:
            print("MNIST was not found and could not be fetched: images are synthetic")
    x, y = synthetic(70_000)
    return "synthetic images", x[:60_000], y[:60_000], x[60_000:]


def synthetic(count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images that can be learned: a blurred pattern for each class, under noise."""
    rng = np.random.default_rng(0)
    patterns = np.repeat(np.repeat(rng.integers(0, 156, (10, 7, 7)), 4, axis=1), 4, axis=2)
    y = rng.integers(0, 10, count, dtype=np.uint8)
    x = rng.integers(0, 100, (count, 28, 28), dtype=np.uint8)
    x += patterns.astype(np.uint8)[y]
    return x, y


def weights(
    form: str, x: NDArray[Any], y: NDArray[Any]
) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """Initial ones, where training starts; and those an epoch later, for inference: initial biases
    are zero and initial outputs nearly equal, so that a wrong network could pass the check."""
    import pylenet

    pylenet.utils.set_random_seed(1)
    model = getattr(pylenet.models, f"lenet5_{form}")()
    initial = [w.copy() for w in model.get_weights()]
    model.compile(pylenet.optimizers.SGD(TRAINED_RATE), "sparse_categorical_crossentropy")
    model.fit(x, y, TRAINED_BATCH, verbose=0)
    return initial, model.get_weights()


def save(path: Path, arrays: list[NDArray[Any]]) -> None:
    np.savez(path, *arrays)


def load(path: Path) -> list[NDArray[Any]]:
    with np.load(path) as arrays:
        return [arrays[f"arr_{i}"] for i in range(len(arrays.files))]
