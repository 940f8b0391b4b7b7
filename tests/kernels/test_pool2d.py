"""What pooling and its gradients mean, and errors. Against float64: tests/kinds/pooling.py."""

import numpy as np
import pytest
from nets import result_or_refusal
from seeded import uniform
from tolerance import assert_same_bits

from pylenet import ops

KINDS = ("max", "average")


def function(kind, suffix=""):
    return getattr(ops, f"{kind}_pool2d{suffix}")


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
    np.testing.assert_array_equal(np.isnan(function(kind)(x)), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_strides_are_the_pool_size_unless_given(kind):
    x = uniform((2, 7, 9, 3), 1)
    forward, backward = function(kind), function(kind, "_backward")
    expected = forward(x, (2, 3), strides=(2, 3))
    assert_same_bits(forward(x, (2, 3)), expected)
    assert_same_bits(forward(x, (2, 3), strides=None), expected)
    dy = uniform(expected.shape, 2)
    assert_same_bits(backward(dy, x, (2, 3)), backward(dy, x, (2, 3), strides=(2, 3)))


@pytest.mark.parametrize("kind", KINDS)
def test_an_int_means_the_same_along_both_axes_and_two_is_the_default(kind):
    x = uniform((2, 7, 9, 3), 1)
    forward = function(kind)
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
        y = function(kind)(x, **options)
        return y, function(kind, "_backward")(y, x, **options)

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
    function(kind, "_backward")(dy, x)
    if case.startswith("dy"):
        with pytest.raises(ValueError, match=r"\bdy\b"):
            function(kind, "_backward")(bad, x)
        return
    with pytest.raises(ValueError, match=rf"\b({names})\b"):
        function(kind)(bad)
    with pytest.raises(ValueError, match=rf"\b({names}|dy)\b"):
        function(kind, "_backward")(dy, bad)


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
        function(kind)(x, **{name: value})
    with pytest.raises(error, match=name):
        function(kind, "_backward")(dy, x, **{name: value})


@pytest.mark.parametrize("kind", KINDS)
def test_options_are_keyword_only(kind):
    x = np.ones((4, 6, 6, 3), np.float32)
    with pytest.raises(TypeError):
        function(kind)(x, (2, 2), (2, 2))
