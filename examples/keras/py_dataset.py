"""A PyDataset that moves the digits about, and a schedule for the learning rate."""

import keras
import numpy as np
from keras import layers
from keras.optimizers.schedules import ExponentialDecay

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, y_train, x_test, y_test = x_train[:6000], y_train[:6000], x_test[:2000], y_test[:2000]


class Moved(keras.utils.PyDataset):
    """Each digit moved by up to two pixels, anew in each epoch."""

    def __init__(self, x, y, batch_size=64):
        super().__init__()
        self.x, self.y, self.batch_size = x, y, batch_size
        self.rng = np.random.default_rng(1)

    def __len__(self):
        return -(-len(self.x) // self.batch_size)

    def __getitem__(self, index):
        part = slice(index * self.batch_size, (index + 1) * self.batch_size)
        moves = self.rng.integers(-2, 3, (len(self.x[part]), 2))
        moved = [np.roll(x, tuple(by), (0, 1)) for x, by in zip(self.x[part], moves, strict=True)]
        return np.stack(moved)[..., None].astype("float32") / 255, self.y[part]


model = keras.Sequential(
    [
        layers.Input((28, 28, 1)),
        layers.Conv2D(8, 5, activation="relu", kernel_initializer="he_normal"),
        layers.MaxPooling2D(2),
        layers.Conv2D(16, 5, activation="relu", kernel_initializer="he_normal"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(10),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(ExponentialDecay(3e-3, decay_steps=94, decay_rate=0.7)),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(Moved(x_train, y_train), epochs=4, verbose=0)
loss, accuracy = model.evaluate(x_test[..., None] / 255.0, y_test, verbose=0)
