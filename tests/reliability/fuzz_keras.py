"""Keras's files with bytes changed or cut off: a ValueError, a model, and no other exception.

python fuzz_keras.py --count 20000: many files to a process, whose memory is limited. A process that
ends by a signal is a failure. The HDF5 library ends the process that pylenet starts for it on some
damaged .h5 files: these are refused, and counted besides. The zip archive of a .keras file has
checksums. The process for HDF5 is forked here, since starting it takes 0.2 s; --start starts it.
"""

import argparse
import importlib
import io
import multiprocessing
import os
import resource
import signal
import subprocess
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


def forked(command, *, input, timeout, **_):
    """subprocess.run of the script that reads HDF5, by a fork of this process, which has h5py."""
    from pylenet.convert import _hdf5_content

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(int(timeout) + 1)
            sys.stdin = io.TextIOWrapper(io.BytesIO(input))
            sys.stdout = io.TextIOWrapper(open(writing, "wb"))  # noqa: SIM115
            _hdf5_content.main()
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with open(reading, "rb") as file:
        content = file.read()
    _, status = os.waitpid(child, 0)
    return subprocess.CompletedProcess(command, os.waitstatus_to_exitcode(status), content)


def read(first, count, megabytes, start, counts):
    """Exit code 0 if each file is a model or a ValueError.

    counts: of files loaded, refused, and of these refused since the HDF5 library ended its process.
    """
    from pylenet.models import Sequential, load_model

    if not start:
        importlib.import_module("h5py")
        subprocess.run = forked
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
            counts[0] += 1
        except ValueError as error:
            counts[1] += 1
            counts[2] += "ended the process" in str(error)
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
    parser.add_argument("--start", action="store_true", help="as users have it")
    arguments = parser.parse_args()
    failures = 0
    context = multiprocessing.get_context("spawn")
    counts = context.Array("q", 3)
    end = arguments.seed + arguments.count
    for first in range(arguments.seed, end, BATCH):
        count = min(BATCH, end - first)
        settings = (arguments.memory, arguments.start, counts)
        process = context.Process(target=read, args=(first, count, *settings))
        process.start()
        process.join()
        failures += process.exitcode != 0
        if process.exitcode:
            print(f"files {first} to {first + count - 1}: exit code {process.exitcode}", flush=True)
    loaded, refused, ended = counts
    print(f"{loaded} loaded, {refused} refused, {ended} of them by a crash in the process for HDF5")
    print(f"{arguments.count} files, {failures} failures")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
