"""The processor quota that Linux control groups leave to this process."""

from __future__ import annotations

from pathlib import Path


def quota(
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
            root, read = mount, _read_v2
        elif "cpu" in controllers.split(","):
            root, read = mount / controllers, _read_v1
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
    found = [-(-limit // period) for limit, period in quotas if limit > 0 and period > 0]
    return min(found, default=None)


def _read_v2(folder: Path) -> tuple[int, int]:
    """Limit and period; a limit of 0 or less is none, and so is what cannot be read."""
    try:
        limit, period = (folder / "cpu.max").read_text().split()
        return (0 if limit == "max" else int(limit)), int(period)
    except (OSError, ValueError):
        return 0, 0


def _read_v1(folder: Path) -> tuple[int, int]:
    """Like _read_v2."""
    try:
        limit = int((folder / "cpu.cfs_quota_us").read_text())
        return limit, int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return 0, 0
