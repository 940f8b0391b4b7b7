"""Models to real Keras and back: the same predictions, the same training after it.

Skipped where Keras is not installed; test_keras_files.py has files that Keras has written.
"""

import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip("h5py")
pytest.importorskip(os.environ["KERAS_BACKEND"])
keras = pytest.importorskip("keras", minversion="3.5", exc_type=ImportError)

from nets import compiled  # noqa: E402

import pylenet  # noqa: E402
from pylenet import layers, optimizers  # noqa: E402
from pylenet.models import Sequential, lenet5_classic, lenet5_modern, load_model  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # Keras's, and those of what it uses


def blocks():
    return Sequential(
        [
            layers.Input((12, 11, 2)),
            layers.ZeroPadding2D(((1, 0), (0, 2))),
            layers.Conv2D(4, 3, use_bias=False, padding="same", name="first"),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.MaxPooling2D(2, padding="same"),
            layers.Dropout(0.0),
            layers.Conv2D(10, 3, strides=(2, 1), activation="elu"),
            layers.AveragePooling2D(2, strides=1),
            layers.LeakyReLU(0.1),
            layers.GlobalAveragePooling2D(),
            layers.Dense(5, kernel_initializer="he_normal"),
            layers.BatchNormalization(center=False),
            layers.Activation("tanh"),
            layers.Dense(4),
            layers.Softmax(),
        ],
        name="blocks",
    )


def mlp():
    hidden = [layers.Dense(3, "relu", name=f"hidden_{n}") for n in range(12)]
    return Sequential([layers.Input((6,)), *hidden, layers.Dense(4, "softmax", name="out")])


NETS = {"classic": lenet5_classic, "modern": lenet5_modern, "blocks": blocks, "mlp": mlp}
OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.05),
    "momentum": lambda: optimizers.SGD(0.05, 0.9, nesterov=True),
    "adam": lambda: optimizers.Adam(1e-3),
    "amsgrad": lambda: optimizers.Adam(1e-3, amsgrad=True, clipnorm=1.0),
    "adamw": lambda: optimizers.AdamW(1e-3),
    "rmsprop": lambda: optimizers.RMSprop(1e-3, momentum=0.5, centered=True),
    "adagrad": lambda: optimizers.Adagrad(0.01),
    "adadelta": lambda: optimizers.Adadelta(1.0),
    "adamax": lambda: optimizers.Adamax(1e-3),
    "nadam": lambda: optimizers.Nadam(1e-3),
    "schedule": lambda: optimizers.SGD(optimizers.schedules.CosineDecay(0.05, 10), 0.9),
    "average": lambda: optimizers.SGD(0.05, use_ema=True),
}


def data(model, count=32):
    rng = np.random.default_rng(1)
    scale = 255 if type(model.layers[0]).__name__ == "Rescaling" else 1
    x = (rng.random((count, *model.input_shape[1:])) * scale).astype(np.float32)
    return x, rng.integers(0, model.output_shape[1], count)


def trained(net, optimizer="adam"):
    model = compiled(NETS[net], OPTIMIZERS[optimizer](), metrics=["accuracy"])
    x, y = data(model)
    model.fit(x, y, batch_size=8, epochs=2, shuffle=False)
    return model


def on(model, steps=3):
    """The losses of some more steps on the same batches."""
    x, y = data(model)
    told = []
    for step in range(steps):
        part = slice(8 * step, 8 * step + 8)
        loss = model.train_on_batch(x[part], y[part])
        told.append(float(np.ravel(loss)[0]))
        if hasattr(model, "reset_metrics"):
            model.reset_metrics()  # Keras's are means over the batches so far
    return told


def assert_same_predictions(a, b):
    x, _ = data(a)
    ours, theirs = (np.asarray(m.predict(x, verbose=0)) for m in (a, b))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("net", NETS)
def test_keras_predicts_and_goes_on_training_what_we_saved(net, suffix, tmp_path):
    model = trained(net)
    model.save(tmp_path / f"m{suffix}")
    theirs = keras.models.load_model(tmp_path / f"m{suffix}")
    assert_same_predictions(model, theirs)
    assert [layer.name for layer in theirs.layers] == [layer.name for layer in model.layers]
    if suffix == ".keras":  # Keras 3.15 cannot train what it has loaded from an .h5 file
        assert int(theirs.optimizer.iterations) == 8
        np.testing.assert_allclose(on(theirs), on(model), rtol=1e-4)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("net", NETS)
def test_we_predict_and_go_on_training_what_keras_saved(net, suffix, tmp_path):
    source = trained(net)
    source.save(tmp_path / "source.keras")
    theirs = keras.models.load_model(tmp_path / "source.keras")
    on(theirs)  # the state is Keras's own from here on
    theirs.save(tmp_path / f"m{suffix}")
    ours = load_model(tmp_path / f"m{suffix}")
    assert_same_predictions(ours, theirs)
    assert ours.optimizer.iterations == 11
    assert ours.metrics_names == ["loss", "accuracy"]
    np.testing.assert_allclose(on(ours), on(theirs), rtol=1e-4)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_slashes_that_keras_does_not_allow_in_names_are_replaced(suffix, tmp_path):
    model = Sequential([layers.Dense(2, name="a/b", input_shape=(3,)), layers.Dense(2, name="c")])
    model.save(tmp_path / f"m{suffix}")
    theirs = keras.models.load_model(tmp_path / f"m{suffix}")
    assert [layer.name for layer in theirs.layers] == ["a_b", "c"]
    assert_same_predictions(model, theirs)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_the_state_of_each_optimizer_passes_to_keras_and_back(optimizer, suffix, tmp_path):
    model = trained("mlp", optimizer)
    model.save(tmp_path / "m.keras")
    theirs = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(on(theirs), on(model), rtol=1e-4)
    theirs.save(tmp_path / f"n{suffix}")
    back = load_model(tmp_path / f"n{suffix}")
    assert back.optimizer.iterations == model.optimizer.iterations == 11
    ours = dict(zip(model.optimizer.slot_names, model.optimizer.slots, strict=True))
    for name, slot in zip(back.optimizer.slot_names, back.optimizer.slots, strict=True):
        np.testing.assert_allclose(slot, ours[name], rtol=1e-3, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(on(back), on(theirs), rtol=1e-4)


def test_weights_pass_to_keras_and_back(tmp_path):
    model = trained("blocks")
    for name in ("w.weights.h5", "legacy.h5"):
        model.save_weights(tmp_path / name)
        theirs = keras.models.model_from_json(model.to_json())
        theirs.load_weights(tmp_path / name)
        assert_same_predictions(model, theirs)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    theirs.save(tmp_path / "theirs.keras")
    theirs.save(tmp_path / "theirs.h5")
    for path in tmp_path.glob("theirs*"):
        ours = blocks()
        ours.load_weights(path)
        assert_same_predictions(ours, theirs)


@pytest.mark.parametrize("net", NETS)
def test_a_config_passes_to_keras_and_back(net):
    model = compiled(NETS[net], "adam", metrics=["accuracy"])
    theirs = keras.models.model_from_json(model.to_json())
    assert theirs.optimizer.name == "adam"
    assert [w.shape for w in theirs.get_weights()] == [w.shape for w in model.get_weights()]
    for text in (theirs.to_json(), model.to_json()):
        back = pylenet.models.model_from_json(text)
        assert back.name == model.name
        assert [layer.get_config() for layer in back.layers] == [
            layer.get_config() for layer in model.layers
        ]
    again = Sequential.from_config(theirs.get_config())
    assert again.input_shape == model.input_shape


def test_a_functional_chain_of_keras_loads(tmp_path):
    inputs = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Conv2D(3, 3, activation="relu")(inputs)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Flatten()(x)
    theirs = keras.Model(inputs, keras.layers.Dense(4, activation="softmax")(x))
    for suffix in (".keras", ".h5"):
        theirs.save(tmp_path / f"m{suffix}")
        assert_same_predictions(load_model(tmp_path / f"m{suffix}"), theirs)


def test_a_graph_that_branches_is_refused_by_name(tmp_path):
    inputs = keras.Input((4,))
    a = keras.layers.Dense(3, name="left")(inputs)
    b = keras.layers.Dense(3, name="right")(inputs)
    keras.Model(inputs, keras.layers.Add()([a, b])).save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match=r"a graph that branches|which pylenet does not have"):
        load_model(tmp_path / "m.keras")


def test_a_layer_that_pylenet_does_not_have_is_refused_by_name(tmp_path):
    theirs = keras.Sequential([keras.Input((4, 2)), keras.layers.LSTM(3, name="memory")])
    theirs.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="layer 'memory' is a 'LSTM', which pylenet does not have"):
        load_model(tmp_path / "m.keras")
