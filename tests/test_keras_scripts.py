"""What public Keras scripts for MNIST use: a script for each, its import lines changed, runs here.

Each is written as its authors write theirs, of Keras 3 or of 1 and 2, with digits that are made up.
"""

import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest
from nets import digits

ROOT = Path(__file__).parents[1]
with_pylenet = runpy.run_path(str(ROOT / "examples" / "keras" / "run.py"))["with_pylenet"]

NET = """
from keras.models import Sequential
from keras.layers import Conv2D, Dense, Flatten, MaxPooling2D
def net(last=10, activation="softmax"):
    model = Sequential()
    model.add(Conv2D(4, kernel_size=(5, 5), activation="relu", input_shape=(28, 28, 1)))
    model.add(MaxPooling2D(pool_size=(4, 4)))
    model.add(Flatten())
    model.add(Dense(last, activation=activation))
    return model
"""
COMPILED = (
    NET
    + """
model = net()
model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
"""
)

SCRIPTS = {
    "Dropout": """
import keras
from keras.layers import Dense, Dropout, Activation
from keras.models import Sequential
model = Sequential()
model.add(Dense(32, input_shape=(784,)))
model.add(Activation("relu"))
model.add(Dropout(0.5))
model.add(Dense(10, activation="softmax"))
model.compile(optimizer="sgd", loss="categorical_crossentropy", metrics=["accuracy"])
model.fit(x.reshape(-1, 784), keras.utils.to_categorical(y, 10), batch_size=32, epochs=1)
""",
    "backend.image_data_format": """
from keras import backend as K
K.set_image_data_format("channels_last")
shape = (1, 28, 28) if K.image_data_format() == "channels_first" else (28, 28, 1)
assert shape == (28, 28, 1)
assert K.floatx() == "float32" and K.epsilon() == 1e-7
K.clear_session()
""",
    "an import that is never used": COMPILED
    + """
from keras.layers import LSTM, Embedding, Lambda, Conv1D, SeparableConv2D
from keras.applications.vgg16 import VGG16, preprocess_input
from keras.datasets import cifar10, imdb
from keras.preprocessing import sequence
from keras.callbacks import RemoteMonitor
from keras.utils import get_file
model.fit(x, y, epochs=1)
""",
    "lr and decay": NET
    + """
from keras.optimizers import SGD, Adam, RMSprop
sgd = SGD(lr=0.01, decay=1e-6, momentum=0.9, nesterov=True)
Adam(lr=0.001, beta_1=0.9, beta_2=0.999, epsilon=None, decay=0.0, amsgrad=False)
RMSprop(lr=0.001, rho=0.9, epsilon=1e-08, decay=0.0)
model = net()
model.compile(sgd, "sparse_categorical_crossentropy", metrics=["acc"])
history = model.fit(x, y, epochs=1)
assert history.history["acc"]
""",
    "Adadelta and RMSprop": NET
    + """
import keras
for optimizer in (keras.optimizers.Adadelta(), keras.optimizers.RMSprop(), "rmsprop", "adadelta"):
    model = net()
    model.compile(loss="sparse_categorical_crossentropy", optimizer=optimizer)
    model.fit(x, y, epochs=1)
""",
    "TensorBoard": COMPILED
    + """
from keras.callbacks import TensorBoard
board = TensorBoard(log_dir="./logs", write_graph=True)
model.fit(x, y, epochs=1, validation_split=0.25, callbacks=[board])
import os
assert sorted(os.listdir("logs")) == ["train", "validation"]
""",
    "a generator, a Sequence, a data set": COMPILED
    + """
import keras
class Batches(keras.utils.Sequence):
    def __len__(self):
        return 4
    def __getitem__(self, index):
        return x[index * 16 : index * 16 + 16], y[index * 16 : index * 16 + 16]
def forever():
    while True:
        yield x[:16], y[:16]
model.fit(Batches(), epochs=2, validation_data=(x, y))
model.fit(forever(), steps_per_epoch=3, epochs=2, validation_data=forever(), validation_steps=2)
model.fit_generator(forever(), steps_per_epoch=3, epochs=1, workers=1)
model.evaluate(Batches())
assert model.predict(Batches()).shape == (64, 10)
model.fit([(x, y), (x, y)], epochs=1)
""",
    "ImageDataGenerator": COMPILED
    + """
from keras.preprocessing.image import ImageDataGenerator
generator = ImageDataGenerator(rotation_range=8, width_shift_range=0.08, shear_range=0.3,
                               height_shift_range=0.08, zoom_range=0.08, fill_mode="nearest")
generator.fit(x)
model.fit(generator.flow(x, y, batch_size=16), steps_per_epoch=len(x) // 16, epochs=1,
          validation_data=ImageDataGenerator().flow(x, y, batch_size=16))
""",
    "input_dim": """
from keras.layers import Dense
from keras.models import Sequential
model = Sequential([Dense(16, input_dim=784, activation="relu"), Dense(10, activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x.reshape(-1, 784), y)
""",
    "ReduceLROnPlateau": COMPILED
    + """
from keras.callbacks import ReduceLROnPlateau
plateau = ReduceLROnPlateau(monitor="val_acc", patience=1, verbose=1, factor=0.5, min_lr=0.00001)
history = model.fit(x, y, epochs=2, validation_split=0.25, callbacks=[plateau])
assert len(history.history["lr"]) == 2
""",
    "BatchNormalization": """
from keras.layers import Activation, BatchNormalization, Conv2D, Dense, Flatten
from keras.models import Sequential
model = Sequential([Conv2D(4, 5, strides=2, input_shape=(28, 28, 1)), BatchNormalization(axis=-1),
                    Activation("relu"), Flatten(), Dense(10), BatchNormalization(momentum=0.9),
                    Activation("softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x, y)
""",
    "activations as functions": """
import keras
from keras import activations
from keras.layers import Activation, Dense, Flatten
from keras.models import Sequential
def relu(x):
    return x * (x > 0)
model = Sequential([Flatten(input_shape=(28, 28, 1)), Dense(16, activation=activations.relu),
                    Dense(16, activation=relu), Activation(keras.activations.tanh),
                    Dense(10, activation=keras.activations.softmax)])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x, y)
""",
    "Model(inputs, outputs)": """
from keras.layers import Conv2D, Dense, Flatten, Input, MaxPooling2D
from keras.models import Model
inputs = Input(shape=(28, 28, 1), name="image")
h = Conv2D(4, (5, 5), activation="relu")(inputs)
h = MaxPooling2D(4)(h)
outputs = Dense(10, activation="softmax")(Flatten()(h))
model = Model(inputs=inputs, outputs=outputs)
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y)
model.summary()
""",
    "names of Keras 1": """
from keras.layers.convolutional import Convolution2D, MaxPooling2D
from keras.layers.core import Activation, Dense, Dropout, Flatten
from keras.models import Sequential
from keras.utils import np_utils
labels = np_utils.to_categorical(y, 10)
model = Sequential()
model.add(Convolution2D(4, 5, 5, border_mode="same", subsample=(2, 2), input_shape=(28, 28, 1)))
model.add(Activation("relu"))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Dropout(0.25))
model.add(Flatten())
model.add(Dense(output_dim=10, init="uniform"))
model.add(Activation("softmax"))
model.compile(loss="categorical_crossentropy", optimizer="sgd", metrics=["accuracy"])
history = model.fit(x, labels, nb_epoch=1, batch_size=16, validation_data=(x, labels))
assert history.history["val_acc"]
assert model.predict_classes(x).shape == (64,)
assert model.predict_proba(x).shape == (64, 10)
""",
    "InputLayer, Reshape, ReLU, Softmax": """
from keras.layers import Conv2D, Dense, Flatten, InputLayer, ReLU, Reshape, Softmax
from keras.models import Sequential
model = Sequential([InputLayer(shape=(784,)), Reshape((28, 28, 1)), Conv2D(4, 5, strides=3),
                    ReLU(), Flatten(), Dense(10), Softmax()])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x.reshape(-1, 784), y)
""",
    "regularizers and constraints": """
import keras
from keras import regularizers
from keras.constraints import MaxNorm
from keras.layers import Dense, Flatten
from keras.models import Sequential
model = Sequential([Flatten(input_shape=(28, 28, 1)),
                    Dense(16, kernel_regularizer=regularizers.l2(1e-3), activation="relu"),
                    Dense(10, kernel_constraint=MaxNorm(2), activation="softmax")])
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x, y)
""",
    "weights of classes and samples, one output": COMPILED
    + """
import numpy as np
model.fit(x, y, class_weight={n: 1.0 + (n == 3) for n in range(10)})
model.fit(x, y, sample_weight=np.linspace(0, 1, 64), validation_split=0.25, validation_batch_size=8)
one = net(1, "sigmoid")
one.compile("adam", "binary_crossentropy", metrics=["accuracy"])
one.fit(x, (y == 3).astype("float32"))
""",
    "plot_model": COMPILED
    + """
from keras.utils import plot_model
plot_model(model, to_file="model.png", show_shapes=True)
""",
}


WITH_H5PY = {
    ".h5 and .keras": COMPILED
    + """
from keras.callbacks import ModelCheckpoint
from keras.models import load_model
checkpoint = ModelCheckpoint("best.keras", monitor="val_accuracy", save_best_only=True, verbose=1)
model.fit(x, y, epochs=2, validation_split=0.25, callbacks=[checkpoint])
load_model("best.keras").evaluate(x, y)
model.save("model.h5", overwrite=True)
assert (load_model("model.h5").predict(x) == model.predict(x)).all()
""",
    "save_weights and load_weights": COMPILED
    + """
model.fit(x, y, epochs=1)
model.save_weights("model.weights.h5")
other = net()
other.load_weights("model.weights.h5")
assert (other.predict(x) == model.predict(x)).all()
""",
    "to_json and model_from_json": COMPILED
    + """
from keras.models import model_from_json
text = model.to_json()
model.save_weights("old.h5")
again = model_from_json(text)
again.load_weights("old.h5")
assert (again.predict(x) == model.predict(x)).all()
""",
}


def run(script, folder, monkeypatch):
    monkeypatch.chdir(folder)
    images, labels = digits(64)
    names = {"x": images[..., None].astype("float32") / 255, "y": labels.astype("int64")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(with_pylenet(script), "<script>", "exec"), names)
    assert np.array_equal(names["y"], labels)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_with_its_imports_changed(name, tmp_path, monkeypatch):
    run(SCRIPTS[name], tmp_path, monkeypatch)


@pytest.mark.parametrize("name", WITH_H5PY)
def test_a_script_with_keras_s_files_runs(name, tmp_path, monkeypatch):
    pytest.importorskip("h5py")
    run(WITH_H5PY[name], tmp_path, monkeypatch)


def test_only_import_lines_are_changed():
    script = "import keras\nfrom keras.layers import Dense\nx = 'from keras'\nkeras.Input((3,))\n"
    assert with_pylenet(script) == (
        "import pylenet as keras\nfrom pylenet.layers import Dense\nx = 'from keras'\n"
        "keras.Input((3,))\n"
    )
