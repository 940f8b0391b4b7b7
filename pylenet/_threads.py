"""How many threads the kernels run on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from . import _check, _core

MOST = 4096

_chosen: int | None = None


def set_num_threads(n: int) -> None:
    """Run on n threads from now on, 1 <= n <= 4096. Results do not depend on it.

    get_num_threads tells how many of them may run.
    """
    global _chosen
    n = _check.integer("n", n, 1)
    if n > MOST:
        raise ValueError(f"n must be at most {MOST}, got {n}")
    _chosen = n


@contextmanager
def on_threads(n: int) -> Iterator[None]:
    """Run on n threads inside the block, and on as many as before after it."""
    before = asked_for()
    set_num_threads(n)
    try:
        yield
    finally:
        set_num_threads(before)


def get_num_threads() -> int:
    """The number of threads in use: those asked for, or as many of them as may run here.

    Asked for are, unless set_num_threads was called: PYLENET_NUM_THREADS, else OMP_NUM_THREADS
    (read at the first use), else the processors that affinity mask and cgroup quota leave to this
    process. Fewer run where OMP_THREAD_LIMIT or threadpoolctl says so, inside another library's
    OpenMP region, in a forked child and without OpenMP; with OMP_DYNAMIC=true OpenMP may take fewer
    still, as the machine's load is at each call.
    Raises ValueError where such a variable is not a whole number >= 1.
    """
    return _core.permitted_threads(asked_for())


def counted() -> int:
    """The number of threads in use, by running them: the system too may refuse some."""
    return _core.count_threads(asked_for())


def chosen() -> bool:
    """Whether set_num_threads or a variable says how many."""
    return _chosen is not None or _from_environment() is not None


def asked_for() -> int:
    """The number of threads to give to the compiled part, which knows how many of them may run."""
    global _chosen
    if _chosen is None:
        _chosen = _from_environment() or available_processors()
    return _chosen


def _from_environment() -> int | None:
    for name in ("PYLENET_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(name, "").strip()
        first = value.split(",")[0].strip()  # OMP_NUM_THREADS may name one for each nesting level
        if first:
            if not (first.isascii() and first.isdigit() and 1 <= int(first) <= MOST):
                raise ValueError(f"{name} must be a whole number from 1 to {MOST}, got {value!r}")
            return int(first)
    return None


def available_processors() -> int:
    """Processors this process may use: its affinity mask, within its cgroup's quota."""
    if hasattr(os, "sched_getaffinity"):
        processors = len(os.sched_getaffinity(0))
    else:
        processors = os.cpu_count() or 1
    from . import _cgroup  # and pathlib with it: only where it is asked for

    quota = _cgroup.quota()
    return max(1, processors if quota is None else min(processors, quota))
