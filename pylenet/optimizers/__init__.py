"""Optimizers and learning rate schedules, in Keras's words."""

from . import schedules
from ._optimizers import SGD, Adam, AdamW, Optimizer, get, serialize

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "get", "schedules", "serialize"]
