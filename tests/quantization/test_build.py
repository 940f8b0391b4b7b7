"""How quantize finds integers: rounding of weights, means that biases take back, tables."""

import numpy as np
import pytest
from int8_models import random_weights

import pylenet
from pylenet import layers
from pylenet.layers.activation import Function
from pylenet.quantization import _blocks, _build, _weights


def smooth_images(count, shape, seed=0):
    """Images whose neighbouring pixels are alike."""
    noise = np.random.default_rng(seed).random((count, *shape))
    return np.cumsum(np.cumsum(noise - 0.5, axis=1), axis=2).astype(np.float32)


def first_block(layer, shape):
    model = pylenet.Sequential([pylenet.Input(shape), layer, layers.Flatten(), layers.Dense(2)])
    return _blocks.chain_of(random_weights(model, 3))


def windows_of(block, images):
    """(all windows, weights of one output)"""
    windows = _weights.windows_of(block, images).astype(np.float64)
    return windows.reshape(-1, block.kernel[0].size)


LAYERS = {
    "valid": (layers.Conv2D(4, (3, 2)), (6, 7, 2)),
    "same": (layers.Conv2D(3, (3, 4), padding="same"), (6, 7, 2)),
    "strides": (layers.Conv2D(3, 3, strides=2, padding="same"), (7, 8, 3)),
    "connections": (layers.Conv2D(3, 3, connections=[[0], [1], [0, 1]]), (6, 7, 2)),
    "dense": (layers.Dense(5), (23,)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_windows_times_weights_are_what_the_layer_gives(name):
    layer, shape = LAYERS[name]
    chain = first_block(layer, shape)
    block = chain.blocks[0]
    images = np.random.default_rng(1).random((5, *shape)).astype(np.float32)
    seen = windows_of(block, images)
    found = seen @ block.kernel.reshape(len(block.kernel), -1).T + block.bias
    expected = chain.outputs(images.reshape(5, *block.input_shape), block.nodes)
    np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-5)


@pytest.mark.parametrize("limit", [7, 127])
@pytest.mark.parametrize("name", LAYERS)
def test_no_weight_can_move_by_one_and_leave_a_smaller_error(name, limit):
    layer, shape = LAYERS[name]
    block = first_block(layer, shape).blocks[0]
    images = smooth_images(40, shape) if len(shape) == 3 else smooth_images(40, (23, 1))[..., 0]
    weights = _weights.rounded(block, images, limit)
    real = block.kernel.reshape(len(block.kernel), -1)
    found = weights.kernel.reshape(real.shape)
    seen = windows_of(block, images)
    seen -= seen.mean(axis=0)
    damping = _weights.DAMPING * seen.var(axis=0).mean()

    def errors(integers):
        """Of each output, from the outputs themselves."""
        difference = integers * weights.unit[:, None] - real
        outputs = np.square(seen @ difference.T).mean(axis=0)
        return outputs + damping * np.square(difference).sum(axis=1)

    least = errors(found)
    nearest = errors(np.rint(real / weights.unit[:, None]))
    assert (least <= nearest * (1 + 1e-9)).all()
    assert least.sum() < 0.8 * nearest.sum()
    for place in range(real.shape[1]):
        for by in (-1, 1):
            moved = found.copy()
            moved[:, place] += by
            allowed = (np.abs(moved[:, place]) <= limit) & (real[:, place] != 0)
            assert (errors(moved)[allowed] >= least[allowed] * (1 - 1e-9)).all()
    assert np.abs(found).max() == limit
    assert (found[real == 0] == 0).all()


def test_many_weights_of_one_output_are_rounded_in_parts(monkeypatch):
    block = first_block(layers.Dense(3), (50,)).blocks[0]
    images = smooth_images(60, (50, 1))[..., 0]
    monkeypatch.setattr(_weights, "MOST_TOGETHER", 16)
    weights = _weights.rounded(block, images, 7)
    nearest = np.rint(block.kernel / weights.unit[:, None])
    for part in (slice(0, 16), slice(16, 32), slice(32, 48)):
        seen = images[:, part] - images[:, part].mean(axis=0)
        errors = [
            float(np.square(seen @ (k * weights.unit[:, None] - block.kernel)[:, part].T).mean())
            for k in (weights.kernel, nearest)
        ]
        assert errors[0] < errors[1]


def test_of_large_images_some_windows_tell_enough(monkeypatch):
    block = first_block(layers.Conv2D(3, 3), (30, 31, 2)).blocks[0]
    images = smooth_images(4, (30, 31, 2))
    monkeypatch.setattr(_weights, "MOST_PATCHED", 2000)
    weights = _weights.rounded(block, images, 127)
    seen = windows_of(block, images)
    seen -= seen.mean(axis=0)
    nearest = np.rint(block.kernel / weights.unit.reshape(-1, 1, 1, 1))
    least, error = (
        np.square(seen @ (k * weights.unit.reshape(-1, 1, 1, 1) - block.kernel).reshape(3, -1).T)
        for k in (weights.kernel, nearest)
    )
    assert least.mean() < 0.5 * error.mean()


def test_images_that_are_all_alike_leave_the_nearest_integers():
    block = first_block(layers.Dense(3), (9,)).blocks[0]
    weights = _weights.rounded(block, np.ones((6, 9), np.float32), 127)
    np.testing.assert_array_equal(weights.kernel, np.rint(block.kernel / weights.unit[:, None]))


def test_the_mean_of_each_answer_is_the_model_s():
    """With weights from -7 to 7, whose rounding moves the means of answers, and pixels of 1 bit."""
    images = np.random.default_rng(0).integers(0, 2, (400, 8, 8, 2), np.uint8) * np.uint8(200)
    model = pylenet.Sequential(
        [
            layers.Rescaling(1 / 255, input_shape=(8, 8, 2)),
            layers.Conv2D(6, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(20, "tanh"),
            layers.Dense(4),
        ]
    )
    model = random_weights(model, 1)
    quantized = pylenet.quantize(model, images, dense_bits=4, ranges="max")
    seen = images[::2]  # the half on which means are taken
    difference = quantized.predict(seen) - model.predict(seen)
    assert np.abs(difference.mean(axis=0)).max() < 0.05 * difference.std()


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "gelu", "elu"])
def test_a_table_has_no_larger_error_than_one_that_reaches_all_the_way(name):
    function = Function(name, 1.0 if name == "elu" else 0.0)
    before = np.random.default_rng(0).normal(0, 2, 30000).astype(np.float32)
    after = _build._applied(function, before.astype(np.float64))
    low = -127 if after.min() < 0 else 0
    to = float(np.abs(after).max()) / 127

    def error(table, apart):
        index = np.clip(np.floor(before.astype(np.float64) / apart + 0.5), -512, 511) + 512
        return float(np.square(table.astype(np.float64)[index.astype(int)] * to - after).mean())

    table, apart = _build._table(function, _build.Observed(before, after), to, low)
    wide = float(np.abs(before).max()) / 512
    entries = _build._applied(function, np.arange(-512, 512) * wide).astype(np.float64)
    assert error(table, apart) < error(np.clip(np.rint(entries / to), low, 127), wide)
    assert error(table, apart) < (to * 0.45) ** 2  # a rounding to integers alone has 0.289
