"""Batches that a model is fed one after the other: of a generator, a PyDataset, a data loader."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from .. import _check, _random
from ._inputs import Labelled

MOST = 3  # members of a batch: x, y, sample_weight


def are_batches(x: object) -> bool:
    """Whether x gives batches, and is no array of samples itself.

    A list is taken for one of batches where its first item is a tuple or a list of arrays.
    """
    if is_array(x) or isinstance(x, (str, bytes, dict)):
        return False
    if isinstance(x, (list, tuple)):
        first = x[0] if x else None
        return isinstance(first, (list, tuple)) and bool(first) and is_array(first[0])
    return isinstance(x, Iterable) or _is_indexed(x)


def is_array(x: object) -> bool:
    """Whether numpy makes an array of x: of an array, a tensor or a data frame."""
    return isinstance(x, np.ndarray) or hasattr(x, "__array__") or hasattr(x, "to_numpy")


class Batches:
    """What gives batches, epoch by epoch: tuples (x,), (x, y) or (x, y, sample_weight).

    source: an object with `__len__` and `__getitem__`, as utils.PyDataset; or any iterable. An
    iterator is gone through once, all others are begun anew when they have come to their end.
    steps: batches of an epoch; None for one pass. Then `steps` is known where `source` has a
    length, and after the first epoch. shuffle: whether an object with `__getitem__` gives its
    batches in an order drawn for each pass. restart: whether each epoch begins anew, else it goes
    on where the one before it has ended.
    """

    def __init__(
        self,
        name: str,
        source: Any,
        steps: int | None,
        *,
        steps_name: str,
        shuffle: bool = False,
        restart: bool = False,
    ) -> None:
        self.name, self._source, self._steps_name = name, source, steps_name
        self._shuffle = shuffle and not isinstance(source, (list, tuple))
        self._indexed = _is_indexed(source)
        self._once = not self._indexed and iter(source) is source
        self._restart = restart and not self._once
        self._stated = None if steps is None else _check.integer(steps_name, steps, 1)
        self._stream: Iterator[Any] = iter(())
        self.steps = self._stated
        if steps is None and not self._once:
            self.steps = _length(source)
        self.ran_out = False  # in the last epoch

    def epoch(self) -> Iterator[tuple[Any, ...]]:
        """The batches of the next epoch; `ran_out` says afterwards whether they were too few."""
        if self._restart:
            self._stream = iter(())
        _call(self._source, "on_epoch_begin")
        count, self.ran_out = 0, False
        while self._stated is None or count < self._stated:
            batch = next(self._stream, _END)
            if batch is _END:
                if count and (self._stated is None or self._once):
                    break
                self._stream = self._pass()
                batch = next(self._stream, _END)
            if batch is _END:
                break
            yield self._unpacked(batch)
            count += 1
        self.ran_out = count == 0 or (self._stated is not None and count < self._stated)
        self.steps = self._stated or count
        _call(self._source, "on_epoch_end")

    def first(self) -> tuple[Any, ...]:
        """The first batch, which comes again. Raises ValueError where there is none."""
        source: Any = self._source
        if self._once:
            batch = next(source, _END)
            self._source = itertools.chain([batch], source)
        elif self._indexed:
            batch = source[0] if len(source) else _END
        else:
            batch = next(iter(source), _END)
        if batch is _END:
            raise ValueError(f"{self.name} must give one batch or more, got none")
        return self._unpacked(batch)

    def what_ran_out(self) -> str:
        """A sentence for an epoch that had too few batches."""
        return (
            f"{self.name} ran out of batches: an iterator gives them once; give fewer epochs or "
            f"{self._steps_name}, or an object that can be gone through again, as a "
            "utils.PyDataset, a list or a data loader"
        )

    def _pass(self) -> Iterator[Any]:
        if not self._indexed:
            yield from self._source
            return
        size = len(self._source)
        order = _random.generator().permutation(size) if self._shuffle else range(size)
        for index in order:
            yield self._source[int(index)]

    def _unpacked(self, batch: Any) -> tuple[Any, ...]:
        if is_array(batch):
            return (batch,)
        if not isinstance(batch, (tuple, list)):
            raise TypeError(
                f"{self.name} must give batches (x, y), tuples of arrays, "
                f"got {type(batch).__name__}"
            )
        if not 1 <= len(batch) <= MOST:
            raise ValueError(
                f"{self.name} must give batches (x, y) or (x, y, sample_weight), got a tuple of "
                f"{len(batch)}"
            )
        return tuple(batch)


class Slices:
    """Samples, targets and weights as batches, in an order drawn for each pass where `shuffle`."""

    def __init__(self, data: Labelled, batch_size: int, shuffle: bool) -> None:
        self._data, self._batch_size, self._shuffle = data, batch_size, shuffle

    def __len__(self) -> int:
        return -(-len(self._data.x) // self._batch_size)

    def __iter__(self) -> Iterator[Any]:
        x, y, weights, _ = self._data
        samples = len(x)
        order = _random.generator().permutation(samples) if self._shuffle else np.arange(samples)
        for start in range(0, samples, self._batch_size):
            part = order[start : start + self._batch_size]
            yield x[part], y[part], None if weights is None else weights[part]


_END = object()  # a batch cannot be this


def _is_indexed(x: object) -> bool:
    return hasattr(x, "__getitem__") and hasattr(x, "__len__")


def _length(x: Any) -> int | None:
    try:
        return len(x)
    except TypeError:  # a data set that does not know
        return None


def _call(source: object, hook: str) -> None:
    getattr(source, hook, _nothing)()


def _nothing() -> None:
    pass
