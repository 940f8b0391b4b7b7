"""Weights of layers, two ways to say one thing, sizes. What each layer keeps is in tests/kinds/."""

import json

import numpy as np
import pytest
from kinds import _wrong
from tolerance import assert_same_bits

from pylenet import initializers, layers
from pylenet.layers import (
    Activation,
    AveragePooling2D,
    Conv2D,
    Dense,
    Flatten,
    Input,
    MaxPooling2D,
    Rescaling,
    ZeroPadding2D,
)
from pylenet.models import Sequential
from pylenet.utils import set_random_seed

# Weights


@pytest.mark.parametrize("layer", [Conv2D(8, 3), Dense(8)], ids=repr)
def test_initial_weights_are_glorot_uniform_and_zero_from_the_seed(layer):
    def weights(seed):
        set_random_seed(seed)
        shape = (5, 5, 4) if isinstance(layer, Conv2D) else (100,)
        return Sequential([Input(shape), type(layer).from_config(layer.get_config())]).get_weights()

    kernel, bias = weights(1)
    fans = (kernel.size // 8) + (kernel.size // kernel.shape[-2])
    limit = np.sqrt(6 / fans)
    assert not bias.any()
    assert 0.9 * limit < np.abs(kernel).max() <= limit
    assert abs(kernel.mean()) < 0.2 * limit
    assert_same_bits(weights(1)[0], kernel)
    assert np.any(weights(2)[0] != kernel)


def test_initializers_are_used_for_kernel_and_bias():
    layer = Dense(3, kernel_initializer="ones", bias_initializer=initializers.HeNormal(seed=1))
    Sequential([Input((2,)), layer])
    assert np.array_equal(layer.kernel, np.ones((2, 3)))
    assert_same_bits(layer.bias, initializers.HeNormal(seed=1)((3,)))


def test_writing_into_a_layer_s_weights_changes_the_model():
    layer = Dense(2, kernel_initializer="ones")
    model = Sequential([Input((3,)), layer])
    layer.kernel[:, 1] = 2
    layer.bias[0] = 5
    assert model.predict(np.ones((1, 3))).tolist() == [[8, 6]]
    layer.set_weights([np.zeros((3, 2)), [7, 8]])
    assert model.predict(np.ones((1, 3))).tolist() == [[7, 8]]


def test_get_weights_gives_copies():
    layer = Dense(2)
    Sequential([Input((3,)), layer])
    kernel = layer.kernel.copy()
    layer.get_weights()[0][:] = 9
    assert_same_bits(layer.kernel, kernel)


@pytest.mark.parametrize(
    ("weights", "error", "message"),
    [
        ([np.ones((3, 2))], ValueError, "weights must be a list of 2 arrays, got 1"),
        ([np.ones((3, 2)), np.ones(2), np.ones(2)], ValueError, "2 arrays, got 3"),
        ([np.ones((3, 2)), np.ones(3)], ValueError, r"bias must have shape \(2,\)"),
        ([np.ones((2, 3)), np.ones(2)], ValueError, r"kernel .*\(3, 2\), got \(2, 3\)"),
        ([np.ones((3, 2)), np.ones((2, 1))], ValueError, "bias must have shape"),
        ([np.ones((3, 2)), np.array(["a", "b"])], TypeError, "bias must hold real numbers"),
        ([np.ones((3, 2)), np.ones(2) * 1j], TypeError, "bias must hold real numbers"),
        ([np.ones((3, 2)), None], TypeError, "bias must hold real numbers"),
        (None, TypeError, "weights must be a list"),
        (np.ones((3, 2)), TypeError, "weights must be a list"),
        ({"kernel": 1, "bias": 2}, TypeError, "weights must be a list"),
    ],
)
def test_weights_that_do_not_fit_are_named_and_change_nothing(weights, error, message):
    model = Sequential([Input((3,)), Dense(2)])
    former = model.get_weights()
    for target in (model, model.layers[0]):
        with pytest.raises(error, match=message):
            target.set_weights(weights)
    assert_same_bits(tuple(model.get_weights()), tuple(former))


# Two ways to say one thing


@pytest.mark.parametrize("name", ["relu", "sigmoid", "softmax", "tanh"])
def test_an_activation_argument_is_an_activation_layer(name):
    x = np.random.default_rng(0).normal(size=(5, 3))
    inside = Sequential([Input((3,)), Dense(4, name)])
    after = Sequential([Input((3,)), Dense(4), Activation(name)])
    after.set_weights(inside.get_weights())
    assert_same_bits(after.predict(x), inside.predict(x))


def test_one_number_stands_for_two_and_pools_do_not_overlap_by_default():
    assert Conv2D(1, 3, 2).get_config() == Conv2D(1, (3, 3), [2, 2]).get_config()
    assert MaxPooling2D(3).strides == (3, 3)
    assert layers.MaxPool2D is MaxPooling2D
    assert layers.AvgPool2D is AveragePooling2D


def test_numpy_integers_are_integers():
    layer = Conv2D(np.int64(2), (np.uint8(3), 1), strides=np.int32(2))
    assert json.dumps(layer.get_config()) == json.dumps(Conv2D(2, (3, 1), 2).get_config())


# What is wrong


@pytest.mark.parametrize(("value", "error"), _wrong.SHAPES)
def test_a_wrong_shape_of_an_input_is_an_error(value, error):
    with pytest.raises(error, match="shape"):
        Input(value)


def test_softmax_over_an_image_is_refused():
    with pytest.raises(ValueError, match="activation must not be 'softmax' in Conv2D"):
        Conv2D(2, 3, activation="softmax")
    with pytest.raises(ValueError, match="takes flat input .*put a Flatten before it"):
        Sequential([Input((4, 4, 2)), Activation("softmax")])


HUGE = 2**31
TOO_LARGE = {
    "units": lambda: Dense(HUGE, input_shape=(2,)),
    "units-big-int": lambda: Dense(10**30, input_shape=(2,)),
    "units-memory": lambda: Dense(10**9, input_shape=(2,)),
    "filters": lambda: Conv2D(HUGE, 1, input_shape=(2, 2, 1)),
    "outputs": lambda: Conv2D(10**6, 1, input_shape=(28, 28, 1)),
    "padded": lambda: ZeroPadding2D(5000, input_shape=(28, 28, 1)),
    "kernel_size": lambda: Conv2D(1, HUGE, padding="same", input_shape=(2, 2, 1)),
    "kernel_size-memory": lambda: Conv2D(1, HUGE - 1, padding="same", input_shape=(2, 2, 1)),
    "pool_size": lambda: MaxPooling2D(10**30, padding="same", input_shape=(2, 2, 1)),
    "strides": lambda: AveragePooling2D(1, strides=10**30, input_shape=(2, 2, 1)),
    "input_shape": lambda: Flatten(input_shape=(10**6, 10**6, 3)),
    "input_shape-int": lambda: Flatten(input_shape=(HUGE, 1, 1)),
    "input_shape-big-int": lambda: Flatten(input_shape=(10**30, 1, 1)),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_size_that_no_machine_has_is_a_value_error(name):
    with pytest.raises(ValueError, match="large|must"):
        Sequential([TOO_LARGE[name]()])


def test_a_scale_beyond_float32_is_an_error():
    with pytest.raises(ValueError, match="scale"):
        Sequential([Rescaling(1e300, input_shape=(3,))])
