"""Training: steps, epochs, validation, shuffling; one seed, one result; it learns."""

import threading

import numpy as np
import pytest
from nets import (
    LENETS,
    compiled,
    cross_entropy,
    digits,
    forward,
    gradient_at,
    one_hot,
    samples,
    small,
    state,
    tiny,
)
from reference import float64
from tolerance import EPS, FMA, assert_same_bits

import pylenet
from pylenet import _core, callbacks, optimizers
from pylenet.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    Flatten,
    Input,
    Subsampling2D,
)
from pylenet.models import Sequential
from pylenet.utils import set_random_seed

# fit: steps and epochs


def test_fit_is_one_step_for_each_batch_the_last_of_which_may_be_smaller():
    x, y = samples(23, (8, 7, 2), 4)
    model = compiled(small, optimizers.SGD(0.1, momentum=0.9))
    history = model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    stepwise = compiled(small, optimizers.SGD(0.1, momentum=0.9))
    for epoch in range(2):
        values = [
            (stepwise.train_on_batch(x[part], y[part]), len(x[part]))
            for part in (slice(0, 8), slice(8, 16), slice(16, 24))
        ]
        mean = sum(loss * n for loss, n in values) / 23
        assert history.history["loss"][epoch] == pytest.approx(mean, rel=1e-6)
    assert_same_bits(state(model), state(stepwise))
    assert model.optimizer.iterations == 6


@pytest.mark.parametrize("batch_size", [20, 21, 1000, 2**31, 2**70])
def test_a_batch_may_be_larger_than_the_data(batch_size):
    x, y = samples(20, (8, 7, 2), 4)
    model, stepwise = compiled(small), compiled(small)
    model.fit(x, y, batch_size=batch_size, shuffle=False, verbose=0)
    stepwise.train_on_batch(x, y)
    assert_same_bits(state(model), state(stepwise))


@pytest.mark.parametrize(
    "first", [Conv2D(5, 3), Subsampling2D(2), BatchNormalization()], ids=lambda x: type(x).__name__
)
def test_what_lies_between_weights_in_memory_stays_zero(first):
    """It is updated, and looked at for NaN, with the weights."""
    model = compiled(lambda: Sequential([Input((9, 9, 3)), first, Flatten(), Dense(5, "softmax")]))
    x, y = samples(40, (9, 9, 3), 5)
    for n in (40, 17, 3, 1):  # a smaller batch finds in memory what a larger one left
        model.train_on_batch(x[:n], y[:n])
    weights = model.get_weights()
    assert np.count_nonzero(model.parameters) == sum(map(np.count_nonzero, weights))


def test_the_default_batch_is_32():
    x, y = samples(40, (4,), 3)
    model, other = compiled(tiny), compiled(tiny)
    model.fit(x, y, shuffle=False, verbose=0)
    other.fit(x, y, batch_size=32, shuffle=False, verbose=0)
    assert_same_bits(state(model), state(other))
    assert model.optimizer.iterations == 2


@pytest.mark.parametrize("n", [1024, 1025, 2500])
def test_a_batch_beyond_a_thousand_images_is_summed_right_on_any_number_of_threads(
    n, isa, threads_restored
):
    x, y = samples(n, (8, 7, 2), 4)
    found = []
    for threads in (1, 2, 3):
        pylenet.set_num_threads(threads)
        model = compiled(small, optimizers.SGD(1.0), metrics=["accuracy"])
        before = float64(state(model))
        found.append((model.train_on_batch(x, y), state(model)))
    for values, weights in found[1:]:
        assert values == found[0][0]
        assert_same_bits(weights, found[0][1])
    gradient = before - found[0][1]
    expected = np.zeros_like(gradient)
    for start in range(0, n, 500):  # the mean of parts that are means themselves
        part = slice(start, start + 500)
        expected += gradient_at(compiled(small), x[part], y[part]) * len(x[part]) / n
    np.testing.assert_allclose(gradient, expected, atol=np.sqrt(n) * 2 * EPS)
    output = forward(compiled(small), x[:200])
    few = compiled(small, metrics=["accuracy"]).train_on_batch(x[:200], y[:200])
    assert few[0] == pytest.approx(cross_entropy(one_hot(y[:200], 4), output).mean(), rel=1e-6)
    assert few[1] == pytest.approx((output.argmax(axis=1) == y[:200]).mean())


def test_a_history_has_one_value_an_epoch_in_keras_s_order():
    x, y = samples(30, (4,), 3)
    model = compiled(tiny, metrics=["accuracy"])
    history = model.fit(x, y, epochs=5, initial_epoch=2, validation_data=(x, y), verbose=0)
    assert isinstance(history, callbacks.History)
    assert history.epoch == [2, 3, 4]
    assert list(history.history) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    for values in history.history.values():
        assert [type(value) for value in values] == [float] * 3
    assert history.history["val_loss"][-1] == model.evaluate(x, y)[0]
    assert history.history["val_accuracy"][-1] == model.evaluate(x, y)[1]
    assert list(compiled(tiny).fit(x, y, verbose=0).history) == ["loss"]


def test_nothing_is_left_to_do_from_the_last_epoch_on():
    x, y = samples(6, (4,), 3)
    model = compiled(tiny)
    before = state(model)
    assert model.fit(x, y, epochs=2, initial_epoch=2, verbose=0).history == {}
    assert_same_bits(state(model), before)


def test_fitting_goes_on_where_it_stopped():
    x, y = samples(30, (4,), 3)
    whole, halves = compiled(tiny, "adam"), compiled(tiny, "adam")
    whole.fit(x, y, epochs=4, shuffle=False, verbose=0)
    halves.fit(x, y, epochs=2, shuffle=False, verbose=0)
    halves.fit(x, y, epochs=4, initial_epoch=2, shuffle=False, verbose=0)
    assert_same_bits(state(halves), state(whole))


def test_train_on_batch_is_fit_with_one_batch():
    x, y = samples(50, (8, 7, 2), 4)
    fitted = compiled(small, "adam", metrics=["accuracy"])
    stepped = compiled(small, "adam", metrics=["accuracy"])
    for _ in range(3):
        history = fitted.fit(x, y, batch_size=50, shuffle=False, verbose=0).history
        values = stepped.train_on_batch(x, y)
        assert values == [history["loss"][0], history["accuracy"][0]]
    assert_same_bits(state(fitted), state(stepped))
    assert isinstance(compiled(small).train_on_batch(x, y), float)


# fit: validation and shuffling


def test_validation_split_keeps_the_last_part_before_shuffling():
    x, y = samples(30, (4,), 3)
    split = compiled(tiny)
    found = split.fit(x, y, batch_size=7, epochs=2, validation_split=0.3, verbose=0).history
    whole = compiled(tiny)
    expected = whole.fit(
        x[:21], y[:21], batch_size=7, epochs=2, validation_data=(x[21:], y[21:]), verbose=0
    ).history
    assert found == expected
    assert_same_bits(state(split), state(whole))


def test_validation_changes_nothing_but_the_history():
    x, y = samples(30, (4,), 3)
    without = compiled(tiny)
    losses_ = without.fit(x, y, epochs=2, verbose=0).history["loss"]
    with_it = compiled(tiny)
    history = with_it.fit(x, y, epochs=2, verbose=0, validation_data=[x[:3], y[:3]]).history
    assert history["loss"] == losses_
    assert_same_bits(state(with_it), state(without))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"validation_split": 1.0}, ValueError, "validation_split must be a number in"),
        ({"validation_split": -0.1}, ValueError, "validation_split must be a number in"),
        ({"validation_split": "0.1"}, TypeError, "validation_split must be a number"),
        ({"validation_split": 0.999}, ValueError, "validation_split must leave samples on both"),
        ({"validation_data": np.ones((3, 4))}, TypeError, r"validation_data must be a tuple"),
        ({"validation_data": (np.ones((3, 4)),)}, TypeError, r"validation_data must be a tuple"),
        ({"validation_data": (np.ones((3, 5)), [0, 1, 2])}, ValueError, "validation x must have"),
        ({"validation_data": (np.ones((3, 4)), [0, 1])}, ValueError, "validation y must hold 3"),
        ({"validation_data": (np.ones((3, 4)), [0, 1, 3])}, ValueError, "validation y .* below 3"),
        ({"batch_size": 0}, ValueError, "batch_size must be an integer >= 1, got 0"),
        ({"batch_size": 1.5}, TypeError, "batch_size must be an integer"),
        ({"batch_size": True}, TypeError, "batch_size must be an integer"),
        ({"epochs": 0}, ValueError, "epochs must be an integer >= 1"),
        ({"epochs": "2"}, TypeError, "epochs must be an integer"),
        ({"initial_epoch": -1}, ValueError, "initial_epoch must be an integer >= 0"),
        ({"shuffle": 1}, TypeError, "shuffle must be True or False"),
        ({"shuffle": "batch"}, TypeError, "shuffle must be True or False"),
        ({"verbose": 3}, ValueError, "verbose must be 0, 1, 2 or 'auto'"),
        ({"verbose": "loud"}, ValueError, "verbose must be"),
        ({"callbacks": 3}, TypeError, "callbacks must be a list"),
        ({"callbacks": [callbacks.EarlyStopping]}, TypeError, "callbacks must hold Callback"),
        ({"sample_weight": np.ones(3)}, ValueError, r"sample_weight must have shape \(10,\)"),
        ({"sample_weight": ["a"] * 10}, TypeError, "sample_weight must hold numbers"),
        ({"class_weight": [1, 2, 3]}, TypeError, "class_weight must be a dict"),
        ({"class_weight": {-1: 2.0}}, ValueError, "class_weight's labels must be an integer >= 0"),
        ({"class_weight": {0: "2"}}, TypeError, r"class_weight\[0\] must be a number"),
        (
            {"class_weight": {0: 2.0}, "sample_weight": np.ones(10)},
            ValueError,
            "class_weight must be None where sample_weight is given",
        ),
        ({"validation_batch_size": 0}, ValueError, "validation_batch_size must be an integer"),
        ({"steps_per_epoch": 0}, ValueError, "steps_per_epoch"),
    ],
)
def test_a_wrong_argument_of_fit_is_named_and_nothing_is_trained(arguments, error, message):
    model = compiled(tiny)
    before = state(model)
    x, y = samples(10, (4,), 3)
    with pytest.raises(error, match=message):
        model.fit(x, y, **({"verbose": 0} | arguments))
    assert_same_bits(state(model), before)
    assert model.optimizer.iterations == 0


def seen_order(**options):
    """The order in which one epoch takes 20 samples, one at a time, seen in the weights."""
    rows = Sequential([Dense(20, use_bias=False, kernel_initializer="zeros", input_shape=(20,))])
    rows.compile(optimizer=optimizers.SGD(10.0), loss="mse")
    order = []

    class Watch(callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            changed = np.flatnonzero(self.model.layers[0].kernel.any(axis=1))
            order.extend(set(changed) - set(order))

    set_random_seed(options.pop("seed", 0))
    rows.fit(np.eye(20), np.ones((20, 20)), batch_size=1, verbose=0, callbacks=Watch(), **options)
    return order


def test_shuffling_takes_every_sample_once_in_an_order_that_the_seed_decides():
    assert seen_order(shuffle=False) == list(range(20))
    one = seen_order(seed=1)
    assert sorted(one) == list(range(20))
    assert one != list(range(20))
    assert seen_order(seed=1, shuffle=True) == one
    assert seen_order(seed=2) != one


def test_every_epoch_has_an_order_of_its_own():
    x, y = samples(64, (4,), 3)
    together, apart = compiled(tiny), compiled(tiny)
    set_random_seed(5)
    together.fit(x, y, batch_size=4, epochs=2, verbose=0)
    for _ in range(2):
        set_random_seed(5)
        apart.fit(x, y, batch_size=4, verbose=0)
    assert np.any(state(together) != state(apart))


# One seed, one result


@pytest.mark.parametrize("name", LENETS)
@pytest.mark.parametrize("batch_size", [1, 32, 128, 130])
def test_one_seed_gives_one_result_whatever_the_number_of_threads(
    name, batch_size, isa, threads_restored
):
    n = 20 if batch_size == 1 else 300
    x, y = digits(n)

    def train(threads, seed=1):
        pylenet.set_num_threads(threads)
        model = compiled(LENETS[name], optimizers.SGD(0.05, 0.9), seed=seed, metrics=["accuracy"])
        history = model.fit(x, y, batch_size=batch_size, validation_split=0.1, verbose=0).history
        return history, state(model)

    history, weights = train(1)
    for threads in (1, 2, 3, 4):
        other_history, other = train(threads)
        assert other_history == history
        assert_same_bits(other, weights)
    assert np.any(train(1, seed=2)[1] != weights)


@pytest.mark.skipif(len(FMA) < 2, reason="needs two instruction sets that fuse multiply-adds")
@pytest.mark.parametrize("name", LENETS)
@pytest.mark.parametrize("batch_size", [1, 3, 5, 8, 9, 32])
def test_training_gives_the_same_bits_on_instruction_sets_that_fuse_multiply_adds(name, batch_size):
    x, y = digits(40)
    former, weights = _core.active_isa(), []
    try:
        for isa in FMA:
            _core.set_isa(isa)
            model = compiled(LENETS[name], optimizers.Adam(0.01), seed=1)
            model.fit(x, y, batch_size=batch_size, verbose=0)
            weights.append(state(model))
    finally:
        _core.set_isa(former)
    for other in weights[1:]:
        assert_same_bits(other, weights[0])


def test_models_that_train_at_once_in_python_threads_get_the_serial_bits(threads_restored):
    pylenet.set_num_threads(2)
    x, y = digits(200)

    def train(model, results):
        model.fit(x, y, batch_size=64, epochs=2, shuffle=False, verbose=0)
        results.append(state(model))

    serial, parallel = [], [[] for _ in range(4)]
    train(compiled(LENETS["classic"], "adam"), serial)
    models = [compiled(LENETS["classic"], "adam") for _ in parallel]
    workers = [
        threading.Thread(target=train, args=pair) for pair in zip(models, parallel, strict=True)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for (found,) in parallel:
        assert_same_bits(found, serial[0])


@pytest.mark.parametrize("name", LENETS)
def test_a_lenet_learns_32_images_by_heart(name, isa):
    x, _ = digits(32)
    y = np.random.default_rng(0).integers(0, 10, 32)
    model = compiled(LENETS[name], optimizers.SGD(0.05, momentum=0.9), metrics=["accuracy"])
    model.fit(x, y, epochs=120, verbose=0)
    loss, accuracy = model.evaluate(x, y)
    assert accuracy == 1
    assert loss < 0.1


@pytest.mark.parametrize("name", LENETS)
def test_a_lenet_tells_images_it_has_not_seen(name):
    x, y = digits(600)
    model = compiled(LENETS[name], optimizers.Adam(0.002), metrics=["accuracy"])
    history = model.fit(x, y, epochs=4, validation_split=0.5, verbose=0).history
    assert history["val_accuracy"][-1] > 0.95
