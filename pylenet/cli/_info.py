"""`pylenet info`: print what this build is and where its data are."""

import argparse
import warnings
from typing import Any

from .. import _config
from ..datasets import _known, _places
from ..datasets._idx import Bytes, read_folder
from ..datasets._known import DataSet
from . import _options


def add(commands: Any) -> None:
    """The command, which has no options."""
    _options.add(commands, "info", info, "print what this build is and where its data are")


def info(options: argparse.Namespace) -> None:
    """Print the build and what of it is in use; where the data sets are and would be kept."""
    _config.show_config()
    for data_set in (_known.MNIST, _known.FASHION_MNIST):
        print(f"{data_set.title + ':':<16}{_whereabouts(data_set)}")
    cache = _places.cache_folder(data_set)
    kept = "none: no home folder; set XDG_CACHE_HOME" if cache is None else cache.parent
    print(f"{'cache:':<16}{kept}")


def _whereabouts(data_set: DataSet) -> str:
    """The folders whose files loading would take, each file read and checked."""
    found: dict[str, Bytes] = {}
    folders = []
    for folder in _places.places(data_set):
        before = len(found)
        try:
            errors = read_folder(data_set, str(folder), found)
        except OSError:
            continue
        for _, error in errors:
            if error.other is None:
                warnings.warn(str(error), stacklevel=2)
        if len(found) > before:
            folders.append(str(folder.absolute()))
        if len(found) == len(data_set.files):
            return ", ".join(folders)
    return f"{len(found)} of {len(data_set.files)} files here; to be fetched at first use"
