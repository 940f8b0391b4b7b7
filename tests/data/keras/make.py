"""Makes the files of this folder with the Keras that is installed: python make.py [NAME].

NAME: what files' names begin with; by default version and back end, as keras-2.15.0-tensorflow. The
README one folder up says with which packages each was made.
"""

import collections.abc
import sys
from pathlib import Path

import numpy as np

for old in ("Iterable", "Mapping", "Callable"):  # which Keras 2.2 looks for there
    setattr(sys.modules["collections"], old, getattr(collections.abc, old))

import keras  # noqa: E402
from keras.layers import (  # noqa: E402
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Input,
    LeakyReLU,
    MaxPooling2D,
)
from keras.models import Model, Sequential  # noqa: E402

FOLDER = Path(__file__).parent
MODERN = keras.__version__ >= "3"


def name_of_keras():
    return sys.argv[1] if sys.argv[1:] else f"keras-{keras.__version__}-{keras.backend.backend()}"


def sequential():
    """A LeNet in small, with an optimizer that has a state."""
    model = Sequential()
    first = {} if MODERN else {"input_shape": (8, 8, 1)}
    if MODERN:
        model.add(Input((8, 8, 1)))
    model.add(Conv2D(3, (3, 3), activation="relu", **first))
    model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Flatten())
    model.add(Dense(5))
    model.add(Activation("tanh"))
    model.add(Dense(3, activation="softmax"))
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


def functional():
    """A chain told as Model(inputs, outputs), with layers that training changes."""
    inputs = Input(shape=(8, 8, 1), name="img")
    x = Conv2D(2, (3, 3), padding="same", use_bias=False)(inputs)
    x = BatchNormalization()(x)
    x = LeakyReLU(0.2)(x)
    x = AveragePooling2D(2)(x)
    x = Dropout(0.25)(x)
    x = Conv2D(4, (2, 2), strides=(1, 2), name="second")(x)
    x = GlobalAveragePooling2D()(x)
    model = Model(inputs, Dense(3, activation="softmax")(x))
    model.compile(loss="categorical_crossentropy", optimizer="rmsprop", metrics=["accuracy"])
    return model


def make(build, suffixes):
    rng = np.random.RandomState(0)
    x = rng.rand(24, 8, 8, 1).astype("float32")
    labels = np.eye(3, dtype="float32")[np.arange(24) % 3]
    model = build()
    model.fit(x, labels, batch_size=8, epochs=3, verbose=0)
    path = str(FOLDER / f"{name_of_keras()}-{build.__name__}")
    for suffix in suffixes:
        save = model.save_weights if suffix == ".weights.h5" else model.save
        save(path + suffix)
    kept = {"x": x, "y": np.asarray(model.predict(x, verbose=0))}
    if build is sequential:  # the losses of the next steps, by the state that was saved
        losses = []
        for start in (0, 8, 16):
            part = slice(start, start + 8)
            losses.append(float(np.ravel(model.train_on_batch(x[part], labels[part]))[0]))
            if MODERN:
                model.reset_metrics()  # else these are means
        kept["losses"] = np.array(losses)
    np.savez_compressed(path + ".npz", **kept)


endings = [".keras", ".h5", ".weights.h5"] if MODERN else [".h5"]
make(sequential, endings)
make(functional, endings[:2])
