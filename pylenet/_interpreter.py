"""The compiled part works in Python's main interpreter only: importing this elsewhere raises."""

from __future__ import annotations

import importlib


def _refuse_subinterpreter() -> None:
    """Raise ImportError in a sub-interpreter, where loading the compiled part would never end."""
    for name in ("_interpreters", "_xxsubinterpreters"):  # Python's own, since and before 3.13
        try:
            interpreters = importlib.import_module(name)
        except ImportError:
            continue
        if interpreters.get_current() != interpreters.get_main():
            raise ImportError(
                "pylenet cannot be imported in a sub-interpreter: use the main interpreter, "
                "threads or processes"
            )
        return


_refuse_subinterpreter()
