"""Small models for the tests of layers and training, learnable images, and float64 references."""

import resource
import sys
from itertools import islice

import numpy as np
import reference
from kinds import kind_of

from pylenet import layers, optimizers
from pylenet.benchmark import subjects
from pylenet.models import Sequential, lenet5_classic, lenet5_modern
from pylenet.utils import set_random_seed

LENETS = {"classic": lenet5_classic, "modern": lenet5_modern}
digits = subjects.digits


def compiled(build, optimizer="sgd", loss="sparse_categorical_crossentropy", seed=0, metrics=()):
    """build() with the weights of one seed, compiled."""
    set_random_seed(seed)
    model = build()
    model.compile(optimizer=optimizer, loss=loss, metrics=list(metrics))
    return model


def tiny():
    """Three classes from four numbers."""
    return Sequential([layers.Dense(3, "softmax", input_shape=(4,))])


def small():
    """A LeNet for images of 8 x 7 x 2."""
    return Sequential(
        [
            layers.Conv2D(3, 3, padding="same", activation="tanh", input_shape=(8, 7, 2)),
            layers.MaxPooling2D(2),
            layers.Conv2D(5, (2, 3), activation="relu"),
            layers.Flatten(),
            layers.Dense(7, "sigmoid"),
            layers.Dense(4, "softmax"),
        ]
    )


def samples(n, shape, classes, seed=0):
    """float32 samples around one random pattern for each class, and their int labels."""
    rng = np.random.default_rng(seed)
    patterns = rng.normal(size=(classes, *shape))
    labels = rng.permutation(np.arange(n) % classes)
    return (patterns[labels] + 0.3 * rng.normal(size=(n, *shape))).astype(np.float32), labels


def one_hot(labels, classes):
    return np.eye(classes)[labels]


def state(model):
    """All weights in one float32 vector."""
    return np.concatenate([w.ravel() for w in model.get_weights()])


def gradient_at(model, x, y):
    """The loss's gradient of a `small` model in float64: what one step of SGD takes off a copy."""
    copy = compiled(small, optimizers.SGD(1.0))
    copy.set_weights(model.get_weights())
    before = reference.float64(state(copy))
    copy.train_on_batch(x, y)
    return before - state(copy)


def result_or_refusal(f):
    """f(), or the text of the ValueError that it raises."""
    try:
        return f()
    except ValueError as error:
        return str(error)


def peak_memory():
    """Bytes, the most this process ever used."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def forward(model, x, weights=None):
    """The model's output in float64, from its own weights or from those given."""
    remaining = iter(model.get_weights() if weights is None else weights)
    y = reference.float64(x)
    for layer in model.layers:
        own = list(islice(remaining, len(layer.weights)))
        y = kind_of(layer).forward(layer, y, *own)
    return y


def cross_entropy(rows, probabilities):
    """Keras's, one value a sample: probabilities divided by their sum, clipped to 1e-7."""
    p = probabilities / probabilities.sum(axis=1, keepdims=True)
    return -(rows * np.log(np.clip(p, 1e-7, 1 - 1e-7))).sum(axis=1)


def cross_entropy_from_logits(rows, logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -(rows * logs).sum(axis=1)


def map_loss(rows, distances):
    every = np.column_stack([np.full(len(rows), 1.0), distances])  # j of losses.MaximumAPosteriori
    return (rows * distances).sum(axis=1) + np.log(np.exp(-every).sum(axis=1))


def squared_error(rows, outputs):
    return ((rows - outputs) ** 2).mean(axis=1)


def _strided(x):
    larger = np.zeros((2 * len(x), *x.shape[1:-1], 3 * x.shape[-1]), x.dtype)
    larger[1::2, ..., ::3] = x
    return larger[1::2, ..., ::3]


def _unaligned(x):
    return np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape)


def _frozen(x):
    x = x.copy()
    x.flags.writeable = False
    return x


# The same array to numpy, laid out in other ways.
LAYOUTS = {
    "contiguous": np.copy,
    "strided": _strided,
    "reversed": lambda x: x[::-1, ..., ::-1].copy()[::-1, ..., ::-1],
    "Fortran": np.asfortranarray,
    "unaligned": _unaligned,
    "read-only": _frozen,
}
