"""Trainings of which several ranks must have the bits of one process: hashes by name."""

import copy
import hashlib

import numpy as np

import pylenet
from pylenet import augmentation, callbacks, layers, models, optimizers


def data():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (300, 28, 28), dtype=np.uint8)
    return x, rng.integers(0, 10, 300).astype(np.uint8)


def normalized():
    return pylenet.Sequential(
        [
            layers.Conv2D(4, 5, activation="relu", input_shape=(28, 28, 1)),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(10, "softmax"),
        ]
    )


def frozen():
    """Nothing that a gradient is needed for."""
    model = models.lenet5_classic()
    model.trainable = False
    return model


CASES = {
    "classic, momentum": (models.lenet5_classic, optimizers.SGD(0.1, momentum=0.9), 128),
    "modern, Adam": (models.lenet5_modern, optimizers.Adam(), 37),
    "modern, single images": (models.lenet5_modern, optimizers.Adam(global_clipnorm=0.5), 5),
    "batch normalisation": (normalized, optimizers.Adam(use_ema=True), 50),
    "frozen": (frozen, optimizers.SGD(0.1), 40),
    "larger than a slab": (models.lenet5_modern, optimizers.SGD(0.1), 1100),
}


def hashes(world=None):
    """world: a distributed.MPI. Only rank 0 has the seed: the others take what it has drawn."""
    x, y = data() if world is None else world.shared(data)
    found = {}
    for name, (build, optimizer, batch_size) in CASES.items():
        pylenet.utils.set_random_seed(1 if world is None else world.rank + 1)
        model = build()
        model.compile(copy.deepcopy(optimizer), "sparse_categorical_crossentropy", ["accuracy"])
        large = batch_size > len(x)
        train = slice(None) if large else slice(200)
        images, labels = (np.concatenate([a] * 4) if large else a for a in (x, y))
        history = model.fit(
            images[train],
            labels[train],
            batch_size,
            epochs=2,
            validation_data=(x[200:], y[200:]),
            augmentation=augmentation.RandomAffine(),
            callbacks=[callbacks.EarlyStopping(patience=5)],
            distribute=world,
        )
        values = [sorted(history.history.items()), model.evaluate(x, y, distribute=world)]
        digest = hashlib.sha256(model.parameters.tobytes())
        digest.update(repr(values).encode())
        digest.update(model.predict(x, distribute=world).tobytes())
        found[name] = digest.hexdigest()[:16]
    return found
