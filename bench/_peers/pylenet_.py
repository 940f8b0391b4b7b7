"""pylenet: raw pixels in, scaled by the model's first layer within the time that is measured."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import ClassVar

import numpy as np

import pylenet
from pylenet import models
from pylenet._recipes import MODERN_RECIPES, RECIPES
from pylenet.benchmark.subjects import EPOCH, FORMS
from pylenet.optimizers import SDLM, SGD, Optimizer

from .base import LEARNING_RATE, RATE_1998, Labels, Pixels, Ways, Weights

CROSS_ENTROPY = "sparse_categorical_crossentropy"
HESSIAN_SAMPLES = 500  # for an epoch of LeNet-5 of 1998
RECIPES_OF = RECIPES | MODERN_RECIPES


class Pylenet:
    ways: ClassVar[Ways] = {
        "train": ("fit",),
        "inference": ("predict",),
        "1998": ("fit",),
        "to-99": ("`pylenet train`, the whole process",),
    }

    def __init__(self, threads: int) -> None:
        pylenet.set_num_threads(threads)

    def versions(self) -> dict[str, str]:
        return {"pylenet": pylenet.__version__, "numpy": np.__version__}

    def trainer(self, way: str, form: str, batch_size: int) -> "PylenetTrainer":
        return PylenetTrainer(form, batch_size)

    def predictor(
        self, way: str, form: str, batch_size: int, weights: Weights
    ) -> "PylenetPredictor":
        return PylenetPredictor(form, weights)

    def train_to_99(self, seed: int) -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pylenet", "train", "--recipe", "fast", "--quiet"]
            started = perf_counter()
            subprocess.run([*command, "--seed", str(seed), "--out", folder], check=True, cwd=folder)
            seconds = perf_counter() - started
            (result,) = json.loads((Path(folder) / "results.json").read_text())
        return seconds, result["test_accuracy"]


class PylenetTrainer:
    def __init__(self, form: str, batch_size: int) -> None:
        self.model, self.form, self.batch_size = built(form), form, batch_size
        self._compile(EPOCH)

    def set_weights(self, weights: Weights) -> None:
        self._compile(EPOCH)
        self.model.set_weights(weights)

    def weights(self) -> Weights:
        return [w.copy() for w in self.model.get_weights()]

    def prepare(self, x: Pixels, y: Labels) -> tuple[Pixels, Labels]:
        if self.form == "1998":
            self._compile(len(x))
        return x, y

    def train(self, data: tuple[Pixels, Labels]) -> float:
        history = self.model.fit(*data, self.batch_size, verbose=0, shuffle=False)
        return float(history.history["loss"][0])

    def _compile(self, images: int) -> None:
        recipe = RECIPES_OF.get(self.form)
        self.model.compile(optimizer(self.form, images), recipe.loss if recipe else CROSS_ENTROPY)


def built(form: str) -> models.Sequential:
    return FORMS[form]() if form in FORMS else RECIPES_OF[form].build()


def optimizer(form: str, images: int) -> Optimizer:
    """A fresh one for so many images; they have their share of an epoch's Hessian samples."""
    if form == "1998":
        return SDLM(RATE_1998, samples=max(1, HESSIAN_SAMPLES * images // EPOCH))
    if form == "fast":
        recipe = RECIPES_OF[form]
        return recipe.optimizer(steps_of(form), recipe.learning_rate)
    return SGD(LEARNING_RATE)


def steps_of(form: str) -> int:
    """Of all epochs of a recipe."""
    recipe = RECIPES_OF[form]
    return -(-EPOCH // recipe.batch_size) * recipe.epochs


class PylenetPredictor:
    def __init__(self, form: str, weights: Weights) -> None:
        model = built(form)
        model.set_weights(weights)
        self.predict = model.predict

    def prepare(self, x: Pixels) -> Pixels:
        return x
