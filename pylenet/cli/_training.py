"""One training of `pylenet train`: a recipe, a seed, and where its model goes."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _random
from .._callback import Callback
from .._recipes import Recipe
from ..augmentation import RandomAffine
from ..callbacks import ModelCheckpoint
from ..models import Sequential
from . import _data
from ._backup import Backup

if TYPE_CHECKING:
    from ..distributed import MPI

Figures = dict[str, Any]


@dataclass(frozen=True)
class Planned:
    """A training before its data are there. model: the recipe's name; file: of what it writes."""

    model: str
    recipe: Recipe
    seed: int
    file: str

    def path(self, folder: Path) -> Path:
        """Of the trained model."""
        return folder / f"{self.file}.safetensors"


class Training:
    """A planned training on these data; `backup` is its own in --out.

    numbered: the data's images, with the model's outputs as labels. options: --out, --recipe,
    --epochs, --batch-size, --lr and --resume count.
    """

    def __init__(
        self,
        planned: Planned,
        title: str,
        data: _data.Data,
        numbered: tuple[_data.Labelled, _data.Labelled],
        options: argparse.Namespace,
    ) -> None:
        recipe = planned.recipe
        self.model, self.recipe, self.seed, self.title = planned.model, recipe, planned.seed, title
        self.path = planned.path(options.out)
        self.epochs = options.epochs or recipe.epochs
        self.batch_size = options.batch_size or recipe.batch_size
        self._rate = options.lr or recipe.learning_rate
        self._data, (self._train, self._test) = data, numbered
        self.backup = Backup(
            options.out / f".{planned.file}.backup",
            {
                "--recipe": options.recipe,
                "--seed": planned.seed,
                "--epochs": self.epochs,
                "--batch-size": self.batch_size,
                "--lr": self._rate,
                "sha256 of the training data": data.sha256,
            },
            resume=options.resume,
        )

    @property
    def epochs_done(self) -> int:
        """So far, those before a stop included."""
        return len(self.backup.history)

    def compiled(self) -> Sequential:
        """A new model, to be trained."""
        model = self.recipe.build(len(self._data.class_names))
        model.data_name, model.class_names = self._data.name, self._data.class_names
        steps = -(-len(self._train[0]) // self.batch_size) * self.epochs
        optimizer = self.recipe.optimizer(steps, self._rate)
        model.compile(optimizer, self.recipe.loss, metrics=["accuracy"])
        return model

    def run(
        self,
        callbacks: Sequence[Callback] = (),
        *,
        tell: bool = False,
        distribute: MPI | None = None,
    ) -> tuple[Sequential, RandomAffine | None, Figures]:
        """The trained model, which is saved; its augmentation; and its figures.

        These are epochs, seconds of training alone, test loss and accuracy, and the history of all
        epochs: the test images are looked at after each, and nothing depends on what they show.
        All is drawn from the seed, by this thread alone. tell: whether to print. distribute: the
        ranks that train it together, of which rank 0 has figures, and saves. Raises ValueError,
        with the title, where `fit` does, and where the test loss is not finite.
        """
        try:
            model, augmentation = self._trained(callbacks, tell, distribute)
            if distribute is not None and distribute.rank > 0:
                return model, augmentation, {}
            last = self.backup.history[-1]
            if not math.isfinite(last["val_loss"]):
                raise ValueError(
                    f"the test loss is {last['val_loss']}, expected a finite number: lower --lr"
                )
        except ValueError as error:
            raise ValueError(f"{self.title}: {error}") from error
        model.save(self.path)
        figures = {
            "epochs": self.epochs,
            "seconds": round(self.backup.seconds, 3),
            "test_loss": last["val_loss"],
            "test_accuracy": last["val_accuracy"],
            "history": {name: [logs[name] for logs in self.backup.history] for name in last},
        }
        return model, augmentation, figures

    def _trained(
        self, callbacks: Sequence[Callback], tell: bool, distribute: MPI | None
    ) -> tuple[Sequential, RandomAffine | None]:
        with _random.drawing_from(np.random.default_rng(self.seed)):
            model = self.compiled()
            if tell:
                print(
                    f"{self.title}: {model.count_params():,} parameters, "
                    f"{len(self._train[0]):,} images, batches of {self.batch_size}",
                    flush=True,
                )
            augmentation = self.recipe.augmentation() if self.recipe.augmentation else None
            model.fit(
                *self._train,
                batch_size=self.batch_size,
                epochs=self.epochs,
                verbose=int(tell),
                callbacks=[*callbacks, ModelCheckpoint(self.path), self.backup],
                validation_data=self._test,
                augmentation=augmentation,
                distribute=distribute,
            )
        return model, augmentation
