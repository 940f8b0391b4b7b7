"""Random shapes, strides, paddings and batches of every op against the float64 reference."""

import numpy as np
import pytest
import reference
from cases import integers, uniform
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tolerance import FEW_ULPS, assert_close, summed

from pylenet import ops

# The same examples every time, none kept on disk. The isa fixture needs no reset between them.
several = settings(
    max_examples=150,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

# One image alone, a few, about a unit of lanes, more than one.
batches = st.just(1) | st.integers(2, 8) | st.integers(9, 20) | st.integers(21, 35)
sizes = st.integers(1, 12)
channels = st.integers(1, 19)
windows = st.tuples(st.integers(1, 6), st.integers(1, 6))
strides = st.tuples(st.integers(1, 4), st.integers(1, 4))
paddings = st.sampled_from(["valid", "same"])
images = st.tuples(batches, sizes, sizes, channels)
seeds = st.integers(0, 2**32 - 10)
# Exact where the numbers are integers, near where they are not.
makers = st.sampled_from([integers, uniform])


def fits(shape, window, padding):
    return padding == "same" or (window[0] <= shape[1] and window[1] <= shape[2])


def tolerance(make, length, *factors):
    return 0 if make is integers else summed(length, *factors)


@several
@given(images, windows, channels, strides, paddings, st.booleans(), makers, seeds)
def test_conv2d(isa, shape, window, filters, stride, padding, with_bias, make, seed):
    assume(fits(shape, window, padding))
    options = {"strides": stride, "padding": padding}
    x, kernel = make(shape, seed), make((*window, shape[3], filters), seed + 1)
    bias = make((filters,), seed + 2) if with_bias else None
    y = reference.conv2d(x, kernel, bias, **options)
    atol = tolerance(make, np.prod(kernel.shape[:3]), [3])
    assert_close(ops.conv2d(x, kernel, bias, **options), y, atol)

    dy = make(y.shape, seed + 3)
    dx, dkernel, dbias = reference.conv2d_backward(dy, x, kernel, **options)
    actual = ops.conv2d_backward(dy, x, kernel, **options)
    places = np.prod(y.shape[:3])
    assert_close(actual[0], dx, tolerance(make, np.prod(window) * filters, [1]))
    assert_close(actual[1], dkernel, tolerance(make, places, [1]))
    assert_close(actual[2], dbias, tolerance(make, places, [1]))


@several
@given(images, windows, st.none() | strides, paddings, makers, seeds)
def test_max_pool2d(isa, shape, window, stride, padding, make, seed):
    assume(fits(shape, window, padding))
    options = {"strides": stride, "padding": padding}
    x = make(shape, seed)
    y = reference.max_pool2d(x, window, **options)
    assert_close(ops.max_pool2d(x, window, **options), y, 0)

    dy = make(y.shape, seed + 1)
    dx = reference.max_pool2d_backward(dy, x, window, **options)
    atol = tolerance(make, np.prod(window), dy)
    assert_close(ops.max_pool2d_backward(dy, x, window, **options), dx, atol)


@several
@given(images, windows, st.none() | strides, paddings, seeds)
def test_average_pool2d(isa, shape, window, stride, padding, seed):
    assume(fits(shape, window, padding))
    options = {"strides": stride, "padding": padding}
    x = uniform(shape, seed)
    y = reference.average_pool2d(x, window, **options)
    assert_close(ops.average_pool2d(x, window, **options), y, summed(np.prod(window), [1]))

    dy = uniform(y.shape, seed + 1)
    dx = reference.average_pool2d_backward(dy, x, window, **options)
    actual = ops.average_pool2d_backward(dy, x, window, **options)
    assert_close(actual, dx, summed(np.prod(window), [1]))


@several
@given(
    batches | st.integers(36, 70),
    st.integers(1, 150),
    st.integers(1, 150),
    st.booleans(),
    makers,
    seeds,
)
def test_dense(isa, batch, inputs, units, with_bias, make, seed):
    x, kernel = make((batch, inputs), seed), make((inputs, units), seed + 1)
    bias = make((units,), seed + 2) if with_bias else None
    y = reference.dense(x, kernel, bias)
    assert_close(ops.dense(x, kernel, bias), y, tolerance(make, inputs, [1]))

    dy = make(y.shape, seed + 3)
    dx, dkernel, dbias = reference.dense_backward(dy, x, kernel)
    actual = ops.dense_backward(dy, x, kernel)
    assert_close(actual[0], dx, tolerance(make, units, [1]))
    assert_close(actual[1], dkernel, tolerance(make, batch, [1]))
    assert_close(actual[2], dbias, tolerance(make, batch, [1]))


@pytest.mark.parametrize("name", ["tanh", "scaled_tanh", "relu", "sigmoid", "linear", "softmax"])
@several
@given(
    st.tuples(batches, st.integers(1, 100)) | images,
    st.sampled_from([1e-6, 0.1, 1.0, 10.0, 100.0]),
    seeds,
)
def test_activation(isa, name, shape, scale, seed):
    if name == "softmax":
        shape = (shape[0], int(np.prod(shape[1:])))
    x, dy = (scale * uniform(shape, seed)).astype(np.float32), uniform(shape, seed + 1)
    # softmax: the exponent is rounded to eps/2 of its magnitude, which is at most twice the scale.
    atol = summed(4 + 2 * scale, [1]) if name == "softmax" else 1e-37
    rtol = 2 * FEW_ULPS if name == "scaled_tanh" else FEW_ULPS  # two constants, rounded, more
    assert_close(ops.activation(x, name), reference.activation(x, name), atol, rtol)
    dx = reference.activation_backward(dy, x, name)
    atol = summed(8 + (2 * scale if name == "softmax" else 0), [1])
    assert_close(ops.activation_backward(dy, x, name), dx, atol)


@several
@given(images, windows, st.integers(1, 7), strides, paddings, makers, seeds, st.data())
def test_conv2d_with_connections(isa, shape, window, filters, stride, padding, make, seed, data):
    assume(fits(shape, window, padding))
    inputs = st.lists(st.integers(0, shape[3] - 1), min_size=1, unique=True)
    table = data.draw(st.lists(inputs, min_size=filters, max_size=filters))
    options = {"strides": stride, "padding": padding}
    x, kernel = make(shape, seed), make((*window, sum(map(len, table))), seed + 1)
    full, links = reference.full_kernel(kernel, table, shape[3])
    bias = make((filters,), seed + 2)
    y = reference.conv2d(x, full, bias, **options)
    actual = ops.conv2d(x, kernel, bias, connections=table, **options)
    assert_close(actual, y, tolerance(make, np.prod(full.shape[:3]), [3]))

    dy = make(y.shape, seed + 3)
    dx, dkernel, dbias = reference.conv2d_backward(dy, x, full, **options)
    actual = ops.conv2d_backward(dy, x, kernel, connections=table, **options)
    places = np.prod(y.shape[:3])
    assert_close(actual[0], dx, tolerance(make, np.prod(window) * filters, [1]))
    assert_close(actual[1], dkernel[:, :, links], tolerance(make, places, [1]))
    assert_close(actual[2], dbias, tolerance(make, places, [1]))


@several
@given(images, windows, strides, makers, seeds)
def test_subsampling2d(isa, shape, window, stride, make, seed):
    assume(fits(shape, window, "valid"))
    x, coefficient, bias = make(shape, seed), make(shape[3:], seed + 1), make(shape[3:], seed + 2)
    y = reference.subsampling2d(x, coefficient, bias, window, stride)
    actual = ops.subsampling2d(x, coefficient, bias, window, strides=stride)
    cells = np.prod(window)
    assert_close(actual, y, tolerance(make, cells, [3]))

    dy = make(y.shape, seed + 3)
    expected = reference.subsampling2d_backward(dy, x, coefficient, window, stride)
    actual = ops.subsampling2d_backward(dy, x, coefficient, window, strides=stride)
    places = np.prod(y.shape[:3])
    assert_close(actual[0], expected[0], tolerance(make, cells, [1]))
    assert_close(actual[1], expected[1], tolerance(make, places * cells, [1]))
    assert_close(actual[2], expected[2], tolerance(make, places, [1]))


@several
@given(batches, st.integers(1, 40), st.integers(1, 19), makers, seeds)
def test_rbf(isa, batch, inputs, units, make, seed):
    signs = np.random.default_rng(seed).integers(0, 2, (units, inputs))
    codes = ["".join("-+"[sign] for sign in row) for row in signs]
    x, dy = make((batch, inputs), seed), make((batch, units), seed + 1)
    y = reference.rbf(x, codes)
    assert_close(ops.rbf(x, codes), y, tolerance(make, inputs, [4]))
    dx = reference.rbf_backward(dy, x, codes)
    assert_close(ops.rbf_backward(dy, x, codes), dx, tolerance(make, units, [4]))


@several
@given(images, st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2), seeds)
def test_zero_padding2d(isa, shape, padding, seed):
    x = uniform(shape, seed)
    y = reference.zero_padding2d(x, padding)
    assert_close(ops.zero_padding2d(x, padding), y, 0)
    dy = uniform(y.shape, seed + 1)
    dx = reference.zero_padding2d_backward(dy, x, padding)
    assert_close(ops.zero_padding2d_backward(dy, x, padding), dx, 0)
