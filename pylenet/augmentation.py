"""Random distortion of training images, done by the training step as it reads them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _check, _core, _random, _threads
from ._configurable import Configurable

__all__ = ["RandomAffine"]

FACTORS = "[0, 1]"


class RandomAffine(Configurable, family="augmentation"):
    """Rotate, zoom, squeeze, shear and move each image a little: `fit(..., augmentation=...)`.

    Each factor f stands for a number drawn uniformly between -f and f for each image and epoch:

    - rotation_factor: full turns, as in Keras's RandomRotation; 0.14 rad is 0.14 / (2 * pi).
    - zoom_factor: by how much the image grows or shrinks, as in RandomZoom.
    - squeeze_factor: by how much it grows one way while it shrinks the other way.
    - shear_factor: columns by which a row moves against the next one.
    - translation_factor: of height and width, as in RandomTranslation; 1.4 of 28 pixels is 0.05.

    rate: the chance of an image to be distorted in an epoch; at 0.9, one in ten is left as it is.
    Values are interpolated bilinearly; outside the image they are fill_value, in the units of x.
    The numbers drawn are a function of (seed, epoch, index of the image in x), nothing else:
    neither threads nor the order and size of batches change them. Epochs count from 0 as in `fit`,
    so to train further with new distortions, give `fit` an initial_epoch. seed: an integer below
    2**64; if None, one is drawn from the package's generator and kept.

    Source of the random numbers: Philox4x32-10, Salmon et al., SC 2011.
    """

    def __init__(
        self,
        *,
        rotation_factor: float = 0.0,
        zoom_factor: float = 0.0,
        squeeze_factor: float = 0.0,
        shear_factor: float = 0.0,
        translation_factor: float = 0.0,
        rate: float = 1.0,
        fill_value: float = 0.0,
        seed: int | None = None,
    ) -> None:
        self.rotation_factor = _check.real("rotation_factor", rotation_factor, FACTORS)
        self.zoom_factor = _check.real("zoom_factor", zoom_factor, "[0, 1)")
        self.squeeze_factor = _check.real("squeeze_factor", squeeze_factor, "[0, 1)")
        self.shear_factor = _check.real("shear_factor", shear_factor, FACTORS)
        self.translation_factor = _check.real("translation_factor", translation_factor, FACTORS)
        self.rate = _check.real("rate", rate, FACTORS)
        self.fill_value = _check.real("fill_value", fill_value, "[-3.4e38, 3.4e38]")
        self.seed_is_given = seed is not None
        if seed is None:
            seed = int(_random.generator().integers(2**63))
        self.seed = _check.unsigned("seed", seed, 64)

    def __call__(self, images: NDArray[Any], *, epoch: int = 0) -> NDArray[np.float32]:
        """The images as training sees them in this epoch: float32, of the same shape.

        images: (N, height, width) or (N, height, width, channels), numbers as `fit` takes them.
        """
        a = _arrays.numbers("images", images)
        self.check_samples("images", a.shape[1:])
        if 0 in a.shape[1:]:
            raise ValueError(f"images must have at least one pixel each, got shape {a.shape}")
        network = _core.Network((*a.shape[1:], 1)[:3], [])
        y = network.distort(a, np.arange(len(a)), self.settings(epoch), _threads.asked_for())
        return y.reshape(a.shape)

    def check_samples(self, name: str, shape: tuple[int, ...]) -> None:
        """Raise ValueError unless samples of this shape can be distorted."""
        if len(shape) not in (2, 3):
            raise ValueError(
                f"{name} must hold images (height, width) or (height, width, channels) for a "
                f"RandomAffine, got samples of shape {shape}"
            )

    def settings(self, epoch: int) -> dict[str, float | int]:
        """What C++ is told. Raises ValueError where the epoch is out of range."""
        return {
            "rate": self.rate,
            "rotation": self.rotation_factor,
            "zoom": self.zoom_factor,
            "squeeze": self.squeeze_factor,
            "shear": self.shear_factor,
            "translation": self.translation_factor,
            "fill": self.fill_value,
            "seed": self.seed,
            "epoch": _check.unsigned("epoch", epoch, 32),
        }
