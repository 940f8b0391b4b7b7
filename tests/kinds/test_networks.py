"""Each kind in the middle of a network, and random networks of all kinds, against float64."""

from functools import lru_cache

import core
import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from nets import compiled, forward, one_hot
from tolerance import EPS

from kinds import CASES, KINDS, _networks, copy_of, kind_of
from kinds._random import batches, examples
from pylenet import layers, optimizers
from pylenet.models import Sequential

CROSS_ENTROPY = "categorical_crossentropy"


def check_step(model, x, rows, expected=None):
    """One step of SGD with a learning rate of 1 takes the float64 gradient off the weights."""
    expected, before = expected or _networks.gradients(model, x, rows), model.get_weights()
    model.train_on_batch(x, rows)
    for e, old, new in zip(expected, before, model.get_weights(), strict=True):
        np.testing.assert_allclose(reference.float64(old) - new, e, rtol=1e-4, atol=40 * EPS)


@pytest.mark.parametrize("batch", [1, 15, 16, 17])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_in_a_network_a_step_goes_down_the_gradient(case, batch, isa):
    check_step(*_networks.inside(case, optimizers.SGD(1.0), CROSS_ENTROPY, "softmax", batch))


@lru_cache
def hessian_inside(case, through):
    """The layer in a network, images, and the Hessian's diagonal in float64."""
    model, x, _ = _networks.inside(case, "sdlm", "mse", "linear", batch=3)
    parts = _networks.parts_of(model)
    squares = _networks.hessian(parts, x, lambda y: np.full(y.shape, 2 / y.shape[1]), through)
    return model, x, squares


def check_hessian(case, through=_networks.squared_jacobian):
    """The Hessian's diagonal, of the layer's weights and of those below it, is float64's."""
    model, x, expected = hessian_inside(case, through)
    core.plan_anew(model)
    actual = core.by_weight(model, core.hessian(model, x))
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=2e-4, atol=1e-6 * e.max())
        assert (e > 0).any()


def has_hessian(case):
    return case.kind.without_hessian(case.layer, case.input_shape) is None


@pytest.mark.quick
@pytest.mark.parametrize("case", [case for case in CASES if has_hessian(case)], ids=str)
def test_the_hessian_goes_through_a_layer(case):
    core.on_each_isa(lambda: check_hessian(case))


@pytest.mark.parametrize("case", [case for case in CASES if not has_hessian(case)], ids=str)
def test_a_layer_without_this_hessian_is_refused(case):
    model, x, rows = _networks.inside(case, "sdlm", "mse", "linear")
    reason = case.kind.without_hessian(case.layer, case.input_shape)
    with pytest.raises(ValueError, match=reason):
        model.train_on_batch(x, rows)


# Random networks

CLASSES = 4


@st.composite
def networks(draw, smooth):
    """A model's input shape and its layers. smooth: without those whose gradient jumps.

    A float64 reference takes another branch where two numbers are nearly equal. That changes an
    output by as little as they differ, but a gradient by a whole term.
    """
    shape = draw(st.tuples(st.integers(3, 12), st.integers(3, 12), st.integers(1, 4)))
    stack, output = [], shape
    for rank, least, most in ((3, 1, 4), (1, 0, 2)):
        kinds = [k for k in KINDS.values() if rank in k.ranks and k.suits_networks()]
        for kind in draw(st.lists(st.sampled_from(kinds), min_size=least, max_size=most)):
            layer = kind.random(draw, output)
            if smooth and not kind_of(layer).smooth(layer):
                continue
            stack.append(layer)
            output = Sequential([layers.Input(output), copy_of(layer)]).output_shape[1:]
        if rank == 3:
            stack.append(layers.Flatten())
            output = (int(np.prod(output)),)
    return shape, [*stack, layers.Dense(CLASSES, "softmax")]


def make(network, batch, seed):
    """A compiled model that takes whole steps down its gradient, images, and targets."""
    shape, stack = network

    def build():
        return Sequential([layers.Input(shape), *map(copy_of, stack)])

    model = compiled(build, optimizers.SGD(1.0), CROSS_ENTROPY, seed % 2**32)
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (batch, *shape)).astype(np.float32)
    return model, x, one_hot(rng.integers(0, CLASSES, batch), CLASSES)


@pytest.mark.quick
@examples(100)
@given(networks(smooth=False), batches, st.integers(0, 2**40))
def test_a_network_predicts_what_the_reference_does(network, batch, seed):
    model, x, _ = make(network, batch, seed)
    expected = forward(model, x)

    def check():
        y = make(network, batch, seed)[0].predict(x)
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=40 * EPS)

    core.on_each_isa(check)


@pytest.mark.quick
@examples(100)
@given(networks(smooth=True), batches, st.integers(0, 2**40))
def test_a_step_of_training_goes_down_the_reference_s_gradient(network, batch, seed):
    expected = _networks.gradients(*make(network, batch, seed))
    core.on_each_isa(lambda: check_step(*make(network, batch, seed), expected))
