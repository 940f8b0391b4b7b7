"""Models: Sequential, the LeNets, and loading what was saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import _missing
from ._sequential import Sequential

if TYPE_CHECKING:
    from ._functional import Model
    from ._lenet import lenet5_classic, lenet5_medium, lenet5_modern, lenet5_small
    from ._lenet1998 import lenet5_1998
    from ._saving import clone_model, load_model, model_from_json, save_model

__all__ = [
    "Model",
    "Sequential",
    "clone_model",
    "lenet5_1998",
    "lenet5_classic",
    "lenet5_medium",
    "lenet5_modern",
    "lenet5_small",
    "load_model",
    "model_from_json",
    "save_model",
]

_LAZY = {  # imported when first used
    "Model": "_functional",
    "clone_model": "_saving",
    "lenet5_1998": "_lenet1998",
    "lenet5_classic": "_lenet",
    "lenet5_medium": "_lenet",
    "lenet5_modern": "_lenet",
    "lenet5_small": "_lenet",
    "load_model": "_saving",
    "model_from_json": "_saving",
    "save_model": "_saving",
}


__getattr__ = _missing.of(__name__, _LAZY)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
