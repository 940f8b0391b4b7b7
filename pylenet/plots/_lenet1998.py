"""What only LeNet-5 of 1998 has: pictures as its last layer's codes, and a table of connections."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..layers import RBF, Conv2D
from ..models import Sequential
from . import _sheet
from ._classes import checked_model, class_names, layer_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXEL, GAP, LINE = 0.1, 0.2, 0.25  # inches: of a code's pixel, between codes, of a name
CELL = 0.36  # inches


def codes(model: Sequential, *, ax: Axes | None = None) -> Axes:
    """The codes of a model's RBF layer as pictures, those of LeNet-5 of 1998 being 7 x 12 bitmaps.

    Black is +1, white -1: the values that the layer below is to have for an image of the class.
    Raises ValueError where the model has no RBF layer with a code_shape.
    """
    network = checked_model(model)
    found = [layer for layer in network.layers if isinstance(layer, RBF)]
    if not found or (shape := found[-1].code_shape) is None:
        raise ValueError(f"model must have an RBF layer with a code_shape, got {network!r}")
    drawn = found[-1].codes
    rows, columns = shape
    names = class_names(network, len(drawn))
    step = columns * PIXEL + GAP
    caption = (
        f"What {network.name} compares its last {len(drawn[0])} values with: a picture of "
        f"{columns} x {rows} for each class. Black: +1; white: -1."
    )
    sheet = _sheet.Sheet(ax, caption, len(drawn) * step, LINE + rows * PIXEL)
    for place, (code, name) in enumerate(zip(drawn, names, strict=True)):
        values = np.array([1 if sign == "+" else -1 for sign in code]).reshape(shape)
        x, size = place * step, (columns * PIXEL, rows * PIXEL)
        sheet.text(name, x + size[0] / 2, LINE / 2, ha="center")
        sheet.picture(values, (x, LINE), size, limits=(-1, 1))
    return sheet.ax


def connections(
    model: Sequential, *, layer: str | int | None = None, ax: Axes | None = None
) -> Axes:
    """Which input maps feed which filter of a convolution, as in Table I of the paper of 1998.

    layer: the name or index of a Conv2D with `connections`; the first one if None. A row for each
    input map, a column for each filter, a cross where there is a connection.
    Raises ValueError where no such layer is there.
    """
    network = checked_model(model)
    there = [one for one in network.layers if isinstance(one, Conv2D) and one.connections]
    if layer is not None:
        chosen = layer_of(network, layer)
        there = [one for one in there if one is chosen]
    if not there or (table := there[0].connections) is None:
        which = "a layer" if layer is None else f"{layer!r}"
        raise ValueError(f"model must have connections in {which}, got {network!r}")
    maps = (there[0].sample_input_shape or (0,))[-1]
    caption = (
        f"Which maps feed which filter of {there[0].name} in {network.name}: "
        f"{sum(map(len, table))} of {maps * len(table)} connections."
    )
    around = (0.55, 0.1, 0.1, 0.55)
    axes = _sheet.axes_of(ax, caption, len(table) * CELL, maps * CELL, around)
    crosses = np.array([(column, row) for column, rows in enumerate(table) for row in rows])
    axes.plot(*crosses.T, "x", color=_sheet.LOW, markersize=9, markeredgewidth=2)
    axes.set_xlim(-0.5, len(table) - 0.5)
    axes.set_ylim(maps - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.set_xticks(range(len(table)), labels=range(len(table)), fontsize=_sheet.SMALL)
    axes.set_yticks(range(maps), labels=range(maps), fontsize=_sheet.SMALL)
    axes.set_xticks(np.arange(len(table) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(maps + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.5", alpha=0.4, linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.tick_params(axis="x", labeltop=True, labelbottom=False)
    axes.set_xlabel("filter", labelpad=4)
    axes.xaxis.set_label_position("top")
    axes.set_ylabel("input map")
    return axes
