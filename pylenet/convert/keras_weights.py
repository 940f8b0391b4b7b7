"""Keras 3's files of weights, .weights.h5; what reads HDF5 files reads these too."""

from __future__ import annotations

from ..models._sequential import Sequential
from . import _hdf5, _keras_weights

__all__ = ["weights_bytes"]


def weights_bytes(model: Sequential) -> bytes:
    """The whole file, with the optimizer's state where there is one."""
    return _hdf5.written(lambda file: _keras_weights.write_tree(file, model))
