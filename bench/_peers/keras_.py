"""Keras on TensorFlow, with and without XLA.

Training is fit with many steps to an execution: train_on_batch, a call from Python for each step,
was slower at every batch size.
"""

from __future__ import annotations

from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from .base import LEARNING_RATE, Labels, Pixels, Ways, Weights
from .plans import PLANS

STEPS_PER_EXECUTION = 32
XLA = ", XLA"


class Keras:
    ways: ClassVar[Ways] = {
        "train": ("fit", "fit" + XLA),
        "inference": ("tf.function", "tf.function" + XLA),
    }

    def __init__(self, threads: int) -> None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)

    def versions(self) -> dict[str, str]:
        return {"keras": keras.__version__, "tensorflow": tf.__version__}

    def trainer(self, way: str, form: str, batch_size: int) -> KerasTrainer:
        return KerasTrainer(form, batch_size, xla=way.endswith(XLA))

    def predictor(self, way: str, form: str, batch_size: int, weights: Weights) -> KerasPredictor:
        model = network(form)
        model.set_weights(weights)
        return KerasPredictor(model, batch_size, xla=way.endswith(XLA))


class KerasTrainer:
    def __init__(self, form: str, batch_size: int, *, xla: bool) -> None:
        self.model, self.batch_size = network(form), batch_size
        self.model.compile(
            keras.optimizers.SGD(LEARNING_RATE),
            "sparse_categorical_crossentropy",
            jit_compile=xla,
            steps_per_execution=STEPS_PER_EXECUTION,
        )

    def set_weights(self, weights: Weights) -> None:
        self.model.set_weights(weights)

    def weights(self) -> Weights:
        return list(self.model.get_weights())

    def prepare(self, x: Pixels, y: Labels) -> Any:
        pixels = images(x)
        batches = pixels.reshape(-1, self.batch_size, *pixels.shape[1:])
        labels = y.reshape(-1, self.batch_size)
        both = tf.data.Dataset.from_tensor_slices((batches, labels))
        return both.prefetch(STEPS_PER_EXECUTION)

    def train(self, data: Any) -> float:
        history = self.model.fit(data, epochs=1, verbose=0, shuffle=False)
        return float(history.history["loss"][0])


class KerasPredictor:
    def __init__(self, network: Any, batch_size: int, *, xla: bool) -> None:
        signature = [tf.TensorSpec((batch_size, *network.input_shape[1:]), tf.float32)]
        self.forward = tf.function(
            lambda x: network(x, training=False), input_signature=signature, jit_compile=xla
        )

    def prepare(self, x: Pixels) -> Any:
        return tf.constant(images(x))

    def predict(self, data: Any) -> Any:
        return self.forward(data).numpy()


def images(x: Pixels) -> Any:
    last = x[..., None] if x.ndim == 3 else x
    return last.astype(np.float32) / np.float32(255)


def network(form: str) -> Any:
    plan, layers = PLANS[form], keras.layers
    pool = layers.AveragePooling2D if plan.pool == "average" else layers.MaxPooling2D
    model = keras.Sequential([keras.Input(plan.image)])
    for kind, sizes, shape in plan.placed():
        if kind == "conv":
            model.add(layers.Conv2D(*sizes, activation=plan.activation))
        elif kind == "pool":
            model.add(pool(2))
        else:
            if len(shape) == 3:
                model.add(layers.Flatten())
            model.add(layers.Dense(sizes[0], plan.activation))
    model.layers[-1].activation = keras.activations.softmax
    return model
