"""Pooling and its gradients against the float64 reference and numeric gradients."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
import reference
from cases import distinct, integers, result_or_refusal, uniform
from reference import numeric_gradient
from tolerance import assert_close, assert_same_bits, summed

from pylenet import ops

KINDS = ("max", "average")


class Case(NamedTuple):
    batch: int
    image: tuple  # height, width, channels
    pool: tuple = (2, 2)
    strides: tuple | None = None
    padding: str = "valid"

    @property
    def options(self):
        return {"pool_size": self.pool, "strides": self.strides, "padding": self.padding}

    @property
    def y_shape(self):
        shape, strides = (self.batch, *self.image), self.strides or self.pool
        return reference.out_shape(shape, self.pool, strides, self.padding, self.image[2])

    def __str__(self):
        x, k, s = ("x".join(map(str, v or ())) for v in (self.image, self.pool, self.strides))
        return f"n{self.batch}-{x}-p{k}-s{s or 'none'}-{self.padding}"


CASES = [
    # LeNet's own layers
    Case(1, (24, 24, 6)),
    Case(16, (24, 24, 6)),
    Case(17, (8, 8, 16)),
    Case(4, (28, 28, 6)),
    Case(3, (10, 10, 16)),
    # ones
    Case(1, (1, 1, 1), (1, 1)),
    Case(16, (1, 1, 3), (2, 2), None, "same"),
    Case(3, (1, 1, 3), (1, 1), (2, 2)),
    Case(7, (1, 13, 2), (1, 2)),
    Case(7, (13, 1, 2), (3, 1), (2, 1), "same"),
    Case(9, (5, 4, 3), (1, 1)),
    Case(9, (5, 4, 3), (1, 1), (2, 3)),
    # sizes that the window does not divide
    Case(15, (5, 7, 3)),
    Case(15, (5, 7, 3), (2, 2), None, "same"),
    Case(8, (11, 13, 2), (3, 3)),
    Case(8, (11, 13, 2), (3, 3), None, "same"),
    Case(3, (7, 7, 5), (2, 3), (2, 3), "same"),
    # overlapping windows, even, long, as large as the image, larger than it
    Case(4, (7, 8, 3), (3, 3), (1, 1)),
    Case(4, (7, 8, 3), (3, 3), (1, 1), "same"),
    Case(4, (7, 8, 3), (2, 2), (1, 1), "same"),
    Case(7, (9, 8, 2), (3, 3), (2, 2)),
    Case(7, (9, 8, 2), (3, 3), (2, 2), "same"),
    Case(9, (8, 9, 7), (4, 4), (3, 2), "same"),
    Case(9, (10, 5, 2), (7, 1), (1, 3)),
    Case(3, (5, 4, 13), (5, 4)),
    Case(3, (5, 4, 2), (5, 4), (1, 1), "same"),
    Case(3, (3, 2, 2), (5, 7), (1, 1), "same"),
    # strides larger than the window
    Case(5, (11, 10, 3), (2, 2), (3, 3)),
    Case(5, (11, 10, 3), (2, 2), (3, 5), "same"),
    Case(2, (6, 6, 2), (2, 1), (7, 9)),
    # channels and batches about the width of a vector
    Case(16, (6, 6, 8), (3, 2), (2, 1), "same"),
    Case(17, (6, 5, 17)),
    Case(33, (4, 6, 1)),
    Case(33, (5, 5, 7), (2, 2), (1, 2), "same"),
    Case(1, (19, 23, 13), (3, 3), (2, 2), "same"),
]
SMALL = [c for c in CASES if c.batch * np.prod(c.image) <= 500]


def function(module, kind, suffix=""):
    return getattr(module, f"{kind}_pool2d{suffix}")


@cache
def problem(case, kind, make):
    """x, dy, and what the reference makes of them: y, dx."""
    x, dy = make((case.batch, *case.image), 1), make(case.y_shape, 2)
    y = function(reference, kind)(x, **case.options)
    return x, dy, y, function(reference, kind, "_backward")(dy, x, **case.options)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_agrees_with_the_reference(case, kind, isa):
    x, _, y, _ = problem(case, kind, uniform)
    atol = 0 if kind == "max" else summed(np.prod(case.pool), x)
    assert_close(function(ops, kind)(x, **case.options), y, atol)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_backward_agrees_with_the_reference(case, kind, isa):
    x, dy, _, dx = problem(case, kind, uniform)
    actual = function(ops, kind, "_backward")(dy, x, **case.options)
    assert_close(actual, dx, summed(np.prod(case.pool), dy))


# Full windows of four cells: a quarter is exact.
QUARTERS = {
    case._replace(pool=pool, padding="valid"): None
    for case in CASES
    for pool in [(2, 2), (1, 4)]
    if case.image[0] >= pool[0] and case.image[1] >= pool[1]
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", QUARTERS, ids=str)
def test_small_integers_with_many_equal_maxima_give_exact_results(case, kind, isa):
    x, dy, y, dx = problem(case, kind, integers)
    assert_close(function(ops, kind)(x, **case.options), y, 0)
    assert_close(function(ops, kind, "_backward")(dy, x, **case.options), dx, 0)


SWEEPS = {
    "width": [Case(2, (4, 1 + w, 3), (2, 2), (2, 1)) for w in range(1, 36)],
    "height": [Case(2, (1 + h, 4, 3)) for h in range(1, 36)],
    "channels": [Case(2, (4, 4, c)) for c in range(1, 36)],
    "batch": [Case(n, (4, 5, 2)) for n in range(1, 51)],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sweep", SWEEPS)
def test_every_size_about_a_vector_is_exact(sweep, kind, isa):
    for case in SWEEPS[sweep]:
        x, dy, y, dx = problem(case, kind, integers)
        np.testing.assert_array_equal(function(ops, kind)(x, **case.options), y, str(case))
        actual = function(ops, kind, "_backward")(dy, x, **case.options)
        np.testing.assert_array_equal(actual, dx, str(case))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", SMALL, ids=str)
def test_gradient_of_the_reference_is_its_central_difference(case, kind):
    x, dy, _, dx = problem(case, kind, distinct)

    def loss(x):
        return np.sum(function(reference, kind)(x, **case.options) * dy)

    # Both are piecewise linear, with kinks only where two of the distinct integers meet.
    numeric = numeric_gradient(loss, x.astype(np.float64), 0.25)
    np.testing.assert_allclose(numeric, dx, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", SMALL, ids=str)
def test_gradient_is_the_central_difference_of_the_forward(case, kind, isa):
    # A maximum has no kink within the step of distinct integers; an average has none anywhere.
    make, step = (distinct, 0.25) if kind == "max" else (integers, 1)
    x, dy = make((case.batch, *case.image), 1), integers(case.y_shape, 2)

    def loss(x):
        return np.sum(function(ops, kind)(x, **case.options).astype(np.float64) * dy)

    actual = function(ops, kind, "_backward")(dy, x, **case.options)
    # A cell lies in as many windows as a window has cells, each with the error of an average.
    cells = np.prod(case.pool)
    atol = 0 if kind == "max" else cells * summed(cells, x, dy) / step
    np.testing.assert_allclose(actual, numeric_gradient(loss, x, step), rtol=0, atol=atol)


def image(rows):
    return np.array(rows, np.float32)[None, :, :, None]


def test_an_average_divides_by_the_cells_that_exist(isa):
    y = ops.average_pool2d(image([[1, 2, 3], [4, 5, 6], [7, 8, 9]]), padding="same")
    np.testing.assert_array_equal(y, image([[3, 4.5], [7.5, 9]]))
    dy = image([[4, 4], [4, 4]])
    dx = ops.average_pool2d_backward(dy, image(np.ones((3, 3))), padding="same")
    np.testing.assert_array_equal(dx, image([[1, 1, 2], [1, 1, 2], [2, 2, 4]]))


def test_a_maximum_ignores_padding(isa):
    x = -image([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    y = ops.max_pool2d(x, padding="same")
    np.testing.assert_array_equal(y, -image([[1, 3], [7, 9]]))


@pytest.mark.parametrize("value", [0.0, -2.0, -np.inf, np.inf])
def test_the_gradient_of_equal_maxima_goes_to_the_first_in_row_major_order(value, isa):
    x = np.full((3, 5, 7, 4), value, np.float32)
    dx = ops.max_pool2d_backward(np.ones((3, 3, 4, 4), np.float32), x, padding="same")
    expected = np.zeros(x.shape)
    expected[:, ::2, ::2] = 1
    np.testing.assert_array_equal(dx, expected)


def test_the_first_maximum_takes_the_gradient_even_if_the_second_stands_in_the_same_row(isa):
    dx = ops.max_pool2d_backward(image([[5]]), image([[1, 3], [3, 3]]))
    np.testing.assert_array_equal(dx, image([[0, 5], [0, 0]]))
    dx = ops.max_pool2d_backward(image([[5]]), image([[1, 2], [3, 3]]))
    np.testing.assert_array_equal(dx, image([[0, 0], [5, 0]]))


def test_minus_infinity_everywhere_is_the_maximum(isa):
    x = np.full((2, 3, 3, 2), -np.inf, np.float32)
    np.testing.assert_array_equal(ops.max_pool2d(x, padding="same"), np.full((2, 2, 2, 2), -np.inf))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_nan_anywhere_in_a_window_is_its_result(kind, place, isa):
    x = uniform((3, 6, 6, 2), 1)
    x[1, 2 + place[0], 4 + place[1], 1] = np.nan
    expected = np.zeros((3, 3, 3, 2), bool)
    expected[1, 1, 2, 1] = True
    np.testing.assert_array_equal(np.isnan(function(ops, kind)(x)), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_strides_are_the_pool_size_unless_given(kind):
    x = uniform((2, 7, 9, 3), 1)
    forward, backward = function(ops, kind), function(ops, kind, "_backward")
    expected = forward(x, (2, 3), strides=(2, 3))
    assert_same_bits(forward(x, (2, 3)), expected)
    assert_same_bits(forward(x, (2, 3), strides=None), expected)
    dy = uniform(expected.shape, 2)
    assert_same_bits(backward(dy, x, (2, 3)), backward(dy, x, (2, 3), strides=(2, 3)))


@pytest.mark.parametrize("kind", KINDS)
def test_an_int_means_the_same_along_both_axes_and_two_is_the_default(kind):
    x = uniform((2, 7, 9, 3), 1)
    forward = function(ops, kind)
    expected = forward(x, (2, 2), strides=(3, 3))
    assert_same_bits(forward(x, 2, strides=3), expected)
    assert_same_bits(forward(x, np.int32(2), strides=np.int64(3)), expected)
    assert_same_bits(forward(x), forward(x, (2, 2), strides=(2, 2)))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [100, 2**20, 2**30, 2**31 - 1, 2**31 + 1, 2**70])
def test_huge_strides_and_windows_are_right_or_refused_by_name(kind, size):
    x = uniform((2, 7, 8, 3), 1)

    def results(pool_size, strides=None):
        options = {"pool_size": pool_size, "strides": strides, "padding": "same"}
        y = function(ops, kind)(x, **options)
        return y, function(ops, kind, "_backward")(y, x, **options)

    for huge, sane in (
        ((2, size), (2, 9)),
        ((size,), ((7, 8),)),
        ((size, (1, 2)), (30, (1, 2))),
    ):
        actual = result_or_refusal(lambda huge=huge: results(*huge))
        if isinstance(actual, str):
            assert size > 1000
            assert "pool_size" in actual or "strides" in actual
        else:
            assert_same_bits(actual, results(*sane))


BAD_ARRAYS = {
    "x-rank-2": ("x", (6, 7)),
    "x-rank-3": ("x", (6, 7, 3)),
    "x-rank-5": ("x", (1, 4, 6, 7, 3)),
    "x-empty-batch": ("x", (0, 6, 7, 3)),
    "x-no-channels": ("x", (4, 6, 7, 0)),
    "x-no-rows": ("x|pool_size", (4, 0, 7, 3)),
    "x-too-low": ("x|pool_size", (4, 1, 7, 3)),
    "dy-rank-3": ("dy", (4, 3, 3)),
    "dy-other-batch": ("dy", (3, 3, 3, 3)),
    "dy-other-height": ("dy", (4, 4, 3, 3)),
    "dy-other-width": ("dy", (4, 3, 4, 3)),
    "dy-other-channels": ("dy", (4, 3, 3, 1)),
    "dy-of-the-shape-of-x": ("dy", (4, 6, 7, 3)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_an_array_of_the_wrong_shape_is_an_error_that_names_it(case, kind):
    names, shape = BAD_ARRAYS[case]
    bad = np.ones(shape, np.float32)
    dy, x = np.ones((4, 3, 3, 3), np.float32), np.ones((4, 6, 7, 3), np.float32)
    function(ops, kind, "_backward")(dy, x)
    if case.startswith("dy"):
        with pytest.raises(ValueError, match=r"\bdy\b"):
            function(ops, kind, "_backward")(bad, x)
        return
    with pytest.raises(ValueError, match=rf"\b({names})\b"):
        function(ops, kind)(bad)
    with pytest.raises(ValueError, match=rf"\b({names}|dy)\b"):
        function(ops, kind, "_backward")(dy, bad)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("pool_size", 0, ValueError),
        ("pool_size", (2, 0), ValueError),
        ("pool_size", (-2, 2), ValueError),
        ("pool_size", (7, 2), ValueError),
        ("pool_size", (2, 8), ValueError),
        ("pool_size", (2,), (TypeError, ValueError)),
        ("pool_size", (2, 2, 2), (TypeError, ValueError)),
        ("pool_size", 2.0, TypeError),
        ("pool_size", True, TypeError),
        ("pool_size", (2, True), TypeError),
        ("pool_size", "2", TypeError),
        ("pool_size", None, TypeError),
        ("strides", 0, ValueError),
        ("strides", (1, -1), ValueError),
        ("strides", 1.0, TypeError),
        ("strides", False, TypeError),
        ("strides", (1, 2, 3), (TypeError, ValueError)),
        ("padding", "full", ValueError),
        ("padding", None, (TypeError, ValueError)),
        ("padding", 1, (TypeError, ValueError)),
    ],
)
def test_a_wrong_option_is_an_error_that_names_it(kind, name, value, error):
    dy, x = np.ones((4, 3, 3, 3), np.float32), np.ones((4, 6, 7, 3), np.float32)
    with pytest.raises(error, match=name):
        function(ops, kind)(x, **{name: value})
    with pytest.raises(error, match=name):
        function(ops, kind, "_backward")(dy, x, **{name: value})


@pytest.mark.parametrize("kind", KINDS)
def test_options_are_keyword_only(kind):
    x = np.ones((4, 6, 6, 3), np.float32)
    with pytest.raises(TypeError):
        function(ops, kind)(x, (2, 2), (2, 2))
