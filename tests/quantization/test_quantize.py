"""quantize: what it makes of a model, what it refuses, and the file of what it made."""

import json
import pickle

import int8_reference as reference
import numpy as np
import pytest
from nets import compiled, peak_memory, samples, small
from safetensors.numpy import load, save

import pylenet
from pylenet import layers
from pylenet.models import load_model
from pylenet.quantization import QuantizedModel


@pytest.fixture(scope="module")
def trained():
    """A small LeNet that tells four patterns apart, and samples it has not seen."""
    model = compiled(small, "adam", metrics=["accuracy"])
    x, y = samples(400, (8, 7, 2), 4)
    model.fit(x, y, epochs=20, batch_size=16)
    return model, x, y


@pytest.fixture(scope="module")
def quantized(trained):
    model, x, _ = trained
    return pylenet.quantize(model, x[:200])


@pytest.mark.quick
def test_a_quantized_model_answers_as_the_model_does(trained, quantized):
    model, x, y = trained
    expected, found = model.predict(x), quantized.predict(x)
    np.testing.assert_array_equal(found.argmax(axis=1), expected.argmax(axis=1))
    assert np.abs(found - expected).max() < 0.05
    assert found.dtype == np.float32
    np.testing.assert_allclose(quantized.evaluate(x, y), model.evaluate(x, y), atol=0.01)
    assert set(quantized.evaluate(x, y, return_dict=True)) == {"loss", "accuracy"}


def test_the_largest_score_is_the_answer(trained, quantized):
    _, x, _ = trained
    scores = quantized.scores(x)
    assert scores.dtype == np.int32
    np.testing.assert_array_equal(scores.argmax(axis=1), quantized.predict(x).argmax(axis=1))


def test_batches_are_predicted_and_tested_as_arrays_are(trained, quantized):
    _, x, y = trained
    batches = [(x[:30], y[:30]), (x[30:50], y[30:50])]
    np.testing.assert_array_equal(quantized.predict(batches), quantized.predict(x[:50]))
    assert quantized.evaluate(batches) == pytest.approx(quantized.evaluate(x[:50], y[:50]))


def test_dense_weights_of_four_bits_are_from_minus_7_to_7(trained):
    model, x, _ = trained
    quantized = pylenet.quantize(model, x[:200], dense_bits=4)
    largest = {
        kind: max(np.abs(s.tensors["kernel"]).max() for s in quantized.steps if s.kind == kind)
        for kind in ("dense", "conv2d")
    }
    assert largest == {"dense": 7, "conv2d": 127}


def test_the_best_ranges_are_no_worse_on_held_out_images_than_any(trained):
    model, x, _ = trained
    held_out, methods = x[1:200:2], ("max", "99.99", "99.9", "error")
    made = [pylenet.quantize(model, x[:200], ranges=name) for name in (*methods, "best")]
    *others, best = (np.abs(q.predict(held_out) - model.predict(held_out)).mean() for q in made)
    assert best <= 1.5 * min(others)  # it is chosen by the scores, not by the probabilities


def test_what_integers_cannot_be_made_of_is_refused_by_name():
    images = np.zeros((4, 28, 28), np.uint8)
    with pytest.raises(
        ValueError, match=r"layer 's2' \(Subsampling2D\) cannot be quantized: .*int8.md"
    ):
        pylenet.quantize(pylenet.models.lenet5_1998(), images)
    model = pylenet.Sequential(
        [layers.Dense(3, "softmax", input_shape=(4,), name="inner"), layers.Dense(2)]
    )
    with pytest.raises(ValueError, match="layer 'inner'.*softmax that is not the last"):
        pylenet.quantize(model, np.ones((3, 4)))
    with pytest.raises(ValueError, match="must have a Conv2D or a Dense"):
        pylenet.quantize(pylenet.Sequential([layers.ReLU(input_shape=(4,))]), np.ones((3, 4)))


def test_wrong_arguments_are_told_apart(trained):
    model, x, _ = trained
    with pytest.raises(TypeError, match="model must be a Sequential, got 3"):
        pylenet.quantize(3, x)
    with pytest.raises(ValueError, match="dense_bits must be 4 or 8, got 5"):
        pylenet.quantize(model, x, dense_bits=5)
    with pytest.raises(ValueError, match="ranges must be one of"):
        pylenet.quantize(model, x, ranges="mean")
    with pytest.raises(ValueError, match="images must have shape"):
        pylenet.quantize(model, x[:, :3])
    with pytest.raises(ValueError, match="images must hold finite numbers"):
        pylenet.quantize(model, np.full_like(x, np.nan))
    broken = compiled(small)
    broken.set_weights([np.full_like(w, np.inf) for w in broken.get_weights()])
    with pytest.raises(ValueError, match="must have finite weights"):
        pylenet.quantize(broken, x)


@pytest.mark.parametrize(("sign", "place"), [(1, 0), (1, 1), (-1, 0)])
def test_a_layer_whose_outputs_overflow_is_named(sign, place):
    model = pylenet.Sequential(
        [
            layers.Dense(3, "relu", input_shape=(4,), name="fine"),
            layers.Dense(3, "relu", name="large"),
            layers.Dense(2, "softmax", name="behind"),
        ]
    )
    model.get_layer("fine").set_weights([np.ones((4, 3)), np.zeros(3)])
    model.get_layer("large").set_weights([np.full((3, 3), sign * 3e38), np.zeros(3)])
    x = np.zeros((6, 4), np.float32)
    x[place] = 1  # even ones tell ranges, the others choose among them
    with pytest.raises(ValueError, match="layer 'large' must give finite .* for 1 of 3"):
        pylenet.quantize(model, x)


def test_an_activation_may_be_saturated_nearly_everywhere():
    model = pylenet.Sequential([layers.Dense(3, "tanh", input_shape=(4,)), layers.Dense(2)])
    kernel, *others = model.get_weights()
    model.set_weights([kernel * 1e20, *others])
    x = np.random.default_rng(0).random((40, 4))
    found = pylenet.quantize(model, x).predict(x)
    np.testing.assert_allclose(found, model.predict(x), rtol=0, atol=0.03)


def test_images_of_zeros_and_weights_of_zeros_give_a_model(trained):
    model, x, _ = trained
    pylenet.quantize(model, np.zeros_like(x)).predict(x)
    still = compiled(small)
    still.set_weights([np.zeros_like(w) for w in still.get_weights()])
    np.testing.assert_array_equal(pylenet.quantize(still, x).scores(x), 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_whole_numbers_up_to_255_are_pixels_whatever_their_dtype(dtype):
    """Also where none of the images happens to have a 255."""
    pixels = np.random.default_rng(0).integers(0, 250, (4, 28, 28), np.uint8)
    model = pylenet.models.lenet5_small()
    expected = pylenet.quantize(model, pixels, ranges="max")
    quantized = pylenet.quantize(model, pixels.astype(dtype), ranges="max")
    assert quantized.takes_pixels
    np.testing.assert_array_equal(quantized.scores(pixels), expected.scores(pixels))
    assert not pylenet.quantize(model, pixels / 255, ranges="max").takes_pixels
    assert not pylenet.quantize(model, (pixels > 99) * 1.0, ranges="max").takes_pixels


def test_pixels_that_look_scaled_are_warned_of():
    model = pylenet.models.lenet5_modern()
    pixels = np.random.default_rng(0).integers(0, 256, (20, 28, 28), np.uint8)
    quantized = pylenet.quantize(model, pixels, ranges="max")
    with pytest.warns(UserWarning, match="x looks scaled already"):
        quantized.predict(pixels / 255)


def test_the_summary_tells_integers_bytes_and_multiply_adds(quantized):
    lines = []
    quantized.summary(print_fn=lines.append)
    assert f"Total bytes: {quantized.count_bytes():,} (pylenet-int8-1)" in lines
    assert f"Total multiply-adds: {quantized.multiply_adds():,}" in lines
    assert quantized.multiply_adds() == 8 * 7 * 3 * 18 + 3 * 1 * 5 * 18 + 15 * 7 + 7 * 4


# The file


@pytest.fixture
def saved(quantized, tmp_path):
    path = tmp_path / "m.int8.safetensors"
    quantized.save(path)
    return path


@pytest.mark.quick
def test_a_saved_model_is_the_same_model(trained, quantized, saved):
    _, x, y = trained
    loaded = load_model(saved)
    assert isinstance(loaded, QuantizedModel)
    assert loaded.contract == "pylenet-int8-1"
    for other in (loaded, pickle.loads(pickle.dumps(quantized))):
        np.testing.assert_array_equal(other.scores(x), quantized.scores(x))
        np.testing.assert_array_equal(other.predict(x), quantized.predict(x))
        assert other.evaluate(x, y) == quantized.evaluate(x, y)
    before = saved.read_bytes()
    loaded.save(saved)
    assert saved.read_bytes() == before
    with pytest.raises(FileExistsError, match="filepath must be new"):
        loaded.save(saved, overwrite=False)
    with pytest.raises(ValueError, match=r"filepath must end in \.safetensors"):
        loaded.save(saved.with_suffix(".h5"))


def test_the_names_of_data_and_classes_are_kept(trained, tmp_path):
    _, x, _ = trained
    model = compiled(small)
    model.data_name, model.class_names = "patterns", ["a", "b", "c", "d"]
    pylenet.quantize(model, x, ranges="max").save(tmp_path / "m.safetensors")
    loaded = load_model(tmp_path / "m.safetensors")
    assert (loaded.data_name, loaded.class_names) == ("patterns", ("a", "b", "c", "d"))


def changed(data, change):
    """The file with its JSON and tensors changed in place by `change`."""
    length = int.from_bytes(data[:8], "little")
    config = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["model"])
    tensors = load(data)
    change(config, tensors)
    return save(tensors, metadata={"model": json.dumps(config)})


def setting(*path):
    """A change of one value: its place in the JSON, then the value."""

    def change(config, tensors):
        *places, last, value = path
        for place in places:
            config = config[place]
        config[last] = value

    return change


def tensor(name, value):
    def change(config, tensors):
        tensors[name] = value if callable(value) is False else value(tensors[name])

    return change


def without(*path):
    """A change that takes one key away."""

    def change(config, tensors):
        *places, last = path
        for place in places:
            config = config[place]
        del config[last]

    return change


UNKNOWN_FUNCTION = setting("output", "function", ["fft", 0, 0, 0])
DAMAGE = {
    "an unknown contract": setting("format", "pylenet-int8-2"),
    "an unknown step": setting("steps", 0, "kind", "fft"),
    "an unknown key": setting("steps", 0, "dilation", 2),
    "no steps": setting("steps", []),
    "too many steps": setting("steps", [{}] * 1001),
    "a step that does not fit": setting("steps", 2, "input_shape", [4, 3, 4]),
    "a shape without end": setting("steps", 0, "output_shape", [2**20, 2**20, 3]),
    "a shape of text": setting("steps", 0, "output_shape", ["8", 7, 3]),
    "a shift of 0": setting("steps", 0, "shift", 0),
    "a shift of 32": setting("steps", 0, "shift", 32),
    "a bound beyond int8": setting("steps", 0, "high", 128),
    "an answer in the middle": setting("steps", 2, "high", 32767),
    "a padding without end": setting("steps", 0, "before", [2**15, 2**15]),
    "strides of 0": setting("steps", 0, "strides", [0, 1]),
    "a pool outside the image": setting("steps", 1, "before", [2, 2]),
    "an input of 9 bits": setting("input", "high", 511),
    "a scale of 0": setting("input", "scale", 0.0),
    "a scale that is no number": setting("output", "scale", None),
    "an unknown function": UNKNOWN_FUNCTION,
    "an output that does not fit": setting("output_shape", [5]),
    "a kernel of another type": tensor("0.kernel", lambda a: a.astype(np.int16)),
    "a kernel of another shape": tensor("0.kernel", lambda a: a[..., :1].copy()),
    "a weight of -128": tensor("0.kernel", lambda a: np.full_like(a, -128)),
    "a bias beyond 2^30": tensor("0.bias", lambda a: np.full_like(a, 2**30)),
    "a negative multiplier": tensor("0.multiplier", lambda a: -a),
    "a tensor of no step": tensor("9.kernel", np.zeros(3, np.int8)),
    "a tensor too many": tensor("1.kernel", np.zeros(3, np.int8)),
    "a table of another size": tensor("0.table", np.zeros(1023, np.int8)),
    "an unknown key of the model": setting("zero_point", 3),
    "an unknown key of the input": setting("input", "zero_point", 3),
    "an unknown key of the output": setting("output", "zero_point", 3),
    "no names of classes": without("class_names"),
    "an input without a scale": without("input", "scale"),
    "a pool without strides": without("steps", 1, "strides"),
    "a pool without a window": without("steps", 1, "window"),
    "a pool without padding": without("steps", 1, "before"),
    "a pool with a shift": setting("steps", 1, "shift", 1),
    "a dense step with a window": setting("steps", -1, "window", [1, 1]),
    "a dense step with strides": setting("steps", -1, "strides", [1, 1]),
    "a convolution without a shift": without("steps", 0, "shift"),
    "a convolution with cells": setting("steps", 0, "cells", []),
    "a kind of a list": setting("steps", 0, "kind", ["conv2d"]),
    "a step of text": setting("steps", 0, "conv2d"),
    "a shift that is no integer": setting("steps", 0, "shift", 8.0),
    "a window of three": setting("steps", 0, "window", [3, 3, 1]),
    "a last step of int8 without a table": setting("steps", -1, "high", 127),
    "a lowest integer of half the range": setting("steps", 0, "low", -64),
}
AVERAGE, NORM = (0, 1)  # steps of `averaging`
DAMAGE_OF_AVERAGES = {
    "a count twice": setting("steps", AVERAGE, "cells", [[1, 9], [2, 8], [4, 7], [4, 7]]),
    "a count that no window has": setting("steps", AVERAGE, "cells", [[1, 9], [2, 8], [3, 7]]),
    "a count without a multiplier": setting("steps", AVERAGE, "cells", [[1, 9], [2, 8], [4]]),
    "a multiplier of -32768": tensor(f"{NORM}.multiplier", lambda a: np.full_like(a, -32768)),
    "an average without cells": without("steps", AVERAGE, "cells"),
}


def assert_refused(path, change):
    """By pylenet, and by the reader that was written from the page alone."""
    reference.Network(path.read_bytes())
    path.write_bytes(changed(path.read_bytes(), change))
    with pytest.raises(ValueError, match="is not a pylenet model: "):
        load_model(path)
    if change is not UNKNOWN_FUNCTION:  # what it is called is no part of the contract
        with pytest.raises((ValueError, TypeError, LookupError)):
            reference.Network(path.read_bytes())


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_file_that_breaks_the_contract_is_a_value_error(damage, saved):
    assert_refused(saved, DAMAGE[damage])


@pytest.fixture(scope="module")
def averaging():
    """An average of 1, 2 or 4 cells, then factors that may be negative."""
    model = pylenet.Sequential(
        [
            layers.AveragePooling2D(2, padding="same", input_shape=(3, 5, 2)),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 5, 2), np.uint8)
    quantized = pylenet.quantize(model, images)
    assert [step.kind for step in quantized.steps] == ["average_pool2d", "affine", "dense"]
    return quantized


@pytest.mark.parametrize("damage", DAMAGE_OF_AVERAGES)
def test_a_file_with_averages_that_breaks_the_contract_is_a_value_error(
    damage, averaging, tmp_path
):
    path = tmp_path / "m.safetensors"
    averaging.save(path)
    assert load_model(path).steps[AVERAGE].cells.keys() == {1, 2, 4}
    assert_refused(path, DAMAGE_OF_AVERAGES[damage])


def test_metadata_besides_the_model_are_a_value_error(saved):
    data = saved.read_bytes()
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    saved.write_bytes(save(load(data), metadata={**metadata, "format": "pt"}))
    with pytest.raises(ValueError, match="its metadata must be 'model' alone"):
        load_model(saved)


def test_a_file_s_text_is_json_also_where_a_last_relu_has_no_ceiling(tmp_path):
    def no_constant(name):
        raise AssertionError(f"{name} is no JSON")

    model = pylenet.Sequential([layers.Dense(3, input_shape=(4,)), layers.ReLU(None, 0.1, 0.2)])
    quantized = pylenet.quantize(model, np.random.default_rng(0).random((9, 4)))
    quantized.save(tmp_path / "m.safetensors")
    data = (tmp_path / "m.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    text = json.loads(data[8 : 8 + length])["__metadata__"]["model"]
    function = json.loads(text, parse_constant=no_constant)["output"]["function"]
    assert function == ["bounded_relu", 0.1, None, 0.2]
    assert load_model(tmp_path / "m.safetensors").output.function == quantized.output.function


def test_a_file_that_claims_much_is_refused_before_it_takes_memory(saved):
    claim = setting("steps", 1, "output_shape", [2**13, 2**13, 1])
    saved.write_bytes(changed(saved.read_bytes(), claim))
    before = peak_memory()
    with pytest.raises(ValueError, match="is not a pylenet model"):
        load_model(saved)
    assert peak_memory() - before < 50 * 2**20


def test_a_cut_file_is_a_value_error(saved):
    data = saved.read_bytes()
    for size in range(0, len(data), 97):
        saved.write_bytes(data[:size])
        with pytest.raises(ValueError, match="is not a pylenet model"):
            load_model(saved)
