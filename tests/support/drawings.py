"""Plots of data and models that are always the same, and their stored pictures.

`python tests/support/drawings.py` stores them anew in tests/plots/pictures: look at them then.
"""

import io
from pathlib import Path

import numpy as np

from pylenet import augmentation, layers, models, plots, utils

PICTURES = Path(__file__).parents[1] / "plots" / "pictures"
DPI = 40
HISTORY = {
    "accuracy": [0.61, 0.85, 0.9, 0.92],
    "loss": [1.2, 0.5, 0.31, 0.24],
    "val_accuracy": [0.82, 0.88, 0.91, 0.93],
    "val_loss": [0.6, 0.4, 0.28, 0.22],
}
OTHER = {name: [value * 0.9 for value in values] for name, values in HISTORY.items()}


def digits(count=40):
    """Images uint8 (count, 28, 28) of the ten digits at random places, and labels."""
    rng = np.random.default_rng(7)
    labels = np.arange(count) % 10
    images = np.zeros((count, 28, 28), np.uint8)
    codes = models.lenet5_1998().layers[-1].codes
    for image, label in zip(images, labels, strict=True):
        ink = np.array([sign == "+" for sign in codes[label]]).reshape(12, 7)
        row, column = rng.integers(0, 5), rng.integers(0, 15)
        image[row : row + 24, column : column + 14] = np.kron(ink * 200, np.ones((2, 2)))
    return images, labels


def modern():
    utils.set_random_seed(1)
    return models.lenet5_modern()


def lenet_1998():
    utils.set_random_seed(1)
    return models.lenet5_1998()


def distortion():
    return augmentation.RandomAffine(rotation_factor=0.03, translation_factor=0.05, seed=3)


def small():
    """Of two colours of light, with maps of more than two signs, and four named classes."""
    utils.set_random_seed(2)
    model = models.Sequential(
        [
            layers.Input((12, 9, 3)),
            layers.Conv2D(40, 3, strides=2, activation="tanh"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4),
        ]
    )
    model.class_names = ["trousers", "a very long name", "bag", "boot"]
    return model


CASES = {
    "learning-curves": lambda **ax: plots.learning_curves({"one": HISTORY, "two": OTHER}),
    "loss": lambda **ax: plots.learning_curves(HISTORY, metric="loss", **ax),
    "confusion-matrix": lambda **ax: plots.confusion_matrix(modern(), *digits(), **ax),
    "filters": lambda **ax: plots.filters(modern(), layer="conv2d_1", **ax),
    "filters-1998": lambda **ax: plots.filters(lenet_1998(), layer="c3", **ax),
    "feature-maps": lambda **ax: plots.feature_maps(modern(), digits()[0][3], **ax),
    "feature-maps-small": lambda **ax: plots.feature_maps(
        small(), np.linspace(0, 1, 12 * 9 * 3).reshape(12, 9, 3), **ax
    ),
    "mistakes": lambda **ax: plots.mistakes(modern(), *digits(), **ax),
    "images": lambda **ax: plots.images(*digits(), most=20, **ax),
    "augmented": lambda **ax: plots.augmented(distortion(), digits()[0], **ax),
    "codes": lambda **ax: plots.codes(lenet_1998(), **ax),
    "connections": lambda **ax: plots.connections(lenet_1998(), **ax),
}


def drawn(name):
    """The picture of a case as floats (height, width, 3), white being 1."""
    from matplotlib.image import imread

    file = io.BytesIO()
    CASES[name]().get_figure().savefig(file, format="png", dpi=DPI)
    file.seek(0)
    return imread(file)[..., :3]


def stored(name):
    from matplotlib.image import imread

    return imread(PICTURES / f"{name}.png")[..., :3]


def difference(picture, other):
    """How much they differ where they differ most: in the mean of 8 x 8 pixels, from 0 to 1.

    Infinite where one is larger by more than a twentieth.
    """
    sizes = np.array([picture.shape[:2], other.shape[:2]])
    if (sizes.max(axis=0) > 1.05 * sizes.min(axis=0)).any():
        return np.inf
    rows, columns = sizes.min(axis=0) // 8
    small = [p[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8, 3) for p in (picture, other)]
    return float(np.abs(small[0].mean(axis=(1, 3)) - small[1].mean(axis=(1, 3))).max())


if __name__ == "__main__":
    from matplotlib.image import imsave

    PICTURES.mkdir(exist_ok=True)
    for name in CASES:
        imsave(PICTURES / f"{name}.png", drawn(name))
