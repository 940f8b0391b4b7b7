"""Model files: what is written, and what comes back."""

import copy
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from nets import LENETS, compiled, samples, small, state, tiny
from tolerance import assert_same_bits

from pylenet import initializers, losses, optimizers
from pylenet.layers import (
    Activation,
    AveragePooling2D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Rescaling,
)
from pylenet.models import Sequential, load_model
from pylenet.optimizers import schedules
from pylenet.utils import set_random_seed


def every_layer():
    return Sequential(
        [
            Rescaling(0.5, 0.1, input_shape=(8, 7, 2), name="scaled"),
            Conv2D(3, (2, 3), (1, 2), "same", activation="tanh", use_bias=False),
            AveragePooling2D(2, strides=1, name="mean"),
            Activation("sigmoid"),
            Conv2D(2, 2, kernel_initializer=initializers.HeUniform(seed=3)),
            Flatten(),
            Dense(3, "relu", bias_initializer="ones"),
            Dense(4),
            Activation("softmax"),
        ],
        name="every layer",
    )


MODELS = {**LENETS, "small": small, "tiny": tiny, "every layer": every_layer}


# What comes back


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_is_the_one_that_was_saved(name, isa, tmp_path):
    model = compiled(MODELS[name])
    model.set_weights([w + 0.01 for w in model.get_weights()])
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = load_model(path)
    assert loaded.name == model.name
    assert loaded.input_shape == model.input_shape
    assert [layer.get_config() for layer in loaded.layers] == [
        layer.get_config() for layer in model.layers
    ]
    assert_same_bits(tuple(loaded.get_weights()), tuple(model.get_weights()))
    x = np.random.default_rng(0).integers(0, 255, (19, *model.input_shape[1:])).astype(np.uint8)
    assert_same_bits(loaded.predict(x), model.predict(x))


@pytest.mark.parametrize(
    ("optimizer", "loss", "metrics"),
    [
        (optimizers.SGD(0.2, 0.9, True, weight_decay=0.1), "mse", ["accuracy"]),
        (optimizers.Adam(0.002, epsilon=1e-3), "categorical_crossentropy", []),
        (
            optimizers.AdamW(schedules.CosineDecay(0.1, 100, warmup_target=0.2, warmup_steps=5)),
            "sparse_categorical_crossentropy",
            ["acc"],
        ),
    ],
)
def test_a_loaded_model_is_compiled_as_it_was(optimizer, loss, metrics, tmp_path):
    model = compiled(tiny, optimizer, loss, metrics=metrics)
    model.save(tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    assert optimizers.serialize(loaded.optimizer) == optimizers.serialize(model.optimizer)
    assert losses.serialize(loaded.loss) == losses.serialize(model.loss)
    assert tuple(loaded.metrics_names) == tuple(model.metrics_names)
    assert loaded.optimizer.iterations == 0


OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1),
    "momentum": lambda: optimizers.SGD(0.05, 0.9, nesterov=True),
    "adam": lambda: optimizers.Adam(0.01),
    "adamw": lambda: optimizers.AdamW(0.01, weight_decay=0.1),
    "schedule": lambda: optimizers.Adam(schedules.OneCycle(0.02, 30)),
    "amsgrad": lambda: optimizers.Adam(0.01, amsgrad=True),
    "rmsprop": lambda: optimizers.RMSprop(0.01, momentum=0.5, centered=True),
    "adagrad": lambda: optimizers.Adagrad(0.1),
    "adadelta": lambda: optimizers.Adadelta(1.0),
    "adamax": lambda: optimizers.Adamax(0.01),
    "nadam": lambda: optimizers.Nadam(0.01),
    "average": lambda: optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9),
    "sdlm": lambda: optimizers.SDLM(0.001),
}


def trained(optimizer):
    set_random_seed(5)
    model = Sequential(
        [
            Conv2D(3, 3, activation="relu", input_shape=(7, 6, 2)),
            Flatten(),
            Dropout(0.25),
            Dense(4),
            Activation("softmax"),
        ]
    )
    model.compile(optimizer(), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(*samples_of(), batch_size=8, epochs=3)
    return model


def samples_of(count=40):
    rng = np.random.default_rng(0)
    return rng.random((count, 7, 6, 2), np.float32), np.arange(count) % 4


@pytest.mark.parametrize("how", ["save", "pickle", "copy"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_training_goes_on_to_the_same_bits_after_save_and_load(name, how, tmp_path):
    def run(cut):
        set_random_seed(5)
        model = trained(OPTIMIZERS[name])
        if cut and how == "save":
            model.save(tmp_path / "m.safetensors")
            model = load_model(tmp_path / "m.safetensors")
        elif cut:
            model = pickle.loads(pickle.dumps(model)) if how == "pickle" else copy.deepcopy(model)
        history = model.fit(*samples_of(), batch_size=8, epochs=2).history
        return (state(model), *model.optimizer.slots, np.array(history["loss"], np.float32)), model

    (whole, one), (cut, other) = run(False), run(True)
    assert_same_bits(cut, whole)
    assert other.optimizer.iterations == one.optimizer.iterations == 25
    if name not in ("sgd", "sdlm"):  # whose state an epoch makes anew
        fresh = trained(OPTIMIZERS[name])
        fresh.compile(OPTIMIZERS[name](), fresh.loss)
        fresh.fit(*samples_of(), batch_size=8, epochs=2)
        assert np.any(state(fresh) != state(one))


def test_a_loss_that_compile_refuses_leaves_a_loaded_model_uncompiled(tmp_path):
    """As in files from before a cross-entropy after a linear end was refused."""
    model = compiled(lambda: Sequential([Dense(3, input_shape=(4,))]), optimizers.Adam(), "mse")
    model.save(tmp_path / "m")
    data = (tmp_path / "m").read_bytes()
    old, new = b"MeanSquaredError", b"CategoricalCrossentropy"
    data = data.replace(old, new).replace(b"mean_squared_error", b"crossentropy".ljust(11))
    assert len(data) - (tmp_path / "m").stat().st_size == 1
    (tmp_path / "m").write_bytes(bytes([data[0] + 1]) + data[1:])
    with pytest.warns(UserWarning, match="is loaded without being compiled: loss 'categorical"):
        loaded = load_model(tmp_path / "m")
    assert loaded.loss is None
    assert_same_bits(state(loaded), state(model))
    assert load_model(tmp_path / "m", compile=False).loss is None  # without a warning


def test_a_file_of_the_first_format_loads(tmp_path):
    model = compiled(tiny)
    model.save(tmp_path / "m")
    data = (tmp_path / "m").read_bytes()
    (tmp_path / "m").write_bytes(data.replace(b"pylenet-2", b"pylenet-1"))
    assert_same_bits(state(load_model(tmp_path / "m")), state(model))


# Weights alone


def test_weights_come_back_into_a_model_of_the_same_shapes(tmp_path):
    model, other = small(), small()
    path = tmp_path / "w.safetensors"
    model.save_weights(path)
    assert set(safetensors.numpy.load_file(path)) == set(model.named_weights())
    other.load_weights(path)
    assert_same_bits(state(other), state(model))
    with pytest.raises(ValueError, match=r"weights alone are for load_weights"):
        load_model(path)
    with pytest.raises(FileExistsError, match="overwrite=False"):
        model.save_weights(path, overwrite=False)


def test_weights_are_taken_from_a_whole_model_with_an_optimizer(tmp_path):
    model = trained(OPTIMIZERS["adam"])
    model.save(tmp_path / "m")
    other = trained(OPTIMIZERS["sgd"])
    other.load_weights(tmp_path / "m")
    assert_same_bits(state(other), state(model))


def test_weights_that_do_not_fit_change_nothing(tmp_path):
    small().save_weights(tmp_path / "w")
    model = tiny()
    former = state(model)
    with pytest.raises(ValueError, match="other weights than this model: its tensors must be"):
        model.load_weights(tmp_path / "w")
    assert_same_bits(state(model), former)
    with pytest.raises(FileNotFoundError, match="must be a file of weights"):
        model.load_weights(tmp_path / "none")
    (tmp_path / "text").write_text("weights")
    with pytest.raises(ValueError, match="holds no weights"):
        model.load_weights(tmp_path / "text")


def test_logits_stay_logits(tmp_path):
    model = Sequential([Dense(3, input_shape=(4,))])
    model.compile("adam", losses.SparseCategoricalCrossentropy(from_logits=True))
    model.save(tmp_path / "m")
    x, y = samples(9, (4,), 3)
    assert load_model(tmp_path / "m").evaluate(x, y) == model.evaluate(x, y)


def test_a_model_that_was_not_compiled_is_not_compiled_when_loaded(tmp_path):
    tiny().save(tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    assert loaded.loss is loaded.optimizer is None
    with pytest.raises(ValueError, match="must be compiled first"):
        loaded.evaluate(*samples(3, (4,), 3))


def test_a_loaded_model_knows_what_it_was_trained_on(tmp_path):
    model = tiny()
    assert model.data_name is model.class_names is None
    model.data_name, model.class_names = "irises, as measured", ["setosa", "Größe", "virginica"]
    model.save(tmp_path / "m")
    for other in (load_model(tmp_path / "m"), copy.deepcopy(model)):
        assert other.data_name == "irises, as measured"
        assert other.class_names == ("setosa", "Größe", "virginica")
    model.data_name = model.class_names = None
    model.save(tmp_path / "m")
    assert load_model(tmp_path / "m").class_names is None


def test_a_model_s_data_and_classes_are_names():
    model = tiny()
    with pytest.raises(TypeError, match="data_name must be a str, got 3"):
        model.data_name = 3
    for wrong in ("abc", 3, [1, 2, 3]):
        with pytest.raises(TypeError, match="class_names must be a"):
            model.class_names = wrong
    with pytest.raises(ValueError, match=r"class_names must be one for each .* \(3,\), got 2"):
        model.class_names = ["a", "b"]
    assert model.class_names is None


def test_a_file_from_before_models_knew_their_data_is_loaded(tmp_path):
    tiny().save(tmp_path / "m")
    with safetensors.safe_open(tmp_path / "m", framework="numpy") as file:
        config = json.loads(file.metadata()["model"])
    del config["data_name"], config["class_names"]
    arrays = safetensors.numpy.load_file(tmp_path / "m")
    safetensors.numpy.save_file(arrays, tmp_path / "m", {"model": json.dumps(config)})
    assert load_model(tmp_path / "m").data_name is None


def test_a_loaded_model_trains_on_as_the_saved_one(tmp_path):
    x, y = samples(40, (8, 7, 2), 4)
    model = compiled(small, optimizers.SGD(0.1))
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "m")
    loaded = load_model(tmp_path / "m")
    model.fit(x, y, shuffle=False, verbose=0)
    loaded.fit(x, y, shuffle=False, verbose=0)
    assert_same_bits(state(loaded), state(model))


def test_loading_draws_no_random_numbers(tmp_path):
    every_layer().save(tmp_path / "m")
    found = []
    for load in (True, False):
        set_random_seed(1)
        if load:
            load_model(tmp_path / "m")
        found.append(state(tiny()))
    assert_same_bits(*found)


class MyInitializer(initializers.Zeros):
    pass


class MySchedule(schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.1

    def get_config(self):
        return {}


class MyLayer(Rescaling):
    pass


@pytest.mark.parametrize(
    ("layer", "optimizer"),
    [
        (Dense(2, kernel_initializer=MyInitializer(), input_shape=(2,)), "sgd"),
        (Dense(2, input_shape=(2,)), optimizers.SGD(MySchedule())),
        (MyLayer(2.0, input_shape=(2,)), "sgd"),
    ],
    ids=["initializer", "schedule", "layer"],
)
def test_what_cannot_be_loaded_is_not_saved(layer, optimizer, tmp_path):
    """A file that only fails when it is needed would be worse than an error now."""
    model = Sequential([layer])
    model.compile(optimizer, "mse")
    with pytest.raises((TypeError, ValueError), match="My"):
        model.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


# What is written


def test_the_file_is_plain_safetensors_with_readable_names(tmp_path):
    model = compiled(LENETS["classic"])
    path = tmp_path / "lenet.safetensors"
    model.save(path)
    tensors = safetensors.numpy.load_file(path)
    names = ["conv2d", "conv2d_1", "dense", "dense_1", "dense_2"]
    expected = [f"{name}.{kind}" for name in names for kind in ("kernel", "bias")]
    assert sorted(tensors) == sorted(expected)
    for name, weights in zip(expected, model.get_weights(), strict=True):
        assert_same_bits(tensors[name], weights)
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    config = json.loads(metadata["model"])
    assert config["format"] == "pylenet-2"
    assert config["name"] == "lenet5_classic"
    assert config["input_shape"] == [28, 28, 1]
    assert [layer["class_name"] for layer in config["layers"]][:2] == ["Rescaling", "Conv2D"]
    assert path.stat().st_size < 44_426 * 4 + 8192


def test_the_same_model_is_the_same_bytes(tmp_path):
    model = compiled(LENETS["modern"])
    files = [tmp_path / f"{i}.safetensors" for i in range(8)]
    for file in files:
        model.save(file)
    assert len({file.read_bytes() for file in files}) == 1


@pytest.mark.parametrize("name", ["m", "m.safetensors", "m.v1.2", "Größe {x}.safetensors"])
@pytest.mark.parametrize("kind", [str, Path])
def test_any_name_without_a_foreign_suffix_will_do(name, kind, tmp_path):
    model = tiny()
    model.save(kind(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert_same_bits(state(load_model(kind(tmp_path / name))), state(model))


def test_an_ending_that_no_format_has_is_written_as_it_is_with_a_warning(tmp_path):
    model = tiny()
    with pytest.warns(
        UserWarning, match=r"'.*m.model' has an ending of no format known here: what"
    ):
        model.save(tmp_path / "m.model")
    assert_same_bits(state(load_model(tmp_path / "m.model")), state(model))


def test_a_name_in_the_current_folder_will_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tiny().save("m")
    assert load_model("m").built


@pytest.mark.parametrize("name", ["m.pt", "m.npz", "m.tflite", "m.PKL", "m.pb"])
def test_a_name_of_a_format_that_is_not_written_keeps_the_model_beside_it(name, tmp_path):
    model = tiny()
    for expected in ("m.safetensors", "m-2.safetensors", "m-3.safetensors"):  # nothing is replaced
        with pytest.warns(UserWarning, match="must end in .safetensors.* instead") as warned:
            model.save(tmp_path / name)
        assert repr(str(tmp_path / expected)) in str(warned[0].message)
        assert_same_bits(state(load_model(tmp_path / expected)), state(model))
    assert len(list(tmp_path.iterdir())) == 3


def test_a_model_is_not_saved_where_there_is_no_folder_for_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="filepath must be in an existing folder"):
        tiny().save(tmp_path / "none" / "m")
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match="filepath must be in an existing folder"):
        tiny().save(tmp_path / "file" / "m")


def test_a_model_is_saved_beside_a_folder_not_in_its_place(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.warns(UserWarning, match="must be a file, got the folder .*folder.safetensors"):
        tiny().save(tmp_path / "folder")
    assert load_model(tmp_path / "folder.safetensors").built
    for path in ("", "."):
        with pytest.raises(ValueError, match="filepath must be a file, got the folder"):
            tiny().save(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "folder.safetensors"]


def test_a_file_that_is_there_is_kept_where_it_must_not_be_overwritten(tmp_path):
    path = tmp_path / "m"
    tiny().save(path, overwrite=False)
    former = path.read_bytes()
    with pytest.raises(FileExistsError, match="filepath must be new with overwrite=False, got"):
        small().save(path, overwrite=False)
    with pytest.raises(TypeError, match="overwrite must be True or False"):
        small().save(path, overwrite=1)
    assert path.read_bytes() == former
    small().save(path, overwrite=True)
    assert path.read_bytes() != former


@pytest.mark.parametrize("path", [3, None, ["m"]])
def test_a_path_of_the_wrong_kind_is_named(path):
    with pytest.raises(TypeError, match="filepath"):
        tiny().save(path)
    with pytest.raises(TypeError, match="filepath"):
        load_model(path)


@pytest.mark.parametrize("failing", ["replace", "fsync"])
def test_the_old_file_stays_whole_when_saving_fails(failing, tmp_path, monkeypatch):
    path = tmp_path / "m"
    tiny().save(path)
    old = path.read_bytes()

    def fail(*args):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail)
        with pytest.raises(OSError, match="no space left"):
            small().save(path)
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    assert path.read_bytes() == old
    small().save(path)
    assert load_model(path).count_params() == small().count_params()
