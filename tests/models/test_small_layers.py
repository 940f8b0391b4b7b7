"""Arguments that all layers take, Input's, and what a model lets one do with its layers."""

import numpy as np
import pytest
from nets import compiled, samples, small
from tolerance import assert_same_bits

from pylenet import layers
from pylenet.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Input,
    InputLayer,
    MaxPooling2D,
)
from pylenet.models import Model, Sequential

X, Y = samples(20, (8, 7, 2), 4)

# Arguments


def test_input_dim_is_the_shape_of_flat_input():
    model = Sequential([Dense(10, input_dim=784)])
    assert model.input_shape == (None, 784)
    assert "input_dim" not in model.layers[0].get_config()
    with pytest.raises(ValueError, match="input_dim must be None where input_shape is given"):
        Dense(10, input_dim=784, input_shape=(784,))


OF_IMAGES = [
    lambda **given: Conv2D(3, 2, **given),
    *(
        getattr(layers, name)
        for name in (
            *("MaxPooling2D", "AveragePooling2D", "GlobalMaxPooling2D", "GlobalAveragePooling2D"),
            *("Flatten", "ZeroPadding2D"),
        )
    ),
    lambda **given: layers.SpatialDropout2D(0.5, **given),
]


@pytest.mark.parametrize("make", OF_IMAGES)
def test_channels_last_is_accepted_and_channels_first_refused_with_a_sentence(make):
    assert make(data_format="channels_last").get_config() == make().get_config()
    assert make(data_format=None).get_config() == make().get_config()
    with pytest.raises(ValueError, match=r"data_format must be 'channels_last' in \w+, images are"):
        make(data_format="channels_first")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: Dense(10, foo=3),
            r"^Dense\(\) got an unexpected argument 'foo'; it takes units, ",
        ),
        (
            lambda: Conv2D(6, 5, dilation=2),
            r"^Conv2D\(\) got an unexpected argument 'dilation'; .*",
        ),
        (lambda: Flatten(rate=1), r"^Flatten\(\) got .* it takes data_format, name, input_shape"),
    ],
)
def test_an_unknown_argument_is_an_error_that_names_the_layer_and_what_it_takes(call, text):
    with pytest.raises(TypeError, match=text):
        call()


def test_dtype_may_be_float32():
    assert Dense(3, dtype="float32").get_config() == Dense(3).get_config()


@pytest.mark.parametrize("make", [lambda **a: Conv2D(6, 5, **a), lambda **a: MaxPooling2D(2, **a)])
def test_images_with_channels_in_front_are_told_of(make):
    with pytest.raises(ValueError, match=r"should the shape be \(28, 28, 1\)\?"):
        Sequential([make(input_shape=(1, 28, 28))])


# Input


@pytest.mark.parametrize(
    "given",
    [
        Input((28, 28, 1)),
        Input(shape=(28, 28, 1), name="img", dtype="float32", batch_size=32),
        Input(batch_shape=(None, 28, 28, 1)),
        InputLayer((28, 28, 1)),
        InputLayer(input_shape=[28, 28, 1], name="in"),
        InputLayer(batch_shape=(32, 28, 28, 1)),
    ],
    ids=repr,
)
def test_an_input_says_the_shape_of_one_sample(given):
    assert given.shape == (None, 28, 28, 1)
    model = Sequential([given, Flatten()])
    assert model.input_shape == (None, 28, 28, 1)
    assert len(model.layers) == 1
    if given.name:
        assert f"name={given.name!r}" in repr(given)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: Input(), TypeError, "input shape must be a tuple"),
        (lambda: Input((3,), batch_shape=(None, 3)), ValueError, "shape must be None where batch_"),
        (lambda: Input(batch_shape=3), TypeError, "batch_shape must be a tuple"),
        (lambda: InputLayer((3,), input_shape=(3,)), ValueError, "input_shape must be None where"),
        (lambda: Input((3,), batch_size=0), ValueError, "batch_size must be an integer >= 1"),
        (lambda: Input((3,), name=3), TypeError, "name must be a str"),
        (lambda: Input((3,), dtype=3), TypeError, "dtype must be a str"),
    ],
)
def test_a_wrong_input_is_an_error_that_names_the_argument(make, error, text):
    with pytest.raises(error, match=text):
        make()


# Layers of a model


def test_pop_takes_the_last_layer_off_and_keeps_the_weights_below():
    model = compiled(small)
    model.fit(X, Y, verbose=0)
    expected = Model(model.inputs, model.layers[-2].output).predict(X)
    weights = [w.copy() for w in model.weights[:-2]]
    top = model.pop()
    assert top.name == "dense_1"
    assert top.weights == []
    assert model.output_shape == (None, 7)
    assert_same_bits(tuple(model.get_weights()), tuple(weights))
    assert_same_bits(model.predict(X), expected)
    model.add(Dense(4, "softmax"))
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert np.isfinite(model.fit(X, Y, verbose=0).history["loss"]).all()
    assert model.layers[-1].name == "dense_1"


def test_pop_of_all_layers_leaves_an_empty_model_that_takes_others():
    model, unbuilt = small(), Sequential([Flatten(), Dense(3)])
    for one in (model, unbuilt):
        while one.layers:
            one.pop()
        with pytest.raises(ValueError, match="has no layers to take off"):
            one.pop()
    assert model.input_shape == (None, 8, 7, 2)
    model.add(Flatten())
    assert model.predict(X).shape == (20, 112)


def test_layers_that_draw_have_streams_of_their_own():
    """A seed that several kinds share gives each its own numbers."""

    def after_a_step(layer):
        def build():
            return Sequential([Input((6,)), layer, Dense(1, kernel_initializer="zeros")])

        model = compiled(build, "sgd", "mse")
        model.train_on_batch(np.ones((50, 6), np.float32), np.ones((50, 1)))
        return model.layers[-1].kernel.ravel().copy()

    dropped, noisy = after_a_step(Dropout(0.5, seed=3)), after_a_step(GaussianNoise(1.0, seed=3))
    assert abs(np.corrcoef(dropped, noisy)[0, 1]) < 0.999
    assert_same_bits(after_a_step(GaussianNoise(1.0, seed=3)), noisy)
    assert np.any(after_a_step(GaussianNoise(1.0, seed=4)) != noisy)


def test_noise_has_the_mean_and_the_deviation_it_was_given(isa):
    """Through a dense layer of one unit for each image, which shows what came through."""
    images, values = 40, 500
    top = Dense(images, use_bias=False, kernel_initializer="zeros")
    noise = GaussianNoise(0.5, seed=1)
    model = Sequential([Input((values,)), noise, top])
    from pylenet import optimizers

    model.compile(optimizers.SGD(1.0), "mse")
    model.train_on_batch(np.ones((images, values), np.float32), np.eye(images))
    found = top.kernel / (2 / images / images) - 1
    deviation = 0.5 / np.sqrt(found.size)
    assert abs(found.mean()) < 5 * deviation
    assert abs(found.std() - 0.5) < 5 * deviation
    assert 0.66 < np.mean(np.abs(found) < 0.5) < 0.71
    assert 0.94 < np.mean(np.abs(found) < 1.0) < 0.965


def test_training_of_a_call_is_the_model_s():
    x = Input((3,))
    assert Dropout(0.5)(x, training=False).shape == (None, 3)
    assert BatchNormalization()(x, training=None).shape == (None, 3)
    with pytest.raises(ValueError, match="training must be None or False, the model says when"):
        Dropout(0.5)(x, training=True)
