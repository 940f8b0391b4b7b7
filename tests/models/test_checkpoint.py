"""ModelCheckpoint in a training: what it writes, and what it refuses before the first epoch."""

import numpy as np
import pytest
from nets import compiled, samples, state, tiny
from tolerance import assert_same_bits

from pylenet import callbacks, layers
from pylenet.callbacks import ModelCheckpoint
from pylenet.models import Sequential, load_model


def train(*given, model=None, epochs=2, **options):
    model = model or compiled(tiny, metrics=["accuracy"])
    x, y = samples(24, (4,), 3)
    model.fit(x, y, batch_size=8, epochs=epochs, callbacks=list(given), **options)
    return model


class Untouched(callbacks.Callback):
    """Fails where a training begins."""

    def on_epoch_begin(self, epoch, logs=None):
        raise AssertionError("an epoch has begun")


# What is refused at once


@pytest.mark.parametrize("name", ["best.pt", "best.npz", "{epoch}.tflite", "a/b.pkl"])
def test_an_ending_that_cannot_be_written_is_refused_by_the_constructor(name):
    with pytest.raises(ValueError, match=r"filepath must end in .safetensors"):
        ModelCheckpoint(name)


@pytest.mark.parametrize("name", ["best.h5", "best.keras", "best.weights.h5"])
def test_a_missing_package_is_named_by_the_constructor(name, monkeypatch):
    monkeypatch.setattr("pylenet.convert._missing", lambda packages: "h5py" if packages else None)
    with pytest.raises(ImportError, match=r"pip install .pylenet\[keras\]. \(h5py is missing"):
        ModelCheckpoint(name, save_weights_only=name.endswith("weights.h5"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{val_acc:.2f}", r"names among \['epoch', 'accuracy', 'loss', 'learning_rate'\]"),
        ("{epoch:02d}-{val_loss:.2f}", "filepath must use names among"),
        ("{batch}", "filepath must use names among"),
        ("{}", "filepath must use names among"),
        ("{loss:d}", "Unknown format code"),
    ],
)
def test_a_name_that_the_logs_will_not_have_is_refused_before_the_first_epoch(
    name, message, tmp_path
):
    model = compiled(tiny, metrics=["accuracy"])
    former = state(model)
    with pytest.raises(ValueError, match=message):
        train(ModelCheckpoint(tmp_path / name), model=model)
    assert_same_bits(state(model), former)


def test_a_name_that_a_callback_of_the_user_s_adds_is_taken(tmp_path):
    class Extra(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_f1"] = 0.25

    train(Extra(), ModelCheckpoint(tmp_path / "{epoch}-{val_f1:.2f}"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-0.25", "2-0.25"]


def test_a_folder_in_its_place_is_refused_before_the_first_epoch(tmp_path):
    (tmp_path / "best").mkdir()
    with pytest.raises(ValueError, match="filepath must be a file, got the folder"):
        train(ModelCheckpoint(tmp_path / "best"), Untouched())


def test_a_layer_that_the_format_does_not_have_is_refused_before_the_first_epoch(tmp_path):
    pytest.importorskip("h5py")
    model = Sequential([layers.Dense(3, "scaled_tanh", input_shape=(4,))])
    model.compile("sgd", "mse")
    x, y = samples(24, (4,), 3)
    with pytest.raises(ValueError, match="activation 'scaled_tanh', which Keras has not"):
        model.fit(x, np.eye(3)[y], callbacks=[ModelCheckpoint(tmp_path / "m.keras"), Untouched()])


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.weights.h5", "w.h5"])
def test_keras_s_formats_are_written_by_their_endings(name, tmp_path):
    pytest.importorskip("h5py")
    alone = name != "m.keras" and name != "m.h5"
    model = train(ModelCheckpoint(tmp_path / name, save_weights_only=alone))
    other = tiny()
    other.load_weights(tmp_path / name)
    assert_same_bits(state(other), state(model))


# What is written


def test_names_are_made_of_the_epoch_and_the_logs(tmp_path):
    path = tmp_path / "runs" / "{epoch:02d}-{val_loss:.3f}.safetensors"
    model = train(ModelCheckpoint(path), validation_split=0.25)
    losses_ = model.history.history["val_loss"]
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [
        f"{epoch:02d}-{loss:.3f}.safetensors" for epoch, loss in enumerate(losses_, 1)
    ]


def test_a_checkpoint_goes_on_to_the_bits_of_a_training_that_did_not_stop(tmp_path):
    whole = train(model=compiled(tiny, "adam"), epochs=3, shuffle=False)
    train(ModelCheckpoint(tmp_path / "m"), model=compiled(tiny, "adam"), epochs=2, shuffle=False)
    on = train(model=load_model(tmp_path / "m"), epochs=1, shuffle=False)
    assert_same_bits(state(on), state(whole))
    assert on.optimizer.iterations == 9


def test_weights_alone_are_saved_where_that_is_asked_for(tmp_path):
    model = train(ModelCheckpoint(tmp_path / "w.safetensors", save_weights_only=True))
    other = tiny()
    other.load_weights(tmp_path / "w.safetensors")
    assert_same_bits(state(other), state(model))
    with pytest.raises(ValueError, match="load_weights"):
        load_model(tmp_path / "w.safetensors")


def test_it_saves_every_so_many_steps_across_epochs(tmp_path):
    """Three steps an epoch."""
    train(ModelCheckpoint(tmp_path / "{epoch}-{batch}", save_freq=2), epochs=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-2", "2-1", "2-3", "3-2"]


def test_nothing_is_saved_that_is_not_better_than_the_threshold(tmp_path):
    options = {"monitor": "loss", "save_best_only": True}
    train(ModelCheckpoint(tmp_path / "m", initial_value_threshold=0.0, **options))
    assert not (tmp_path / "m").exists()
    train(ModelCheckpoint(tmp_path / "m", initial_value_threshold=9.0, **options))
    assert (tmp_path / "m").exists()


def test_arguments_have_keras_s_order(tmp_path):
    checkpoint = ModelCheckpoint(tmp_path / "m", "val_accuracy", 1, True, True, "max", 5, 0.5)
    assert (checkpoint.monitor, checkpoint.verbose, checkpoint.save_best_only) == (
        *("val_accuracy", 1, True),
    )
    assert (checkpoint.save_weights_only, checkpoint.mode) == (True, "max")
    assert (checkpoint.save_freq, checkpoint.best) == (5, 0.5)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"save_freq": "batch"}, ValueError, "save_freq must be 'epoch' or an integer"),
        ({"save_freq": 0}, ValueError, "save_freq must be an integer >= 1"),
        ({"save_freq": 2.5}, TypeError, "save_freq must be an integer"),
        ({"save_weights_only": 1}, TypeError, "save_weights_only must be True or False"),
        ({"initial_value_threshold": "x"}, TypeError, "initial_value_threshold must be a number"),
    ],
)
def test_wrong_arguments_are_named(options, error, message, tmp_path):
    with pytest.raises(error, match=message):
        ModelCheckpoint(tmp_path / "m", **options)
