"""One thread at a time trains a model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


class TrainerLock:
    """Held by the thread that trains. A forked child, where that thread is not, finds it free."""

    def __init__(self) -> None:
        self._renew()

    @contextmanager
    def held(self, model: str) -> Iterator[None]:
        """Raise RuntimeError, and do not wait, where another thread trains the model."""
        if self._process != os.getpid():
            self._renew()
        lock = self._lock
        if not lock.acquire(blocking=False):
            raise RuntimeError(
                f"model {model!r} is being trained by another thread: wait for that to end, or "
                "train a copy (copy.deepcopy)"
            )
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
            lock.release()

    @property
    def busy(self) -> bool:
        """Whether any thread of this process trains."""
        return self._process == os.getpid() and self._holders > 0

    def _renew(self) -> None:
        self._holders = 0  # one for each `held` that the thread is in
        from threading import RLock  # not needed to import the package

        self._lock, self._process = RLock(), os.getpid()
