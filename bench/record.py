"""How long the modern LeNet takes to learn MNIST, and how well: means over many seeds.

    python bench/record.py
    python bench/record.py --recipe best --seeds 10

Each seed is a process of its own, one after the other, by `pylenet train --recipe`: its seconds are
those of the whole process, from its start to its end, with reading the images and testing. MNIST is
fetched first where it is not on this machine, so that no process fetches it. The accuracy is that
on the 10,000 test images after the last epoch: nothing is chosen by it.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median, stdev
from time import perf_counter
from typing import Any

from pylenet import _threads
from pylenet._recipes import MODERN_RECIPES
from pylenet.benchmark.kernels import epoch_flops
from pylenet.benchmark.machine import load, machine
from pylenet.benchmark.measurement import threads_text
from pylenet.benchmark.subjects import EPOCH


@dataclass(frozen=True)
class Result:
    """Of one seed. processor_seconds: of all threads together."""

    seed: int
    accuracy: float
    seconds: float
    processor_seconds: float


def main() -> None:
    options = parsed_arguments()
    where, epochs = machine(), options.epochs or MODERN_RECIPES[options.recipe].epochs
    print(f"{where['cpu']}, {threads_text(options.threads)}. {load(where)}")
    if options.data == "mnist":
        from pylenet.datasets import mnist

        mnist.load_data()
    found: list[Result] = []
    for seed in range(options.seed, options.seed + options.seeds):
        found.append(train(seed, options))
        last = found[-1]
        print(f"seed {seed}: {last.accuracy:.4f}, {last.seconds:.2f} s", flush=True)
    print(summary(found, options.recipe, epochs))
    if options.json:
        runs = [asdict(result) for result in found]
        kept = {"machine": where, "recipe": options.recipe, "epochs": epochs, "runs": runs}
        options.json.write_text(json.dumps(kept, indent=1) + "\n")


def parsed_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add, usual = parser.add_argument, "default %(default)s"
    add("--recipe", choices=list(MODERN_RECIPES), default="fast", help=usual)
    add("--seeds", type=positive, default=30, metavar="N", help=f"how many; {usual}")
    add("--seed", type=positive, default=1, metavar="N", help=f"the first one; {usual}")
    add("--threads", type=positive, default=_threads.counted(), metavar="N", help=usual)
    add("--epochs", type=positive, metavar="N", help="default: the recipe's")
    add("--data", default="mnist", help="as of `pylenet train`")
    add("--json", type=Path, metavar="FILE", help="write every run here")
    return parser.parse_args()


def positive(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return value


def train(seed: int, options: argparse.Namespace) -> Result:
    """Ends this process where the training's fails, whose words are on stderr."""
    command = [sys.executable, "-m", "pylenet", "train", "--recipe", options.recipe, "--quiet"]
    data = str(Path(options.data).absolute()) if Path(options.data).is_dir() else options.data
    command += ["--seed", str(seed), "--threads", str(options.threads), "--data", data]
    command += ["--epochs", str(options.epochs)] if options.epochs else []
    with tempfile.TemporaryDirectory() as folder:
        started, before = perf_counter(), of_children()
        # In that folder: in the clone's own, Python finds the sources, which are not compiled.
        code = subprocess.run([*command, "--out", folder], cwd=folder).returncode
        seconds, processor_seconds = perf_counter() - started, of_children() - before
        if code:
            raise SystemExit(f"seed {seed}: `pylenet train` ended with code {code}")
        (result,) = json.loads((Path(folder) / "results.json").read_text())
    return Result(seed, result["test_accuracy"], seconds, processor_seconds)


def of_children() -> float:
    """Seconds that all processes started from here, and ended, have had of processors."""
    used: Any = resource.getrusage(resource.RUSAGE_CHILDREN)
    return float(used.ru_utime + used.ru_stime)


def summary(found: list[Result], recipe: str, epochs: int) -> str:
    accuracies = [result.accuracy for result in found]
    seconds = [result.seconds for result in found]
    error = stdev(accuracies) / math.sqrt(len(found)) if len(found) > 1 else math.nan
    flops = epoch_flops("modern") * epochs
    processors = median(result.processor_seconds for result in found)
    return (
        f"recipe {recipe}, {epochs} epochs of {EPOCH:,} images, {len(found)} seeds\n"
        f"accuracy: mean {mean(accuracies):.4%}, standard error {error:.4%}, "
        f"from {min(accuracies):.2%} to {max(accuracies):.2%}\n"
        f"seconds of the whole process: median {median(seconds):.2f}, from {min(seconds):.2f} to "
        f"{max(seconds):.2f}; of processors {processors:.2f}\n"
        f"floating-point operations of the training: {flops:.3g}, a multiply-add being two"
    )


if __name__ == "__main__":
    main()
