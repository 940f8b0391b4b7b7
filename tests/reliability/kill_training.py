"""Kill `pylenet train` with SIGKILL at random moments and resume it: the same bits in the end.

    python tests/reliability/kill_training.py --kills 30 --seed 1
    python tests/reliability/kill_training.py --kills 30 --seeds 3

Trains both LeNets on tiny data, from one seed or several side by side, once without a kill; then,
over and over, with kills at random moments of start, training, saving, testing, each time going on
with --resume. Models and figures must be those of the first run, and nothing else may be left in
the folder.
"""

import argparse
import json
import random
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

FILES = {
    "train-images-idx3-ubyte": (600, 28, 28),
    "train-labels-idx1-ubyte": (600,),
    "t10k-images-idx3-ubyte": (50, 28, 28),
    "t10k-labels-idx1-ubyte": (50,),
}


def write_data(folder):
    rng = np.random.default_rng(0)
    folder.mkdir()
    for name, shape in FILES.items():
        head = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
        data = rng.integers(0, 10 if len(shape) == 1 else 256, shape, np.uint8)
        (folder / name).write_bytes(head + data.tobytes())


def train(home, out, *more):
    command = [sys.executable, "-m", "pylenet", "train", "--data", "data", "--epochs", "12"]
    return subprocess.Popen([*command, "--quiet", "--out", out, *more], cwd=home)


def outcome(folder):
    """Every file's bytes, the results without what a clock decides."""
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    results = json.loads(files["results.json"])
    for result in results:
        for one in [result, *result.get("runs", [])]:
            one |= {"seconds": 0, "date": ""}
    files["results.json"] = results
    return sorted(p.name for p in folder.iterdir()), files


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--seeds", type=int, help="as `pylenet train --seeds`")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    seeds = [] if options.seeds is None else ["--seeds", str(options.seeds)]
    kills = runs = resumed = wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_data(home / "data")
        started = time.perf_counter()
        assert train(home, "whole", *seeds).wait() == 0
        length = time.perf_counter() - started
        expected = outcome(home / "whole")
        while kills < options.kills:
            runs += 1
            out = f"run{runs}"
            while True:
                process = train(home, out, "--resume", *seeds)
                try:
                    code = process.wait(timeout=chance.uniform(0, length))
                except subprocess.TimeoutExpired:
                    process.kill()
                    code = process.wait()
                    kills += 1
                    resumed += any((home / out).glob(".*.backup/backup.safetensors"))
                if code == 0:
                    break
                assert code == -9, f"exit code {code}"
            if outcome(home / out) != expected:
                wrong += 1
                print(f"run {runs}: ended otherwise than the run without kills")
    print(
        f"{kills} kills in {runs} trainings, {resumed} of them with a backup to go on from: "
        f"{wrong} trainings ended with other bits"
    )
    if not resumed:
        print("no kill left a backup: this run shows nothing")
    return int(wrong > 0 or not resumed)


if __name__ == "__main__":
    sys.exit(main())
