"""A small convolutional network with a guard for the order of channels, trained by Adadelta."""

import keras
from keras import backend as K
from keras.datasets import mnist
from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from keras.models import Sequential

rows, columns = 28, 28
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train, x_test, y_test = x_train[:6000], y_train[:6000], x_test[:2000], y_test[:2000]
if K.image_data_format() == "channels_first":
    x_train = x_train.reshape(x_train.shape[0], 1, rows, columns)
    x_test = x_test.reshape(x_test.shape[0], 1, rows, columns)
    input_shape = (1, rows, columns)
else:
    x_train = x_train.reshape(x_train.shape[0], rows, columns, 1)
    x_test = x_test.reshape(x_test.shape[0], rows, columns, 1)
    input_shape = (rows, columns, 1)
x_train = x_train.astype("float32") / 255
x_test = x_test.astype("float32") / 255
y_train = keras.utils.to_categorical(y_train, 10)
y_test = keras.utils.to_categorical(y_test, 10)

model = Sequential()
model.add(Conv2D(8, kernel_size=(3, 3), activation="relu", input_shape=input_shape))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Conv2D(16, (3, 3), activation="relu"))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Dropout(0.25))
model.add(Flatten())
model.add(Dense(64, activation="relu"))
model.add(Dropout(0.5))
model.add(Dense(10, activation="softmax"))
model.compile(
    loss=keras.losses.categorical_crossentropy,
    optimizer=keras.optimizers.Adadelta(learning_rate=1.0),
    metrics=["accuracy"],
)
model.fit(x_train, y_train, batch_size=64, epochs=3, verbose=0)
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
