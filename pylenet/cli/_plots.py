"""The plots of `pylenet train --plots`: beside the models, each as PNG and SVG."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from .. import _files, plots
from .._recipes import Recipe
from ..augmentation import RandomAffine
from ..layers import RBF, Conv2D
from ..models import Sequential
from ._data import Labelled

SUFFIXES = (".png", ".svg")
CURVES, IMAGES = "learning-curves", "training-images"
DPI = 150


def check() -> None:
    """Raises ValueError where there is no matplotlib."""
    if not importlib.util.find_spec("matplotlib"):
        raise ValueError('--plots needs matplotlib: pip install "pylenet[plots]"')


def files(folder: Path, recipes: Mapping[str, Recipe]) -> list[Path]:
    """What is going to be written for these models."""
    names = [CURVES, IMAGES]
    for name, recipe in recipes.items():
        augmentation = recipe.augmentation() if recipe.augmentation else None
        nothing = (None, None)
        names += _of_model(name, recipe.build(10), augmentation, nothing, nothing)
    return [folder / f"{name}{suffix}" for name in names for suffix in SUFFIXES]


def write_model(
    folder: Path,
    name: str,
    model: Sequential,
    augmentation: RandomAffine | None,
    train: Labelled,
    test: Labelled,
) -> None:
    """The plots of a trained model of this name."""
    for plot, draw in _of_model(name, model, augmentation, train, test).items():
        _write(folder, plot, draw())


def write_run(
    folder: Path, histories: Mapping[str, Any], train: Labelled, class_names: Sequence[str]
) -> None:
    """The plots of what models were trained on, and of how they learned, by their names."""
    _write(folder, IMAGES, plots.images(*train, class_names=class_names))
    _write(folder, CURVES, plots.learning_curves(histories))


def _of_model(
    name: str, model: Sequential, augmentation: RandomAffine | None, train: Any, test: Any
) -> dict[str, Callable[[], Any]]:
    """What draws a model's plots, by the names of their files."""
    (x, _), (x_test, y_test) = train, test
    found: dict[str, Callable[[], Any]] = {
        "confusion-matrix": lambda: plots.confusion_matrix(model, x_test, y_test),
        "mistakes": lambda: plots.mistakes(model, x_test, y_test),
        "feature-maps": lambda: plots.feature_maps(model, x_test[0]),
    }
    for layer in model.layers:
        if isinstance(layer, Conv2D):
            found[f"filters-{layer.name}"] = partial(plots.filters, model, layer=layer.name)
            if layer.connections:
                found["connections"] = partial(plots.connections, model, layer=layer.name)
        if isinstance(layer, RBF):
            found["codes"] = partial(plots.codes, model)
    if augmentation is not None:
        found["augmented"] = lambda: plots.augmented(augmentation, x)
    return {f"{name}-{plot}": draw for plot, draw in found.items()}


def _write(folder: Path, name: str, drawn: Any) -> None:
    """Both files of a plot; the same bytes for the same values."""
    import matplotlib

    figure = drawn if hasattr(drawn, "savefig") else drawn.figure
    for suffix in SUFFIXES:
        file = io.BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": name}):
            metadata = {"Date": None} if suffix == ".svg" else {}
            figure.savefig(file, format=suffix[1:], dpi=DPI, metadata=metadata)
        _files.write_whole(folder / f"{name}{suffix}", file.getvalue())
