"""The functional API; then the network up to its last hidden layer, as a model of its own."""

import keras
from keras import layers

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train, y_train, x_test, y_test = x_train[:6000], y_train[:6000], x_test[:2000], y_test[:2000]
x_train = x_train.reshape(-1, 28, 28, 1).astype("float32")
x_test = x_test.reshape(-1, 28, 28, 1).astype("float32")

inputs = keras.Input(shape=(28, 28, 1), name="digit")
x = layers.Rescaling(1 / 255)(inputs)
x = layers.Conv2D(8, 5, strides=2, activation="relu")(x)
x = layers.Conv2D(16, 3, strides=2, activation="relu")(x)
x = layers.Flatten()(x)
hidden = layers.Dense(32, activation="relu", name="hidden")(x)
outputs = layers.Dense(10, activation="softmax")(hidden)
model = keras.Model(inputs=inputs, outputs=outputs, name="digits")
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, batch_size=64, epochs=4, verbose=0)
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)

features = keras.Model(model.inputs, model.get_layer("hidden").output)
assert features.predict(x_test[:5], verbose=0).shape == (5, 32)
