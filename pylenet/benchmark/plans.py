"""The networks that are measured, in words that every library understands.

Nothing is imported from here: bench/ reads this file in processes that must not load pylenet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["LENETS", "NETWORKS", "PLANS", "Plan"]


@dataclass(frozen=True)
class Plan:
    """A network, for whoever builds it.

    layers: ("conv", filters, size), ("pool",) of 2 x 2, ("dense", units); a dense layer of ten with
    a softmax follows. image: the shape of one. activation, pool: those of all layers.
    """

    layers: tuple[tuple[Any, ...], ...]
    image: tuple[int, int, int] = (28, 28, 1)
    activation: str = "relu"
    pool: str = "max"

    def placed(self) -> Iterator[tuple[str, tuple[int, ...], tuple[int, ...]]]:
        """Kind, sizes and input shape of each layer, the last one among them; a dense layer's input
        may be an image, which is flattened row by row, its channels last."""
        shape: tuple[int, ...] = self.image
        for kind, *sizes in (*self.layers, ("dense", 10)):
            yield kind, tuple(sizes), shape
            if kind == "dense":
                shape = (sizes[0],)
            elif kind == "pool":
                shape = (shape[0] // 2, shape[1] // 2, shape[2])
            else:
                shape = (shape[0] - sizes[1] + 1, shape[1] - sizes[1] + 1, sizes[0])


_POOL = ("pool",)
_LENET = (("conv", 6, 5), _POOL, ("conv", 16, 5), _POOL, ("dense", 120), ("dense", 84))
# Of the examples of others, which these are, the random zeros are left out.
PLANS = {
    "classic": Plan(_LENET, activation="tanh", pool="average"),
    "modern": Plan(_LENET),
    "lenet32": Plan(_LENET, (32, 32, 3)),
    "caffe": Plan((("conv", 20, 5), _POOL, ("conv", 50, 5), _POOL, ("dense", 500))),
    "keras": Plan((("conv", 32, 3), _POOL, ("conv", 64, 3), _POOL)),
    "torch": Plan((("conv", 32, 3), ("conv", 64, 3), _POOL, ("dense", 128))),
    "mlp": Plan((("dense", 512), ("dense", 512))),
}
LENETS = ("classic", "modern")
NETWORKS = {"lenet": LENETS} | {name: (name,) for name in PLANS if name not in LENETS}
