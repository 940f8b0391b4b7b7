"""The results as bars: a panel for each kind of work, a group of bars for each work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from _peers import LIBRARIES, PYLENET

# Okabe and Ito's colours, told apart by colour-blind readers too; pylenet has the strongest.
COLOURS = {
    "pylenet": "#D55E00",
    "torch": "#0072B2",
    "torch-compile": "#56B4E9",
    "onnxruntime": "#009E73",
    "keras": "#E69F00",
    "jax": "#CC79A7",
}
PANELS = {
    "train": "Training: seconds an epoch, shorter bars are better",
    "inference": "Inference: images a second, longer bars are better",
}
BAR, GAP = 0.2, 0.7  # a bar in inches, the gap between groups in bars
LOG_FROM = 8  # the ratio of the largest value to the smallest above which the axis is logarithmic


def draw(found: dict[str, Any], caption: str, stem: Path) -> list[Path]:
    """Writes stem.png and stem.svg; returns their paths."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    kinds = [kind for kind in PANELS if any(works_of(found, kind))]
    rows = max(sum(len(bars) + GAP for _, bars in works_of(found, kind)) for kind in kinds)
    size = 6.6 * len(kinds), rows * BAR + 1.6
    figure, axes = pyplot.subplots(1, len(kinds), figsize=size, layout="constrained", squeeze=False)
    for axis, kind in zip(axes[0], kinds, strict=True):
        panel(axis, kind, list(works_of(found, kind)))
        axis.set_ylim(rows, -1)
    names = [name for name in LIBRARIES if name in found["libraries"]]
    handles = [pyplot.Rectangle((0, 0), 1, 1, color=COLOURS[name]) for name in names]
    labels = [LIBRARIES[name].label for name in names]
    figure.legend(handles, labels, loc="outside upper center", ncols=len(names), frameon=False)
    figure.supxlabel(caption, fontsize=8, color="0.35")
    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in ("png", "svg")]
    for path in paths:
        figure.savefig(path, dpi=150)
    pyplot.close(figure)
    return paths


def works_of(found: dict[str, Any], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The works of a kind: a label, and each library's value, spread and ratio."""
    for entry in found["works"]:
        if entry["kind"] == kind:
            threads = f"{entry['threads']} thread{'s' if entry['threads'] > 1 else ''}"
            label = f"{entry['form']}\nbatch {entry['batch_size']:,}\n{threads}"
            yield label, {name: bar(entry, x) for name, x in entry["libraries"].items()}


def bar(entry: dict[str, Any], measured: dict[str, Any]) -> dict[str, float]:
    """In the panel's unit, whatever unit the table has."""
    scale = 60_000 if entry["kind"] == "train" else 1
    values = sorted(scale * seconds / measured["images"] for seconds in measured["seconds"])
    if entry["kind"] == "inference":
        values = sorted(1 / value for value in values)
    middle = len(values) // 2
    value = (values[middle] + values[~middle]) / 2
    return {"value": value, "low": values[0], "high": values[-1], "ratio": measured["ratio"]}


def panel(axis: Any, kind: str, works: list[tuple[str, dict[str, Any]]]) -> None:
    values = [b["value"] for _, bars in works for b in bars.values()]
    logarithmic = max(values) / min(values) > LOG_FROM
    y, ticks = 0.0, []
    for label, bars in works:
        ticks.append((y + (len(bars) - 1) / 2, label))
        for name, b in bars.items():
            spread = [[max(0.0, b["value"] - b["low"])], [max(0.0, b["high"] - b["value"])]]
            axis.barh(y, b["value"], 0.86, color=COLOURS[name], xerr=spread, ecolor="0.3")
            text = f"{b['value']:,.0f}" if b["value"] >= 100 else f"{b['value']:.3g}"
            if name != PYLENET.name:
                text += f"  ({b['ratio']:.1f} x)"
            place = {"xytext": (4, 0), "textcoords": "offset points", "va": "center"}
            axis.annotate(text, (b["high"], y), fontsize=7.5, **place)
            y += 1
        y += GAP
    axis.set_yticks([place for place, _ in ticks], [label for _, label in ticks], fontsize=8.5)
    axis.tick_params(axis="y", length=0)
    if logarithmic:
        axis.set_xscale("log")
        axis.set_xlim(min(values) / 2.5, max(values) * 4)
        axis.xaxis.set_major_formatter("{x:,.9g}")
    else:
        axis.set_xlim(0, max(values) * 1.3)
    scale = " (logarithmic)" if logarithmic else ""
    axis.set_title(PANELS[kind] + scale, fontsize=10, loc="left")
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.grid(axis="x", color="0.9")
    axis.set_axisbelow(True)
