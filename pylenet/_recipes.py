"""How the command line trains each LeNet: one entry a recipe."""

from collections.abc import Callable
from dataclasses import dataclass

from .models import Sequential, lenet5_classic, lenet5_modern
from .optimizers import SGD, Optimizer
from .optimizers.schedules import OneCycle


@dataclass(frozen=True)
class Recipe:
    """A model and the settings it learns well with.

    build: makes the model, not compiled. optimizer: makes one for (total steps, learning rate),
    the rate being the highest of a schedule. learning_rate, epochs, batch_size: what is used
    unless the user says otherwise.
    """

    build: Callable[[], Sequential]
    optimizer: Callable[[int, float], Optimizer]
    learning_rate: float
    epochs: int
    batch_size: int


def _plain(steps: int, rate: float) -> Optimizer:
    return SGD(rate)


def _one_cycle(steps: int, rate: float) -> Optimizer:
    schedule = OneCycle(rate, steps, warmup_fraction=0.2)
    return SGD(schedule, momentum=0.9, nesterov=True, weight_decay=0.005)


RECIPES = {
    "classic": Recipe(lenet5_classic, _plain, learning_rate=0.01, epochs=20, batch_size=128),
    "modern": Recipe(lenet5_modern, _one_cycle, learning_rate=0.05, epochs=10, batch_size=64),
}
