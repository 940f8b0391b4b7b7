"""Optimizers and learning rate schedules, in Keras's words."""

from __future__ import annotations

from .._configurable import serialize
from . import schedules
from ._optimizers import SDLM, SGD, Adam, AdamW, Optimizer, get

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
