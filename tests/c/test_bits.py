"""Programs in C give the bits of Python's predictions: random networks, compiled and compared."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from int8_models import chains, random_weights

import pylenet
from kinds._random import examples
from kinds.test_networks import make, networks
from pylenet import layers
from pylenet.convert.c import _check, _file, export
from pylenet.layers.activation import ACTIVATIONS

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
PLAIN = "-U__SSE2__"  # as on a processor without vectors
# What a compiler may be told: vectors of 4, one value at a time, vectors of 8, vectors of 16. Those
# that round products and sums together take 0.4 s to compile, so that fewer are tried.
FLOAT = [("-O1",)] * 3 + [("-O1", PLAIN)] * 3 + [("-O1", "-mfma")]


@pytest.fixture
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("c")


def assert_python_s_bits(folder, model, images, *flags):
    """Every byte of the outputs for these images, as the model takes them."""
    path = folder / "net.c"
    export(model, path, images[:2])
    inputs = _file.inputs_of(model, images)
    found, fused = _check.outputs_of(path, model, inputs, (*WARNINGS, *flags))
    expected = _file.expected(model, inputs, fused)
    assert expected is not None, flags
    np.testing.assert_array_equal(found.view(np.uint8), expected.view(np.uint8))
    return fused


def known(flags):
    """These flags, without those that this processor does not run."""
    return [flag for flag in flags if flag != "-mfma" or "avx2" in pylenet._core.available_isas()]


@examples(200)
@given(chains(), st.sampled_from([(), (PLAIN,), (PLAIN, "-DNET_HALVES=1")]))
def test_random_networks_in_whole_numbers_give_python_s_integers(folder, chain, flags):
    model, images = chain
    quantized = pylenet.quantize(model, images, ranges="max")
    assert_python_s_bits(folder, quantized, images, "-O1", *flags)


@examples(100)
@given(networks(smooth=False), st.sampled_from(FLOAT), st.integers(0, 2**40))
def test_random_networks_in_float32_give_python_s_bits(folder, network, flags, seed):
    model, images, _ = make(network, 5, seed)
    if _file.scales_pixels(model.layers) is not None:
        images = np.random.default_rng(seed).integers(0, 256, images.shape, np.uint8)
    assert_python_s_bits(folder, model, images, *known(flags))


@pytest.mark.parametrize("flags", [(PLAIN,), ("-mfma",)], ids=["plain", "fused"])
@pytest.mark.parametrize("activation", [*ACTIVATIONS, layers.ReLU(3.0, 0.1, 0.5), layers.ReLU(None, 0.2, 1.0)], ids=str)
def test_activations_give_python_s_bits_for_any_value(folder, activation, flags):
    if activation == "softmax":
        activation = layers.Softmax()
    values = np.random.default_rng(1).normal(size=(2000, 5)).astype(np.float32)
    values *= np.float32(10) ** np.random.default_rng(2).integers(-3, 4, (2000, 1)).astype("f4")
    values[0] = [0.0, -0.0, np.inf, -np.inf, 1e-40]
    model = pylenet.Sequential([layers.Activation(activation, input_shape=(5,))])
    path = folder / "net.c"
    export(model, path)
    found, fused = _check.outputs_of(path, model, values, (*WARNINGS, "-O1", *known(flags)))
    expected = _file.expected(model, values, fused)
    both_nan = np.isnan(found) & np.isnan(expected)
    np.testing.assert_array_equal(
        np.where(both_nan, 0, found).view(np.uint32), np.where(both_nan, 0, expected).view(np.uint32)
    )


@pytest.mark.quick
@pytest.mark.parametrize("kind", ["float", "int8"])
@pytest.mark.parametrize("name", ["modern", "classic", "1998"])
def test_both_lenets_give_python_s_bits(folder, name, kind):
    model = random_weights(getattr(pylenet.models, f"lenet5_{name}")(), 3)
    images = np.random.default_rng(1).integers(0, 256, (300, 28, 28), np.uint8)
    if kind == "int8" and name == "1998":
        return
    if kind == "int8":
        model = pylenet.quantize(model, images, ranges="max")
    for flags in (("-O2",), ("-O3", "-march=native"), ("-Os", PLAIN)):
        assert_python_s_bits(folder, model, images, *flags)
