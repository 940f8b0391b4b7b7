"""Gradients of whole networks against differences, and what each optimizer makes of them."""

from functools import lru_cache

import numpy as np
import pytest
from nets import (
    compiled,
    cross_entropy,
    cross_entropy_from_logits,
    forward,
    gradient_at,
    map_loss,
    one_hot,
    samples,
    small,
    squared_error,
    state,
    tiny,
)
from reference import float64
from tolerance import EPS, assert_same_bits

from pylenet import losses, optimizers
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

# Gradients of whole networks

CATEGORICAL = losses.CategoricalCrossentropy(from_logits=True)
SPARSE = losses.SparseCategoricalCrossentropy(from_logits=True)

# Layers for images of 6 x 5 x 2 or for 7 numbers, the loss, and the loss in float64.
NETS = {
    "tanh-average-softmax": (
        lambda: [
            Conv2D(3, 3, activation="tanh"),
            AveragePooling2D(2),
            Flatten(),
            Dense(5, "tanh"),
            Dense(4, "softmax"),
        ],
        "categorical_crossentropy",
        cross_entropy,
    ),
    "relu-max-softmax": (
        lambda: [
            Rescaling(0.5, offset=0.25),
            Conv2D(3, 2, activation="relu"),
            MaxPooling2D(2),
            Flatten(),
            Dense(5, "relu"),
            Dense(4, "softmax"),
        ],
        "sparse_categorical_crossentropy",
        cross_entropy,
    ),
    "same-strides-logits": (
        lambda: [
            Conv2D(2, (4, 3), strides=(2, 1), padding="same", activation="sigmoid"),
            Conv2D(17, (1, 2), use_bias=False),
            Activation("tanh"),
            AveragePooling2D((2, 3), strides=1, padding="same"),
            Flatten(),
            Dense(4),
        ],
        SPARSE,
        cross_entropy_from_logits,
    ),
    "overlapping-max-logits": (
        lambda: [
            Conv2D(2, 2, padding="same"),
            MaxPooling2D(3, strides=(1, 2), padding="same"),
            Activation("relu"),
            Rescaling(-2.0, 0.1),
            Conv2D(3, 3, activation="tanh"),
            Flatten(),
            Dense(4, use_bias=False),
            Activation("linear"),
        ],
        CATEGORICAL,
        cross_entropy_from_logits,
    ),
    "probabilities": (
        lambda: [MaxPooling2D(2), Flatten(), Dense(6, "tanh"), Dense(4, "sigmoid")],
        "categorical_crossentropy",
        cross_entropy,
    ),
    "clipped-probabilities": (
        lambda: [
            *(Flatten(), Dense(4), Rescaling(9.0)),
            *(Activation("softmax"), Activation("linear")),
        ],
        "categorical_crossentropy",
        cross_entropy,
    ),
    "clipped-sigmoids": (
        lambda: [Flatten(), Dense(4), Rescaling(20.0), Activation("sigmoid")],
        "categorical_crossentropy",
        cross_entropy,
    ),
    "softmax-then-linear": (
        lambda: [Flatten(), Dense(4, "softmax"), Activation("linear")],
        "sparse_categorical_crossentropy",
        cross_entropy,
    ),
    "softmax-layer": (
        lambda: [Flatten(), Dense(4), Activation("softmax")],
        "categorical_crossentropy",
        cross_entropy,
    ),
    "squares": (
        lambda: [Conv2D(2, 3, activation="relu"), Flatten(), Dense(4, "sigmoid")],
        "mse",
        squared_error,
    ),
    "squares-of-softmax": (
        lambda: [Dense(6, "tanh"), Dense(4), Activation("softmax")],
        "mean_squared_error",
        squared_error,
    ),
    "of-1998": (
        lambda: [
            ZeroPadding2D(((1, 0), (2, 1))),
            Conv2D(3, 3, activation="scaled_tanh"),
            Subsampling2D(2, activation="scaled_tanh"),
            Conv2D(4, 2, connections=[[0, 1], [2], [1, 2], [0, 1, 2]], activation="scaled_tanh"),
            Subsampling2D((1, 2), strides=1),
            Flatten(),
            Dense(5, "scaled_tanh"),
            RBF(["+-+-+", "++-+-", "-++--", "----+"]),
        ],
        "maximum_a_posteriori",
        map_loss,
    ),
    "padding-inside": (
        lambda: [
            Conv2D(3, 3, activation="relu"),
            ZeroPadding2D((1, 2)),
            Conv2D(2, 3, activation="tanh"),
            Flatten(),
            Dense(4, "softmax"),
        ],
        "categorical_crossentropy",
        cross_entropy,
    ),
    "rbf-inside": (
        lambda: [Dense(5, "tanh"), RBF(["+-+-+", "++-+-"]), Dense(4)],
        SPARSE,
        cross_entropy_from_logits,
    ),
    "window-as-large-as-its-image": (
        lambda: [Conv2D(3, 2), Conv2D(6, (5, 4), activation="tanh"), Flatten(), Dense(4)],
        SPARSE,
        cross_entropy_from_logits,
    ),
    "flat-linear": (lambda: [Dense(4)], "mse", squared_error),
    "flat-logits": (lambda: [Dense(4)], CATEGORICAL, cross_entropy_from_logits),
}
# Their targets are no labels: each class is wanted a little.
SOFT = {
    *("squares", "squares-of-softmax", "flat-linear", "flat-logits"),
    *("clipped-probabilities", "clipped-sigmoids"),
}
BATCH = 19


def net(name):
    make, loss, _ = NETS[name]
    shape = (7,) if isinstance(make()[0], Dense) else (6, 5, 2)
    model = compiled(lambda: Sequential([Input(shape), *make()]), optimizers.SGD(1.0), loss, seed=7)
    rng = np.random.default_rng(8)
    model.set_weights([w + 0.2 * rng.normal(size=w.shape) for w in model.get_weights()])
    labels = rng.integers(0, 4, BATCH)
    rows = rng.uniform(size=(BATCH, 4)) if name in SOFT else one_hot(labels, 4)
    x = rng.normal(size=(BATCH, *shape))
    return model, x, labels if model.loss.takes_labels else rows, rows


@lru_cache
def numeric_gradient(name, step=1e-5):
    """Central differences of the float64 loss, at up to 8 weights of each tensor, and the loss."""
    model, x, _, rows = net(name)
    loss = NETS[name][2]
    weights = [float64(w) for w in model.get_weights()]

    def value():
        return loss(rows, forward(model, x, weights)).mean()

    found = []
    for w in weights:
        where = np.random.default_rng(w.size).permutation(w.size)[:8]
        slopes = []
        for k in where:
            former = w.flat[k]
            w.flat[k] = former + step
            above = value()
            w.flat[k] = former - step
            slopes.append((above - value()) / (2 * step))
            w.flat[k] = former
        found.append((where, np.array(slopes)))
    return value(), found


@pytest.mark.filterwarnings("ignore:loss .* takes probabilities")  # of a sigmoid
@pytest.mark.parametrize("name", NETS)
def test_one_step_of_sgd_goes_down_the_gradient_of_the_loss(name, isa):
    expected_loss, gradients = numeric_gradient(name)
    model, x, y, _ = net(name)
    before = model.get_weights()
    assert model.train_on_batch(x, y) == pytest.approx(expected_loss, rel=1e-5)
    for old, new, (where, expected) in zip(before, model.get_weights(), gradients, strict=True):
        gradient = (float64(old) - new).flat[where]
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=40 * EPS)


@pytest.mark.parametrize(
    ("name", "too_high"), [("clipped-probabilities", 5), ("clipped-sigmoids", 0)]
)
def test_nets_of_clipped_probabilities_have_some_outside_and_inside(name, too_high):
    model, x, _, rows = net(name)
    y = forward(model, x)
    low, high = (y / y.sum(axis=1, keepdims=True) - side for side in (1e-7, 1 - 1e-7))
    assert (rows > 0).all()
    assert (low < 0).sum() >= 5
    assert (high > 0).sum() >= too_high
    assert ((low > 0) & (high < 0)).sum() >= 20
    assert np.abs(low).min() > 1e-9  # float32 has them all on the same side


# Optimizers


def keras_sgd(w, g, memory, rate, o):
    w = w - w * (o.weight_decay or 0) * rate
    if not o.momentum:
        return w - rate * g
    memory["m"] = o.momentum * memory.get("m", 0) - rate * g
    return w + (o.momentum * memory["m"] - rate * g if o.nesterov else memory["m"])


def keras_adam(w, g, memory, rate, o):
    w = w - w * (o.weight_decay or 0) * rate
    t = memory["t"] = memory.get("t", 0) + 1
    alpha = rate * np.sqrt(1 - o.beta_2**t) / (1 - o.beta_1**t)
    m, v = memory.get("m", 0), memory.get("v", 0)
    memory["m"] = m = m + (g - m) * (1 - o.beta_1)
    memory["v"] = v = v + (g * g - v) * (1 - o.beta_2)
    return w - alpha * m / (np.sqrt(v) + o.epsilon)


COSINE = schedules.CosineDecay(0.2, 4, 0.1, warmup_target=0.4, warmup_steps=2)
OPTIMIZERS = [
    optimizers.SGD(0.3),
    optimizers.SGD(0.1, momentum=0.9),
    optimizers.SGD(0.1, momentum=0.8, nesterov=True),
    optimizers.SGD(0.3, nesterov=True),
    optimizers.SGD(0.3, weight_decay=0.05),
    optimizers.SGD(0.1, momentum=0.7, nesterov=True, weight_decay=0.1),
    optimizers.Adam(0.01),
    optimizers.Adam(0.02, beta_1=0.7, beta_2=0.9, epsilon=0.01, weight_decay=0.2),
    optimizers.AdamW(0.01),
    optimizers.AdamW(0.01, 0.5, epsilon=1e-3),
    optimizers.SGD(COSINE, momentum=0.5),
    optimizers.AdamW(schedules.PiecewiseConstantDecay([0, 2], [0.01, 0.002, 0.05])),
    optimizers.SGD(schedules.OneCycle(0.4, 20)),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_every_step_is_keras_s_formula_applied_to_the_gradient(optimizer, isa):
    optimizer = optimizers.get(optimizers.serialize(optimizer))
    update = keras_sgd if isinstance(optimizer, optimizers.SGD) else keras_adam
    model = compiled(small, optimizer)
    x, y = samples(20, (8, 7, 2), 4)
    memory = {}
    for step in range(6):
        rate = optimizer.learning_rate
        g = gradient_at(model, x, y)
        expected = update(float64(state(model)), g, memory, rate, optimizer)
        before = state(model)
        model.train_on_batch(x, y)
        assert optimizer.iterations == step + 1
        moved = np.abs(expected - before).max()
        # Gradients are known to an ulp of the weights; Adam divides them by their own size.
        adam = update is keras_adam
        sure = np.abs(g) > 1e-3 if adam else slice(None)
        assert np.any(state(model) != before)
        np.testing.assert_allclose(
            state(model)[sure], expected[sure], rtol=0, atol=4 * EPS + 1e-3 * moved * adam
        )


@pytest.mark.parametrize("schedule", [o._learning_rate for o in OPTIMIZERS[-3:]], ids=repr)
def test_a_schedule_is_followed_step_by_step_in_fit(schedule):
    x, y = samples(12, (4,), 3)
    model = compiled(tiny, optimizers.SGD(schedule))
    model.fit(x, y, batch_size=3, epochs=2, shuffle=False, verbose=0)
    stepwise = compiled(tiny, optimizers.SGD(0.0))
    for step in range(8):
        stepwise.optimizer.learning_rate = schedule(step)
        part = slice(3 * (step % 4), 3 * (step % 4) + 3)
        stepwise.train_on_batch(x[part], y[part])
    assert_same_bits(state(model), state(stepwise))


@pytest.mark.parametrize("name", ["sgd", "Adam", "adamw"])
def test_an_optimizer_may_be_a_name(name):
    model = compiled(small, name)
    x, y = samples(32, (8, 7, 2), 4)
    before = model.evaluate(x, y)
    model.fit(x, y, epochs=3, verbose=0)
    assert model.evaluate(x, y) < before
