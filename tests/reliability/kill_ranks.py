"""Kill a random rank of `mpirun pylenet train --mpi` at random moments: all end, and none hangs.

    python tests/reliability/kill_ranks.py --kills 50 --ranks 3 --seed 1

Trains the modern LeNet on tiny data, kills one rank (SIGKILL) between its start and its end, and
goes on with --resume on another number of ranks. After a kill mpirun must end with an error, and
every rank with it, within --seconds; in the end the model has the bits of one process. Run it with
nothing else that needs the processors: a run that is merely slow counts as a hang.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from datasets_tiny import write_data

import ranks

MODEL = "modern.safetensors"
TRAIN = ["-m", "pylenet", "train", "--data", "data", "--model", "modern", "--epochs", "60"]


def end(process, numbers, seconds):
    """mpirun's exit code; None where it, or one of its ranks, has not ended in time."""
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    last = time.monotonic() + seconds
    while any(ranks.runs(number) for number in numbers):
        if time.monotonic() > last:
            return None
        time.sleep(0.02)
    return process.returncode


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--ranks", type=int, default=3, help="and one fewer, in turn")
    parser.add_argument("--seed", type=int, default=1, help="of ranks and moments")
    parser.add_argument("--seconds", type=float, default=60, help="that all may take to end")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    kills = trainings = hangs = wrong = unnoticed = 0
    by_rank = [0] * options.ranks
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_data(home / "data")
        subprocess.run([sys.executable, *TRAIN, "--quiet", "--out", "one"], cwd=home, check=True)
        expected = (home / "one" / MODEL).read_bytes()
        started = time.monotonic()
        assert ranks.run(options.ranks, [*TRAIN, "--mpi", "--out", "whole"], home).returncode == 0
        length = time.monotonic() - started
        count = options.ranks
        while kills < options.kills and not hangs:
            trainings += 1
            out = home / f"run{trainings}"
            code = 1
            while code != 0 and not hangs:
                process = ranks.start(
                    count, [*TRAIN, "--quiet", "--mpi", "--resume", "--out", out.name], home
                )
                time.sleep(chance.uniform(0.2, length))
                numbers = ranks.numbers(process) if process.poll() is None else []
                killed = None
                if len(numbers) == count and kills < options.kills:
                    killed = chance.randrange(count)
                    os.kill(numbers[killed], 9)
                    kills += 1
                    by_rank[killed] += 1
                code = end(process, numbers, options.seconds)
                if code is None:
                    hangs += 1
                    for number in [process.pid, *numbers]:
                        if ranks.runs(number):
                            os.kill(number, 9)
                elif code == 0 and killed is not None:
                    unnoticed += 1  # it had done its work
                count = options.ranks + options.ranks - 1 - count
            if not hangs and (out / MODEL).read_bytes() != expected:
                wrong += 1
    print(
        f"{kills} kills (by rank {by_rank}) in {trainings} trainings: {hangs} hangs, {wrong} "
        f"trainings ended with other bits, {unnoticed} kills came when the work was done"
    )
    return int(hangs > 0 or wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
