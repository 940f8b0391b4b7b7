"""conv2d and conv2d_backward against the float64 reference and numeric gradients."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
import reference
from cases import integers, result_or_refusal, uniform
from reference import numeric_gradient
from tolerance import assert_close, assert_same_bits, summed

from pylenet import ops


class Case(NamedTuple):
    batch: int
    image: tuple  # height, width, channels
    filters: int
    kernel: tuple
    strides: tuple = (1, 1)
    padding: str = "valid"

    @property
    def options(self):
        return {"strides": self.strides, "padding": self.padding}

    @property
    def kernel_shape(self):
        return (*self.kernel, self.image[2], self.filters)

    @property
    def y_shape(self):
        return reference.out_shape(
            (self.batch, *self.image), self.kernel, self.strides, self.padding, self.filters
        )

    def __str__(self):
        x, k, s = ("x".join(map(str, v)) for v in (self.image, self.kernel, self.strides))
        return f"n{self.batch}-{x}-to-{self.filters}-k{k}-s{s}-{self.padding}"


CASES = [
    # LeNet's own layers
    Case(1, (28, 28, 1), 6, (5, 5)),
    Case(16, (28, 28, 1), 6, (5, 5)),
    Case(3, (32, 32, 1), 6, (5, 5)),
    Case(4, (28, 28, 1), 6, (5, 5), padding="same"),
    Case(1, (12, 12, 6), 16, (5, 5)),
    Case(17, (12, 12, 6), 16, (5, 5)),
    Case(8, (14, 14, 6), 16, (5, 5)),
    Case(3, (5, 5, 16), 120, (5, 5)),
    # ones
    Case(1, (1, 1, 1), 1, (1, 1)),
    Case(16, (1, 1, 1), 1, (1, 1), padding="same"),
    Case(3, (1, 1, 5), 7, (1, 1), (2, 2)),
    Case(7, (1, 13, 2), 3, (1, 4)),
    Case(7, (13, 1, 2), 3, (4, 1), padding="same"),
    Case(9, (3, 5, 1), 1, (1, 1)),
    Case(8, (1, 1, 3), 2, (3, 3), padding="same"),
    Case(4, (2, 2, 3), 2, (5, 5), padding="same"),
    # kernel sizes: even, odd, long, as large as the image, larger than it
    Case(7, (5, 5, 3), 7, (1, 1)),
    Case(3, (6, 7, 2), 5, (2, 3)),
    Case(3, (6, 7, 2), 5, (2, 3), padding="same"),
    Case(4, (7, 7, 3), 8, (4, 4)),
    Case(4, (7, 7, 3), 8, (4, 4), padding="same"),
    Case(9, (11, 5, 2), 3, (7, 1)),
    Case(9, (11, 5, 2), 3, (7, 1), padding="same"),
    Case(9, (5, 11, 2), 3, (1, 7)),
    Case(8, (7, 5, 5), 13, (7, 5)),
    Case(15, (4, 3, 2), 2, (4, 3), padding="same"),
    Case(3, (3, 4, 2), 3, (5, 7), padding="same"),
    Case(2, (9, 9, 1), 2, (2, 2)),
    # strides, and strides larger than the kernel
    Case(7, (11, 13, 3), 5, (3, 3), (2, 2)),
    Case(7, (11, 13, 3), 5, (3, 3), (2, 2), "same"),
    Case(4, (9, 14, 2), 6, (3, 5), (1, 3)),
    Case(4, (9, 14, 2), 6, (3, 5), (1, 3), "same"),
    Case(9, (12, 10, 3), 7, (4, 4), (3, 2)),
    Case(9, (12, 10, 3), 7, (4, 4), (3, 2), "same"),
    Case(3, (13, 11, 2), 3, (1, 1), (3, 2)),
    Case(3, (13, 11, 2), 3, (2, 1), (5, 3), "same"),
    Case(5, (8, 8, 1), 2, (2, 2), (7, 7)),
    Case(5, (5, 7, 3), 4, (5, 5), (3, 2), "same"),
    Case(2, (6, 6, 2), 3, (3, 3), (2, 1), "same"),
    Case(2, (4, 5, 2), 3, (2, 2), (9, 9), "same"),
    # channels and batches about the width of a vector, primes
    Case(15, (7, 9, 5), 8, (3, 3)),
    Case(16, (6, 6, 8), 13, (3, 3), padding="same"),
    Case(17, (5, 8, 13), 16, (3, 2)),
    Case(33, (6, 5, 16), 17, (3, 3)),
    Case(2, (4, 19, 17), 7, (2, 3), padding="same"),
    Case(33, (9, 7, 7), 6, (3, 3), (2, 2)),
    Case(1, (23, 19, 3), 13, (5, 4), (1, 1), "same"),
    Case(1, (17, 31, 2), 17, (3, 3), (2, 3)),
]
SMALL = [c for c in CASES if c.batch * np.prod(c.image) <= 300 and np.prod(c.kernel_shape) <= 200]


@cache
def problem(case, make):
    """x, kernel, bias, dy, and what the reference makes of them: y, (dx, dkernel, dbias)."""
    x = make((case.batch, *case.image), 1)
    kernel, bias = make(case.kernel_shape, 2), make((case.filters,), 3)
    dy = make(case.y_shape, 4)
    y = reference.conv2d(x, kernel, bias, **case.options)
    return x, kernel, bias, dy, y, reference.conv2d_backward(dy, x, kernel, **case.options)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_forward_agrees_with_the_reference(case, isa):
    x, kernel, bias, _, y, _ = problem(case, uniform)
    atol = summed(np.prod(case.kernel_shape[:3]), x, kernel, bias=bias)
    assert_close(ops.conv2d(x, kernel, bias, **case.options), y, atol)
    assert_close(ops.conv2d(x, kernel, **case.options), y - bias, atol)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_backward_agrees_with_the_reference(case, isa):
    x, kernel, _, dy, _, (dx, dkernel, dbias) = problem(case, uniform)
    actual = ops.conv2d_backward(dy, x, kernel, **case.options)
    assert_close(actual[0], dx, summed(np.prod(case.kernel) * case.filters, dy, kernel))
    places = np.prod(case.y_shape[:3])
    assert_close(actual[1], dkernel, summed(places, dy, x))
    assert_close(actual[2], dbias, summed(places, dy))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_small_integers_give_exact_results(case, isa):
    x, kernel, bias, dy, y, gradients = problem(case, integers)
    assert_close(ops.conv2d(x, kernel, bias, **case.options), y, 0)
    actual = ops.conv2d_backward(dy, x, kernel, **case.options)
    for a, expected in zip(actual, gradients, strict=True):
        assert_close(a, expected, 0)


SWEEPS = {
    "width": [Case(2, (2, 1 + w, 2), 3, (1, 2)) for w in range(1, 36)],
    "height": [Case(2, (1 + h, 3, 2), 3, (2, 1)) for h in range(1, 36)],
    "filters": [Case(2, (3, 7, 2), o, (2, 2), padding="same") for o in range(1, 36)],
    "channels": [Case(2, (3, 7, c), 3, (2, 2), padding="same") for c in range(1, 36)],
    "batch": [Case(n, (3, 4, 2), 3, (2, 2)) for n in (*range(1, 51), 1023, 1024, 1025, 2049)],
    "filters-and-width": [
        Case(1, (1, width, 2), filters, (1, 1))
        for width in range(1, 10)
        for filters in range(1, 18)
    ],
    "channels-and-width": [
        Case(1, (1, width, c), 2, (1, 1)) for width in range(1, 10) for c in range(1, 18)
    ],
    "kernel": [
        Case(2, (6, 7, 2), 3, (kh, kw), padding=p)
        for kh in range(1, 7)
        for kw in range(1, 8)
        for p in ("valid", "same")
    ],
    "strides": [
        Case(2, (7, 8, 2), 3, (3, 2), (sh, sw), p)
        for sh in range(1, 6)
        for sw in range(1, 6)
        for p in ("valid", "same")
    ],
}


@pytest.mark.parametrize("sweep", SWEEPS)
def test_every_size_about_a_register_tile_is_exact(sweep, isa):
    for case in SWEEPS[sweep]:
        x, kernel, bias, dy, y, gradients = problem(case, integers)
        np.testing.assert_array_equal(ops.conv2d(x, kernel, bias, **case.options), y, str(case))
        actual = ops.conv2d_backward(dy, x, kernel, **case.options)
        for a, expected in zip(actual, gradients, strict=True):
            np.testing.assert_array_equal(a, expected, str(case))


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_gradient_of_the_reference_is_its_central_difference(case):
    x, kernel, bias, dy, _, (dx, dkernel, dbias) = problem(case, uniform)
    x, kernel, bias = (reference.float64(a) for a in (x, kernel, bias))

    def loss(x=x, kernel=kernel, bias=bias):
        return np.sum(reference.conv2d(x, kernel, bias, **case.options) * dy)

    # A convolution is linear in each argument: no step is too large.
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
        return np.sum(np.float64(ops.conv2d(x, kernel, bias, **case.options)) * dy)

    dx, dkernel, dbias = ops.conv2d_backward(dy, x, kernel, **case.options)
    np.testing.assert_array_equal(dx, numeric_gradient(loss, x, 1))
    np.testing.assert_array_equal(dkernel, numeric_gradient(lambda k: loss(kernel=k), kernel, 1))
    np.testing.assert_array_equal(dbias, numeric_gradient(lambda b: loss(bias=b), bias, 1))


@pytest.mark.parametrize(
    ("x", "kernel", "stride", "expected"),
    [
        ([1, 2, 3, 4], [1, 10], 1, [21, 32, 43, 4]),
        ([1, 2, 3, 4], [1, 10, 100], 1, [210, 321, 432, 43]),
        ([1, 2, 3, 4], [1, 10, 100, 1000], 1, [3210, 4321, 432, 43]),
        ([1, 2, 3, 4], [1, 10, 100], 2, [321, 43]),
        ([1, 2, 3, 4, 5], [1, 10, 100], 2, [210, 432, 54]),
        ([1, 2, 3, 4, 5], [1, 10], 3, [21, 54]),
    ],
)
def test_same_padding_puts_the_odd_cell_last(x, kernel, stride, expected, isa):
    x, kernel = np.float32(x), np.float32(kernel)
    for image, window in (((1, 1, -1, 1), (1, -1, 1, 1)), ((1, -1, 1, 1), (-1, 1, 1, 1))):
        y = ops.conv2d(x.reshape(image), kernel.reshape(window), strides=stride, padding="same")
        np.testing.assert_array_equal(y, np.reshape(expected, image))


def test_an_int_means_the_same_along_both_axes():
    x, kernel = uniform((2, 7, 8, 2), 1), uniform((2, 2, 2, 3), 2)
    expected = ops.conv2d(x, kernel, strides=(2, 2))
    assert_same_bits(ops.conv2d(x, kernel, strides=2), expected)
    assert_same_bits(ops.conv2d(x, kernel, strides=np.int64(2)), expected)
    dy = uniform(expected.shape, 3)
    gradients = ops.conv2d_backward(dy, x, kernel, strides=(2, 2))
    assert_same_bits(ops.conv2d_backward(dy, x, kernel, strides=2), gradients)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("stride", [100, 2**20, 2**30, 2**31 - 1, 2**31 + 1, 2**70])
def test_a_huge_stride_leaves_one_window_or_is_refused_by_name(stride, padding):
    x, kernel, dy = (uniform(s, 1) for s in ((2, 7, 8, 2), (3, 2, 2, 3), (2, 1, 1, 3)))

    def results(strides):
        options = {"strides": strides, "padding": padding}
        y = ops.conv2d(x, kernel, **options)
        return y, *ops.conv2d_backward(dy, x, kernel, **options)

    actual = result_or_refusal(lambda: results(stride))
    if isinstance(actual, str):
        assert stride > 1000
        assert "strides" in actual
    else:
        assert_same_bits(actual, results((7, 8)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_reaches_exactly_the_windows_that_hold_it(value, isa):
    x, kernel = np.ones((3, 8, 9, 2), np.float32), np.ones((3, 3, 2, 5), np.float32)
    x[1, 4, 4, 1] = value
    y = ops.conv2d(x, kernel)
    hit = np.zeros(y.shape, bool)
    hit[1, 2:5, 2:5] = True
    np.testing.assert_array_equal(y, np.where(hit, value, 18).astype(np.float32))


X, KERNEL, BIAS = (4, 6, 7, 3), (3, 2, 3, 5), (5,)
DY = (4, 4, 6, 5)


def ones(shape):
    return np.ones(shape, np.float32)


BAD_ARRAYS = {
    "x-rank-3": ("x", (6, 7, 3)),
    "x-rank-5": ("x", (1, 4, 6, 7, 3)),
    "x-other-channels": ("x|kernel", (4, 6, 7, 2)),
    "x-empty-batch": ("x", (0, 6, 7, 3)),
    "x-no-rows": ("x|kernel", (4, 0, 7, 3)),
    "x-too-low": ("x|kernel", (4, 2, 7, 3)),
    "x-too-narrow": ("x|kernel", (4, 6, 1, 3)),
    "kernel-rank-3": ("kernel", (2, 3, 5)),
    "kernel-rank-5": ("kernel", (1, 3, 2, 3, 5)),
    "kernel-other-channels": ("kernel", (3, 2, 4, 5)),
    "kernel-no-rows": ("kernel", (0, 2, 3, 5)),
    "kernel-no-filters": ("kernel", (3, 2, 3, 0)),
    "kernel-too-high": ("kernel", (7, 2, 3, 5)),
    "kernel-too-wide": ("kernel", (3, 8, 3, 5)),
    "bias-rank-0": ("bias", ()),
    "bias-rank-2": ("bias", (1, 5)),
    "bias-one": ("bias", (1,)),
    "bias-too-long": ("bias", (6,)),
    "dy-rank-3": ("dy", (4, 6, 5)),
    "dy-other-batch": ("dy", (3, 4, 6, 5)),
    "dy-other-height": ("dy", (4, 5, 6, 5)),
    "dy-other-width": ("dy", (4, 4, 5, 5)),
    "dy-other-filters": ("dy", (4, 4, 6, 4)),
    "dy-of-the-shape-of-x": ("dy", X),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_an_array_of_the_wrong_shape_is_an_error_that_names_it(case):
    names, shape = BAD_ARRAYS[case]
    which, bad = case.split("-")[0], ones(shape)
    forward = {"x": ones(X), "kernel": ones(KERNEL), "bias": ones(BIAS)}
    backward = {"dy": ones(DY), "x": ones(X), "kernel": ones(KERNEL)}
    ops.conv2d(**forward)
    ops.conv2d_backward(**backward)
    if which in forward:
        with pytest.raises(ValueError, match=rf"\b({names})\b"):
            ops.conv2d(**forward | {which: bad})
    if which in backward:
        with pytest.raises(ValueError, match=rf"\b({names}|dy)\b"):
            ops.conv2d_backward(**backward | {which: bad})


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("strides", 0, ValueError),
        ("strides", -1, ValueError),
        ("strides", (1, 0), ValueError),
        ("strides", (-2, 1), ValueError),
        ("strides", (1,), (TypeError, ValueError)),
        ("strides", (1, 1, 1), (TypeError, ValueError)),
        ("strides", (), (TypeError, ValueError)),
        ("strides", 1.0, TypeError),
        ("strides", (1, 2.0), TypeError),
        ("strides", True, TypeError),
        ("strides", (True, 1), TypeError),
        ("strides", "1", TypeError),
        ("strides", None, TypeError),
        ("padding", "full", ValueError),
        ("padding", "", ValueError),
        ("padding", "causal", ValueError),
        ("padding", None, (TypeError, ValueError)),
        ("padding", 0, (TypeError, ValueError)),
        ("padding", (1, 1), (TypeError, ValueError)),
        ("padding", b"same", (TypeError, ValueError)),
    ],
)
def test_a_wrong_option_is_an_error_that_names_it(name, value, error):
    with pytest.raises(error, match=name):
        ops.conv2d(ones(X), ones(KERNEL), **{name: value})
    with pytest.raises(error, match=name):
        ops.conv2d_backward(ones(DY), ones(X), ones(KERNEL), **{name: value})


def test_options_are_keyword_only():
    with pytest.raises(TypeError):
        ops.conv2d(ones(X), ones(KERNEL), None, (1, 1))
    with pytest.raises(TypeError):
        ops.conv2d_backward(ones(DY), ones(X), ones(KERNEL), (1, 1))
