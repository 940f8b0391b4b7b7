"""`pylenet bench`: how fast networks are on this machine, and how near to its limit."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import _core, _files, _threads
from ..benchmark import accuracy, chart, checks, kernels, results, speed
from ..benchmark.machine import machine
from ..benchmark.measurement import FULL, QUICK, Effort, Measurement
from ..benchmark.subjects import EPOCH, LENETS, NETWORKS, Images, digits, mnist_on_disk
from . import _bench_compare, _bench_report, _options, _output

NO_OPENMP = "this build has no OpenMP"


def add(commands: Any) -> None:
    """The command and its options."""
    command = _options.add(
        commands,
        "bench",
        bench,
        "measure how fast both LeNets, or other networks, are on this machine",
        "First their results are checked; if one is wrong, nothing is timed. Takes about a minute. "
        "Uses MNIST where it is on this machine, and never fetches it.",
    )
    _options.add_threads(command)
    command.add_argument(
        "--network",
        nargs="+",
        choices=list(NETWORKS),
        metavar="NAME",
        help="what to measure instead of both LeNets: lenet32 (LeNet on 32x32x3), caffe (Caffe's "
        "LeNet), keras and torch (their MNIST examples), mlp (784-512-512-10), lenet",
    )
    command.add_argument(
        "--quick", action="store_true", help="a few seconds: all tables, from less work"
    )
    command.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write machine, settings and every single time here when done",
    )
    command.add_argument(
        "--chart",
        type=Path,
        metavar="FILE",
        help="draw training and inference here, as .png, .svg or .pdf; needs matplotlib",
    )
    command.add_argument(
        "--compare",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="measure nothing: print what --json wrote, of several machines or builds side by side",
    )


def bench(options: argparse.Namespace) -> None:
    """Measure this machine, or compare what was measured before."""
    picture = None
    if options.chart is not None:
        chart.check_file("--chart", options.chart)
        picture = _output.checked_file("--chart", options.chart)
    found = _measured(options) if options.compare is None else _compared(options)
    if picture is not None:
        _bench_compare.draw(found, picture)
        print(f"Written: {options.chart}")
    if options.compare is None:
        (measured,) = found.values()
        _bench_report.print_score(measured["score"])


def _compared(options: argparse.Namespace) -> dict[str, Any]:
    """Print the files side by side. What they hold, by their names."""
    for name in ("threads", "network", "quick", "json"):
        if getattr(options, name):
            raise ValueError(f"--compare measures nothing: --{name} cannot be given with it")
    found = [results.read(path) for path in options.compare]
    _bench_compare.print_comparison(options.compare, found)
    return {str(path): result for path, result in zip(options.compare, found, strict=True)}


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    """Check, measure, print each table as soon as it is there, and write all to --json.

    What was found, by its name.
    """
    path = None if options.json is None else _output.checked_file("--json", options.json)
    if options.threads is not None:
        _threads.set_num_threads(options.threads)
    threads = _threads.counted()
    if options.threads is not None and options.threads > threads:
        reason = f"{options.threads} threads may not run here" if _core.OPENMP else NO_OPENMP
        counted = "one thread" if threads == 1 else f"{threads} threads"
        warnings.warn(f"{reason}: measured on {counted}", stacklevel=1)
    effort = QUICK if options.quick else FULL
    forms = [form for name in options.network or ["lenet"] for form in NETWORKS[name]]
    forms = list(dict.fromkeys(forms))
    mnist = mnist_on_disk()
    images = digits(EPOCH) if mnist is None else mnist[0]
    settings = {
        "threads": threads,
        "isa": _core.active_isa(),
        "quick": options.quick,
        "forms": forms,
        "images": "synthetic" if mnist is None else "MNIST",
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    found: dict[str, Any] = {"format": results.FORMAT, "machine": machine(), "settings": settings}
    _bench_report.print_head(found["machine"], settings, effort)
    found["checked"] = checks.check(threads, forms)
    _bench_report.say(f"Checked: {found['checked']}.")

    found |= _tables(images, threads, effort, forms)
    found["accuracy"] = _to_accuracy(mnist is not None, threads, effort, forms)
    if path is not None:
        _files.write_whole(path, results.text(found).encode())
        print(f"\nWritten: {options.json}")
    return {"this machine": found}


def _tables(images: Images, threads: int, effort: Effort, forms: list[str]) -> dict[str, Any]:
    """All tables but the last, as records for JSON."""
    peaks = kernels.Peaks(speed.thread_counts(threads), effort)
    _bench_report.print_peaks(peaks)
    steps = kernels.steps(images, effort, forms)
    _bench_report.print_steps(steps, peaks[1])
    flops = {form: kernels.epoch_flops(form) for form in forms}
    multiplications = {form: kernels.epoch_multiplications(form) for form in forms}
    by_batch = speed.epochs_by_batch(images, threads, flops, effort)
    _tell(by_batch, multiplications)
    _bench_report.print_epochs(by_batch, peaks)
    by_threads = speed.epochs_by_threads(images, threads, flops, effort)
    _tell(by_threads, multiplications)
    _bench_report.print_threads(by_threads, peaks)
    calls = speed.calls(images, threads, effort, forms)
    _bench_report.print_calls(calls)
    tables = {
        "peaks": peaks.measurements,
        "kernels": steps,
        "training_by_batch": by_batch,
        "training_by_threads": by_threads,
        "inference": calls,
    }
    totals = {"epoch_flops": flops, "epoch_multiplications": multiplications}
    return {"score": results.score(by_batch), **totals} | {
        name: results.records(measured, peaks) for name, measured in tables.items()
    }


def _tell(epochs: list[Measurement], multiplications: dict[str, float]) -> None:
    """Let each epoch know its form's."""
    for epoch in epochs:
        epoch.multiplications = multiplications[epoch.form]


def _to_accuracy(
    on_disk: bool, threads: int, effort: Effort, forms: Sequence[str] = LENETS
) -> dict[str, Any]:
    """The runs to 99 %, or why they were left out."""
    found: dict[str, Any] = {"goal": accuracy.GOAL, "left_out": None, "unit": "s", "runs": []}
    if not effort.runs:
        found["left_out"] = "--quick does without"
    elif not set(LENETS) & set(forms):
        found["left_out"] = "of LeNet on 28x28 alone"
    elif not on_disk:
        found["left_out"] = "MNIST is not on this machine (`pylenet train` fetches it)"
    else:
        found["runs"] = [asdict(run) for run in accuracy.runs(threads, effort)]
    _bench_report.print_accuracy(found)
    return found
