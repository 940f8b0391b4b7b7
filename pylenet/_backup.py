"""BackupAndRestore: a training that was stopped goes on, to the bits of one that was not."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from . import _check, _files
from ._callback import Callback, Logs
from .models._state import Json

FORMAT = "pylenet-backup-1"
FILE = "backup.safetensors"


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

        arrays, text = self.model.training_state.arrays(), json.dumps(self._values())
        _files.write_whole(self._file, save(arrays, metadata={"backup": text}))

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
        from .models._saving import config_of

        model = config_of(self.model)
        for name in ("name", *self.model.facts()):
            del model[name]
        compiled = model.pop("compile")
        training = {**model, **compiled, **self.model.training_state.identity()}
        whole: Json = json.loads(json.dumps(training))
        return whole

    def _values(self) -> Json:
        """What is kept of the training besides its buffers."""
        return {"format": FORMAT, "training": self._of, **self.model.training_state.values()}

    def _restore(self) -> None:
        """Check all of the file first, then put all of it in its place."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self._file, framework="numpy") as file:
                text = (file.metadata() or {}).get("backup", "")
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"it is damaged: {error}") from error
        values = json.loads(text)
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise ValueError(f"it must say format {FORMAT!r}")
        self._check_training(values["training"])
        self._accept(values)
        self.model.training_state.restore(values, arrays)

    def _accept(self, values: Json) -> None:
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
