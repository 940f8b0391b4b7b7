"""Activation functions over the whole range of float32: accuracy, limits, errors.

What each must keep is in its entry, tests/kinds/activation.py.
"""

import core
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinds._random import batches, examples
from kinds.activation import ELEMENTWISE, FUNCTIONS, activation, activation_backward
from seeded import uniform
from tolerance import EPS, FEW_ULPS, TINY, assert_close, assert_same_bits, summed

from pylenet import ops

SHAPES = [(1, 1), (3, 7), (1, 10), (16, 10), (17, 33), (5, 84), (33, 15), (2, 1000)]
IMAGES = [(1, 1, 1, 1), (3, 5, 7, 2), (17, 4, 4, 6), (1, 28, 28, 6), (2, 3, 1, 17)]


def apply(name, values):
    """The elementwise activation of a vector."""
    return ops.activation(np.float32(values).reshape(1, -1), name)[0]


def all_magnitudes():
    """Every 9973rd of all finite float32 numbers, and every one near the limits of tanh and exp."""
    values = [np.arange(0, 2**32, 9973, dtype=np.uint64).astype(np.uint32).view(np.float32)]
    for centre in (0, 1e-4, 0.25, 0.5, 0.625, 1, 4, 7.9, 9, 17, 20, 44, 87.3, 88.7, 104):
        bits = np.float32(centre).view(np.uint32) + np.arange(2000, dtype=np.uint32)
        values += [bits.view(np.float32), -bits.view(np.float32)]
    values = np.concatenate(values)
    return values[np.isfinite(values)]


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_relative_error_is_a_few_ulps_over_the_whole_range(name, isa):
    x = all_magnitudes()
    actual, expected = apply(name, x), activation(x, name)
    allowed = FUNCTIONS[name].rtol * np.abs(expected) + FUNCTIONS[name].atol
    same = actual == expected  # infinity, too
    error = np.abs(np.where(same, 0, actual) - np.where(same, 0, expected))
    worst = np.argmax(error - allowed)
    assert error[worst] <= allowed[worst], (x[worst], actual[worst])


@pytest.mark.parametrize("name", [name for name in ELEMENTWISE if FUNCTIONS[name].rises])
def test_a_larger_argument_never_gives_a_smaller_result(name, isa):
    y = np.float64(apply(name, np.sort(all_magnitudes())))
    y = y[: np.searchsorted(y, np.inf)]
    assert np.all(np.diff(y) >= -FUNCTIONS[name].drop * np.abs(y[1:]))


def test_tanh_saturates_exactly_is_odd_and_never_leaves_its_range(isa):
    x = all_magnitudes()
    y = apply("tanh", x)
    assert np.all(np.abs(y) <= 1)
    assert_same_bits(apply("tanh", -x), -y)
    np.testing.assert_array_equal(y[x > 9.1], 1)
    np.testing.assert_array_equal(apply("tanh", [np.inf, -np.inf, 1e30, -1e30]), [1, -1, 1, -1])


def test_tanh_of_a_tiny_number_is_the_number(isa):
    x = np.float32([1e-45, -1e-45, 1e-40, -TINY, 1e-30, -1e-20, 1e-10, -1e-5])
    assert_same_bits(apply("tanh", x), x)


def test_sigmoid_saturates_exactly_and_never_leaves_its_range(isa):
    x = all_magnitudes()
    y = apply("sigmoid", x)
    assert np.all((y >= 0) & (y <= 1))
    np.testing.assert_array_equal(y[x > 17.5], 1)
    np.testing.assert_array_equal(y[x < -104], 0)
    limits = apply("sigmoid", [np.inf, -np.inf, 1e30, -1e30, 0])
    np.testing.assert_array_equal(limits, [1, 0, 1, 0, 0.5])


def test_relu_and_linear_keep_every_bit_of_what_they_let_through(isa):
    x = all_magnitudes()
    assert_same_bits(apply("linear", x), x)
    assert_same_bits(apply("relu", x[x > 0]), x[x > 0])
    np.testing.assert_array_equal(apply("relu", x[x <= 0]), 0)
    np.testing.assert_array_equal(apply("relu", [np.inf, -np.inf, 0]), [np.inf, 0, 0])


@pytest.mark.parametrize("name", ["tanh", "linear"])
def test_minus_zero_stays_minus_zero(name, isa):
    y = apply(name, [-0.0, 0.0])
    np.testing.assert_array_equal(np.signbit(y), [True, False])
    np.testing.assert_array_equal(y, 0)


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("length", [1, 7, 8, 16, 19])
def test_nan_gives_nan_in_its_place_alone(name, length, isa):
    for place in range(length):
        x = uniform((1, length), 1)
        expected = activation(x, name)
        x[0, place] = expected[0, place] = np.nan
        assert_close(ops.activation(x, name), expected, FUNCTIONS[name].rtol)


@pytest.mark.quick
@pytest.mark.isas
@pytest.mark.parametrize("name", FUNCTIONS)
@examples(150)
@given(
    st.tuples(batches, st.integers(1, 100))
    | st.tuples(batches, st.integers(1, 12), st.integers(1, 12), st.integers(1, 19)),
    st.sampled_from([1e-6, 0.1, 1.0, 10.0, 100.0]),
    st.integers(0, 2**32 - 10),
)
def test_any_scale_and_shape_agrees_with_float64(name, shape, scale, seed):
    function = FUNCTIONS[name]
    if not function.elementwise:
        shape = (shape[0], int(np.prod(shape[1:])))
    x, dy = (scale * uniform(shape, seed)).astype(np.float32), uniform(shape, seed + 1)
    # softmax: the exponent is rounded to eps/2 of its magnitude, which is at most twice the scale.
    atol = 1e-37 if function.elementwise else summed(4 + 2 * scale, [1])
    back_atol = summed(8 + (0 if function.elementwise else 2 * scale), [1])
    back_rtol = FEW_ULPS if name == "exponential" else 0.0  # a slope without bounds
    y, dx = activation(x, name), activation_backward(dy, x, name)

    def check():
        assert_close(ops.activation(x, name), y, atol, function.rtol)
        assert_close(ops.activation_backward(dy, x, name), dx, back_atol, back_rtol)

    core.on_each_isa(check)


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("shape", SHAPES + IMAGES, ids=str)
def test_results_of_moderate_numbers_are_right_to_a_few_ulps(name, shape, isa):
    x = 4 * uniform(shape, 1)
    assert_close(ops.activation(x, name), activation(x, name), 0, FUNCTIONS[name].rtol)


def test_the_gradient_of_relu_at_zero_is_zero(isa):
    x = np.float32([[0.0, -0.0, 1e-45, -1e-45, 1, -1, np.inf, -np.inf]])
    dx = ops.activation_backward(np.full(x.shape, 3, np.float32), x, "relu")
    np.testing.assert_array_equal(dx, [[0, 0, 3, 0, 3, 0, 3, 0]])


@pytest.mark.parametrize("name", [n for n in FUNCTIONS if FUNCTIONS[n].flat_below])
def test_gradients_vanish_where_the_function_is_flat(name, isa):
    x = np.float32([[-np.inf, -1e30, -200]])
    dx = ops.activation_backward(np.ones(x.shape, np.float32), x, name)
    np.testing.assert_array_equal(dx, 0)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("scale", [1e-3, 1, 10, 100, 1e30])
def test_softmax_rows_are_probabilities_that_sum_to_one(shape, scale, isa):
    y = ops.activation(np.float32(scale) * uniform(shape, 1), "softmax")
    assert np.all((y >= 0) & (y <= 1))
    atol = summed(shape[1], [1])
    np.testing.assert_allclose(y.sum(axis=1, dtype=np.float64), 1, rtol=0, atol=atol)


@pytest.mark.parametrize("scale", [1, 10, 80])
def test_softmax_is_right_to_a_few_ulps_where_results_are_normal(scale, isa):
    x = scale * uniform((200, 10), 1)
    expected = activation(x, "softmax")
    # The rounding of x - max(x) is an absolute error of the exponent: half an ulp of it.
    rtol = FEW_ULPS + 12 * EPS + scale * EPS
    assert_close(ops.activation(x, "softmax"), expected, TINY, rtol)


def test_softmax_does_not_change_when_a_constant_is_added(isa):
    x = np.random.default_rng(1).integers(-40, 40, (50, 13)).astype(np.float32) / 8
    expected = ops.activation(x, "softmax")
    for shift in (0.5, -3, 100, -1024, 65536, -524288):
        assert_same_bits(ops.activation(x + np.float32(shift), "softmax"), expected)


def test_softmax_of_large_logits_does_not_overflow(isa):
    y = ops.activation(np.float32([[3e38, -3e38, 3e38, 0], [1000, 0, -1000, 999]]), "softmax")
    np.testing.assert_array_equal(y[0], [0.5, 0, 0.5, 0])
    np.testing.assert_allclose(y[1], [0.7310586, 0, 0, 0.2689414], rtol=FEW_ULPS, atol=0)


def test_softmax_gives_minus_infinity_no_probability(isa):
    y = ops.activation(np.float32([[-np.inf, 0, 0], [-np.inf, -np.inf, -5]]), "softmax")
    np.testing.assert_array_equal(y, np.float32([[0, 0.5, 0.5], [0, 0, 1]]))


@pytest.mark.parametrize("place", range(10))
def test_softmax_of_a_row_with_nan_is_nan_in_that_row_alone(place, isa):
    x = uniform((3, 10), 1)
    x[1, place] = np.nan
    y = ops.activation(x, "softmax")
    np.testing.assert_array_equal(np.isnan(y), np.repeat([[False], [True], [False]], 10, axis=1))


def test_the_gradient_of_softmax_sums_to_zero_along_a_row(isa):
    x, dy = 3 * uniform((9, 10), 1), uniform((9, 10), 2)
    dx = ops.activation_backward(dy, x, "softmax")
    np.testing.assert_allclose(dx.sum(axis=1, dtype=np.float64), 0, atol=summed(10, dy))
    same = ops.activation_backward(np.full(x.shape, 2, np.float32), x, "softmax")
    np.testing.assert_allclose(same, 0, atol=summed(10, np.float32([2])))


@pytest.mark.parametrize("name", ["celu", "", "Tanh", "softmax ", "none"])
def test_an_unknown_name_is_an_error_that_lists_the_known_ones(name):
    x = np.ones((2, 3), np.float32)
    for call in (lambda: ops.activation(x, name), lambda: ops.activation_backward(x, x, name)):
        with pytest.raises(ValueError, match="name") as caught:
            call()
        assert all(known in str(caught.value) for known in FUNCTIONS)


@pytest.mark.parametrize("name", [None, 1, b"tanh", ["tanh"], np.tanh], ids=repr)
def test_a_name_that_is_no_string_is_an_error(name):
    x = np.ones((2, 3), np.float32)
    with pytest.raises((TypeError, ValueError), match="name"):
        ops.activation(x, name)
    with pytest.raises((TypeError, ValueError), match="name"):
        ops.activation_backward(x, x, name)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        *((name, ()) for name in FUNCTIONS),
        *((name, (5,)) for name in FUNCTIONS),
        *((name, (2, 3, 4)) for name in FUNCTIONS),
        *((name, (1, 2, 3, 4, 5)) for name in FUNCTIONS),
        *((name, (0, 5)) for name in FUNCTIONS),
        *((name, (2, 0)) for name in FUNCTIONS),
        ("softmax", (2, 3, 4, 5)),
        ("tanh", (0, 3, 4, 5)),
    ],
)
def test_an_array_of_the_wrong_shape_is_an_error_that_names_it(name, shape):
    x = np.ones(shape, np.float32)
    with pytest.raises(ValueError, match=r"\bx\b"):
        ops.activation(x, name)
    with pytest.raises(ValueError, match=r"\b(x|dy)\b"):
        ops.activation_backward(x, x, name)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", [(2,), (2, 1), (2, 6), (1, 5), (5, 2), (2, 5, 1, 1)], ids=str)
def test_a_gradient_of_another_shape_than_x_is_an_error_that_names_it(name, shape):
    with pytest.raises(ValueError, match=r"\bdy\b"):
        ops.activation_backward(np.ones(shape, np.float32), np.ones((2, 5), np.float32), name)
