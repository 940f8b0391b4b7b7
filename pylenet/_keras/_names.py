"""The names: which of Keras's are not here and what to do instead, which are here elsewhere.

Places are below the package, as "layers.LSTM". A name that a module has is never looked up here.
What is not here is in missing.txt.
"""

from __future__ import annotations

import functools
from pathlib import Path

# pylenet itself under another name: tf.keras.layers is layers where tf is pylenet, or tf_keras.
WHOLE = ("keras", "tf_keras.keras")

# Other names of what there is, which Keras has today.
SAME = {
    "layers.MaxPool2D": "layers.MaxPooling2D",
    "layers.AvgPool2D": "layers.AveragePooling2D",
    "layers.GlobalAvgPool2D": "layers.GlobalAveragePooling2D",
    "layers.GlobalMaxPool2D": "layers.GlobalMaxPooling2D",
    "Layer": "layers.Layer",
    "Loss": "losses.Loss",
    "Metric": "metrics.Metric",
    "Optimizer": "optimizers.Optimizer",
    "Initializer": "initializers.Initializer",
    "Regularizer": "regularizers.Regularizer",
    "saving.load_model": "models.load_model",
    "saving.register_keras_serializable": "utils.register_keras_serializable",
    "config.backend": "backend.backend",
    "config.epsilon": "backend.epsilon",
    "config.floatx": "backend.floatx",
    "config.image_data_format": "backend.image_data_format",
    "config.set_epsilon": "backend.set_epsilon",
    "config.set_floatx": "backend.set_floatx",
    "config.set_image_data_format": "backend.set_image_data_format",
    "utils.clear_session": "backend.clear_session",
    "utils.array_to_img": "preprocessing.image.array_to_img",
    "utils.save_img": "preprocessing.image.save_img",
    "preprocessing.image_dataset_from_directory": "utils.image_dataset_from_directory",
}

# Names that Keras had in its versions 1 and 2, and today's.
RENAMED = {
    "layers.Convolution2D": "layers.Conv2D",
    "initializers.normal": "initializers.RandomNormal",
    "initializers.uniform": "initializers.RandomUniform",
    "initializers.one": "initializers.Ones",
    "initializers.zero": "initializers.Zeros",
    "regularizers.l1l2": "regularizers.L1L2",
    "constraints.maxnorm": "constraints.MaxNorm",
    "constraints.nonneg": "constraints.NonNeg",
    "constraints.unitnorm": "constraints.UnitNorm",
}

# Modules that Keras had in its versions 1 and 2, and where their names are today.
MOVED = {
    "engine": "layers",
    "engine.topology": "layers",
    "engine.training": "models",
    "engine.sequential": "models",
    "layers.advanced_activations": "layers",
    "layers.convolutional": "layers",
    "layers.core": "layers",
    "layers.embeddings": "layers",
    "layers.merge": "layers",
    "layers.noise": "layers",
    "layers.recurrent": "layers",
    "layers.wrappers": "layers",
    "objectives": "losses",
    "optimizers.legacy": "optimizers",
    "optimizers.optimizer_v2": "optimizers",
    "utils.data_utils": "utils",
    "utils.generic_utils": "utils",
    "utils.io_utils": "utils",
    "utils.layer_utils": "utils",
    "utils.np_utils": "utils",
    "utils.vis_utils": "utils",
    "utils.visualize_util": "utils",
    "utils.training_utils": "utils",
    "utils.image_utils": "utils",
}


@functools.cache
def _missing() -> dict[str, dict[str, str]]:
    """What missing.txt says: by place and name, what to do instead."""
    text = (Path(__file__).parent / "missing.txt").read_text(encoding="utf-8")
    found: dict[str, dict[str, str]] = {}
    place = instead = ""
    for line in text.splitlines():
        if line.startswith("["):
            place = line.strip("[]")
        elif line.startswith("    "):
            found.setdefault(place, {}).update(dict.fromkeys(line.split(), instead))
        elif not line.startswith("#"):
            instead = line.rstrip(":")
    return found


def instead_of(place: str, name: str) -> str:
    """What to do instead of a name that Keras has at this place; "" for one that it never had."""
    own = _missing().get(place) or _missing().get(_of_all(place), {})
    return own.get(name, "")


def is_module(place: str) -> bool:
    """Whether Keras has, or had, a module at this place."""
    return place in MOVED or place in _missing() or _of_all(place) in _missing()


def _of_all(place: str) -> str:
    """The section for all modules beside this one, where it is one; else no section's name."""
    above, _, name = place.rpartition(".")
    known = name.islower() and name in _missing().get(above, {})
    return f"{above}.*" if known else "no module"
