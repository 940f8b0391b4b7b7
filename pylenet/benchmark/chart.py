"""Measurements as bars: a panel for each kind of work, a group of bars for each work.

Needs matplotlib, which pylenet does not bring.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import _files
from .._colours import COLOURS

__all__ = ["Bar", "Panel", "check_file", "draw"]

SUFFIXES = (".png", ".svg", ".pdf")
BAR, GAP = 0.2, 0.7  # a bar in inches, the gap between groups in bars
LOG_FROM = 8  # the ratio of the largest value to the smallest above which the axis is logarithmic


@dataclass(frozen=True)
class Bar:
    """A middle value with its spread; note: what is written behind the value."""

    value: float
    lowest: float
    highest: float
    note: str = ""


@dataclass(frozen=True)
class Panel:
    """groups: a label of some lines, and a bar for each name that has one."""

    title: str
    groups: Sequence[tuple[str, dict[str, Bar]]]


def check_file(option: str, file: Path) -> None:
    """Raises ValueError where nothing could be drawn into such a file."""
    if file.suffix not in SUFFIXES:
        raise ValueError(f"{option} must end with {', '.join(SUFFIXES)}, got {str(file)!r}")
    if not importlib.util.find_spec("matplotlib"):
        raise ValueError(f"{option} needs matplotlib: pip install matplotlib")


def draw(panels: Sequence[Panel], labels: dict[str, str], caption: str, files: list[Path]) -> None:
    """Write the chart to each of the files, in the format of its ending. labels: of the names."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    colours = dict(zip(labels, COLOURS * len(labels), strict=False))
    rows = max(sum(len(bars) + GAP for _, bars in panel.groups) for panel in panels)
    size = 6.6 * len(panels), rows * BAR + 1.6
    figure, axes = pyplot.subplots(
        1, len(panels), figsize=size, layout="constrained", squeeze=False
    )
    for axis, panel in zip(axes[0], panels, strict=True):
        _draw_panel(axis, panel, colours)
        axis.set_ylim(rows, -1)
    handles = [pyplot.Rectangle((0, 0), 1, 1, color=colours[name]) for name in labels]
    figure.legend(
        handles,
        list(labels.values()),
        loc="outside upper center",
        ncols=len(labels),
        frameon=False,
    )
    figure.supxlabel(caption, fontsize=8, color="0.35")
    for file in files:
        drawn = io.BytesIO()
        figure.savefig(drawn, format=file.suffix[1:], dpi=150)
        _files.write_whole(file, drawn.getvalue())
    pyplot.close(figure)


def _draw_panel(axis: Any, panel: Panel, colours: dict[str, str]) -> None:
    values = [bar.value for _, bars in panel.groups for bar in bars.values()]
    logarithmic = max(values) / min(values) > LOG_FROM
    y, ticks = 0.0, []
    for label, bars in panel.groups:
        ticks.append((y + (len(bars) - 1) / 2, label))
        for name, bar in bars.items():
            spread = [[max(0.0, bar.value - bar.lowest)], [max(0.0, bar.highest - bar.value)]]
            axis.barh(y, bar.value, 0.86, color=colours[name], xerr=spread, ecolor="0.3")
            text = f"{bar.value:,.0f}" if bar.value >= 100 else f"{bar.value:.3g}"
            place = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
            axis.annotate(f"{text}  {bar.note}".rstrip(), (bar.highest, y), fontsize=7.5, **place)
            y += 1
        y += GAP
    axis.set_yticks([place for place, _ in ticks], [label for _, label in ticks], fontsize=8.5)
    axis.tick_params(axis="y", length=0)
    if logarithmic:
        axis.set_xscale("log")
        axis.set_xlim(min(values) / 2.5, max(values) * 4)
    else:
        axis.set_xlim(0, max(values) * 1.3)
    axis.xaxis.set_major_formatter("{x:,.9g}")
    scale = " (logarithmic)" if logarithmic else ""
    axis.set_title(panel.title + scale, fontsize=10, loc="left")
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.grid(axis="x", color="0.9")
    axis.set_axisbelow(True)
