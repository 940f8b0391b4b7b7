"""The table of layers that a model's summary prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..layers import Layer

HEAD = ("Layer (type)", "Output shape", "Neurons", "Params", "Connections")
GAP = "  "
UNBUILT = "0 (unbuilt)"


def lines(name: str, layers: Sequence[Layer], line_length: int | None) -> Iterator[str]:
    """A title, the table, the totals. line_length: the table's, None for what it needs.

    Raises ValueError where the table cannot be so narrow.
    """
    rows = [cells_of(layer) for layer in layers]
    yield from table(name, HEAD, rows, tuple(_totals(layers)), line_length)


def table(
    name: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    totals: Sequence[str],
    line_length: int | None,
) -> Iterator[str]:
    """A title, rows of as many cells as the head has, and what comes below them.

    line_length: as in `lines`.
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    if line_length is not None:
        others = sum(widths[1:]) + len(GAP) * (len(widths) - 1)
        if line_length < others + len(head[0]):
            raise ValueError(
                f"line_length must be at least {others + len(head[0])} here, got {line_length}"
            )
        widths[0] = line_length - others
    rule = "-" * (sum(widths) + len(GAP) * (len(widths) - 1))
    yield f'Model: "{name}"'
    yield rule
    yield _line(head, widths)
    yield rule
    for row in rows:
        yield _line(row, widths)
    yield rule
    yield from totals


def _totals(layers: Sequence[Layer]) -> Iterator[str]:
    if any(layer.sample_output_shape is None for layer in layers):
        yield f"Total params: {UNBUILT}"
        return
    total = sum(layer.count_params() for layer in layers)
    yield f"Total params: {_size(total)}"
    fixed = sum(w.size for layer in layers for w in layer.non_trainable_weights)
    if fixed:
        yield f"Trainable params: {_size(total - fixed)}"
        yield f"Non-trainable params: {_size(fixed)}"
    yield f"Total connections: {sum(layer.count_connections() for layer in layers):,}"


def _size(values: int) -> str:
    return f"{values:,} ({values * 4 / 1024:.1f} KiB)"


def cells_of(layer: Layer) -> tuple[str, ...]:
    """A layer's row of the table."""
    title = f"{layer.name} ({type(layer).__name__})"
    if layer.sample_output_shape is None:
        return (title, "?", "?", UNBUILT, "?")
    counts = (layer.count_neurons(), layer.count_params(), layer.count_connections())
    return (title, str((None, *layer.sample_output_shape)), *(f"{count:,}" for count in counts))


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
