"""Kill processes with SIGKILL while they save: the old or the new file must load, whole.

    python tests/reliability/kill_saving.py --kills 200 --seed 1

Two models are saved in turn under one name, by one process or by two at once. After each kill the
file must be one of the two, byte for byte, and load. Exit code 1 and a line for each loss.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from pylenet.models import lenet5_classic, lenet5_modern, load_model


def save_for_ever(models, path):
    while True:
        for model in models:
            model.save(path)


def killed_savers(savers, models, path, seconds):
    """Fork that many savers, let them work so long, kill them."""
    children = []
    for _ in range(savers):
        child = os.fork()
        if child == 0:
            try:
                save_for_ever(models, path)
            finally:
                os._exit(3)
        children.append(child)
    time.sleep(seconds)
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, "a saver ended by itself"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    models = [lenet5_classic(), lenet5_modern()]
    lost = torn = 0
    seen = {0: 0, 1: 0}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        whole = []
        for model in models:
            model.save(path)
            whole.append(path.read_bytes())
        for kill in range(options.kills):
            killed_savers(1 + kill % 2, models, path, chance.uniform(0, 0.03))
            try:
                seen[whole.index(path.read_bytes())] += 1
                load_model(path)
            except (OSError, ValueError) as error:
                lost += 1
                print(f"kill {kill}: lost: {error}")
                path.write_bytes(whole[0])
            left = [p for p in path.parent.iterdir() if p != path]
            torn += len(left)
            for p in left:
                p.unlink()
    print(
        f"{options.kills} kills while saving: {lost} files lost; found {seen[0]} of the one model, "
        f"{seen[1]} of the other; {torn} torn temporary files beside them"
    )
    if not lost and not (torn and all(seen.values())):
        print("the kills did not fall into the saving: this run shows nothing")
        return 1
    return int(lost > 0)


if __name__ == "__main__":
    sys.exit(main())
