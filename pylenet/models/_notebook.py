"""A model's summary as a notebook shows it."""

from __future__ import annotations

from collections.abc import Sequence

from .._html import table
from ..layers import Layer
from ._summary import HEAD, cells_of


def summary_table(name: str, layers: Sequence[Layer]) -> str:
    """What `summary` prints, in HTML; of layers whose input shape is not known yet the names."""
    built = all(layer.sample_output_shape for layer in layers)
    total = f"{sum(layer.count_params() for layer in layers):,}" if built else "unknown"
    rows = [cells_of(layer) for layer in layers]
    return table(f"Model {name!r}, {total} parameters", HEAD, rows, 2)
