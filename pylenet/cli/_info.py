"""`pylenet info`: print what this build is and where its data are."""

from __future__ import annotations

import argparse
import warnings
from typing import Any

from .. import _config
from ..datasets import _known
from ..datasets._known import DataSet
from ..datasets._load import Search, cache_folder
from . import _options


def add(commands: Any) -> None:
    """The command, which has no options."""
    _options.add(commands, "info", info, "print what this build is and where its data are")


def info(options: argparse.Namespace) -> None:
    """Print the build and what of it is in use; where the data sets are and would be kept."""
    _config.show_config()
    for data_set in (_known.MNIST, _known.FASHION_MNIST):
        print(f"{data_set.title + ':':<16}{_whereabouts(data_set)}")
    cache = cache_folder(data_set)
    kept = "none: no home folder; set XDG_CACHE_HOME" if cache is None else cache.parent
    print(f"{'cache:':<16}{kept}")


def _whereabouts(data_set: DataSet) -> str:
    """The folders whose files loading would take, each file read and checked."""
    search = Search(data_set)
    for warning in search.on_disk():
        warnings.warn(warning, stacklevel=2)
    if search.missing:
        count = len(data_set.files)
        return f"{len(search.found)} of {count} files here; to be fetched at first use"
    return ", ".join(str(folder.absolute()) for folder in search.folders)
