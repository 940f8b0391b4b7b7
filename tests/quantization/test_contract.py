"""docs/int8.md: pylenet's integers are those of an implementation written from the page alone."""

import int8_reference as reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from int8_files import random_file
from int8_models import chains, random_weights

import pylenet
from pylenet import layers
from pylenet.models import load_model
from pylenet.quantization import _model


def assert_as_the_page_says(quantized, images, of=""):
    """Every integer of the answer, from the bytes of the file."""
    network = reference.Network(_model.model_bytes(quantized))
    pixels = images.dtype == np.uint8
    expected = [network.scores(image.ravel().tolist(), pixels) for image in images]
    np.testing.assert_array_equal(quantized.scores(images).reshape(len(images), -1), expected, of)


@pytest.mark.quick
@pytest.mark.parametrize("make", [pylenet.models.lenet5_modern, pylenet.models.lenet5_classic])
@pytest.mark.parametrize("dense_bits", [8, 4])
def test_both_lenets_give_the_integers_of_the_page(make, dense_bits):
    model = random_weights(make(), 3)
    images = np.random.default_rng(1).integers(0, 256, (40, 28, 28), np.uint8)
    quantized = pylenet.quantize(model, images, ranges="max", dense_bits=dense_bits)
    assert_as_the_page_says(quantized, images[:2])


@settings(max_examples=60, deadline=None)
@given(chains(), st.sampled_from([4, 8]))
def test_random_chains_give_the_integers_of_the_page(chain, dense_bits):
    model, images = chain
    quantized = pylenet.quantize(model, images, ranges="max", dense_bits=dense_bits)
    assert_as_the_page_says(quantized, images[:3])


def test_files_with_steps_of_any_numbers_give_the_integers_of_the_page(tmp_path):
    """120 networks that quantize would not make: sums, shifts, windows and tables at their ends."""
    rng = np.random.default_rng(14)
    path = tmp_path / "random.safetensors"
    seen = set()
    for number in range(120):
        data, images = random_file(rng)
        path.write_bytes(data)
        quantized = load_model(path)
        assert_as_the_page_says(quantized, images, f"network {number}")
        seen |= {(step.kind, "table" in step.tensors) for step in quantized.steps}
    assert len(seen) == 9  # six kinds, three of them with a table too


def test_real_numbers_come_in_as_the_page_says():
    model = random_weights(pylenet.Sequential([layers.Dense(2, input_shape=(1,))]), 1)
    values = np.array([-3, -0.5, -0.0, 0.011811, 0.1, 1.49, 1.5, 9, np.nan, np.inf, -np.inf])
    for calibration in (np.float32([[0.2], [1.5]]), np.float32([[-1.5], [0.3]])):
        quantized = pylenet.quantize(model, calibration)
        network = reference.Network(_model.model_bytes(quantized))
        expected = [network.integer_of(float(v)) for v in values]
        np.testing.assert_array_equal(quantized.integers(values[:, None])[:, 0], expected)
        pixels = np.array([[0], [1], [2], [255]], np.uint8)
        assert_as_the_page_says(quantized, pixels)  # widened, for the scale is not 1
