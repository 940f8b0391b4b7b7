"""`pylenet predict`: read pictures with a saved model."""

from __future__ import annotations

import argparse
import json
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _digits, _pictures, _threads
from ..models import Sequential, load_model
from ..models._values import class_values
from . import _options

Prediction = dict[str, Any]


def add(commands: Any) -> None:
    """The command and its options."""
    command = _options.add(
        commands,
        "predict",
        predict,
        "read pictures of digits",
        "Each picture shows one digit, dark on light or light on dark, and is made like MNIST's "
        "first. For each, its class and the probability that the model gives to it are printed. "
        "PNG, JPEG and what else Pillow reads, which is an extra (pylenet[images]).",
    )
    command.add_argument("model", metavar="MODEL", help=_options.MODEL_FILE)
    command.add_argument(
        "pictures", nargs="+", metavar="PICTURE", help="a picture, or a folder of pictures"
    )
    command.add_argument(
        "--raw",
        action="store_true",
        help="take the pixels as they are, from pictures of the size that the model takes",
    )
    command.add_argument(
        "--json", action="store_true", help="print a JSON list, with the values of all classes"
    )
    _options.add_threads(command)


def predict(options: argparse.Namespace) -> None:
    """Print what a model makes of each picture. Raises ValueError at the end if some were none."""
    if options.threads is not None:
        _threads.set_num_threads(options.threads)
    if not os.path.isfile(options.model):
        raise FileNotFoundError(f"MODEL must be a model file, and {options.model!r} is none")
    try:
        _pictures.pillow()
    except ImportError as error:
        raise ValueError(str(error)) from None
    model = load_model(options.model)
    shape = _image_shape(model, options)
    files = [file for name in options.pictures for file in _files(Path(name))]
    images: list[NDArray[np.uint8]] = []
    found: list[Prediction] = []
    for file in files:
        entry: Prediction = {"file": str(file)}
        found.append(entry)
        try:
            images.append(_image(file, shape, options.raw))
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            entry["error"] = f"{file}: {reason}" if reason else str(error)
            warnings.warn(entry["error"], stacklevel=2)
    read = [entry for entry in found if "error" not in entry]
    if read:
        _predict(model, np.stack(images), read)
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        for entry in read:
            value = entry.get("probability", entry.get("output"))
            print(f"{entry['file']}: {entry['class']} ({value:.2f})")
    if len(read) < len(found):
        raise ValueError(f"{len(found) - len(read)} of {len(found)} pictures could not be read")


def _files(path: Path) -> list[Path]:
    """The file itself, or the pictures of a folder."""
    if not path.is_dir():
        return [path]
    files = _pictures.in_folder(path)
    if not files:
        kinds = ", ".join(_pictures.SUFFIXES)
        raise FileNotFoundError(
            f"PICTURE must be a picture or a folder of {kinds}, but {path} holds none"
        )
    return files


def _image_shape(model: Sequential, options: argparse.Namespace) -> tuple[int, ...]:
    """(height, width, channels) of the images that the model takes."""
    shape = tuple(size or 0 for size in model.input_shape[1:])
    if len(shape) == 2:
        shape = (*shape, 1)
    outputs = tuple(size or 0 for size in model.output_shape[1:])
    channels = (1, 3) if options.raw else (1,)
    if len(shape) != 3 or shape[2] not in channels or not (len(outputs) == 1 < outputs[0]):
        takes = "(height, width, 1) or (height, width, 3)" if options.raw else "(28, 28, 1)"
        raise ValueError(
            f"MODEL must take images {takes} and give two classes or more, but {options.model!r} "
            f"takes {shape} and gives {outputs}"
        )
    if not options.raw and shape[:2] != (_digits.SIZE, _digits.SIZE):
        raise ValueError(
            f"MODEL must take images (28, 28, 1), but {options.model!r} takes {shape}: for "
            "pictures of that size give --raw"
        )
    return shape


def _image(file: Path, shape: tuple[int, ...], raw: bool) -> NDArray[np.uint8]:
    """A picture as the model is to see it."""
    picture = _pictures.read(file)
    if not raw:
        return _digits.digit_of(str(file), picture)[..., None]
    if (picture.height, picture.width) != shape[:2]:
        made = "; without --raw it is made so" if shape == (_digits.SIZE, _digits.SIZE, 1) else ""
        raise ValueError(
            f"{file} must be {shape[0]} x {shape[1]} pixels with --raw, as MODEL takes them, got "
            f"{picture.height} x {picture.width}{made}"
        )
    if shape[2] == 3:
        return np.asarray(picture.convert("RGB"))
    return _digits.grey_of(str(file), picture)[..., None]


def _predict(model: Sequential, images: NDArray[np.uint8], entries: list[Prediction]) -> None:
    """Put into each entry the class of its image, and the values of all classes."""
    name, values = class_values(model, model.predict(_options.as_taken(model, images)))
    names = model.class_names or tuple(map(str, range(values.shape[1])))
    for entry, row in zip(entries, values, strict=True):
        best = int(row.argmax())
        entry |= {"class": names[best], "index": best, name: float(row[best])}
        entry["all"] = dict(zip(names, row.tolist(), strict=True))
