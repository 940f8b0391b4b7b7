"""`pylenet evaluate`, `pylenet summary` and `pylenet info`: look at what is there."""

import argparse
import os
import warnings
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .. import _config, _threads, losses, utils
from .._recipes import RECIPES
from ..datasets import _known
from ..datasets._idx import Bytes
from ..datasets._known import DataSet
from ..datasets._load import Search, cache_folder
from ..layers import RBF
from ..layers.shape import scales_pixels
from ..models import Sequential, load_model
from . import _data

MODELS: dict[str, Callable[[], Sequential]] = {
    **{name: recipe.build for name, recipe in RECIPES.items()},
    **{recipe.build.__name__: recipe.build for recipe in RECIPES.values()},
}


def evaluate(options: argparse.Namespace) -> None:
    """Print a saved model's test loss and accuracy."""
    if options.threads is not None:
        _threads.set_num_threads(options.threads)
    if not os.path.isfile(options.model):
        raise FileNotFoundError(f"MODEL must be a model file, and {options.model!r} is none")
    model = load_model(options.model)
    size, classes = _sizes(model, options.model)
    _, (x, y) = _data.load(options.data, size, classes)
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
    """Loss and accuracy by the model's own loss; by cross-entropy if it is not compiled."""
    images: NDArray[Any] = x
    targets: NDArray[Any] = y
    if scales_pixels(model.layers) is None:
        warnings.warn("MODEL has no Rescaling layer in front: tested on pixels / 255", stacklevel=2)
        images = x / np.float32(255)
    loss = model.loss
    if loss is None and isinstance(model.layers[-1], RBF):
        loss = losses.MaximumAPosteriori()
    elif loss is None:
        linear = getattr(model.layers[-1], "activation", "linear") == "linear"
        loss = losses.SparseCategoricalCrossentropy(from_logits=linear)
    elif not loss.takes_labels:
        targets = utils.to_categorical(y, classes)
    model.compile(model.optimizer or "sgd", loss, metrics=["accuracy"])
    return cast(list[float], model.evaluate(images, targets))


def summary(options: argparse.Namespace) -> None:
    """Print the layers of a saved model, or of one by name, and its codes as pictures."""
    if options.model in MODELS:
        model = MODELS[options.model]()
    elif os.path.isfile(options.model):
        model = load_model(options.model)
    else:
        raise FileNotFoundError(
            f"MODEL must be a model file or one of {', '.join(MODELS)}, got {options.model!r}"
        )
    model.summary()
    for layer in model.layers:
        if isinstance(layer, RBF) and layer.pictures():
            print(f"\nCodes of {layer.name}:", *layer.pictures(), sep="\n")


def info(options: argparse.Namespace) -> None:
    """Print the build and what of it is in use; where the data sets are and would be kept."""
    _config.show_config()
    for data_set in (_known.MNIST, _known.FASHION_MNIST):
        print(f"{data_set.title + ':':<16}{_whereabouts(data_set)}")
    cache = cache_folder(data_set)
    kept = "none: no home folder; set XDG_CACHE_HOME" if cache is None else cache.parent
    print(f"{'cache:':<16}{kept}")


def _whereabouts(data_set: DataSet) -> str:
    """The folders whose files loading would take, each file read and checked."""
    search = Search(data_set)
    for warning in search.on_disk():
        warnings.warn(warning, stacklevel=2)
    if search.missing:
        count = len(data_set.files)
        return f"{len(search.found)} of {count} files here; to be fetched at first use"
    return ", ".join(str(folder.absolute()) for folder in search.folders)
