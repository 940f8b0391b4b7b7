"""pylenet: train and run LeNet-class convolutional networks on the CPU, in Keras's words.

C++ kernels under a thin Python API. `import pylenet as keras` is the way in for a Keras script;
`python -m pylenet train` trains both LeNets on MNIST.
"""

from __future__ import annotations

from . import _interpreter  # noqa: F401  (first: it refuses where the compiled part would hang)

try:
    from ._core import __version__
except ImportError as error:
    from ._load_error import explained

    raise explained(error, __path__[0]) from None

from typing import TYPE_CHECKING, Any

from . import augmentation, initializers, layers, losses, metrics, models, optimizers
from ._config import show_config
from ._threads import get_num_threads, set_num_threads
from .layers import Input
from .models import Sequential

if TYPE_CHECKING:
    from . import activations, callbacks, datasets, ops, utils
    from .models import Model

__all__ = [
    "Input",
    "Model",
    "Sequential",
    "__version__",
    "activations",
    "augmentation",
    "callbacks",
    "datasets",
    "get_num_threads",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "set_num_threads",
    "show_config",
    "utils",
]

# Imported when first used: half of the time.
_LAZY = ("activations", "callbacks", "datasets", "ops", "utils")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return import_module(f".{name}", __name__)
    if name == "Model":
        return models.Model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
