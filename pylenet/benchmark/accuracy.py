"""The time from the start of a process to 99 % test accuracy on MNIST."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from .. import _core, utils
from .._callback import Callback
from .._recipes import MODERN_RECIPES, Recipe
from .measurement import Effort
from .subjects import Arrays, mnist_on_disk

__all__ = ["GOAL", "RECIPE", "Run", "main", "runs", "time_to_accuracy"]

GOAL = 0.99
LONG = 8.0  # seconds: where a run takes longer, one must do
RECIPE = MODERN_RECIPES["fast"]


@dataclass
class Run:
    """A process that trained until the first end of an epoch with GOAL on the test images.

    seconds: the whole process: start of Python, imports, reading MNIST, training, tests. accuracy:
    on the test images at the end of each epoch. reached: whether the last of them is the goal.
    """

    seed: int
    seconds: float
    accuracy: list[float]
    reached: bool


def runs(threads: int, effort: Effort) -> list[Run]:
    """Train in fresh processes, one seed each. MNIST must be on disk.

    Raises ChildProcessError where such a process fails.
    """
    found: list[Run] = []
    for seed in range(1, effort.runs + 1):
        if found and found[0].seconds > LONG:
            break
        found.append(_in_own_process(seed, threads))
    return found


def time_to_accuracy(data: Arrays, recipe: Recipe = RECIPE, goal: float = GOAL) -> list[float]:
    """Train until the first end of an epoch at or above `goal`; each epoch's test accuracy."""
    train, test = data
    model = recipe.build()
    steps = -(-len(train[0]) // recipe.batch_size) * recipe.epochs
    optimizer = recipe.optimizer(steps, recipe.learning_rate)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    until = _Until(goal)
    model.fit(
        *train,
        recipe.batch_size,
        recipe.epochs,
        verbose=0,
        callbacks=until,
        validation_data=test,
    )
    return until.accuracy


class _Until(Callback):
    def __init__(self, goal: float) -> None:
        super().__init__()
        self._goal = goal
        self.accuracy: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.accuracy.append((logs or {})["val_accuracy"])
        if self.accuracy[-1] >= self._goal:
            self.model.stop_training = True


def _in_own_process(seed: int, threads: int) -> Run:
    # The current folder may hold the sources without the compiled part: it is not searched.
    code = (
        "import sys; sys.path = [p for p in sys.path if p] + [sys.argv[1]]; "
        "from pylenet.benchmark import accuracy; accuracy.main(int(sys.argv[2]))"
    )
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    settings = {"PYLENET_NUM_THREADS": str(threads), "PYLENET_ISA": _core.active_isa()}
    started = perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code, package, str(seed)],
        env=os.environ | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    seconds = perf_counter() - started
    if done.returncode:
        reason = (done.stderr.splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ChildProcessError(f"training to {GOAL:.0%} failed: {reason}")
    accuracy: list[float] = json.loads(done.stdout)
    return Run(seed, seconds, accuracy, accuracy[-1] >= GOAL)


def main(seed: int) -> None:
    """In the process of its own: train, and print the accuracies as JSON."""
    data: Any = mnist_on_disk()
    if data is None:
        raise FileNotFoundError("MNIST is no longer on disk")
    utils.set_random_seed(seed)
    print(json.dumps(time_to_accuracy(data)))
