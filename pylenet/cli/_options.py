"""What the commands' options have in common."""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from .. import _threads
from ..layers.shape import scales_pixels
from ..models import Sequential, load_model

DATA = (
    "mnist (default), fashion_mnist, or a folder with four files named and laid out as MNIST's; or "
    "FOLDER/NAME, where the names of a data set's files begin with NAME, as emnist-letters"
)
QUANTIZED = ".int8.safetensors"  # what a quantized model's file ends in by default
MODEL_FILE = "a model file, as pylenet-out/modern.safetensors"


class Parser(argparse.ArgumentParser):
    """Tells wrong usage in one line, and knows options by their whole names only."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"pylenet: error: {message} (see {self.prog} --help)\n")


def add(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None], text: str, more: str = ""
) -> argparse.ArgumentParser:
    """A command that `run` carries out, with options still to be added."""
    description = f"{text[0].upper()}{text[1:]}. {more}"
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=description)
    command.set_defaults(run=run)
    return command


def loaded(path: str, name: str = "MODEL") -> Any:
    """The model of MODEL, or of an option. Raises FileNotFoundError where it is no file."""
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{name} must be a model file, and {path!r} is none")
    return load_model(path)


def quantized_name(model: Path) -> Path:
    """The file of a model's quantized one, unless another is asked for."""
    return model.with_name(model.name.removesuffix(".safetensors") + QUANTIZED)


def float_name(quantized: Path) -> Path:
    """The file that a quantized model of this name was made from."""
    return quantized.with_name(quantized.name.removesuffix(QUANTIZED) + ".safetensors")


def as_taken(model: Any, images: NDArray[np.uint8]) -> NDArray[Any]:
    """Pixels as the model takes them: divided by 255 where it does not do that itself."""
    if isinstance(model, Sequential):
        takes_pixels = scales_pixels(model.layers) is not None
    else:
        takes_pixels = model.takes_pixels
    if takes_pixels:
        return images
    warnings.warn("MODEL has no Rescaling layer in front: it is given pixels / 255", stacklevel=2)
    scaled: NDArray[np.float32] = images / np.float32(255)
    return scaled


def add_data_and_threads(command: argparse.ArgumentParser) -> None:
    """--data, --transpose and --threads."""
    command.add_argument("--data", default="mnist", metavar="DATA", help=DATA)
    add_transpose(command)
    add_threads(command)


def add_transpose(command: argparse.ArgumentParser) -> None:
    """--transpose."""
    command.add_argument(
        "--transpose",
        action="store_true",
        help="swap the rows and columns of a folder's images, which sets EMNIST's upright",
    )


def add_threads(command: argparse.ArgumentParser) -> None:
    """--threads."""
    command.add_argument(
        "--threads",
        type=integer(1, _threads.MOST + 1),
        metavar="N",
        help="threads to run on (default: PYLENET_NUM_THREADS, OMP_NUM_THREADS, or all processors)",
    )


def integer(at_least: int, below: int | None = None) -> Callable[[str], int]:
    """A converter to whole numbers from at_least on and below `below`."""

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = at_least - 1
        if value < at_least or (below is not None and value >= below):
            limit = "" if below is None else f" and below {below}"
            raise argparse.ArgumentTypeError(
                f"must be a whole number >= {at_least}{limit}, got {text!r}"
            )
        return value

    return convert
