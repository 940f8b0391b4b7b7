"""`pylenet evaluate`: test a saved model."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .. import _threads, losses, utils
from ..datasets._idx import Bytes
from ..layers import RBF
from ..models import Sequential
from ..models._values import class_values
from . import _data, _options


def add(commands: Any) -> None:
    """The command and its options."""
    command = _options.add(commands, "evaluate", evaluate, "test a saved model")
    command.add_argument("model", metavar="MODEL", help=_options.MODEL_FILE)
    command.add_argument(
        "--against",
        metavar="MODEL",
        help="print how many answers differ from this model's (default: of a quantized "
        "NAME.int8.safetensors, NAME.safetensors where it is there)",
    )
    _options.add_data_and_threads(command)


def evaluate(options: argparse.Namespace) -> None:
    """Print a saved model's test loss and accuracy; warn where it is of other data."""
    if options.threads is not None:
        _threads.set_num_threads(options.threads)
    model = _options.loaded(options.model)
    other = _other(model, options)
    size, classes = sizes(model, options.model)
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
    if other is not None:
        before, after = (answers(own, _options.as_taken(own, x)) for own in (other, model))
        print_changed(before, after)


def _other(model: Any, options: argparse.Namespace) -> Any:
    """The model that the answers are compared with, None for none."""
    path = options.against
    if path is None and not isinstance(model, Sequential):
        origin = _options.float_name(Path(options.model))
        path = str(origin) if origin.is_file() and str(origin) != options.model else None
    if path is None:
        return None
    other = _options.loaded(path, "--against")
    if other.input_shape != model.input_shape or other.output_shape != model.output_shape:
        raise ValueError(f"--against must take and give the shapes of MODEL, got {path!r}")
    return other


def answers(model: Any, images: NDArray[Any]) -> NDArray[np.intp]:
    """The class that the model gives to each image."""
    found: NDArray[np.intp] = class_values(model, model.predict(images))[1].argmax(axis=1)
    return found


def print_changed(before: NDArray[np.intp], after: NDArray[np.intp]) -> None:
    """Say how many answers there are that differ."""
    print(f"answers changed  {int((before != after).sum())} of {len(after):,}")


def sizes(model: Any, name: str) -> tuple[tuple[int, ...], int]:
    """(height, width) of the images a model takes, and how many classes it tells apart."""
    shape = tuple(size or 0 for size in model.input_shape[1:])
    outputs = tuple(size or 0 for size in model.output_shape[1:])
    if not (len(shape) == 2 or (len(shape) == 3 and shape[2] == 1)) or len(outputs) != 1:
        raise ValueError(
            "MODEL must take images (height, width, 1) and give (classes,), "
            f"but {name!r} takes {shape} and gives {outputs}"
        )
    return shape[:2], outputs[0]


def _evaluate(model: Any, x: Bytes, y: Bytes, classes: int) -> list[float]:
    """Loss and accuracy by the model's own loss; by one that fits its end if it is not compiled."""
    images = _options.as_taken(model, x)
    targets: NDArray[Any] = y
    loss = model.loss or _loss_for(model)
    if not loss.takes_labels:
        targets = utils.to_categorical(y, classes)
    if isinstance(model, Sequential):
        model.compile(model.optimizer or "sgd", loss, metrics=["accuracy"])
    else:
        model.compile(loss=loss, metrics=["accuracy"])
    return cast(list[float], model.evaluate(images, targets))


def _loss_for(model: Any) -> losses.Loss:
    """Cross-entropy where the outputs are logits or probabilities."""
    last = model.layers[-1]
    if isinstance(last, RBF):
        return losses.MaximumAPosteriori()
    activation = getattr(last, "activation", "linear")
    if activation in ("linear", "sigmoid", "softmax"):
        return losses.SparseCategoricalCrossentropy(from_logits=activation == "linear")
    return losses.MeanSquaredError()
