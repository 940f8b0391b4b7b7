"""Reading and distorting images, in Keras's words; its place for what is in `image` here."""

from __future__ import annotations

from .. import _missing
from . import image

__all__ = ["image"]

__getattr__ = _missing.of(__name__)
