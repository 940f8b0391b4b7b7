"""The tables themselves: an entry or a layer that is wrong does not pass them."""

import core
import numpy as np
import pytest

from kinds import CASES, Call, kind_of, test_float64, test_networks
from kinds._networks import squared_jacobian
from kinds.activation import Activated
from kinds.test_networks import has_hessian


def passes(check, *arguments):
    """Whether a check of the tables has nothing to say."""
    try:
        check(*arguments)
    except AssertionError:
        return False
    return True


def wrong_at(position, factor, right):
    """A function like `right`, one of whose results is wrong by a factor."""

    def planted(*arguments):
        results = list(right(*arguments))
        results[position] = results[position] * results[position].dtype.type(factor)
        return tuple(results)

    return planted


PLACES = [(case, k) for case in CASES for k in range(case.gradients)]


@pytest.mark.parametrize(("case", "position"), PLACES, ids=str)
def test_a_layer_with_a_wrong_gradient_is_caught(case, position, monkeypatch):
    call = Call(case.of(3), by_layer=True)
    assert passes(test_float64.check, call)
    assert passes(test_float64.check_gradient, call)
    monkeypatch.setattr(core, "gradients", wrong_at(position, 0.8, core.gradients))
    assert not passes(test_float64.check, call)
    assert not passes(test_float64.check_gradient, call)


@pytest.mark.parametrize(("case", "position"), PLACES, ids=str)
def test_an_entry_with_a_wrong_gradient_is_caught(case, position, monkeypatch):
    kind = case.kind
    monkeypatch.setattr(kind, "backward", wrong_at(position, 0.99, kind.backward))
    assert not passes(test_float64.check_float64, case.of(3))


SLOPED = [
    case
    for case in CASES
    if getattr(case.layer, "activation", "linear") != "linear"
    and case.output_shape == case.input_shape
    and not case.weight_shapes
]


@pytest.mark.parametrize("case", SLOPED, ids=str)
def test_an_activation_whose_gradient_is_that_of_its_output_is_caught(case, monkeypatch):
    monkeypatch.setattr(core, "gradients", lambda model, x, dy: (dy,))
    call = Call(case.of(3), by_layer=True)
    assert not passes(test_float64.check, call)
    assert not passes(test_float64.check_gradient, call)
    # The same fault in the entry hides it from the first table, and from no other.
    monkeypatch.setattr(case.kind, "backward", lambda layer, dy, x: (dy,))
    call = Call(case.of(3), by_layer=True)
    assert passes(test_float64.check, call)
    assert not passes(test_float64.check_float64, call.case)
    assert not passes(test_float64.check_gradient, call)


KINKED = [
    case for case in CASES if isinstance(case.kind, Activated) and not case.kind.smooth(case.layer)
]


@pytest.mark.parametrize("case", KINKED, ids=str)
def test_a_kink_has_numbers_on_both_sides(case):
    before = case.kind.before(case.layer, *[*case.of(3).arrays().values()][1:])
    for kink in case.kind.function(case.layer).kinks:
        assert np.any(before < kink - 0.1)
        assert np.any(before > kink + 0.1)


def gradient_for_hessian(layer, h, x, *weights):
    """What h becomes in a layer that has a gradient and no Hessian of its own."""
    return kind_of(layer).backward(layer, h, x, *weights)


# Below an image without channels there is no layer that would show it.
SHOWN = [case for case in CASES if has_hessian(case) and len(case.input_shape) != 2]


@pytest.mark.parametrize("case", SHOWN, ids=str)
def test_a_layer_that_takes_its_gradient_for_its_hessian_is_caught(case):
    def through(layer, *arguments):
        wrong = type(layer) is type(case.layer)
        return (gradient_for_hessian if wrong else squared_jacobian)(layer, *arguments)

    arrays = case.of(1).arrays().values()
    own, squares = (f(case.layer, *arrays) for f in (gradient_for_hessian, squared_jacobian))
    # A Jacobian of zeros and ones is its own square.
    same = all(np.allclose(a, b) for a, b in zip(own, squares, strict=True))
    assert passes(test_networks.check_hessian, case, through) == same
