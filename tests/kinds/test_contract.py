"""The contract that every kind keeps as a layer of a model, and its errors, by name."""

import json
import re

import numpy as np
import pytest
from tolerance import assert_same_bits

from kinds import CASES, KINDS, _wrong, copy_of
from kinds.activation import FUNCTIONS
from pylenet import initializers, layers, ops
from pylenet.layers import Dense, Flatten, Input
from pylenet.models import Sequential, load_model


def samples(case, n):
    return np.random.default_rng(4).normal(size=(n, *case.input_shape)).astype(np.float32)


by_case = pytest.mark.parametrize("case", CASES, ids=str)


def test_every_layer_has_an_entry():
    public = {getattr(layers, name) for name in layers.__all__}
    kinds = {c for c in public if isinstance(c, type) and issubclass(c, layers.Layer)}
    assert set(KINDS) == kinds - {layers.Layer}


def test_every_activation_function_has_an_entry():
    with pytest.raises(ValueError, match="name") as caught:
        ops.activation(np.ones((1, 1), np.float32), "?")
    assert set(re.findall(r"'(\w+)'", str(caught.value))) == set(FUNCTIONS)


def test_every_function_of_ops_has_an_entry():
    names = {kind.op for kind in KINDS.values() if kind.op}
    assert names | {f"{name}_backward" for name in names} == set(ops.__all__)


@by_case
def test_a_layer_tells_its_shapes(case):
    model = case.model()
    (layer,) = model.layers
    expected = ((None, *case.input_shape), (None, *case.output_shape))
    for each in (layer, model):
        assert (each.input_shape, each.output_shape) == expected
        assert (each.input.shape, each.output.shape) == expected
    y = model.predict(samples(case, 2))
    assert y.shape == (2, *case.output_shape)
    assert y.dtype == np.float32


@by_case
def test_a_layer_s_weights_have_keras_s_shapes_and_order(case):
    (layer,) = case.model().layers
    assert case.weights == case.kind.weights(case.layer, case.input_shape)
    shapes = list(case.weights.values())
    assert [w.shape for w in layer.weights] == shapes
    assert [w.shape for w in layer.get_weights()] == shapes
    assert all(w.dtype == np.float32 for w in layer.weights)
    assert layer.count_params() == sum(int(np.prod(shape)) for shape in shapes)
    for name, shape in case.weights.items():
        assert getattr(layer, name).shape == shape
    if "kernel" in case.weights and "bias" not in case.weights:
        assert layer.bias is None


@by_case
def test_a_layer_outside_a_model_has_no_weights_and_says_so(case):
    layer = copy_of(case.layer)
    assert layer.weights == layer.get_weights() == []
    for name in ("input_shape", "output_shape"):
        with pytest.raises(AttributeError, match="has no shape yet: add it to a model"):
            getattr(layer, name)
    with pytest.raises(ValueError, match="has no weights yet: add it to a model"):
        layer.count_params()
    for name in case.weights:
        with pytest.raises(ValueError, match=f"has no {name} yet: add it to a model"):
            getattr(layer, name)


@by_case
def test_the_repr_is_the_constructor_call(case):
    layer = copy_of(case.layer)
    again = eval(repr(layer), vars(layers) | vars(initializers))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()
    assert repr(again) == repr(layer)


@by_case
def test_a_layer_goes_through_its_config_and_json(case):
    (layer,) = case.model().layers
    config = json.loads(json.dumps(layer.get_config()))
    again = type(layer).from_config(config)
    assert again.get_config() == layer.get_config()
    assert again.name == layer.name
    assert again.weights == []


@by_case
def test_a_layer_is_the_same_after_saving_and_loading(case, tmp_path):
    model = case.model()
    model.set_weights([w + 0.1 for w in model.get_weights()])
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.layers[0].get_config() == model.layers[0].get_config()
    assert_same_bits(tuple(loaded.get_weights()), tuple(model.get_weights()))
    x = samples(case, 17)
    assert_same_bits(loaded.predict(x), model.predict(x))


@by_case
def test_one_step_lowers_the_loss(case, isa):
    model = case.model(Flatten(), Dense(3, "softmax"))
    model.compile(optimizer="sgd", loss="sparse_categorical_crossentropy")
    x, y = samples(case, 19), np.arange(19) % 3
    before = model.evaluate(x, y)
    former = model.get_weights()
    loss = model.train_on_batch(x, y)
    assert case.kind.differs_in_training or loss == pytest.approx(before, rel=1e-6)
    assert model.evaluate(x, y) < before
    assert all(np.any(a != b) for a, b in zip(former, model.get_weights(), strict=True))


# What is wrong, by name


@pytest.mark.parametrize(
    ("cls", "argument", "value", "error"),
    [
        (cls, argument, value, error)
        for cls, kind in KINDS.items()
        for argument, cases in (kind.wrong | _wrong.COMMON).items()
        for value, error in cases
    ],
)
def test_a_wrong_argument_is_an_error_that_names_it(cls, argument, value, error):
    weight = "(kernel|bias|coefficient|gamma|beta|moving_mean|moving_variance)_"
    spoken = re.sub(f"^{weight}", "", argument).replace("_", ".")
    with pytest.raises(error, match=spoken):
        cls(**KINDS[cls].good | {argument: value})


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [misfit for kind in KINDS.values() for misfit in kind.misfits],
    ids=repr,
)
def test_a_layer_that_does_not_fit_its_input_is_an_error(layer, shape, message):
    with pytest.raises(ValueError, match=message):
        Sequential([Input(shape), copy_of(layer)])
