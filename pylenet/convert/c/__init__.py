"""Models as programs in C: one file and its header, for `Sequential.export` and `pylenet export`.

`_program.py`: a program while it is made; `_float32.py`, `_int8.py`: from a model to its steps;
`_float32_functions.py`, `_int8_functions.py`: the C that all such programs share; `_check.py`: a
program compiled, run and compared with Python.
"""

from __future__ import annotations

from ._file import sources

__all__ = ["sources"]
