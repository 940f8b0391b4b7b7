"""matplotlib's figures without pyplot: no window, nothing to close, and notebooks show them."""

from __future__ import annotations

import io
from typing import Any

from matplotlib import axes, figure

DPI = 100


class Figure(figure.Figure):  # type: ignore[misc]
    """A Figure that a notebook shows as the value of a cell."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png", dpi=DPI)
        return file.getvalue()


class Axes(axes.Axes):  # type: ignore[misc]
    """Axes that a notebook shows, with the figure they are on, as the value of a cell."""

    def _repr_png_(self) -> bytes:
        shown: bytes = self.figure._repr_png_()
        return shown


def add_axes(parent: Figure, box: tuple[float, float, float, float]) -> Any:
    """Axes at (left, bottom, width, height), in shares of the figure."""
    return parent.add_axes(Axes(parent, box))
