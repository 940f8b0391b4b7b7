"""Each kind forward and backward: against float64, and gradients against differences."""

from functools import lru_cache

import effort
import numpy as np
import pytest
from core import on_each_isa
from hypothesis import given
from hypothesis import strategies as st
from reference import float64
from seeded import integers
from tolerance import EPS, assert_close, assert_same_bits

from kinds import CASES, KINDS, Call, Case
from kinds._random import batches, examples

# Cook-Toom's convolutions have bounds of their own: tests/kernels/test_cook_toom.py.
pytestmark = pytest.mark.usefixtures("direct_convolutions")

SIZES = [case for kind in KINDS.values() for case in effort.some(kind.sizes)]
BOTH_WAYS = [Call(case, by_layer=by_layer) for case in CASES for by_layer in (False, True)]
# By a function of pylenet.ops, and by the layer where that is not the same.
CALLS = [call for call in BOTH_WAYS if call.op or call.by_layer]
EXACT = [case for case in [*CASES, *SIZES] if case.kind.exact(case.layer)]
SMALL = [
    case if case.batch * np.prod(case.input_shape) <= 500 else case.of(min(case.batch, 3))
    for case in [*CASES, *SIZES]
    if 3 * np.prod(case.input_shape) <= 500 and sum(map(np.prod, case.weight_shapes.values())) < 320
]
SWEEPS = [(kind, name) for kind in KINDS.values() for name in kind.sweeps]


def backward(call):
    return Call(call.case, True, call.by_layer)


def taken(arrays, call):
    """Those that the call takes."""
    return {name: arrays[name] for name in call.names}


def check(call, make=None, seed=1):
    """The call's results, both ways, are those of float64."""
    arrays, y, gradients, errors = call.case.problem(make, seed=seed)
    (actual,) = call(taken(arrays, call))
    assert_close(actual, y, errors[0])
    if call.op and "bias" in arrays:
        rest = {name: a for name, a in arrays.items() if name not in ("dy", "bias")}
        assert_close(call(rest)[0], y - arrays["bias"], errors[0])
    back = backward(call)
    actual = back(taken(arrays, back))
    for a, expected, error in zip(actual, gradients, errors[1:], strict=False):
        assert_close(a, expected, error)


@pytest.mark.quick
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_a_layer_agrees_with_float64_forward_and_backward(call):
    on_each_isa(lambda: check(call))


@pytest.mark.quick
@pytest.mark.parametrize("case", SIZES, ids=str)
def test_any_size_agrees_with_float64_forward_and_backward(case):
    on_each_isa(lambda: check(Call(case)))


@pytest.mark.quick
@pytest.mark.parametrize("case", EXACT, ids=str)
def test_small_integers_give_exact_results(case):
    on_each_isa(lambda: check(Call(case), integers))


@pytest.mark.quick
@pytest.mark.parametrize(
    ("kind", "sweep"), SWEEPS, ids=lambda v: v if isinstance(v, str) else v.layer.__name__
)
def test_every_size_about_a_register_tile_is_exact(kind, sweep):
    for case in effort.some(kind.sweeps[sweep]):
        try:
            on_each_isa(lambda: check(Call(case), integers))  # noqa: B023 - called at once
        except AssertionError as error:
            raise AssertionError(str(case)) from error


@pytest.mark.parametrize("call", [call for call in CALLS if call.op], ids=str)
def test_a_function_of_ops_gives_the_bits_of_its_layer(call, isa):
    for one in (call, backward(call)):
        arrays, layer = one.inputs(19), Call(call.case, one.backward, by_layer=True)
        expected = layer(layer.inputs(19))
        assert_same_bits(one(arrays)[: len(expected)], expected)


# Differences


def differences(f, arrays, step, averages=()):
    """Of f, central ones: for x and each weight the gradient of sum(dy f), and what it touches.

    That is the sum of |dy| over the outputs that an element has any part in. Images are alone:
    one call has those of all differences of x. Of averages they are zero.
    """
    dy, own = arrays["dy"], {name: a for name, a in arrays.items() if name != "dy"}
    x = own["x"]

    def moves(a):
        return (step * np.eye(a.size, dtype=x.dtype)).reshape(-1, *a.shape)

    def slopes(above, below):
        """(moves, images) of the gradient, and of what is touched."""
        found = (float64(above) - below) / (2 * step)
        inner = tuple(range(2, found.ndim))
        return (found * dy).sum(axis=inner), (np.abs(dy) * (found != 0)).sum(axis=inner)

    def moved_images(by):
        y = f(own | {"x": (x + by[:, None]).reshape(-1, *x.shape[1:])})
        return y.reshape(len(by), *dy.shape)

    by = moves(x[0])
    of_x = slopes(moved_images(by), moved_images(-by))
    found = [[part.T.reshape(x.shape) for part in of_x]]
    for name, w in own.items():
        if name in averages:
            found.append([np.zeros(w.shape)] * 2)
        elif name != "x":
            sides = [
                np.stack([f(own | {name: w + sign * m}) for m in moves(w)]) for sign in (1, -1)
            ]
            found.append([part.sum(axis=1).reshape(w.shape) for part in slopes(*sides)])
    return found


def in_float64(case, arrays, step):
    """The differences of the case's float64 forward."""

    def forward(own):
        return case.kind.forward(case.layer, *own.values())

    inputs = {name: float64(a) for name, a in arrays.items()}
    return differences(forward, inputs, step, case.averages)


def check_float64(case):
    """The float64 gradient is the central difference of the float64 forward."""
    arrays, _, gradients, _ = case.problem(None, 0.1)
    for gradient, (numeric, _) in zip(gradients, in_float64(case, arrays, 1e-4), strict=True):
        np.testing.assert_allclose(gradient, numeric, rtol=0, atol=2e-7)


@lru_cache
def step_of(case):
    """For float32: what makes the arrays, the step, and how wrong differences of it are.

    On whole numbers nothing is lost. Elsewhere a step is so large that rounding does not hide the
    slope, and differences of a smaller one, in float64, tell what is wrong with it.
    """
    if case.kind.exact(case.layer) and case.kind.smooth(case.layer):
        return integers, 1.0, [0.0] * (1 + len(case.weight_shapes))
    arrays, step = case.problem(None, 0.1).arrays, 2.0**-7
    large, small = (in_float64(case, arrays, size) for size in (step, 1e-4))
    return None, step, [np.abs(one[0] - two[0]) for one, two in zip(large, small, strict=True)]


def check_gradient(call):
    """The call's gradient is the central difference of the call itself."""
    make, step, truncated = step_of(call.case)
    arrays, _, _, errors = call.case.problem(make, 0.1)
    back = backward(call)
    actual = back(taken(arrays, back))
    averages = call.case.averages
    found = differences(lambda own: call(taken(own, call))[0], arrays, step, averages)
    moved = [*arrays.values()][1:]
    for a, v, error, wrong, (numeric, touched) in zip(
        actual, moved, errors[1:], truncated, found, strict=False
    ):
        rounded = EPS * np.abs(v).max() * np.abs(numeric)  # of v + step
        atol = error + wrong + (touched * errors[0] + rounded) / step
        assert np.all(np.abs(a - numeric) <= atol + 1e-12)


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_gradient_of_float64_is_its_central_difference(case):
    check_float64(case)


@pytest.mark.quick
@pytest.mark.parametrize("case", SMALL, ids=str)
def test_gradient_is_the_central_difference_of_the_forward(case):
    on_each_isa(lambda: check_gradient(Call(case)))


@pytest.mark.quick
@pytest.mark.parametrize("case", [case.of(3) for case in CASES], ids=str)
def test_a_layer_s_gradient_is_the_central_difference_of_the_layer(case):
    on_each_isa(lambda: check_gradient(Call(case, by_layer=True)))


# Random instances

SHAPES = {  # by rank
    1: st.tuples(st.integers(1, 150)),
    3: st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 19)),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.layer.__name__)
@pytest.mark.quick
@examples(120)
@given(st.data(), batches | st.integers(36, 70), st.integers(0, 2**32 - 10))
def test_a_random_layer_agrees_with_float64(kind, data, batch, seed):
    shape = data.draw(st.one_of([SHAPES[rank] for rank in kind.ranks]))
    layer = kind.random(data.draw, shape)
    make = integers if kind.exact(layer) and data.draw(st.booleans()) else None
    call = Call(Case(layer, shape, batch=batch))
    on_each_isa(lambda: check(call, make, seed))
