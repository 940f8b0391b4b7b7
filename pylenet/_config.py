"""What this build is and what of it is in use."""

from __future__ import annotations

import os
import platform

import numpy as np

from . import _core, _threads


def config() -> dict[str, str]:
    """Version, compiler, OpenMP, instruction sets and threads, as text by name.

    Raises ValueError where PYLENET_ISA, PYLENET_CONVOLUTION or the variables of the thread count
    make no sense.
    """
    threads, asked = _threads.get_num_threads(), _threads.asked_for()
    openmp = f"yes ({_core.OPENMP})" if _core.OPENMP else "no: one thread only"
    return {
        "pylenet": _core.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "compiler": _core.COMPILER,
        "OpenMP": openmp,
        "ISAs built": ", ".join(_core.built_isas()),
        "ISAs available": ", ".join(_core.available_isas()),
        "ISA active": _core.active_isa(),
        "ISA of int8": _core.active_int8_isa(),
        "convolution": _core.active_convolution(),
        "threads": str(threads) if threads == asked else f"{threads} (of {asked} asked for)",
        "processors": f"{_threads.available_processors()} of {os.cpu_count()}",
    }


def show_config() -> None:
    """Print what this build is and what of it is in use."""
    for name, value in config().items():
        print(f"{name + ':':<16}{value}")
