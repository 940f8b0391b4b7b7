"""Regularizers and constraints: by themselves, in training, in configs."""

import json

import numpy as np
import pytest
from nets import compiled, digits, samples, state, tiny
from reference import float64
from tolerance import EPS, FMA, assert_same_bits

import pylenet
from pylenet import _core, constraints, layers, optimizers, regularizers
from pylenet.models import Sequential, load_model

RULES = {
    "L1": regularizers.L1(0.05),
    "L2": regularizers.L2(0.1),
    "both": regularizers.L1L2(0.02, 0.03),
}
CONSTRAINTS = [
    "NonNeg()",
    "MaxNorm(0.7)",
    "MaxNorm(0.9, axis=1)",
    "MaxNorm(0.5, axis=[0, 1])",
    "UnitNorm()",
    "UnitNorm(axis=-1)",
    "MinMaxNorm(0.6, 0.8, 0.5)",
    "MinMaxNorm(2.0, 3.0)",
]


def definition(rule, w):
    w = float64(w)
    return rule.l1 * np.abs(w).sum() + rule.l2 * (w**2).sum()


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_regularizer_is_the_weighted_sum_of_sizes_and_squares(rule):
    w = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    assert rule(w) == pytest.approx(definition(rule, w), rel=1e-12)
    assert rule(np.zeros(4)) == 0


def net(**rules):
    """37 x 3 weights and 3 biases."""
    return lambda: Sequential(
        [layers.Dense(3, bias_initializer="ones", input_shape=(37,), **rules)]
    )


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_penalty_is_in_the_loss_and_in_the_gradient(rule, isa):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 20, 37)).astype(np.float32), rng.normal(size=(20, 3))
    plain = compiled(net(), optimizers.SGD(1.0), "mse")
    ruled = compiled(
        net(kernel_regularizer=rule, bias_regularizer="l2"), optimizers.SGD(1.0), "mse"
    )
    plain.layers[0].kernel[0] = ruled.layers[0].kernel[0] = 0  # where |w| has no slope
    kernel, bias = ruled.get_weights()
    penalty = definition(rule, kernel) + 0.01 * (float64(bias) ** 2).sum()
    loss = plain.evaluate(x[0], y)
    assert ruled.evaluate(x[0], y) == pytest.approx(loss + penalty, rel=1e-6)
    assert plain.train_on_batch(x[0], y) == pytest.approx(loss, rel=1e-6)
    assert ruled.train_on_batch(x[0], y) == pytest.approx(loss + penalty, rel=1e-6)
    slopes = rule.l1 * np.sign(float64(kernel)) + 2 * rule.l2 * float64(kernel)
    for found, other, slope in zip(
        ruled.get_weights(), plain.get_weights(), (slopes, 0.02 * float64(bias)), strict=True
    ):
        np.testing.assert_allclose(found, other - slope, atol=8 * EPS)


def test_a_penalty_counts_once_for_each_step_and_not_for_each_sample():
    x, y = samples(50, (4,), 3)

    def build():
        return Sequential([layers.Dense(3, "softmax", input_shape=(4,), kernel_regularizer="l1")])

    model, plain = compiled(build, optimizers.SGD(0.0)), compiled(tiny, optimizers.SGD(0.0))
    plain.set_weights(model.get_weights())
    options = {"batch_size": 16, "verbose": 0, "shuffle": False, "validation_data": (x, y)}
    found, expected = model.fit(x, y, **options).history, plain.fit(x, y, **options).history
    penalty = regularizers.L1()(model.layers[0].kernel)
    for name in ("loss", "val_loss"):
        assert found[name][0] == pytest.approx(expected[name][0] + penalty, rel=1e-6)


def test_a_clipped_gradient_has_its_penalty_in_it():
    build = net(kernel_regularizer=regularizers.L2(50.0))
    model = compiled(build, optimizers.SGD(1.0, global_clipnorm=0.5), "mse")
    before = float64(state(model))
    model.train_on_batch(np.zeros((4, 37)), np.ones((4, 3)))
    change = before - float64(state(model))
    assert np.linalg.norm(change) == pytest.approx(0.5, rel=1e-5)
    kernel = before[: 37 * 3]
    np.testing.assert_allclose(change[: 37 * 3], 0.5 * kernel / np.linalg.norm(kernel), atol=1e-6)


def test_what_is_frozen_has_no_penalty_and_no_constraint():
    x, y = samples(20, (4,), 3)

    def build():
        first = layers.Dense(
            4, input_shape=(4,), kernel_regularizer="l2", kernel_constraint="non_neg"
        )
        return Sequential([first, layers.Dense(3, "softmax")])

    model = compiled(build)
    model.layers[0].trainable = False
    loss = model.evaluate(x, y)
    model.compile("sgd", model.loss)
    penalty = regularizers.L2()(model.layers[0].kernel)
    assert model.evaluate(x, y) == pytest.approx(loss - penalty, rel=1e-6)
    before = model.layers[0].kernel.copy()
    model.fit(x, y, verbose=0)
    assert_same_bits(model.layers[0].kernel.copy(), before)


def by_definition(constraint, w):
    """In float64, from Keras's documentation."""
    w = float64(w)
    if isinstance(constraint, constraints.NonNeg):
        return np.maximum(w, 0)
    axis = tuple(np.ravel(constraint.axis))
    norms = np.sqrt((w**2).sum(axis=axis, keepdims=True))
    low, high, rate = {
        constraints.MaxNorm: lambda c: (0, c.max_value, 1),
        constraints.UnitNorm: lambda c: (1, 1, 1),
        constraints.MinMaxNorm: lambda c: (c.min_value, c.max_value, c.rate),
    }[type(constraint)](constraint)
    return w * (rate * np.clip(norms, low, high) + (1 - rate) * norms) / (norms + 1e-7)


@pytest.mark.parametrize("call", CONSTRAINTS)
def test_a_constraint_holds_after_each_step(call, isa):
    constraint = eval(f"constraints.{call}")
    x, y = digits(40)

    def build(**rule):
        return lambda: Sequential(
            [
                layers.Conv2D(5, (3, 4), 2, activation="tanh", input_shape=(28, 28, 1), **rule),
                layers.Flatten(),
                layers.Dense(10, "softmax", **rule),
            ]
        )

    free = compiled(build(), "adam")
    bound = compiled(build(kernel_constraint=constraint), "adam")
    for model in (free, bound):
        model.train_on_batch(x, y)
    for name, w in free.named_weights().items():
        found = bound.named_weights()[name]
        if "kernel" not in name:
            assert_same_bits(found.copy(), w.copy())
            continue
        expected = by_definition(constraint, w)
        np.testing.assert_allclose(found, expected, rtol=4 * EPS)
        np.testing.assert_allclose(constraint(w), expected, rtol=4 * EPS)
        assert np.any(found != w)


def test_a_vector_of_zeros_stays():
    np.testing.assert_array_equal(constraints.UnitNorm()(np.zeros((3, 2))), 0)


def ruled_lenet():
    rule = {"kernel_regularizer": regularizers.L1L2(1e-3, 1e-3), "bias_regularizer": "l1"}
    return Sequential(
        [
            layers.Conv2D(6, 5, activation="relu", input_shape=(28, 28, 1), **rule),
            layers.BatchNormalization(gamma_regularizer="l2", beta_constraint="non_neg"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(60, "relu", kernel_constraint=constraints.MaxNorm(0.5), **rule),
            layers.Dense(10, "softmax", kernel_constraint="unit_norm", bias_constraint="non_neg"),
        ]
    )


@pytest.mark.parametrize("optimizer", ["nadam", optimizers.SGD(0.1, global_clipnorm=1.0)])
def test_one_seed_gives_one_result_with_rules(optimizer, isa, threads_restored):
    x, y = digits(100)
    found = []
    for threads in (1, 2, 3):
        pylenet.set_num_threads(threads)
        own = optimizers.get(optimizers.serialize(optimizers.get(optimizer)))
        model = compiled(ruled_lenet, own)
        history = model.fit(x, y, batch_size=32, verbose=0, validation_split=0.2).history
        found.append((history, state(model)))
    for history, weights in found[1:]:
        assert history == found[0][0]
        assert_same_bits(weights, found[0][1])


@pytest.mark.skipif(len(FMA) < 2, reason="needs two instruction sets that fuse multiply-adds")
def test_rules_have_the_same_bits_on_instruction_sets_that_fuse_multiply_adds():
    x, y = digits(60)
    former, found = _core.active_isa(), []
    try:
        for isa in FMA:
            _core.set_isa(isa)
            model = compiled(ruled_lenet, "adamax")
            history = model.fit(x, y, batch_size=16, verbose=0).history
            found.append((history, state(model)))
    finally:
        _core.set_isa(former)
    for history, weights in found[1:]:
        assert history == found[0][0]
        assert_same_bits(weights, found[0][1])


def test_sdlm_adds_a_penalty_s_second_derivative():
    x, y = samples(20, (4,), 3)

    def build():
        return Sequential(
            [layers.Dense(3, "softmax", input_shape=(4,), kernel_regularizer=regularizers.L2(0.5))]
        )

    plain, ruled = compiled(tiny, optimizers.SDLM(0.0)), compiled(build, optimizers.SDLM(0.0))
    for model in (plain, ruled):
        model.train_on_batch(x, y)
    gains = [m.named_weights(m.optimizer.slots[0]) for m in (plain, ruled)]
    np.testing.assert_allclose(
        1 / gains[1]["dense.kernel"], 1 / gains[0]["dense.kernel"] + 1.0, rtol=1e-5
    )
    assert_same_bits(gains[1]["dense.bias"].copy(), gains[0]["dense.bias"].copy())


def test_a_saved_model_has_its_rules(tmp_path):
    model = compiled(ruled_lenet)
    model.save(tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors")
    assert [repr(layer) for layer in loaded.layers] == [repr(layer) for layer in model.layers]
    x, y = digits(40)
    for each in (model, loaded):
        each.fit(x, y, shuffle=False, verbose=0)
    assert_same_bits(state(loaded), state(model))


@pytest.mark.parametrize(
    "rule",
    [*RULES.values(), *(eval(f"constraints.{call}") for call in CONSTRAINTS)],
    ids=str,
)
def test_a_config_goes_through_json_and_makes_the_same_rule(rule):
    module = regularizers if isinstance(rule, regularizers.Regularizer) else constraints
    again = module.get(json.loads(json.dumps(module.serialize(rule))))
    assert type(again) is type(rule)
    assert repr(again) == repr(rule)
    assert module.get(rule) is rule
    assert repr(eval(repr(rule), vars(module).copy())) == repr(rule)


@pytest.mark.parametrize(
    ("module", "name", "cls"),
    [
        (regularizers, "l1", regularizers.L1),
        (regularizers, "L2", regularizers.L2),
        (regularizers, regularizers.l2, regularizers.L2),
        (constraints, "max_norm", constraints.MaxNorm),
        (constraints, "NonNeg", constraints.NonNeg),
        (constraints, constraints.unit_norm, constraints.UnitNorm),
    ],
)
def test_a_rule_is_found_by_name_and_class(module, name, cls):
    assert type(module.get(name)) is cls
    assert module.get(None) is None


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: regularizers.L1(-1), ValueError, "l1 must be a number in"),
        (lambda: regularizers.L2("a"), TypeError, "l2 must be a number"),
        (lambda: regularizers.get("l1_l2"), ValueError, "L1L2.l1=..., l2=.... with its factors"),
        (lambda: regularizers.get("l3"), ValueError, "regularizer must be one of .*got 'l3'"),
        (lambda: constraints.get("norm"), ValueError, "constraint must be one of .*got 'norm'"),
        (lambda: constraints.get(3), TypeError, "constraint must be a name, an instance"),
        (lambda: constraints.MaxNorm(axis=1.5), TypeError, "axis must be an integer"),
        (lambda: constraints.MinMaxNorm(2, 1), ValueError, "max_value must be at least min_value"),
        (lambda: constraints.MinMaxNorm(rate=2), ValueError, "rate must be a number in"),
        (lambda: layers.Dense(3, activity_regularizer="l2"), ValueError, "activity_regularizer"),
        (
            lambda: net(kernel_constraint=constraints.MaxNorm(axis=2))(),
            ValueError,
            "axis must be neighbouring axes of weights with 2, got 2",
        ),
        (
            lambda: constraints.UnitNorm(axis=[0, 2]).plan((3, 3, 1, 6)),
            ValueError,
            r"axis must be neighbouring axes of weights with 4, got \[0, 2\]",
        ),
    ],
)
def test_a_wrong_argument_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
