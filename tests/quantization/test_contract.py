"""docs/int8.md: pylenet's integers are those of an implementation written from the page alone."""

import int8_reference as reference
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from int8_models import chains, random_weights

import pylenet
from pylenet import layers
from pylenet.quantization import _model


def assert_as_the_page_says(quantized, images):
    """Every integer of the answer, from the bytes of the file."""
    config, tensors = reference.read(_model.model_bytes(quantized))
    inputs = quantized.integers(images)
    expected = [reference.answer(config, tensors, image.ravel().tolist()) for image in inputs]
    np.testing.assert_array_equal(quantized.scores(images).reshape(len(images), -1), expected)


@pytest.mark.quick
@pytest.mark.parametrize("make", [pylenet.models.lenet5_modern, pylenet.models.lenet5_classic])
def test_both_lenets_give_the_integers_of_the_page(make):
    model = random_weights(make(), 3)
    images = np.random.default_rng(1).integers(0, 256, (40, 28, 28), np.uint8)
    assert_as_the_page_says(pylenet.quantize(model, images, ranges="max"), images[:2])


@settings(max_examples=60, deadline=None)
@given(chains(), st.sampled_from([4, 8]))
def test_random_chains_give_the_integers_of_the_page(chain, dense_bits):
    model, images = chain
    quantized = pylenet.quantize(model, images, ranges="max", dense_bits=dense_bits)
    assert_as_the_page_says(quantized, images[:3])


def test_real_numbers_come_in_as_the_page_says():
    model = random_weights(pylenet.Sequential([layers.Dense(2, input_shape=(1,))]), 1)
    values = np.array([-3, -0.5, -0.0, 0.011811, 0.1, 1.49, 1.5, 9, np.nan, np.inf, -np.inf])
    for calibration in (np.float32([[0.2], [1.5]]), np.float32([[-1.5], [0.3]])):
        quantized = pylenet.quantize(model, calibration)
        config, _ = reference.read(_model.model_bytes(quantized))
        expected = [reference.integer_of(config, float(v)) for v in values]
        np.testing.assert_array_equal(quantized.integers(values[:, None])[:, 0], expected)
