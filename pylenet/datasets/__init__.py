"""Data sets: MNIST and Fashion-MNIST, checked by sha256, and any folder in MNIST's layout."""

from __future__ import annotations

from . import fashion_mnist, mnist
from ._folder import load_folder

__all__ = ["fashion_mnist", "load_folder", "mnist"]
