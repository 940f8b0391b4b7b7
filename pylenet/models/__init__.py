"""Models: Sequential, the LeNets, and loading what was saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._sequential import Sequential

if TYPE_CHECKING:
    from ._functional import Model
    from ._lenet import lenet5_classic, lenet5_modern
    from ._lenet1998 import lenet5_1998
    from ._saving import load_model

__all__ = ["Model", "Sequential", "lenet5_1998", "lenet5_classic", "lenet5_modern", "load_model"]

_LAZY = {  # imported when first used
    "Model": "_functional",
    "lenet5_1998": "_lenet1998",
    "lenet5_classic": "_lenet",
    "lenet5_modern": "_lenet",
    "load_model": "_saving",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(f".{_LAZY[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
