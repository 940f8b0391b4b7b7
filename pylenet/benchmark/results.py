"""The results of `pylenet bench` as JSON: docs/bench.md describes the format.

A change that a reader must know of is another FORMAT.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .kernels import Peaks
from .measurement import Measurement
from .speed import THREADS_BATCH
from .subjects import EPOCH

__all__ = ["FORMAT", "TABLES", "beside", "read", "records", "score", "text"]

FORMAT = "pylenet-bench-2"
# The lists of measurements, and by what one of them is told from its neighbours.
TABLES = {
    "peaks": ("threads",),
    "kernels": ("form", "batch_size", "name", "phase"),
    "training_by_batch": ("form", "batch_size"),
    "training_by_threads": ("form", "threads"),
    "inference": ("form", "batch_size"),
}

FIGURES = {"unit", "median", "lowest", "highest"}


def records(measurements: list[Measurement], peaks: Peaks) -> list[dict[str, Any]]:
    """Measurements for JSON, with their shares of the peak."""
    return [m.record(peaks[m.threads] if m.flops else None) for m in measurements]


def score(training: list[Measurement]) -> dict[str, Any]:
    """The machine's one figure, of training by batch size: modern's, or else the last one's."""
    *_, found = (m for m in training if m.batch_size == THREADS_BATCH)
    of = f"training, {found.form}, batch {THREADS_BATCH}, threads: {found.threads}"
    return {"value": EPOCH / found.median, "unit": "images a second", "of": of}


def text(found: dict[str, Any]) -> str:
    """JSON with one record a line, to be read and compared line by line."""
    lines = []
    for name, value in found.items():
        if isinstance(value, list):
            inner = "[\n" + ",\n".join(f"    {json.dumps(record)}" for record in value) + "\n  ]"
        else:
            inner = json.dumps(value)
        lines.append(f"  {json.dumps(name)}: {inner}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def read(path: Path) -> dict[str, Any]:
    """What --json wrote. Raises ValueError for other files and other formats."""
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{str(path)!r} is not a result of `pylenet bench`: {error}") from error
    there = found.get("format") if isinstance(found, dict) else None
    if there != FORMAT:
        raise ValueError(
            f"{str(path)!r} must be a result of `pylenet bench` in the format {FORMAT}, got "
            f"{there!r}"
        )
    lacking = {"machine", "settings", "score", *TABLES} - found.keys()
    lacking |= {t for t in TABLES if any(FIGURES - record.keys() for record in found.get(t, ()))}
    if lacking:
        raise ValueError(f"{str(path)!r} lacks figures in {', '.join(sorted(lacking))}")
    return dict(found)


def beside(
    results: list[dict[str, Any]], table: str
) -> list[tuple[dict[str, Any], list[dict[str, Any] | None]]]:
    """The first result's records of a table, each with those of the other results, if any."""
    keys = TABLES[table]
    first, *others = (
        {tuple(record.get(key) for key in keys): record for record in result[table]}
        for result in results
    )
    return [(record, [other.get(key) for other in others]) for key, record in first.items()]
