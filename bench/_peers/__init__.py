"""The libraries that are measured, each behind the small interface in `base.py`.

Nothing is imported here: a process loads the one library it measures.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from .base import Peer


@dataclass(frozen=True)
class Library:
    """What the command must know of a library without importing it.

    packages: what must be there; the import of the first one is timed. install: what pip is given.
    """

    name: str
    label: str
    adapter: str
    packages: tuple[str, ...]
    install: str
    by_default: bool = True

    def missing(self) -> list[str]:
        """Those of its packages that this Python does not have."""
        return [name for name in self.packages if importlib.util.find_spec(name) is None]

    def load(self) -> type[Peer]:
        """The library's adapter; importing it imports the library."""
        module, name = self.adapter.split(":")
        return cast("type[Peer]", getattr(importlib.import_module(f"_peers.{module}"), name))


PYLENET = Library("pylenet", "pylenet", "pylenet_:Pylenet", ("pylenet",), ".")
TORCH = Library("torch", "PyTorch", "torch_:Torch", ("torch",), "torch")
COMPILED = Library(
    name="torch-compile",
    label="PyTorch, compiled",
    adapter="torch_:TorchCompile",
    packages=("torch",),
    install="torch",
    by_default=False,
)
ONNXRUNTIME = Library(
    name="onnxruntime",
    label="ONNX Runtime",
    adapter="onnxruntime_:OnnxRuntime",
    packages=("onnxruntime", "onnx"),
    install="onnxruntime onnx",
)
KERAS = Library(
    name="keras",
    label="Keras (TensorFlow)",
    adapter="keras_:Keras",
    packages=("keras", "tensorflow"),
    install="keras tensorflow",
)
JAX = Library("jax", "JAX", "jax_:Jax", ("jax",), "jax")

PEERS = {peer.name: peer for peer in (TORCH, COMPILED, ONNXRUNTIME, KERAS, JAX)}
LIBRARIES = {PYLENET.name: PYLENET} | PEERS
