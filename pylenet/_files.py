"""Files written whole or not at all, whatever happens meanwhile."""

import contextlib
import os
import time
from pathlib import Path

STALE_SECONDS = 24 * 60 * 60


def write_whole(path: Path, data: bytes) -> None:
    """Write beside the target, force to disk, then put in its place; OSError leaves the old file.

    Sweeps away what a process killed while writing this file left there more than a day ago.
    """
    sweep(path, STALE_SECONDS)
    temporary = temporary_name(path)
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _force_names_to_disk(path.parent)


def temporary_name(path: Path) -> Path:
    """A name beside the target that nothing has yet."""
    return path.with_name(f".{path.name}.{os.urandom(8).hex()}.tmp")


def sweep(path: Path, seconds: float) -> None:
    """Remove temporary files of `path` that nobody has written to for so long."""
    now = time.time()
    for left in path.parent.iterdir():
        if left.name.startswith(f".{path.name}.") and left.name.endswith(".tmp"):
            with contextlib.suppress(OSError):
                if now - left.stat().st_mtime >= seconds:
                    left.unlink()


def _force_names_to_disk(folder: Path) -> None:
    """After a loss of power too the new name stands; where folders cannot be synced, skip it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
