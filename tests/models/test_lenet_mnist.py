"""The LeNets learn real MNIST, and a Keras script runs with only its imports changed."""

import os

import pytest
import sanitizer

from pylenet import utils
from pylenet._recipes import MODERN_RECIPES, RECIPES

ALL = {**RECIPES, **MODERN_RECIPES}


@sanitizer.minutes
@pytest.mark.parametrize(
    ("name", "rate", "epochs", "least"),
    [
        ("classic", 0.1, 1, 0.925),
        ("modern", 0.05, 1, 0.975),
        ("medium", 0.05, 1, 0.975),
        ("small", 0.05, 1, 0.965),
        ("fast", ALL["fast"].learning_rate, 2, 0.983),
        ("best", ALL["best"].learning_rate, 2, 0.98),
    ],
)
def test_a_lenet_learns_real_mnist(mnist, name, rate, epochs, least):
    (x_train, y_train), (x_test, y_test) = mnist
    recipe = ALL[name]
    utils.set_random_seed(3)
    model = recipe.build()
    steps = -(-len(x_train) // recipe.batch_size) * epochs
    optimizer = recipe.optimizer(steps, rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    distort = recipe.augmentation() if recipe.augmentation else None
    model.fit(x_train, y_train, recipe.batch_size, epochs, verbose=0, augmentation=distort)
    loss, accuracy = model.evaluate(x_test, y_test)
    assert accuracy >= least
    assert loss < 4 * (1 - least)


KERAS_SCRIPT = """
{imports}

(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, y_train = x_train[:{samples}], y_train[:{samples}]
x_train = x_train.reshape(x_train.shape[0], 28, 28, 1)
x_test = x_test.reshape(x_test.shape[0], 28, 28, 1)
x_train = x_train / 255
x_test = x_test / 255
y_train = keras.utils.to_categorical(y_train, 10)
y_test = keras.utils.to_categorical(y_test, 10)

model = Sequential()
model.add(Conv2D(6, kernel_size=(5, 5), activation='tanh', input_shape=(28, 28, 1)))
model.add(AveragePooling2D(pool_size=(2, 2)))
model.add(Conv2D(16, kernel_size=(5, 5), activation='tanh'))
model.add(AveragePooling2D(pool_size=(2, 2)))
model.add(Flatten())
model.add(Dense(120, activation='tanh'))
model.add(Dense(84, activation='tanh'))
model.add(Dense(10, activation='softmax'))

model.compile(loss=keras.metrics.categorical_crossentropy,
              optimizer=keras.optimizers.SGD(), metrics=['accuracy'])
model.fit(x_train, y_train, batch_size=128, epochs={epochs}, verbose=1,
          validation_data=(x_test, y_test))
score = model.evaluate(x_test, y_test)
print('Test loss:', score[0])
print('Test accuracy:', score[1])
"""
IMPORTS = """
import pylenet as keras
from pylenet.datasets import mnist
from pylenet.layers import Conv2D, MaxPooling2D, AveragePooling2D, Dense, Flatten
from pylenet.models import Sequential
"""


def test_a_keras_script_runs_with_only_its_imports_changed(mnist, run_python):
    samples, epochs = 20000, 3
    kept = {
        name: os.environ[name] for name in ("PYLENET_DATA", "PYLENET_ISA") if name in os.environ
    }
    script = KERAS_SCRIPT.format(imports=IMPORTS, samples=samples, epochs=epochs)
    done = run_python(script, **kept)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    *progress, loss, accuracy = done.stdout.splitlines()
    assert len(progress) == epochs
    for line in progress:
        for name in ("accuracy", "loss", "val_accuracy", "val_loss"):
            assert f" - {name}: " in line
    assert loss.startswith("Test loss: ")
    assert 0.8 < float(accuracy.removeprefix("Test accuracy: ")) < 0.95
