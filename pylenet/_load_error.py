"""Why the compiled part could not be loaded, in words. Imported only where it could not."""

from __future__ import annotations

import re
from pathlib import Path
from sysconfig import get_config_var

OPENMP = (
    "OpenMP's library. Debian, Ubuntu: apt install libgomp1; Fedora: dnf install libgomp; "
    "Alpine: apk add libgomp; conda: conda install libgomp"
)


def explained(error: ImportError, folder: str) -> ImportError:
    """The error to raise in place of `error`, which loading _core from `folder` has raised."""
    text = str(error)
    if isinstance(error, ModuleNotFoundError):
        others = sorted(p.name for p in Path(folder).glob("_core.*") if p.suffix != ".pyi")
        if others:
            return ImportError(
                f"pylenet in {folder} was built for another Python: it has {', '.join(others)}, "
                f"and this Python loads _core{get_config_var('EXT_SUFFIX')}: install pylenet with "
                "this one"
            )
        return ImportError(
            f"pylenet's sources in {folder} have no compiled part: install them with "
            "`pip install .`, then run Python from another folder"
        )
    library = re.match(r"(\S+): cannot open shared object file", text)
    if library is None:
        return ImportError(f"pylenet's compiled part in {folder} cannot be loaded: {text}")
    name = library[1]
    return ImportError(
        f"pylenet needs the library {name}, which is not on this machine: install "
        + (OPENMP if name.startswith("libgomp.") else "the package that has it")
    )
