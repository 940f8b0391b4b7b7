"""The images and weights that all processes read: files in one folder."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TRAINED_RATE, TRAINED_BATCH = 0.1, 32
FEW = 600  # images that LeNet-5 of 1998 has been trained on where it starts: its weights move

Arrays = list[NDArray[Any]]


def write(folder: Path, source: str, forms: Iterable[str]) -> str:
    """Images and, for each form, initial and trained weights; returns which images these are.

    A form that takes images of another shape has its own.
    """
    from pylenet.benchmark.subjects import PLANS, in_shape

    name, x, y, x_test = images(source)
    for stem, array in (("x", x), ("y", y), ("x_test", x_test)):
        np.save(folder / f"{stem}.npy", array)
    for form in forms:
        own = x
        if form in PLANS and PLANS[form].image != (*x.shape[1:], 1):
            own = in_shape(x, PLANS[form].image)
            np.save(folder / f"x-{form}.npy", own)
            np.save(folder / f"x_test-{form}.npy", in_shape(x_test, PLANS[form].image))
        initial, trained = weights(form, own, y)
        save(folder / f"{form}-initial.npz", initial)
        save(folder / f"{form}-trained.npz", trained)
    return name


def images(source: str) -> tuple[str, NDArray[Any], NDArray[Any], NDArray[Any]]:
    """MNIST, or synthetic images of the same shape: asked for, or where MNIST cannot be had."""
    from pylenet.benchmark.subjects import EPOCH, digits
    from pylenet.datasets import mnist

    if source == "mnist":
        try:
            (x, y), (x_test, _) = mnist.load_data()
            return "MNIST", x, y, x_test
        except OSError:
            print("MNIST was not found and could not be fetched: images are synthetic")
    x, y = digits(EPOCH + 10_000)
    return "synthetic images", x[:EPOCH], y[:EPOCH], x[EPOCH:]


def weights(form: str, x: NDArray[Any], y: NDArray[Any]) -> tuple[Arrays, Arrays]:
    """Initial ones, where training starts; and those an epoch later, for inference: initial biases
    are zero and initial outputs nearly equal, so that a wrong network could pass the check."""
    from pylenet import models, utils
    from pylenet.benchmark.subjects import SEED, model_of

    if form == "1998":
        utils.set_random_seed(SEED)
        model = models.lenet5_1998()
        model.compile("sdlm", "maximum_a_posteriori")
        x, y, batch_size = x[:FEW], y[:FEW], 1
    else:
        model = model_of("modern" if form == "fast" else form, TRAINED_RATE)
        batch_size = TRAINED_BATCH
    initial = [w.copy() for w in model.get_weights()]
    model.fit(x, y, batch_size, verbose=0)
    trained = model.get_weights()
    return trained if form == "1998" else initial, trained


def noisy(x: NDArray[Any]) -> NDArray[Any]:
    """The images, darker, with noise on each pixel, for all processes the same.

    Strokes have equal patches without it: which of two equal values max pooling takes then depends
    on how each library's convolutions round.
    """
    noise = np.random.default_rng(0).integers(0, 51, x.shape)
    return (x * (205 / 255) + noise).astype(x.dtype)


def save(path: Path, arrays: Arrays) -> None:
    np.savez(path, *arrays)


def load(path: Path) -> Arrays:
    with np.load(path) as arrays:
        return [arrays[f"arr_{i}"] for i in range(len(arrays.files))]
