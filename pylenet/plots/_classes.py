"""What a model answers, and the table of answers by label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import _check
from ..layers import Layer
from ..models import Sequential
from ..models._values import class_values
from . import _sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..quantization import QuantizedModel

CELL = 0.5  # inches
MOST_NUMBERS = 30  # classes whose counts are written into their cells


class Answers(NamedTuple):
    """What a model answers: labels, answers (N,), and of each answer its value.

    value_name: what the values are, "probability" or "output". names: of the classes.
    """

    labels: NDArray[np.int64]
    answers: NDArray[np.int64]
    values: NDArray[np.float64]
    value_name: str
    names: list[str]


def predicting(model: object) -> Sequential | QuantizedModel:
    """`model` if it is a Sequential with weights, or a QuantizedModel."""
    from ..quantization import QuantizedModel  # not needed to import the package

    return model if isinstance(model, QuantizedModel) else checked_model(model)


def checked_model(model: object) -> Sequential:
    """`model` if it is a Sequential with weights."""
    if not isinstance(model, Sequential):
        raise TypeError(f"model must be a Sequential model, got {model!r}")
    if not model.built:
        raise ValueError("model must know its input shape: call build, or give a layer input_shape")
    return model


def layer_of(model: Sequential, layer: str | int) -> Layer:
    """The model's layer of this name or at this index, for an argument `layer`."""
    names = [one.name for one in model.layers]
    if isinstance(layer, str):
        return model.layers[names.index(_check.one_of("layer", layer, tuple(map(str, names))))]
    place = _check.integer("layer", layer, -len(names))
    if place >= len(names):
        raise ValueError(f"layer must be below {len(names)}, the number of layers, got {place}")
    return model.layers[place]


def answers_of(model: object, x: Any, y: Any) -> Answers:
    """What the model answers for x, whose labels are y: (N,), (N, 1) or one-hot (N, classes).

    Raises ValueError where an output is not finite.
    """
    network = predicting(model)
    outputs = np.asarray(network.predict(x))
    if outputs.ndim != 2:
        raise ValueError(f"model must give (N, classes), got outputs of shape {outputs.shape}")
    finite = np.isfinite(outputs).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"model must give finite outputs for x, got NaN or infinity for "
            f"{len(outputs) - finite.sum():,} of {len(outputs):,} images"
        )
    if outputs.shape[1] == 1:  # yes or no
        outputs = np.column_stack([1 - outputs, outputs])
    name, values = class_values(network, outputs)
    answers = values.argmax(axis=1)
    return Answers(
        labels_of(y, *values.shape),
        answers,
        values[np.arange(len(values)), answers],
        name,
        class_names(network, values.shape[1]),
    )


def labels_of(y: Any, samples: int, classes: int) -> NDArray[np.int64]:
    """Labels (N,) of labels (N,) or (N, 1), or of one-hot rows (N, classes)."""
    if np.shape(y) == (samples, classes) and classes > 1:
        rows = np.asarray(y)
        if rows.dtype.kind not in "buif" or not np.isin(rows, (0, 1)).all():
            raise ValueError("y must hold labels or one-hot rows, got rows of other values")
        if samples and not (rows.sum(axis=1) == 1).all():
            raise ValueError("y must hold one-hot rows, got rows with several ones, or none")
        return np.asarray(rows.argmax(axis=1), np.int64)
    return _check.label_column("y", y, (samples, classes))


def class_names(model: Sequential | QuantizedModel, classes: int) -> list[str]:
    """What the classes are called; their numbers if nothing else is known."""
    names = model.class_names
    return list(names) if names and len(names) == classes else list(map(str, range(classes)))


def confusion_matrix(
    model: Sequential | QuantizedModel, x: NDArray[Any], y: NDArray[Any], *, ax: Axes | None = None
) -> Axes:
    """How often the model gave which answer for which label, as a table.

    x, y: images as the model takes them, and their labels, (N,) or one-hot (N, classes). Rows are
    labels, columns answers. Right answers are grey; the darker a cell, the more often its label
    was taken for its answer. Counts are written where there are at most 30 classes.
    Raises ValueError for outputs that are not finite.
    """
    found = answers_of(model, x, y)
    count = len(found.names)
    table = np.zeros((count, count), np.int64)
    np.add.at(table, (found.labels, found.answers), 1)
    wrong = np.where(np.eye(count, dtype=bool), 0, table)
    right, samples = int(np.trace(table)), len(found.labels)
    share = f" ({right / samples:.2%})" if samples else ""
    caption = (
        f"{model.name} is right on {right:,} of {samples:,} images{share}. "
        "Row: the label; column: the answer; grey: right answers."
    )
    cell = CELL if count <= 10 else max(0.25, CELL * 10 / count)
    longest = max(map(len, found.names))
    side = 0.45 + 0.075 * longest
    axes = _sheet.axes_of(ax, caption, count * cell, count * cell, (side, side, 1.0, 0))
    _fill(axes, table, wrong)
    _label(axes, found.names, slanted=longest > 3)
    return axes


def _fill(axes: Any, table: NDArray[np.int64], wrong: NDArray[np.int64]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    count, most = len(table), max(1, int(wrong.max(initial=0)))
    colours = LinearSegmentedColormap.from_list("wrong", ["#ffffff", "#f3b58c", _sheet.HIGH])
    colours = colours.with_extremes(bad="0.85")
    shown = np.ma.masked_array(wrong, mask=np.eye(count, dtype=bool))
    image = axes.imshow(shown, cmap=colours, vmin=0, vmax=most)
    inset = axes.inset_axes((1.04, 0, 0.035, 1))
    bar = axes.figure.colorbar(image, cax=inset, label="wrong answers")
    bar.locator.set_params(integer=True)
    bar.update_ticks()
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.8", linewidth=0.5)
    axes.tick_params(which="both", length=0)
    if count > MOST_NUMBERS:
        return
    size = _sheet.TEXT if count <= 10 else 5.5
    for (row, column), value in np.ndenumerate(table):
        if value:
            dark = row != column and value > 0.7 * most
            colour = "white" if dark else "black"
            axes.text(
                *(column, row, f"{value:,}"), ha="center", va="center", fontsize=size, color=colour
            )


def _label(axes: Any, names: list[str], *, slanted: bool) -> None:
    places = np.arange(len(names))
    turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
    size = _sheet.TEXT if len(names) <= 20 else 6
    axes.set_xticks(places, names, fontsize=size, **turned)
    axes.set_yticks(places, names, fontsize=size)
    axes.set_xlabel("answer")
    axes.set_ylabel("label")
