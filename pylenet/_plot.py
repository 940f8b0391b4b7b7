"""plot_model: the layers of a model as a drawing in SVG."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from . import _files
from ._warn import warn

WIDTH, LINE, GAP = 360, 20, 26  # of a box; of a line of text; between boxes


def plot_model(
    model: Any,
    to_file: str | os.PathLike[str] = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> str:
    """Draw a model's layers, one below the other, into an SVG file, and return the SVG.

    to_file: the file. A name that ends otherwise than in .svg, as Keras's model.png, becomes one
    that does, with a warning: nothing else is written. show_shapes, show_layer_names,
    show_layer_activations: what a layer's box says besides its class. Keras's other arguments are
    taken and change nothing.
    """
    path = Path(os.fspath(to_file))
    if path.suffix.lower() != ".svg":
        warn(f"plot_model writes SVG: {path.with_suffix('.svg')}, not {path.name}")
        path = path.with_suffix(".svg")
    boxes = [["Input"]]
    if show_shapes and model.built:
        boxes[0].append(str(model.input_shape))
    for layer in model.layers:
        lines = [type(layer).__name__]
        if show_layer_names:
            lines[0] = f"{layer.name}: {lines[0]}"
        activation = getattr(layer, "activation", None)
        if show_layer_activations and activation is not None:
            lines.append(f"activation: {activation}")
        if show_shapes and layer.sample_output_shape is not None:
            lines.append(
                f"{(None, *layer.sample_input_shape)} to {(None, *layer.sample_output_shape)}"
            )
        boxes.append(lines)
    drawing = _drawing(boxes)
    _files.write_whole(path, drawing.encode())
    return drawing


def _drawing(boxes: list[list[str]]) -> str:
    parts, top, middle = [], 10, WIDTH // 2 + 10
    for number, lines in enumerate(boxes):
        height = LINE * len(lines) + 12
        if number:
            line = f"M{middle} {top - GAP}v{GAP - 5}"
            parts.append(f'<path d="{line}" stroke="#555" marker-end="url(#arrow)"/>')
        size = f'x="10" y="{top}" width="{WIDTH}" height="{height}"'
        parts.append(f'<rect {size} rx="5" fill="#f4f6fa" stroke="#555"/>')
        for row, text in enumerate(lines):
            weight = ' font-weight="bold"' if row == 0 else ""
            place = f'x="{middle}" y="{top + 20 + LINE * row}" text-anchor="middle"'
            parts.append(f"<text {place}{weight}>{_escaped(text)}</text>")
        top += height + GAP
    size = f'width="{WIDTH + 20}" height="{top - GAP + 10}"'
    font = 'font-family="sans-serif" font-size="14"'
    arrow = (
        '<defs><marker id="arrow" markerWidth="8" markerHeight="8" refX="4" refY="3" orient="auto">'
        '<path d="M0 0L6 3L0 6z" fill="#555"/></marker></defs>'
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {font}>'
    return "\n".join([head, arrow, *parts, "</svg>", ""])


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
