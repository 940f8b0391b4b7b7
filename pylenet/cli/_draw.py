"""`pylenet draw`: a page on which one draws a digit."""

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path
from typing import Any

from .. import _files, web
from ..models import load_model
from . import _data, _options, _output

DEFAULT = Path("pylenet-out/modern.safetensors")
SIZE = (28, 28)


def add(commands: Any) -> None:
    """The command and its options."""
    command = _options.add(
        commands,
        "draw",
        draw,
        "write a page on which one draws a digit and sees every layer",
        "The page is one HTML file that works without a server or a network. It shows the models "
        "side by side; those that `pylenet quantize` wrote compute in whole numbers there, too. "
        "Weights that read handwriting well come from training on distorted images: "
        "`pylenet train --recipe best`.",
    )
    command.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help=f"a model file, or several to be compared (default: {DEFAULT})",
    )
    command.add_argument(
        "--out",
        type=Path,
        default=Path("lenet.html"),
        metavar="FILE",
        help="what to write (default: lenet.html)",
    )
    command.add_argument(
        "--data",
        metavar="DATA",
        help="whose test images the page can load: mnist, fashion_mnist, or a folder laid out as "
        "MNIST's, or none (default: what the first model was trained on)",
    )
    _options.add_transpose(command)


def draw(options: argparse.Namespace) -> None:
    """Write the page of the models, and say where it is."""
    models = _load(options.models)
    place = _output.checked_file("--out", options.out)
    if place.exists() and any(place.samefile(path) for path in options.models or [DEFAULT]):
        raise ValueError(f"--out must be no MODEL, whose place the page would take, got {place}")
    text = web.page(models, *_test_images(options, next(iter(models.values())))).encode()
    _files.write_whole(place, text)
    print(f"{options.out}: {' and '.join(models)}, {len(text):,} bytes. Open it in a browser.")


def _load(paths: list[str]) -> dict[str, Any]:
    """The models by the names of their files; by their paths where names are the same."""
    if not paths and not DEFAULT.is_file():
        raise FileNotFoundError(
            f"draw needs a trained model, and there is no {DEFAULT}: run `pylenet train`, or give "
            "MODEL"
        )
    paths = paths or [str(DEFAULT)]
    for path in paths:
        if not os.path.isfile(path):
            raise FileNotFoundError(f"MODEL must be a model file, and {path!r} is none")
    names = [Path(path).stem for path in paths]
    unique = names if len(set(names)) == len(names) else paths
    return {name: load_model(path) for name, path in zip(unique, paths, strict=True)}


def _test_images(options: argparse.Namespace, model: Any) -> tuple[Any, ...]:
    """Test images and labels of --data, or of what the model was trained on; () without any."""
    if options.data == "none":
        return ()
    if options.data is not None:
        return _data.load(options.data, SIZE, options.transpose).test
    name = model.data_name or "mnist"
    if name in _data.KNOWN:
        try:
            return _data.load(name, SIZE).test
        except FileNotFoundError:
            missing = f"{name} is not to be had here"
    else:
        missing = f"MODEL was trained on {name}"
    warnings.warn(f"the page has no test images: {missing}, give --data", stacklevel=2)
    return ()
