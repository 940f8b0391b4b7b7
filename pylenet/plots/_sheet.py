"""What plots are drawn on: Axes, captions, and pictures and texts at their places."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOW, ZERO, HIGH = "#2166ac", "#f4f2ee", "#c2410c"  # those of the page of `pylenet draw`
FAINT = "0.45"  # grey that is read on white and on black
TEXT, SMALL = 9, 7.5  # points
LETTERS = 14  # of a caption on an inch
MARGIN, LINE = 0.15, 0.19  # inches around a figure, and of a caption's line
NARROWEST = 4.5  # inches, so that a caption has few lines


def figures() -> ModuleType:
    """The module with Figure and Axes. Raises ImportError with a hint without matplotlib."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError('plots need matplotlib: pip install "pylenet[plots]"') from error
    from . import _figure

    return _figure


def signed() -> Any:
    """The colours of values with a sign."""
    figures()
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("signed", [LOW, ZERO, HIGH])


def axes_of(
    ax: Axes | None,
    caption: str,
    width: float,
    height: float,
    around: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0),
) -> Any:
    """`ax`, or Axes on a new figure, with room for width x height inches, under the caption.

    around: inches to the left, below, right and above, for what stands outside of the Axes.
    """
    if ax is not None:
        check_axes(ax)
        wide = ax.get_window_extent().width / ax.get_figure().dpi
        ax.set_title(wrapped(caption, wide), loc="left", fontsize=TEXT)
        return ax
    left, below, right, above = (side + MARGIN for side in around)
    wide = max(width + left + right, NARROWEST)
    text = wrapped(caption, wide - 2 * MARGIN)
    above += LINE * (text.count("\n") + 1) + 0.1
    high = height + below + above
    module = figures()
    figure = module.Figure(figsize=(wide, high))
    new = module.add_axes(figure, (left / wide, below / high, width / wide, height / high))
    figure.text(
        *(MARGIN / wide, 1 - MARGIN / high, text),
        ha="left",
        va="top",
        fontsize=TEXT,
        linespacing=1.3,
    )
    return new


def check_axes(ax: object) -> None:
    """Raise TypeError unless it is a matplotlib Axes."""
    figures()
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise TypeError(f"ax must be a matplotlib Axes or None, got {ax!r}")


def wrapped(caption: str, inches: float) -> str:
    """The caption in lines that are no longer."""
    return textwrap.fill(caption, max(20, int(inches * LETTERS)))


class Sheet:
    """Axes as a sheet: places and sizes are inches from the upper left corner."""

    def __init__(self, ax: Axes | None, caption: str, width: float, height: float) -> None:
        self.ax = axes_of(ax, caption, width, height)
        self.ax.set_axis_off()
        self.ax.set_autoscale_on(False)
        self.ax.set_xlim(0, width)
        self.ax.set_ylim(height, 0)
        self.ax.set_aspect("equal")

    def picture(
        self,
        values: NDArray[Any],
        place: tuple[float, float],
        size: tuple[float, float],
        colours: Any = "gray_r",
        limits: tuple[float, float] = (0, 255),
        *,
        framed: bool = True,
    ) -> None:
        """Values (rows, columns), or colours (rows, columns, 3) from 0 to 1, as a picture.

        place: (x, y) of the upper left corner. size: (width, height). limits: what the ends of
        the colours stand for.
        """
        from matplotlib.patches import Rectangle

        (x, y), (width, height) = place, size
        self.ax.imshow(
            values,
            cmap=colours,
            vmin=limits[0],
            vmax=limits[1],
            extent=(x, x + width, y + height, y),
            interpolation="nearest",
        )
        if framed:
            line = {"edgecolor": "0.75", "linewidth": 0.5}
            frame = Rectangle(place, width, height, fill=False, clip_on=False, **line)
            self.ax.add_artist(frame)

    def text(self, text: str, x: float, y: float, **how: Any) -> None:
        """A text whose left end, or what `ha` says, is at (x, y)."""
        self.ax.text(x, y, text, **({"fontsize": TEXT, "va": "center"} | how))

    def legend(self, x: float, y: float, ends: Sequence[str]) -> None:
        """What the colours of signed values stand for: the lowest, zero and the highest."""
        self.picture(np.linspace(-1, 1, 65)[None], (x, y), (1.2, 0.1), signed(), (-1, 1))
        for end, text in zip((x, x + 0.6, x + 1.2), ends, strict=True):
            self.text(text, end, y + 0.2, ha="center", fontsize=SMALL, color=FAINT)


def largest(values: NDArray[Any]) -> float:
    """The largest of the absolute values that are finite; 1 if all are 0."""
    finite = values[np.isfinite(values)]
    return float(np.abs(finite).max(initial=0)) or 1.0


def number(value: float) -> str:
    """A number in a legend."""
    return f"{value:.3g}"
