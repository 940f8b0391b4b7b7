"""Training on ranks of one machine beside threads of one process: step times, and what is sent.

    python bench/ranks.py --batch-size 128 1024

Alternates two ranks on one thread each with one process on two threads, which train an epoch of
random images, as many as MNIST has, and prints the ratio of the medians: the efficiency of the
exchange. docs/distributed.md has figures.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pylenet
from pylenet import models, optimizers

IMAGES = 60_000  # of a measurement
Bytes = NDArray[np.uint8]
MODELS = {"classic": models.lenet5_classic, "modern": models.lenet5_modern}


def images() -> tuple[Bytes, Bytes]:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (IMAGES, 28, 28), dtype=np.uint8)
    return x, rng.integers(0, 10, IMAGES, dtype=np.uint8)


def measure(name: str, batch_size: int, repeats: int, world: Any) -> dict[str, float]:
    """Milliseconds a step, median and least of so many measurements; bytes exchanged in each."""
    x, y = images() if world is None else world.shared(images)
    model = MODELS[name]()
    model.compile(optimizers.SGD(0.01, momentum=0.9), "sparse_categorical_crossentropy")
    times = []
    for _ in range(repeats + 1):
        started = perf_counter()
        model.fit(x, y, batch_size, verbose=0, distribute=world)
        times.append((perf_counter() - started) / -(-len(x) // batch_size) * 1e3)
    found = {"median": statistics.median(times[1:]), "least": min(times[1:])}
    if world is not None:
        found |= {"bytes": world.bytes_exchanged / world.exchanges}  # of records
    return found


def run(ranks: int, name: str, batch_size: int, repeats: int) -> dict[str, float]:
    """measure() in a process of its own, or in ranks."""
    command = [sys.executable, __file__, "--inside", name, str(batch_size), str(repeats)]
    threads = "1" if ranks > 1 else "2"
    if ranks > 1:
        command = [str(Path(sys.executable).with_name("mpirun")), "-n", str(ranks), *command]
    settings = os.environ | {"PYLENET_NUM_THREADS": threads, "RANKS": str(ranks)}
    done = subprocess.run(command, env=settings, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, nargs="+", default=[128, 1024])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5, help="measurements in a round")
    parser.add_argument("--inside", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        name, batch_size, repeats = options.inside
        world = pylenet.distributed.MPI() if os.environ["RANKS"] != "1" else None
        found = measure(name, int(batch_size), int(repeats), world)
        if world is None or world.rank == 0:
            print(json.dumps(found))
        return
    for name in MODELS:
        for batch_size in options.batch_size:
            one, two = [], []
            for _ in range(options.rounds):
                one.append(run(1, name, batch_size, options.repeats))
                two.append(run(2, name, batch_size, options.repeats))
            parts = [f"{name:8} batch {batch_size:5}"]
            for kind in ("median", "least"):
                single, ranks = (statistics.median(r[kind] for r in runs) for runs in (one, two))
                parts.append(
                    f"{kind}: 1 x 2 threads {single:.3f} ms, 2 x 1 {ranks:.3f} ms, "
                    f"efficiency {single / ranks:.2f}"
                )
            parts.append(f"{two[0]['bytes']:,.0f} bytes of records a step")
            print("; ".join(parts), flush=True)


if __name__ == "__main__":
    main()
