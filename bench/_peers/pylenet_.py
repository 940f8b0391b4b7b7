"""pylenet: raw pixels in, scaled by the model's first layer within the time that is measured."""

from typing import Any

import numpy as np

import pylenet

from .base import LEARNING_RATE, Labels, Pixels, Weights


class Pylenet:
    train_ways = ("fit",)
    predict_ways = ("predict",)

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


class PylenetTrainer:
    def __init__(self, form: str, batch_size: int) -> None:
        self.model, self.batch_size = network(form), batch_size
        sgd = pylenet.optimizers.SGD(LEARNING_RATE)
        self.model.compile(sgd, "sparse_categorical_crossentropy")

    def set_weights(self, weights: Weights) -> None:
        self.model.set_weights(weights)

    def weights(self) -> Weights:
        return [w.copy() for w in self.model.get_weights()]

    def prepare(self, x: Pixels, y: Labels) -> tuple[Pixels, Labels]:
        return x, y

    def train(self, data: tuple[Pixels, Labels]) -> float:
        history = self.model.fit(*data, self.batch_size, verbose=0, shuffle=False)
        return float(history.history["loss"][0])


class PylenetPredictor:
    def __init__(self, form: str, weights: Weights) -> None:
        model = network(form)
        model.set_weights(weights)
        self.predict = model.predict

    def prepare(self, x: Pixels) -> Pixels:
        return x


def network(form: str) -> pylenet.models.Sequential:
    build: Any = getattr(pylenet.models, f"lenet5_{form}")
    model: pylenet.models.Sequential = build()
    return model
