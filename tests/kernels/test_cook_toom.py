"""Convolutions by Cook-Toom's algorithm: against float64, the same bits always, and the switch."""

import threading
import time

import cook_toom
import numpy as np
import pytest
from core import convolutions_by, gradients, hessian
from hypothesis import given, settings
from hypothesis import strategies as st
from kinds.conv2d import conv2d, conv2d_backward, full_kernel
from nets import LENETS, compiled, digits
from reference import float64
from seeded import uniform
from tolerance import FMA, assert_same_bits

import pylenet
from pylenet import Sequential, _core, layers, ops
from pylenet.models import _lenet1998

# Image, filters, kernel: those of the networks that it was measured for, then rows that end within
# a tile, and channels about the register tiles.
NETWORKS = [((28, 28, 1), 6, 5), ((12, 12, 6), 16, 5), ((14, 14, 6), 16, 5), ((12, 12, 20), 50, 5)]
NETWORKS += [((32, 32, 3), 6, 5), ((13, 13, 32), 64, 3), ((14, 14, 32), 64, 3)]
SHAPES = [
    *NETWORKS,
    *(((7, width, 3), 5, 5) for width in (12, 13, 14, 15)),
    *(((5, width, 16), 17, 3) for width in (10, 11, 12, 13)),
    *(((rows, columns, 16), 17, 3) for rows, columns in ((13, 13), (14, 12), (12, 14), (15, 11))),
    *(((rows, columns, 7), 40, 5) for rows, columns in ((13, 14), (14, 15), (15, 13), (11, 12))),
    *(((6, 12, 4), filters, 5) for filters in (1, 2, 3, 4, 6, 7, 8, 9, 11, 14)),
    *(((6, 12, channels), 3, 5) for channels in (5, 7, 8, 9, 15, 16, 17)),
    ((9, 31, 1), 8, 5),
    ((28, 29, 1), 7, 5),
    ((12, 14, 1), 20, 5),  # Caffe's first, smaller
    ((36, 36, 16), 16, 5),
    *(
        ((8, 16, channels), filters, 5)
        for channels, filters in ((12, 8), (8, 17), (17, 33), (49, 2))
    ),
    *(((20, 12, 7), filters, 5) for filters in (14, 15, 16)),
    *(((6, 14, channels), filters, 3) for channels, filters in ((16, 17), (17, 16), (49, 23))),
    ((30, 26, 16), 16, 3),
]
BATCHES = (1, 3, 8, 9, 17)


@pytest.fixture(autouse=True)
def by_cook_toom():
    """Whatever the environment says."""
    with convolutions_by("cook_toom"):
        yield


def problem(shape, batch, seed=1):
    """dy, x, kernel, bias."""
    image, filters, size = shape
    rows, columns = image[0] - size + 1, image[1] - size + 1
    return (
        uniform((batch, rows, columns, filters), seed),
        uniform((batch, *image), seed + 1),
        uniform((size, size, image[2], filters), seed + 2),
        uniform((filters,), seed + 3),
    )


def computed(dy, x, kernel, bias):
    """y, dx, dkernel, dbias."""
    return (ops.conv2d(x, kernel, bias), *ops.conv2d_backward(dy, x, kernel))


def directly(*arrays):
    with convolutions_by("direct"):
        return computed(*arrays)


@pytest.mark.parametrize("taps", [3, 5])
def test_the_reference_s_transforms_make_a_convolution_of_products(taps):
    a, b, g = cook_toom.matrices(taps)
    d, kernel = float64(uniform((taps + 3,), 1)), float64(uniform((taps,), 2))
    expected = [d[i : i + taps] @ kernel for i in range(4)]
    np.testing.assert_allclose(a.T @ ((g @ kernel) * (b.T @ d)), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("length", [8, 12, 15, 17, 18])
def test_the_reference_s_tiles_of_two_dimensions_make_a_convolution(length):
    a, b, g = cook_toom.matrices(5)
    rows = -(-(length - 4) // 4)
    x, kernel = uniform((1, length, 12, 1), 1), float64(uniform((5, 5, 1, 1), 2))
    tiles = cook_toom.square_tiles(float64(x), 4, 8, (rows, 2))[..., 0]
    products = (g @ kernel[..., 0, 0] @ g.T) * (b.T @ tiles @ b)
    y = (a.T @ products @ a).transpose(0, 1, 3, 2, 4).reshape(1, 4 * rows, 8, 1)
    np.testing.assert_allclose(y[:, : length - 4], conv2d(x, kernel), rtol=1e-11, atol=1e-11)


def check_errors(shape, batch):
    dy, x, kernel, bias = problem(shape, batch)
    y, dx, dkernel, dbias = computed(dy, x, kernel, bias)
    bounds = cook_toom.bounds(dy, x, kernel, bias)
    expected = (conv2d(x, kernel, bias), *conv2d_backward(dy, x, kernel)[:2])
    for actual, right, bound in zip((y, dx, dkernel), expected, bounds, strict=True):
        assert actual.dtype == np.float32
        assert (np.abs(actual - right) <= bound).all(), np.abs((actual - right) / bound).max()
    assert_same_bits(dbias, directly(dy, x, kernel, bias)[3])


@pytest.mark.parametrize("batch", [1, 17])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_errors_are_within_what_the_transforms_allow(shape, batch, isa):
    check_errors(shape, batch)


@st.composite
def shapes(draw):
    size = draw(st.sampled_from([3, 5]))
    few = 16 if size == 3 else 3
    whole = st.sampled_from([8, 12])  # tiles
    rows, columns = draw(st.integers(1, 12) | whole), draw(st.integers(8, 20) | whole)
    channels, filters = draw(st.integers(few, 20)), draw(st.integers(few, 36))
    return (rows + size - 1, columns + size - 1, channels), filters, size


@settings(max_examples=20, deadline=None)
@given(shapes(), st.integers(1, 10))
def test_errors_of_any_shape_are_within_what_the_transforms_allow(shape, batch):
    check_errors(shape, batch)


def test_errors_of_more_images_than_are_summed_at_a_time_are_within_the_same():
    check_errors(((12, 12, 6), 16, 5), 1025)


@pytest.mark.parametrize("batch", [1, 17])
@pytest.mark.parametrize("side", [14, 12], ids=["along rows", "in two dimensions"])
def test_errors_of_a_table_of_connections_are_within_the_same(side, batch, isa):
    """LeNet-5 of 1998's C3, and the same on an image of whole tiles."""
    image, table = (side, side, 6), _lenet1998.CONNECTIONS
    model = Sequential([layers.Input(image), layers.Conv2D(16, 5, connections=table)])
    stored, bias = model.get_weights()
    kernel, links = full_kernel(stored, table, 6)
    dy, x, *_ = problem((image, 16, 5), batch)
    dx, dkernel, _ = gradients(model, x, dy)
    expected = (conv2d(x, kernel, bias), *conv2d_backward(dy, x, kernel)[:2])
    bounds = cook_toom.bounds(dy, x, kernel, bias)
    for actual, right, bound in zip((model.predict(x), dx), expected, bounds, strict=False):
        assert (np.abs(actual - right) <= bound).all()
    assert (np.abs(dkernel - expected[2][:, :, links]) <= bounds[2][:, :, links]).all()


@pytest.mark.parametrize("name", LENETS)
def test_the_hessian_is_that_of_direct_convolutions(name):
    x, _ = digits(40)
    model = compiled(LENETS[name])
    images = np.float32(x)[..., None] / 255
    found = hessian(model, images)
    pylenet.set_convolution("direct")
    model.compile("sgd", model.loss)
    direct = hessian(model, images)
    assert (found >= 0).all()
    np.testing.assert_allclose(found, direct, rtol=1e-3, atol=1e-5 * direct.max())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_it_is_another_arithmetic_than_the_direct_one(shape, isa):
    arrays = problem(shape, 17)
    some = [np.array_equal(a, d) for a, d in zip(computed(*arrays), directly(*arrays), strict=True)]
    assert not some[0]
    assert not some[2]


@pytest.mark.parametrize("shape", NETWORKS, ids=str)
def test_its_error_is_a_few_times_the_direct_one_s(shape, isa):
    """Of results whose inputs are like a network's: at most what docs/numerics.md says."""
    dy, x, kernel, bias = problem(shape, 16)
    arrays = dy, np.maximum(x, 0), kernel, bias
    expected = (conv2d(*arrays[1:]), *conv2d_backward(*arrays[:3])[:2])
    for i, (actual, direct, right) in enumerate(
        zip(computed(*arrays), directly(*arrays), expected, strict=False)
    ):
        rule = cook_toom.two_dimensional if i < 2 else cook_toom.two_dimensional_kernel
        in_both = rule(*shape)
        scale = np.sqrt(np.mean(right**2))
        error, of_direct = (np.sqrt(np.mean((a - right) ** 2)) / scale for a in (actual, direct))
        assert error <= (4e-6 if in_both else 2e-6)
        assert error <= (16 if in_both else 12) * of_direct


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradients_are_those_of_the_forward_pass(shape, isa):
    """A linear function's: <dy, conv(x, kernel)> is <dx, x> and <dkernel, kernel>."""
    dy, x, kernel, _ = problem(shape, 3)
    y = ops.conv2d(x, kernel)
    dx, dkernel, _ = ops.conv2d_backward(dy, x, kernel)
    product = np.sum(float64(dy) * y)
    size = np.sqrt(np.sum(float64(dy) ** 2) * np.sum(float64(y) ** 2))
    assert abs(np.sum(float64(dx) * x) - product) <= 1e-6 * size
    assert abs(np.sum(float64(dkernel) * kernel) - product) <= 1e-6 * size


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_batches_threads_and_instruction_sets_change_no_bit(shape, threads_restored):
    arrays = dy, x, kernel, bias = problem(shape, 33)
    former = _core.active_isa()
    try:
        for family in (["baseline"], FMA):
            found = []
            for name in family:
                _core.set_isa(name)
                for n in (1, 3):
                    pylenet.set_num_threads(n)
                    found.append(computed(*arrays))
                y, dx, *_ = found[-1]
                for batch in BATCHES:
                    part = slice(20 - batch, 20)
                    assert_same_bits(ops.conv2d(x[part], kernel, bias), y[part])
                    assert_same_bits(ops.conv2d_backward(dy[part], x[part], kernel)[0], dx[part])
            for other in found[1:]:
                assert_same_bits(other, found[0])
            few = []
            for name in family:  # a batch that some compute in lanes, and some image by image
                _core.set_isa(name)
                few += [computed(dy[:6], x[:6], kernel, bias)]
            for other in few[1:]:
                assert_same_bits(other, few[0])
    finally:
        _core.set_isa(former)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    "shape",
    [((13, 14, 6), 9, 5), ((11, 13, 16), 16, 3), ((12, 16, 6), 16, 5), ((8, 12, 16), 16, 3)],
    ids=str,
)
def test_padding_is_zeros_around_the_image(shape, padding, isa):
    image, filters, size = shape
    around = size // 2 if padding == "same" else 0
    x, kernel = uniform((5, *image), 1), uniform((size, size, image[2], filters), 2)
    framed = np.pad(x, ((0, 0), (around, around), (around, around), (0, 0)))
    y = ops.conv2d(x, kernel, padding=padding)
    assert_same_bits(y, ops.conv2d(framed, kernel))
    dy = uniform(y.shape, 3)
    dx, dkernel, dbias = ops.conv2d_backward(dy, x, kernel, padding=padding)
    expected = ops.conv2d_backward(dy, framed, kernel)
    inside = slice(around, around + image[0]), slice(around, around + image[1])
    assert_same_bits((dx, dkernel, dbias), (expected[0][:, inside[0], inside[1]], *expected[1:]))


@pytest.mark.parametrize("batch", [1, 16])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("image", "filters", "in_both"),
    [((13, 20, 6), 16, False), ((12, 20, 6), 16, True), ((11, 15, 6), 43, True)],
    ids=["along rows", "in two dimensions", "in tiles cut off"],
)
def test_what_is_not_finite_spreads_over_its_tiles_and_no_further(
    image, filters, in_both, value, batch, isa
):
    _, x, kernel, bias = problem((image, filters, 5), batch)
    clean = ops.conv2d(x, kernel, bias)
    x[-1, 6, 10, 2] = value  # in the second tile, which reads columns 4 to 11, and the third
    y = ops.conv2d(x, kernel, bias)
    reached = np.zeros(y.shape, bool)
    rows = slice(0, 8) if in_both else slice(2, 7)
    reached[-1, rows, 4:12] = True
    assert not np.isfinite(y[reached]).any()
    assert_same_bits(y[~reached], clean[~reached])


@pytest.mark.parametrize("batch", [1, 16])
def test_an_empty_image_gives_the_bias_exactly(batch, isa):
    _, x, kernel, bias = problem(((12, 12, 6), 16, 5), batch)
    y = ops.conv2d(0 * x, kernel, bias)
    assert_same_bits(y, np.broadcast_to(bias, y.shape).copy())


@pytest.mark.parametrize("name", LENETS)
@pytest.mark.parametrize("batch_size", [1, 6, 32])
def test_a_training_has_the_same_bits_always(name, batch_size, threads_restored):
    x, y = digits(96)
    found = []
    former = _core.active_isa()
    try:
        for isa in FMA or ["baseline"]:
            _core.set_isa(isa)
            for n in (1, 3):
                pylenet.set_num_threads(n)
                model = compiled(LENETS[name])
                model.fit(x, y, batch_size, 1, verbose=0)
                found.append((*model.get_weights(), model.predict(x[:40]), model.predict(x[:1])))
    finally:
        _core.set_isa(former)
    for other in found[1:]:
        assert_same_bits(other, found[0])


def test_predictions_follow_every_change_of_the_weights():
    """What is made of them is kept from call to call, by each layout and between trainings."""
    x, y = digits(64)
    model, fresh = compiled(LENETS["modern"]), compiled(LENETS["modern"], seed=1)

    def check():
        for images in (x[:1], x, x[:1]):
            fresh.set_weights([np.zeros_like(w) for w in model.get_weights()])
            fresh.predict(images)
            fresh.set_weights(model.get_weights())
            assert_same_bits(model.predict(images), fresh.predict(images))

    check()
    kernel = next(layer for layer in model.layers if layer.name == "conv2d_1").kernel
    kernel[4, 4, 5, 15] = np.nextafter(kernel[4, 4, 5, 15], np.float32(1))  # the last bit of one
    check()
    model.fit(x, y, 16, 1, verbose=0)
    check()
    weights = model.get_weights()
    model.set_weights([0 * w for w in weights])
    assert len(np.unique(model.predict(x))) == 1
    check()
    model.set_weights(weights)
    check()


def test_weights_written_during_a_prediction_spoil_no_later_one():
    """Without the copy that what is kept is made of, one of 30 such would."""
    layer = layers.Conv2D(128, 5)
    model = Sequential([layers.Input((12, 12, 128)), layer])
    x = uniform((1, 12, 12, 128), seed=1)
    expected, place = model.predict(x), layer.kernel[-1, -1, -1]
    values = place.copy()
    for attempt in range(100):
        place[:] = 5  # so that the next one makes it anew
        model.predict(x)
        place[:] = values
        other = threading.Thread(target=model.predict, args=[x])
        other.start()
        time.sleep(attempt % 20 * 1e-4)
        place[:] = 9
        other.join()
        place[:] = values
        assert_same_bits(model.predict(x), expected)


# The switch

SHOW = """
import pylenet
pylenet.show_config()
print(pylenet.get_convolution())
"""


@pytest.mark.parametrize("name", ["direct", "cook_toom", ""])
def test_the_environment_chooses_the_algorithm(name, run_python):
    done = run_python(SHOW, PYLENET_CONVOLUTION=name)
    assert done.returncode == 0, done.stderr
    *config, active = done.stdout.splitlines()
    name = name or "cook_toom"
    assert active == name
    assert any(line.split() == ["convolution:", name] for line in config), done.stdout


@pytest.mark.parametrize("name", ["winograd", "Direct", "direct "])
@pytest.mark.parametrize("use", ["pylenet.show_config()", "pylenet.ops.dense(x, x)"])
def test_an_unknown_algorithm_is_an_error_on_first_use(name, use, run_python):
    code = f"import numpy, pylenet\nx = numpy.ones((1, 1), numpy.float32)\n{use}"
    done = run_python(code, PYLENET_CONVOLUTION=name)
    assert done.returncode != 0
    last = done.stderr.splitlines()[-1]
    assert last == (
        f"ValueError: PYLENET_CONVOLUTION must be 'direct' or 'cook_toom', got '{name}'"
    )


@pytest.mark.parametrize("name", ["winograd", "", "Direct"])
def test_choosing_an_unknown_algorithm_is_an_error_and_changes_nothing(name):
    with pytest.raises(ValueError, match=r"name must be one of \['cook_toom', 'direct'\], got"):
        pylenet.set_convolution(name)
    assert pylenet.get_convolution() == "cook_toom"


def test_a_model_keeps_its_algorithm_until_it_is_compiled_again():
    x, _ = digits(16)
    model = compiled(LENETS["modern"])
    by_cook_toom = model.predict(x)
    pylenet.set_convolution("direct")
    assert_same_bits(model.predict(x), by_cook_toom)
    model.compile("sgd", "mse")
    direct = model.predict(x)
    assert not np.array_equal(direct, by_cook_toom)
    fresh = compiled(LENETS["modern"])
    fresh.set_weights(model.get_weights())
    assert_same_bits(fresh.predict(x), direct)
