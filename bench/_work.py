"""What is measured: a kind of work, on one form of the network, at one batch size.

A further kind (as the time from a process's start to some accuracy) is an entry in KINDS here, a
pair of actions in `_worker.py` and a comparison in `_parity.py`.
"""

from dataclasses import dataclass

KINDS = ("train", "inference")
FORMS = ("classic", "modern")
EPOCH = 60_000  # images


@dataclass(frozen=True)
class Work:
    kind: str
    form: str
    batch_size: int
    threads: int

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        return f"{self.kind}, {self.form}, batch {self.batch_size}, {threads}"

    @property
    def title(self) -> str:
        """Work and unit."""
        what = "training" if self.kind == "train" else "inference"
        return f"{what}{str(self)[len(self.kind) :]}: {self.unit}"

    @property
    def unit(self) -> str:
        if self.kind == "train":
            return f"seconds an epoch of {EPOCH:,} images"
        return "microseconds a call" if self.batch_size == 1 else "images a second"

    def in_unit(self, seconds_per_image: float) -> float:
        if self.kind == "train":
            return seconds_per_image * EPOCH
        return seconds_per_image * 1e6 if self.batch_size == 1 else 1 / seconds_per_image

    def text(self, value: float) -> str:
        """A value in this work's unit."""
        if self.kind == "train":
            return f"{value:.3f}" if value < 10 else f"{value:.1f}"
        return f"{value:.2f}" if self.batch_size == 1 else f"{value:,.0f}"


def works(
    kinds: list[str], forms: list[str], train: list[int], inference: list[int], threads: int
) -> list[Work]:
    """One image is predicted on one thread, everything else on `threads`."""
    sizes = {"train": train, "inference": inference}
    return [
        Work(kind, form, size, 1 if (kind, size) == ("inference", 1) else threads)
        for kind in kinds
        for size in sizes[kind]
        for form in forms
    ]
