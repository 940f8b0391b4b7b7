"""Tells on stderr how far a download is: a line redrawn in place on a terminal, else one line."""

from __future__ import annotations

import shutil
import sys
from time import monotonic
from types import TracebackType

_REDRAW_SECONDS = 0.1
_MB = 1e6


class Meter:
    """Use as a context manager around the download of `what`; every write goes to stderr."""

    def __init__(self, what: str) -> None:
        self._title = f"downloading {what}"
        self._live = sys.stderr is not None and sys.stderr.isatty()
        self._started = False
        self._drawn = 0
        self._redraw_at = 0.0

    def __enter__(self) -> Meter:
        return self

    def update(self, part: str, done: int, total: int | None) -> None:
        """Tell that `done` of `total` bytes (None: not known) of `part` have arrived."""
        if not self._started:
            self._started = True
            if not self._live:
                self._write(self._title + "\n")
        now = monotonic()
        if not self._live or (now < self._redraw_at and done != total):
            return
        self._redraw_at = now + _REDRAW_SECONDS
        amount = f"{done / _MB:.1f}"
        if total:
            amount = f"{100 * min(done, total) // total:3d} %, {amount} of {total / _MB:.1f}"
        # The numbers come first, so a narrow terminal cuts off only names.
        line = " ".join(filter(None, (amount, "MB", self._title, part)))
        line = line[: shutil.get_terminal_size().columns - 1]
        self._write("\r" + line.ljust(self._drawn))
        self._drawn = len(line)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live and self._started:
            self._write("\n")

    def _write(self, text: str) -> None:
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()
