"""What is shown while one waits, for fit, evaluate and predict and for a download."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import Any, TextIO

from ._callback import Callback, Logs, value_text

REDRAW_SECONDS = 0.1
NOTEBOOK = "ipykernel.iostream"  # the module of a notebook's streams: they know "\r", have no width


class LiveLine:
    """A line that is drawn again in place on `stream` while that is a terminal or a notebook's.

    live: whether it is one. Where it is not, nothing is ever due; None is a closed stream.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._has_width = _is_terminal(stream)
        self.live = self._has_width or type(stream).__module__ == NOTEBOOK
        self._stream = stream
        self._length = 0
        self._drawn_at = perf_counter()

    def due(self) -> bool:
        """Whether the line was drawn, or made, so long ago that it should be drawn again."""
        return self.live and perf_counter() - self._drawn_at >= REDRAW_SECONDS

    def draw(self, line: str, *, wrap: bool = False) -> None:
        """Put `line` in the place of what is there, cut to the terminal's width unless `wrap`."""
        from shutil import get_terminal_size  # not needed to import the package

        self._drawn_at = perf_counter()
        if self._has_width and not wrap:
            line = line[: get_terminal_size().columns - 1]
        print(f"\r{line.ljust(self._length)}", end="", flush=True, file=self._stream)
        self._length = len(line)

    def close(self) -> None:
        """Leave the line, if one is drawn, so that what is printed next starts on its own."""
        if self._length:
            self._length = 0
            print(file=self._stream, flush=True)


class Download:
    """Tells on stderr how far a download is: a live line on a terminal, else a line at its start.

    what: its name. Nothing is printed before the first `update`; `close` when it is over.
    """

    def __init__(self, what: str) -> None:
        self._title = f"downloading {what}"
        self._line = LiveLine(sys.stderr)
        self._begun = False

    def update(self, part: str, done: int, total: int | None) -> None:
        """Tell that `done` of `total` bytes (None: not known) of `part` have arrived."""
        begins, self._begun = not self._begun, True
        if not self._line.live:
            if begins and sys.stderr is not None:
                print(self._title, file=sys.stderr, flush=True)
        elif begins or done == total or self._line.due():
            amount = f"{done / 1e6:.1f}"
            if total:
                amount = f"{100 * min(done, total) // total:3d} %, {amount} of {total / 1e6:.1f}"
            # The numbers come first, so a narrow terminal cuts off only names.
            self._line.draw(" ".join(filter(None, (amount, "MB", self._title, part))))

    def close(self) -> None:
        self._line.close()


class ProgressLogger(Callback):
    """Prints the progress that `update` and the hooks tell it of.

    params: "verbose" 0 prints nothing, 1 a line that is drawn again in place while
    stdout is a terminal, 2 one line when an epoch, an evaluation or a prediction is over; so
    does 1 when stdout is neither. "epochs", and "steps" of one epoch, to count up to; None where
    nobody knows.
    """

    def __init__(self) -> None:
        self._verbose = 0
        self._line = LiveLine(None)
        self._in_fit = False
        self._title = ""

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        self._verbose = checked_verbose(params["verbose"])
        self._epochs, self._steps = params.get("epochs", 1), params["steps"]

    def update(self, step: int, logs: Logs = None) -> None:
        """Tell that `step` steps of the epoch are done, with the means over them."""
        self._step, self._stepped = step, perf_counter()
        if self._line.due():
            self._line.draw(self._text(logs))

    def set_steps(self, steps: int | None) -> None:
        """Tell how many steps an epoch has, which may not be known before the first one's end."""
        self._steps = steps

    def close(self) -> None:
        """Leave an unfinished line, if there is one, so that an error message starts on its own."""
        self._line.close()

    def on_train_begin(self, logs: Logs = None) -> None:
        self._in_fit = True

    def on_train_end(self, logs: Logs = None) -> None:
        self._in_fit = False

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._begin(f"Epoch {epoch + 1}/{self._epochs}")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._end(logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        if not self._in_fit:
            self._begin("")

    def on_test_end(self, logs: Logs = None) -> None:
        if not self._in_fit:
            self._end(logs)

    def on_predict_begin(self, logs: Logs = None) -> None:
        self._begin("")

    def on_predict_end(self, logs: Logs = None) -> None:
        self._end(None)

    def _begin(self, title: str) -> None:
        self._line = LiveLine(sys.stdout if self._verbose == 1 else None)
        self._step = 0
        self._started = self._stepped = perf_counter()
        self._title = title
        if self._line.live and title:
            self._title = ""
            print(title, flush=True)

    def _end(self, logs: Logs) -> None:
        text = self._text(logs)
        if self._line.live:
            self._line.draw(text, wrap=True)
            self._line.close()
        elif self._verbose:
            print(f"{self._title} - {text}" if self._title else text, flush=True)

    def _text(self, logs: Logs) -> str:
        """As "469/469 - 1.2s - 1.8ms/step - accuracy: 0.9812 - loss: 0.0622"."""
        total = "?" if self._steps is None else str(self._steps)
        parts = [
            f"{self._step:{len(total)}}/{total}",
            _seconds(perf_counter() - self._started),
            f"{_seconds((self._stepped - self._started) / max(1, self._step))}/step",
        ]
        parts += [f"{name}: {value_text(value)}" for name, value in (logs or {}).items()]
        return " - ".join(parts)


def checked_verbose(verbose: object) -> int:
    """`verbose` as 0, 1 or 2; "auto" is 1 where a person looks on, at a terminal or notebook."""
    if verbose == "auto":
        return int(_is_terminal(sys.stdout) or "ipykernel" in sys.modules)
    if verbose not in (0, 1, 2):
        raise ValueError(f"verbose must be 0, 1, 2 or 'auto', got {verbose!r}")
    return int(verbose)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _seconds(seconds: float) -> str:
    for unit, length in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= length:
            return f"{seconds / length:.{1 if seconds < 10 * length else 0}f}{unit}"
    return f"{seconds * 1e6:.0f}us"
