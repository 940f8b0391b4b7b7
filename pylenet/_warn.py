"""Warnings that point at the line of the user's code."""

from __future__ import annotations

import sys
import warnings


def warn(message: str) -> None:
    """Give a UserWarning at the line outside of pylenet that led here."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back and frame.f_globals["__name__"].startswith("pylenet."):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)
