"""Optimizers and learning rate schedules, in Keras's words."""

from __future__ import annotations

from .. import _configurable, _missing
from .._configurable import serialize
from . import schedules
from ._base import Optimizer
from ._optimizers import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Nadam, RMSprop
from ._sdlm import SDLM

__all__ = [
    "SDLM",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "get",
    "schedules",
    "serialize",
]

__getattr__ = _missing.of(__name__)

_NAMES: dict[str, type[Optimizer]] = {name.lower(): cls for name, cls in Optimizer.members.items()}


def get(identifier: object) -> Optimizer:
    """The optimizer for a name (any case), a config dict or an instance (returned as it is)."""
    return _configurable.get(Optimizer, identifier, _NAMES, str.lower)
