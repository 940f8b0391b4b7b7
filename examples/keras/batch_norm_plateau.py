"""Batch normalisation between convolution and activation; the rate falls on a plateau."""

import keras
from keras.callbacks import ReduceLROnPlateau
from keras.layers import (
    Activation,
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    Input,
    MaxPooling2D,
)

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train = x_train[:6000].reshape(-1, 28, 28, 1) / 255.0
x_test = x_test[:2000].reshape(-1, 28, 28, 1) / 255.0
y_train, y_test = y_train[:6000], y_test[:2000]

model = keras.Sequential()
model.add(Input((28, 28, 1)))
for filters in (8, 16):
    model.add(Conv2D(filters, 3, use_bias=False))
    model.add(BatchNormalization(momentum=0.9))
    model.add(Activation("relu"))
    model.add(MaxPooling2D())
model.add(Flatten())
model.add(Dense(10, activation="softmax"))
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
plateau = ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=1, min_lr=1e-5)
model.fit(
    x_train,
    y_train,
    batch_size=64,
    epochs=4,
    verbose=0,
    validation_data=(x_test, y_test),
    callbacks=[plateau],
)
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
