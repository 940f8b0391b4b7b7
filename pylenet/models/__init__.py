"""Models: Sequential, the LeNets, and loading what was saved."""

from typing import TYPE_CHECKING, Any

from ._lenet import lenet5_classic, lenet5_modern
from ._lenet1998 import lenet5_1998
from ._sequential import Sequential

if TYPE_CHECKING:
    from ._saving import load_model

__all__ = ["Sequential", "lenet5_1998", "lenet5_classic", "lenet5_modern", "load_model"]


def __getattr__(name: str) -> Any:
    if name == "load_model":  # and with it what reads files: only where it is used
        from ._saving import load_model

        return load_model
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
