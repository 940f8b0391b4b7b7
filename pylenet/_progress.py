"""What fit, evaluate and predict print: a live line on a terminal, else one line an epoch."""

import sys
from time import perf_counter
from typing import Any

from ._callback import Callback, Logs

REDRAW_SECONDS = 0.1


class ProgressLogger(Callback):
    """Prints the progress that `update` and the hooks tell it of.

    params: "verbose" 0 prints nothing, 1 a line that is drawn again in place while
    stdout is a terminal, 2 one line when an epoch, an evaluation or a prediction is over; so
    does 1 when stdout is no terminal. "epochs", and "steps" of one epoch, to count up to.
    """

    def __init__(self) -> None:
        self._verbose = 0
        self._live = False
        self._in_fit = False
        self._title = ""
        self._drawn = ""
        self._redrawn = 0.0

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        self._verbose = checked_verbose(params["verbose"])
        self._epochs, self._steps = params.get("epochs", 1), params["steps"]

    def update(self, step: int, logs: Logs = None) -> None:
        """Tell that `step` steps of the epoch are done, with the means over them."""
        now = perf_counter()
        self._step, self._stepped = step, now
        if self._live and now - self._redrawn >= REDRAW_SECONDS:
            from shutil import get_terminal_size  # not needed to import the package

            self._redrawn = now
            width = get_terminal_size().columns
            self._draw(self._line(logs)[: width - 1])

    def close(self) -> None:
        """Leave an unfinished line, if there is one, so that an error message starts on its own."""
        if self._drawn:
            self._drawn = ""
            print()

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
        self._live = self._verbose == 1 and _on_terminal()
        self._step, self._drawn = 0, ""
        self._started = self._stepped = self._redrawn = perf_counter()
        self._title = title
        if self._live and title:
            self._title = ""
            print(title, flush=True)

    def _end(self, logs: Logs) -> None:
        line = self._line(logs)
        if self._live:
            self._draw(line)
            self.close()
        elif self._verbose:
            print(f"{self._title} - {line}" if self._title else line, flush=True)

    def _draw(self, line: str) -> None:
        print(f"\r{line:{len(self._drawn)}}", end="", flush=True)
        self._drawn = line

    def _line(self, logs: Logs) -> str:
        """As "469/469 - 1.2s - 1.8ms/step - accuracy: 0.9812 - loss: 0.0622"."""
        parts = [
            f"{self._step:{len(str(self._steps))}}/{self._steps}",
            _seconds(perf_counter() - self._started),
            f"{_seconds((self._stepped - self._started) / max(1, self._step))}/step",
        ]
        parts += [f"{name}: {_value(value)}" for name, value in (logs or {}).items()]
        return " - ".join(parts)


def checked_verbose(verbose: object) -> int:
    """`verbose` as 0, 1 or 2; "auto" is 1 where a person looks on, at a terminal or notebook."""
    if verbose == "auto":
        return int(_on_terminal() or "ipykernel" in sys.modules)
    if verbose not in (0, 1, 2):
        raise ValueError(f"verbose must be 0, 1, 2 or 'auto', got {verbose!r}")
    return int(verbose)


def _on_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _seconds(seconds: float) -> str:
    for unit, length in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= length:
            return f"{seconds / length:.{1 if seconds < 10 * length else 0}f}{unit}"
    return f"{seconds * 1e6:.0f}us"


def _value(value: float) -> str:
    return f"{value:.4f}" if abs(value) > 1e-3 or value == 0 else f"{value:.4e}"
