"""BackupAndRestore: a training that was stopped goes on, to the bits of one that was not."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _check, _files, _random
from ._callback import Callback, Logs

FORMAT = "pylenet-backup-1"
FILE = "backup.safetensors"
Json = dict[str, Any]


class BackupAndRestore(Callback):
    """Backs up the training after each epoch; the same `fit` goes on from there when run again.

    backup_dir: str or path of a folder of this training's own, made if missing. It gets one file,
    replaced whole after each epoch, with the weights, the optimizer's state, step count and
    learning rate, the seed of an augmentation, the state of pylenet's random generator and the
    number of epochs done. A run that was stopped at any moment, by whatever, and is started again
    with the same arguments ends with the bits of a run that was not.
    save_freq: "epoch" is the only value there is. delete_checkpoint: remove the file when the
    training ends by itself.

    As in Keras, History holds the epochs of this run alone, and the other callbacks keep nothing
    from before (give CSVLogger append=True). Put callbacks that write files, as ModelCheckpoint,
    before this one in the list: then what they write of an epoch is there when it counts as done.
    fit raises ValueError when the backup is of another training or damaged.
    """

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str = "epoch",
        delete_checkpoint: bool = True,
    ) -> None:
        if not isinstance(backup_dir, (str, os.PathLike)):
            raise TypeError(f"backup_dir must be a str or os.PathLike, got {backup_dir!r}")
        if not os.fspath(backup_dir):
            raise ValueError("backup_dir must name a folder, got ''")
        if save_freq != "epoch":
            raise ValueError(f"save_freq must be 'epoch', got {save_freq!r}")
        self.backup_dir = backup_dir
        self.delete_checkpoint = _check.boolean("delete_checkpoint", delete_checkpoint)
        self._file = Path(backup_dir).absolute() / FILE

    def on_train_begin(self, logs: Logs = None) -> None:
        self._of = self._training()
        self._file.parent.mkdir(parents=True, exist_ok=True)
        _files.sweep(self._file, 0)
        if self._file.is_file():
            try:
                self._restore()
            except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
                raise ValueError(f"{str(self._file)!r} cannot be gone on from: {error}") from error

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        from safetensors.numpy import save

        text = json.dumps(self._state(epoch + 1))
        _files.write_whole(self._file, save(self._buffers(), metadata={"backup": text}))

    def on_train_end(self, logs: Logs = None) -> None:
        if self.delete_checkpoint:
            self.delete()

    def delete(self) -> None:
        """Remove the backup, and its folder if nothing else is in it."""
        self._file.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self._file.parent.rmdir()

    def _training(self) -> Json:
        """What must be the same when a training is gone on with, as JSON values."""
        from .models._saving import parts_of

        model, _ = parts_of(self.model)
        settings = dict(model.pop("compile"))
        optimizer = dict(settings["optimizer"]["config"])
        if isinstance(optimizer["learning_rate"], float):
            del optimizer["learning_rate"]  # callbacks may have changed it: part of the state
        settings["optimizer"] = {**settings["optimizer"], "config": optimizer}
        del model["name"]
        training = {**model, **settings, **(self.model._fit_settings or {})}
        augmentation = self.model._augmentation
        training["augmentation"] = None
        if augmentation is not None:
            config = augmentation.get_config()
            if not augmentation.seed_is_given:
                del config["seed"]  # drawn: part of the state
            training["augmentation"] = config
        whole: Json = json.loads(json.dumps(training))
        return whole

    def _state(self, epochs: int) -> Json:
        optimizer = self.model.optimizer
        rate = optimizer.get_config()["learning_rate"]
        return {
            "format": FORMAT,
            "training": self._of,
            "epochs": epochs,
            "iterations": optimizer.iterations,
            "learning_rate": rate if isinstance(rate, float) else None,
            "random": _random.generator().bit_generator.state,
            "augmentation_seed": getattr(self.model._augmentation, "seed", None),
        }

    def _buffers(self) -> dict[str, NDArray[np.float32]]:
        """The live flat buffers by name."""
        optimizer = self.model.optimizer
        slots = zip(optimizer.slot_names, optimizer.slots, strict=True)
        return {"parameters": self.model._parameters} | {f"slot.{name}": a for name, a in slots}

    def _restore(self) -> None:
        """Check all of the file first, then put all of it in its place."""
        from safetensors import SafetensorError, safe_open

        buffers = self._buffers()
        try:
            with safe_open(self._file, framework="numpy") as file:
                text = (file.metadata() or {}).get("backup", "")
                found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"it is damaged: {error}") from error
        state = json.loads(text)
        if not isinstance(state, dict) or state.get("format") != FORMAT:
            raise ValueError(f"it must say format {FORMAT!r}")
        self._check_training(state["training"])
        kinds = {name: (a.shape, a.dtype) for name, a in buffers.items()}
        if (given := {name: (a.shape, a.dtype) for name, a in found.items()}) != kinds:
            raise ValueError(f"it must hold {kinds}, got {given}")
        epochs = _check.integer("epochs", state["epochs"], 1)
        iterations = int(np.int64(_check.integer("iterations", state["iterations"], 0)))
        rate = state["learning_rate"]
        if isinstance(self.model.optimizer.get_config()["learning_rate"], float):
            rate = _check.real32("learning_rate", rate, "[0, inf)")
        generator = np.random.default_rng()
        generator.bit_generator.state = state["random"]
        augmentation, seed = self.model._augmentation, state["augmentation_seed"]
        if augmentation is not None:
            seed = _check.unsigned("augmentation_seed", seed, 64)
        self._accept(state)

        optimizer = self.model.optimizer
        if isinstance(rate, float):
            optimizer.learning_rate = rate
        optimizer.iterations = iterations
        for name, buffer in buffers.items():
            buffer[...] = found[name]
        _random.generator().bit_generator.state = generator.bit_generator.state
        if augmentation is not None:
            augmentation.seed = seed
        self.model._initial_epoch = epochs

    def _accept(self, state: Json) -> None:
        """For subclasses that keep more."""

    def _check_training(self, found: Any) -> None:
        expected = self._of
        if not isinstance(found, dict):
            raise ValueError("it does not say of which training it is")
        for key in dict.fromkeys([*expected, *found]):
            if expected.get(key) != found.get(key):
                raise ValueError(
                    f"it is of another training: {key} was {found.get(key)}, "
                    f"got {expected.get(key)}; give what was given then, or remove the file"
                )
