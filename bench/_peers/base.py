"""What an adapter gives: ways to train and to predict, from pixels and weights as pylenet has them.

Pixels are uint8 (N, 28, 28), labels uint8 (N,), weights a list in Keras's order and layouts. An
adapter turns them into what its library likes best (scaled, its own order of channels) in
`prepare`, which is not timed. Where a library can do the work in several ways, the adapter names
them all, and the quickest is measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

from numpy.typing import NDArray

Pixels = NDArray[Any]
Labels = NDArray[Any]
Weights = list[NDArray[Any]]
Ways = Mapping[str, Sequence[str]]  # by kind of work; a kind that is not there cannot be done

LEARNING_RATE, RATE_1998 = 0.01, 1e-4


class Trainer(Protocol):
    """A LeNet that learns by plain SGD with LEARNING_RATE from cross-entropy.

    The forms "1998" and "fast" learn as pylenet's recipes of these names do; LeNet-5 of 1998 at the
    rate RATE_1998, with the Hessian of the images that `prepare` is given.
    """

    def set_weights(self, weights: Weights) -> None:
        """The optimizer begins anew."""

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

    ways: ClassVar[Ways]

    def __init__(self, threads: int) -> None: ...

    def versions(self) -> dict[str, str]:
        """Versions of its packages by name."""

    def trainer(self, way: str, form: str, batch_size: int) -> Trainer: ...

    def predictor(self, way: str, form: str, batch_size: int, weights: Weights) -> Predictor: ...

    def train_to_99(self, seed: int) -> tuple[float, float]:
        """Seconds, and test accuracy, of MNIST by the recipe "fast"; of those with that way."""
