"""Two builds of pylenet take turns at the same work: has a change made it slower?

    python bench/builds.py OLD/bin/python NEW/bin/python [--rounds 10] [--work "batch 128"]

Each Python is that of an environment with a build installed. A round starts a process for each and
goes through the works; in every other round the new build comes first. A turn repeats its work for
`--seconds` and counts the quickest time. Printed are the medians of the rounds, old divided by new
(above 1 the new build is quicker), the same of the quickest times, and the rounds' least and
greatest ratio. PYLENET_ISA and PYLENET_NUM_THREADS hold as ever. On a busy machine, take one thread
and `--processor-time`.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

FORMS = ("classic", "modern")
WORKS = [
    *(f"{form}, epoch at batch {size}" for form in FORMS for size in (128, 32, 1)),
    *(f"{form}, predict {count}" for form in FORMS for count in (1, 128, 10_000)),
    "import",
]
DIGEST = "digest"
WORKER = "--worker"  # SECONDS IMAGES CLOCK: be the process of a build
CLOCKS = {"perf_counter": perf_counter, "process_time": process_time}
TIME_OF_IMPORT = """
import numpy, time
started = time.{clock}()
import pylenet
print(time.{clock}() - started)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("old", help="the Python with yesterday's build")
    parser.add_argument("new", help="the Python with today's build")
    parser.add_argument("--rounds", type=int, default=10, metavar="N")
    parser.add_argument("--seconds", type=float, default=0.3, metavar="S", help="of a turn")
    parser.add_argument("--images", type=int, default=5000, metavar="N", help="of an epoch")
    parser.add_argument("--work", default="", help="only works with this in their name")
    parser.add_argument("--processor-time", action="store_true", help="not wall-clock time")
    args = parser.parse_args()
    works = [work for work in WORKS if args.work in work]
    if not works or args.rounds < 1:
        parser.error(f"nothing to time in {args.rounds} rounds; works are {'; '.join(WORKS)}")
    clock = "process_time" if args.processor_time else "perf_counter"
    settings = (str(args.seconds), str(args.images), clock)
    times: dict[str, list[list[float]]] = {work: [] for work in works}
    for i in range(args.rounds):
        order = slice(None, None, -1 if i % 2 else 1)
        builds = [started(python, settings) for python in (args.old, args.new)]
        if i == 0:
            same = len({ask(build, DIGEST) for build in builds}) == 1
            print(f"weights after short trainings are {'equal' if same else 'NOT EQUAL'}")
        for work in works:
            times[work].append([float(ask(build, work)) for build in builds[order]][order])
        for build in builds:
            build.communicate()
    print(f"{'':<27} {'old, ms':>9} {'new, ms':>9} {'old / new':>9} {'quickest':>9}  of rounds")
    for work, rounds in times.items():
        old, new = zip(*rounds, strict=True)
        before, after = statistics.median(old), statistics.median(new)
        ratios = [a / b for a, b in rounds]
        print(
            f"{work:<27} {before * 1e3:9.4g} {after * 1e3:9.4g} {before / after:9.3f} "
            f"{min(old) / min(new):9.3f}  {min(ratios):.3f} to {max(ratios):.3f}"
        )


def started(python: str, settings: tuple[str, ...]) -> subprocess.Popen[str]:
    """The process of a build, away from the sources."""
    command = [python, __file__, WORKER, *settings]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, bufsize=1, cwd="/")


def ask(build: subprocess.Popen[str], request: str) -> str:
    """The answer to DIGEST or to the name of a work. Ends the run where the process has ended."""
    assert build.stdin
    assert build.stdout
    print(request, file=build.stdin, flush=True)
    return build.stdout.readline() or sys.exit("a build's process ended early")


def answer(request: str, seconds: float, images: int, clock: str) -> str | float:
    """In the process of a build: the digest, or the quickest time of a work in seconds."""
    if request == DIGEST:
        return digest()
    if request == "import":
        command = [sys.executable, "-c", TIME_OF_IMPORT.format(clock=clock)]
        return min(float(subprocess.check_output(command)) for _ in range(5))
    call, now, times = prepared(request, images), CLOCKS[clock], list[float]()
    call()
    while not times or sum(times) < seconds:
        start = now()
        call()
        times.append(now() - start)
    return min(times)


def prepared(work: str, images: int) -> Callable[[], object]:
    """The work as a function without arguments, the same at each call."""
    form, kind, *_, number = work.replace(",", "").split()
    model, x, y = model_and_images(form, images if kind == "epoch" else int(number))
    if kind == "predict":
        return lambda: model.predict(x)
    weights = model.get_weights()

    def epoch() -> None:
        model.set_weights(weights)
        model.fit(x, y, int(number), verbose=0)

    return epoch


def digest() -> str:
    """Of the weights after short trainings, and of predictions."""
    sha = hashlib.sha256()
    for form in FORMS:
        model, x, y = model_and_images(form, 300)
        for batch_size in (128, 32, 1):
            model.fit(x, y, batch_size, verbose=0)
        for array in (*model.get_weights(), model.predict(x)):
            sha.update(array.tobytes())
    return sha.hexdigest()


def model_and_images(form: str, count: int) -> tuple[Any, Any, Any]:
    """A compiled LeNet, and images that it can learn: a pattern for each class, under noise."""
    import numpy as np

    import pylenet

    pylenet.utils.set_random_seed(1)
    model = getattr(pylenet.models, f"lenet5_{form}")()
    model.compile("sgd", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 10, count)
    x = rng.integers(0, 128, (10, 28, 28))[y] + rng.integers(0, 128, (count, 28, 28))
    return model, x.astype(np.uint8), y


if __name__ == "__main__":
    if sys.argv[1:2] == [WORKER]:
        seconds, images, clock = sys.argv[2:]
        for line in sys.stdin:
            print(answer(line.strip(), float(seconds), int(images), clock), flush=True)
    else:
        main()
