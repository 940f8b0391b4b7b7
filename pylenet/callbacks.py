"""Callbacks for fit, with Keras's names and meaning."""

from __future__ import annotations

import csv
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import _check, _files, _missing, convert
from ._backup import BackupAndRestore
from ._callback import Callback, CallbackList, History, Logs, TerminateOnNaN, Values
from ._missing import takes_old_arguments
from ._tensorboard import TensorBoard
from ._warn import warn

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
]

__getattr__ = _missing.of(__name__)

VALIDATE = ": for val_ names give fit validation_data or validation_split"


class _Monitor(Callback):
    """Watches one quantity of the logs; `best` is its best value so far, None before the first.

    Where the logs lack the quantity it warns once in a fit.

    mode: "min", "max", or "auto": min for a loss, max for a name that ends in "accuracy" or "acc".
    """

    def __init__(self, monitor: str, mode: str, min_delta: float = 0) -> None:
        self.monitor = _check.text("monitor", monitor)
        self.mode = _check.one_of("mode", mode, ("auto", "min", "max"))
        self.min_delta = abs(_check.real("min_delta", min_delta))
        self.best: float | None = None
        if mode == "auto" and not monitor.endswith(("loss", "accuracy", "acc")):
            raise ValueError(f"mode must be 'min' or 'max' to monitor {monitor!r}, got 'auto'")
        self._minimize = mode == "min" or (mode == "auto" and monitor.endswith("loss"))
        self._missed = False

    def on_train_begin(self, logs: Logs = None) -> None:
        self._missed = False

    def _improves(self, current: float, reference: float | None) -> bool:
        if reference is None:
            return True
        if self._minimize:
            return current + self.min_delta < reference
        return current - self.min_delta > reference

    def _monitored(self, logs: Logs) -> float | None:
        """The quantity's value, or None and, once in a fit, a warning that says what there is."""
        logs = Values(logs or {})
        current: float | None = logs.get(self.monitor)
        if current is None and not self._missed:
            self._missed = True
            validated = any(name.startswith("val_") for name in logs)
            hint = "" if validated or not self.monitor.startswith("val_") else VALIDATE
            warn(
                f"{type(self).__name__} monitors {self.monitor!r}, which is not available; "
                f"there are {sorted(logs)}{hint}"
            )
        return current


class EarlyStopping(_Monitor):
    """Ends training when a monitored quantity has stopped improving.

    monitor: name in the logs; one that is not there never ends training, and warns once.
    min_delta: a smaller change is no improvement.
    patience: epochs without improvement before the end. verbose: 1 says what was done.
    mode: "min", "max" or "auto". baseline: value to be beaten; None for none.
    restore_best_weights: set the weights of the best epoch when training ends.
    start_from_epoch: epochs before this one are not looked at.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.patience = _check.integer("patience", patience, 0)
        self.verbose = verbose
        self.baseline = None if baseline is None else _check.real("baseline", baseline)
        self.restore_best_weights = _check.boolean("restore_best_weights", restore_best_weights)
        self.start_from_epoch = _check.integer("start_from_epoch", start_from_epoch, 0)
        self.on_train_begin()

    def on_train_begin(self, logs: Logs = None) -> None:
        super().on_train_begin()
        self.best = None
        self.best_weights: Any = None
        self.best_epoch = 0
        self.wait = 0
        self.stopped_epoch = 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        current = self._monitored(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            self._remember(epoch)
        self.wait += 1
        if self._improves(current, self.best):
            self.best = current
            self._remember(epoch)
            if self.baseline is None or self._improves(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs = None) -> None:
        if self.stopped_epoch > 0 and self.verbose:
            print(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.best_weights is not None:
            if self.verbose:
                print(f"Restoring model weights from the best epoch: {self.best_epoch + 1}")
            self.model.set_weights(self.best_weights)

    def _remember(self, epoch: int) -> None:
        self.best_epoch = epoch
        if self.restore_best_weights:
            self.best_weights = self.model.get_weights()


class ModelCheckpoint(_Monitor):
    """Saves the model, or its weights, after each epoch or after so many steps.

    filepath: str or path, formatted with epoch (from 1) and the logs, as in
    "{epoch:02d}-{val_loss:.2f}.keras"; missing folders are made. Its ending says what is written,
    as in `save` and `save_weights`.
    monitor, mode: as in EarlyStopping; they matter with save_best_only, which saves only when
    the quantity is better than ever before, or missing (with a warning).
    verbose: 1 says what was done. save_weights_only: save with model.save_weights.
    save_freq: "epoch", or after how many steps; then filepath may use batch (from 1), and training
    goes one step at a time. initial_value_threshold: the first value to be better than.

    Raises ValueError, or ImportError where a package is missing, for an ending that cannot be
    written; `fit` raises ValueError before the first epoch where the folder or the name cannot be,
    where filepath uses names that the logs will not have, or the format has no such layer.
    """

    @takes_old_arguments
    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = _check.boolean("save_best_only", save_best_only)
        self.save_weights_only = _check.boolean("save_weights_only", save_weights_only)
        self._what = "weights" if save_weights_only else "model"
        convert.writer(Path(self.filepath), self._what)
        self.save_freq = save_freq
        if isinstance(save_freq, str):
            if save_freq != "epoch":
                raise ValueError(f"save_freq must be 'epoch' or an integer, got {save_freq!r}")
        else:
            self.save_freq = _check.integer("save_freq", save_freq, 1)
            self.on_train_batch_end = self._count_step  # type: ignore[method-assign]
        self._epoch = self._steps = 0
        if initial_value_threshold is not None:
            self.best = _check.real("initial_value_threshold", initial_value_threshold)

    def on_train_begin(self, logs: Logs = None) -> None:
        """Refuse now what would fail, and lose the training, when the first epoch is over."""
        super().on_train_begin(logs)
        place = {"epoch": 1} if self.save_freq == "epoch" else {"epoch": 1, "batch": 1}
        path = Path(self._path(place, self._expected_logs()))
        path.parent.mkdir(parents=True, exist_ok=True)
        _files.checked("filepath", path)
        if not os.access(path.parent, os.W_OK):
            raise ValueError(f"filepath must be in a folder that can be written to, got {path}")
        module = convert.writer(path, self._what)
        if module is not None and not self.save_weights_only:
            module.check_model(self.model)

    def _expected_logs(self) -> dict[str, float]:
        """Zero for each name that the logs will have; for any where callbacks may add some."""
        state = getattr(self.model, "training_state", None)
        if state is None or state.log_names is None:
            return _Zeros()
        whole = self.save_freq == "epoch"
        names = (name for name in state.log_names if whole or not name.startswith("val_"))
        return Values(dict.fromkeys(names, 0.0))

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if self.save_freq == "epoch":
            self._save({"epoch": epoch + 1}, logs or {})

    def _count_step(self, batch: int, logs: Logs = None) -> None:
        self._steps += 1
        if self._steps == self.save_freq:
            self._steps = 0
            self._save({"epoch": self._epoch + 1, "batch": batch + 1}, logs or {})

    def _save(self, place: dict[str, int], logs: dict[str, float]) -> None:
        where = f"Epoch {place['epoch']}"
        current = self._monitored(logs) if self.save_best_only else None
        if current is not None:
            if not self._improves(current, self.best):
                if self.verbose:
                    print(f"{where}: {self.monitor} {current:.5f} is not an improvement")
                return
            self.best = current
        path = self._path(place, logs)
        if self.verbose:
            print(f"{where}: saving model to {path}")
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        (self.model.save_weights if self.save_weights_only else self.model.save)(path)

    def _path(self, place: dict[str, int], logs: dict[str, float]) -> str:
        try:
            return self.filepath.format_map(type(logs)(logs, **place))
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(
                f"filepath must use names among {[*place, *logs]}, got {self.filepath!r} ({error})"
            ) from error


class _Zeros(dict[str, float]):
    """Zero for every name."""

    def __missing__(self, name: str) -> float:
        return 0.0


class ReduceLROnPlateau(_Monitor):
    """Multiplies the learning rate by `factor` when a monitored quantity has stopped improving.

    monitor, mode, min_delta: as in EarlyStopping. patience: epochs without improvement before the
    rate falls. cooldown: epochs after that which are not counted. min_lr: the rate stays there.
    verbose: 1 says what was done. The rate of the epoch is put into the logs as "learning_rate".
    Raises TypeError when a training begins where the rate is a schedule's.
    """

    @takes_old_arguments
    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.factor = _check.real("factor", factor, "[0, 1)")
        self.patience = _check.integer("patience", patience, 0)
        self.verbose = verbose
        self.cooldown = _check.integer("cooldown", cooldown, 0)
        self.min_lr = _check.real("min_lr", min_lr, "[0, inf)")
        self._forget()

    def on_train_begin(self, logs: Logs = None) -> None:
        super().on_train_begin(logs)
        _ = self.model.optimizer.base_rate  # refuse a schedule now, not at the first reduction
        self._forget()

    def _forget(self) -> None:
        self.best = None
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        optimizer = self.model.optimizer
        if logs is not None:
            logs["learning_rate"] = float(optimizer.learning_rate)
        current = self._monitored(logs)
        if current is None:
            return
        if self.cooldown_counter:
            self.cooldown_counter -= 1
            self.wait = 0
        if self._improves(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.cooldown_counter:
            self.wait += 1
            rate = optimizer.base_rate
            if self.wait >= self.patience and rate > self.min_lr:
                optimizer.learning_rate = max(rate * self.factor, self.min_lr)
                if self.verbose:
                    rate = optimizer.base_rate
                    print(f"Epoch {epoch + 1}: reducing the learning rate to {rate}")
                self.cooldown_counter, self.wait = self.cooldown, 0


class LambdaCallback(Callback):
    """A callback of functions: LambdaCallback(on_epoch_end=lambda epoch, logs: print(logs)).

    Each argument is a hook of Callback by its name. Raises TypeError for one that there is not.
    """

    def __init__(self, **hooks: Callable[..., object] | None) -> None:
        for name, hook in hooks.items():
            if not (name.startswith("on_") and hasattr(Callback, name)):
                raise TypeError(f"LambdaCallback() got an unexpected keyword argument {name!r}")
            if hook is not None and not callable(hook):
                raise TypeError(f"{name} must be a function, got {hook!r}")
            if hook is not None:
                setattr(self, name, hook)


class LearningRateScheduler(Callback):
    """Sets the learning rate at the beginning of each epoch.

    schedule: called as schedule(epoch, learning_rate) or schedule(epoch), by its signature;
    returns the rate, a float. verbose: 1 says what was set.
    The rate is put into the logs as "learning_rate". Raises TypeError when a training begins where
    the optimizer has a schedule of its own.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        if not callable(schedule):
            raise TypeError(f"schedule must be a function, got {schedule!r}")
        self.schedule = schedule
        self.verbose = verbose
        self._takes_rate = _takes_two_arguments(schedule)

    def on_train_begin(self, logs: Logs = None) -> None:
        _ = self.model.optimizer.base_rate  # refuses a schedule

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        optimizer = self.model.optimizer
        arguments = (epoch, optimizer.base_rate) if self._takes_rate else (epoch,)
        rate = self.schedule(*arguments)
        optimizer.learning_rate = _check.real(f"schedule({epoch})", rate, "[0, inf)")
        if self.verbose:
            print(f"Epoch {epoch + 1}: setting the learning rate to {optimizer.base_rate}")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate


class CSVLogger(Callback):
    """Writes one row an epoch to a CSV file: the epoch, from 0, then the logs sorted by name.

    filename: str or path. separator: one character. append: go on with a file that is there,
    in its columns; else it is overwritten. A value that is missing is "NA". The file is closed
    between epochs, so that it is whole whatever happens.
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self.filename = os.fspath(filename)
        self.separator = _check.text("separator", separator)
        if len(separator) != 1:
            raise ValueError(f"separator must be one character, got {separator!r}")
        self.append = _check.boolean("append", append)

    def on_train_begin(self, logs: Logs = None) -> None:
        self._path = Path(self.filename).absolute()
        self._columns: list[str] = []
        with open(self._path, "a+" if self.append else "w+", newline="", encoding="utf-8") as file:
            file.seek(0)
            self._columns = next(csv.reader(file, delimiter=self.separator), [])

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        row: dict[str, Any] = {"epoch": epoch, **(logs or {})}
        with open(self._path, "a", newline="", encoding="utf-8") as file:
            columns = self._columns or ["epoch", *sorted(logs or {})]
            writer = csv.DictWriter(
                file, columns, "NA", delimiter=self.separator, lineterminator="\n"
            )
            if not self._columns:
                writer.writeheader()
                self._columns = columns
            if extra := sorted(row.keys() - set(columns)):
                raise ValueError(f"{self.filename} must have the columns {extra}, got {columns}")
            writer.writerow(row)


def _takes_two_arguments(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(0, 0.0)
    except (TypeError, ValueError):
        return False
    return True
