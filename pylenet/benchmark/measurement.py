"""One measured quantity, how long to measure it, and the words for its middle and its spread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from time import perf_counter
from typing import Any

__all__ = [
    "FULL",
    "MARK",
    "QUICK",
    "UNSTEADY",
    "Effort",
    "Measurement",
    "middle",
    "rounds",
    "share",
    "threads_text",
    "unsteady",
]

UNSTEADY = 0.1  # the highest above the lowest from which values are marked
MARK = "~"


@dataclass
class Measurement:
    """One quantity in each round, and of what it is.

    batch_size: images computed together. unit: of the values, "s" or "FLOP/s". name, phase: of a
    kernel. flops: floating-point operations that a value stands for, a multiply-add being two; 0
    where there are none. multiplications: those that are done, half of flops or, by algorithms that
    need fewer, less; then the share of the peak may be above 1. images_timed: of an epoch, whose
    values are scaled to 60,000 images. values: one for each round. calls: of predictions, every
    single one.
    """

    form: str
    batch_size: int
    threads: int
    unit: str = "s"
    name: str = ""
    phase: str = ""
    flops: float = 0.0
    multiplications: float = 0.0
    images_timed: int = 0
    values: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def rate(self) -> float:
        """FLOP/s of the median."""
        return self.flops / self.median

    @property
    def done(self) -> float:
        """The part of the multiplications that flops count which are done."""
        return 2 * self.multiplications / self.flops if self.multiplications else 1.0

    def record(self, peak: float | None = None) -> dict[str, Any]:
        """For JSON: what is known of it. peak: FLOP/s, to give the share that it reaches."""
        known = {name: value for name, value in asdict(self).items() if value not in ("", 0, [])}
        values = known.pop("values")
        calls = {"calls": known.pop("calls")} if self.calls else {}
        known |= {"median": self.median, "lowest": min(values), "highest": max(values)}
        if self.flops and peak:
            known |= {
                "flops_per_second": self.rate,
                "share_of_peak": share(self.rate, peak, self.done),
            }
        return known | {"values": values} | calls


def share(rate: float, peak: float, done: float = 1.0) -> float:
    """Of the peak. done: the part of the multiplications of `rate` that are done. What was reached
    is possible, so that none is above 1 / done."""
    return rate / max(rate * done, peak)


def middle(count: int) -> str:
    """What the median of `count` values is called."""
    return {1: "value", 2: "mean"}.get(count, "median")


def threads_text(count: int) -> str:
    """A number of threads in words."""
    return "1 thread" if count == 1 else f"{count} threads"


def unsteady(values: Sequence[float]) -> bool:
    """Whether values differ by more than UNSTEADY."""
    return max(values) > min(values) * (1 + UNSTEADY)


@dataclass(frozen=True)
class Effort:
    """Seconds and counts of the measurements.

    rounds: the fewest and the most; everything of a table is measured once in each round, so that
    a clock that drifts meets all alike. warm_up_seconds: before the peak is measured. peak_seconds,
    step_seconds, call_seconds: of each measurement of the peak, of training steps for the kernels,
    of predictions. epoch_seconds: the most that a timed epoch may take; of a longer one a part is
    timed. table_seconds: after these no further round begins, once there are the fewest. runs:
    processes that train to 99 %.
    """

    rounds: tuple[int, int]
    warm_up_seconds: float
    peak_seconds: float
    step_seconds: float
    call_seconds: float
    epoch_seconds: float
    table_seconds: float
    runs: int


FULL = Effort((3, 5), 0.3, 0.03, 0.03, 0.1, 0.7, 8.0, 3)
QUICK = Effort((2, 2), 0.02, 0.002, 0.002, 0.005, 0.02, 0.0, 0)


def rounds(effort: Effort) -> Iterator[int]:
    """The numbers of the rounds of one table."""
    fewest, most = effort.rounds
    started = perf_counter()
    for number in range(most):
        if number >= fewest and perf_counter() - started > effort.table_seconds:
            return
        yield number
