"""SDLM: its diagonal Gauss-Newton Hessian against references, and its update."""

import core
import numpy as np
import pytest
import reference
from kinds import _networks
from nets import compiled, forward, samples, state
from tolerance import EPS, FMA, assert_same_bits

from pylenet import _core, losses, optimizers
from pylenet.augmentation import RandomAffine
from pylenet.layers import (
    RBF,
    Activation,
    AveragePooling2D,
    Conv2D,
    Dense,
    Flatten,
    Input,
    MaxPooling2D,
    Rescaling,
    Subsampling2D,
    ZeroPadding2D,
)
from pylenet.models import Sequential
from pylenet.optimizers import schedules

J = 1.0  # of losses.MaximumAPosteriori
SLOPES = 2 * (1.7159 + 1)  # by how much squared distances' and the constant's slopes differ at most
BOUND = (SLOPES / 2 + 1 / SLOPES) ** 2  # of the loss's second derivatives over distances
MAP = "maximum_a_posteriori"
LOGITS = losses.SparseCategoricalCrossentropy(from_logits=True)


def estimated(model, x):
    """The model's Hessian as C++ has it, tensor by tensor."""
    return core.by_weight(model, core.hessian(model, x))


def at_the_output(model, y):
    """d2 loss / dy^2, one row a sample, of the loss alone."""
    if model.loss.kind == "mean_squared_error":
        return np.full(y.shape, 2 / y.shape[1])
    logits, rest = (-y, np.exp(-J)) if model.loss.kind == MAP else (y, 0.0)
    weights = np.exp(logits)
    p = weights / (weights.sum(axis=1, keepdims=True) + rest)
    return p * (1 - p)


def expected_hessian(model, x):
    """In float64, with the last layer and the loss as one where they count as one."""
    *parts, (last, weights) = _networks.parts_of(model)
    if isinstance(last, RBF):
        return _networks.hessian(parts, x, lambda y: np.full(y.shape, BOUND))
    if last.activation == "softmax":
        last = type(last).from_config(last.get_config() | {"activation": "linear"})
    parts.append((last, weights))
    return _networks.hessian(parts, x, lambda y: at_the_output(model, y))


NETS = {
    "of-1998": (
        lambda: [
            ZeroPadding2D(1),
            Rescaling(0.7, 0.1),
            Conv2D(3, 3, activation="scaled_tanh"),
            Subsampling2D(2, activation="scaled_tanh"),
            Conv2D(2, 2, connections=[[0, 2], [1]], activation="scaled_tanh"),
            Subsampling2D((1, 2), strides=1, activation="tanh"),
            Flatten(),
            Dense(4, "scaled_tanh"),
            RBF(["+-+-", "++-+", "-+--"]),
        ],
        MAP,
    ),
    "relu-max-softmax": (
        lambda: [
            Conv2D(2, 3, padding="same", activation="relu"),
            MaxPooling2D(2),
            Flatten(),
            Dense(4, "sigmoid"),
            Dense(3, "softmax"),
        ],
        "sparse_categorical_crossentropy",
    ),
    "tanh-average-logits": (
        lambda: [
            Conv2D(2, 2, strides=(2, 1), activation="tanh"),
            AveragePooling2D((2, 3), strides=1),
            Rescaling(-2.0, 0.3),
            Conv2D(3, 1, use_bias=False),
            Activation("tanh"),
            Flatten(),
            Dense(3, use_bias=False),
        ],
        LOGITS,
    ),
    "energies": (lambda: [Flatten(), Dense(5, "tanh"), Dense(3)], MAP),
    "squares": (lambda: [Conv2D(2, 3), Flatten(), Dense(3, "sigmoid")], "mse"),
    "larger-kernel-than-lanes": (
        lambda: [Conv2D(17, 2, activation="scaled_tanh"), Subsampling2D(2), Flatten(), Dense(3)],
        "mse",
    ),
}


def net(name, n=3):
    make, loss = NETS[name]
    model = compiled(lambda: Sequential([Input((5, 6, 2)), *make()]), "sdlm", loss, seed=7)
    rng = np.random.default_rng(8)
    model.set_weights([w + 0.3 * rng.normal(size=w.shape) for w in model.get_weights()])
    return model, rng.normal(size=(n, 5, 6, 2))


@pytest.mark.parametrize("name", NETS)
def test_the_hessian_is_that_of_squared_matrices(name, isa):
    model, x = net(name)
    for actual, expected in zip(estimated(model, x), expected_hessian(model, x), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=2e-4, atol=1e-6 * expected.max())
        assert (expected > 0).any()


def loss_of(model, x, y, weights):
    outputs = forward(model, x, weights)
    chosen = outputs[np.arange(len(y)), y]
    if model.loss.kind == MAP:
        return (chosen + np.log(np.exp(-J) + np.exp(-outputs).sum(axis=1))).mean()
    return (np.log(np.exp(outputs).sum(axis=1)) - chosen).mean()


@pytest.mark.parametrize(
    ("top", "loss"),
    [
        ([Dense(3)], LOGITS),
        ([Dense(3)], MAP),
        ([Conv2D(3, (1, 5)), Flatten()], LOGITS),
    ],
    ids=["logits", "energies", "convolution-used-once"],
)
def test_below_the_loss_it_is_the_loss_s_own_second_derivative(top, loss):
    """Where one linear layer stands under the loss, Gauss and Newton leave nothing out."""
    shape = (1, 5, 1) if isinstance(top[0], Conv2D) else (5,)
    layers = [type(layer).from_config(layer.get_config()) for layer in top]
    model = compiled(lambda: Sequential([Input(shape), *layers]), "sdlm", loss, seed=3)
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(6, *shape)), rng.integers(0, 3, 6)
    weights, step = [reference.float64(w) for w in model.get_weights()], 1e-3
    middle = loss_of(model, x, y, weights)
    for w, actual in zip(weights, estimated(model, x), strict=True):
        for index in np.ndindex(w.shape):
            former = w[index]
            w[index] = former + step
            above = loss_of(model, x, y, weights)
            w[index] = former - step
            below = loss_of(model, x, y, weights)
            w[index] = former
            numeric = (above - 2 * middle + below) / step**2
            assert actual[index] == pytest.approx(numeric, rel=1e-3, abs=1e-5)


def test_it_is_a_mean_over_images_whatever_the_threads(isa):
    model, x = net("of-1998", 71)
    order = np.random.default_rng(1).permutation(71)
    results = [core.hessian(model, x, order, threads=n) for n in (1, 2, 3, 1)]
    for result in results[1:]:
        assert_same_bits(result, results[0])
    single = [core.hessian(model, x, order[[n]]) for n in range(71)]
    np.testing.assert_allclose(results[0], np.mean(single, axis=0, dtype=np.float64), rtol=1e-5)


def test_instruction_sets_that_fuse_multiply_adds_give_the_same_hessian():
    former, results = _core.active_isa(), []
    try:
        for name in FMA:
            _core.set_isa(name)
            model, x = net("of-1998", 40)
            results.append(tuple(map(np.copy, estimated(model, x))))
    finally:
        _core.set_isa(former)
    for result in results[1:]:
        assert_same_bits(result, results[0])


@pytest.mark.filterwarnings("ignore:loss .* takes probabilities")  # of a sigmoid
@pytest.mark.parametrize(
    ("layers", "loss", "message"),
    [
        ([Dense(4, "softmax"), Dense(3)], LOGITS, "through a softmax that is not part of the loss"),
        ([Dense(3, "softmax")], MAP, "through a softmax that is not part of the loss"),
        ([Dense(3, "sigmoid")], "sparse_categorical_crossentropy", "got that of other probabilit"),
        ([Dense(2), RBF(["++"] * 2), Dense(3)], LOGITS, "through an RBF that is not part of the"),
    ],
    ids=repr,
)
def test_a_model_without_this_hessian_is_refused(layers, loss, message):
    copies = [type(layer).from_config(layer.get_config()) for layer in layers]
    model = compiled(lambda: Sequential([Input((4,)), *copies]), "sdlm", loss)
    x, y = samples(5, (4,), 3)
    with pytest.raises(ValueError, match=message):
        model.fit(x, y, verbose=0)


@pytest.mark.parametrize("size", [(3, 3), (3, 4), (4, 3)], ids=str)
def test_average_pooling_over_cut_off_windows_is_refused(size):
    layers = [Conv2D(2, 1), AveragePooling2D(2, padding="same"), Flatten(), Dense(3)]
    model = compiled(lambda: Sequential([Input((*size, 1)), *layers]), "sdlm", LOGITS)
    with pytest.raises(ValueError, match="average pooling over windows that are cut off"):
        model.train_on_batch(np.zeros((2, *size, 1)), [0, 1])


def test_over_distances_it_begins_at_the_least_upper_bound_of_second_derivatives():
    rng, step, most = np.random.default_rng(1), 1e-3, 0.0

    def loss(x):  # as a function of one input; the others are in the weights
        near = weights * np.exp(-((x[:, None] - code) ** 2))
        return (x - code[0]) ** 2 + np.log(np.exp(-j) + near.sum(axis=1))

    for _ in range(3000):
        x = 1.7159 * np.array([-1, 1, *rng.uniform(-1, 1, 20)])
        code = rng.choice([-1.0, 1.0], rng.integers(1, 5))
        weights, j = np.exp(rng.uniform(-10, 10, len(code))), rng.uniform(-3, 3)
        second = (loss(x + step) - 2 * loss(x) + loss(x - step)) / step**2
        most = max(most, second.max())
    assert 0.99 * BOUND < most < 1.001 * BOUND


# The update


def test_each_weight_goes_down_its_gradient_at_its_own_rate(isa):
    model, x = net("of-1998", 9)
    y = np.arange(9) % 3
    plain = compiled(
        lambda: Sequential(
            [Input((5, 6, 2)), *[type(v).from_config(v.get_config()) for v in model.layers]]
        ),
        optimizers.SGD(1.0),
        MAP,
    )
    plain.set_weights(model.get_weights())
    model.optimizer.learning_rate = schedules.EpochwiseConstant([0.3])
    h = np.concatenate([w.ravel() for w in estimated(model, x)])
    before = np.float64(state(model))
    plain.train_on_batch(x, y)
    gradient = before - state(plain)
    model.train_on_batch(x, y)
    expected = before - 0.3 / (0.02 + h) * gradient
    np.testing.assert_allclose(
        state(model), expected, rtol=0, atol=4 * EPS * (1 + 0.3 / 0.02) * np.abs(before).max()
    )


def test_the_hessian_is_taken_anew_before_each_epoch_on_the_first_samples():
    model, _ = net("energies")
    x, y = samples(20, (5, 6, 2), 3)
    model.compile(optimizers.SDLM(0.01, samples=8), MAP)
    model.fit(x, y, batch_size=1, epochs=1, shuffle=False, verbose=0)
    gain = model.optimizer.slots[0].copy()
    expected = core.hessian(model, x, np.arange(8))
    model.fit(x, y, batch_size=1, epochs=1, shuffle=False, verbose=0)
    assert np.any(gain != model.optimizer.slots[0])
    assert_same_bits(model.optimizer.slots[0], 1 / (np.float32(0.02) + expected))


def test_the_hessian_is_that_of_the_distorted_samples(isa):
    model, _ = net("energies")
    x, y = samples(20, (5, 6, 2), 3)
    distort = RandomAffine(translation_factor=0.3, rate=0.5, seed=2)
    plain = core.hessian(model, distort(x))
    for threads in (1, 2):
        distorted = core.hessian(model, x, augmentation=distort, threads=threads)
        assert_same_bits(distorted, plain)
    model.compile(optimizers.SDLM(0.0, samples=20), MAP)
    model.fit(x, y, 1, verbose=0, augmentation=distort, shuffle=False)
    assert_same_bits(model.optimizer.slots[0], 1 / (np.float32(0.02) + plain))


def test_outside_of_fit_the_first_batch_is_the_estimate():
    model, x = net("energies", 6)
    expected = core.hessian(model, x)
    model.train_on_batch(x, np.arange(6) % 3)
    assert_same_bits(model.optimizer.slots[0], 1 / (np.float32(0.02) + expected))
    model.train_on_batch(-x, np.arange(6) % 3)
    assert_same_bits(model.optimizer.slots[0], 1 / (np.float32(0.02) + expected))


@pytest.mark.parametrize("where", ["x", "weights"])
def test_nan_is_found_before_it_spoils_all_rates(where):
    model, _ = net("energies")
    x, y = samples(20, (5, 6, 2), 3)
    if where == "x":
        x[12, 3, 3, 0] = np.nan
    else:
        model.weights[0][7, 0] = np.nan
    before = state(model)
    for train in (
        lambda: model.fit(x, y, 1, verbose=0),
        lambda: model.train_on_batch(x, y),
    ):
        with pytest.raises(ValueError, match=r"diagonal is nan.* in x and in the weights$"):
            train()
    assert_same_bits(state(model), before)
    assert not model.optimizer.slots[0].any()


def test_the_paper_s_rates_go_by_epoch():
    sdlm = optimizers.SDLM()
    rates = []
    for epoch in range(20):
        sdlm.slots = [np.ones(1, np.float32)]
        sdlm.prepare(epoch, np.zeros(1, np.float32))
        rates.append(sdlm.learning_rate)
    assert rates == [5e-4] * 2 + [2e-4] * 3 + [1e-4] * 3 + [5e-5] * 4 + [1e-5] * 8
    assert (sdlm.mu, sdlm.samples) == (0.02, 500)


def test_epochs_of_fit_set_the_rate_of_any_optimizer():
    x, y = samples(12, (5, 6, 2), 3)
    seen = []
    rates = schedules.EpochwiseConstant([0.3, 0.1])
    model, _ = net("energies")
    model.compile(optimizers.SGD(rates), MAP)
    for epoch in range(3):
        model.fit(x, y, epochs=epoch + 1, initial_epoch=epoch, verbose=0)
        seen.append(model.optimizer.learning_rate)
    assert seen == [0.3, 0.1, 0.1]


@pytest.mark.parametrize(
    ("argument", "value", "error"),
    [
        ("mu", 0, ValueError),
        ("mu", 1e-40, ValueError),
        ("mu", "small", TypeError),
        ("samples", 0, ValueError),
        ("samples", 1.5, TypeError),
        ("learning_rate", -1, ValueError),
    ],
)
def test_a_wrong_argument_is_named(argument, value, error):
    with pytest.raises(error, match=argument):
        optimizers.SDLM(**{argument: value})


def test_an_epochwise_schedule_needs_rates():
    with pytest.raises(ValueError, match="values must hold one rate or more"):
        schedules.EpochwiseConstant([])
