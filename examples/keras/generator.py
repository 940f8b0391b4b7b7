"""Batches of a generator without an end, for training and for validation."""

import keras
import numpy as np
from keras import layers

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, y_train, x_test, y_test = x_train[:6000], y_train[:6000], x_test[:2000], y_test[:2000]


def batches(x, y, size):
    rng = np.random.default_rng(0)
    while True:
        chosen = rng.integers(len(x), size=size)
        images = x[chosen, ..., None].astype("float32") / 255
        yield images, keras.utils.to_categorical(y[chosen], 10)


model = keras.Sequential(
    [
        layers.Input((28, 28, 1)),
        layers.Conv2D(8, 5, activation="relu"),
        layers.MaxPooling2D(3),
        layers.Flatten(),
        layers.Dense(48, activation="relu"),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(keras.optimizers.Adam(2e-3), "categorical_crossentropy", metrics=["accuracy"])
model.fit(
    batches(x_train, y_train, 64),
    steps_per_epoch=94,
    epochs=4,
    verbose=0,
    validation_data=batches(x_test, y_test, 100),
    validation_steps=5,
)
x_test = x_test[..., None].astype("float32") / 255
loss, accuracy = model.evaluate(x_test, keras.utils.to_categorical(y_test, 10), verbose=0)
