"""Keras's files with bytes changed or cut off: a ValueError, a model, and no other exception.

python fuzz_keras.py --count 20000: many files to a process, whose memory is limited. The HDF5
library itself may crash on a damaged .h5 file, which nothing in Python can catch: such processes
are counted apart, and the rest of their files is not read. The zip archive of a .keras file has
checksums.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parents[1] / "data" / "keras"
BATCH = 250  # files for one process


def mutated(data, rng):
    """Some bytes changed, or a piece cut out, doubled or cut off."""
    data = bytearray(data)
    kind = rng.integers(4)
    start = int(rng.integers(len(data)))
    length = int(rng.integers(1, 64))
    if kind == 0:
        return bytes(data[:start])
    if kind == 1:
        del data[start : start + length]
    elif kind == 2:
        data[start:start] = data[start : start + length]
    else:
        for place in rng.integers(0, min(len(data), 4096) if rng.integers(2) else len(data), 8):
            data[place] = rng.integers(256)
    return bytes(data)


def read(first, count, megabytes):
    """Exit code 0 if each file is a model or a ValueError."""
    from pylenet.models import Sequential, load_model

    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20,) * 2)
    warnings.simplefilter("ignore")
    sources = [path.read_bytes() for path in sorted(FOLDER.iterdir()) if path.suffix != ".npz"]
    folder = tempfile.mkdtemp()
    path = Path(folder) / "m"
    for number in range(first, first + count):
        rng = np.random.default_rng(number)
        path.write_bytes(mutated(sources[rng.integers(len(sources))], rng))
        try:
            assert isinstance(load_model(path), Sequential)
        except ValueError:
            pass
        except BaseException as error:
            print(f"file {number}: {error!r}", flush=True)
            os._exit(1)
    path.unlink()
    os.rmdir(folder)
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", type=int, default=4096, help="MB that a process may map")
    arguments = parser.parse_args()
    failures = died = 0
    end = arguments.seed + arguments.count
    for first in range(arguments.seed, end, BATCH):
        count = min(BATCH, end - first)
        process = multiprocessing.get_context("spawn").Process(
            target=read, args=(first, count, arguments.memory)
        )
        process.start()
        process.join()
        failures += process.exitcode > 0
        died += process.exitcode < 0
        if process.exitcode:
            print(f"files {first} to {first + count - 1}: exit code {process.exitcode}", flush=True)
    print(f"{arguments.count} files, {failures} failures, {died} processes that HDF5 ended")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
