"""Epochs of training, and calls of predict, as a user makes them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter

from .effort import Effort, rounds
from .kernels import beside_peak
from .subjects import EPOCH, FORMS, Images, model_of, on_threads

TRAIN_BATCHES = (1, 32, 128, 1024)
THREADS_BATCH = 128
PREDICT_BATCHES = (1, 16, 128, 10_000)
PART = 1024  # images: a timed part of an epoch is a multiple, so whole batches of every size
WARM_UP = 2 * PART
MOST_CALLS = 1000  # of predict in a round
WARM_UP_CALLS = 3
DIFFERENT = 64  # batches that predict is given in turn


@dataclass
class Epoch:
    """fit for one epoch: seconds of each round for `images` images, and the peaks beside them.

    peaks: flops of multiply-adds a second on as many threads, the higher of before and after.
    """

    form: str
    batch_size: int
    threads: int
    images: int = EPOCH
    seconds: list[float] = field(default_factory=list)
    peaks: list[float] = field(default_factory=list)

    @property
    def epoch_seconds(self) -> list[float]:
        """Scaled to 60,000 images."""
        return [seconds * (EPOCH / self.images) for seconds in self.seconds]


@dataclass
class Calls:
    """predict_on_batch: seconds of each call."""

    form: str
    batch_size: int
    threads: int
    seconds: list[float] = field(default_factory=list)


def epochs_by_batch(images: Images, threads: int, effort: Effort) -> list[Epoch]:
    """Both LeNets at each batch size."""
    wanted = [Epoch(form, batch, threads) for form in FORMS for batch in TRAIN_BATCHES]
    return _time_epochs(wanted, images, effort)


def epochs_by_threads(images: Images, threads: int, effort: Effort) -> list[Epoch]:
    """Both LeNets at batch 128 on 1 .. threads threads."""
    counts = thread_counts(threads)
    wanted = [Epoch(form, THREADS_BATCH, count) for form in FORMS for count in counts]
    return _time_epochs(wanted, images, effort)


def thread_counts(most: int) -> list[int]:
    """1, 2, 3, 4, then doubling, and `most`."""
    doubling = [2**k for k in range(3, most.bit_length())]
    return sorted({n for n in (1, 2, 3, 4, *doubling) if n < most} | {most})


def calls(images: Images, threads: int, effort: Effort) -> list[Calls]:
    """Predictions of both LeNets at each batch size."""
    found = [Calls(form, batch, threads) for form in FORMS for batch in PREDICT_BATCHES]
    with on_threads(threads):
        for _ in rounds(effort):
            for entry in found:
                entry.seconds += _time_calls(entry, images, effort)
    return found


def _time_epochs(found: Sequence[Epoch], images: Images, effort: Effort) -> list[Epoch]:
    for entry in found:
        entry.images = _part(_seconds(entry, images, WARM_UP), effort)
    for _ in rounds(effort):
        for entry in found:
            with beside_peak(entry.peaks, entry.threads, effort):
                entry.seconds.append(_seconds(entry, images, entry.images))
    return list(found)


def _part(warm_up_seconds: float, effort: Effort) -> int:
    """How many images to time, of an epoch that would take as much longer as it is larger."""
    possible = int(effort.epoch_seconds / max(warm_up_seconds, 1e-9) * WARM_UP)
    return EPOCH if possible >= EPOCH else max(PART, possible // PART * PART)


def _seconds(entry: Epoch, images: Images, count: int) -> float:
    """fit on `count` images, from the same weights each time, once all it needs is there."""
    x, y = images
    model = model_of(entry.form)
    with on_threads(entry.threads):
        model.fit(x[:PART], y[:PART], entry.batch_size, verbose=0)
        started = perf_counter()
        model.fit(x[:count], y[:count], entry.batch_size, verbose=0)
        return perf_counter() - started


def _time_calls(entry: Calls, images: Images, effort: Effort) -> list[float]:
    x, batch = images[0], entry.batch_size
    batches = [x[i * batch : (i + 1) * batch] for i in range(min(DIFFERENT, len(x) // batch))]
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
