"""dense and dense_backward against the float64 reference and numeric gradients."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
import reference
from cases import integers, uniform
from reference import numeric_gradient
from tolerance import assert_close, summed

from pylenet import ops


class Case(NamedTuple):
    batch: int
    inputs: int
    units: int

    def __str__(self):
        return f"n{self.batch}-{self.inputs}-to-{self.units}"


CASES = [
    # LeNet's own layers
    Case(1, 256, 120),
    Case(16, 256, 120),
    Case(33, 400, 120),
    Case(1, 120, 84),
    Case(17, 120, 84),
    Case(1, 84, 10),
    Case(15, 84, 10),
    # ones, primes, and sizes about a vector and a tile
    Case(1, 1, 1),
    Case(16, 1, 1),
    Case(7, 1, 13),
    Case(9, 13, 1),
    Case(3, 2, 3),
    Case(4, 7, 8),
    Case(5, 8, 7),
    Case(8, 15, 16),
    Case(9, 16, 17),
    Case(15, 17, 15),
    Case(17, 31, 33),
    Case(33, 97, 31),
    Case(2, 784, 300),
    Case(50, 33, 47),
    Case(129, 5, 6),
]
SMALL = [c for c in CASES if c.batch * c.inputs <= 300 and c.inputs * c.units <= 300]


@cache
def problem(case, make):
    """x, kernel, bias, dy, and what the reference makes of them: y, (dx, dkernel, dbias)."""
    x, kernel = make((case.batch, case.inputs), 1), make((case.inputs, case.units), 2)
    bias, dy = make((case.units,), 3), make((case.batch, case.units), 4)
    y = reference.dense(x, kernel, bias)
    return x, kernel, bias, dy, y, reference.dense_backward(dy, x, kernel)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_agrees_with_the_reference(case, isa):
    x, kernel, bias, _, y, _ = problem(case, uniform)
    atol = summed(case.inputs, x, kernel, bias=bias)
    assert_close(ops.dense(x, kernel, bias), y, atol)
    assert_close(ops.dense(x, kernel), y - bias, atol)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_backward_agrees_with_the_reference(case, isa):
    x, kernel, _, dy, _, (dx, dkernel, dbias) = problem(case, uniform)
    actual = ops.dense_backward(dy, x, kernel)
    assert_close(actual[0], dx, summed(case.units, dy, kernel))
    assert_close(actual[1], dkernel, summed(case.batch, dy, x))
    assert_close(actual[2], dbias, summed(case.batch, dy))


def assert_exact(case):
    x, kernel, bias, dy, y, gradients = problem(case, integers)
    np.testing.assert_array_equal(ops.dense(x, kernel, bias), y, str(case))
    for actual, expected in zip(ops.dense_backward(dy, x, kernel), gradients, strict=True):
        np.testing.assert_array_equal(actual, expected, str(case))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_small_integers_give_exact_results(case, isa):
    assert_exact(case)


SWEEPS = {
    "batch": [Case(n, 5, 6) for n in (*range(1, 68), 1023, 1024, 1025, 2049)],
    "inputs": [Case(3, n, 6) for n in range(1, 68)],
    "units": [Case(3, 5, n) for n in range(1, 140)],
    "batch-and-units": [Case(n, 2, units) for n in range(1, 10) for units in range(1, 36)],
    "batch-and-inputs": [Case(n, inputs, 2) for n in range(1, 10) for inputs in range(1, 36)],
}


@pytest.mark.parametrize("sweep", SWEEPS)
def test_every_size_about_a_register_tile_is_exact(sweep, isa):
    for case in SWEEPS[sweep]:
        assert_exact(case)


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_gradient_of_the_reference_is_its_central_difference(case):
    x, kernel, bias, dy, _, (dx, dkernel, dbias) = problem(case, uniform)
    x, kernel, bias = (reference.float64(a) for a in (x, kernel, bias))

    def loss(x=x, kernel=kernel, bias=bias):
        return np.sum(reference.dense(x, kernel, bias) * dy)

    for gradient, numeric in (
        (dx, numeric_gradient(loss, x, 0.5)),
        (dkernel, numeric_gradient(lambda k: loss(kernel=k), kernel, 0.5)),
        (dbias, numeric_gradient(lambda b: loss(bias=b), bias, 0.5)),
    ):
        np.testing.assert_allclose(gradient, numeric, rtol=0, atol=1e-9)


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_gradient_is_the_central_difference_of_the_forward(case, isa):
    """No reference here: on small integers both sides are exact, so they must be equal."""
    x, kernel, bias, dy, _, _ = problem(case, integers)

    def loss(x=x, kernel=kernel, bias=bias):
        return np.sum(np.float64(ops.dense(x, kernel, bias)) * dy)

    dx, dkernel, dbias = ops.dense_backward(dy, x, kernel)
    np.testing.assert_array_equal(dx, numeric_gradient(loss, x, 1))
    np.testing.assert_array_equal(dkernel, numeric_gradient(lambda k: loss(kernel=k), kernel, 1))
    np.testing.assert_array_equal(dbias, numeric_gradient(lambda b: loss(bias=b), bias, 1))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("batch", [1, 5, 17])
def test_a_value_that_is_not_finite_stays_in_its_row(value, batch, isa):
    x, kernel = np.ones((batch, 9), np.float32), np.ones((9, 19), np.float32)
    x[batch // 2, 8] = value
    expected = np.full((batch, 19), 9.0)
    expected[batch // 2] = value
    np.testing.assert_array_equal(ops.dense(x, kernel), expected)


def ones(shape):
    return np.ones(shape, np.float32)


BAD_ARRAYS = {
    "x-rank-1": ("x", (7,)),
    "x-rank-3": ("x", (1, 4, 7)),
    "x-rank-4": ("x", (4, 1, 1, 7)),
    "x-other-features": ("x|kernel", (4, 8)),
    "x-transposed": ("x|kernel", (7, 4)),
    "x-empty-batch": ("x", (0, 7)),
    "x-no-features": ("x|kernel", (4, 0)),
    "kernel-rank-1": ("kernel", (7,)),
    "kernel-rank-3": ("kernel", (1, 7, 5)),
    "kernel-transposed": ("kernel", (5, 7)),
    "kernel-no-units": ("kernel", (7, 0)),
    "bias-rank-0": ("bias", ()),
    "bias-rank-2": ("bias", (1, 5)),
    "bias-one": ("bias", (1,)),
    "bias-too-long": ("bias", (7,)),
    "dy-rank-1": ("dy", (5,)),
    "dy-rank-3": ("dy", (4, 1, 5)),
    "dy-other-batch": ("dy", (3, 5)),
    "dy-other-units": ("dy", (4, 6)),
    "dy-one-column": ("dy", (4, 1)),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_an_array_of_the_wrong_shape_is_an_error_that_names_it(case):
    names, shape = BAD_ARRAYS[case]
    which, bad = case.split("-")[0], ones(shape)
    forward = {"x": ones((4, 7)), "kernel": ones((7, 5)), "bias": ones((5,))}
    backward = {"dy": ones((4, 5)), "x": ones((4, 7)), "kernel": ones((7, 5))}
    ops.dense(**forward)
    ops.dense_backward(**backward)
    if which in forward:
        with pytest.raises(ValueError, match=rf"\b({names})\b"):
            ops.dense(**forward | {which: bad})
    if which in backward:
        with pytest.raises(ValueError, match=rf"\b({names}|dy)\b"):
            ops.dense_backward(**backward | {which: bad})
