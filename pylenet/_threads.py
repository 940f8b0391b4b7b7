"""How many threads the kernels run on."""

import os
from pathlib import Path

from . import _check

MOST = 4096

_chosen: int | None = None


def set_num_threads(n: int) -> None:
    """Run on n threads from now on, 1 <= n <= 4096. Results do not depend on it.

    A build without OpenMP runs on one thread whatever n is.
    """
    global _chosen
    n = _check.integer("n", n, 1)
    if n > MOST:
        raise ValueError(f"n must be at most {MOST}, got {n}")
    _chosen = n


def get_num_threads() -> int:
    """The number of threads in use.

    Unless set_num_threads was called: PYLENET_NUM_THREADS, else OMP_NUM_THREADS (read at the
    first use), else the processors that affinity mask and cgroup quota leave to this process.
    Raises ValueError where such a variable is not a whole number >= 1.
    """
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
    quota = _cgroup_quota()
    return max(1, processors if quota is None else min(processors, quota))


def _cgroup_quota(
    membership: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")
) -> int | None:
    """The smallest processor quota of the process's cgroup and those above it, rounded up."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    quotas = []
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not path:
            continue
        if controllers == "":  # version 2: one hierarchy, "quota period" or "max period"
            root, read = mount, _quota_v2
        elif "cpu" in controllers.split(","):
            root, read = mount / controllers, _quota_v1
            if not root.is_dir():
                root = mount / "cpu"
        else:
            continue
        group = root / path.lstrip("/")
        # In a container the path may be the host's; what is mounted then is the group itself.
        for folder in [group, *group.parents] if group.is_dir() else [root]:
            quotas.append(read(folder))
            if folder == root:
                break
    found = [-(-quota // period) for quota, period in quotas if quota > 0 and period > 0]
    return min(found, default=None)


def _quota_v2(folder: Path) -> tuple[int, int]:
    """Quota and period; a quota of 0 or less is none, and so is what cannot be read."""
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return (0 if quota == "max" else int(quota)), int(period)
    except (OSError, ValueError):
        return 0, 0


def _quota_v1(folder: Path) -> tuple[int, int]:
    """Like _quota_v2."""
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        return quota, int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return 0, 0
