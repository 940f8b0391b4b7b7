"""Training with Dropout: which values are dropped is known, whatever computes them."""

import numpy as np
import pytest
from kinds import copy_of
from kinds.dropout import factors
from nets import compiled, samples, small, state
from tolerance import assert_same_bits

import pylenet
from pylenet import _random, callbacks, layers, optimizers
from pylenet.layers import Conv2D, Dense, Dropout, Flatten, Input
from pylenet.models import Sequential
from pylenet.utils import set_random_seed

SHAPES = [(5, 4, 3), (6, 7, 1), (3, 3, 17), (9,), (1,), (130,)]
RATES = [0, 0.5, 0.999]


class Seen:
    """A model with Dropout that shows what came through it in a step, and `factors`.

    On top is a dense layer of one unit for each image, of which only its own unit is wrong; a step
    moves a unit's kernel, at first all zero, along the image that came through.
    """

    def __init__(self, shape, images, *dropouts, learning_rate=1.0):
        self.shape, self.images = shape, images

        def build():
            top = Dense(images, use_bias=False, kernel_initializer="zeros")
            return Sequential([Input(shape), *dropouts, Flatten(), top])

        # The gradient of the mean squared error is 2 / (images * images of the step).
        self.model = compiled(build, optimizers.SGD(learning_rate), "mse")
        self.x, self.rows = np.ones((images, *shape), np.float32), np.eye(images)
        self.learning_rate = learning_rate

    def factors(self, images_of_step=None):
        """(images, *shape): what each value was multiplied with since the weights were zero."""
        (kernel,) = self.model.get_weights()
        self.model.set_weights([np.zeros_like(kernel)])
        step = 2 * self.learning_rate / self.images / (images_of_step or self.images)
        return (kernel / step).T.reshape(self.images, *self.shape)

    def of_batch(self):
        self.model.train_on_batch(self.x, self.rows)
        return self.factors()


def check(actual, expected):
    """The same are zero, and the others are as large as they must be."""
    np.testing.assert_array_equal(actual == 0, expected == 0)
    np.testing.assert_allclose(actual, expected, rtol=1e-5)


@pytest.mark.parametrize("images", [1, 3, 8, 15, 16, 17, 40])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_a_step_drops_is_what_an_independent_generator_says(shape, images, isa, threads):
    for rate, seed in zip([*RATES, 0.1], [3, 0, 7, 2**31 - 1], strict=True):
        seen = Seen(shape, images, Dropout(rate, seed=seed))
        for step in range(2):  # it takes an epoch's place
            check(seen.of_batch(), factors(shape, rate, seed, range(images), step))


def epochs_seen(seen, batch_size, shuffle, epochs=3):
    """The factors of each epoch of a training whose steps are too small to be seen by the next."""
    found = []
    assert seen.images % batch_size == 0
    record = callbacks.Callback()
    record.on_epoch_end = lambda epoch, logs=None: found.append(seen.factors(batch_size))
    seen.model.fit(seen.x, seen.rows, batch_size, epochs, 0, record, shuffle=shuffle)
    return [np.where(np.abs(a) < 1e-3, 0, a) for a in found]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3, 12, 24, 48])
def test_batches_and_their_order_do_not_change_what_is_dropped(batch_size, shuffle, isa, threads):
    """It is a function of epoch and index."""
    shape, rate, seed = (5, 4, 3), 0.4, 11
    seen = Seen(shape, 48, Dropout(rate, seed=seed), learning_rate=1e-7)
    for epoch, found in enumerate(epochs_seen(seen, batch_size, shuffle)):
        expected = factors(shape, rate, seed, range(48), epoch)
        np.testing.assert_array_equal(found == 0, expected == 0)
        np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_a_value_is_dropped_with_its_probability_and_keeps_its_mean(rate):
    found = Seen((20, 20, 5), 40, Dropout(rate, seed=1)).of_batch()
    deviation = np.sqrt(rate * (1 - rate) / found.size)
    assert abs(np.mean(found == 0) - rate) < 5 * deviation
    assert abs(found.mean() - 1) < 5 * deviation / (1 - rate)
    for axis in range(4):  # no image, row, column or channel is special
        part = np.moveaxis(found == 0, axis, 0).reshape(found.shape[axis], -1)
        assert np.abs(part.mean(axis=1) - rate).max() < 5 * deviation * np.sqrt(len(part))


def test_two_layers_of_a_model_drop_different_values():
    """Without seeds of their own they have a stream each, of the training's seed."""
    rates = [0.5, 0.25]
    seen = Seen((6, 5, 3), 16, *map(Dropout, rates))
    found = epochs_seen(seen, 16, shuffle=False, epochs=1)[0]
    seed = seen.model.training_state.seed
    own = [factors((6, 5, 3), r, i | seed << 32, range(16)) for i, r in enumerate(rates)]
    check(found, own[0] * own[1])
    assert np.mean((own[0] == 0) != (own[1] == 0)) > 0.15


def test_a_seed_of_one_s_own_is_the_same_stream_wherever_the_layer_stands():
    seeds = [5, 0, 0]
    seen = Seen((6, 5, 3), 16, *(Dropout(0.25, seed=seed) for seed in seeds))
    own = [factors((6, 5, 3), 0.25, seed, range(16)) for seed in seeds]
    check(seen.of_batch(), own[0] * own[1] * own[2])


# A training without a seed of its own


def dropped(seed=None):
    return Sequential(
        [
            Input((8, 7, 2)),
            Conv2D(3, 3, activation="tanh"),
            layers.MaxPooling2D(2),
            Dropout(0.3, seed=seed),
            Flatten(),
            Dense(17, "relu"),
            Dropout(0.5, seed=seed),
            Dense(4, "softmax"),
        ]
    )


X, Y = samples(53, (8, 7, 2), 4)


def trained(seed=None, drawn=3, **arguments):
    model = compiled(lambda: dropped(seed), "adam")
    set_random_seed(drawn)
    model.fit(X, Y, 20, 2, verbose=0, **{"shuffle": False} | arguments)
    return model


def test_set_random_seed_makes_a_training_reproducible_and_another_one_different():
    found = [state(trained(drawn=drawn)) for drawn in (3, 3, 4)]
    assert_same_bits(found[0], found[1])
    assert np.any(found[0] != found[2])


def test_a_seed_of_one_s_own_makes_every_training_drop_the_same():
    found = [state(trained(seed, drawn)) for seed, drawn in ((1, 3), (1, 4), (2, 3))]
    assert_same_bits(found[0], found[1])
    assert np.any(found[0] != found[2])


def test_every_training_of_a_model_draws_its_own_seed():
    model, seeds = compiled(dropped, "adam"), []
    for _ in range(3):
        model.fit(X, Y, 20, 1, verbose=0)
        seeds.append(model.training_state.seed)
    assert len({*seeds}) == 3


def test_train_on_batch_draws_anew_for_each_call():
    def dropped_in_turn():
        seen = Seen((6, 5, 3), 8, Dropout(0.5))
        return [seen.of_batch() == 0 for _ in range(3)]

    first, second = dropped_in_turn(), dropped_in_turn()  # each from the same seed
    np.testing.assert_array_equal(first, second)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert 0.3 < np.mean(first[a] != first[b]) < 0.7


def test_a_model_without_dropout_draws_nothing():
    """So that its shuffles stay what they were."""
    found = []
    for build in (small, dropped):
        model = compiled(build, "sgd")
        set_random_seed(7)
        model.fit(X, Y, 20, 1, verbose=0, shuffle=False)
        found.append(_random.generator().random())
    set_random_seed(7)
    expected = _random.generator().random()
    assert found[0] == expected != found[1]


@pytest.mark.parametrize("batch", [1, 5, 16, 17, 53])
def test_the_number_of_threads_changes_no_bit(batch, isa, threads_restored):
    found = []
    for n in (1, 2, 3):
        pylenet.set_num_threads(n)
        model = compiled(dropped, "adam")
        model.fit(X, Y, batch, 2, verbose=0)
        found.append(state(model))
    assert_same_bits(found[1], found[0])
    assert_same_bits(found[2], found[0])


# What it leaves alone


def without():
    kept = [copy_of(layer) for layer in dropped().layers if not isinstance(layer, Dropout)]
    return Sequential([Input((8, 7, 2)), *kept])


def test_predictions_and_evaluate_are_those_of_the_model_without_it(isa):
    model, other = trained(), compiled(without, "adam")
    other.set_weights(model.get_weights())
    for n in (1, 3, 17, 53):
        assert_same_bits(model.predict(X[:n]), other.predict(X[:n]))
    assert model.evaluate(X, Y) == other.evaluate(X, Y)


def test_a_rate_of_zero_trains_as_the_model_without_it(isa):
    def idle():
        return Sequential([Input((8, 7, 2)), Dropout(0), Flatten(), Dense(4), Dropout(0.0)])

    def plain():
        return Sequential([Input((8, 7, 2)), Flatten(), Dense(4)])

    found = []
    for build in (idle, plain):
        model = compiled(build, "adam", "mse")
        model.fit(X, np.eye(4)[Y], 20, 2, verbose=0, shuffle=False)
        found.append(state(model))
    assert_same_bits(*found)


def test_nan_is_dropped_as_any_value_is():
    seen = Seen((5, 4, 3), 1, Dropout(0.5, seed=1))
    expected = factors((5, 4, 3), 0.5, 1, [0])
    seen.x[expected == 0] = np.nan
    check(seen.of_batch(), expected)


def test_below_a_dropped_value_nothing_is_learned(isa):
    shape, rate, seed = (40,), 0.5, 9

    def build():
        return Sequential(
            [Input((3,)), Dense(40, use_bias=False), Dropout(rate, seed=seed), Dense(1)]
        )

    model = compiled(build, optimizers.SGD(1.0), "mse")
    before = model.layers[0].get_weights()[0]
    model.train_on_batch(np.ones((1, 3), np.float32), np.ones((1, 1)))
    moved = np.any(before != model.layers[0].get_weights()[0], axis=0)
    np.testing.assert_array_equal(moved, factors(shape, rate, seed, [0])[0] != 0)
