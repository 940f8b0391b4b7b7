"""A model's summary as a notebook shows it."""

from collections.abc import Sequence

from .._html import table
from ..layers import Layer

HEAD = ("Layer (type)", "Output shape", "Neurons", "Params", "Connections")


def summary_table(name: str, layers: Sequence[Layer]) -> str:
    """What `summary` prints, in HTML; of layers whose input shape is not known yet the names."""
    built = all(layer.output_shape for layer in layers)
    total = f"{sum(layer.count_params() for layer in layers):,}" if built else "unknown"
    return table(f"Model {name!r}, {total} parameters", HEAD, [_row(layer) for layer in layers], 2)


def _row(layer: Layer) -> list[str]:
    title = f"{layer.name} ({type(layer).__name__})"
    if layer.output_shape is None:
        return [title, "?", "?", "?", "?"]
    counts = (layer.count_neurons(), layer.count_params(), layer.count_connections())
    return [title, str((None, *layer.output_shape)), *(f"{count:,}" for count in counts)]
