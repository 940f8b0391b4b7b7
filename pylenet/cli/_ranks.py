"""`pylenet train --mpi`: the same command on many processes, of which rank 0 speaks and writes."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from ..distributed import MPI, RankError

INTERRUPTED, ERROR = 130, 2


@contextmanager
def joined() -> Iterator[MPI]:
    """All ranks go through the block, and leave it alike; rank 0 tells the error.

    mpirun ends ranks by SIGTERM when Ctrl-C is pressed: that is Ctrl-C for each of them. Raises
    ValueError without mpi4py.
    """
    try:
        world = MPI()
    except ImportError as error:
        raise ValueError(f"--mpi: {error}") from None
    former = signal.signal(signal.SIGTERM, _interrupt)
    try:
        if world.rank > 0:
            warnings.simplefilter("ignore")  # rank 0 warns of the same
        with world.together():
            yield world
    except BaseException as error:
        if world.rank > 0:
            raise SystemExit(
                INTERRUPTED if isinstance(error, KeyboardInterrupt) else ERROR
            ) from None
        if isinstance(error, RankError):
            raise ValueError(str(error)) from None
        raise
    finally:
        signal.signal(signal.SIGTERM, former)


def _interrupt(number: int, frame: Any) -> NoReturn:
    raise KeyboardInterrupt
