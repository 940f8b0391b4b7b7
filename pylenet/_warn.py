"""Warnings that point at the line of the user's code."""

from __future__ import annotations

import sys
import warnings
from types import FrameType


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Give a warning at the line outside of pylenet that led here, perhaps by an import."""
    level, frame = 1, sys._getframe(0)
    while frame.f_back and (_is_import(frame) or _is_ours(frame)):
        level += not _is_import(frame)  # `warnings` does not count those
        frame = frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_ours(frame: FrameType) -> bool:
    name: str = frame.f_globals.get("__name__", "")
    return name.startswith(("pylenet.", "importlib"))


def _is_import(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return "importlib" in file and "_bootstrap" in file
