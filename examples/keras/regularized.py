"""Weights kept small by a penalty and by a constraint; training stops when it no longer helps."""

import keras
from keras import constraints, layers, regularizers
from keras.callbacks import EarlyStopping

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, y_train, x_test, y_test = x_train[:6000], y_train[:6000], x_test[:2000], y_test[:2000]
x_train, x_test = x_train / 255.0, x_test / 255.0

model = keras.Sequential(
    [
        layers.Input((28, 28)),
        layers.Flatten(),
        layers.Dense(96, activation="relu", kernel_regularizer=regularizers.l2(1e-4)),
        layers.Dense(48, activation="relu", kernel_constraint=constraints.MaxNorm(3)),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile("nadam", "sparse_categorical_crossentropy", metrics=["accuracy"])
stopping = EarlyStopping(monitor="val_loss", patience=2, restore_best_weights=True)
history = model.fit(
    x_train,
    y_train,
    batch_size=64,
    epochs=8,
    verbose=0,
    validation_split=0.15,
    callbacks=[stopping],
)
assert history.history["loss"][-1] < history.history["loss"][0]
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
