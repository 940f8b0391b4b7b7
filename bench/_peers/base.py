"""What an adapter gives: ways to train and to predict, from pixels and weights as pylenet has them.

Pixels are uint8 (N, 28, 28), labels uint8 (N,), weights a list in Keras's order and layouts. An
adapter turns them into what its library likes best (scaled, its own order of channels) in
`prepare`, which is not timed. Where a library can do the work in several ways, the adapter names
them all, and the quickest is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

Pixels = NDArray[Any]
Labels = NDArray[Any]
Weights = list[NDArray[Any]]

LEARNING_RATE = 0.01


class Trainer(Protocol):
    """A LeNet that learns by plain SGD with LEARNING_RATE from cross-entropy."""

    def set_weights(self, weights: Weights) -> None: ...

    def weights(self) -> Weights: ...

    def prepare(self, x: Pixels, y: Labels) -> Any:
        """Whole batches, ready for `train`."""

    def train(self, data: Any) -> float:
        """One step a batch, in order; returns the mean of the batches' losses when all is done."""


class Predictor(Protocol):
    """A LeNet with fixed weights."""

    def prepare(self, x: Pixels) -> Any:
        """One batch, ready for `predict`."""

    def predict(self, data: Any) -> Any:
        """Probabilities (N, 10), computed when the call returns, in memory numpy can read."""


class Peer(Protocol):
    """A library, told how many threads to use."""

    train_ways: Sequence[str]
    predict_ways: Sequence[str]

    def __init__(self, threads: int) -> None: ...

    def versions(self) -> dict[str, str]:
        """Versions of its packages by name."""

    def trainer(self, way: str, form: str, batch_size: int) -> Trainer: ...

    def predictor(self, way: str, form: str, batch_size: int, weights: Weights) -> Predictor: ...
