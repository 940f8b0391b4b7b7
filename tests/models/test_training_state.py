"""The state of a training: taken, compared and put back, whole or not at all."""

import json

import numpy as np
import pytest
from nets import compiled, samples, small, state
from tolerance import assert_same_bits

from pylenet import _random, callbacks, optimizers
from pylenet.augmentation import RandomAffine
from pylenet.utils import set_random_seed

X, Y = samples(45, (8, 7, 2), 4)


def trained(epochs, optimizer="adam", augmentation=None):
    model = compiled(small, optimizer)
    model.fit(X, Y, 9, epochs=epochs, augmentation=augmentation, verbose=0)
    return model


def taken(training_state):
    """Values through JSON, and copies of the arrays."""
    arrays = {name: a.copy() for name, a in training_state.arrays().items()}
    return json.loads(json.dumps(training_state.values())), arrays


class Restore(callbacks.Callback):
    def __init__(self, values, arrays):
        self.taken = values, arrays

    def on_train_begin(self, logs=None):
        self.model.training_state.restore(*self.taken)


@pytest.mark.parametrize("augmented", [False, True])
def test_a_training_goes_on_from_a_state_to_the_same_bits(augmented):
    def augmentation():
        return RandomAffine(zoom_factor=0.1) if augmented else None

    whole = trained(4, augmentation=augmentation())
    half = taken(trained(2, augmentation=augmentation()).training_state)
    assert half[0]["epochs"] == 2
    set_random_seed(99)
    model = compiled(small, "adam", seed=5)
    history = model.fit(
        *(X, Y, 9, 4, 0, Restore(*half)),
        augmentation=augmentation(),
    )
    assert history.epoch == [2, 3]
    assert_same_bits(state(model), state(whole))
    assert_same_bits(tuple(model.optimizer.slots), tuple(whole.optimizer.slots))
    assert model.optimizer.iterations == whole.optimizer.iterations


def test_a_rate_that_decays_and_was_reduced_goes_on_from_where_it_was():
    def optimizer(decay=0.125):
        return optimizers.SGD(optimizers.schedules.InverseTimeDecay(0.1, 1, decay))

    model = trained(1, optimizer())
    model.optimizer.learning_rate = 0.03
    other = trained(1, optimizer())
    assert other.training_state.identity() == model.training_state.identity()
    assert trained(1, optimizer(0.5)).training_state.identity() != model.training_state.identity()
    other.training_state.restore(*taken(model.training_state))
    assert other.optimizer.base_rate == 0.03
    assert other.optimizer.learning_rate == model.optimizer.learning_rate


@pytest.mark.parametrize(
    ("key", "wrong"),
    [("epochs", -1), ("iterations", 2**70), ("learning_rate", "fast"), ("random", {})],
)
def test_a_state_that_does_not_fit_changes_nothing(key, wrong):
    values, arrays = taken(trained(2).training_state)
    model = trained(1)
    before = taken(model.training_state)
    with pytest.raises((ValueError, TypeError, LookupError)):
        model.training_state.restore(values | {key: wrong}, arrays)
    after = taken(model.training_state)
    assert after[0] == before[0]
    assert_same_bits(tuple(after[1].values()), tuple(before[1].values()))


def test_arrays_of_another_optimizer_are_refused():
    values, arrays = taken(trained(1, "sgd").training_state)
    with pytest.raises(ValueError, match=r"it must hold .*slot\.velocity"):
        trained(1).training_state.restore(values, arrays)


def test_identity_holds_what_is_given_and_no_state():
    def identity(optimizer, **augmentation):
        drawn = RandomAffine(rate=0.5, **augmentation)
        return trained(1, optimizer, drawn).training_state.identity()

    found = identity(optimizers.SGD(0.1))
    assert found == identity(optimizers.SGD(0.2))  # callbacks may change a number
    assert "learning_rate" not in found["optimizer"]["config"]
    assert "seed" not in found["augmentation"]
    assert identity("sgd", seed=3)["augmentation"]["seed"] == 3
    assert (found["batch_size"], found["samples"], found["shuffle"]) == (9, 45, True)


def test_restoring_sets_the_packages_generator_too():
    model = trained(1)
    values, arrays = taken(model.training_state)
    expected = _random.generator().random(3)
    set_random_seed(0)
    model.training_state.restore(values, arrays)
    np.testing.assert_array_equal(_random.generator().random(3), expected)
