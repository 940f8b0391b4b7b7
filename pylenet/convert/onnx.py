"""ONNX files: a Sequential written as one, and chains of layers read.

docs/interop.md tells what is read and written.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..models import Sequential

__all__ = ["check_model", "model_bytes", "read_model"]

LARGEST = 2**31 - 1  # bytes that a protobuf may have


def read_model(path: Path, compile: bool = True) -> Sequential:
    """The model of an ONNX file; images go in, and come out, with channels last.

    compile: such a file does not tell how it was trained, so the model is not compiled.

    Raises ValueError, which names operator and node, for anything but a chain of layers.
    """
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    from . import _onnx_reader

    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"it must have at most {LARGEST} bytes")
        proto = ModelProto.FromString(path.read_bytes())
        with np.errstate(all="ignore"):  # weights that are not finite are read as they are
            return _onnx_reader.model_of(proto, path.parent)
    except (DecodeError, ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{str(path)!r} is an ONNX model that cannot be loaded: {error}") from None


def model_bytes(model: Sequential) -> bytes:
    """The model as an ONNX file, for any number of samples, fed as `predict` is, in float32.

    Raises ValueError, which names the layer, where ONNX has no way to say what it does.
    """
    proto: Any = _proto(model)
    written: bytes = proto.SerializeToString(deterministic=True)
    return written


def check_model(model: Sequential) -> None:
    """Raises ValueError where `model_bytes` would."""
    _proto(model)


def _proto(model: Sequential) -> Any:
    from . import _onnx_writer

    return _onnx_writer.proto_of(model)
