"""The tables of `pylenet bench`, 80 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby
from statistics import median, quantiles
from typing import Any

from ..benchmark.inside import PHASES
from ..benchmark.kernels import Peaks
from ..benchmark.machine import load
from ..benchmark.measurement import (
    MARK,
    UNSTEADY,
    Effort,
    Measurement,
    middle,
    share,
    threads_text,
    unsteady,
)
from ..benchmark.speed import THREADS_BATCH
from ..benchmark.subjects import EPOCH
from ._output import print_table

COLUMNS = 80

Rows = list[tuple[str, ...]]


def print_head(machine: dict[str, Any], settings: dict[str, Any], effort: Effort) -> None:
    """What is measured, on what, and what the figures are."""
    cores = "" if machine["cores"] is None else f"{machine['cores']} cores, "
    say(f"pylenet {machine['pylenet']['pylenet']} on {machine['cpu']}")
    say(
        f"{cores}{machine['processors_available']} of {machine['processors']} processors, "
        f"{settings['isa']}, {threads_text(settings['threads'])}"
    )
    say(f"{load(machine)} Images: {settings['images']}.")
    less = "--quick: rough figures. " if settings["quick"] else ""
    fewest, most = effort.rounds
    count = str(most) if most == fewest else f"{fewest} to {most}"
    say(
        f"{less}Each figure is the {middle(most)} of {count} rounds; {MARK} marks those that "
        f"differ by more than {UNSTEADY:.0%} from round to round."
    )


def print_peaks(peaks: Peaks) -> None:
    """The limit that everything else is compared with."""
    title("Peak of fused multiply-adds in float32, two operations each: GFLOP/s")
    name = middle(len(peaks.measurements[0].values))
    rows: Rows = [("", "highest", name, "lowest")]
    for measured in peaks.measurements:
        values = (peaks[measured.threads], measured.median, min(measured.values))
        cells = (f"{value / 1e9:.1f}" for value in values)
        rows.append((threads_text(measured.threads) + _mark(measured.values), *cells))
    print_table(rows)
    say("The highest is the peak in all that follows.")


def print_steps(kernels: Sequence[Measurement], peak: float) -> None:
    """Each kernel's microseconds, GFLOP/s and share of the peak of one thread."""
    for (form, images), group in groupby(kernels, lambda k: (k.form, k.batch_size)):
        step = list(group)
        count = "one image" if images == 1 else f"{images} images at once"
        title(f"Kernels of {form}, {count}, 1 thread: us, GFLOP/s, share of peak")
        rows: Rows = [("", *(cell for phase in PHASES for cell in (phase, "", "")))]
        for name in (*dict.fromkeys(kernel.name for kernel in step), "all"):
            cells: list[str] = []
            for phase in PHASES:
                own = [k for k in step if k.phase == phase and name in (k.name, "all")]
                cells += _figures(own, peak)
            rows.append((name, *cells))
        print_table(rows)
        microseconds, gflops, of_peak = _figures(step, peak)
        flops = sum(kernel.flops for kernel in step)
        done = sum(kernel.done * kernel.flops for kernel in step)
        work = f"; {_multiplications(done / flops, flops)}" if flops else ""
        say(f"The step: {microseconds} us, {gflops} GFLOP/s, {of_peak} of peak{work}.")


def _figures(kernels: Sequence[Measurement], peak: float) -> tuple[str, str, str]:
    """Microseconds, GFLOP/s and share of peak of all these together, as text."""
    if not kernels:
        return "", "", ""
    seconds = [sum(values) for values in zip(*(k.values for k in kernels), strict=True)]
    flops = sum(kernel.flops for kernel in kernels)
    time = _short(median(seconds) * 1e6) + _mark(seconds)
    if not flops:
        return time, "", ""
    rate = flops / median(seconds)
    done = sum(kernel.done * kernel.flops for kernel in kernels) / flops
    return time, f"{rate / 1e9:.0f}", f"{share(rate, peak, done):.0%}"


def _multiplications(done: float, flops: float) -> str:
    """How many are done, beside the direct count that flops stand for. done: the part of these."""
    direct = f"{flops / 2:.4g}"
    if done == 1:
        return f"{direct} multiplications, the direct count"
    return f"{done * flops / 2:.4g} multiplications, {done:.0%} of the direct {direct}"


def print_epochs(epochs: Sequence[Measurement], peaks: Peaks) -> None:
    """Training by batch size, then how near to the limit an epoch comes."""
    threads = epochs[0].threads
    title(f"Training, {EPOCH:,} images an epoch, plain SGD, {threads_text(threads)}")
    rows: Rows = [("", "batch", *_EPOCH_HEAD)]
    rows += [(e.form, str(e.batch_size), *_epoch_cells(e, peaks)) for e in epochs]
    print_table(rows)
    _say_where_scaled(epochs)
    for epoch in epochs:
        if epoch.batch_size == THREADS_BATCH:
            say(
                f"An epoch of {epoch.form} is {epoch.flops / 1e9:.1f} GFLOP: at batch "
                f"{THREADS_BATCH} it runs at {epoch.rate / 1e9:.1f} GFLOP/s, "
                f"{share(epoch.rate, peaks[threads], epoch.done):.0%} of peak; "
                f"{_multiplications(epoch.done, epoch.flops)}."
            )


def print_threads(epochs: Sequence[Measurement], peaks: Peaks) -> None:
    """Training by the number of threads, and how many times as fast as on one."""
    title(f"Training by threads, batch {THREADS_BATCH}")
    rows: Rows = [("", "threads", *_EPOCH_HEAD, "speed-up")]
    alone = {epoch.form: epoch for epoch in epochs if epoch.threads == 1}
    for epoch in epochs:
        pairs = zip(alone[epoch.form].values, epoch.values, strict=True)
        speed_up = median(one / many for one, many in pairs)
        cells = _epoch_cells(epoch, peaks)
        rows.append((epoch.form, str(epoch.threads), *cells, f"{speed_up:.2f}"))
    print_table(rows)
    _say_where_scaled(epochs)


_EPOCH_HEAD = ("seconds", "lowest", "highest", "GFLOP/s", "of peak", "timed")


def _epoch_cells(epoch: Measurement, peaks: Peaks) -> tuple[str, ...]:
    return (
        f"{epoch.median:.3f}{_mark(epoch.values)}",
        *(f"{value:.3f}" for value in (min(epoch.values), max(epoch.values))),
        f"{epoch.rate / 1e9:.1f}",
        f"{share(epoch.rate, peaks[epoch.threads], epoch.done):.0%}",
        f"{epoch.images_timed:,}",
    )


def _say_where_scaled(epochs: Sequence[Measurement]) -> None:
    if any(epoch.images_timed < EPOCH for epoch in epochs):
        say(f"Where fewer images were timed, seconds are scaled to {EPOCH:,}.")


def print_calls(calls: Sequence[Measurement]) -> None:
    """Predictions: the middle call, the quickest and the slowest tenth, and images a second."""
    title(f"Inference, predict_on_batch, {threads_text(calls[0].threads)}")
    rows: Rows = [("", "batch", "us a call", "10 %", "90 %", "images/s", "calls")]
    for entry in calls:
        tenths = quantiles(entry.calls, n=10, method="inclusive")
        low, middle_, high = (f"{v * 1e6:,.1f}" for v in (tenths[0], entry.median, tenths[-1]))
        cells = (middle_ + _mark(entry.values), low, high)
        rate = f"{entry.batch_size / entry.median:,.0f}"
        batch = f"{entry.batch_size:,}"
        rows.append((entry.form, batch, *cells, rate, f"{len(entry.calls):,}"))
    print_table(rows)


def print_accuracy(found: dict[str, Any]) -> None:
    """How long fresh processes took to the goal, or why there were none."""
    title(f"From the start of a process to {found['goal']:.0%} test accuracy, modern")
    if found["left_out"]:
        say(f"Left out: {found['left_out']}.")
        return
    rows: Rows = [("", "seconds", "epochs", "test accuracy", "reached")]
    for run in found["runs"]:
        figures = (f"{run['seconds']:.2f}", str(len(run["accuracy"])), f"{run['accuracy'][-1]:.4f}")
        rows.append((f"seed {run['seed']}", *figures, "yes" if run["reached"] else "no"))
    print_table(rows)
    there = [run["seconds"] for run in found["runs"] if run["reached"]]
    if there:
        several = f"{middle(len(there)).capitalize()} of the {len(there)} that reached it"
        name = several if len(there) > 1 else "The one that reached it"
        say(f"{name}: {median(there):.2f} s.")


def print_score(score: dict[str, Any]) -> None:
    """The machine's one figure."""
    print(f"\nScore: {score['value']:,.0f} {score['unit']} ({score['of']})", flush=True)


def title(text: str) -> None:
    print(f"\n{text}")


def say(text: str) -> None:
    """A sentence, in lines that fit."""
    print(textwrap.fill(text, COLUMNS, break_long_words=False, break_on_hyphens=False), flush=True)


def _mark(values: Sequence[float]) -> str:
    return MARK if unsteady(values) else ""


def _short(value: float) -> str:
    """About four digits."""
    return f"{value:.{2 if value < 100 else 1 if value < 1000 else 0}f}"
