"""Side by side with PyTorch and Keras, where they are installed: equal weights, equal training.

PyTorch's convolution kernels are (out, in, kh, kw) and its dense weights (out, in), its images
channels first; Keras's are ours.
"""

import importlib.util
import os
import re

import numpy as np
import pytest
from core import convolutions_by
from kinds.dropout import factors
from nets import LENETS, compiled, digits, one_hot
from tolerance import EPS

import pylenet
from pylenet import layers, ops, optimizers
from pylenet.models import Sequential

STEPS, BATCH, RATE = 10, 128, 0.1


@pytest.fixture(scope="module")
def images(request):
    """Images (N, 28, 28) and labels of the first steps: real MNIST, or else made-up digits."""
    try:
        (x, y), _ = request.getfixturevalue("mnist")
    except pytest.skip.Exception:
        x, y = digits(STEPS * BATCH)
    return x[: STEPS * BATCH], y[: STEPS * BATCH].astype(np.int64)


@pytest.fixture(params=["direct", "cook_toom"])
def training(request, images):
    """Images and labels of the first steps, for convolutions by each algorithm.

    With Cook-Toom's, there is noise on each pixel. Without it strokes have equal patches. Directly
    their outputs are equal, here and there: in the first step 92 windows of max pooling have two
    largest values, and the first one gets the gradient. Cook-Toom rounds the two differently, so
    that either may get it.
    """
    x, y = images
    if request.param == "cook_toom":
        noise = np.random.default_rng(0).uniform(0, 50, x.shape)
        x = (x * (205 / 255) + noise).astype(np.float32)
    with convolutions_by(request.param):
        yield x, y


def batches(training):
    x, y = training
    return [(x[i : i + BATCH], y[i : i + BATCH]) for i in range(0, len(x), BATCH)]


def ours(name):
    return compiled(LENETS[name], optimizers.SGD(RATE), seed=12, metrics=["accuracy"])


def assert_agree(losses, weights, other_losses, other_weights):
    """Losses to 1e-5 relative, weights to 1e-5 absolute, after training that did something."""
    assert losses[-1] < losses[0] - 0.1
    relative = np.abs(np.divide(losses, other_losses) - 1).max()
    apart = max(np.abs(a - b).max() for a, b in zip(weights, other_weights, strict=True))
    print(f"losses {relative:.1e} apart (relative), weights {apart:.1e}")
    assert relative < 1e-5
    assert apart < 1e-5


# PyTorch


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


def to_torch(torch, w):
    """A weight as PyTorch lays it out."""
    w = np.moveaxis(w, (3, 2), (0, 1)) if w.ndim == 4 else w.T
    return torch.tensor(np.ascontiguousarray(w))


def from_torch(w):
    w = w.detach().numpy()
    return np.moveaxis(w, (0, 1), (3, 2)) if w.ndim == 4 else w.T


def torch_lenet(torch, name, weights):
    """The same network as a function of images (N, 28, 28) that gives logits."""
    f = torch.nn.functional
    act, pool = (torch.tanh, f.avg_pool2d) if name == "classic" else (torch.relu, f.max_pool2d)

    def logits(x):
        k1, b1, k2, b2, w3, b3, w4, b4, w5, b5 = weights
        y = torch.tensor(x[:, None].astype(np.float32)) / 255
        y = pool(act(f.conv2d(y, k1, b1)), 2)
        y = pool(act(f.conv2d(y, k2, b2)), 2)
        y = y.permute(0, 2, 3, 1).flatten(1)
        return f.linear(act(f.linear(act(f.linear(y, w3, b3)), w4, b4)), w5, b5)

    return logits


@pytest.mark.parametrize("name", LENETS)
def test_a_lenet_trains_as_in_pytorch(name, training, torch):
    model = ours(name)
    weights = [to_torch(torch, w).requires_grad_() for w in model.get_weights()]
    logits = torch_lenet(torch, name, weights)
    sgd = torch.optim.SGD(weights, lr=RATE)
    losses, others = [], []
    for x, y in batches(training):
        losses.append(model.train_on_batch(x, y)[0])
        sgd.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits(x), torch.tensor(y))
        loss.backward()
        sgd.step()
        others.append(loss.item())
    assert_agree(losses, model.get_weights(), others, [from_torch(w) for w in weights])


@pytest.mark.parametrize("strides", [(1, 1), (2, 1), (2, 3)])
@pytest.mark.parametrize("kernel", [(5, 5), (2, 3), (4, 1)])
def test_convolution_and_its_gradients_are_pytorch_s(strides, kernel, torch):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 9, 8, 4)).astype(np.float32)
    k = rng.normal(size=(*kernel, 4, 5)).astype(np.float32)
    b = rng.normal(size=5).astype(np.float32)
    there = [torch.tensor(np.moveaxis(x, 3, 1).copy()), to_torch(torch, k), torch.tensor(b)]
    there = [t.requires_grad_() for t in there]
    expected = torch.nn.functional.conv2d(*there, stride=strides)
    y = ops.conv2d(x, k, b, strides=strides)
    terms = k[..., 0].size
    np.testing.assert_allclose(y, channels_last(expected), atol=terms * 4 * EPS)
    dy = rng.normal(size=y.shape).astype(np.float32)
    expected.backward(torch.tensor(np.moveaxis(dy, 3, 1).copy()))
    dx, dk, db = ops.conv2d_backward(dy, x, k, strides=strides)
    np.testing.assert_allclose(dx, channels_last(there[0].grad), atol=terms * 4 * EPS)
    np.testing.assert_allclose(dk, from_torch(there[1].grad), atol=y[..., 0].size * 4 * EPS)
    np.testing.assert_allclose(db, there[2].grad.numpy(), atol=y[..., 0].size * 4 * EPS)


def channels_last(images):
    return np.moveaxis(images.detach().numpy(), 1, 3)


# Keras


@pytest.fixture
def keras():
    """Keras on TensorFlow, or else on PyTorch."""
    backends = [b for b in ("tensorflow", "torch", "jax") if importlib.util.find_spec(b)]
    found = importlib.util.find_spec("keras")  # tests/keras, a folder without origin, is found too
    if not backends or found is None or found.origin is None:
        pytest.skip("Keras, or a backend for it, is not installed")
    os.environ.setdefault("KERAS_BACKEND", backends[0])
    return pytest.importorskip("keras")


def keras_twin(keras, model):
    """The same layers there, with the same weights and names."""
    twin = keras.Sequential([keras.Input(model.input_shape[1:])])
    for layer in model.layers:
        config = layer.get_config()
        config.pop("connections", None)  # which Keras has not
        twin.add(getattr(keras.layers, type(layer).__name__)(**config))
    twin.set_weights(model.get_weights())
    return twin


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", LENETS)
def test_a_lenet_trains_as_in_keras(name, training, keras):
    model = ours(name)
    twin = keras_twin(keras, model)
    twin.compile(keras.optimizers.SGD(RATE), "sparse_categorical_crossentropy")
    losses, others = [], []
    for x, y in batches(training):
        losses.append(model.train_on_batch(x, y)[0])
        others.append(float(twin.train_on_batch(x[..., None].astype(np.float32), y)))
    assert_agree(losses, model.get_weights(), others, twin.get_weights())
    model.set_weights(twin.get_weights())
    x = training[0][:100]
    theirs = twin.predict(x[..., None].astype(np.float32), verbose=0)
    np.testing.assert_allclose(model.predict(x), theirs, atol=1e-5)


LAYERS = [
    ("Conv2D(3, (2, 5), (2, 1), 'same', activation='tanh')", (7, 6, 2)),
    ("Conv2D(3, 4, 3, padding='same', use_bias=False)", (8, 5, 1)),
    ("Conv2D(3, 3, (2, 1))", (8, 5, 2)),
    ("MaxPooling2D(3, 2, 'same')", (8, 7, 2)),
    ("MaxPooling2D((2, 3))", (7, 7, 2)),
    ("AveragePooling2D(3, 2, 'same')", (8, 7, 2)),
    ("AveragePooling2D((3, 2), strides=1)", (8, 7, 2)),
    ("Flatten()", (3, 4, 5)),
    ("Rescaling(0.5, offset=-1)", (3, 4, 5)),
    ("Dense(5, 'softmax')", (9,)),
    ("Dense(5, activation='sigmoid', use_bias=False)", (9,)),
    ("Activation('relu')", (3, 4, 5)),
    *(
        (f"Activation({name!r})", (3, 4, 5))
        for name in (
            *("elu", "exponential", "gelu", "hard_sigmoid", "leaky_relu", "relu6", "selu"),
            *("silu", "swish", "softplus", "softsign"),
        )
    ),
    ("ReLU(max_value=0.5, negative_slope=0.25, threshold=0.125)", (3, 4, 5)),
    ("ReLU(2.0)", (9,)),
    ("LeakyReLU(negative_slope=0.1)", (9,)),
    ("ELU(alpha=0.5)", (3, 4, 5)),
    ("Softmax()", (9,)),
    ("GlobalMaxPooling2D()", (4, 5, 3)),
    ("GlobalAveragePooling2D(keepdims=True)", (4, 5, 3)),
    ("Reshape((3, -1, 2))", (4, 3)),
    ("Permute((1, 2, 3))", (4, 5, 3)),
    ("Permute((3, 1, 2))", (4, 5, 1)),
    ("Dropout(0.5)", (9,)),
    ("SpatialDropout2D(0.5)", (4, 5, 3)),
    ("GaussianNoise(0.5)", (9,)),
    ("BatchNormalization()", (4, 5, 3)),
    ("Dense(5, activation=LeakyReLU(0.1))", (9,)),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(("call", "shape"), LAYERS)
def test_a_layer_written_for_keras_gives_keras_s_result(call, shape, keras):
    if keras.backend.backend() == "torch" and "Average" in call and "same" in call:
        pytest.skip("Keras on PyTorch averages over repeated border cells, unlike on TensorFlow")
    model = Sequential([layers.Input(shape), eval(call, vars(layers).copy())])
    twin = keras.Sequential([keras.Input(shape), eval(call, vars(keras.layers).copy())])
    assert [w.shape for w in twin.get_weights()] == [w.shape for w in model.get_weights()]
    model.set_weights(twin.get_weights())
    x = np.random.default_rng(0).normal(size=(4, *shape)).astype(np.float32)
    theirs = np.asarray(twin.predict(x, verbose=0))
    assert model.output_shape == twin.output_shape
    np.testing.assert_allclose(model.predict(x), theirs, atol=40 * EPS)


def step_by_step(keras, stack, rate=0.1):
    """Ten steps here and there from the same weights; losses and weights after each step."""
    x, y = digits(10 * 32)
    x = (x[:, ::3, ::3, None] / 255).astype(np.float32)
    model = compiled(lambda: Sequential([layers.Input(x.shape[1:]), *stack]), optimizers.SGD(rate))
    twin = keras_twin(keras, model)
    twin.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy")
    found = []
    for k in range(0, len(x), 32):
        losses = model.train_on_batch(x[k : k + 32], y[k : k + 32])
        others = float(twin.train_on_batch(x[k : k + 32], y[k : k + 32]))
        found.append((losses, others, model.get_weights(), twin.get_weights()))
    theirs = twin.predict(x[:50], verbose=0)
    np.testing.assert_allclose(model.predict(x[:50]), theirs, atol=1e-4)
    return model, twin, found


def assert_same_steps(found):
    """Losses and weights, moving averages among them, after each step."""
    for loss, other, weights, others in found:
        assert loss == pytest.approx(other, rel=1e-4)
        apart = max(np.abs(a - b).max() for a, b in zip(weights, others, strict=True))
        assert apart < 1e-4


def _normalized(**options):
    return layers.BatchNormalization(momentum=0.9, **options)


NORMALIZED = {
    "after Conv2D, activation above": lambda: [
        layers.Conv2D(4, 3),
        *(_normalized(), layers.Activation("relu"), layers.MaxPooling2D(2), layers.Flatten()),
    ],
    "after Conv2D with an activation": lambda: [
        layers.Conv2D(4, 3, activation="tanh"),
        *(_normalized(epsilon=0.01), layers.AveragePooling2D(2), layers.Flatten()),
    ],
    "after Dense, activation above": lambda: [
        *(layers.Flatten(), layers.Dense(12, use_bias=False), _normalized()),
        layers.Activation("sigmoid"),
    ],
    "after Dense with an activation": lambda: [
        *(layers.Flatten(), layers.Dense(12, "relu"), _normalized(scale=False)),
    ],
    "after the input, and twice": lambda: [
        *(_normalized(center=False), layers.Flatten(), layers.Dense(12), _normalized()),
        *(layers.Activation("tanh"), layers.Dense(8), _normalized(center=False, scale=False)),
    ],
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", NORMALIZED)
def test_batch_normalization_trains_as_in_keras_step_by_step(name, keras):
    _, _, found = step_by_step(keras, [*NORMALIZED[name](), layers.Dense(10, "softmax")])
    assert_same_steps(found)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_frozen_layers_train_as_in_keras(keras):
    """Batch normalisation that is frozen is in inference mode there, too."""
    stack = [
        *(layers.Conv2D(4, 3, trainable=False), layers.Activation("relu"), layers.Flatten()),
        *(layers.Dense(12), layers.BatchNormalization(trainable=False), layers.Activation("relu")),
    ]
    model, twin, found = step_by_step(keras, [*stack, layers.Dense(10, "softmax")])
    assert_same_steps(found)
    ours, theirs = ([len(m.trainable_weights), len(m.non_trainable_weights)] for m in (model, twin))
    assert ours == theirs == [4, 6]


def adversaries(library):
    """Losses and weights of two models that are trained in turn, and of a new end on old layers."""
    rng, own, found = np.random.default_rng(0), library.layers, []

    def drawn(*shape):
        return (rng.normal(size=shape) / 2).astype(np.float32)

    def stack(*chain):
        model = library.Sequential(list(chain))
        model.set_weights([abs(drawn(*w.shape)) + 0.1 for w in model.get_weights()])
        return model

    maker = stack(own.Input((3,)), own.Dense(6, "relu"), own.Dense(5, "tanh"))
    judge = stack(
        own.Input((5,)), own.Dense(8, "tanh"), own.BatchNormalization(), own.Dense(1, "sigmoid")
    )
    judge.compile(library.optimizers.SGD(0.05), "binary_crossentropy")
    judge.trainable = False
    both = library.Sequential([maker, judge])
    both.compile(library.optimizers.Adam(0.01), "binary_crossentropy")
    for _ in range(4):
        noise = drawn(16, 3)
        mixed = np.concatenate([drawn(16, 5), np.asarray(maker.predict(noise, verbose=0))])
        judge.trainable = True
        judge.compile(library.optimizers.SGD(0.05), "binary_crossentropy")
        found.append(judge.train_on_batch(mixed, np.repeat([1.0, 0.0], 16)[:, None]))
        judge.trainable = False
        found.append(both.train_on_batch(noise, np.ones((16, 1))))

    old = stack(own.Input((4,)), own.Dense(7, "tanh"), own.Dense(3, "softmax"))
    last = own.Dense(2, activation="softmax")
    new = library.Model(old.inputs, last(old.layers[-2].output))
    new.set_weights([*new.get_weights()[:2], drawn(7, 2), drawn(2)])
    new.compile(library.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy")
    x = drawn(32, 4)
    for _ in range(5):
        found.append(new.train_on_batch(x, (x.sum(axis=1) > 0).astype(np.int32)))
    weights = [w for model in (maker, judge, old, new) for w in model.get_weights()]
    return [float(np.ravel(loss)[0]) for loss in found], weights


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_models_that_have_layers_in_common_train_as_in_keras(keras):
    (losses, weights), (expected, keras_weights) = adversaries(pylenet), adversaries(keras)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for ours_, theirs in zip(weights, keras_weights, strict=True):
        np.testing.assert_allclose(ours_, theirs, atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    "name",
    [
        *("elu", "gelu", "hard_sigmoid", "leaky_relu", "relu6", "selu", "silu"),
        *("softplus", "softsign"),
    ],
)
def test_an_activation_trains_as_in_keras_step_by_step(name, keras):
    stack = [layers.Conv2D(4, 3, activation=name), layers.MaxPooling2D(2), layers.Flatten()]
    stack += [layers.Dense(12, name), layers.Dense(10, "softmax")]
    _, _, found = step_by_step(keras, stack, 0.02)
    assert_same_steps(found)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("rate", [0.25, 0.5])
def test_dropout_trains_as_in_keras_where_both_drop_the_same(rate, keras):
    """Ours drops what the entry of tests/kinds says; there those factors are a layer of its own."""
    seed = 3

    class Factors(keras.layers.Layer):
        step = 0

        def call(self, inputs, training=None):
            if not training:
                return inputs
            drawn = factors((12,), rate, seed, range(32), self.step)
            return inputs * keras.ops.convert_to_tensor(drawn.astype(np.float32))

    x, y = digits(5 * 32)
    x = (x[:, ::3, ::3, None] / 255).astype(np.float32)

    def build():
        dropped = [layers.Dense(12, "relu"), layers.Dropout(rate, seed=seed)]
        end = layers.Dense(10, "softmax")
        return Sequential([layers.Input(x.shape[1:]), layers.Flatten(), *dropped, end])

    model, masked = compiled(build, optimizers.SGD(0.1)), Factors()
    twin = keras.Sequential(
        [
            *(keras.Input(x.shape[1:]), keras.layers.Flatten(), keras.layers.Dense(12, "relu")),
            *(masked, keras.layers.Dense(10, "softmax")),
        ]
    )
    twin.set_weights(model.get_weights())
    loss = "sparse_categorical_crossentropy"
    twin.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    found = []
    for step in range(5):
        part = slice(32 * step, 32 * step + 32)
        masked.step = step
        pair = model.train_on_batch(x[part], y[part]), twin.train_on_batch(x[part], y[part])
        found.append((pair[0], float(pair[1]), model.get_weights(), twin.get_weights()))
    assert_same_steps(found)


TRAINING = [
    ("SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01)", "categorical_crossentropy"),
    ("Adam(0.01)", "categorical_crossentropy"),
    ("AdamW(0.01, weight_decay=0.1)", "mse"),
    ("SGD(schedules.CosineDecay(0.1, 5, warmup_target=0.3, warmup_steps=3))", "mse"),
    ("SGD(schedules.PiecewiseConstantDecay([1, 4], [0.1, 0.4, 0.0]))", "mean_squared_error"),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(("optimizer", "loss"), TRAINING)
def test_fit_with_an_optimizer_written_for_keras_gives_keras_s_history(optimizer, loss, keras):
    x, y = digits(90)
    x, y = (x[:, ::4, ::4, None] / 255).astype(np.float32), one_hot(y, 10).astype(np.float32)
    model = compiled(
        lambda: Sequential(
            [
                layers.Conv2D(4, 3, activation="tanh", input_shape=(7, 7, 1)),
                layers.MaxPooling2D(2),
                layers.Flatten(),
                layers.Dense(10, "softmax"),
            ]
        ),
        eval(optimizer, vars(optimizers).copy()),
        loss,
        metrics=["accuracy"],
    )
    twin = keras_twin(keras, model)
    theirs = eval(optimizer, vars(keras.optimizers).copy())
    twin.compile(optimizer=theirs, loss=loss, metrics=["accuracy"])
    options = {"batch_size": 16, "epochs": 2, "shuffle": False, "validation_split": 0.2}
    found = model.fit(x, y, verbose=0, **options).history
    expected = twin.fit(x, y, verbose=0, **options).history
    assert list(found) == list(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, err_msg=name)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


UPDATES = [
    "RMSprop(0.001)",
    "RMSprop(0.001, momentum=0.9, centered=True, weight_decay=0.01)",
    "Adagrad(0.05)",
    "Adadelta(1.0)",
    "Adam(0.002, amsgrad=True)",
    "Adamax(0.002, weight_decay=0.1)",
    "Nadam(0.002)",
    "SGD(0.1, momentum=0.9, clipnorm=0.3)",
    "SGD(0.1, clipvalue=0.01)",
    "Adam(0.001, global_clipnorm=0.5)",
    "SGD(0.1, use_ema=True, ema_momentum=0.7, ema_overwrite_frequency=3)",
    "Nadam(0.002, use_ema=True, ema_momentum=0.9)",
]


def strided():
    return Sequential(
        [
            layers.Rescaling(1 / 255, input_shape=(28, 28, 1)),
            layers.Conv2D(5, (3, 4), (2, 3), activation="tanh", use_bias=False),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(10, "softmax"),
        ]
    )


def without_biases():
    return Sequential(
        [
            layers.Rescaling(1 / 255, input_shape=(28, 28, 1)),
            layers.Flatten(),
            layers.Dense(33, "sigmoid", use_bias=False),
            layers.Dense(10, use_bias=False),
            layers.Activation("softmax"),
        ]
    )


def padded():
    return Sequential(
        [
            layers.Rescaling(1 / 127.5, offset=-1, input_shape=(28, 28, 1)),
            layers.ZeroPadding2D(1),
            layers.Conv2D(3, 3, padding="same", activation="tanh"),
            layers.AveragePooling2D((3, 2)),
            layers.Conv2D(7, 9, activation="sigmoid"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, "softmax"),
        ]
    )


NETS = {**LENETS, "strided": strided, "without biases": without_biases, "padded": padded}


@pytest.mark.usefixtures("direct_convolutions")
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("call", UPDATES)
@pytest.mark.parametrize("name", NETS)
def test_an_optimizer_s_ten_steps_are_keras_s(name, call, keras):
    # Noise keeps the many pixels of the background from crossing a kink all at once. It does not
    # keep single windows of max pooling from two values so close that rounding chooses between
    # them, after which weights are 1e-3 apart: with this seed direct convolutions have none.
    x, y = digits(STEPS * 64)
    x = np.clip(x + np.random.default_rng(0).uniform(0, 100, x.shape), 0, 255).astype(np.float32)
    x, y = x[..., None], y.astype(np.int64)
    model = compiled(NETS[name], eval(f"optimizers.{call}"), seed=12)
    twin = keras_twin(keras, model)
    twin.compile(eval(f"keras.optimizers.{call}"), "sparse_categorical_crossentropy")
    options = {"batch_size": 64, "shuffle": False, "verbose": 0}
    (loss,) = model.fit(x, y, **options).history["loss"]
    (other,) = twin.fit(x, y, **options).history["loss"]
    apart = max(
        np.abs(a - b).max() for a, b in zip(model.get_weights(), twin.get_weights(), strict=True)
    )
    print(f"loss {abs(loss / other - 1):.1e} apart (relative), weights {apart:.1e}")
    assert loss == pytest.approx(other, rel=1e-4)
    assert apart < 1e-4


# The loss, the last activation, the kind of targets, and metrics.
LOSSES = [
    ("'binary_crossentropy'", "sigmoid", "one", "['accuracy', m.AUC(), m.Precision(), m.Recall()]"),
    ("l.BinaryCrossentropy(from_logits=True)", "linear", "one", "[m.BinaryAccuracy(threshold=0)]"),
    ("l.BinaryCrossentropy(label_smoothing=0.1)", "sigmoid", "rows", "['accuracy', m.AUC()]"),
    ("l.CategoricalCrossentropy(label_smoothing=0.1)", "softmax", "rows", "['acc', 'mse']"),
    ("'categorical_crossentropy'", "softmax", "rows", "[m.TopKCategoricalAccuracy(3), 'auc']"),
    ("'sparse_categorical_crossentropy'", "softmax", "labels", "['accuracy']"),
    ("'mae'", "linear", "rows", "['mse', m.RootMeanSquaredError()]"),
    ("'huber'", "linear", "rows", "['mae']"),
    ("l.Huber(0.3)", "linear", "one", "['mae']"),
    ("'log_cosh'", "linear", "rows", "['accuracy']"),
    ("'kl_divergence'", "softmax", "rows", "[m.Precision(top_k=2), m.Recall(0.2, class_id=3)]"),
    ("'poisson'", "sigmoid", "rows", "[m.AUC(curve='PR'), 'binary_accuracy']"),
    ("'hinge'", "tanh", "one", "['mse']"),
    ("'squared_hinge'", "linear", "rows", "['hinge']"),
    ("'categorical_hinge'", "linear", "rows", "['accuracy']"),
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("weights", [None, "samples", "classes"])
@pytest.mark.parametrize(("loss", "activation", "targets", "measured"), LOSSES)
def test_a_loss_with_metrics_and_weights_gives_keras_s_history(
    loss, activation, targets, measured, weights, keras
):
    x, labels = digits(96)
    x = (x[:, ::4, ::4, None] / 255).astype(np.float32)
    y = {"one": labels % 2, "labels": labels, "rows": one_hot(labels, 10)}[targets]
    y, w = y.astype(np.float32), np.resize([0.5, 1, 3, 0], 96).astype(np.float32)
    options = {"batch_size": 16, "epochs": 2, "shuffle": False, "verbose": 0}
    if weights == "samples":
        options |= {"sample_weight": w, "validation_data": (x[:40], y[:40], w[:40])}
    elif weights == "classes":
        options |= {"class_weight": {0: 2.0, 1: 0.5, 7: 3.0}, "validation_split": 0.25}

    def build():
        units = 1 if targets == "one" else 10
        return Sequential(
            [
                layers.Conv2D(4, 3, activation="tanh", input_shape=(7, 7, 1)),
                layers.Flatten(),
                layers.Dense(units, activation, bias_initializer="ones"),
            ]
        )

    model = compiled(build, "sgd", "mse")
    twin = keras_twin(keras, model)
    for each, library in ((model, pylenet), (twin, keras)):
        names = {"l": library.losses, "m": library.metrics}
        each.compile(
            optimizer=library.optimizers.SGD(0.1),
            loss=eval(loss, names),
            metrics=eval(measured, names),
        )
    found = model.fit(x, y, **options).history
    expected = twin.fit(x, y, **options).history
    # Keras numbers the second and later metrics of a class: auc_1.
    renamed = {re.sub(r"_\d+$", "", name): values for name, values in expected.items()}
    assert set(found) == set(renamed)
    for name, values in renamed.items():
        np.testing.assert_allclose(found[name], values, rtol=2e-5, atol=1e-7, err_msg=name)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


RULES = [
    "kernel_regularizer=r.L1L2(1e-3, 1e-2), bias_regularizer='l2'",
    "kernel_regularizer='l1', kernel_constraint=c.NonNeg()",
    "kernel_constraint=c.MaxNorm(0.5), bias_constraint='non_neg'",
    "kernel_constraint=c.UnitNorm(axis=1)",
    "kernel_constraint=c.MinMaxNorm(0.3, 0.6, 0.5), kernel_regularizer=r.L2(0.01)",
]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("call", ["SGD(0.1, clipnorm=0.5)", "Adam(0.01, use_ema=True)"])
def test_regularizers_and_constraints_give_keras_s_history(call, rules, keras):
    x, y = digits(96)
    x, y = (x[:, ::4, ::4, None] / 255).astype(np.float32), y.astype(np.int64)

    def build(library):
        names = {"r": library.regularizers, "c": library.constraints}
        given = eval(f"dict({rules})", names)
        return library.Sequential(
            [
                library.Input((7, 7, 1)),
                library.layers.Conv2D(4, 3, activation="tanh", **given),
                library.layers.Flatten(),
                library.layers.Dense(10, "softmax", **given),
            ]
        )

    model = compiled(lambda: build(pylenet), eval(f"optimizers.{call}"))
    twin = build(keras)
    twin.set_weights(model.get_weights())
    twin.compile(eval(f"keras.optimizers.{call}"), "sparse_categorical_crossentropy")
    options = {"batch_size": 16, "epochs": 2, "shuffle": False, "verbose": 0}
    options["validation_split"] = 0.2
    found, expected = model.fit(x, y, **options).history, twin.fit(x, y, **options).history
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=2e-5, err_msg=name)
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)
