"""Training with BatchNormalization: the step's statistics, their averages, the same bits."""

import pickle

import numpy as np
import pytest
from kinds import _networks, copy_of
from nets import compiled, forward, one_hot, samples, small, state
from seeded import uniform
from tolerance import EPS, FMA, assert_same_bits

import pylenet
from pylenet import _core, layers, optimizers
from pylenet.layers import Activation, BatchNormalization, Conv2D, Dense, Flatten, Input
from pylenet.models import Sequential, load_model

SHAPE, CLASSES = (6, 5, 3), 4
LOSS = "categorical_crossentropy"
BATCHES = [1, 3, 15, 16, 17, 40, 1500]
FULL = ["gamma", "beta", "moving_mean", "moving_variance"]


def twice():
    """After a convolution and after a dense layer."""
    return Sequential(
        [
            Input(SHAPE),
            Conv2D(5, 3, activation="tanh"),
            BatchNormalization(momentum=0.9),
            layers.AveragePooling2D(2),
            Flatten(),
            Dense(7, use_bias=False),
            BatchNormalization(momentum=0.6, epsilon=0.01),
            Activation("tanh"),
            Dense(CLASSES, "softmax"),
        ]
    )


def first():
    """Before anything that is trained."""
    tail = [Conv2D(3, 3), Flatten(), Dense(CLASSES, "softmax")]
    return Sequential([Input(SHAPE), BatchNormalization(), *tail])


def bare():
    """Without gamma and beta, before and after what is trained."""
    names = {"center": False, "scale": False}
    return Sequential(
        [
            Input(SHAPE),
            BatchNormalization(**names),
            Conv2D(17, 3, activation="sigmoid"),
            BatchNormalization(**names),
            Flatten(),
            Dense(CLASSES, "softmax"),
        ]
    )


def on_dropped():
    """Both layers whose forward pass is another in training, and 33 channels."""
    return Sequential(
        [
            Input(SHAPE),
            layers.Dropout(0.3, seed=4),
            Conv2D(33, 3),
            BatchNormalization(scale=False),
            Activation("tanh"),
            layers.Dropout(0.5, seed=5),
            BatchNormalization(center=False),
            Flatten(),
            Dense(CLASSES, "softmax"),
        ]
    )


NETS = [twice, first, bare, on_dropped]


def images(n, shape=SHAPE):
    x, labels = samples(n, shape, CLASSES, seed=2)
    return x, one_hot(labels, CLASSES)


def averages(model):
    """Moving means and variances of all layers."""
    return tuple(w.copy() for name, w in model.named_weights().items() if ".moving_" in name)


def trained(build=twice, n=53, optimizer=None, epochs=2, batch_size=20):
    model = compiled(build, optimizer or optimizers.SGD(0.1, momentum=0.9), LOSS)
    model.fit(*images(n), batch_size, epochs, verbose=0)
    return model


# One step, against float64


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("build", NETS)
def test_a_step_goes_down_the_gradient_and_moves_the_averages(build, batch, isa):
    model = compiled(build, optimizers.SGD(1.0), LOSS)
    x, rows = images(batch)
    expected, before = _networks.gradients(model, x, rows), model.get_weights()
    p = _networks.values(_networks.parts_of(model), x, training=True)[-1]
    loss = model.train_on_batch(x, rows)
    assert loss == pytest.approx(-np.log((p * rows).sum(axis=1)).mean(), rel=1e-5)
    for e, old, new in zip(expected, before, model.get_weights(), strict=True):
        np.testing.assert_allclose(np.float64(old) - new, e, rtol=1e-4, atol=40 * EPS)


@pytest.mark.parametrize("build", NETS)
def test_the_float64_gradient_is_the_central_difference_of_the_float64_loss(build):
    model = compiled(build, "sgd", LOSS)
    x, rows = images(6)
    gradients = _networks.gradients(model, x, rows)
    weights = [np.float64(w) for w in model.get_weights()]

    def loss():
        remaining = iter(weights)
        parts = [(layer, [next(remaining) for _ in layer.weights]) for layer in model.layers]
        p = _networks.values(parts, x, training=True)[-1]
        return -np.log((p * rows).sum(axis=1)).mean()

    for name, w, gradient in zip(model.named_weights(), weights, gradients, strict=True):
        if ".moving_" in name:
            continue
        for place in [*np.ndindex(w.shape)][:: max(1, w.size // 20)]:
            middle, sides = w[place], []
            for step in (1e-5, -1e-5):
                w[place] = middle + step
                sides.append(loss())
            w[place] = middle
            assert (sides[0] - sides[1]) / 2e-5 == pytest.approx(gradient[place], abs=1e-8)


def test_the_averages_are_keras_s_of_mean_and_biased_variance():
    """average * momentum + value * (1 - momentum), of a layer that sees the images themselves."""
    model = compiled(first, "sgd", LOSS)
    mean, variance = np.zeros(3), np.ones(3)
    for seed in range(3):
        x, rows = samples(17, SHAPE, CLASSES, seed)[0], images(17)[1]
        model.train_on_batch(x, rows)
        mean = mean * 0.99 + x.mean(axis=(0, 1, 2), dtype=np.float64) * 0.01
        variance = variance * 0.99 + x.var(axis=(0, 1, 2), dtype=np.float64) * 0.01
    np.testing.assert_allclose(model.layers[0].moving_mean, mean, atol=4 * EPS)
    np.testing.assert_allclose(model.layers[0].moving_variance, variance, atol=8 * EPS)


@pytest.mark.parametrize("momentum", [0.0, 1.0])
def test_averages_with_a_momentum_of_zero_are_the_last_step_s_and_of_one_stay(momentum):
    def build():
        return Sequential([Input((5,)), BatchNormalization(momentum=momentum), Dense(CLASSES)])

    model, (x, rows) = compiled(build, "sgd", "mse"), images(20, (5,))
    model.train_on_batch(x, rows)
    mean, variance = averages(model)
    np.testing.assert_allclose(mean, momentum * 0 + (1 - momentum) * x.mean(axis=0), atol=4 * EPS)
    expected = momentum + (1 - momentum) * x.var(axis=0)
    np.testing.assert_allclose(variance, expected, rtol=8 * EPS)


def test_statistics_of_large_numbers_that_differ_little_are_right():
    """The variance is of distances from the mean, not a difference of large squares."""

    def build():
        return Sequential([Input((8, 8, 2)), BatchNormalization(momentum=0.0), Flatten(), Dense(1)])

    x = (1000 + samples(64, (8, 8, 2), CLASSES)[0]).astype(np.float32)
    model = compiled(build, "sgd", "mse")
    model.train_on_batch(x, np.zeros((64, 1)))
    variance = x.var(axis=(0, 1, 2), dtype=np.float64)
    np.testing.assert_allclose(model.layers[0].moving_variance, variance, rtol=1e-4)


def test_one_flat_image_has_no_variance_and_only_beta_is_trained_by_it():
    def build():
        return Sequential([Input((5,)), Dense(3), BatchNormalization(), Dense(CLASSES, "softmax")])

    model, (x, rows) = compiled(build, optimizers.SGD(1.0), LOSS), images(1, (5,))
    before = model.get_weights()
    model.train_on_batch(x, rows)
    moved = [np.abs(a - b).max() for a, b in zip(before, model.get_weights(), strict=True)]
    names = [*model.named_weights()]
    assert moved[names.index("batch_normalization.beta")] > 0.01
    for name in ("dense.kernel", "dense.bias", "batch_normalization.gamma"):
        assert moved[names.index(name)] <= 1e-5


# The same bits


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("build", NETS)
def test_the_number_of_threads_changes_no_bit(build, batch, isa, threads_restored):
    found = []
    for n in (1, 2, 3):
        pylenet.set_num_threads(n)
        model = compiled(build, "adam", LOSS)
        losses = [model.train_on_batch(*images(batch)) for _ in range(2)]
        found.append((np.float32(losses), state(model)))
    assert_same_bits(found[1], found[0])
    assert_same_bits(found[2], found[0])


@pytest.mark.skipif(len(FMA) < 2, reason="needs two instruction sets that fuse multiply-adds")
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("build", NETS)
def test_instruction_sets_that_fuse_multiply_adds_give_the_same_bits(build, batch):
    former, found = _core.active_isa(), []
    try:
        for name in FMA:
            _core.set_isa(name)
            model = compiled(build, "adam", LOSS)
            for _ in range(2):
                model.train_on_batch(*images(batch))
            found.append(state(model))
    finally:
        _core.set_isa(former)
    assert_same_bits(found[1], found[0])


def test_a_step_does_not_depend_on_the_steps_before_it_in_memory(isa):
    """A smaller batch after a larger one finds the larger one's groups and sums."""
    model, fresh = (compiled(twice, optimizers.SGD(0.1), LOSS) for _ in range(2))
    model.train_on_batch(*images(1500))
    fresh.set_weights(model.get_weights())
    for n in (17, 3, 40, 1):
        model.train_on_batch(*images(n))
        fresh.train_on_batch(*images(n))
        assert_same_bits(state(model), state(fresh))


# Predictions


@pytest.mark.parametrize("build", NETS)
def test_predictions_and_evaluate_use_the_averages_and_no_other_image(build, isa):
    model, (x, rows) = trained(build), images(50)
    predicted = model.predict(x)
    np.testing.assert_allclose(predicted, forward(model, x), rtol=1e-4, atol=40 * EPS)
    for part in (slice(0, 1), slice(7, 10), slice(16, 33), slice(None, None, -1)):
        assert_same_bits(model.predict(x[part]), predicted[part])
    before = state(model)
    expected = -np.log((forward(model, x) * rows).sum(axis=1)).mean()
    assert model.evaluate(x, rows) == pytest.approx(expected, rel=1e-5, abs=40 * EPS)
    assert_same_bits(state(model), before)


def test_validation_while_training_uses_the_averages_and_changes_no_bit():
    x, rows = images(40)
    model = compiled(twice, "adam", LOSS)
    history = model.fit(*images(53), 20, 3, verbose=0, validation_data=(x, rows)).history
    assert history["val_loss"][-1] == model.evaluate(x, rows)
    without = compiled(twice, "adam", LOSS)
    without.fit(*images(53), 20, 3, verbose=0)
    assert_same_bits(state(model), state(without))


# Only the step moves the averages


@pytest.mark.parametrize(
    "optimizer",
    [
        optimizers.SGD(0.0, momentum=0.9, nesterov=True, weight_decay=0.5),
        optimizers.SGD(0.5, momentum=0.9, weight_decay=0.5),
        optimizers.AdamW(0.5, weight_decay=0.5),
        optimizers.Adam(0.5),
    ],
    ids=repr,
)
def test_no_optimizer_touches_the_averages(optimizer):
    model, plain = compiled(first, optimizer, LOSS), compiled(first, optimizers.SGD(0.0), LOSS)
    for _ in range(3):
        for one in (model, plain):
            one.train_on_batch(*images(20))
    assert_same_bits(averages(model), averages(plain))
    for slot in model.optimizer.slots:
        moved = [a for name, a in model.named_weights(slot).items() if ".moving_" in name]
        assert len(moved) == 2
        assert not np.any(moved)


def test_each_step_of_an_epoch_moves_the_averages_once():
    model, one_by_one = (compiled(twice, optimizers.SGD(0.1), LOSS) for _ in range(2))
    x, rows = images(53)
    model.fit(x, rows, 20, 1, verbose=0, shuffle=False)
    for start in (0, 20, 40):
        one_by_one.train_on_batch(x[start : start + 20], rows[start : start + 20])
    assert_same_bits(state(model), state(one_by_one))


# As a layer of a model


@pytest.mark.parametrize(
    ("center", "scale", "names"),
    [
        (True, True, FULL),
        (False, True, [FULL[0], *FULL[2:]]),
        (True, False, FULL[1:]),
        (False, False, FULL[2:]),
    ],
)
def test_weights_have_keras_s_order_and_first_values(center, scale, names):
    layer = BatchNormalization(center=center, scale=scale)
    model = Sequential([Input((4, 4, 3)), layer])
    assert [*model.named_weights()] == [f"batch_normalization.{name}" for name in names]
    first_values = {"gamma": 1, "beta": 0, "moving_mean": 0, "moving_variance": 1}
    for name, w in zip(names, model.weights, strict=True):
        np.testing.assert_array_equal(w, np.full(3, first_values[name], np.float32))
    assert (layer.gamma is None, layer.beta is None) == (not scale, not center)
    assert model.count_params() == 3 * len(names)


def test_a_trained_model_is_the_same_after_saving_pickling_and_set_weights(tmp_path):
    model, (x, _) = trained(), images(19)
    model.save(tmp_path / "model")
    fresh = compiled(twice, "sgd", LOSS, seed=9)
    fresh.set_weights(model.get_weights())
    for again in (load_model(tmp_path / "model"), pickle.loads(pickle.dumps(model)), fresh):
        assert_same_bits(tuple(again.get_weights()), tuple(model.get_weights()))
        assert_same_bits(again.predict(x), model.predict(x))


def test_a_loaded_model_trains_on_as_the_one_that_was_saved(tmp_path):
    model = trained(optimizer=optimizers.SGD(0.1))
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    for one in (model, loaded):
        one.train_on_batch(*images(20))
    assert_same_bits(state(loaded), state(model))


def test_a_model_of_nothing_that_is_trained_still_moves_its_averages():
    def build():
        return Sequential([Input((5,)), BatchNormalization(center=False, scale=False)])

    model, x = compiled(build, "adam", "mse"), images(20, (5,))[0]
    model.train_on_batch(x, np.zeros((20, 5)))
    np.testing.assert_allclose(averages(model)[0], 0.01 * x.mean(axis=0), atol=EPS)


def test_sdlm_refuses_it_and_changes_nothing():
    model = compiled(twice, "sdlm", LOSS)
    before = state(model)
    with pytest.raises(ValueError, match="SDLM cannot take .* through batch normalisation"):
        model.fit(*images(20), verbose=0)
    assert_same_bits(state(model), before)


def test_nan_in_one_image_is_seen_in_the_loss():
    x, rows = images(20)
    x[3, 2, 2, 1] = np.nan
    with pytest.raises(ValueError, match="the loss is nan"):
        compiled(twice, "sgd", LOSS).train_on_batch(x, rows)


def test_it_makes_training_of_badly_scaled_images_quicker():
    x, labels = samples(200, (8, 7, 2), 4)
    x = 300 + 50 * x

    def normalized():
        tail = map(copy_of, small().layers)
        return Sequential([Input((8, 7, 2)), BatchNormalization(momentum=0.5), *tail])

    found = []
    for build in (small, normalized):
        model = compiled(build, optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        found.append(model.fit(x, labels, 20, 10, verbose=0).history["loss"][-1])
    assert found[1] < 0.5 * found[0]


# Predictions: the layer below does it along with its own work


ABOVE = [None, "relu", "tanh", "leaky_relu", "gelu"]


@pytest.mark.parametrize("batch", [1, 3, 16, 37])
@pytest.mark.parametrize("above", ABOVE)
@pytest.mark.parametrize(
    "conv",
    [
        {"filters": 6, "kernel_size": 5},
        {"filters": 33, "kernel_size": 3, "strides": 2, "padding": "same", "use_bias": False},
        {"filters": 3, "kernel_size": (2, 3), "connections": [[0], [1], [0, 1]]},
    ],
    ids=["6 channels", "33 channels", "connections"],
)
def test_a_prediction_has_the_bits_of_layers_one_by_one(conv, above, batch, isa, threads):
    """On the way to a gradient each layer computes alone; so does a model that ends after each."""
    activation = [] if above is None else [layers.Activation(above)]
    stack = [layers.Conv2D(**conv), layers.BatchNormalization(epsilon=0.1), *activation]
    model = Sequential([layers.Input((9, 8, 2)), *stack, layers.Flatten()])
    model.set_weights([w + 0.5 * abs(uniform(w.shape, k)) for k, w in enumerate(model.weights)])
    x = uniform((batch, 9, 8, 2), 1)
    expected = x
    for layer in model.layers:
        alone = Sequential([layers.Input(layer.input_shape[1:]), copy_of(layer)])
        alone.set_weights(layer.get_weights())
        expected = alone.predict(expected)
    assert_same_bits(model.predict(x), expected)
