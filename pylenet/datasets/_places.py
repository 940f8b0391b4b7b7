"""Where copies of a data set are looked for, and the cache that keeps fetched ones."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from ._idx import Bytes, DamagedError, header, read_folder
from ._known import DataSet, IdxFile

DATA_VARIABLE = "PYLENET_DATA"
_STALE_SECONDS = 86400.0  # what is unfinished for so long was left by a process that was killed


def home() -> Path | None:
    """The user's home folder, None where there is none."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def cache_folder(data_set: DataSet) -> Path | None:
    """XDG_CACHE_HOME (or ~/.cache)/pylenet/<name>; None without either."""
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):
        return Path(xdg, "pylenet", data_set.name)
    base = home()
    return None if base is None else base / ".cache" / "pylenet" / data_set.name


def inside(data_set: DataSet, root: str | os.PathLike[str]) -> list[Path]:
    """The folders under `root` that may hold the files: itself, <name>, torchvision's."""
    return [Path(root), Path(root, data_set.name), Path(root, data_set.torchvision)]


def places(data_set: DataSet) -> list[Path]:
    """All folders that are searched, in order."""
    folders = []
    if root := os.environ.get(DATA_VARIABLE):
        folders += inside(data_set, Path(root).expanduser())
    cache, base = cache_folder(data_set), home()
    if cache is not None:
        folders.append(cache)
    if keras := os.environ.get("KERAS_HOME"):
        folders.append(Path(keras).expanduser() / data_set.keras)
    elif base is not None:
        folders.append(base / ".keras" / data_set.keras)
    roots = [Path("data"), Path(), Path("..", "data")]
    if base is not None:
        roots.append(base / "data")
    folders += [root / data_set.torchvision for root in roots]
    folders += [Path(folder) for folder in data_set.system]
    return list(dict.fromkeys(folders))


def search(
    data_set: DataSet, found: dict[str, Bytes], tried: list[str]
) -> list[tuple[Path, str, DamagedError]]:
    """Fill `found` from the folders of `places`, each file from the first that has it whole.

    Appends a line to `tried` for each folder that fell short. Returns the damaged files, as
    (folder, file name, error); a file of another known data set is not damaged.
    """
    bad = []
    for folder in places(data_set):
        if len(found) == len(data_set.files):
            break
        before = len(found)
        try:
            errors = read_folder(data_set, str(folder), found)
        except OSError as error:
            tried.append(f"{folder}: {error.strerror or error}")
            continue
        bad += [(folder, name, error) for name, error in errors if error.other is None]
        if errors:
            tried += [str(error) for _, error in errors]
        elif not folder.is_dir():
            tried.append(f"{folder}: no such folder")
        elif len(found) == before:
            tried.append(f"{folder}: none of the files is there")
        elif len(found) < len(data_set.files):
            tried.append(f"{folder}: only some of the files are there")
    return bad


def left_over(folder: Path, pattern: str) -> list[Path]:
    """What a killed process left in `folder`: matches of `pattern` untouched for a day."""
    old = time.time() - _STALE_SECONDS
    left = []
    for path in folder.glob(pattern):
        with contextlib.suppress(OSError):
            if path.lstat().st_mtime < old:
                left.append(path)
    return left


def keep(folder: Path, file: IdxFile, array: Bytes) -> None:
    """Write one raw IDX file whole or not at all; OSError if it cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in left_over(folder, ".*.part"):
        with contextlib.suppress(OSError):
            stale.unlink()
    part = folder / f".{file.name}.{os.urandom(8).hex()}.part"
    try:
        with part.open("xb") as stream:
            stream.write(header(file.shape))
            stream.write(array.data)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(part, folder / file.name)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
