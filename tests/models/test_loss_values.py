"""Each loss in float64: the function on arrays, what training computes, and its gradient."""

import numpy as np
import pytest
from nets import compiled, state
from reference import float64
from tolerance import EPS, FMA, assert_same_bits

from pylenet import _core, layers, losses, optimizers
from pylenet.models import Sequential


def softmax(y):
    e = np.exp(y - y.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def sigmoid(y):
    return 1 / (1 + np.exp(-y))


def binary(t, p):
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean(axis=1)


def categorical(t, p):
    p = np.clip(p / p.sum(axis=1, keepdims=True), 1e-7, 1 - 1e-7)
    return -(t * np.log(p)).sum(axis=1)


def huber(t, y, delta=1.0):
    e = np.abs(y - t)
    return np.where(e <= delta, e**2 / 2, delta * e - delta**2 / 2).mean(axis=1)


def divergence(t, y):
    t, y = np.clip(t, 1e-7, 1), np.clip(y, 1e-7, 1)
    return (t * np.log(t / y)).sum(axis=1)


def squared_hinge(t, y):
    return (np.maximum(0, 1 - (2 * t - 1) * y) ** 2).mean(axis=1)


def categorical_hinge(t, y):
    return np.maximum(0, 1 + np.max((1 - t) * y, axis=1) - (t * y).sum(axis=1))


def poisson(t, y):
    return (y - t * np.log(y + 1e-7)).mean(axis=1)


def percentage(t, y):
    return (100 * np.abs(y - t) / np.maximum(np.abs(t), 1e-7)).mean(axis=1)


def logarithmic(t, y):
    t, y = np.maximum(t, 1e-7), np.maximum(y, 1e-7)
    return ((np.log1p(y) - np.log1p(t)) ** 2).mean(axis=1)


def cosine(t, y):
    lengths = np.linalg.norm(t, axis=1) * np.linalg.norm(y, axis=1)
    return -(t * y).sum(axis=1) / np.maximum(lengths, 1e-14)


SMOOTH = 0.2

# The loss, the last activation, its value in float64 of what goes into that, and the targets.
LOSSES = {
    "binary from logits": (
        losses.BinaryCrossentropy(from_logits=True),
        "linear",
        lambda t, y: binary(t, sigmoid(y)),
        "yes or no",
    ),
    "binary after a sigmoid": (
        "binary_crossentropy",
        "sigmoid",
        lambda t, y: binary(t, sigmoid(y)),
        "share",
    ),
    "binary of probabilities": ("bce", "softmax", lambda t, y: binary(t, softmax(y)), "yes or no"),
    "smoothed binary": (
        losses.BinaryCrossentropy(label_smoothing=SMOOTH),
        "sigmoid",
        lambda t, y: binary(t * (1 - SMOOTH) + SMOOTH / 2, sigmoid(y)),
        "yes or no",
    ),
    "smoothed categorical": (
        losses.CategoricalCrossentropy(label_smoothing=SMOOTH),
        "softmax",
        lambda t, y: categorical(t * (1 - SMOOTH) + SMOOTH / t.shape[1], softmax(y)),
        "one hot",
    ),
    "smoothed categorical of probabilities": (
        losses.CategoricalCrossentropy(False, SMOOTH),
        "sigmoid",
        lambda t, y: categorical(t * (1 - SMOOTH) + SMOOTH / t.shape[1], sigmoid(y)),
        "one hot",
    ),
    "squares": ("mse", "linear", lambda t, y: ((t - y) ** 2).mean(axis=1), "number"),
    "absolute": ("mae", "linear", lambda t, y: np.abs(t - y).mean(axis=1), "number"),
    "huber": ("huber", "linear", huber, "number"),
    "huber with delta": (
        losses.Huber(0.3),
        "linear",
        lambda t, y: huber(t, y, 0.3),
        "number",
    ),
    "log cosh": ("log_cosh", "linear", lambda t, y: np.log(np.cosh(y - t)).mean(axis=1), "number"),
    "divergence": ("kld", "softmax", lambda t, y: divergence(t, softmax(y)), "distribution"),
    "poisson": ("poisson", "sigmoid", lambda t, y: poisson(t, sigmoid(y)), "count"),
    "hinge of 0 and 1": (
        "hinge",
        "linear",
        lambda t, y: np.maximum(0, 1 - (2 * t - 1) * y).mean(axis=1),
        "yes or no",
    ),
    "hinge of signs": (
        "hinge",
        "tanh",
        lambda t, y: np.maximum(0, 1 - t * np.tanh(y)).mean(axis=1),
        "sign",
    ),
    "squared hinge": ("squared_hinge", "linear", squared_hinge, "yes or no"),
    "categorical hinge": ("categorical_hinge", "linear", categorical_hinge, "one hot"),
    "percentage": ("mape", "linear", percentage, "far from 0"),
    "logarithmic": ("msle", "linear", logarithmic, "count"),
    "cosine": ("cosine_similarity", "linear", cosine, "number"),
}
ACTIVATIONS = {"linear": lambda y: y, "sigmoid": sigmoid, "softmax": softmax, "tanh": np.tanh}


def targets(kind, rng, shape):
    if kind == "yes or no":
        return rng.integers(0, 2, shape).astype(np.float32)
    if kind == "sign":
        return rng.choice([-1.0, 1.0], shape).astype(np.float32)
    if kind == "one hot":
        return np.eye(shape[1], dtype=np.float32)[rng.integers(0, shape[1], shape[0])]
    if kind == "count":
        return rng.integers(0, 5, shape).astype(np.float32)
    if kind == "far from 0":
        return (rng.choice([-1.0, 1.0], shape) * rng.uniform(1, 3, shape)).astype(np.float32)
    if kind == "distribution":
        return softmax(rng.normal(size=shape)).astype(np.float32)
    if kind == "share":
        return rng.uniform(0, 1, shape).astype(np.float32)
    return (2 * rng.normal(size=shape)).astype(np.float32)


def shifted(activation, outputs):
    """A model whose last activation is of x plus a bias."""
    return Sequential(
        [
            layers.Dense(outputs, input_shape=(outputs,), kernel_initializer="zeros"),
            layers.Activation(activation),
        ]
    )


def prepared(loss, activation, outputs):
    model = compiled(lambda: shifted(activation, outputs), optimizers.SGD(1.0), loss)
    model.set_weights([np.eye(outputs), np.zeros(outputs)])
    return model


CASES = [
    (name, outputs)
    for name, (_, activation, _, _) in LOSSES.items()
    for outputs in (1, 3, 7)
    if outputs > 1 or not ("categorical" in name or activation == "softmax")
]


@pytest.mark.filterwarnings("ignore:loss 'categorical_crossentropy' takes probabilities")
@pytest.mark.parametrize("batch", [1, 5, 16, 37])
@pytest.mark.parametrize(("name", "outputs"), CASES)
def test_a_loss_and_its_gradient_are_those_of_float64(name, batch, outputs, isa):
    loss, activation, value, kind = LOSSES[name]
    rng = np.random.default_rng(batch)
    x = rng.normal(size=(batch, outputs)).astype(np.float32)
    y, weights = targets(kind, rng, x.shape), rng.uniform(0.1, 2, batch).astype(np.float32)
    x64, y64, w64 = float64(x), float64(y), float64(weights)

    expected = value(y64, x64)
    given = losses.get(loss).values(y, ACTIVATIONS[activation](x64))
    np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-6)
    model = prepared(loss, activation, outputs)
    scale = np.abs(expected).max() + 1
    assert model.evaluate(x, y) == pytest.approx(expected.mean(), abs=20 * EPS * scale)
    found = model.train_on_batch(x, y, sample_weight=weights)
    assert found == pytest.approx((expected * w64).mean(), abs=40 * EPS * scale)

    step, numeric = 1e-6, np.empty(outputs)
    for k, shift in enumerate(np.eye(outputs) * step):
        both = value(y64, x64 + shift), value(y64, x64 - shift)
        numeric[k] = ((both[0] - both[1]) * w64).mean() / (2 * step)
    gradient = -float64(model.get_weights()[1])
    np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=4e-6)


@pytest.mark.filterwarnings("ignore:loss 'categorical_crossentropy' takes probabilities")
@pytest.mark.skipif(len(FMA) < 2, reason="needs two instruction sets that fuse multiply-adds")
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_has_the_same_bits_on_instruction_sets_that_fuse_multiply_adds(name):
    loss, activation, _, kind = LOSSES[name]
    rng = np.random.default_rng(0)
    x = (3 * rng.normal(size=(37, 5))).astype(np.float32)
    y, former, found = targets(kind, rng, x.shape), _core.active_isa(), []
    try:
        for isa in FMA:
            _core.set_isa(isa)
            model = prepared(loss, activation, 5)
            found.append((model.train_on_batch(x, y), state(model)))
    finally:
        _core.set_isa(former)
    for value, weights in found[1:]:
        assert value == found[0][0]
        assert_same_bits(weights, found[0][1])


@pytest.mark.parametrize("from_logits", [False, True])
def test_binary_crossentropy_is_right_where_a_sigmoid_is_0_or_1(from_logits, isa):
    logits = np.array([[200.0], [200.0], [-200.0], [-200.0], [0.0], [30.0]], np.float32)
    y = np.array([1, 0, 0, 1, 1, 0], np.float32)
    expected = [0, 200, 0, 200, np.log(2), 30]
    for i, value in enumerate(expected):
        loss = losses.BinaryCrossentropy(from_logits)
        model = prepared(loss, "linear" if from_logits else "sigmoid", 1)
        assert model.evaluate(logits[i : i + 1], y[i : i + 1]) == pytest.approx(value, rel=1e-6)
        model.train_on_batch(logits[i : i + 1], y[i : i + 1])
        slope = sigmoid(float(logits[i, 0])) - y[i]
        assert model.get_weights()[1][0] == pytest.approx(-slope, rel=1e-6, abs=1e-30)


def test_targets_of_one_output_may_be_a_vector():
    x, y = np.linspace(-1, 1, 10, dtype=np.float32)[:, None], np.arange(10) % 2
    values = []
    for targets_ in (y, y[:, None], y.tolist(), y.astype(bool)):
        model = prepared("binary_crossentropy", "sigmoid", 1)
        values.append(model.fit(x, targets_, shuffle=False, verbose=0).history["loss"])
    assert values[1:] == values[:1] * 3
    assert losses.binary_crossentropy(y, x / 2 + 0.5).shape == (10,)


@pytest.mark.parametrize("activation", ["linear", "relu", "tanh"])
def test_binary_crossentropy_needs_probabilities(activation):
    with pytest.raises(ValueError, match="must come from a sigmoid.*BinaryCrossentropy.from_log"):
        compiled(lambda: shifted(activation, 2), loss="binary_crossentropy")


def test_binary_crossentropy_of_logits_needs_a_linear_end():
    with pytest.raises(ValueError, match="from_logits=True, so the last layer must be linear"):
        compiled(lambda: shifted("sigmoid", 2), loss=losses.BinaryCrossentropy(True))


def test_categorical_crossentropy_of_one_output_names_the_binary_one():
    with pytest.raises(ValueError, match="at least 2 outputs.*'binary_crossentropy'"):
        compiled(lambda: shifted("sigmoid", 1), loss="categorical_crossentropy")


@pytest.mark.parametrize("loss", ["hinge", "mae", losses.BinaryCrossentropy(True)])
def test_sdlm_refuses_losses_without_its_second_derivatives(loss):
    model = compiled(lambda: shifted("linear", 2), optimizers.SDLM(), loss)
    with pytest.raises(ValueError, match="SDLM takes a categorical cross-entropy"):
        model.fit(np.ones((4, 2)), np.ones((4, 2)), verbose=0)


@pytest.mark.parametrize("targets_", [[[0.0, 0.0]], [[3.0, -4.0]]])
def test_the_cosine_of_zeros_is_0_and_its_gradient_finite(targets_, isa):
    model = prepared("cosine_similarity", "linear", 2)
    x = np.zeros((1, 2), np.float32)
    assert model.evaluate(x, targets_) == 0
    assert losses.cosine_similarity(targets_, x) == [0]
    assert model.train_on_batch(x, targets_) == 0
    step = np.array(targets_[0]) / (np.linalg.norm(targets_) or 1) * 1e7
    np.testing.assert_allclose(model.get_weights()[1], step, rtol=1e-6)


def test_a_loss_of_one_s_own_says_why_it_is_refused():
    def mine(y_true, y_pred):
        return y_pred

    with pytest.raises(ValueError, match="computes losses and .*, so none of one's own can be"):
        compiled(lambda: shifted("linear", 2), loss=mine)
    with pytest.raises(TypeError, match="Mine must not have a method call.*C.. computes"):
        type("Mine", (losses.Loss,), {"call": mine})


ALIASES = {
    "mape": "mean_absolute_percentage_error",
    "MSLE": "mean_squared_logarithmic_error",
    "bce": "binary_crossentropy",
    "BCE": "binary_crossentropy",
    "mae": "mean_absolute_error",
    "MAE": "mean_absolute_error",
    "kld": "kl_divergence",
    "KLD": "kl_divergence",
    "kullback_leibler_divergence": "kl_divergence",
    "logcosh": "log_cosh",
}


@pytest.mark.parametrize("name", [*ALIASES, *ALIASES.values(), "hinge", "huber", "poisson"])
def test_a_loss_is_found_under_keras_s_names(name):
    assert losses.get(name).kind == ALIASES.get(name, name)


@pytest.mark.parametrize(
    "loss",
    [
        losses.BinaryCrossentropy(True, 0.1),
        losses.CategoricalCrossentropy(label_smoothing=0.25),
        losses.Huber(0.5),
        losses.SquaredHinge(name="mine"),
    ],
    ids=str,
)
def test_a_config_makes_the_same_loss(loss):
    again = losses.get(losses.serialize(loss))
    assert repr(again) == repr(loss)
    assert type(again) is type(loss)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: losses.BinaryCrossentropy(label_smoothing=1.1), "label_smoothing must be"),
        (lambda: losses.Huber(0), "delta must be"),
        (lambda: losses.Huber(1)([[1.0]], [[1.0]], [1, 2]), "sample_weight must have shape"),
        (lambda: losses.Huber(1)([[1.0]], [[1.0]], [np.nan]), "sample_weight must hold finite"),
    ],
)
def test_a_wrong_value_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
