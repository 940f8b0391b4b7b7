"""Optimizers and learning rate schedules, in Keras's words."""

from . import schedules
from ._optimizers import SDLM, SGD, Adam, AdamW, Optimizer, get, serialize

__all__ = [
    "SDLM",
    "SGD",
    "Adam",
    "AdamW",
    "Optimizer",
    "get",
    "schedules",
    "serialize",
]
