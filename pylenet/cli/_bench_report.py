"""The tables of `pylenet bench`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._bench.kernels import PHASES, Kernel, Peak, Step
from .._bench.speed import THREADS_BATCH, Calls, Epoch
from .._bench.subjects import EPOCH
from ._output import print_table

UNSTEADY = 0.1  # of the peak, between its rounds


def print_head(machine: dict[str, Any], settings: dict[str, Any]) -> None:
    """What is measured, and on what."""
    cores = "" if machine["cores"] is None else f"{machine['cores']} cores, "
    print(
        f"pylenet {machine['pylenet']['pylenet']} on {machine['cpu']}: {cores}"
        f"{machine['processors_available']} of {machine['processors']} processors, "
        f"{settings['isa']}, {_threads(settings['threads'])}"
    )
    less = " --quick: rough figures." if settings["quick"] else ""
    print(f"Images: {settings['images']}. Medians of several rounds.{less}", flush=True)


def print_peaks(peaks: Sequence[Peak]) -> None:
    """The limit that everything else is compared with."""
    _title("Peak of fused multiply-adds in float32, two operations each")
    rows: list[tuple[str, ...]] = [("", "GFLOP/s", "lowest", "highest")]
    for peak in peaks:
        values = [_median(peak.flops), min(peak.flops), max(peak.flops)]
        rows.append((_threads(peak.threads), *(f"{value / 1e9:.1f}" for value in values)))
    print_table(rows)
    spread = max(max(peak.flops) / min(peak.flops) - 1 for peak in peaks)
    if spread > UNSTEADY:
        print(
            f"It changed by {spread:.0%} from round to round: the machine is busy or changes its "
            "clock, so take what follows with care."
        )
    _flush()


def print_steps(steps: Sequence[Step]) -> None:
    """Each kernel's microseconds, GFLOP/s and share of the peak measured beside it."""
    for step in steps:
        images = "one image" if step.images == 1 else f"{step.images} images at once"
        _title(f"Kernels of {step.form}, {images}, 1 thread: us, GFLOP/s, share of peak")
        rows: list[tuple[str, ...]] = [
            ("", *(cell for phase in PHASES for cell in (phase, "", "")))
        ]
        for name in dict.fromkeys(kernel.name for kernel in step.kernels):
            own = {kernel.phase: [kernel] for kernel in step.kernels if kernel.name == name}
            rows.append((name, *_phases(own, step.peaks)))
        every = {phase: [k for k in step.kernels if k.phase == phase] for phase in PHASES}
        rows.append(("all", *_phases(every, step.peaks)))
        print_table(rows)
        seconds, gflops, share = _figures(step.kernels, step.peaks)
        print(f"The step: {seconds} us, {gflops} GFLOP/s, {share} of peak.")
    _flush()


def _phases(kernels: dict[str, list[Kernel]], peaks: list[float]) -> list[str]:
    return [cell for phase in PHASES for cell in _figures(kernels.get(phase, []), peaks)]


def _figures(kernels: Sequence[Kernel], peaks: list[float]) -> tuple[str, str, str]:
    """Microseconds, GFLOP/s and share of peak of all these together, as text."""
    if not kernels:
        return "", "", ""
    seconds = np.sum([kernel.seconds for kernel in kernels], axis=0)
    flops = sum(kernel.flops for kernel in kernels)
    if not flops:
        return f"{_median(seconds) * 1e6:.2f}", "", ""
    return (
        f"{_median(seconds) * 1e6:.2f}",
        f"{flops / _median(seconds) / 1e9:.1f}",
        f"{_median(flops / seconds / peaks):.0%}",
    )


def print_epochs(epochs: Sequence[Epoch], flops: dict[str, float], threads: int) -> None:
    """Training by batch size, then how near to the limit an epoch comes."""
    _title(f"Training, {EPOCH:,} images an epoch, plain SGD, {_threads(threads)}")
    rows: list[tuple[str, ...]] = [
        ("", "batch", "seconds", "lowest", "highest", "GFLOP/s", "of peak", "images timed")
    ]
    rows += [
        (epoch.form, str(epoch.batch_size), *_epoch_cells(epoch, flops[epoch.form]))
        for epoch in epochs
    ]
    print_table(rows)
    _say_where_scaled(epochs)
    for epoch in epochs:
        if epoch.batch_size == THREADS_BATCH:
            gflops, share = _epoch_rate(epoch, flops[epoch.form])
            print(
                f"An epoch of {epoch.form} is {flops[epoch.form] / 1e9:.1f} GFLOP: at batch "
                f"{THREADS_BATCH} it runs at {gflops} GFLOP/s, {share} of peak."
            )
    _flush()


def print_threads(epochs: Sequence[Epoch], flops: dict[str, float]) -> None:
    """Training by the number of threads, and how many times as fast as on one."""
    _title(f"Training by threads, batch {THREADS_BATCH}")
    rows: list[tuple[str, ...]] = [
        (
            *("", "threads", "seconds", "lowest", "highest", "GFLOP/s", "of peak"),
            *("images timed", "speed-up"),
        )
    ]
    alone = {epoch.form: epoch for epoch in epochs if epoch.threads == 1}
    for epoch in epochs:
        pairs = zip(alone[epoch.form].epoch_seconds, epoch.epoch_seconds, strict=True)
        speed_up = _median([one / many for one, many in pairs])
        cells = _epoch_cells(epoch, flops[epoch.form])
        rows.append((epoch.form, str(epoch.threads), *cells, f"{speed_up:.2f}"))
    print_table(rows)
    _say_where_scaled(epochs)
    _flush()


def _epoch_cells(epoch: Epoch, flops: float) -> tuple[str, ...]:
    seconds = epoch.epoch_seconds
    times = (f"{value:.3f}" for value in (_median(seconds), min(seconds), max(seconds)))
    return (*times, *_epoch_rate(epoch, flops), f"{epoch.images:,}")


def _epoch_rate(epoch: Epoch, flops: float) -> tuple[str, str]:
    """GFLOP/s and share of peak, as text."""
    seconds = np.asarray(epoch.epoch_seconds)
    shares = flops / seconds / epoch.peaks
    return f"{flops / _median(seconds) / 1e9:.1f}", f"{_median(shares):.0%}"


def _say_where_scaled(epochs: Sequence[Epoch]) -> None:
    if any(epoch.images < EPOCH for epoch in epochs):
        print(f"Where fewer images were timed, seconds are scaled to {EPOCH:,}.")


def print_calls(calls: Sequence[Calls], threads: int) -> None:
    """Inference by batch size; the quickest and slowest tenth show the spread of the calls."""
    _title(f"Inference, predict_on_batch, {_threads(threads)}")
    rows: list[tuple[str, ...]] = [("", "batch", "us a call", "10 %", "90 %", "images/s", "calls")]
    for entry in calls:
        low, middle, high = np.quantile(entry.seconds, (0.1, 0.5, 0.9))
        rows.append(
            (
                *(entry.form, f"{entry.batch_size:,}"),
                *(f"{seconds * 1e6:,.1f}" for seconds in (middle, low, high)),
                *(f"{entry.batch_size / middle:,.0f}", f"{len(entry.seconds):,}"),
            )
        )
    print_table(rows)
    _flush()


def print_accuracy(found: dict[str, Any]) -> None:
    """Seconds from the start of a process to the goal, for each seed."""
    _title(f"From the start of a process to {found['goal']:.0%} test accuracy, modern")
    if found["left_out"]:
        print(f"Left out: {found['left_out']}.", flush=True)
        return
    rows: list[tuple[str, ...]] = [("", "seconds", "epochs", "test accuracy", "reached")]
    for run in found["runs"]:
        figures = (f"{run['seconds']:.2f}", str(len(run["accuracy"])), f"{run['accuracy'][-1]:.4f}")
        rows.append((f"seed {run['seed']}", *figures, "yes" if run["reached"] else "no"))
    print_table(rows)
    there = [run["seconds"] for run in found["runs"] if run["reached"]]
    if there:
        print(f"Median of the {len(there)} that reached it: {_median(there):.2f} s.")
    _flush()


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _median(values: Any) -> float:
    return float(np.median(values))


def _title(text: str) -> None:
    print(f"\n{text}")


def _flush() -> None:
    print(end="", flush=True)
