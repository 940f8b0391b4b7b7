"""BackupAndRestore: a training stopped anywhere and run again ends with the same bits."""

import json
import os

import numpy as np
import pytest
import safetensors.numpy
from kinds import copy_of
from nets import compiled, samples, small, state
from tolerance import assert_same_bits

from pylenet import Sequential, callbacks, layers, optimizers
from pylenet.augmentation import RandomAffine
from pylenet.callbacks import BackupAndRestore
from pylenet.optimizers import schedules
from pylenet.utils import set_random_seed

EPOCHS, N = 4, 45
OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.05),
    "nesterov, decay, one cycle": lambda: optimizers.SGD(
        schedules.OneCycle(0.1, EPOCHS * 5), momentum=0.9, nesterov=True, weight_decay=0.01
    ),
    "adam": lambda: optimizers.Adam(0.01),
    "adamw, cosine": lambda: optimizers.AdamW(schedules.CosineDecay(0.01, EPOCHS * 5)),
}


class Stopped(Exception):
    pass


class StopAt(callbacks.Callback):
    """Ends the run in the given epoch, before its backup is written or after."""

    def __init__(self, epoch, hook):
        self.epoch = epoch
        setattr(self, hook, self._stop)

    def _stop(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Stopped


def random_and_averaging():
    """Layers with more of a state than what is trained: what they draw, moving averages."""
    own = [layers.Dropout(0.2), layers.BatchNormalization(momentum=0.8)]
    own += [copy_of(layer) for layer in small().layers[:-1]]
    own += [layers.Dropout(0.5), layers.BatchNormalization(scale=False)]
    return Sequential([layers.Input((8, 7, 2)), *own, layers.Dense(4, "softmax")])


def train(folder, optimizer, more=(), seed=3, n=N, epochs=EPOCHS, build=small, **arguments):
    """One run of a script that trains with a backup in `folder`."""
    x, y = samples(N, (8, 7, 2), 4)
    model = compiled(build, OPTIMIZERS[optimizer](), seed=seed)
    backup = BackupAndRestore(folder, **arguments)
    history = model.fit(
        x[:n], y[:n], batch_size=9, epochs=epochs, callbacks=[*more, backup], verbose=0
    )
    return model, history


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end"])
@pytest.mark.parametrize("epoch", range(EPOCHS))
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_stopped_training_run_again_ends_with_the_bits_of_one_that_was_not(
    optimizer, epoch, hook, tmp_path
):
    whole, _ = train(tmp_path / "whole", optimizer)
    with pytest.raises(Stopped):
        train(tmp_path / "b", optimizer, [StopAt(epoch, hook)])
    set_random_seed(99)
    model, history = train(tmp_path / "b", optimizer)
    assert history.epoch == list(range(epoch, EPOCHS))
    assert_same_bits(state(model), state(whole))
    assert_same_bits(tuple(model.optimizer.slots), tuple(whole.optimizer.slots))
    assert model.optimizer.iterations == whole.optimizer.iterations == EPOCHS * 5


def test_stopped_after_every_epoch_it_ends_with_the_same_bits(tmp_path):
    whole, _ = train(tmp_path / "whole", "adam")
    for epoch in range(1, EPOCHS):
        with pytest.raises(Stopped):
            train(tmp_path / "b", "adam", [StopAt(epoch, "on_epoch_begin")], seed=2 + epoch)
    model, _ = train(tmp_path / "b", "adam")
    assert_same_bits(state(model), state(whole))


@pytest.mark.parametrize("epoch", range(EPOCHS))
def test_what_layers_draw_and_average_goes_on_too(epoch, tmp_path):
    whole, _ = train(tmp_path / "whole", "adam", build=random_and_averaging)
    stop = [StopAt(epoch, "on_epoch_begin")]
    with pytest.raises(Stopped):
        train(tmp_path / "b", "adam", stop, build=random_and_averaging)
    another = 3 if epoch == 0 else 8  # before the first epoch there is no backup
    model, _ = train(tmp_path / "b", "adam", seed=another, build=random_and_averaging)
    assert_same_bits(state(model), state(whole))
    assert model.training_state.seed == whole.training_state.seed


def test_a_learning_rate_that_callbacks_change_goes_on_from_where_it_was(tmp_path):
    def halved():
        return callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.7)

    whole, _ = train(tmp_path / "whole", "sgd", [halved()])
    with pytest.raises(Stopped):
        train(tmp_path / "b", "sgd", [halved(), StopAt(2, "on_epoch_begin")])
    model, history = train(tmp_path / "b", "sgd", [halved()])
    assert_same_bits(state(model), state(whole))
    assert history.history["learning_rate"][-1] == model.optimizer.learning_rate


def test_the_backup_is_removed_when_training_ends_by_itself_or_kept_as_asked(tmp_path):
    train(tmp_path / "a" / "b", "sgd")
    assert list((tmp_path / "a").iterdir()) == []
    model, _ = train(tmp_path / "kept", "sgd", delete_checkpoint=False)
    assert [p.name for p in (tmp_path / "kept").iterdir()] == ["backup.safetensors"]
    again, history = train(tmp_path / "kept", "sgd", seed=8)
    assert history.epoch == []
    assert_same_bits(state(again), state(model))


def test_other_files_in_the_folder_stay_and_torn_ones_are_swept_away(tmp_path):
    (tmp_path / "other").write_text("x")
    (tmp_path / ".backup.safetensors.0123.tmp").write_text("torn")
    train(tmp_path, "sgd")
    assert [p.name for p in tmp_path.iterdir()] == ["other"]


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"optimizer": "adam"}, "optimizer was"),
        ({"n": 20}, "samples was 45, got 20"),
        ({"optimizer": "nesterov, decay, one cycle"}, "optimizer was"),
    ],
    ids=str,
)
def test_the_backup_of_another_training_is_refused_and_kept(other, named, tmp_path):
    train(tmp_path, "sgd", epochs=2, delete_checkpoint=False)
    before = (tmp_path / "backup.safetensors").read_bytes()
    with pytest.raises(ValueError, match=f"cannot be gone on from: .* another training: {named}"):
        train(tmp_path, **({"optimizer": "sgd"} | other))
    assert (tmp_path / "backup.safetensors").read_bytes() == before


@pytest.fixture(scope="module")
def backup(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backup")
    train(folder, "adam", epochs=2, delete_checkpoint=False)
    return (folder / "backup.safetensors").read_bytes()


def test_a_truncated_backup_is_a_value_error(backup, tmp_path):
    for length in {*range(0, 600, 7), *range(600, len(backup), 501), len(backup) - 1}:
        (tmp_path / "backup.safetensors").write_bytes(backup[:length])
        with pytest.raises(ValueError, match="cannot be gone on from"):
            train(tmp_path, "adam", epochs=3)


CHANGES = {
    "format": ("format", None),
    "epochs": ("epochs", -1),
    "epochs as text": ("epochs", "2"),
    "iterations": ("iterations", 1.5),
    "iterations too many": ("iterations", 2**70),
    "random": ("random", {}),
    "random of another kind": ("random", 3),
    "generator": ("random", {"bit_generator": "os.system", "state": {}}),
    "learning rate": ("learning_rate", -1),
    "learning rate as text": ("learning_rate", "x"),
    "learning rate missing": ("learning_rate", None),
    "training": ("training", None),
    "training as list": ("training", []),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_backup_that_was_tampered_with_is_a_value_error_and_nothing_is_taken(
    name, backup, tmp_path
):
    size = int.from_bytes(backup[:8], "little")
    metadata = json.loads(json.loads(backup[8 : 8 + size])["__metadata__"]["backup"])
    key, value = CHANGES[name]
    metadata |= {"learning_rate": 0.5, key: value}
    arrays = safetensors.numpy.load(backup)
    safetensors.numpy.save_file(
        arrays, tmp_path / "backup.safetensors", {"backup": json.dumps(metadata)}
    )
    x, y = samples(N, (8, 7, 2), 4)
    model = compiled(small, OPTIMIZERS["adam"]())
    before = state(model)
    with pytest.raises(ValueError, match="cannot be gone on from"):
        model.fit(x, y, 9, 3, 0, BackupAndRestore(tmp_path))
    assert_same_bits(state(model), before)
    assert model.optimizer.iterations == 0
    assert model.optimizer.learning_rate == 0.01


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_backup_that_cannot_be_written_leaves_the_one_before(failing, tmp_path, monkeypatch):
    """As a kill at that moment would."""
    train(tmp_path, "sgd", epochs=2, delete_checkpoint=False)
    before = (tmp_path / "backup.safetensors").read_bytes()

    def fail(*arguments):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, fail)
        with pytest.raises(OSError, match="no space left"):
            train(tmp_path, "sgd")
    assert [p.name for p in tmp_path.iterdir()] == ["backup.safetensors"]
    assert (tmp_path / "backup.safetensors").read_bytes() == before


def test_weights_of_another_size_are_a_value_error(backup, tmp_path):
    size = int.from_bytes(backup[:8], "little")
    metadata = json.loads(backup[8 : 8 + size])["__metadata__"]
    arrays = safetensors.numpy.load(backup)
    for spoilt in (arrays | {"more": np.zeros(1, np.float32)}, {"parameters": np.zeros(3)}):
        safetensors.numpy.save_file(spoilt, tmp_path / "backup.safetensors", metadata)
        with pytest.raises(ValueError, match="it must hold"):
            train(tmp_path, "adam", epochs=3)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((3,), TypeError, "backup_dir must be"),
        (("",), ValueError, "backup_dir must name a folder"),
        (("b", 100), ValueError, "save_freq must be 'epoch', got 100"),
        (("b", "epoch", 1), TypeError, "delete_checkpoint must be True or False"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        BackupAndRestore(*arguments)


# Distorted images

FACTORS = {"rotation_factor": 0.1, "zoom_factor": 0.1}


def train_distorted(folder, augmentation, more=(), **arguments):
    x, y = samples(N, (8, 7, 2), 4)
    model = compiled(small, OPTIMIZERS["sgd"](), seed=3)
    given = {"batch_size": 9, "epochs": EPOCHS, "verbose": 0} | arguments
    hooks = [*more, BackupAndRestore(folder, delete_checkpoint=False)]
    model.fit(x, y, augmentation=augmentation, callbacks=hooks, **given)
    return model


@pytest.mark.parametrize("seed", [None, 5])
def test_a_training_on_distorted_images_goes_on_to_the_same_bits(seed, tmp_path):
    augmentation = RandomAffine(**FACTORS, seed=seed)
    whole = train_distorted(tmp_path / "whole", augmentation)
    stop = StopAt(2, "on_epoch_begin")
    with pytest.raises(Stopped):
        train_distorted(tmp_path / "part", augmentation, [stop])
    later = RandomAffine(**FACTORS, seed=seed)  # without a seed it draws another one
    model = train_distorted(tmp_path / "part", later)
    assert later.seed == augmentation.seed
    assert_same_bits(state(model), state(whole))


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "5", None])
def test_a_seed_that_was_tampered_with_is_a_value_error(seed, tmp_path):
    train_distorted(tmp_path, RandomAffine(**FACTORS))
    path = tmp_path / "backup.safetensors"
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = json.loads(file.metadata()["backup"])
    text = json.dumps(metadata | {"augmentation_seed": seed})
    safetensors.numpy.save_file(safetensors.numpy.load_file(path), path, {"backup": text})
    with pytest.raises(ValueError, match="cannot be gone on from: augmentation_seed must be"):
        train_distorted(tmp_path, RandomAffine(**FACTORS))


@pytest.mark.parametrize(
    ("augmentation", "arguments", "text"),
    [
        (RandomAffine(rotation_factor=0.1, seed=5), {}, "augmentation"),
        (RandomAffine(**FACTORS, seed=6), {}, "augmentation"),
        (None, {}, "augmentation"),
        (RandomAffine(**FACTORS, seed=5), {"batch_size": 10}, "batch_size"),
        (RandomAffine(**FACTORS, seed=5), {"shuffle": False}, "shuffle"),
        (RandomAffine(**FACTORS, seed=5), {"validation_split": 0.2}, "samples"),
    ],
)
def test_a_backup_of_a_training_on_other_images_is_refused(augmentation, arguments, text, tmp_path):
    train_distorted(tmp_path, RandomAffine(**FACTORS, seed=5))
    with pytest.raises(ValueError, match=f"it is of another training: {text} was"):
        train_distorted(tmp_path, augmentation, **arguments)
