"""The architecture as JSON, the weights in a file of their own; put together again."""

import keras
from keras.layers import Activation, Conv2D, Dense, Flatten, MaxPooling2D
from keras.models import Sequential, model_from_json

(x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
x_train = x_train[:6000].reshape(6000, 28, 28, 1).astype("float32") / 255
x_test = x_test[:2000].reshape(2000, 28, 28, 1).astype("float32") / 255
y_train = keras.utils.to_categorical(y_train[:6000])
y_test = keras.utils.to_categorical(y_test[:2000])

model = Sequential()
model.add(Conv2D(20, (5, 5), padding="same", input_shape=(28, 28, 1)))
model.add(Activation("relu"))
model.add(MaxPooling2D(pool_size=(2, 2), strides=(2, 2)))
model.add(Conv2D(50, (5, 5), padding="same"))
model.add(Activation("relu"))
model.add(MaxPooling2D(pool_size=(2, 2), strides=(2, 2)))
model.add(Flatten())
model.add(Dense(64))
model.add(Activation("relu"))
model.add(Dense(10))
model.add(Activation("softmax"))
model.compile("adagrad", "categorical_crossentropy", metrics=["accuracy"])
model.optimizer.learning_rate = 0.02
model.fit(x_train, y_train, batch_size=64, epochs=2, verbose=0)

with open("model.json", "w") as file:
    file.write(model.to_json())
model.save_weights("model.weights.h5")

with open("model.json") as file:
    again = model_from_json(file.read())
again.load_weights("model.weights.h5")
again.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
loss, accuracy = again.evaluate(x_test, y_test, verbose=0)
