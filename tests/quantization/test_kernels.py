"""The int8 kernels give the integers of a numpy reference: every instruction set and layout."""

import int8_numpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from int8_models import chains, random_weights

import pylenet
from pylenet import _core, layers
from pylenet.quantization import _model
from pylenet.quantization._steps import Step

ISAS = _core.available_int8_isas()
COUNTS = (1, 2, 8, 9, 16, 17, 35)  # one by one, in lanes, a full group, and one more

ANSWER = {"low": -32767, "high": 32767}


def assert_exact(quantized, images, threads=(1,), counts=COUNTS):
    inputs = quantized.integers(images)
    shape = quantized.steps[0].input_shape
    expected = int8_numpy.run(quantized.steps, inputs.reshape(len(inputs), *shape))
    expected = expected.reshape(len(inputs), -1)
    given_bytes = quantized._bytes(images)
    for isa in ISAS:
        network = _model.planned(quantized, isa)
        assert network.isa == isa
        for count in counts:
            for number in threads:
                found = np.full((count, expected.shape[1]), -1, np.int32)
                network.scores(found, given_bytes[:count], number)
                np.testing.assert_array_equal(found, expected[:count], f"{isa}, {count} images")


def assert_step_exact(step, x):
    """The same for a network of one step, and integers that come in."""
    expected = int8_numpy.run([step], x).reshape(len(x), -1)
    low = -127 if x.dtype == np.int8 else 0
    given_bytes = x.view(np.uint8) ^ np.uint8(128) if low else x
    for isa in ISAS:
        network = _core.Int8Network(
            step.input_shape, low, [step], scale=1.0, function=layers.activation.LINEAR, isa=isa
        )
        for count in (1, len(x)):
            found = np.empty((count, expected.shape[1]), np.int32)
            network.scores(found, given_bytes[:count], 1)
            np.testing.assert_array_equal(found, expected[:count], f"{isa}, {count} images")


@pytest.mark.quick
@pytest.mark.parametrize("make", [pylenet.models.lenet5_modern, pylenet.models.lenet5_classic])
def test_both_lenets_are_exact_for_any_batch_and_threads(make):
    images = np.random.default_rng(1).integers(0, 256, (35, 28, 28), np.uint8)
    quantized = pylenet.quantize(random_weights(make(), 3), images, ranges="max")
    assert_exact(quantized, images, threads=(1, 2, 3))


@settings(max_examples=80, deadline=None)
@given(chains(), st.integers(0, 99))
def test_random_chains_are_exact(chain, seed):
    model, images = chain
    quantized = pylenet.quantize(model, images, ranges="max")
    more = np.random.default_rng(seed).permutation(np.tile(images, (3, 1, 1, 1)))[:35]
    assert_exact(quantized, more, counts=(1, 17, 35))


@pytest.mark.parametrize("width", [17, 20, 33, 35])
@pytest.mark.parametrize("filters", [1, 2, 3])
def test_few_filters_over_wide_rows_are_exact(filters, width):
    """Rows of some register tiles, the last of which has only a few bytes."""
    images = np.random.default_rng(width).integers(0, 256, (17, 6, width, 1), np.uint8)
    model = pylenet.Sequential(
        [
            layers.Conv2D(filters, 3, padding="same", activation="relu", input_shape=(6, width, 1)),
            layers.Flatten(),
            layers.Dense(5),
        ]
    )
    quantized = pylenet.quantize(random_weights(model, filters), images, ranges="max")
    assert_exact(quantized, images, counts=(1, 2, 17))


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6, 8, 17])
@pytest.mark.parametrize("place", [(1, "valid"), (1, "same"), (2, "same"), (3, "valid")])
def test_convolutions_of_many_shapes_are_exact(channels, place):
    rng = np.random.default_rng(channels)
    images = rng.integers(0, 256, (35, 9, 11, channels), np.uint8)
    model = pylenet.Sequential(
        [
            layers.Conv2D(7, (3, 2), activation="tanh", input_shape=(9, 11, channels)),
            layers.Conv2D(channels, (2, 3), *place, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(33, "relu"),
            layers.Dense(130),
        ]
    )
    quantized = pylenet.quantize(random_weights(model, 1), images, ranges="max")
    assert_exact(quantized, images, counts=(1, 16, 35))


@pytest.mark.parametrize("activation", ["relu", "tanh"])
@pytest.mark.parametrize("pool", ["MaxPooling2D", "AveragePooling2D"])
@pytest.mark.parametrize("filters", [6, 9])
def test_convolutions_that_halve_the_image_are_exact(filters, pool, activation):
    """One channel in and few out, columns in lanes; then channels in lanes; odd sizes of both."""
    for shape in ((13, 27, 1), (20, 44, 1), (8, 9, 1)):
        built = pylenet.Sequential(
            [
                pylenet.Input(shape),
                layers.Conv2D(filters, (5, 5), padding="same", activation=activation),
                getattr(layers, pool)(2),
                layers.Conv2D(9, (3, 4), activation=activation),
                getattr(layers, pool)((2, 1) if shape[1] < 10 else 2),
                layers.Flatten(),
                layers.Dense(3),
            ]
        )
        images = np.random.default_rng(filters).integers(0, 256, (17, *shape), np.uint8)
        quantized = pylenet.quantize(random_weights(built, 2), images[:4], ranges="max")
        assert_exact(quantized, images, counts=(1, 17))


@pytest.mark.parametrize("window", [(2, 9), (3, 5), (6, 5), (7, 3)])
@pytest.mark.parametrize("strides", [1, 2])
def test_windows_whose_rows_are_no_whole_words_are_exact(window, strides):
    model = pylenet.Sequential(
        [
            layers.Conv2D(5, window, strides, activation="relu", input_shape=(17, 29, 1)),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    images = np.random.default_rng(1).integers(0, 256, (17, 17, 29, 1), np.uint8)
    quantized = pylenet.quantize(random_weights(model, 2), images[:4], ranges="max")
    assert_exact(quantized, images, counts=(1, 17))


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("kind", ["pixels", "unsigned", "signed"])
def test_sums_as_large_as_there_are_do_not_saturate(kind, sign):
    """All weights and inputs at their ends: what 16-bit sums of two products could not hold."""
    model = pylenet.Sequential([layers.Dense(5, input_shape=(1000,)), layers.Dense(3)])
    if kind != "pixels":
        ends = layers.ReLU() if kind == "unsigned" else layers.Activation("tanh")
        model = pylenet.Sequential([layers.Activation(ends, input_shape=(1000,)), *small_dense()])
    weights = [
        np.full(w.shape, sign if w.ndim == 2 else 0, np.float32) for w in model.get_weights()
    ]
    model.set_weights(weights)
    images = np.full((35, 1000), 255 if kind == "pixels" else 3.0)
    images[1::2] *= -1 if kind == "signed" else 1
    images = images.astype(np.uint8 if kind == "pixels" else np.float32)
    quantized = pylenet.quantize(model, images, ranges="max")
    assert_exact(quantized, images)
    assert np.abs(quantized.scores(images)).max() > 16000


def small_dense():
    return layers.Dense(5), layers.Dense(3)


@pytest.mark.parametrize("bits", [24, 30])
@pytest.mark.parametrize("shift", range(1, 32))
def test_every_rounding_is_exact(shift, bits):
    """Sums from -2^30 to 2^30 through every shift; and those that a float holds."""
    rng = np.random.default_rng(shift)
    shapes = {"input_shape": (1, 1, 2), "output_shape": (1, 1, 64)}
    tensors = {
        "kernel": rng.integers(-127, 128, (64, 2), np.int8),
        "bias": rng.integers(-(2**30), 2**30, 64, np.int32) >> max(30 - bits, 15 - shift),
        "multiplier": rng.integers(0, 2**15, 64, np.int16),
    }
    if bits == 24:  # also sums at which a product is half an integer, and one below
        products = tensors["multiplier"].astype(np.int64) | 1
        tensors["multiplier"] = products.astype(np.int16)
        halves = (np.arange(64) * 2**shift - 2 ** (shift - 1)) // products
        tensors["bias"][::2] = np.clip(halves, -(2**23), 2**23)[::2]
    step = Step("dense", ("dense",), **shapes, **ANSWER, shift=shift, tensors=tensors)
    assert_step_exact(step, rng.integers(-127, 128, (35, 1, 1, 2), np.int8))


@pytest.mark.parametrize("shift", [1, 2, 15, 30, 31])
@pytest.mark.parametrize("low", [0, -127])
def test_the_largest_sums_of_an_affine_step_do_not_wrap(low, shift):
    """x * m + b of 2^30 and of -2^30, to which the half of the rounding is added."""
    high = 255 if low == 0 else 127
    multiplier = np.array([32767, -32767, 32767, -32767, 1, -1, 0, 0], np.int16)
    room = 2**30 - high * np.abs(multiplier.astype(np.int32))
    bias = room * np.array([1, -1, -1, 1, 1, -1, 1, -1], np.int32)
    shapes = {"input_shape": (1, 1, 8), "output_shape": (1, 1, 8)}
    tensors = {"multiplier": multiplier, "bias": bias}
    step = Step("affine", ("norm",), **shapes, **ANSWER, shift=shift, tensors=tensors)
    x = np.full((35, 1, 1, 8), high, np.int8 if low < 0 else np.uint8)
    x[1::3] = low
    x[2::3] = 1
    assert_step_exact(step, x)
    if shift == 31 and low == 0:
        assert int8_numpy.run([step], x)[0, 0, 0].tolist() == [1, 0, 0, 0, 1, 0, 1, 0]


def test_predictions_are_the_function_of_the_scores_to_the_bit():
    images = np.random.default_rng(1).integers(0, 256, (35, 28, 28), np.uint8)
    quantized = pylenet.quantize(random_weights(pylenet.models.lenet5_modern(), 3), images)
    real = quantized.scores(images).astype(np.float32) * np.float32(quantized.output.scale)
    expected = pylenet.activations.softmax(real)
    for count in COUNTS:
        np.testing.assert_array_equal(quantized.predict(images[:count]), expected[:count])


def test_images_in_any_memory_layout_are_read():
    images = np.random.default_rng(1).integers(0, 256, (20, 28, 28), np.uint8)
    quantized = pylenet.quantize(random_weights(pylenet.models.lenet5_modern(), 3), images)
    expected = quantized.scores(images)
    for other in (np.asfortranarray(images), images[..., None], images.astype(np.float64)):
        np.testing.assert_array_equal(quantized.scores(other), expected)
    np.testing.assert_array_equal(quantized.scores(images[::-1]), expected[::-1])


def test_the_instruction_set_goes_with_that_of_the_floats(run_python):
    code = "import pylenet; print(pylenet._core.active_int8_isa())"
    x86 = {"baseline": "baseline", "avx2": "avx2", "avx512": "avx512vnni"}
    for isa in _core.available_isas():
        done = run_python(code, PYLENET_ISA=isa)
        expected = x86[isa] if x86[isa] in ISAS and "neon_dotprod" not in ISAS else ISAS[-1]
        assert done.stdout.strip() == expected, done.stderr


def test_the_last_function_has_the_floats_of_the_instruction_set_asked_for(run_python, tmp_path):
    """As if all were computed with it, whatever is in force."""
    images = np.random.default_rng(1).integers(0, 256, (20, 28, 28), np.uint8)
    model = random_weights(pylenet.models.lenet5_small(), 1)
    pylenet.quantize(model, images[:4], ranges="max").save(tmp_path / "q.safetensors")
    np.save(tmp_path / "x.npy", images)
    code = (
        "import numpy as np, pylenet; from pylenet.quantization import _model;"
        f"q = pylenet.models.load_model({str(tmp_path / 'q.safetensors')!r});"
        f"x = np.load({str(tmp_path / 'x.npy')!r});"
        "y = np.empty((20, 10), np.float32);"
        "_model.planned(q, 'baseline').predict(y, q._bytes(x), 1); print(y.tobytes().hex())"
    )
    found = {run_python(code, PYLENET_ISA=isa).stdout for isa in _core.available_isas()}
    assert len(found) == 1
    assert len(found.pop()) > 1000


def test_an_instruction_set_that_is_not_there_is_a_value_error():
    images = np.ones((2, 28, 28), np.uint8)
    quantized = pylenet.quantize(pylenet.models.lenet5_modern(), images, ranges="max")
    with pytest.raises(ValueError, match="isa must be one of 'baseline'.*, got 'avx9'"):
        _model.planned(quantized, "avx9")
