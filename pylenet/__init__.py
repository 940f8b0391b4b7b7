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

import sys
from typing import TYPE_CHECKING

from . import _missing, augmentation, initializers, layers, losses, models, optimizers
from ._config import show_config
from ._convolution import get_convolution, set_convolution
from ._threads import get_num_threads, set_num_threads
from .layers import Input
from .models import Sequential

if TYPE_CHECKING:
    from . import (
        activations,
        backend,
        callbacks,
        constraints,
        datasets,
        distributed,
        metrics,
        ops,
        plots,
        preprocessing,
        quantization,
        regularizers,
        tf_keras,
        utils,
        web,
    )
    from .models import Model
    from .quantization import quantize

__all__ = [
    "Input",
    "Model",
    "Sequential",
    "__version__",
    "activations",
    "augmentation",
    "backend",
    "callbacks",
    "constraints",
    "datasets",
    "distributed",
    "get_convolution",
    "get_num_threads",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "ops",
    "optimizers",
    "plots",
    "preprocessing",
    "quantization",
    "quantize",
    "regularizers",
    "set_convolution",
    "set_num_threads",
    "show_config",
    "tf_keras",
    "utils",
    "web",
]

_LAZY = [
    "activations",
    "backend",
    "callbacks",
    "constraints",
    "datasets",
    "distributed",
    "metrics",
    "ops",
    "plots",
    "preprocessing",
    "quantization",
    "regularizers",
    "tf_keras",
    "utils",
    "web",
]

# Imported when they are first used: half of the time. scikit-learn is not needed for the rest.
_PLACES = {"Model": "models", "quantize": "quantization", "sklearn": "sklearn"}
__getattr__ = _missing.of(__name__, {**_PLACES, **{name: name for name in _LAZY}})
sys.meta_path.insert(0, _missing.FirstFinder)
sys.meta_path.append(_missing.LastFinder)  # asked for what nobody else has found


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
