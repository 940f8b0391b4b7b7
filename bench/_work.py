"""What is measured: a kind of work, on one form of the network, at one batch size.

A further kind is an entry in KINDS here, ways to do it in `_peers/`, and actions in `_worker.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pylenet._recipes import MODERN_RECIPES
from pylenet.benchmark.measurement import threads_text
from pylenet.benchmark.subjects import EPOCH

KINDS = {
    "train": "training",
    "inference": "inference",
    "1998": "training as in 1998",
    "to-99": "to 99 % of MNIST",
}


@dataclass(frozen=True)
class Work:
    """form: classic or modern; "1998" for that kind; "fast", as its recipe, for to-99."""

    kind: str
    form: str
    batch_size: int
    threads: int

    def __str__(self) -> str:
        threads = threads_text(self.threads)
        return f"{KINDS[self.kind]}, {self.form}, batch {self.batch_size:,}, {threads}"

    @property
    def check(self) -> str:
        """The worker's action that shows what is computed."""
        return "inference" if self.kind == "inference" else "train"

    @property
    def timing(self) -> str:
        """The worker's action that is timed."""
        return "to_99" if self.kind == "to-99" else self.check

    @property
    def unit(self) -> str:
        if self.check == "train":
            return "seconds" if self.kind == "to-99" else f"seconds an epoch of {EPOCH:,} images"
        return "microseconds a call" if self.batch_size == 1 else "images a second"

    def in_unit(self, seconds_per_image: float) -> float:
        if self.check == "train":
            return seconds_per_image * EPOCH
        return seconds_per_image * 1e6 if self.batch_size == 1 else 1 / seconds_per_image

    def text(self, value: float) -> str:
        """A value in this work's unit."""
        if self.check == "train":
            return f"{value:.3f}" if value < 10 else f"{value:.1f}"
        return f"{value:.2f}" if self.batch_size == 1 else f"{value:,.0f}"


def works(
    kinds: Sequence[str],
    forms: Sequence[str],
    train: Sequence[int],
    inference: Sequence[int],
    threads: int,
) -> list[Work]:
    """Each work once. One image is predicted, and LeNet-5 of 1998 trained, on one thread."""
    sizes = {"train": train, "inference": inference}
    single = {
        "1998": Work("1998", "1998", 1, 1),
        "to-99": Work("to-99", "fast", MODERN_RECIPES["fast"].batch_size, threads),
    }
    found = []
    for kind in kinds:
        if kind in single:
            found.append(single[kind])
            continue
        for size in sizes[kind]:
            count = 1 if (kind, size) == ("inference", 1) else threads
            found += [Work(kind, form, size, count) for form in forms]
    return list(dict.fromkeys(found))
