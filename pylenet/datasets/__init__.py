"""Data sets: MNIST and Fashion-MNIST, checked by sha256; folders in MNIST's layout; CSV files."""

from __future__ import annotations

from .. import _missing
from . import fashion_mnist, mnist
from ._csv import load_csv
from ._folder import load_folder

__all__ = ["fashion_mnist", "load_csv", "load_folder", "mnist"]

__getattr__ = _missing.of(__name__)
