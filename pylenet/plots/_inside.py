"""What is inside a model: its filters, and what every layer makes of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..layers import Conv2D, Layer
from ..models import Model, Sequential
from ..models._values import class_values
from . import _sheet
from ._classes import checked_model, class_names, layer_of
from ._pictures import as_pictures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FILTER = 0.45  # inches of a filter
MOST_FILTERS, MOST_INPUTS = 32, 16  # filters and their input channels that are drawn
LETTER = 0.085  # inches
WIDTH = 7.6  # inches of a layer's row
PIXEL = 0.03  # inches of a pixel of a map, if the map is not too small or too large then
SMALLEST, LARGEST = 0.42, 1.2  # inches of a map
GAP, ROW_GAP = 0.055, 0.22  # inches between maps, between layers
MOST_MAPS = 64  # of a layer that are drawn
STRIP, CELLS = 0.2, 128  # height in inches of a line of values, and how many are in one
MOST_LINES = 8  # of values of a layer that are drawn
MOST_CLASSES = 20  # of a last layer whose values are written
Size = tuple[float, float]


def filters(model: Sequential, *, layer: str | int | None = None, ax: Axes | None = None) -> Axes:
    """The filters of a convolution: a column for each filter, a row for each input channel.

    layer: its name or its index; the first Conv2D if None. Blue weights are below zero, orange ones
    above, white ones zero, all on one scale, which stands below. With `connections` a place is
    empty where there is none; so is a weight that is not finite. At most 32 filters and 16 input
    channels are drawn. Raises ValueError for another kind of layer.
    """
    network = checked_model(model)
    chosen = _convolution(network, layer)
    kernel = np.asarray(chosen.kernel)
    table = np.ones((0, 0), bool)
    if chosen.connections is None:
        full = kernel
        table = np.ones(kernel.shape[2:], bool)
    else:
        channels = (chosen.sample_input_shape or (0,))[-1]
        table = np.zeros((channels, chosen.filters), bool)
        for column, inputs in enumerate(chosen.connections):
            table[list(inputs), column] = True
        full = np.zeros((*kernel.shape[:2], *table.shape), np.float32)
        full[:, :, table] = kernel
    return _draw_filters(network, chosen, full, table, ax)


def _convolution(model: Sequential, layer: str | int | None) -> Conv2D:
    there = [one for one in model.layers if isinstance(one, Conv2D)]
    names = [one.name for one in there]
    if layer is None:
        if not there:
            raise ValueError(f"model must have a Conv2D, got {model!r}")
        return there[0]
    chosen = layer_of(model, layer)
    if not isinstance(chosen, Conv2D):
        raise ValueError(f"layer must be a Conv2D, {names} of this model, got {chosen.name!r}")
    return chosen


def _draw_filters(
    model: Sequential,
    layer: Conv2D,
    kernel: NDArray[np.float32],
    table: NDArray[np.bool_],
    ax: Axes | None,
) -> Any:
    rows, columns = min(kernel.shape[2], MOST_INPUTS), min(kernel.shape[3], MOST_FILTERS)
    most = _sheet.largest(kernel)
    cell = FILTER / max(kernel.shape[:2])
    high, wide = (size + 1 for size in kernel.shape[:2])  # and a gap of one cell
    caption = (
        f"The {kernel.shape[3]} filters of {layer.name} in {model.name}, "
        f"{kernel.shape[0]} x {kernel.shape[1]} weights for each of {kernel.shape[2]} input "
        f"channel{'s' * (kernel.shape[2] != 1)}. Blue: below zero; orange: above."
    )
    empty = [] if table.all() else ["no connection"]
    empty += [] if np.isfinite(kernel).all() else ["NaN or infinity"]
    if empty:
        caption += f" Empty: {', or '.join(empty)}."
    if (rows, columns) != kernel.shape[2:]:
        caption += f" Shown: {columns} filters, {rows} channels."
    left, top = 0.75, 0.25
    size = columns * wide * cell, rows * high * cell
    sheet = _sheet.Sheet(ax, caption, left + max(size[0], 1.6), top + size[1] + 0.5)
    drawn = np.ma.masked_array(np.zeros((rows * high, columns * wide), np.float32), mask=True)
    for column in range(columns):
        middle = left + (column + 0.5) * wide * cell - cell / 2
        sheet.text(str(column), middle, top / 2, ha="center", fontsize=_sheet.SMALL)
    for row in range(rows):
        middle = top + (row + 0.5) * high * cell - cell / 2
        sheet.text(f"input {row}", left - 0.1, middle, ha="right", fontsize=_sheet.SMALL)
        for column in np.flatnonzero(table[row, :columns]).tolist():
            weights = kernel[:, :, row, column]
            place = np.s_[
                row * high : (row + 1) * high - 1, column * wide : (column + 1) * wide - 1
            ]
            drawn[place] = weights
    colours = _sheet.signed()
    sheet.picture(drawn, (left, top), size, colours, (-most, most), framed=False)
    ends = (_sheet.number(-most), "0", _sheet.number(most))
    sheet.legend(left + 0.1, top + size[1] + 0.1, ends)
    return sheet.ax


def _fitted(shape: tuple[int, ...], side: float) -> Size:
    """Width and height in inches of a picture of this shape that fits into a square."""
    height, width = shape[:2]
    scale = side / max(height, width, 1)
    return width * scale, height * scale


def feature_maps(model: Sequential, image: NDArray[Any], *, ax: Axes | None = None) -> Axes:
    """What every layer makes of one image, from pixels to the answer.

    image: as the model takes it, (height, width[, channels]) or (pixels,), or a batch of one. A row
    for each layer: maps as pictures, flat values as strips, of a last layer of at most 20 values
    these as numbers under what the classes are called. Left of it stand the layer's name, its
    output's shape, and the lowest and the highest value. Blue is below zero, orange above, and each
    row is scaled to its own largest. What is not finite stays empty, and the caption names the
    first layer that has such values. At most 64 maps, or 1,024 values, of a layer are drawn.
    """
    network = checked_model(model)
    x = _batch_of_one(network, image)
    inside: Any = Model(network.inputs, [layer.output for layer in network.layers])
    outputs = [np.asarray(output)[0] for output in inside.predict(x)]
    rows = [_Row(layer, values) for layer, values in zip(network.layers, outputs, strict=True)]
    if outputs and outputs[-1].ndim == 1 and 2 <= outputs[-1].size <= MOST_CLASSES:
        rows[-1].names = class_names(network, outputs[-1].size)
    pictures, limits = as_pictures("image", x)
    picture = _fitted(pictures.shape[1:3], min(LARGEST, pictures.shape[1] * PIXEL + 0.1))
    height = picture[1] + ROW_GAP + sum(row.height + ROW_GAP for row in rows)
    caption = f"What the layers of {network.name} make of one image{_answer(network, outputs)}."
    caption += " Blue: below zero; orange: above; each row is scaled to its own largest value."
    strange = [row.lines[0] for row in rows if not np.isfinite(row.values).all()]
    if strange:
        caption += f" Empty: NaN or infinity, of {strange[0]} first."
    left = 0.2 + LETTER * max(len(line) for row in rows for line in row.lines)
    sheet = _sheet.Sheet(ax, caption, left + WIDTH, height + 0.35)
    shape = " x ".join(map(str, x.shape[1:]))
    _label(sheet, ["image", shape], left, picture[1] / 2)
    sheet.picture(pictures[0], (left, 0), picture, limits=limits)
    y = picture[1] + ROW_GAP
    for row in rows:
        _label(sheet, row.lines, left, y + row.height / 2)
        row.draw(sheet, left, y)
        y += row.height + ROW_GAP
    sheet.legend(left + 0.1, y, ("-largest", "0", "largest"))
    return sheet.ax


def _batch_of_one(model: Sequential, image: Any) -> NDArray[Any]:
    x = np.asarray(image)
    takes = tuple(size or 0 for size in model.input_shape[1:])
    shapes = {takes, takes[:-1]} if takes[-1] == 1 else {takes}
    if x.shape in shapes:
        return x[None]
    if x.shape[:1] != (1,) or x.shape[1:] not in shapes:
        raise ValueError(f"image must be one of shape {takes}, got shape {np.shape(image)}")
    return x


def _answer(model: Sequential, outputs: list[NDArray[np.float32]]) -> str:
    if not outputs or outputs[-1].ndim != 1 or outputs[-1].size < 2:
        return ""
    if not np.isfinite(outputs[-1]).all():
        return ""
    name, values = class_values(model, outputs[-1][None])
    best = int(values[0].argmax())
    answer = class_names(model, outputs[-1].size)[best]
    return f", which it takes for {answer} ({name} {values[0, best]:.3f})"


def _label(sheet: _sheet.Sheet, lines: list[str], left: float, middle: float) -> None:
    for place, line in enumerate(lines):
        y = middle + 0.16 * (place - (len(lines) - 1) / 2)
        how = {} if place == 0 else {"color": _sheet.FAINT}
        sheet.text(line, left - 0.15, y, ha="right", fontsize=_sheet.SMALL + (place == 0), **how)


class _Row:
    """A layer's output in its row."""

    def __init__(self, layer: Layer, values: NDArray[np.float32]) -> None:
        self.values = values
        self.most = _sheet.largest(values)
        self.names: list[str] | None = None
        shape = " x ".join(map(str, values.shape))
        self.is_flat = values.ndim == 1 or values.shape[:2] == (1, 1)
        if values.ndim == 2:
            self.values = values[..., None]
        self.shown: int = self.values.shape[-1]
        if self.is_flat:
            self.values = values.ravel()
            self.shown = min(self.values.size, CELLS * MOST_LINES)
        else:
            self.shown = min(self.shown, MOST_MAPS)
        total = self.values.shape[-1]
        self.lines = [str(layer.name), shape, f"{values.min():.3g} to {values.max():.3g}"]
        if self.shown < total:
            self.lines.append(f"{self.shown} of {total} shown")
        self.size = (0.0, 0.0) if self.is_flat else self._map_size()

    def _map_size(self) -> Size:
        side = max(self.values.shape[:2])
        return _fitted(self.values.shape, min(LARGEST, max(SMALLEST, PIXEL * side)))

    @property
    def _columns(self) -> int:
        """Maps, or values, in a line."""
        if self.is_flat:
            return min(self.shown, CELLS)
        return max(1, min(self.shown, int((WIDTH + GAP) / (self.size[0] + GAP))))

    @property
    def height(self) -> float:
        """In inches."""
        if self.names is not None:
            return SMALLEST + 0.4
        lines = -(-self.shown // self._columns)
        least = 0.16 * len(self.lines)
        return max(least, lines * (STRIP if self.is_flat else self.size[1] + GAP) - GAP)

    def draw(self, sheet: _sheet.Sheet, left: float, y: float) -> None:
        limits = (-self.most, self.most)
        if self.names is not None:
            self._draw_classes(sheet, left, y, self.names)
            return
        columns = self._columns
        for start in range(0, self.shown, columns):
            line, end = start // columns, min(start + columns, self.shown)
            if self.is_flat:
                width = (end - start) * min(STRIP, WIDTH / columns)
                lines = -(-self.shown // columns)
                top = y + max(0.0, (self.height - lines * STRIP) / 2) + line * STRIP
                values = self.values[None, start:end]
                sheet.picture(values, (left, top), (width, STRIP * 0.85), _sheet.signed(), limits)
                continue
            for place in range(start, end):
                x = left + (place - start) * (self.size[0] + GAP)
                top = y + line * (self.size[1] + GAP)
                values = self.values[..., place]
                sheet.picture(values, (x, top), self.size, _sheet.signed(), limits)

    def _draw_classes(self, sheet: _sheet.Sheet, left: float, y: float, names: list[str]) -> None:
        step = min(0.75, WIDTH / len(names))
        side = min(SMALLEST, step - GAP)
        for place, (name, value) in enumerate(zip(names, self.values.tolist(), strict=True)):
            x = left + place * step
            value_text = f"{value:.3f}" if abs(value) < 100 else f"{value:.0f}"
            middle = x + side / 2
            short = name if len(name) <= 10 else name[:9] + "\N{HORIZONTAL ELLIPSIS}"
            sheet.text(short, middle, y + 0.08, ha="center", fontsize=_sheet.SMALL)
            colours, limits = _sheet.signed(), (-self.most, self.most)
            cell = np.full((1, 1), value, np.float32)
            sheet.picture(cell, (x, y + 0.2), (side, SMALLEST), colours, limits)
            sheet.text(
                value_text, middle, y + 0.3 + SMALLEST, ha="center", fontsize=_sheet.SMALL - 1
            )
