"""From nothing to 99 % on MNIST: `pylenet train --recipe fast`, and PyTorch training by its recipe.

    pip install torch && python bench/to_99.py [--rounds 5] [--threads 2]

pylenet's time is that of the whole process: start, reading MNIST from disk, training, testing,
writing the model. PyTorch's is that of training alone: its start and the scaling of the images are
given to it. Both have the recipe's network, optimizer, learning rate of each step, batch size and
number of epochs, and shuffle each epoch; initial weights are the first of pylenet's seed. They take
turns, each in a process of its own. Prints medians, the test accuracies, and the median of the
rounds' ratios.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from _session import available, environment, processors

Found = tuple[float, float]  # seconds, test accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    cores = len(available())
    parser.add_argument("--rounds", type=int, default=5, choices=range(1, 101), metavar="N")
    parser.add_argument(
        "--threads", type=int, default=cores, choices=range(1, cores + 1), metavar="N"
    )
    parser.add_argument("--seed", type=int, help=argparse.SUPPRESS)  # be PyTorch's process
    args = parser.parse_args()
    if args.seed is not None:
        print(json.dumps(torch_training(args.seed, args.threads)))
        return
    if not importlib.util.find_spec("torch"):
        parser.error("PyTorch is not installed: pip install torch")
    if hasattr(os, "sched_setaffinity"):  # what is started inherits it
        os.sched_setaffinity(0, processors(args.threads))
    rounds = [
        (pylenet_process(seed, args.threads), torch_process(seed, args.threads))
        for seed in range(1, args.rounds + 1)
    ]
    for name, column in zip(("pylenet", "PyTorch"), zip(*rounds, strict=True), strict=True):
        seconds, accuracies = zip(*column, strict=True)
        print(
            f"{name}  median {statistics.median(seconds):6.2f} s "
            f"(from {min(seconds):.2f} to {max(seconds):.2f}); test accuracy, mean "
            f"{statistics.mean(accuracies):.4f}: {', '.join(f'{a:.4f}' for a in accuracies)}"
        )
    ratio = statistics.median(theirs[0] / ours[0] for ours, theirs in rounds)
    print(f"PyTorch's training / pylenet's whole process, median of {len(rounds)}: {ratio:.2f}")


def run(command: list[str], threads: int) -> str:
    """What the command prints, run away from the sources."""
    env = os.environ | environment(threads)
    away = tempfile.gettempdir()
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, cwd=away, env=env, text=True
    ).stdout


def pylenet_process(seed: int, threads: int) -> Found:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pylenet", "train", "--recipe", "fast", "--quiet"]
        command += ["--seed", str(seed), "--threads", str(threads), "--out", folder]
        started = perf_counter()
        run(command, threads)
        seconds = perf_counter() - started
        (result,) = json.loads((Path(folder) / "results.json").read_text())
    return seconds, result["test_accuracy"]


def torch_process(seed: int, threads: int) -> Found:
    command = [sys.executable, __file__, "--seed", str(seed), "--threads", str(threads)]
    seconds, accuracy = json.loads(run(command, threads))
    return seconds, accuracy


def torch_training(seed: int, threads: int) -> Found:
    import torch
    from torch.nn.functional import cross_entropy

    import pylenet
    from _peers.torch_ import images, lenet, set_weights
    from pylenet._recipes import MODERN_RECIPES

    torch.set_num_threads(threads)
    (x, y), (x_test, y_test) = pylenet.datasets.mnist.load_data()
    recipe = MODERN_RECIPES["fast"]
    pylenet.utils.set_random_seed(seed)
    network: Any = lenet("modern")
    set_weights(network, recipe.build().get_weights())
    steps = -(-len(x) // recipe.batch_size) * recipe.epochs
    rates = iter(recipe.optimizer(steps, recipe.learning_rate).learning_rates(steps))
    optimizer = torch.optim.Adam(network.parameters(), eps=1e-7, fused=True)

    torch.manual_seed(seed)
    pixels, labels = images(x), torch.from_numpy(y).long()
    started = perf_counter()
    for _ in range(recipe.epochs):
        for batch in torch.randperm(len(x)).split(recipe.batch_size):
            optimizer.param_groups[0]["lr"] = float(next(rates))
            optimizer.zero_grad()
            cross_entropy(network(pixels[batch]), labels[batch]).backward()
            optimizer.step()
    seconds = perf_counter() - started
    with torch.inference_mode():
        right = network(images(x_test)).argmax(1) == torch.from_numpy(y_test).long()
    return seconds, float(right.float().mean())


if __name__ == "__main__":
    main()
