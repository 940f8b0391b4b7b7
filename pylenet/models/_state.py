"""Where a training stands: to be kept, compared with another, and put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _check, _random
from .._configurable import serialize
from ..augmentation import RandomAffine
from ..optimizers import Optimizer

if TYPE_CHECKING:
    from ..distributed import MPI

Json = dict[str, Any]


class TrainingState:
    """All that changes while `fit` trains a model, from the first step to the last.

    parameters: the model's, live. epoch: the one that comes next; a callback may change it when
    training begins. samples: how many an epoch has. seed: of what layers draw. log_names: what an
    epoch's logs will have, None where callbacks may add to that. distribute: who computes each step
    together, None for this process alone. The rest is as `fit` was told.
    """

    def __init__(
        self,
        parameters: NDArray[np.float32],
        optimizer: Optimizer,
        *,
        epoch: int,
        samples: int,
        batch_size: int,
        shuffle: bool,
        augmentation: RandomAffine | None,
        seed: int,
        log_names: Sequence[str] | None = None,
        distribute: MPI | None = None,
    ) -> None:
        self.parameters, self.optimizer, self.augmentation = parameters, optimizer, augmentation
        self.epoch, self.samples, self.batch_size = epoch, samples, batch_size
        self.shuffle, self.seed, self.log_names = shuffle, seed, log_names
        self.distribute = distribute

    def identity(self) -> Json:
        """What must be the same where this is put back: all settings that are not state."""
        optimizer, augmentation = serialize(self.optimizer), None
        if self._rate() is not None:
            rate = optimizer["config"].pop("learning_rate")  # callbacks may have changed it
            if isinstance(rate, dict):  # of which they changed this alone
                del rate["config"]["initial_learning_rate"]
                optimizer["config"]["learning_rate"] = rate
        if self.augmentation is not None:
            augmentation = self.augmentation.get_config()
            if not self.augmentation.seed_is_given:
                del augmentation["seed"]  # drawn
        return {
            "optimizer": optimizer,
            "batch_size": self.batch_size,
            "samples": self.samples,
            "shuffle": self.shuffle,
            "augmentation": augmentation,
        }

    def values(self) -> Json:
        """What is no array, as JSON values."""
        return {
            "epochs": self.epoch,
            "iterations": self.optimizer.iterations,
            "learning_rate": self._rate(),
            "random": _random.generator().bit_generator.state,
            "augmentation_seed": None if self.augmentation is None else self.augmentation.seed,
            "seed": self.seed,
        }

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """The flat buffers by name, live: the parameters and the optimizer's slots."""
        slots = zip(self.optimizer.slot_names, self.optimizer.slots, strict=True)
        return {"parameters": self.parameters} | {f"slot.{name}": a for name, a in slots}

    def restore(self, values: Json, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Put `values` and `arrays` of another moment in their places.

        Raises ValueError, TypeError or LookupError, and changes nothing, where they do not fit.
        """
        own = self.arrays()
        expected = {name: (a.shape, a.dtype) for name, a in own.items()}
        if (found := {name: (a.shape, a.dtype) for name, a in arrays.items()}) != expected:
            raise ValueError(f"it must hold {expected}, got {found}")
        _check.integer("epochs", values["epochs"], 1)
        _check.unsigned("iterations", values["iterations"], 63)
        rate, seed = values["learning_rate"], values["augmentation_seed"]
        if self._rate() is not None:
            _check.real32("learning_rate", rate, "[0, inf)")
        if self.augmentation is not None:
            _check.unsigned("augmentation_seed", seed, 64)
        _check.unsigned("seed", values["seed"], 32)
        generator = np.random.default_rng()
        generator.bit_generator.state = values["random"]
        self.put({**values, "random": generator.bit_generator.state}, arrays)

    def put(self, values: Json, arrays: Mapping[str, NDArray[Any]]) -> None:
        """The same, of what is known to fit. arrays: may be some of them."""
        if self._rate() is not None:
            self.optimizer.learning_rate = values["learning_rate"]
        self.optimizer.iterations = values["iterations"]
        own = self.arrays()
        for name, array in arrays.items():
            own[name][...] = array
        _random.generator().bit_generator.state = values["random"]
        if self.augmentation is not None:
            self.augmentation.seed = values["augmentation_seed"]
        self.epoch, self.seed = values["epochs"], values["seed"]

    def _rate(self) -> float | None:
        """The learning rate where it is a number, or what falls by `decay` from there."""
        try:
            return self.optimizer.base_rate
        except TypeError:  # a schedule
            return None
