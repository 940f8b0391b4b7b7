"""`pylenet summary`: print a model's layers."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

from .._recipes import RECIPES
from ..layers import RBF
from ..models import Sequential, load_model
from . import _options

COLUMNS = 80
MODELS: dict[str, Callable[[], Sequential]] = {
    **{name: recipe.build for name, recipe in RECIPES.items()},
    **{recipe.build.__name__: recipe.build for recipe in RECIPES.values()},
}


def add(commands: Any) -> None:
    """The command and its argument."""
    command = _options.add(commands, "summary", summary, "print a model's layers")
    command.add_argument(
        "model", metavar="MODEL", help=f"{_options.MODEL_FILE}, or one of {', '.join(MODELS)}"
    )


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
        if isinstance(layer, RBF) and layer.code_shape is not None:
            print(f"\nCodes of {layer.name}:")
            _print_codes(layer.pictures(), len(layer.codes), layer.code_shape[1])


def _print_codes(lines: list[str], count: int, width: int) -> None:
    """Print `count` pictures that stand side by side in lines, in rows that fit."""
    step = width + len("  ")
    rows = -(-count // max(1, COLUMNS // step))
    together = -(-count // rows)
    for first in range(0, count, together):
        print(
            *(line[first * step : (first + together) * step].rstrip() for line in lines), sep="\n"
        )
        if first + together < count:
            print()
