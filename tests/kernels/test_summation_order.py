"""Every result is one float32 sum in a documented order, so its bits are known beforehand.

The order is what makes results independent of register tiles, threads and batches; a kernel that
sums otherwise fails here even where it is as accurate. Each sum is written out in numpy, with a
multiply-add that rounds once or twice: which, depends on the instruction set.
"""

import numpy as np
import pytest
from cases import uniform
from tolerance import assert_same_bits

from pylenet import ops


def fused(a, b, c):
    return np.float32(np.float64(a) * np.float64(b) + np.float64(c))


def rounded_twice(a, b, c):
    return a * b + c


def assert_sums(actual, expected):
    """`actual` has the bits of expected(multiply_add) for one of the two kinds of rounding."""
    for multiply_add in (fused, rounded_twice):
        bits = expected(multiply_add)
        assert bits.dtype == np.float32
        if np.array_equal(actual, bits):
            return
    assert_same_bits(actual, bits)


def over_images(lanes):
    """Sum over images: blocks of 16 in order, in each (l0 + l1) + (l2 + l3) and so on."""
    total = np.zeros(lanes.shape[1:], np.float32)
    for start in range(0, len(lanes), 16):
        block = np.zeros((16, *lanes.shape[1:]), np.float32)
        images = lanes[start : start + 16]
        block[: len(images)] = images
        while len(block) > 1:
            block = block[0::2] + block[1::2]
        total = total + block[0]
    return total


# Batch, image, filters, kernel: the tile sizes of all instruction sets and some between.
CONVOLUTIONS = [
    (1, (28, 28, 1), 6, (5, 5)),
    (16, (12, 12, 6), 16, (5, 5)),
    (17, (7, 11, 3), 7, (3, 3)),
    (33, (6, 9, 5), 13, (2, 4)),
    (3, (5, 6, 16), 17, (5, 5)),
    (7, (9, 4, 2), 4, (1, 1)),
    (50, (4, 14, 13), 3, (4, 3)),
    (1040, (4, 5, 2), 3, (2, 3)),
]


@pytest.mark.parametrize(("batch", "image", "filters", "window"), CONVOLUTIONS, ids=str)
def test_conv2d_sums_bias_then_channels_rows_columns(batch, image, filters, window, isa):
    x, bias = uniform((batch, *image), 1), uniform((filters,), 2)
    kernel = uniform((*window, image[2], filters), 3)
    rows, columns = image[0] - window[0] + 1, image[1] - window[1] + 1

    def expected(multiply_add):
        y = np.broadcast_to(bias, (batch, rows, columns, filters))
        for c, i, j in np.ndindex(image[2], *window):
            y = multiply_add(x[:, i : i + rows, j : j + columns, c, None], kernel[i, j, c], y)
        return y

    assert_sums(ops.conv2d(x, kernel, bias), expected)


@pytest.mark.parametrize(("batch", "image", "filters", "window"), CONVOLUTIONS, ids=str)
def test_gradients_of_conv2d_sum_in_their_order(batch, image, filters, window, isa):
    x, kernel = uniform((batch, *image), 1), uniform((*window, image[2], filters), 2)
    rows, columns = image[0] - window[0] + 1, image[1] - window[1] + 1
    dy = uniform((batch, rows, columns, filters), 3)
    dx, dkernel, dbias = ops.conv2d_backward(dy, x, kernel)

    def filters_rows_columns(multiply_add):
        total = np.zeros(x.shape, np.float32)
        for o, i, j in np.ndindex(filters, *window):
            part = (slice(None), slice(i, i + rows), slice(j, j + columns))
            total[part] = multiply_add(dy[..., o, None], kernel[i, j, :, o], total[part])
        return total

    def places_then_images(multiply_add):
        lanes = np.zeros((batch, *kernel.shape), np.float32)
        for i, j in np.ndindex(rows, columns):
            part = x[:, i : i + window[0], j : j + window[1], :, None]
            lanes = multiply_add(part, dy[:, None, None, i, j, None, :], lanes)
        return over_images(lanes)

    lanes = np.zeros((batch, filters), np.float32)
    for i, j in np.ndindex(rows, columns):
        lanes = lanes + dy[:, i, j]
    assert_sums(dx, filters_rows_columns)
    assert_sums(dkernel, places_then_images)
    assert_same_bits(dbias, over_images(lanes))


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


DENSE = [(1, 256, 120), (16, 120, 84), (17, 84, 10), (33, 31, 53), (3, 7, 24), (1040, 5, 9)]


@pytest.mark.parametrize(("batch", "inputs", "units"), DENSE)
def test_dense_sums_bias_then_inputs(batch, inputs, units, isa):
    x, kernel, bias = uniform((batch, inputs), 1), uniform((inputs, units), 2), uniform((units,), 3)

    def expected(multiply_add):
        y = np.broadcast_to(bias, (batch, units))
        for i in range(inputs):
            y = multiply_add(x[:, i, None], kernel[i], y)
        return y

    assert_sums(ops.dense(x, kernel, bias), expected)


@pytest.mark.parametrize(("batch", "inputs", "units"), DENSE)
def test_gradients_of_dense_sum_over_units_and_over_images_in_order(batch, inputs, units, isa):
    x, kernel, dy = (
        uniform((batch, inputs), 1),
        uniform((inputs, units), 2),
        uniform((batch, units), 3),
    )
    dx, dkernel, dbias = ops.dense_backward(dy, x, kernel)

    def over_units(multiply_add):
        total = np.zeros(x.shape, np.float32)
        for o in range(units):
            total = multiply_add(dy[:, o, None], kernel[:, o], total)
        return total

    def images_in_order(multiply_add):
        total = np.zeros(kernel.shape, np.float32)
        for n in range(batch):
            total = multiply_add(x[n, :, None], dy[n], total)
        return total

    assert_sums(dx, over_units)
    assert_sums(dkernel, images_in_order)
    assert_same_bits(dbias, np.add.accumulate(dy)[-1])


@pytest.mark.parametrize("window", [(2, 2), (3, 2), (5, 7)], ids=str)
def test_average_pool2d_sums_a_window_row_by_row_then_divides(window, isa):
    height, width = window
    x = uniform((17, 3 * height, 2 * width, 3), 1)
    total = np.zeros((17, 3, 2, 3), np.float32)
    for i, j in np.ndindex(window):
        total = total + x[:, i::height, j::width]
    assert_same_bits(ops.average_pool2d(x, window), total / np.float32(height * width))
