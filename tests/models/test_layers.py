"""The contract that every layer keeps, one helper and one table; and what is wrong, by name."""

import json
import re
from dataclasses import dataclass, field

import numpy as np
import pytest
from nets import layer_forward
from reference import float64
from tolerance import FEW_ULPS, assert_close, assert_same_bits, summed

from pylenet import initializers, layers
from pylenet.layers import (
    RBF,
    Activation,
    AveragePooling2D,
    Conv2D,
    Dense,
    Flatten,
    Input,
    MaxPooling2D,
    Rescaling,
    Subsampling2D,
    ZeroPadding2D,
)
from pylenet.models import Sequential, load_model
from pylenet.utils import set_random_seed


@dataclass
class Case:
    """A layer as it is written, and what it makes of an input of one shape."""

    call: str
    input_shape: tuple
    output_shape: tuple
    weights: dict = field(default_factory=dict)  # names and shapes, in order

    def make(self):
        return eval(self.call, {**vars(initializers), **vars(layers)})

    def model(self, *more, seed=5):
        """A model of the layer, and more on top."""
        set_random_seed(seed)
        return Sequential([Input(self.input_shape), self.make(), *more])

    def samples(self, n):
        return np.random.default_rng(4).normal(size=(n, *self.input_shape)).astype(np.float32)


CASES = [
    Case("Rescaling(0.25)", (5, 4, 3), (5, 4, 3)),
    Case("Rescaling(scale=-2.0, offset=0.5)", (7,), (7,)),
    Case("Rescaling(1 / 255)", (5, 4), (5, 4)),
    Case("Conv2D(4, 3)", (5, 6, 2), (3, 4, 4), {"kernel": (3, 3, 2, 4), "bias": (4,)}),
    Case(
        "Conv2D(3, (2, 3), (2, 1), 'same', activation='tanh')",
        (5, 6, 2),
        (3, 6, 3),
        {"kernel": (2, 3, 2, 3), "bias": (3,)},
    ),
    Case(
        "Conv2D(filters=17, kernel_size=[4, 1], strides=3, padding='VALID', use_bias=False)",
        (7, 4, 1),
        (2, 2, 17),
        {"kernel": (4, 1, 1, 17)},
    ),
    Case(
        "Conv2D(2, 6, padding='same', activation='relu', kernel_initializer='he_normal')",
        (3, 4, 1),
        (3, 4, 2),
        {"kernel": (6, 6, 1, 2), "bias": (2,)},
    ),
    Case(
        "Conv2D(3, (2, 3), connections=[[1], [0, 1], [1, 0]], activation='scaled_tanh')",
        (5, 6, 2),
        (4, 4, 3),
        {"kernel": (2, 3, 5), "bias": (3,)},
    ),
    Case(
        "Conv2D(2, 2, 2, 'same', connections=((2,), (0,)), use_bias=False)",
        (5, 6, 3),
        (3, 3, 2),
        {"kernel": (2, 2, 2)},
    ),
    Case("ZeroPadding2D()", (3, 4, 2), (5, 6, 2)),
    Case("ZeroPadding2D(padding=((0, 1), [2, 3]))", (3, 4, 2), (4, 9, 2)),
    Case("Subsampling2D()", (5, 6, 2), (2, 3, 2), {"coefficient": (2,), "bias": (2,)}),
    Case(
        "Subsampling2D((3, 2), strides=(2, 1), activation='scaled_tanh',"
        " coefficient_initializer='ones', bias_initializer=FanInUniform(1.0, seed=3))",
        (7, 6, 17),
        (3, 5, 17),
        {"coefficient": (17,), "bias": (17,)},
    ),
    Case("RBF(['+-+-+', '++--+', '---++'])", (5,), (3,)),
    Case("RBF(codes=('+-++-+',), code_shape=(2, 3))", (6,), (1,)),
    Case("MaxPooling2D()", (5, 6, 2), (2, 3, 2)),
    Case("MaxPooling2D((3, 2), strides=(2, 1), padding='same')", (5, 6, 2), (3, 6, 2)),
    Case("AveragePooling2D(2)", (4, 4, 3), (2, 2, 3)),
    Case("AveragePooling2D(pool_size=(2, 3), strides=1, padding='same')", (4, 5, 1), (4, 5, 1)),
    Case("AveragePooling2D(3, 2)", (7, 6, 2), (3, 2, 2)),
    Case("Flatten()", (3, 4, 2), (24,)),
    Case("Flatten()", (3, 4), (12,)),
    Case("Flatten()", (5,), (5,)),
    Case("Dense(7)", (5,), (7,), {"kernel": (5, 7), "bias": (7,)}),
    Case("Dense(1, 'sigmoid')", (3,), (1,), {"kernel": (3, 1), "bias": (1,)}),
    Case("Dense(units=4, activation='softmax', use_bias=False)", (17,), (4,), {"kernel": (17, 4)}),
    Case(
        "Dense(3, kernel_initializer=GlorotNormal(seed=3), bias_initializer='ones')",
        (2,),
        (3,),
        {"kernel": (2, 3), "bias": (3,)},
    ),
    *(Case(f"Activation({n!r})", (4, 3, 2), (4, 3, 2)) for n in ("linear", "relu", "tanh")),
    Case("Activation('scaled_tanh')", (4, 3, 2), (4, 3, 2)),
    Case("Activation('sigmoid')", (4, 3), (4, 3)),
    Case("Activation('softmax')", (6,), (6,)),
    Case("Activation(None)", (6,), (6,)),
]
by_call = pytest.mark.parametrize(
    "case", CASES, ids=lambda c: f"{c.call}-{'x'.join(map(str, c.input_shape))}"
)


# The contract


@by_call
def test_a_layer_computes_what_the_reference_does(case, isa):
    model = case.model()
    model.set_weights([w + 0.1 for w in model.get_weights()])
    x = case.samples(19)
    expected = layer_forward(model.layers[0], float64(x), *model.get_weights())
    terms = max([w.size // w.shape[-1] for w in model.get_weights()], default=9)
    atol = summed(terms, x, *model.get_weights()[:1], bias=expected) + FEW_ULPS
    assert_close(model.predict(x), expected, atol)


@by_call
def test_a_layer_tells_its_shapes(case):
    model = case.model()
    (layer,) = model.layers
    assert (layer.input_shape, layer.output_shape) == (case.input_shape, case.output_shape)
    assert (model.input_shape, model.output_shape) == (
        (None, *case.input_shape),
        (None, *case.output_shape),
    )
    y = model.predict(case.samples(2))
    assert y.shape == (2, *case.output_shape)
    assert y.dtype == np.float32


@by_call
def test_a_layer_s_weights_have_keras_s_shapes_and_order(case):
    (layer,) = case.model().layers
    shapes = list(case.weights.values())
    assert [w.shape for w in layer.weights] == shapes
    assert [w.shape for w in layer.get_weights()] == shapes
    assert all(w.dtype == np.float32 for w in layer.weights)
    assert layer.count_params() == sum(int(np.prod(shape)) for shape in shapes)
    for name, shape in case.weights.items():
        assert getattr(layer, name).shape == shape
    if case.weights and "bias" not in case.weights:
        assert layer.bias is None


@by_call
def test_a_layer_outside_a_model_has_no_weights_and_says_so(case):
    layer = case.make()
    assert layer.weights == layer.get_weights() == []
    assert layer.input_shape is layer.output_shape is None
    with pytest.raises(ValueError, match="has no weights yet: add it to a model"):
        layer.count_params()
    for name in case.weights:
        with pytest.raises(ValueError, match=f"has no {name} yet: add it to a model"):
            getattr(layer, name)


@by_call
def test_the_repr_is_the_constructor_call(case):
    layer = case.make()
    again = Case(repr(layer), case.input_shape, case.output_shape).make()
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert repr(again) == repr(layer)


@by_call
def test_a_layer_goes_through_its_config_and_json(case):
    (layer,) = case.model().layers
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    assert again.get_config() == layer.get_config()
    assert again.name == layer.name
    assert again.weights == []


@by_call
def test_a_layer_is_the_same_after_saving_and_loading(case, tmp_path):
    model = case.model()
    model.set_weights([w + 0.1 for w in model.get_weights()])
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.layers[0].get_config() == model.layers[0].get_config()
    assert_same_bits(tuple(loaded.get_weights()), tuple(model.get_weights()))
    x = case.samples(17)
    assert_same_bits(loaded.predict(x), model.predict(x))


@by_call
def test_one_step_lowers_the_loss(case, isa):
    model = case.model(Flatten(), Dense(3, "softmax"))
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
    x, y = case.samples(19), np.arange(19) % 3
    before = model.evaluate(x, y)
    former = model.get_weights()
    assert model.train_on_batch(x, y) == pytest.approx(before, rel=1e-6)
    assert model.evaluate(x, y) < before
    assert all(np.any(a != b) for a, b in zip(former, model.get_weights(), strict=True))


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


# What is wrong, by name

PAIRS = [
    ("3", TypeError),
    (2.0, TypeError),
    (True, TypeError),
    (0, ValueError),
    (-1, ValueError),
    ((3,), ValueError),
    ((3, 3, 3), ValueError),
    ((3, 0), ValueError),
    ((2.5, 2), TypeError),
    ((2, None), TypeError),
]
COUNTS = [("3", TypeError), (3.0, TypeError), (True, TypeError), (None, TypeError)]
COUNTS += [(0, ValueError), (-2, ValueError)]
PADDINGS = [("full", ValueError), ("", ValueError), (None, TypeError), (1, TypeError)]
ACTIVATIONS = [("selu", ValueError), ("ReLU", ValueError), (max, TypeError), (1, TypeError)]
FLAGS = [(1, TypeError), (None, TypeError), ("yes", TypeError)]
INITIALIZERS = [("uniform", ValueError), (3, TypeError), ({"class_name": "Sun"}, ValueError)]
NUMBERS = [("1", TypeError), (None, TypeError), (True, TypeError), (1j, TypeError)]
NUMBERS += [(float("nan"), ValueError), (float("inf"), ValueError)]
NAMES = [(3, TypeError), ("", ValueError), ("größe", ValueError), ("a\nb", ValueError)]
SHAPES = [(28, TypeError), ("28", TypeError), ((), ValueError), ((0,), ValueError)]
SHAPES += [((28.0, 28), TypeError), ((1, 2, 3, 4), ValueError), ((None, 3), TypeError)]

COMMON = {"name": NAMES, "input_shape": SHAPES, "dtype": [("float32", TypeError)]}
WEIGHTED = {
    "activation": ACTIVATIONS,
    "use_bias": FLAGS,
    "kernel_initializer": INITIALIZERS,
    "bias_initializer": INITIALIZERS,
    "kernel_regularizer": [("l2", TypeError)],
}
TABLES = [(3, TypeError), ("01", TypeError), ([], ValueError), ([0, 1], TypeError)]
TABLES += [([[0]], ValueError), ([[0], []], ValueError), ([[0], [1, 1]], ValueError)]
TABLES += [([[0], [-1]], ValueError), ([[0], [1.0]], TypeError)]
CODES = [(3, TypeError), ("+-", TypeError), ([1, -1], TypeError), ([], ValueError)]
CODES += [(["+-", "+"], ValueError), (["+ "], ValueError), (np.array([1, -1]), ValueError)]
CODES += [(np.array([[1, 0]]), ValueError), ([""], ValueError), (["", "+"], ValueError)]
SIDES = [("3", TypeError), (1.0, TypeError), (-1, ValueError), (None, TypeError)]
SIDES += [((1, 2, 3), ValueError), (((1, 2), (1, 2, 3)), ValueError), (10**9, ValueError)]
SIDES += [(np.array([1, 2]), TypeError)]
POOL = {"pool_size": PAIRS, "strides": PAIRS, "padding": PADDINGS}
ARGUMENTS = {
    Rescaling: ({"scale": 1.0}, {"scale": NUMBERS, "offset": NUMBERS}),
    Conv2D: (
        {"filters": 2, "kernel_size": 3},
        {"filters": COUNTS, "kernel_size": PAIRS, "strides": PAIRS, "padding": PADDINGS}
        | WEIGHTED
        | {"data_format": [("channels_first", TypeError)], "dilation_rate": [(2, TypeError)]}
        | {"connections": TABLES},
    ),
    ZeroPadding2D: ({}, {"padding": SIDES}),
    Subsampling2D: (
        {},
        {
            "pool_size": PAIRS,
            "strides": PAIRS,
            "activation": [*ACTIVATIONS, ("softmax", ValueError)],
        }
        | {"coefficient_initializer": INITIALIZERS, "bias_initializer": INITIALIZERS},
    ),
    RBF: ({"codes": ["+-"]}, {"codes": CODES, "code_shape": [*PAIRS, ((2, 2), ValueError)]}),
    MaxPooling2D: ({}, POOL),
    AveragePooling2D: ({}, POOL),
    Flatten: ({}, {"data_format": [("channels_first", TypeError)]}),
    Dense: ({"units": 2}, {"units": COUNTS} | WEIGHTED),
    Activation: ({"activation": "relu"}, {"activation": ACTIVATIONS}),
}


@pytest.mark.parametrize(
    ("cls", "argument", "value", "error"),
    [
        (cls, argument, value, error)
        for cls, (_, table) in ARGUMENTS.items()
        for argument, cases in (table | COMMON).items()
        for value, error in cases
    ],
)
def test_a_wrong_argument_is_an_error_that_names_it(cls, argument, value, error):
    good = ARGUMENTS[cls][0]
    spoken = re.sub("^(kernel|bias|coefficient)_", "", argument).replace("_", ".")
    with pytest.raises(error, match=spoken):
        cls(**good | {argument: value})


@pytest.mark.parametrize(("value", "error"), SHAPES)
def test_a_wrong_shape_of_an_input_is_an_error(value, error):
    with pytest.raises(error, match="shape"):
        Input(value)


def test_softmax_over_an_image_is_refused():
    with pytest.raises(ValueError, match="activation must not be 'softmax' in Conv2D"):
        Conv2D(2, 3, activation="softmax")
    with pytest.raises(ValueError, match="takes flat input .*put a Flatten before it"):
        Sequential([Input((4, 4, 2)), Activation("softmax")])


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (Conv2D(2, 3), (9,), r"Conv2D takes images \(height, width, channels\), got \(9,\)"),
        (Conv2D(2, 3), (9, 9), r"Conv2D takes images .*got \(9, 9\)"),
        (MaxPooling2D(), (9,), "MaxPooling2D takes images"),
        (Subsampling2D(), (9,), "Subsampling2D takes images"),
        (Subsampling2D(5), (4, 6, 1), "pool_size .*must not be larger than the image, 4 x 6$"),
        (ZeroPadding2D(), (9, 9), "ZeroPadding2D takes images"),
        (RBF(["+-"]), (4, 4, 1), "RBF.*takes flat input .*put a Flatten before it"),
        (RBF(["+-"]), (3,), r"codes of 2 values takes as many inputs, got \(3,\)"),
        (
            Conv2D(1, 3, connections=[[2]]),
            (4, 4, 2),
            "connections must hold input channels from 0 to 1, got 2",
        ),
        (AveragePooling2D(), (9, 9), "AveragePooling2D takes images"),
        (Dense(3), (4, 4, 1), "Dense.*takes flat input .*got .*put a Flatten before it"),
        (Dense(3), (4, 4), "takes flat input"),
        (Conv2D(2, 5), (4, 6, 1), "kernel_size .*must not be larger than the image, 4 x 6"),
        (Conv2D(2, (2, 7)), (4, 6, 1), "kernel_size .*must not be larger than the image"),
        (MaxPooling2D(5), (4, 6, 1), "pool_size .*must not be larger than the image"),
        (AveragePooling2D((1, 7)), (4, 6, 1), "pool_size .*must not be larger"),
    ],
    ids=repr,
)
def test_a_layer_that_does_not_fit_its_input_is_an_error(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        Sequential([Input(shape), layer])


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
