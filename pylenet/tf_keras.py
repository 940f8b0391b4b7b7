"""For scripts that say `tf.keras.`: `from pylenet import tf_keras as tf`.

`tf.keras` is pylenet, with all that is in it; `from pylenet.tf_keras.keras.layers import Dense`
`tf.keras` is pylenet, with all that is in it; `from pylenet.tf_keras.keras.layers import Dense`
works as well. Of TensorFlow itself there are `tf.random.set_seed`, dtypes, and functions of arrays
(tf.argmax, tf.reduce_mean, tf.nn.softmax, tf.math...), which are numpy's. Anything else raises an
error that says so.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np

import pylenet as keras

from . import _check, _random

__all__ = [
    "config",
    "float32",
    "float64",
    "int32",
    "int64",
    "keras",
    "newaxis",
    "random",
    "test",
    "uint8",
]

__path__: list[str] = []  # as a package has: keras may be imported from here
__version__ = keras.__version__  # pylenet's own: it is not TensorFlow

float32, float64, int32, int64, uint8 = np.float32, np.float64, np.int32, np.int64, np.uint8
newaxis = None


class _Part:
    """A module of TensorFlow of which little is here."""

    def __init__(self, name: str, **found: Any) -> None:
        self._name = name
        vars(self).update(found)

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(_sentence(f"{self._name}.{name}"))


def _set_seed(seed: int) -> None:
    _random.seed(_check.integer("seed", seed, 0))


def _no_devices(device_type: str | None = None) -> list[str]:
    return [] if device_type in ("GPU", "TPU") else ["CPU"]


random = _Part("random", set_seed=_set_seed)
test = _Part("test", is_gpu_available=lambda: False, gpu_device_name=lambda: "")
config = _Part(
    "config",
    list_physical_devices=_no_devices,
    experimental=SimpleNamespace(
        list_physical_devices=_no_devices, set_memory_growth=lambda device, enable: None
    ),
)


def __getattr__(name: str) -> Any:
    from ._keras import _tensors

    if name == "math":
        return _Part("math", **_tensors.MATH)
    if name == "nn":
        return _Part("nn", **_tensors.NN)
    if name in _tensors.TENSORFLOW:
        return _tensors.TENSORFLOW[name]
    raise AttributeError(_sentence(name))


_INSTEAD = {
    "GradientTape": "train with compile and fit, or step by step with train_on_batch",
    "function": "leave it out: fit, predict and train_on_batch are compiled already",
    "lite": 'export the model, as model.export("m.onnx")',
    "saved_model": 'save the model, as model.save("m.keras"), or export it',
    "train": 'keep the name of the file of weights, as "cp-0003.weights.h5"',
}


def _sentence(name: str) -> str:
    arrays = (
        "use numpy for arrays, and give fit arrays, generators or what tf.data makes "
        "(`import tensorflow` for it)"
    )
    instead = _INSTEAD.get(name.partition(".")[0], arrays)
    return f"tf.{name} is TensorFlow's and not in pylenet, which has tf.keras alone; {instead}"
