"""A page on which one draws a digit and sees every layer of the networks that read it.

`page` makes it: one HTML file that needs no server and makes no network request. `pylenet draw`
writes it. docs/draw.md tells what it shows; the sources beside this file are put together here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _check, _core
from ..models import Sequential
from ..quantization import QuantizedModel
from . import _int8, _networks

__all__ = ["page"]

SAMPLES = 30  # test images that the page can load
NOISE = 3  # images that the page checks itself with where it is given none
SCRIPTS = (  # the page's program; boot.js starts it
    *("float32", "kinds", "int8", "network", "prepare", "numbers"),
    *("maps", "drawing", "explanation", "columns", "main"),
)
NAME = "//# sourceURL=pylenet.js"  # what developer tools show the program as


def page(
    models: Mapping[str, Sequential | QuantizedModel],
    images: NDArray[np.uint8] | None = None,
    labels: NDArray[Any] | None = None,
    *,
    title: str = "pylenet: draw a digit",
) -> str:
    """The page as HTML: these models side by side, each under its name.

    models: of images of 28 x 28 pixels, in float32 or quantized, each with at most 2,000,000
        weights; their class names are the first model's, or numbers, and all have as many classes.
        Pixels go in as 0 to 255, divided by 255 where a model has no Rescaling in front, or was
        quantized with other images than pixels.
    images, labels: uint8 (N, 28, 28) and (N,). The page can load 30 of them, as many of each
        class, and checks with them that the browser gives pylenet's bits, those of its baseline
        instruction set with direct convolutions, and a quantized model's integers.

    Raises ValueError, which names model and layer, where the page cannot show a model; TypeError
    where an argument is of another kind.
    """
    if not isinstance(models, Mapping) or not models:
        raise TypeError(f"models must be a dict of models by name, got {models!r}")
    for name, model in models.items():
        _check.text("a model's name", name)
        if not isinstance(model, (Sequential, QuantizedModel)):
            raise TypeError(
                f"models must be Sequential or quantized models, got {model!r} for {name!r}"
            )
    classes = _classes(models)
    samples, chosen = _samples(images, labels, classes)
    shown = samples if len(samples) else _noise()
    data = {
        "version": _core.__version__,
        "classes": classes,
        "images": _networks.packed_images(shown),
        "labels": chosen,
        "networks": [_described(model, name, shown) for name, model in models.items()],
    }
    return _assembled(title, data)


def _described(
    model: Sequential | QuantizedModel, name: str, images: NDArray[np.uint8]
) -> dict[str, Any]:
    if isinstance(model, Sequential):
        return _networks.describe(model, name, images)
    return _int8.describe(model, name, images)


def _classes(models: Mapping[str, Sequential | QuantizedModel]) -> list[str]:
    """The names of the classes, the same for all models."""
    first, *others = (
        list(model.class_names or map(str, range(model.output_shape[-1] or 0)))
        for model in models.values()
    )
    for name, names in zip(list(models)[1:], others, strict=True):
        if names != first:
            raise ValueError(
                f"models must have the same classes, got {first} and, for {name!r}, {names}"
            )
    return first


def _samples(
    images: NDArray[np.uint8] | None, labels: NDArray[Any] | None, classes: list[str]
) -> tuple[NDArray[np.uint8], list[int]]:
    """Some of the images, and their labels."""
    side = _networks.SIDE
    if images is None or labels is None:
        if images is not None or labels is not None:
            raise ValueError("images and labels must be given together, got one of them")
        return np.zeros((0, side, side), np.uint8), []
    images, labels = np.asarray(images), np.asarray(labels)
    if images.dtype != np.uint8 or images.shape[1:] != (side, side):
        raise ValueError(
            f"images must be uint8 of shape (N, {side}, {side}), got {images.dtype} {images.shape}"
        )
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"labels must be {len(images)} integers, got {labels.dtype} of shape {labels.shape}"
        )
    if len(labels) and not (labels.min() >= 0 and labels.max() < len(classes)):
        raise ValueError(
            f"labels must be from 0 to {len(classes) - 1}, got {labels.min()} to {labels.max()}"
        )
    places = _networks.labelled(classes, labels, SAMPLES)
    return images[places], [int(labels[place]) for place in places]


def _noise() -> NDArray[np.uint8]:
    side = _networks.SIDE
    return np.random.default_rng(1).integers(0, 256, (NOISE, side, side), np.uint8)


def _assembled(title: str, data: dict[str, Any]) -> str:
    """page.html with everything in its places. No "<" in the data can end its element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    program = "\n".join(['"use strict";', *(_source(f"{name}.js") for name in SCRIPTS), NAME])
    parts = {
        "title": escape(title),
        "style": _shortened(_source("style.css")),
        "program": _networks.deflated(program.encode()),
        "boot": _shortened(_source("boot.js")),
        "data": text,
    }
    return re.sub(
        "@(title|style|program|boot|data)@", lambda m: parts[m[1]], _shortened(_source("page.html"))
    )


def _source(name: str) -> str:
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def _shortened(source: str) -> str:
    """Without indentation, empty lines and lines of comment."""
    lines = map(str.strip, source.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//"))
