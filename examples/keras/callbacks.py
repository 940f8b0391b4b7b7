"""Callbacks of all kinds around an all-convolutional network, with weights for its classes."""

import keras
from keras import layers
from keras.callbacks import CSVLogger, LambdaCallback, LearningRateScheduler, TerminateOnNaN

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, y_train, x_test, y_test = x_train[:6000], y_train[:6000], x_test[:2000], y_test[:2000]
x_train, x_test = x_train[..., None] / 255.0, x_test[..., None] / 255.0

model = keras.Sequential(
    [
        layers.Input((28, 28, 1)),
        layers.Conv2D(12, 5, strides=2),
        layers.LeakyReLU(negative_slope=0.1),
        layers.Conv2D(24, 5, strides=2),
        layers.LeakyReLU(negative_slope=0.1),
        layers.Conv2D(48, 3),
        layers.LeakyReLU(negative_slope=0.1),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile("adamax", "sparse_categorical_crossentropy", metrics=["accuracy"])
seen = []
model.fit(
    x_train,
    y_train,
    batch_size=32,
    epochs=4,
    verbose=0,
    class_weight={0: 1.0, **dict.fromkeys(range(1, 10), 1.1)},
    callbacks=[
        CSVLogger("log.csv"),
        LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(logs["accuracy"])),
        LearningRateScheduler(lambda epoch: 0.01 * 0.8**epoch),
        TerminateOnNaN(),
    ],
)
with open("log.csv") as file:
    assert len(seen) == len(file.readlines()) - 1 == 4
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
