import pylenet as keras
from pylenet.datasets import mnist
from pylenet.layers import AveragePooling2D, Conv2D, Dense, Flatten
from pylenet.models import Sequential

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train.reshape(x_train.shape[0], 28, 28, 1) / 255
x_test = x_test.reshape(x_test.shape[0], 28, 28, 1) / 255
y_train = keras.utils.to_categorical(y_train, 10)
y_test = keras.utils.to_categorical(y_test, 10)

model = Sequential()
model.add(Conv2D(6, kernel_size=(5, 5), activation="tanh", input_shape=(28, 28, 1)))
model.add(AveragePooling2D(pool_size=(2, 2)))
model.add(Conv2D(16, kernel_size=(5, 5), activation="tanh"))
model.add(AveragePooling2D(pool_size=(2, 2)))
model.add(Flatten())
model.add(Dense(120, activation="tanh"))
model.add(Dense(84, activation="tanh"))
model.add(Dense(10, activation="softmax"))
model.compile(
    loss=keras.metrics.categorical_crossentropy,
    optimizer=keras.optimizers.SGD(),
    metrics=["accuracy"],
)
model.fit(x_train, y_train, batch_size=128, epochs=20, verbose=1, validation_data=(x_test, y_test))
loss, accuracy = model.evaluate(x_test, y_test)
print(f"test accuracy {accuracy:.4f}")
