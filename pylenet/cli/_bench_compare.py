"""Several results of `pylenet bench` side by side, as tables and as a chart."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from ..benchmark import chart, results
from ..benchmark.measurement import MARK, UNSTEADY, threads_text, unsteady
from ..benchmark.subjects import EPOCH
from ._bench_report import Rows, say, title
from ._output import print_table

BESIDE = 2  # how many results fit beside the first one

Record = dict[str, Any]

# Of each table: its title, and by how much its values are multiplied to be in the title's unit.
TITLES = {
    "peaks": ("Peak of multiply-adds, the highest: GFLOP/s", 1e-9),
    "kernels": ("Kernels of {form}, images at once: {batch_size}: us", 1e6),
    "training_by_batch": (f"Training: seconds for {EPOCH:,} images", 1.0),
    "training_by_threads": (f"Training by threads: seconds for {EPOCH:,} images", 1.0),
    "inference": ("Inference: us a call", 1e6),
}


def print_comparison(paths: Sequence[Path], found: Sequence[Record]) -> None:
    """All results beside the first one, as many at a time as fit."""
    names = [chr(ord("A") + i % 26) for i in range(len(found))]
    for name, path, result in zip(names, paths, found, strict=True):
        say(f"{name}: {path}: {_about(result)}")
    say(
        f"In brackets: how many times as fast as A. {MARK} marks figures whose rounds differ by "
        f"more than {UNSTEADY:.0%}."
    )
    noisy = [name for name, result in zip(names, found, strict=True) if _is_noise(result)]
    if noisy:
        say(
            f"{', '.join(noisy)}: the machine was busy with other work, or did not keep its pace: "
            "what is told from these is worth nothing. Measure again when it is idle."
        )
    for start in range(1, len(found), BESIDE):
        chosen = [0, *range(start, min(start + BESIDE, len(found)))]
        _print_tables([names[i] for i in chosen], [found[i] for i in chosen])


def _about(result: Record) -> str:
    machine, settings = result["machine"], result["settings"]
    average = machine["load_average"]
    load = "" if average is None else f", load average {average:.2f}"
    quick = ", --quick" if settings["quick"] else ""
    return (
        f"{machine['cpu']}, {settings['isa']}, {threads_text(settings['threads'])}, "
        f"{settings['images']}{load}{quick}"
    )


def _is_noise(result: Record) -> bool:
    """Whether others had the processors, or most figures differ from round to round."""
    average, processors = (
        result["machine"].get(name) for name in ("load_average", "processors_available")
    )
    if average is not None and processors is not None and average >= processors:
        return True
    spread = [unsteady((r["lowest"], r["highest"])) for t in results.TABLES for r in result[t]]
    return 2 * sum(spread) > len(spread)


def _print_tables(names: list[str], found: list[Record]) -> None:
    head = [cell for name in names[1:] for cell in (name, "")]
    for table, (text, scale) in TITLES.items():
        rows = [(text.format_map(row[0]), *row) for row in results.beside(found, table)]
        for heading, group in groupby(rows, itemgetter(0)):
            shown: Rows = [("", names[0], *head)]
            for _, first, others in group:
                if any(others):
                    cells = [cell for other in others for cell in _beside(first, other, scale)]
                    shown.append((_label(table, first), _value(first, scale), *cells))
            if len(shown) > 1:
                title(heading)
                print_table(shown)
    first_score, *scores = (result["score"]["value"] for result in found)
    cells = [cell for s in scores for cell in (f"{s:,.0f}", f"({s / first_score:.2f})")]
    title(f"Score: {found[0]['score']['unit']}")
    print_table([("", names[0], *head), ("", f"{first_score:,.0f}", *cells)])


def _beside(first: Record, other: Record | None, scale: float) -> tuple[str, str]:
    if other is None:
        return "", ""
    ratio = _figure(first) / _figure(other) if _figure(other) else 0.0
    faster = 1 / ratio if first["unit"] == "FLOP/s" else ratio
    return _value(other, scale), f"({faster:.2f})"


def _value(record: Record, scale: float) -> str:
    value = _figure(record) * scale
    digits = 3 if value < 10 else 1 if value < 10_000 else 0
    mark = MARK if unsteady((record["lowest"], record["highest"])) else ""
    return f"{value:,.{digits}f}{mark}"


def _figure(record: Record) -> float:
    """Of a peak the highest, which shares are of."""
    return float(record["highest" if record["unit"] == "FLOP/s" else "median"])


def _label(table: str, record: Record) -> str:
    if table == "peaks":
        return threads_text(record["threads"])
    if table == "kernels":
        return f"{record['name']} {record['phase']}"
    if table == "training_by_threads":
        return f"{record['form']}, {threads_text(record['threads'])}"
    return f"{record['form']}, batch {record['batch_size']:,}"


def draw(found: dict[str, Record], file: Path) -> None:
    """Training and inference by batch size, a bar for each result by its name."""
    training = chart.Panel(
        f"Training: seconds for {EPOCH:,} images, shorter bars are better",
        _groups("training_by_batch", found),
    )
    inference = chart.Panel(
        "Inference: images a second, longer bars are better", _groups("inference", found)
    )
    captions = "\n".join(f"{name}: {_about(result)}" for name, result in found.items())
    chart.draw([training, inference], {name: name for name in found}, captions, [file])


def _groups(table: str, found: dict[str, Record]) -> list[tuple[str, dict[str, chart.Bar]]]:
    return [
        (
            f"{first['form']}\nbatch {first['batch_size']:,}",
            {name: _bar(table, r) for name, r in zip(found, (first, *others), strict=True) if r},
        )
        for first, others in results.beside(list(found.values()), table)
    ]


def _bar(table: str, record: Record) -> chart.Bar:
    low, middle, high = (record[name] for name in ("lowest", "median", "highest"))
    if table == "inference":
        images = record["batch_size"]
        return chart.Bar(images / middle, images / high, images / low)
    return chart.Bar(middle, low, high)
