"""What is called gives tensors; keras.backend, keras.ops and TensorFlow have functions of them."""

import pickle

import numpy as np
import pytest
from nets import compiled, samples, small, tiny
from tolerance import assert_same_bits

import pylenet
from pylenet import Input, Model, Sequential, backend, layers, losses, ops, optimizers
from pylenet import tf_keras as tf

X, Y = samples(6, (8, 7, 2), 4)


# What a model gives


def test_a_called_model_gives_an_array_with_numpy():
    model = small()
    expected = model.predict(X)
    found = model(X, training=False)
    assert type(expected) is np.ndarray
    assert_same_bits(np.asarray(found), expected)
    assert type(found.numpy()) is np.ndarray
    assert_same_bits(found.numpy(), expected)
    found.numpy()[...] = 0  # a copy
    assert_same_bits(found[1].numpy(), expected[1])
    assert np.argmax(found, axis=1).numpy().tolist() == expected.argmax(axis=1).tolist()
    assert float(found[0, 3]) == expected[0, 3]
    assert f"{np.max(found):.3f}" == f"{expected.max():.3f}"
    inside = Model(model.inputs, model.layers[3].output)(X)
    rest = Model(model.layers[4].input, model.output)
    assert_same_bits(rest.predict(inside), expected)


def test_several_outputs_are_a_list_of_them():
    model = small()
    inside = Model(model.inputs, [layer.output for layer in model.layers])
    maps = inside(X, training=False)
    assert [y.numpy().shape for y in maps] == [y.shape for y in inside.predict(X)]


def test_training_true_is_an_error_where_it_would_compute_something_else():
    model = small()
    assert_same_bits(np.asarray(model(X, training=True)), model.predict(X))
    for layer in (layers.Dropout(0.5), layers.BatchNormalization()):
        model = Sequential([layers.Dense(3, input_shape=(4,)), layer])
        for called in (model, Model(model.inputs, [model.output])):
            with pytest.raises(ValueError, match="training must be None or False, got True"):
                called(np.ones((2, 4)), training=True)


def test_weights_are_tensors_that_are_live():
    model = tiny()
    kernel, bias = model.layers[0].weights
    assert type(kernel.numpy()) is np.ndarray
    kernel.numpy()[...] = 9
    assert not (model.get_weights()[0] == 9).any()
    kernel[...] = 9
    assert (model.get_weights()[0] == 9).all()
    assert type(model.get_weights()[0]) is np.ndarray
    assert bias.shape == (3,)
    assert [(w.name, w.path) for w in (kernel, bias)] == [
        ("kernel", "dense/kernel"),
        ("bias", "dense/bias"),
    ]
    bias.assign([1, 2, 3])
    assert model.get_weights()[1].tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match=r"value must have shape \(3,\), got \(\)"):
        bias.assign(4)


def test_a_loss_and_a_learning_rate_are_numbers_with_numpy():
    value = losses.MeanSquaredError()([[1.0]], [[3.0]])
    assert (value, value.numpy().dtype, repr(value)) == (4.0, np.float32, "4.0")
    optimizer = optimizers.SGD(0.5)
    rate = optimizer.learning_rate
    assert (rate, rate.numpy()) == (0.5, np.float32(0.5))
    rate.assign(0.25)
    assert optimizer.learning_rate == 0.25
    assert type(pickle.loads(pickle.dumps(rate))) is float


def test_a_list_of_one_array_is_that_array():
    model = compiled(small)
    assert_same_bits(model.predict([X]), model.predict(X))
    assert model.evaluate([X], Y) == model.evaluate(X, Y)


# keras.backend


def test_function_gives_what_layers_give():
    model = small()
    inside = Model(model.inputs, [model.layers[1].output, model.output]).predict(X)
    maps = backend.function([model.input], [model.layers[1].output])
    assert_same_bits(maps([X])[0], inside[0])
    both = backend.function(
        [model.layers[0].input, backend.learning_phase()],
        [
            model.layers[1].output,
            model.layers[-1].output,
        ],
    )
    for found, expected in zip(both([X, 0]), inside, strict=True):
        assert type(found) is np.ndarray
        assert_same_bits(found, expected)
    assert_same_bits(backend.function(model.inputs, model.output)(X)[0], inside[1])
    drops = Sequential([layers.Dense(3, input_shape=(4,)), layers.Dropout(0.5)])
    phase = backend.function([drops.input, backend.learning_phase()], [drops.output])
    assert phase([np.ones((2, 4)), 0])[0].shape == (2, 3)
    with pytest.raises(ValueError, match="training must be None or False"):
        phase([np.ones((2, 4)), 1])


def test_values_are_read_and_set():
    model = compiled(tiny, optimizers.SGD(0.5))
    kernel = model.layers[0].kernel
    copy = backend.get_value(kernel)
    backend.set_value(kernel, np.zeros((4, 3)))
    assert not model.get_weights()[0].any()
    assert copy.any()
    backend.batch_set_value([(kernel, copy), (model.layers[0].bias, np.ones(3))])
    assert_same_bits(tuple(backend.batch_get_value(model.weights)), tuple(model.get_weights()))
    assert (model.get_weights()[1] == 1).all()
    backend.set_value(model.optimizer.learning_rate, 0.125)
    assert backend.get_value(model.optimizer.learning_rate) == 0.125
    with pytest.raises(ValueError, match=r"value must have shape \(4, 3\), got \(3,\)"):
        backend.set_value(kernel, np.ones(3))
    with pytest.raises(TypeError, match="x must be a weight, an array or a learning rate, got int"):
        backend.set_value(3, 4)
    assert backend.eval(kernel).shape == (4, 3)
    assert backend.count_params(kernel) == 12


def test_shapes_and_the_learning_phase():
    assert backend.int_shape(Input((28, 28, 1))) == (None, 28, 28, 1)
    assert backend.int_shape(tiny().output) == (None, 3)
    assert backend.int_shape(X) == X.shape
    backend.set_learning_phase(1)
    assert backend.learning_phase() == 0
    with pytest.raises(ValueError, match="value must be 0 or 1, got 2"):
        backend.set_learning_phase(2)


# Functions of arrays

A = np.array([[1.0, -2.0, 4.0], [0.5, 0.25, 0.0]], np.float32)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: ops.argmax(A, axis=-1), [2, 0]),
        (lambda: ops.mean(ops.cast(ops.equal(A, 4), "float32")), 1 / 6),
        (lambda: ops.expand_dims(A, axis=0)[0], A),
        (lambda: ops.one_hot(np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]]),
        (lambda: ops.softmax(A * 0), np.full((2, 3), 1 / 3)),
        (lambda: ops.convert_to_tensor([1, 2], "float32"), [1, 2]),
        (lambda: backend.argmax(A), [2, 0]),
        (lambda: backend.expand_dims(A)[..., 0], A),
        (lambda: backend.concatenate([A, A]), np.concatenate([A, A], axis=1)),
        (lambda: backend.sum(backend.round(backend.clip(A, 0, 1))), 2),
        (lambda: backend.pow(A, 2), A**2),
        (lambda: backend.permute_dimensions(A, (1, 0)), A.T),
        (lambda: backend.batch_flatten(A[None])[0], A.ravel()),
        (lambda: backend.flatten(A), A.ravel()),
        (lambda: tf.argmax(A, axis=1), [2, 0]),
        (lambda: tf.reduce_mean(A, axis=0), A.mean(axis=0)),
        (lambda: tf.concat([A, A], 0), np.concatenate([A, A])),
        (lambda: tf.clip_by_value(A, 0, 1), A.clip(0, 1)),
        (lambda: tf.nn.relu(A), A.clip(0)),
        (lambda: tf.math.confusion_matrix([0, 1, 1], [0, 1, 0]), [[1, 0], [1, 1]]),
        (lambda: tf.math.reduce_sum(A), A.sum()),
    ],
)
def test_they_give_numpy_s_values_as_tensors(found, expected):
    np.testing.assert_allclose(found().numpy(), expected, rtol=1e-6)


def test_an_array_of_numpy_s_own_comes_from_convert_to_numpy():
    assert type(ops.convert_to_numpy(small()(X))) is np.ndarray
    assert ops.shape(A) == backend.shape(A) == tf.shape(A) == (2, 3)


def test_what_a_layer_gives_they_refuse_but_for_activations():
    inputs = Input((4,))
    for use in (ops.mean, backend.square, tf.reduce_sum, lambda x: tf.concat([x, x], 1)):
        with pytest.raises(TypeError, match=r"\w+ takes arrays, not what a layer gives: a network"):
            use(inputs)
    hidden = tf.nn.relu(layers.Dense(3)(inputs))
    assert isinstance(Model(inputs, hidden).layers[1], layers.ReLU)
    assert layers.Dense(3, activation=tf.nn.softmax).activation == "softmax"


def test_they_are_not_imported_with_the_package(run_python):
    done = run_python(
        "import sys, pylenet, pylenet.backend, pylenet.ops; from pylenet import tf_keras\n"
        "assert 'pylenet._keras._tensors' not in sys.modules\n"
        "assert pylenet.backend.mean([1, 3]) == 2\n"
        "assert 'pylenet._keras._tensors' in sys.modules"
    )
    assert done.returncode == 0, done.stderr


# Helpers


def test_normalize_divides_by_norms():
    from pylenet.utils import normalize

    x = np.array([[3, 4], [0, 0]], np.uint8)
    np.testing.assert_allclose(normalize(x), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(normalize(x, axis=0, order=1), [[1, 1], [0, 0]])
    assert normalize(A).dtype == np.float32
    with pytest.raises(TypeError, match="x must hold real numbers"):
        normalize(["a"])


def test_a_clone_has_new_weights_and_is_not_compiled():
    from pylenet.models import clone_model

    model = compiled(small, "adam")
    model.layers[0].trainable = False
    clone = clone_model(model)
    assert [repr(layer) for layer in clone.layers] == [repr(layer) for layer in model.layers]
    assert [layer.name for layer in clone.layers] == [layer.name for layer in model.layers]
    assert not clone.layers[0].trainable
    assert clone.optimizer is None
    assert not np.array_equal(clone.get_weights()[0], model.get_weights()[0])
    clone.set_weights(model.get_weights())
    assert_same_bits(clone.predict(X), model.predict(X))
    with pytest.raises(TypeError, match="model must be a Sequential, got 3"):
        clone_model(3)


def test_compile_takes_metrics_as_keras_2_in_the_third_place():
    model = small()
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    assert model.metrics_names == ["loss", "accuracy"]


def test_normalisation_over_axis_1_is_for_flat_inputs():
    flat = Sequential([layers.Dense(3, input_shape=(4,)), layers.BatchNormalization(axis=1)])
    assert flat.layers[1].weights[0].shape == (3,)
    assert Sequential.from_config(flat.get_config()).layers[1].axis == -1
    for axis in (-1, 3, [3]):
        layers.BatchNormalization(axis=axis, input_shape=(5, 5, 2))
        Sequential([layers.BatchNormalization(axis=axis, input_shape=(5, 5, 2))])
    with pytest.raises(ValueError, match="axis must be -1 or 3 .* got 1: images are"):
        Sequential([layers.BatchNormalization(axis=1, input_shape=(5, 5, 2))])


def test_load_img_takes_keras_2_s_grayscale(tmp_path):
    pytest.importorskip("PIL")
    from pylenet.utils import img_to_array, load_img

    pylenet.preprocessing.image.save_img(tmp_path / "a.png", np.ones((5, 4, 3)))
    with pytest.warns(DeprecationWarning, match="grayscale= is color_mode= today"):
        image = load_img(tmp_path / "a.png", grayscale=True, target_size=(5, 4))
    assert img_to_array(image).shape == (5, 4, 1)


def test_variables_are_the_weights_and_what_a_layer_gives_has_a_dtype():
    model = tiny()
    for part in (model, model.layers[-1]):
        assert all(a is b for a, b in zip(part.variables, part.weights, strict=True))
        assert len(part.trainable_variables) == len(part.trainable_weights) == len(part.weights)
    output = model.layers[-1].output
    assert output.dtype == "float32"
    with pytest.raises(TypeError, match="cannot be indexed before there are samples"):
        output[:, 0]
