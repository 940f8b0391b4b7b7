"""The results as a table, as JSON, and as panels of a chart."""

from __future__ import annotations

from dataclasses import asdict
from statistics import mean, median
from typing import Any

from _measure import Run, Timings
from _peers import LIBRARIES, PYLENET
from _work import KINDS, Work
from pylenet.benchmark.chart import Bar, Panel
from pylenet.benchmark.measurement import threads_text
from pylenet.benchmark.subjects import EPOCH

SPACE = " " * 2


def results(run: Run) -> dict[str, Any]:
    """What was measured, ready for JSON: every single time, and medians, spreads and ratios."""
    return {
        "libraries": {
            name: {
                "label": LIBRARIES[name].label,
                "versions": versions,
                "import_seconds_over_numpy": run.import_seconds.get(name, []),
                "peak_training_bytes": run.peak_bytes.get(name),
            }
            for name, versions in run.versions.items()
            if name not in run.dropped
        },
        "works": [
            {
                **asdict(work),
                "unit": work.unit,
                "libraries": {
                    name: _measured(work, timings, by_library[PYLENET.name])
                    for name, timings in by_library.items()
                },
            }
            for work, by_library in run.timings.items()
        ],
    }


def _measured(work: Work, timings: Timings, ours: Timings) -> dict[str, Any]:
    """ratios: for each round, this library's time over pylenet's; above 1 pylenet is quicker."""
    values = [work.in_unit(seconds) for seconds in timings.per_image]
    pairs = zip(timings.per_image, ours.per_image, strict=True)
    ratios = [theirs / mine for theirs, mine in pairs]
    return {
        "median": median(values),
        "lowest": min(values),
        "highest": max(values),
        "ratio": median(ratios),
        "ratios": ratios,
        **asdict(timings),
    }


def table(found: dict[str, Any]) -> str:
    """Medians with lowest and highest, and ratios, a paragraph for each work."""
    lines = []
    for entry in found["works"]:
        work = _work(entry)
        lines += ["", f"{work}: {work.unit}"]
        for name, measured in entry["libraries"].items():
            lines.append(SPACE + _row(work, name, measured))
    return "\n".join(line.rstrip() for line in lines + _costs(found))


def _work(entry: dict[str, Any]) -> Work:
    return Work(*(entry[name] for name in ("kind", "form", "batch_size", "threads")))


def _row(work: Work, name: str, measured: dict[str, Any]) -> str:
    middle, low, high = (work.text(measured[x]) for x in ("median", "lowest", "highest"))
    compared = ""
    if name != PYLENET.name:
        ratios = measured["ratios"]
        spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
        compared = f"{measured['ratio']:.2f} x  {spread:<18}"
    chosen = len(measured["ways"]) > 1 or work.timing == "to_99"
    way = measured["way"] if chosen else ""
    notes = ", ".join(filter(None, (way, _part(work, measured), _accuracy(measured))))
    times = f"{middle:>11}  {f'({low} to {high})':<24}"
    return f"{LIBRARIES[name].label:<20}{times}{compared:>30}  {notes}"


def _part(work: Work, measured: dict[str, Any]) -> str:
    """Says so where less than an epoch was timed and scaled."""
    if work.check != "train" or EPOCH - measured["images"] < work.batch_size:
        return ""
    return f"from {measured['images']:,} images"


def _accuracy(measured: dict[str, Any]) -> str:
    found = measured["accuracy"]
    return f"test accuracy {mean(found):.4f} ({min(found):.4f} at least)" if found else ""


def panels(found: dict[str, Any]) -> list[Panel]:
    """A panel for each kind of work, inference in images a second at every batch size."""
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for entry in found["works"]:
        by_kind.setdefault(entry["kind"], []).append(entry)
    return [_panel(kind, entries) for kind, entries in by_kind.items()]


def _panel(kind: str, entries: list[dict[str, Any]]) -> Panel:
    unit = "images a second, longer" if kind == "inference" else f"{entries[0]['unit']}, shorter"
    groups = []
    for entry in entries:
        label = f"{entry['form']}\nbatch {entry['batch_size']:,}\n{threads_text(entry['threads'])}"
        groups.append((label, {name: _bar(kind, x) for name, x in entry["libraries"].items()}))
    title = KINDS[kind][0].upper() + KINDS[kind][1:]
    return Panel(f"{title}: {unit} bars are better", groups)


def _bar(kind: str, measured: dict[str, Any]) -> Bar:
    values = [EPOCH * seconds / measured["images"] for seconds in measured["seconds"]]
    if kind == "inference":
        values = [EPOCH / value for value in values]
    note = "" if measured["ratio"] == 1 else f"({measured['ratio']:.1f} x)"
    return Bar(median(values), min(values), max(values), note)


def _costs(found: dict[str, Any]) -> list[str]:
    lines = ["", "the libraries themselves: import over numpy, peak memory of training, version"]
    for entry in found["libraries"].values():
        imports, peak = entry["import_seconds_over_numpy"], entry["peak_training_bytes"]
        seconds = f"{median(imports):.3f} s" if imports else ""
        megabytes = f"{peak / 1e6:,.0f} MB" if peak else ""
        versions = ", ".join(f"{name} {version}" for name, version in entry["versions"].items())
        lines.append(f"{SPACE}{entry['label']:<20}{seconds:>11}{megabytes:>12}  {versions}")
    return lines
