"""`pylenet train --seeds`: the same training from many seeds, side by side.

Threads of Python, not processes: nearly all of the time is spent in C++, where Python's lock is
not held, so threads are as fast (docs/seeds.md has the times); they share one copy of the images,
stop at once and tell their errors as they are.
"""

from __future__ import annotations

import statistics
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from time import perf_counter
from typing import Any

from .. import _core, _threads
from .._callback import Callback, Logs
from .._progress import REDRAW_SECONDS, LiveLine
from ._training import Figures, Training

DIGITS = 6  # of losses and accuracies, as in the history


class _Stopped(Exception):
    """Raised in a training that another one's error, or Ctrl-C, ends."""


class _Stop(Callback):
    """Ends trainings in other threads: within the present call into C++, and its step."""

    def __init__(self) -> None:
        self._models: list[Any] = []
        self._told = threading.Event()

    def set_model(self, model: Any) -> None:
        self._models.append(model)

    def tell(self) -> None:
        self._told.set()
        for model in self._models:
            model.stop_training = True

    def _look(self) -> None:
        if self._told.is_set():
            raise _Stopped

    def on_train_begin(self, logs: Logs = None) -> None:
        self._look()

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._look()

    def on_test_begin(self, logs: Logs = None) -> None:
        self._look()  # after an epoch that was cut short, which must not be kept

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._look()


def available_threads() -> int:
    """How many threads may compute at once; without OpenMP those of Python do."""
    return _threads.counted() if _core.OPENMP else _threads.asked_for()


def train(
    trainings: Sequence[Training],
    threads: int,
    finished: Callable[[Training, Figures], None],
    *,
    quiet: bool,
    look: Callable[[], None] = lambda: None,
) -> None:
    """Carry out the trainings, as many at a time as there are threads, and tell of each.

    finished: called in this thread, as soon as a training is over, with its figures. Where threads
    are left over, each training gets several. look: called ten times a second; it may raise. The
    first error ends all, and is raised; so does Ctrl-C. Nothing is kept of an epoch that is cut
    short.
    """
    at_once = min(threads, len(trainings))
    stop = _Stop()
    progress = _Progress(trainings, quiet=quiet)

    def between() -> None:
        progress.draw()
        look()

    with _threads.on_threads(threads // at_once), ThreadPoolExecutor(at_once) as pool:
        try:
            running = {pool.submit(_figures, training, stop): training for training in trainings}
            for future in _as_they_end(list(running), between):
                if isinstance(future.exception(), _Stopped):
                    continue  # the error that stopped it comes, too
                training, figures = running[future], future.result()
                finished(training, figures)
                progress.tell(training, figures)
        except BaseException:
            stop.tell()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        finally:
            progress.close()


def means(runs: Sequence[Mapping[str, Any]]) -> Figures:
    """Of two runs or more; with standard deviations of a sample, those that divide by n - 1."""
    found: Figures = {"seconds": round(statistics.fmean(run["seconds"] for run in runs), 3)}
    for name in ("test_loss", "test_accuracy"):
        values = [run[name] for run in runs]
        found[name] = round(statistics.fmean(values), DIGITS)
        found[f"{name}_std"] = round(statistics.stdev(values), DIGITS)
    return found


def _figures(training: Training, stop: _Stop) -> Figures:
    try:
        _, _, figures = training.run([stop])
    except BaseException:
        stop.tell()  # from here, before this thread begins another training
        raise
    return figures


def _as_they_end(
    pending: list[Future[Figures]], between: Callable[[], None]
) -> Iterator[Future[Figures]]:
    """The futures as they end. between: called ten times a second, and after each."""
    while pending:
        ended, _ = wait(pending, timeout=REDRAW_SECONDS, return_when=FIRST_COMPLETED)
        yield from (future for future in pending if future in ended)
        pending = [future for future in pending if future not in ended]
        between()


class _Progress:
    """One line that moves while stdout is a terminal or a notebook, else one line a training."""

    def __init__(self, trainings: Sequence[Training], *, quiet: bool) -> None:
        self._trainings, self._quiet = trainings, quiet
        self._line = LiveLine(None if quiet else sys.stdout)
        self._started = perf_counter()
        self._accuracies: list[float] = []

    def draw(self) -> None:
        if self._line.due():
            self._line.draw(self._text())

    def tell(self, training: Training, figures: Figures) -> None:
        """Of one that is over."""
        self._accuracies.append(figures["test_accuracy"])
        if self._line.live:
            self._line.draw(self._text())
        elif not self._quiet:
            accuracy = f"test accuracy: {figures['test_accuracy']:.4f}"
            print(f"{self._text()} - {training.title}: {accuracy}", flush=True)

    def close(self) -> None:
        self._line.close()

    def _text(self) -> str:
        """As "31/40 epochs - 7/10 trainings - 8s"; on a line that moves, with the mean so far."""
        done = sum(training.epochs_done for training in self._trainings)
        epochs = sum(training.epochs for training in self._trainings)
        parts = [f"{done:{len(str(epochs))}}/{epochs} epochs"]
        parts += [f"{len(self._accuracies)}/{len(self._trainings)} trainings"]
        parts += [f"{perf_counter() - self._started:.0f}s"]
        if self._line.live and self._accuracies:
            parts += [f"mean test accuracy: {statistics.fmean(self._accuracies):.4f}"]
        return " - ".join(parts)
