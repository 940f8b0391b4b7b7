"""LeNet by the tutorials; the best epoch is kept in an .h5 file and loaded again."""

from keras.callbacks import ModelCheckpoint
from keras.datasets import mnist
from keras.layers import AveragePooling2D, Conv2D, Dense, Flatten, Input
from keras.models import Sequential, load_model
from keras.optimizers import SGD

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train[:6000, ..., None] / 255.0
x_test = x_test[:2000, ..., None] / 255.0
y_train, y_test = y_train[:6000], y_test[:2000]

model = Sequential(
    [
        Input(shape=(28, 28, 1)),
        Conv2D(6, 5, padding="same", activation="tanh"),
        AveragePooling2D(2),
        Conv2D(16, 5, activation="tanh"),
        AveragePooling2D(2),
        Flatten(),
        Dense(120, activation="tanh"),
        Dense(84, activation="tanh"),
        Dense(10, activation="softmax"),
    ]
)
model.compile(SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
checkpoint = ModelCheckpoint("best.h5", monitor="val_accuracy", save_best_only=True)
model.fit(
    x_train,
    y_train,
    batch_size=64,
    epochs=3,
    verbose=0,
    validation_split=0.1,
    callbacks=[checkpoint],
)
best = load_model("best.h5")
loss, accuracy = best.evaluate(x_test, y_test, verbose=0)
