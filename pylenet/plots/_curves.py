"""Learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _check
from .._callback import History
from .._colours import COLOURS
from . import _sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osD^vP"  # besides colours, for who cannot tell these apart
LOG_FROM = 10  # times that a loss may shrink before its axis becomes logarithmic
VALIDATION = "val_"
PANEL = 4.4, 3.2  # inches

Run = History | Mapping[str, Sequence[float]]


class Curve(NamedTuple):
    """Values by epochs, which count from 1."""

    epochs: list[int]
    values: list[float]


def learning_curves(
    history: Run | Mapping[Any, Run] | Sequence[Run],
    *,
    names: Sequence[Any] | None = None,
    metric: str | None = None,
    ax: Axes | None = None,
) -> Figure | Axes:
    """Loss and metrics by epoch, of one run or of several.

    history: what `fit` returned, or its `history`, a dict of lists; for several runs a list of
    these, or a dict of them by name. Of rows of results.json it is `row["history"]`. names: of the
    runs of a list.
    metric: this alone, as "loss", is drawn, or as "val_loss" its values on validation data alone:
    into `ax`, if given. Else each has a panel.

    Solid lines are of validation data, dashed ones of training data. (Training's are means over an
    epoch whose weights still change.) Returns a Figure; the Axes where `metric` is given.
    Raises TypeError for what is no history, ValueError where nothing was recorded, or not this
    metric, or where lists of a dict have unequal lengths, which do not tell the epochs.
    """
    runs = {name: _curves(name, run) for name, run in _runs(history, names).items()}
    recorded = list(dict.fromkeys(_metric_of(name) for run in runs.values() for name in run))
    if not recorded:
        raise ValueError("history must hold values of an epoch at least, got none")
    if metric is not None:
        names_of = list(dict.fromkeys(name for run in runs.values() for name in run))
        if _check.text("metric", metric) not in {*recorded, *names_of}:
            raise ValueError(f"metric must be one of {names_of}, got {metric!r}")
        if metric.startswith(VALIDATION):
            runs = {
                name: {k: c for k, c in run.items() if k == metric} for name, run in runs.items()
            }
            metric = _metric_of(metric)
        caption = _caption([metric], runs)
        panel = _sheet.axes_of(ax, caption, *PANEL, (0.75, 0.5, 0.1, 0.1))
        _draw(panel, metric, runs)
        panel.legend(fontsize=_sheet.SMALL, frameon=False)
        return panel
    if ax is not None:
        raise ValueError("metric must be given with ax, which has room for one, got None")
    if "loss" in recorded:
        recorded.remove("loss")
        recorded.insert(0, "loss")
    return _panels(recorded, runs)


def _runs(history: Any, names: Sequence[Any] | None) -> dict[str, Run]:
    """The runs by their names; one run alone has the name ""."""
    if names is not None and not (isinstance(history, Sequence) and len(names) == len(history)):
        raise ValueError(f"names must be given with a list of as many runs, got {names!r}")
    if isinstance(history, Mapping) and all(_is_run(value) for value in history.values()):
        labels, runs = [*map(str, history)], list(history.values())
    elif isinstance(history, Sequence):
        runs = list(history)
        labels = [f"run {i + 1}" for i in range(len(runs))] if names is None else [*map(str, names)]
    else:
        labels, runs = [""], [history]
    if len(set(labels)) < len(labels):
        raise ValueError(f"names must differ, got {labels}")
    for run in runs:
        if not _is_run(run):
            raise TypeError(
                "history must be what fit returned, a dict of lists, or several of these, "
                f"got {run!r}"
            )
    return dict(zip(labels, runs, strict=True))


def _is_run(value: object) -> bool:
    return isinstance(value, (History, Mapping))


def _curves(name: str, run: Run) -> dict[str, Curve]:
    """Each value that a run recorded."""
    if isinstance(run, History):
        found = {key: run.curve(key) for key in run.history}
        curves = {key: Curve([e + 1 for e in epochs], v) for key, (epochs, v) in found.items()}
    else:
        _check_lists(run)
        longest = max(map(len, run.values()), default=0)
        epochs = list(range(1, longest + 1))
        curves = {key: Curve(epochs, list(values)) for key, values in run.items()}
    for key, curve in curves.items():
        if len(curve.epochs) != len(curve.values):
            of = f" of {name!r}" if name else ""
            raise ValueError(
                f"history{of} must hold a value of {key!r} for each of {len(curve.epochs)} epochs, "
                f"got {len(curve.values)}: give what fit returned, which knows their epochs"
            )
        for value in curve.values:
            _check.real(f"history[{key!r}]", value, "[-inf, inf]") if value == value else None
    return {key: curve for key, curve in curves.items() if curve.values}


def _check_lists(run: Mapping[str, Any]) -> None:
    """Raise TypeError unless all of a run's values are lists."""
    if "model" in run and ("history" in run or "runs" in run):
        part = "[run['history'] for run in row['runs']]" if "runs" in run else "row['history']"
        raise TypeError(
            "history must be what fit returned, a dict of lists, or several of these, got a row of "
            f"results.json: give {part}"
        )
    for key, values in run.items():
        if isinstance(values, (str, bytes, Mapping)) or not np.ndim(values):
            raise TypeError(
                f"history[{key!r}] must be a list of numbers, one an epoch, got {values!r}"
            )


def _metric_of(name: str) -> str:
    return name.removeprefix(VALIDATION)


def _caption(metrics: Sequence[str], runs: Mapping[str, Mapping[str, Curve]]) -> str:
    named = [name for name in runs if name]
    of = f" of {' and '.join(named)}" if 0 < len(named) < 4 else f" of {len(named)} runs"
    *most, last = (metric.replace("_", " ") for metric in metrics)
    listed = f"{', '.join(most)} and {last}" if most else last
    caption = f"{listed[0].upper()}{listed[1:]} by epoch{of if named else ''}."
    validated = {name.startswith(VALIDATION) for run in runs.values() for name in run}
    if validated == {True}:
        return f"{caption} On validation data."
    solid = " Solid: on validation data; dashed:" if True in validated else " Dashed:"
    return f"{caption}{solid} on training data, while it is learned."


def _panels(metrics: Sequence[str], runs: Mapping[str, Mapping[str, Curve]]) -> Any:
    """A figure with a panel for each metric."""
    width, height = PANEL
    columns = min(len(metrics), 3)
    rows = -(-len(metrics) // columns)
    module = _sheet.figures()
    wide = columns * width
    text = _sheet.wrapped(_caption(metrics, runs), wide - 0.4)
    figure = module.Figure(figsize=(wide, rows * height + 0.6), layout="constrained")
    figure.suptitle(text, x=0.01, ha="left", fontsize=_sheet.TEXT)
    for place, metric in enumerate(metrics):
        panel = figure.add_subplot(rows, columns, place + 1, axes_class=module.Axes)
        _draw(panel, metric, runs)
    lines = {line.get_label(): line for panel in figure.axes for line in panel.lines}
    figure.legend(
        *(lines.values(), lines),
        loc="outside lower center",
        ncols=min(4, len(lines)),
        fontsize=_sheet.SMALL,
        frameon=False,
    )
    return figure


def _draw(panel: Any, metric: str, runs: Mapping[str, Mapping[str, Curve]]) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    shown: list[float] = []
    for place, (name, run) in enumerate(runs.items()):
        colour = COLOURS[(place + 1) % len(COLOURS)]  # blue first: one run is no alarm
        turn = place // len(COLOURS)
        for key, line, part in (
            (VALIDATION + metric, "-", "validation"),
            (metric, "--", "training"),
        ):
            if key not in run:
                continue
            epochs, values = run[key]
            panel.plot(
                epochs,
                values,
                line,
                color=colour,
                linewidth=1.6 if line == "-" else 1.1,
                marker=MARKERS[(place + turn) % len(MARKERS)],
                markersize=4 if line == "-" or VALIDATION + metric not in run else 2.5,
                label=f"{name}, {part}" if name else part,
            )
            shown += values
    if metric == "loss" and min(shown) > 0 and max(shown) / min(shown) > LOG_FROM:
        panel.set_yscale("log")
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_formatter(NullFormatter())
    panel.set_xlabel("epoch")
    scale = " (logarithmic)" if panel.get_yscale() == "log" else ""
    panel.set_ylabel(metric.replace("_", " ") + scale)
    panel.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(color="0.5", alpha=0.2)
