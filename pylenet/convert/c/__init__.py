"""Models as programs in C: one file and its header, for `export("NAME.c")`.

`_program.py`: a program while it is made; `_float32.py`, `_int8.py`: from a model to its steps;
`_float32_functions.py`, `_int8_functions.py`: the C that all such programs share; `_file.py`: the
two files, and the self-test in them; `_check.py`: a program compiled, run and compared with Python.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ... import _files
from ...models import Sequential
from ...quantization import QuantizedModel
from ._file import inputs_of, sources

__all__ = ["export"]


def export(model: Sequential | QuantizedModel, path: Path, test_images: Any = None) -> None:
    """Write NAME.c and NAME.h, each whole or not at all, the header first.

    test_images: for the self-test, as the model takes them. Raises ValueError where a layer cannot
    be said in C, where weights are not finite, or where test_images are not what C is given.
    """
    images = None if test_images is None else inputs_of(model, test_images)
    written = sources(model, path, images)
    code, header = (_files.checked("filepath", path.with_suffix(end)) for end in (".c", ".h"))
    _files.write_whole(header, written.header.encode())
    _files.write_whole(code, written.code.encode())
