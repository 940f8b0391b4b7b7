"""`pylenet.activations`, and what a layer's `activation` may be."""

import json

import numpy as np
import pytest
from kinds.activation import FUNCTIONS
from seeded import uniform
from tolerance import FEW_ULPS, assert_same_bits

from pylenet import activations, layers, ops
from pylenet.layers import ELU, Activation, Conv2D, Dense, Flatten, Input, LeakyReLU, ReLU
from pylenet.models import Sequential, load_model

NAMES = [name for name in FUNCTIONS if name != "gelu_tanh"]


@pytest.mark.parametrize("name", NAMES)
def test_a_function_gives_the_bits_of_its_layer_on_any_shape(name):
    function, rows = getattr(activations, name), 4 * uniform((6, 10), 1)
    expected = ops.activation(rows, name)
    assert_same_bits(function(rows), expected)
    assert_same_bits(function(rows.reshape(1, 2, 3, 1, 10)).reshape(6, 10), expected)
    assert_same_bits(function(rows[2]), expected[2])
    assert_same_bits(function(rows.T[:, ::-1].T), expected[::-1])
    assert function(np.ones((0, 3))).shape == (0, 3)
    assert function(rows.astype(np.float64)).dtype == np.float32


@pytest.mark.parametrize("name", [name for name in NAMES if name != "softmax"])
def test_a_function_takes_lists_and_single_numbers(name):
    assert activations.get(name)([1, -2]).shape == (2,)
    assert activations.get(name)(3).shape == ()


def test_softmax_is_along_any_axis():
    x = uniform((3, 4, 5), 1)
    for axis in (0, 1, 2, -2):
        y = activations.softmax(x, axis=axis)
        assert y.shape == x.shape
        np.testing.assert_allclose(y.sum(axis=axis), 1, rtol=1e-6)
    with pytest.raises(ValueError, match="x must have an axis"):
        activations.softmax(1.0)


def test_arguments_of_functions_are_those_of_their_layers():
    x = 4 * uniform((50,), 1)
    expected = np.where(x >= 2, 2, np.where(x >= 1, x, 0.5 * (x - 1)))
    np.testing.assert_allclose(activations.relu(x, 0.5, 2, 1), expected, rtol=FEW_ULPS)
    np.testing.assert_array_equal(activations.leaky_relu(x, 0.5), np.where(x > 0, x, x / 2))
    expected = np.where(x > 0, x, 2 * np.expm1(x))
    np.testing.assert_allclose(activations.elu(x, alpha=2), expected, rtol=FEW_ULPS)
    assert np.abs(activations.gelu(x) - activations.gelu(x, approximate=True)).max() < 1e-3
    assert_same_bits(activations.gelu(x, True)[None], ops.activation(x[None], "gelu_tanh"))


@pytest.mark.parametrize("x", ["a", None, [1j], np.array(["1"])], ids=repr)
def test_what_is_no_array_of_numbers_is_an_error(x):
    with pytest.raises(TypeError, match="x must hold real numbers"):
        activations.relu(x)


@pytest.mark.parametrize("name", [*FUNCTIONS, "swish"])
def test_names_and_functions_stand_for_each_other(name):
    function = activations.get(name)
    assert activations.get(function) is function
    assert activations.get(activations.serialize(function)) is function
    assert Dense(3, function).activation == Dense(3, name).activation
    assert json.dumps(Dense(3, function).get_config()) == json.dumps(Dense(3, name).get_config())


def test_none_is_linear_and_an_unknown_name_is_an_error():
    assert activations.get(None) is activations.linear
    with pytest.raises(ValueError, match="activation must be one of .*got 'celu'"):
        activations.get("celu")
    with pytest.raises(TypeError, match="activation must be a name or a function"):
        activations.get(3)


def test_swish_is_silu_as_in_keras():
    assert Dense(3, "swish").get_config()["activation"] == "silu"
    assert activations.swish is activations.silu


def relu(x):
    """Another library's."""


class Jitted:
    __name__ = "gelu"

    def __call__(self, x):
        return x


@pytest.mark.parametrize(
    ("function", "name"), [(relu, "relu"), (np.tanh, "tanh"), (Jitted(), "gelu")], ids=repr
)
def test_a_function_of_another_library_is_known_by_its_name(function, name):
    assert Dense(3, function).activation == name
    assert Conv2D(3, 2, activation=function).activation == name
    assert Activation(function).activation == name


@pytest.mark.parametrize("wrong", [lambda x: x, abs, type("relu", (), {"__name__": 3})()], ids=repr)
def test_a_function_of_no_known_name_is_an_error(wrong):
    with pytest.raises(TypeError, match="activation must be one of .* a function of such a name"):
        Dense(3, wrong)


# A layer as an activation, as Keras takes it


def with_layers():
    return Sequential(
        [
            Input((6, 5, 2)),
            Conv2D(3, 2, activation=LeakyReLU(0.1)),
            layers.Subsampling2D(2, activation=ReLU(max_value=1.5)),
            Flatten(),
            Dense(4, ELU(0.5)),
            Dense(3, layers.Softmax()),
        ]
    )


def test_an_activation_may_be_a_layer(tmp_path):
    model, stack = with_layers(), []
    for layer in with_layers().layers:
        activation = getattr(layer, "activation", None)
        config = layer.get_config() | ({} if activation is None else {"activation": "linear"})
        stack += [type(layer).from_config(config), *[activation] * (activation is not None)]
    apart = Sequential([Input((6, 5, 2)), *stack])
    apart.set_weights(model.get_weights())
    x = uniform((7, 6, 5, 2), 1)
    assert_same_bits(apart.predict(x), model.predict(x))
    model.save(tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert_same_bits(loaded.predict(x), model.predict(x))
    assert [repr(layer) for layer in loaded.layers] == [repr(layer) for layer in model.layers]
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = model.evaluate(x, np.arange(7) % 3)
    for _ in range(5):
        model.train_on_batch(x, np.arange(7) % 3)
    assert model.evaluate(x, np.arange(7) % 3) < before


def test_a_layer_that_is_no_activation_is_refused_as_one():
    for wrong in (Dense(3), Flatten(), Dense):
        with pytest.raises(TypeError, match="activation must be one of"):
            Dense(3, wrong)
    with pytest.raises(ValueError, match="must not be 'softmax' in Conv2D"):
        Conv2D(3, 2, activation=layers.Softmax())


def test_relu_is_the_fast_one_where_it_has_no_bounds():
    assert ReLU().function.name == "relu"
    assert ReLU(negative_slope=0.2).function == LeakyReLU(0.2).function
    graph = Sequential([Input((5, 5, 1)), Conv2D(2, 2), ReLU()]).graph
    assert [node.kind for node in graph.nodes] == ["conv2d"]
