"""What conv2d and its gradient mean, and errors. Against float64: tests/kinds/conv2d.py."""

import numpy as np
import pytest
from nets import result_or_refusal
from seeded import uniform
from tolerance import assert_same_bits

from pylenet import ops


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


@pytest.mark.parametrize("batch", [1, 3, 17, 33])
@pytest.mark.parametrize(("image", "filters"), [((5, 5, 16), 120), ((3, 4, 1), 7)], ids=str)
def test_a_convolution_over_the_whole_image_is_a_dense_layer(batch, image, filters, isa):
    x, kernel = uniform((batch, *image), 1), uniform((*image, filters), 2)
    dy, bias = uniform((batch, 1, 1, filters), 3), uniform((filters,), 4)
    flat_x, flat_kernel = x.reshape(batch, -1), kernel.reshape(-1, filters)
    assert_same_bits(ops.conv2d(x, kernel, bias)[:, 0, 0], ops.dense(flat_x, flat_kernel, bias))
    dx, dkernel, dbias = ops.dense_backward(dy[:, 0, 0], flat_x, flat_kernel)
    expected = dx.reshape(x.shape), dkernel.reshape(kernel.shape), dbias
    assert_same_bits(ops.conv2d_backward(dy, x, kernel), expected)


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
