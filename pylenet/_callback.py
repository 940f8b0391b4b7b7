"""The Callback base class, History, TerminateOnNaN and the list that fit drives them through."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, Concatenate, ParamSpec, TypeAlias

Logs: TypeAlias = dict[str, float] | None

_BATCH_HOOKS = {
    "train": ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
}
SHOWN_EPOCHS = 10  # of a long History: so many from the beginning, and from the end
WEIGHTS_CHANGED = "The weights are no longer those from before that step"


class Values(dict[str, Any]):
    """What is told of an epoch, or of each, by name; Keras 2's names find it too, as "acc"."""

    def __missing__(self, name: str) -> Any:
        from ._keras._old import log_name

        today = log_name(name, self)
        return self[today]

    def get(self, name: str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default


class Callback:
    """Base class: override the hooks you need; `model` and `params` are there while they run.

    epoch and batch count from 0. logs: values so far by name, as {"accuracy": 0.98, "loss": 0.07},
    with "val_" names too at the end of an epoch; None at a begin hook. All callbacks get the same
    dict. params: {"verbose", "epochs", "steps"}, steps being those of one epoch.
    A callback with a batch hook makes training run one step at a time, or an evaluation or a
    prediction batch by batch, which is slower.
    """

    model: Any = None
    params: dict[str, Any] | None = None

    def set_model(self, model: Any) -> None:
        self.model = model

    def set_params(self, params: dict[str, Any]) -> None:
        self.params = params

    def on_train_begin(self, logs: Logs = None) -> None:
        """Called when fit begins."""

    def on_train_end(self, logs: Logs = None) -> None:
        """Called when fit ends, with the last epoch's logs."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Called when an epoch begins."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Called when an epoch and its validation are over."""

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a training step."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a training step, with the means over the epoch so far."""
        self.on_batch_end(batch, logs=logs)

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Another name for on_train_batch_begin."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Another name for on_train_batch_end."""

    def on_test_begin(self, logs: Logs = None) -> None:
        """Called when evaluate or validation begins."""

    def on_test_end(self, logs: Logs = None) -> None:
        """Called when evaluate or validation ends."""

    def on_test_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a batch of evaluate or validation."""

    def on_test_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a batch of evaluate or validation, with the means so far."""

    def on_predict_begin(self, logs: Logs = None) -> None:
        """Called when predict begins."""

    def on_predict_end(self, logs: Logs = None) -> None:
        """Called when predict ends."""

    def on_predict_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a batch of predict."""

    def on_predict_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Called after a batch of predict, with {"outputs": what it gives}."""


class History(Callback):
    """What fit returns: `history`, lists of one value an epoch by name, and `epoch`, its number.

    As the last expression of a notebook's cell it is shown as a table of the epochs.
    """

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = Values()
        self.epoch: list[int] = []
        self._epochs_of: dict[str, list[int]] = {}  # fewer where fit has a validation_freq

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
            self._epochs_of.setdefault(name, []).append(epoch)

    def curve(self, name: str) -> tuple[list[int], list[float]]:
        """The epochs that have a value of this name, and the values."""
        values = self.history[name]
        epochs = self._epochs_of.get(name, [])
        return (epochs if len(epochs) == len(values) else self.epoch), values

    def __repr__(self) -> str:
        count = len(self.epoch)
        last = ", ".join(f"{name} {value_text(of[-1])}" for name, of in self.history.items())
        end = f", at the end {last}" if last else ""
        return f"<{type(self).__name__} of {count} epoch{'s' * (count != 1)}{end}>"

    def _repr_html_(self) -> str:
        """A row for each epoch, of the values that every epoch has; of many, the first and last."""
        from ._html import table

        whole = {name: of for name, of in self.history.items() if len(of) == len(self.epoch)}
        rows = [
            [str(epoch + 1), *(value_text(of[row]) for of in whole.values())]
            for row, epoch in enumerate(self.epoch)
        ]
        if len(rows) > 2 * SHOWN_EPOCHS:
            rows = [*rows[:SHOWN_EPOCHS], ["..."] * len(rows[0]), *rows[-SHOWN_EPOCHS:]]
        return table(repr(self).strip("<>"), ["epoch", *whole], rows)


def value_text(value: object) -> str:
    """A loss or metric as it is shown."""
    if not isinstance(value, Real):
        return str(value)
    number = float(value)
    return f"{number:.4f}" if abs(number) > 1e-3 or number == 0 else f"{number:.4e}"


class TerminateOnNaN(Callback):
    """Ends training when the loss becomes NaN or infinite; without it fit raises ValueError.

    Either way that step, and some after it, have changed the weights already.
    """

    def on_not_finite(self, batch: int, what: str) -> None:
        """Called when `what` is wrong in step `batch`."""
        if (self.params or {}).get("verbose"):
            print(f"\nBatch {batch}: {what}, terminating training. {WEIGHTS_CHANGED}")
        self.model.stop_training = True


_Arguments = ParamSpec("_Arguments")


@functools.cache  # not when the module is imported: a fiftieth of the package's time
def _signature(hook: Callable[..., None]) -> inspect.Signature:
    return inspect.signature(hook)


def _on_each(
    hook: Callable[Concatenate[Callback, _Arguments], None],
) -> Callable[Concatenate[CallbackList, _Arguments], None]:
    """The list's method that calls this hook on each callback, with logs even if they are None."""

    @functools.wraps(hook)
    def call(self: CallbackList, /, *args: _Arguments.args, **named: _Arguments.kwargs) -> None:
        given = _signature(hook).bind(self, *args, **named)
        given.apply_defaults()
        for callback in self.callbacks:
            getattr(callback, hook.__name__)(*given.args[1:])

    return call


class CallbackList:
    """Calls every hook on `progress`, then the callbacks in their order, then a History.

    callbacks: None, a Callback or a sequence of them. A History among them is used, else one is
    added; either is `history`. Raises TypeError for anything that is no Callback.
    """

    def __init__(
        self,
        callbacks: Callback | Sequence[Callback] | None,
        model: Any,
        params: dict[str, Any],
        *,
        progress: Callback | None = None,
    ) -> None:
        given = _checked(callbacks)
        histories = [callback for callback in given if isinstance(callback, History)]
        self.history = histories[0] if histories else History()
        self.callbacks = given if histories else [*given, self.history]
        if progress is not None:
            self.callbacks.insert(0, progress)
        for callback in self.callbacks:
            callback.set_params(params)
            callback.set_model(model)

    def wants_batches(self, of: str) -> bool:
        """Whether a callback has a batch hook of "train", "test" or "predict".

        Then these must go batch by batch.
        """
        return any(_overrides(cb, hook) for cb in self.callbacks for hook in _BATCH_HOOKS[of])

    def on_not_finite(self, epoch: int, batch: int, what: str) -> None:
        """To be called when a step's loss, or the weights that it leaves, are NaN or infinite.

        Makes TerminateOnNaN callbacks end the training; without one, raises ValueError.
        """
        terminators = [cb for cb in self.callbacks if isinstance(cb, TerminateOnNaN)]
        if not terminators:
            raise ValueError(
                f"{what} at step {batch + 1} of epoch {epoch + 1}: expected finite numbers. Look "
                "for NaN or infinity in x, or lower the learning rate; with "
                "callbacks.TerminateOnNaN() training ends there without an error. "
                f"{WEIGHTS_CHANGED}; callbacks.ModelCheckpoint keeps those of earlier epochs"
            )
        for callback in terminators:
            callback.on_not_finite(batch, what)

    on_train_begin = _on_each(Callback.on_train_begin)
    on_train_end = _on_each(Callback.on_train_end)
    on_epoch_begin = _on_each(Callback.on_epoch_begin)
    on_epoch_end = _on_each(Callback.on_epoch_end)
    on_train_batch_begin = _on_each(Callback.on_train_batch_begin)
    on_train_batch_end = _on_each(Callback.on_train_batch_end)
    on_test_begin = _on_each(Callback.on_test_begin)
    on_test_end = _on_each(Callback.on_test_end)
    on_test_batch_begin = _on_each(Callback.on_test_batch_begin)
    on_test_batch_end = _on_each(Callback.on_test_batch_end)
    on_predict_begin = _on_each(Callback.on_predict_begin)
    on_predict_end = _on_each(Callback.on_predict_end)
    on_predict_batch_begin = _on_each(Callback.on_predict_batch_begin)
    on_predict_batch_end = _on_each(Callback.on_predict_batch_end)


def _overrides(callback: Callback, hook: str) -> bool:
    """Whether the callback, by class or by instance, has a hook of its own."""
    function = getattr(getattr(callback, hook), "__func__", None)
    return function is not getattr(Callback, hook)


def _checked(callbacks: object) -> list[Callback]:
    """The callbacks as a list."""
    if callbacks is None:
        return []
    if isinstance(callbacks, Callback):
        callbacks = [callbacks]
    if not isinstance(callbacks, Sequence):
        raise TypeError(f"callbacks must be a list of Callback instances, got {callbacks!r}")
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise TypeError(f"callbacks must hold Callback instances, got {callback!r}")
    return list(callbacks)
