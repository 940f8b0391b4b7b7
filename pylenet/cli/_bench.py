"""`pylenet bench`: how fast both LeNets are on this machine, and how near to its limit."""

import argparse
import json
import warnings
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from .. import _core, _files, _threads
from .._bench import accuracy, checks, kernels, speed
from .._bench.effort import FULL, QUICK, Effort
from .._bench.machine import machine
from .._bench.subjects import EPOCH, FORMS, Images, mnist_on_disk, synthetic
from . import _bench_report, _output

FORMAT = "pylenet-bench-1"


def bench(options: argparse.Namespace) -> None:
    """Check, measure, print each table as soon as it is there, and write all to --json."""
    path = None if options.json is None else _output.checked_file("--json", options.json)
    if options.threads is not None:
        _threads.set_num_threads(options.threads)
    if options.threads is not None and options.threads > 1 and not _core.OPENMP:
        warnings.warn("this build has no OpenMP: measured on one thread", stacklevel=1)
    threads = _threads.get_num_threads() if _core.OPENMP else 1
    effort = QUICK if options.quick else FULL
    mnist = mnist_on_disk()
    images: Images = synthetic(EPOCH) if mnist is None else mnist[0]
    settings = {
        "threads": threads,
        "isa": _core.active_isa(),
        "quick": options.quick,
        "images": "synthetic" if mnist is None else "MNIST",
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    found: dict[str, Any] = {"format": FORMAT, "machine": machine(), "settings": settings}
    _bench_report.print_head(found["machine"], settings)
    found["checked"] = checks.check(threads)
    print(f"Checked: {found['checked']}.", flush=True)

    found |= _measure(images, threads, effort)
    found["accuracy"] = _to_accuracy(mnist is not None, threads, effort)
    if path is not None:
        _files.write_whole(path, _json(found).encode())
        print(f"\nWritten: {options.json}")


def _measure(images: Images, threads: int, effort: Effort) -> dict[str, Any]:
    """All tables but the last, as records for JSON."""
    peaks = kernels.peaks(threads, effort)
    _bench_report.print_peaks(peaks)
    steps = kernels.steps(images, effort)
    _bench_report.print_steps(steps)
    by_batch = speed.epochs_by_batch(images, threads, effort)
    flops = {form: kernels.epoch_flops(form) for form in FORMS}
    _bench_report.print_epochs(by_batch, flops, threads)
    by_threads = speed.epochs_by_threads(images, threads, effort)
    _bench_report.print_threads(by_threads, flops)
    calls = speed.calls(images, threads, effort)
    _bench_report.print_calls(calls, threads)
    return {
        "epoch_flops": flops,
        "peaks": [asdict(peak) for peak in peaks],
        "kernels": [
            {"form": step.form, "images": step.images, **asdict(kernel), "peaks": step.peaks}
            for step in steps
            for kernel in step.kernels
        ],
        "epochs_by_batch": [asdict(epoch) for epoch in by_batch],
        "epochs_by_threads": [asdict(epoch) for epoch in by_threads],
        "calls": [asdict(entry) for entry in calls],
    }


def _to_accuracy(on_disk: bool, threads: int, effort: Effort) -> dict[str, Any]:
    """The runs to 99 %, or why they were left out."""
    found: dict[str, Any] = {"goal": accuracy.GOAL, "left_out": None, "runs": []}
    if not effort.runs:
        found["left_out"] = "--quick does without"
    elif not on_disk:
        found["left_out"] = "MNIST is not on this machine (`pylenet train` fetches it)"
    else:
        found["runs"] = [asdict(run) for run in accuracy.runs(threads, effort)]
    _bench_report.print_accuracy(found)
    return found


def _json(found: dict[str, Any]) -> str:
    """JSON with one record a line, to be read and compared line by line."""
    lines = []
    for name, value in found.items():
        if isinstance(value, list):
            text = "[\n" + ",\n".join(f"    {json.dumps(record)}" for record in value) + "\n  ]"
        else:
            text = json.dumps(value)
        lines.append(f"  {json.dumps(name)}: {text}")
    return "{\n" + ",\n".join(lines) + "\n}\n"
