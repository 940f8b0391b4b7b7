"""Have the bits of trained weights, predictions and kernels changed?

    python tests/reliability/bits.py --against tests/kernels/bits.json
    python tests/reliability/bits.py > tests/kernels/bits.json

The first compares them with those in the file; the second records them anew, where a change is
meant. The work is the same on each available instruction set, with 1 and 3 threads. It is recorded
as {family: {name: digest}}: a digest is the first 16 digits of a sha256, a family the instruction
sets that give equal bits: fma for those that round a product and a sum together (AVX2, AVX-512, on
aarch64 the baseline), baseline for the others. Each difference from the file, within a family or
between numbers of threads is a line on stderr; then the exit code is 1. Losses are numbers,
compared to 1e-6: the logarithm in them is the C library's.

Images and initial weights come from a counter-based generator, so that numpy's version changes
nothing. The training that shuffles is compared where numpy's permutation is what it was.
"""

import argparse
import hashlib
import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import pylenet
from pylenet import Sequential, _core, layers, losses, ops, optimizers
from pylenet.augmentation import RandomAffine
from pylenet.models import lenet5_1998, lenet5_classic, lenet5_modern
from pylenet.models._graph import fuses

THREADS = (1, 3)
LOSSES = 1e-6  # how far apart
SEED = 11  # of what fit draws
PERMUTATION, SHUFFLED = "numpy's permutation", "shuffled"


def random_bits(shape, stream):
    """Random integers below 2**32, a function of stream and place alone (SplitMix64)."""
    place = np.arange(math.prod(shape), dtype=np.uint64)
    z = (place + np.uint64(stream << 32)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(32)).reshape(shape)


def uniform(shape, stream):
    """float32 numbers from -1 to 1."""
    return (random_bits(shape, stream) / 2.0**31 - 1).astype(np.float32)


LABELS = (random_bits((1500,), 1) % 10).astype(np.int64)
PATTERNS = np.kron(random_bits((10, 7, 7), 2) % 2 * 160, np.ones((1, 4, 4), np.uint64))
DIGITS = (PATTERNS[LABELS] + random_bits((1500, 28, 28), 3) % 96).astype(np.uint8)
SMALL = uniform((10, 9, 8, 3), 4)[LABELS] + np.float32(0.3) * uniform((1500, 9, 8, 3), 5)
FLAT = np.ascontiguousarray(SMALL[..., 0].reshape(1500, 72))
ONE_HOT = np.eye(10)[LABELS]
SOFT = 0.9 * ONE_HOT + 0.01

CODES = ["".join("+-"[k % 2] for k in row) for row in random_bits((10, 12), 6).tolist()]
LINKS = ((0, 2), (1,), (0, 1, 2), (2,), (0, 1))
DISTORTION = {
    "rotation_factor": 0.03,
    "zoom_factor": 0.1,
    "squeeze_factor": 0.1,
    "shear_factor": 0.15,
    "translation_factor": 0.05,
}


@dataclass
class Training:
    """One fit, from weights that depend only on their shapes; `fit` holds more of its arguments."""

    name: str
    layers: Callable[[], Sequential] | list[Any]
    optimizer: Any = "sgd"
    loss: Any = "sparse_categorical_crossentropy"
    x: Any = field(default_factory=lambda: DIGITS[:203])
    y: Any = field(default_factory=lambda: LABELS[:203])
    batch_size: int = 32
    epochs: int = 2
    fit: dict[str, Any] = field(default_factory=dict)

    def digests(self):
        model = self.layers() if callable(self.layers) else Sequential(self.layers)
        model.compile(self.optimizer, self.loss, metrics=["accuracy"])
        model.build(self.x.shape[1:] if self.x.ndim != 3 else (*self.x.shape[1:], 1))
        for k, (name, w) in enumerate(model.named_weights(model.parameters).items()):
            w[...] = uniform(w.shape, 100 + k) * limit(w)
            if name.endswith("moving_variance"):
                w += 1
        pylenet.utils.set_random_seed(SEED)
        options = {"shuffle": False} | self.fit
        fitted = model.fit(self.x, self.y, self.batch_size, self.epochs, 0, **options)
        results = [*fitted.history["loss"], *model.evaluate(self.x, self.y)]
        predictions = [model.predict(self.x[-n:]) for n in (len(self.x), 5, 1)]
        return {
            f"{self.name}: weights": digest(*model.get_weights()),
            f"{self.name}: predictions": digest(*predictions),
            f"{self.name}: losses, accuracy": [float(f"{value:.8g}") for value in results],
        }


def limit(w):
    return np.float32(math.sqrt(3 / math.prod(w.shape[:-1])) if w.ndim > 1 else 0.4)


def digest(*arrays):
    """Of the arrays' shapes and values."""
    sha = hashlib.sha256()
    for a in arrays:
        sha.update(str((a.shape, a.dtype.str)).encode() + a.tobytes())
    return sha.hexdigest()[:16]


def trainings():
    """New ones: an optimizer serves one model."""
    for form, build, optimizer, loss in (
        ("classic", lenet5_classic, "sgd", "sparse_categorical_crossentropy"),
        ("modern", lenet5_modern, "adam", "sparse_categorical_crossentropy"),
        ("1998", lenet5_1998, "sdlm", "maximum_a_posteriori"),
    ):
        for batch_size in (128, 32, 5, 1):
            name = f"{form}, batch {batch_size}"
            yield Training(name, build, optimizer, loss, batch_size=batch_size)
            yield Training(
                *(f"{name}, augmentation", build, optimizer, loss),
                batch_size=batch_size,
                fit={"augmentation": RandomAffine(seed=7, rate=0.9, **DISTORTION)},
            )
        many = {"x": DIGITS, "y": LABELS, "batch_size": 1500}
        yield Training(f"{form}, batch 1500", build, optimizer, loss, **many)
        few = {"x": DIGITS[:3], "y": LABELS[:3]}
        yield Training(f"{form}, 3 images", build, optimizer, loss, **few)
    yield from of_other_inputs()
    yield from of_other_networks()


def of_other_inputs():
    for name, x, y in (
        ("float32 images with channel", np.float32(DIGITS[:203, ..., None]), LABELS[:203]),
        ("float64 images", DIGITS[:203] / 1.5, LABELS[:203].astype(np.uint8)),
        ("strided images", DIGITS[:609:3, ::-1], LABELS[:609:3]),
        ("float64 images in Fortran order", np.asfortranarray(DIGITS[:75] * 0.7), LABELS[:75]),
        ("transposed images", DIGITS[:203].transpose(0, 2, 1), LABELS[:203].astype(np.int32)),
    ):
        yield Training(name, lenet5_modern, optimizers.SGD(0.02, 0.9), x=x, y=y)
    settings = {"rotation_factor": 0.05, "fill_value": 9.0, "seed": 3}
    for name, x in (("float64", DIGITS[:203] / 1.5), ("strided", DIGITS[:406:2, :, ::-1])):
        augmentation = {"augmentation": RandomAffine(**settings)}
        yield Training(f"{name} images, augmentation", lenet5_classic, x=x, fit=augmentation)
    yield Training(SHUFFLED, lenet5_modern, "adam", fit={"shuffle": True})


def of_other_networks():
    small = {"x": SMALL[:203], "batch_size": 37, "epochs": 3}
    categorical = small | {"y": ONE_HOT[:203], "loss": "categorical_crossentropy"}
    logits = losses.SparseCategoricalCrossentropy(from_logits=True)
    conv, dense = layers.Conv2D, layers.Dense
    padded = [
        conv(4, 3, strides=(1, 2), padding="same", activation="relu"),
        layers.MaxPooling2D((3, 2), strides=(2, 1), padding="same"),
        conv(5, (2, 3), padding="same", activation="sigmoid"),
        layers.AveragePooling2D(3, 2, "same"),
        *(layers.Flatten(), dense(7, "tanh"), dense(10, "softmax")),
    ]
    yield Training("same padding and strides", padded, "adam", **small)
    connected = [
        *(layers.ZeroPadding2D(((1, 0), (2, 1))), conv(3, 3, activation="scaled_tanh")),
        conv(5, 3, connections=LINKS, use_bias=False),
        *(layers.Activation("tanh"), layers.Subsampling2D(2, activation="sigmoid")),
        *(layers.Flatten(), dense(10)),
    ]
    yield Training("connections, from logits", connected, "adamw", logits, **small)
    whole = [conv(12, (9, 8), activation="relu"), layers.Flatten(), dense(10, "softmax")]
    nesterov = optimizers.SGD(0.02, 0.9, True, weight_decay=0.01)
    yield Training("convolution as large as its image", whole, nesterov, **small)
    wide = [conv(33, 3, activation="relu"), layers.Flatten(), dense(130, "tanh"), dense(10)]
    yield Training("33 channels", wide, optimizers.SGD(0.01, 0.5), logits, **small)
    rescaled = [
        *(conv(6, 3), layers.Rescaling(0.5, 0.25), layers.Activation("relu")),
        *(layers.MaxPooling2D(2), layers.Rescaling(-2.0), layers.Flatten()),
        *(dense(20, use_bias=False), layers.Rescaling(0.5, 1.0), dense(10, "softmax")),
    ]
    yield Training("rescaling in the middle", rescaled, optimizers.AdamW(0.01), **categorical)
    schedule = optimizers.schedules.PiecewiseConstantDecay([4, 9], [0.5, 0.2, 0.1])
    squared = [conv(3, 3, activation="sigmoid"), layers.Flatten(), dense(10, "sigmoid")]
    errors = small | {"y": SOFT[:203], "loss": "mean_squared_error"}
    yield Training("mean squared error", squared, optimizers.SGD(schedule), **errors)
    probabilities = [dense(16, "softmax"), dense(10, "sigmoid")]
    flat = categorical | {"x": FLAT[:203], "y": SOFT[:203].astype(np.float32)}
    yield Training("flat input, soft targets", probabilities, "adam", **flat)
    middle = [dense(12, "scaled_tanh"), layers.RBF(CODES), dense(10), layers.Activation("softmax")]
    yield Training("rbf in the middle", middle, optimizers.SGD(0.001), **flat)
    normalized = [
        *(conv(5, 3), layers.BatchNormalization(momentum=0.9), layers.Activation("relu")),
        *(layers.MaxPooling2D(2), layers.Flatten(), dense(17, use_bias=False)),
        *(layers.BatchNormalization(scale=False, epsilon=0.01), dense(10, "softmax")),
    ]
    yield Training("batch normalization", normalized, optimizers.SGD(0.02, 0.9), **small)
    dropped = [
        *(layers.Dropout(0.2, seed=3), conv(5, 3, activation="tanh"), layers.Flatten()),
        *(layers.Dropout(0.5), dense(10, "softmax")),
    ]
    yield Training("dropout", dropped, "adam", **small)
    for batch_size in (203, 70, 5):
        many = [
            *(layers.Flatten(), dense(300, "relu"), layers.Dropout(0.3), dense(230)),
            *(layers.BatchNormalization(), layers.Activation("relu"), dense(10, "softmax")),
        ]
        yield Training(
            f"dense layers of many weights, batch {batch_size}", many, "adam", batch_size=batch_size
        )
        many = [layers.Flatten(), dense(301, "tanh"), dense(230, use_bias=False), dense(10)]
        yield Training(
            f"many weights without a barrier, batch {batch_size}",
            many,
            "sgd",
            logits,
            batch_size=batch_size,
        )
    for name, network, settings in (
        ("max pooling", [conv(4, 2), layers.MaxPooling2D(2, 1), conv(3, 3, padding="same")], small),
        ("average pooling", [conv(4, 2, 2, activation="tanh"), layers.AveragePooling2D(2)], small),
        ("as large as its image", [conv(9, (9, 8), activation="relu")], errors),
    ):
        model = [*network, layers.Flatten(), dense(10, None if settings is errors else "softmax")]
        optimizer = optimizers.SDLM(0.001, samples=100)
        yield Training(f"diagonal Hessian, {name}", model, optimizer, **settings)


KERNEL = {"kernel": (3, 2, 3, 5), "bias": (5,)}
POOL = {"pool_size": (3, 2), "strides": (2, 1), "padding": "same"}
# Function, one image's shape, the weights' shapes, options.
OPS = [
    ("conv2d", (7, 6, 3), KERNEL, {"strides": (1, 2), "padding": "same"}),
    ("conv2d", (7, 6, 3), {"kernel": (3, 2, 9), "bias": (5,)}, {"connections": LINKS}),
    ("conv2d", (28, 28, 1), {"kernel": (5, 5, 1, 6), "bias": (6,)}, {}),
    ("conv2d", (12, 12, 6), {"kernel": (5, 5, 6, 16), "bias": (16,)}, {}),
    ("conv2d", (5, 5, 16), {"kernel": (5, 5, 16, 120)}, {}),
    ("dense", (13,), {"kernel": (13, 7)}, {}),
    ("dense", (256,), {"kernel": (256, 120), "bias": (120,)}, {}),
    ("max_pool2d", (7, 6, 3), {}, POOL),
    ("max_pool2d", (24, 24, 6), {}, {}),
    ("average_pool2d", (7, 6, 3), {}, POOL),
    ("average_pool2d", (24, 24, 6), {}, {}),
    ("subsampling2d", (6, 4, 3), {"coefficient": (3,), "bias": (3,)}, {}),
    ("subsampling2d", (7, 6, 3), {"coefficient": (3,)}, {"pool_size": 3, "strides": (2, 1)}),
    ("zero_padding2d", (3, 4, 2), {}, {"padding": ((1, 2), (0, 3))}),
    ("rbf", (12,), {}, {"codes": CODES}),
    *(("activation", (11,), {}, {"name": name}) for name in ops.ACTIVATIONS),
    *(("activation", (5, 3, 2), {}, {"name": n}) for n in ops.ACTIVATIONS if n != "softmax"),
]


def of_op(function, shape, shapes, options):
    """Forward and backward, for several numbers of images."""
    weights = {name: uniform(s, 20 + k) for k, (name, s) in enumerate(shapes.items())}
    forward, backward = [], []
    for batch in (1, 6, 37, 1100):
        x = 3 * uniform((batch, *shape), 30)
        y = getattr(ops, function)(x, **weights, **options)
        known = {name: w for name, w in weights.items() if name != "bias"}
        dy = uniform(y.shape, 31)
        found = getattr(ops, f"{function}_backward")(dy, x, **known, **options)
        forward.append(y)
        backward += found if isinstance(found, tuple) else [found]
    name = f"ops.{function} {shape} " + " ".join(f"{k}={v}" for k, v in options.items())
    name = name.split(" codes")[0].strip()
    return {f"{name}: forward": digest(*forward), f"{name}: backward": digest(*backward)}


COOK_TOOM = ("classic, batch 128", "classic, batch 1", "modern, batch 32", "modern, batch 5")
COOK_TOOM += ("1998, batch 5", "modern, batch 1500")
COOK_TOOM_OPS = [
    *(op for op in OPS if op[0] == "conv2d" and op[1][0] >= 12),
    ("conv2d", (13, 13, 32), {"kernel": (3, 3, 32, 64), "bias": (64,)}, {}),
    ("conv2d", (11, 14, 6), {"kernel": (5, 5, 6, 9)}, {"padding": "same"}),
]


def bits_by_cook_toom():
    _core.set_convolution("cook_toom")
    found = {}
    for training in trainings():
        if training.name in COOK_TOOM:
            found |= training.digests()
    for op in COOK_TOOM_OPS:
        found |= of_op(*op)
    return {f"by Cook-Toom: {name}": bits for name, bits in found.items()}


def bits(isa, threads):
    """{name: digest} of all work on this instruction set, which stays the active one."""
    _core.set_isa(isa)
    _core.set_convolution("direct")
    pylenet.set_num_threads(threads)
    found = {PERMUTATION: digest(np.random.default_rng(SEED).permutation(203).astype(np.int64))}
    for training in trainings():
        found |= training.digests()
    for op in OPS:
        found |= of_op(*op)
    distort = RandomAffine(seed=5, **DISTORTION)
    images = (DIGITS[:99], DIGITS[:1], SMALL[:99], SMALL[:50, ::-1, :, 1:].astype(float))
    found["RandomAffine"] = digest(*(distort(x, epoch=2) for x in images))
    return found | bits_by_cook_toom()


def differences(found, expected):
    """A line for each name that is not equal, or is in only one of the two."""
    left_out = ()
    if found.get(PERMUTATION) != expected.get(PERMUTATION):
        left_out = (PERMUTATION, SHUFFLED)
    return [
        f"{name}: {expected.get(name, 'nothing')} expected, {found.get(name, 'nothing')} found"
        for name in sorted({*found, *expected})
        if not name.startswith(left_out) and not same(found.get(name), expected.get(name))
    ]


def same(a, b):
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return np.allclose(a, b, rtol=LOSSES, atol=LOSSES)
    return a == b


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", metavar="FILE", help="compare with what was recorded there")
    parser.add_argument("--isa", choices=_core.available_isas(), help="one instruction set alone")
    parser.add_argument("--threads", type=int, choices=THREADS, help="one number of threads alone")
    args = parser.parse_args()
    expected = json.loads(Path(args.against).read_text()) if args.against else {}
    recorded, wrong = {}, 0
    for isa in [args.isa] if args.isa else _core.available_isas():
        for threads in [args.threads] if args.threads else THREADS:
            found, family = bits(isa, threads), "fma" if fuses(isa) else "baseline"
            recorded.setdefault(family, found)
            lines = differences(found, expected.setdefault(family, found))
            for line in lines:
                print(f"{isa}, {threads} threads: {line}", file=sys.stderr)
            wrong += len(lines)
    if not args.against:
        print(json.dumps(recorded, indent=1, sort_keys=True))
    elif wrong:
        print(f"{wrong} differences")
    else:
        print("the same bits")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
