"""How `pylenet train` backs up its trainings for --resume."""

from __future__ import annotations

import warnings
from pathlib import Path
from time import perf_counter

from .. import _check
from .._backup import BackupAndRestore
from .._callback import Logs
from ..models._state import Json


class Backup(BackupAndRestore):
    """A model's backup in --out, kept until all models are trained.

    settings: what else must be the same when a run is resumed. resume: whether to go on with a
    backup that is there; else it is left alone until the first epoch's takes its place.
    """

    def __init__(self, folder: Path, settings: Json, *, resume: bool) -> None:
        super().__init__(folder, delete_checkpoint=False)
        self._settings = settings
        self._resume = resume
        self._seconds = 0.0
        self._started = perf_counter()
        self.history: list[dict[str, float]] = []  # of each epoch, before a stop and after

    @property
    def there(self) -> bool:
        """Whether an interrupted run has left one."""
        return self._file.is_file()

    @property
    def seconds(self) -> float:
        """Of training alone so far, those before it was stopped included."""
        return self._seconds + perf_counter() - self._started

    def on_train_begin(self, logs: Logs = None) -> None:
        self._started = perf_counter()
        super().on_train_begin(logs)

    def on_test_begin(self, logs: Logs = None) -> None:
        self._test_started = perf_counter()

    def on_test_end(self, logs: Logs = None) -> None:
        self._started += perf_counter() - self._test_started

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.history.append({name: round(value, 6) for name, value in (logs or {}).items()})
        super().on_epoch_end(epoch, logs)

    def _restore(self) -> None:
        if self._resume:
            super()._restore()
            return
        warnings.warn(
            f"{self._file} was left by an interrupted run: starting anew without it; "
            "--resume goes on with it",
            stacklevel=2,
        )

    def _training(self) -> Json:
        return {**self._settings, **super()._training()}

    def _values(self) -> Json:
        return {**super()._values(), "seconds": self.seconds, "history": self.history}

    def _accept(self, values: Json) -> None:
        self._seconds = _check.real("seconds", values["seconds"], "[0, inf)")
        self.history = [
            {name: _check.real("history", value) for name, value in logs.items()}
            for logs in values["history"]
        ]
