"""Epochs of training, and calls of predict, as a user makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from time import perf_counter

from .. import _threads
from .measurement import Effort, Measurement, rounds
from .subjects import EPOCH, LENETS, PLANS, Images, in_shape, model_of

__all__ = ["THREADS_BATCH", "calls", "epochs_by_batch", "epochs_by_threads", "thread_counts"]

TRAIN_BATCHES = (1, 32, 128, 1024)
THREADS_BATCH = 128
PREDICT_BATCHES = (1, 16, 128, 10_000)
PART = 1024  # images: a timed part of an epoch is a multiple, so whole batches of every size
WARM_UP = 2 * PART
MOST_CALLS = 1000  # of predict in a round
WARM_UP_CALLS = 3
DIFFERENT = 64  # batches that predict is given in turn


def epochs_by_batch(
    images: Images, threads: int, flops: Mapping[str, float], effort: Effort
) -> list[Measurement]:
    """fit for one epoch: each form at each batch size. flops: of an epoch, by form."""
    wanted = [(form, batch, threads) for form in flops for batch in TRAIN_BATCHES]
    return _epochs(wanted, images, flops, effort)


def epochs_by_threads(
    images: Images, threads: int, flops: Mapping[str, float], effort: Effort
) -> list[Measurement]:
    """Each form at batch 128 on 1 .. threads threads."""
    wanted = [(form, THREADS_BATCH, n) for form in flops for n in thread_counts(threads)]
    return _epochs(wanted, images, flops, effort)


def thread_counts(most: int) -> list[int]:
    """1, 2, 3, 4, then doubling, and `most`."""
    doubling = [2**k for k in range(3, most.bit_length())]
    return sorted({n for n in (1, 2, 3, 4, *doubling) if n < most} | {most})


def calls(
    images: Images, threads: int, effort: Effort, forms: Sequence[str] = LENETS
) -> list[Measurement]:
    """predict_on_batch of each form at each batch size."""
    found = [Measurement(form, batch, threads) for form in forms for batch in PREDICT_BATCHES]
    with _threads.on_threads(threads):
        for _ in rounds(effort):
            for entry in found:
                seconds = _time_calls(entry, images, effort)
                entry.calls += seconds
                entry.values.append(median(seconds))
    return found


def _epochs(
    wanted: list[tuple[str, int, int]], images: Images, flops: Mapping[str, float], effort: Effort
) -> list[Measurement]:
    found = [Measurement(*entry, flops=flops[entry[0]]) for entry in wanted]
    for entry in found:
        entry.images_timed = _part(_seconds(entry, images, WARM_UP), effort)
    for _ in rounds(effort):
        for entry in found:
            seconds = _seconds(entry, images, entry.images_timed)
            entry.values.append(seconds * (EPOCH / entry.images_timed))
    return found


def _part(warm_up_seconds: float, effort: Effort) -> int:
    """How many images to time, of an epoch that would take as much longer as it is larger."""
    possible = int(effort.epoch_seconds / max(warm_up_seconds, 1e-9) * WARM_UP)
    return EPOCH if possible >= EPOCH else max(PART, possible // PART * PART)


def _seconds(entry: Measurement, images: Images, count: int) -> float:
    """fit on `count` images, from the same weights each time, once all it needs is there."""
    x, y = in_shape(images[0][:count], PLANS[entry.form].image), images[1]
    model = model_of(entry.form)
    with _threads.on_threads(entry.threads):
        model.fit(x[:PART], y[:PART], entry.batch_size, verbose=0)
        started = perf_counter()
        model.fit(x, y[:count], entry.batch_size, verbose=0)
        return perf_counter() - started


def _time_calls(entry: Measurement, images: Images, effort: Effort) -> list[float]:
    x, batch = images[0], entry.batch_size
    count = min(DIFFERENT, len(x) // batch)
    shaped = in_shape(x[: count * batch], PLANS[entry.form].image)
    batches = [shaped[i * batch : (i + 1) * batch] for i in range(count)]
    predict = model_of(entry.form).predict_on_batch
    for _ in range(WARM_UP_CALLS):
        predict(batches[0])
    seconds: list[float] = []
    end = perf_counter() + effort.call_seconds
    while len(seconds) < MOST_CALLS:
        given = batches[len(seconds) % len(batches)]
        started = perf_counter()
        predict(given)
        finished = perf_counter()
        seconds.append(round(finished - started, 9))
        if finished > end:
            break
    return seconds
