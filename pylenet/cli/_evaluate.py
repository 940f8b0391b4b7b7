"""`pylenet evaluate`: test a saved model."""

from __future__ import annotations

import argparse
import os
import warnings
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .. import _threads, losses, utils
from ..datasets._idx import Bytes
from ..layers import RBF
from ..layers.shape import scales_pixels
from ..models import Sequential, load_model
from . import _data, _options


def add(commands: Any) -> None:
    """The command and its options."""
    command = _options.add(commands, "evaluate", evaluate, "test a saved model")
    command.add_argument("model", metavar="MODEL", help=_options.MODEL_FILE)
    _options.add_data_and_threads(command)


def evaluate(options: argparse.Namespace) -> None:
    """Print a saved model's test loss and accuracy; warn where it is of other data."""
    if options.threads is not None:
        _threads.set_num_threads(options.threads)
    if not os.path.isfile(options.model):
        raise FileNotFoundError(f"MODEL must be a model file, and {options.model!r} is none")
    model = load_model(options.model)
    size, classes = _sizes(model, options.model)
    data = _data.load(options.data, size, options.transpose)
    _, (x, y) = data.numbered(model.class_names, classes)
    if model.data_name not in (None, data.name):
        warnings.warn(
            f"MODEL was trained on other data: {model.data_name}, tested on {data.name}",
            stacklevel=2,
        )
    loss, accuracy = _evaluate(model, x, y, classes)
    print(f"{options.model}: {len(x):,} test images of {options.data}")
    print(f"test loss      {loss:.4f}")
    print(f"test accuracy  {accuracy:.4f}")


def _sizes(model: Sequential, name: str) -> tuple[tuple[int, ...], int]:
    """(height, width) of the images a model takes, and how many classes it tells apart."""
    shape = tuple(size or 0 for size in model.input_shape[1:])
    outputs = tuple(size or 0 for size in model.output_shape[1:])
    if not (len(shape) == 2 or (len(shape) == 3 and shape[2] == 1)) or len(outputs) != 1:
        raise ValueError(
            "MODEL must take images (height, width, 1) and give (classes,), "
            f"but {name!r} takes {shape} and gives {outputs}"
        )
    return shape[:2], outputs[0]


def _evaluate(model: Sequential, x: Bytes, y: Bytes, classes: int) -> list[float]:
    """Loss and accuracy by the model's own loss; by one that fits its end if it is not compiled."""
    images: NDArray[Any] = x
    targets: NDArray[Any] = y
    if scales_pixels(model.layers) is None:
        warnings.warn("MODEL has no Rescaling layer in front: tested on pixels / 255", stacklevel=2)
        images = x / np.float32(255)
    loss = model.loss or _loss_for(model)
    if not loss.takes_labels:
        targets = utils.to_categorical(y, classes)
    model.compile(model.optimizer or "sgd", loss, metrics=["accuracy"])
    return cast(list[float], model.evaluate(images, targets))


def _loss_for(model: Sequential) -> losses.Loss:
    """Cross-entropy where the outputs are logits or probabilities."""
    last = model.layers[-1]
    if isinstance(last, RBF):
        return losses.MaximumAPosteriori()
    activation = getattr(last, "activation", "linear")
    if activation in ("linear", "sigmoid", "softmax"):
        return losses.SparseCategoricalCrossentropy(from_logits=activation == "linear")
    return losses.MeanSquaredError()
