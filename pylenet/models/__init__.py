"""Models: Sequential, the LeNets, and loading what was saved."""

from ._lenet import lenet5_classic, lenet5_modern
from ._saving import load_model
from ._sequential import Sequential

__all__ = ["Sequential", "lenet5_classic", "lenet5_modern", "load_model"]
