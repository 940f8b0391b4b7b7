"""The networks of tests/data/torch/make.py, as pylenet has them, and what PyTorch predicted."""

from pathlib import Path

import numpy as np

from pylenet import layers
from pylenet.models import Sequential

CORPUS = Path(__file__).parents[1] / "data" / "torch"


def net(**norm):
    """As the class Net of make.py, which made the files net.* and net_*."""
    norm = {"epsilon": 1e-5, **norm}
    return Sequential(
        [
            layers.Input((12, 10, 2)),
            layers.Conv2D(3, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(4, (2, 3), padding="same", use_bias=False),
            layers.BatchNormalization(**norm),
            layers.Activation("tanh"),
            layers.AveragePooling2D(),
            layers.Flatten(),
            layers.Dense(9),
            layers.BatchNormalization(**norm),
            layers.Activation("sigmoid"),
            layers.Dense(10, "softmax"),
        ]
    )


def numbered():
    """As the network of numbered.*: two of its layers have the same shape."""
    sizes = [(8, "relu"), (8, "relu"), (8, "relu"), (3, "softmax")]
    dense = [layers.Dense(units, activation) for units, activation in sizes]
    return Sequential([layers.Input((4, 5, 1)), layers.Flatten(), *dense])


def kept(name):
    """Samples, channels last, and what PyTorch predicted for them."""
    with np.load(CORPUS / f"{name}.npz") as file:
        return file["x"].transpose(0, 2, 3, 1), file["y"]
