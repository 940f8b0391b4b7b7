"""The results as a table, and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from statistics import median
from typing import Any

from _measure import Run, Timings
from _peers import LIBRARIES, PYLENET
from _work import EPOCH, Work

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
        work = Work(*(entry[name] for name in ("kind", "form", "batch_size", "threads")))
        lines += ["", work.title]
        for name, measured in entry["libraries"].items():
            lines.append(SPACE + _row(work, name, measured))
    return "\n".join(line.rstrip() for line in lines + _costs(found))


def _row(work: Work, name: str, measured: dict[str, Any]) -> str:
    median_, lowest, highest = (work.text(measured[x]) for x in ("median", "lowest", "highest"))
    row = f"{LIBRARIES[name].label:<20}{median_:>11}  {f'({lowest} to {highest})':<24}"
    if name == PYLENET.name:
        return f"{row}{'':>32}{_share(work, measured)}"
    ratios = measured["ratios"]
    spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
    way = measured["way"] if len(measured["ways"]) > 1 else ""
    notes = ", ".join(filter(None, (way, _share(work, measured))))
    return f"{row}{measured['ratio']:>8.2f} x  {spread:<18}  {notes}"


def _share(work: Work, measured: dict[str, Any]) -> str:
    """Says so where less than an epoch was timed and scaled."""
    if work.kind != "train" or EPOCH - measured["images"] < work.batch_size:
        return ""
    return f"from {measured['images']:,} images"


def _costs(found: dict[str, Any]) -> list[str]:
    lines = ["", "the libraries themselves: import over numpy, peak memory of training, version"]
    for entry in found["libraries"].values():
        imports, peak = entry["import_seconds_over_numpy"], entry["peak_training_bytes"]
        seconds = f"{median(imports):.3f} s" if imports else ""
        megabytes = f"{peak / 1e6:,.0f} MB" if peak else ""
        versions = ", ".join(f"{name} {version}" for name, version in entry["versions"].items())
        lines.append(f"{SPACE}{entry['label']:<20}{seconds:>11}{megabytes:>12}  {versions}")
    return lines
