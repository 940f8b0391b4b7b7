"""Files written whole or not at all, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from pathlib import Path

STALE_SECONDS = 24 * 60 * 60
_LONG = 100  # bytes: the temporary name of a longer name does not repeat it


def write_whole(path: Path, *pieces: bytes | memoryview) -> None:
    """Write beside the target, force to disk, then put in its place; OSError leaves the old file.

    A symbolic link stays, and what it leads to is written. A file that is there keeps its mode,
    and its owner and group where the system lets this process set them.
    Sweeps away what a process killed while writing this file left there more than a day ago.
    Raises ValueError where `path` is a folder or device; an OSError names `path`.
    """
    target = checked("filepath", path)
    temporary = temporary_name(target)
    try:
        sweep(target, STALE_SECONDS)
        before = target.stat() if target.exists() else None
        mode = 0o666 if before is None else 0o600  # what was private is so from its first byte
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            if before is not None:
                _copy_owner_and_mode(before, temporary)
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    _force_names_to_disk(target.parent)


def checked(name: str, path: Path) -> Path:
    """The file that `path` stands for, there or not, links followed.

    Raises ValueError, which calls the argument `name`, for a folder, device, pipe or socket.
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return _followed(path)
    if stat.S_ISDIR(mode):
        raise ValueError(f"{name} must be a file, got the folder {str(path)!r}")
    if not stat.S_ISREG(mode):
        raise ValueError(f"{name} must be a file, got {str(path)!r}, which is a device or pipe")
    return _followed(path)


def temporary_name(target: Path) -> Path:
    """A name beside the target that nothing has yet."""
    return target.with_name(f"{_prefix(target)}{os.urandom(8).hex()}.tmp")


def sweep(path: Path, seconds: float) -> None:
    """Remove temporary files of `path` that nobody has written to for so long."""
    target = _followed(path)
    for left in left_over(target.parent, _prefix(target), seconds):
        if left.suffix == ".tmp":
            with contextlib.suppress(OSError):
                left.unlink()


def left_over(folder: Path, prefix: str, seconds: float = STALE_SECONDS) -> list[Path]:
    """What lies in `folder` under names that begin so, and was not written to for so long."""
    old = time.time() - seconds
    left = []
    with contextlib.suppress(OSError):  # a folder that this process may not list
        for path in folder.iterdir():
            if path.name.startswith(prefix):
                with contextlib.suppress(OSError):  # its owner has just removed it
                    if path.lstat().st_mtime <= old:
                        left.append(path)
    return left


def _followed(path: Path) -> Path:
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _prefix(target: Path) -> str:
    """What its temporary files' names begin with: short where the target's is near the limit."""
    name = os.fsencode(target.name)
    if len(name) <= _LONG:
        return f".{target.name}."
    import zlib  # rarely needed

    return f".{zlib.crc32(name):08x}."


def _copy_owner_and_mode(source: os.stat_result, path: Path) -> None:
    """Each as far as this process may; the mode last, since a new owner resets some of it."""
    for owner, group in ((-1, source.st_gid), (source.st_uid, -1)):
        with contextlib.suppress(OSError):
            os.chown(path, owner, group)
    with contextlib.suppress(OSError):
        os.chmod(path, stat.S_IMODE(source.st_mode))


def _force_names_to_disk(folder: Path) -> None:
    """After a loss of power too the new name stands; where folders cannot be synced, skip it."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
