"""Networks for microcontrollers: what they are made of, and that they fit where they should."""

import re

import numpy as np
import pytest
from datasets_tiny import write_data
from int8_models import random_weights

import pylenet
from pylenet import cli
from pylenet.models import lenet5_medium, lenet5_small, load_model

PARAMETERS = {lenet5_small: 5_074, lenet5_medium: 14_734}
MOST_BYTES = {lenet5_small: 6_000, lenet5_medium: 17_000}  # of constants, in whole numbers
MULTIPLY_ADDS = {lenet5_small: 222_840, lenet5_medium: 441_360}
BUILDERS = list(PARAMETERS)


@pytest.mark.parametrize("build", BUILDERS)
def test_they_take_pixels_and_give_a_probability_for_each_class(build):
    model = build()
    assert model.name == build.__name__
    assert model.count_params() == PARAMETERS[build]
    pixels = np.random.default_rng(1).integers(0, 256, (3, 28, 28), np.uint8)
    found = model.predict(pixels)
    assert found.shape == (3, 10)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(model.predict(pixels[..., None]), found)
    assert build(classes=26).output_shape == (None, 26)
    with pytest.raises(ValueError, match="classes"):
        build(classes=1)


@pytest.mark.parametrize("build", BUILDERS)
def test_they_are_convolutions_with_relu_and_no_hidden_dense_layer(build):
    kinds = [type(layer).__name__ for layer in build().layers]
    block = ["Conv2D", "MaxPooling2D"]
    assert kinds == ["Rescaling", *block, *block, "Conv2D", "Flatten", "Dense"]
    assert {layer.activation for layer in build().layers if hasattr(layer, "kernel_size")} == {
        "relu"
    }


@pytest.mark.parametrize("build", BUILDERS)
def test_their_constants_in_c_fit_the_flash_they_are_for(build, tmp_path):
    model = random_weights(build(), 3)
    pixels = np.random.default_rng(1).integers(0, 256, (50, 28, 28), np.uint8)
    quantized = pylenet.quantize(model, pixels, ranges="max")
    assert quantized.multiply_adds() == MULTIPLY_ADDS[build]
    quantized.export(tmp_path / "net.c")
    header = (tmp_path / "net.h").read_text()
    flash = int(re.search(r"constants +([\d,]+) bytes of flash", header)[1].replace(",", ""))
    assert quantized.count_bytes() <= flash <= MOST_BYTES[build]


@pytest.mark.parametrize("build", BUILDERS)
def test_the_command_line_trains_quantizes_exports_and_draws_them(build, tmp_path):
    def run(*arguments):
        assert cli.main([str(argument) for argument in arguments]) == 0

    name, data = build.__name__.removeprefix("lenet5_"), write_data(tmp_path / "tiny")
    given = ["--data", data]
    run("train", "--model", name, "--seeds", 2, "--epochs", 1, *given, "--out", tmp_path)
    file = tmp_path / f"{name}-seed2.safetensors"
    assert load_model(file).count_params() == PARAMETERS[build]
    run("quantize", file, *given)
    int8 = tmp_path / f"{name}-seed2.int8.safetensors"
    assert load_model(int8).contract == "pylenet-int8-1"
    run("export", int8, *given, "-o", tmp_path / f"{name}.c")
    assert f"{name}_predict(" in (tmp_path / f"{name}.h").read_text()
    run("draw", file, *given, "--out", tmp_path / "page.html")
    assert file.stem in (tmp_path / "page.html").read_text()
