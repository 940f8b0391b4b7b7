"""A model as a list of layers: to be found, counted and printed."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .. import _check
from ..layers import Layer

HEAD = ("Layer (type)", "Output shape", "Neurons", "Params", "Connections")
GAP = "  "
UNBUILT = "0 (unbuilt)"


class Layered:
    """What every model tells of its layers."""

    name: str
    layers: tuple[Layer, ...]

    @property
    def weights(self) -> list[NDArray[np.float32]]:
        """All weights in Keras's order, as live views."""
        return [view for layer in self.layers for view in layer.weights]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer of this name, or at this place, the last being -1.

        Raises ValueError where there is none, or unless one of both is given.
        """
        if (name is None) == (index is None):
            raise ValueError(f"name or index must be given, got name={name!r}, index={index!r}")
        if index is not None:
            count = len(self.layers)
            place = _check.integer("index", index, -count)
            if place >= count:
                raise ValueError(f"index must be below {count}, the number of layers, got {place}")
            return self.layers[place]
        names = [layer.name for layer in self.layers]
        if _check.text("name", name) not in names:
            raise ValueError(f"name must be one of {names}, got {name!r}")
        return self.layers[names.index(name)]

    def count_params(self) -> int:
        """The number of trainable parameters."""
        return sum(w.size for w in self.weights)

    def summary(
        self, line_length: int | None = None, *, print_fn: Callable[[str], object] | None = None
    ) -> None:
        """Print a table of the layers, through print_fn, or print if None.

        Output shapes, neurons, trainable parameters and connections, as the layers count them; of
        a model whose input shape is not known yet the layers alone. line_length: characters of a
        line of the table, as many as it needs if None. Raises ValueError where they are too few.
        """
        if line_length is not None:
            line_length = _check.integer("line_length", line_length, 1)
        for line in _lines(self.name, self.layers, line_length):
            (print_fn or print)(line)


def _lines(name: str, layers: Sequence[Layer], line_length: int | None) -> Iterator[str]:
    """A summary's: a title, the table, the totals."""
    rows = [_row(layer) for layer in layers]
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    if line_length is not None:
        others = sum(widths[1:]) + len(GAP) * (len(widths) - 1)
        if line_length < others + len(HEAD[0]):
            raise ValueError(
                f"line_length must be at least {others + len(HEAD[0])} here, got {line_length}"
            )
        widths[0] = line_length - others
    rule = "-" * (sum(widths) + len(GAP) * (len(widths) - 1))
    yield f'Model: "{name}"'
    yield rule
    yield _line(HEAD, widths)
    yield rule
    for row in rows:
        yield _line(row, widths)
    yield rule
    if any(layer.output_shape is None for layer in layers):
        yield f"Total params: {UNBUILT}"
        return
    total = sum(layer.count_params() for layer in layers)
    yield f"Total params: {total:,} ({total * 4 / 1024:.1f} KiB)"
    yield f"Total connections: {sum(layer.count_connections() for layer in layers):,}"


def _row(layer: Layer) -> tuple[str, ...]:
    title = f"{layer.name} ({type(layer).__name__})"
    if layer.output_shape is None:
        return (title, "?", "?", UNBUILT, "?")
    counts = (layer.count_neurons(), layer.count_params(), layer.count_connections())
    return (title, str((None, *layer.output_shape)), *(f"{count:,}" for count in counts))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    """Two columns to the left and numbers to the right; what is too long ends in dots."""
    cells = [
        f"{cell[: width - 3]}..." if len(cell) > width else cell
        for cell, width in zip(row, widths, strict=True)
    ]
    aligned = [
        cell.ljust(width) if column < 2 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return GAP.join(aligned)
