"""Layers, in Keras's words and with Keras's meaning and weight layouts.

A layer holds what its constructor was given. Inside a model it also has `input_shape` and
`output_shape` (without the batch) and its weights, which are views into the model's one flat
parameter buffer: writing into them changes the model. Channels come last everywhere.
Constructors raise TypeError for the wrong kind of argument, ValueError for the wrong value.
"""

from __future__ import annotations

from .. import _missing
from . import (
    _base,
    activation,
    convolution,
    dense,
    dropout,
    lecun,
    normalization,
    pooling,
    shape,
)
from ._base import *  # noqa: F403
from .activation import *  # noqa: F403
from .convolution import *  # noqa: F403
from .dense import *  # noqa: F403
from .dropout import *  # noqa: F403
from .lecun import *  # noqa: F403
from .normalization import *  # noqa: F403
from .pooling import *  # noqa: F403
from .shape import *  # noqa: F403

__all__ = _base.__all__ + activation.__all__ + convolution.__all__ + dense.__all__
__all__ += dropout.__all__ + lecun.__all__ + normalization.__all__ + pooling.__all__
__all__ += shape.__all__

__getattr__ = _missing.of(__name__)
