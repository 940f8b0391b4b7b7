"""How long to measure, and rounds that keep to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter


@dataclass(frozen=True)
class Effort:
    """Seconds and counts of the measurements.

    rounds: the fewest and the most; everything of a table is measured once in each round, so that
    a clock that drifts meets all alike. peak_seconds, step_seconds, call_seconds: of each
    measurement of the FMA peak, of training steps for the kernels, of predictions. epoch_seconds:
    the most that a timed epoch may take; of a longer one a part is timed. table_seconds: after
    these no further round begins, once there are the fewest. runs: processes that train to 99 %.
    """

    rounds: tuple[int, int]
    peak_seconds: float
    step_seconds: float
    call_seconds: float
    epoch_seconds: float
    table_seconds: float
    runs: int


FULL = Effort((3, 5), 0.03, 0.03, 0.1, 0.7, 8.0, 3)
QUICK = Effort((2, 2), 0.002, 0.002, 0.005, 0.02, 0.0, 0)


def rounds(effort: Effort) -> Iterator[int]:
    """The numbers of the rounds of one table."""
    fewest, most = effort.rounds
    started = perf_counter()
    for number in range(most):
        if number >= fewest and perf_counter() - started > effort.table_seconds:
            return
        yield number
