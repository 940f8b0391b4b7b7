"""The commands and their options."""

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from .. import _core, _threads
from .._recipes import MODERN_RECIPES, RECIPES
from . import _bench, _inspect, _train

DATA = "mnist (default), fashion_mnist, or a folder with four files named and laid out as MNIST's"
MODEL_FILE = "a model file, as pylenet-out/modern.safetensors"
EPILOG = (
    "Exit code: 0 on success, 2 after an error (one line on stderr), 130 when interrupted. "
    "`pylenet COMMAND --help` tells a command's options."
)


class _Parser(argparse.ArgumentParser):
    """Tells wrong usage in one line, and knows options by their whole names only."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"pylenet: error: {message} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    """The parser; what it returns has `run`, the command's function of the options."""
    top = _Parser(
        prog="pylenet",
        description="Train and run LeNets on MNIST, on the CPU.",
        epilog=EPILOG,
    )
    top.add_argument("--version", action="version", version=f"pylenet {_core.__version__}")
    top.set_defaults(run=lambda _: _no_command(top))
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    _add_train(commands)

    evaluate = _add(commands, "evaluate", _inspect.evaluate, "test a saved model")
    evaluate.add_argument("model", metavar="MODEL", help=MODEL_FILE)
    _add_data_and_threads(evaluate)

    summary = _add(commands, "summary", _inspect.summary, "print a model's layers")
    summary.add_argument(
        "model", metavar="MODEL", help=f"{MODEL_FILE}, or one of {', '.join(_inspect.MODELS)}"
    )

    _add_bench(commands)
    _add(commands, "info", _inspect.info, "print what this build is and where its data are")
    return top


def _add_train(commands: Any) -> None:
    train = _add(
        commands,
        "train",
        _train.train,
        "train LeNets and compare them",
        "Progress and the final table go to standard output. Each model, as NAME.safetensors, and "
        "results.json are written as soon as a model is trained and tested, and the model after "
        "every epoch too; one seed gives the same models on any number of threads.",
    )
    train.add_argument(
        "--model",
        choices=[*RECIPES, "both"],
        help="what to train (default: both, classic and modern; with --recipe modern)",
    )
    train.add_argument(
        "--recipe",
        choices=list(MODERN_RECIPES),
        help="of the modern LeNet: the shortest way to 99.0 %% of the test images, or the most "
        "accurate, on images distorted anew in each epoch (default: neither)",
    )
    train.add_argument(
        "--distort",
        action="store_true",
        help="with --model 1998: the paper's second experiment, distorted digits beside the "
        "originals, which are one image in ten",
    )
    _add_data_and_threads(train)
    for option, recipe_has, convert, text in (
        ("--epochs", "epochs", _integer(1), "passes over the training images"),
        ("--batch-size", "batch_size", _integer(1), "images a step"),
        ("--lr", "learning_rate", _rate, "learning rate; of a schedule, the highest"),
    ):
        recipes = {**RECIPES, **MODERN_RECIPES}
        usual = ", ".join(f"{name} {getattr(r, recipe_has)}" for name, r in recipes.items())
        train.add_argument(option, type=convert, metavar="N", help=f"{text} (default: {usual})")
    train.add_argument(
        "--seed",
        type=_integer(0, 2**32),
        default=1,
        metavar="N",
        help="of initial weights and order of the images (default: 1)",
    )
    train.add_argument(
        "--out",
        type=Path,
        default=Path("pylenet-out"),
        metavar="FOLDER",
        help="where to write, made if missing (default: pylenet-out)",
    )
    train.add_argument(
        "--resume",
        action="store_true",
        help="go on where an interrupted run with the same options stopped, to the same models",
    )
    train.add_argument(
        "--quiet",
        action="store_true",
        help="print nothing on standard output; errors, warnings and a first download still tell",
    )


def _add_bench(commands: Any) -> None:
    bench = _add(
        commands,
        "bench",
        _bench.bench,
        "measure how fast both LeNets are on this machine",
        "First their results are checked; if one is wrong, nothing is timed. Takes about a minute. "
        "Uses MNIST where it is on this machine, and never fetches it.",
    )
    _add_threads(bench)
    bench.add_argument(
        "--quick", action="store_true", help="a few seconds: all tables, from less work"
    )
    bench.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write machine, settings and every single time here when done",
    )


def _add(
    commands: Any, name: str, run: Callable[[argparse.Namespace], None], text: str, more: str = ""
) -> argparse.ArgumentParser:
    description = f"{text[0].upper()}{text[1:]}. {more}"
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=description)
    command.set_defaults(run=run)
    return command


def _add_data_and_threads(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", default="mnist", metavar="DATA", help=DATA)
    _add_threads(command)


def _add_threads(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--threads",
        type=_integer(1, _threads.MOST + 1),
        metavar="N",
        help="threads to run on (default: PYLENET_NUM_THREADS, OMP_NUM_THREADS, or all processors)",
    )


def _integer(at_least: int, below: int | None = None) -> Callable[[str], int]:
    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = at_least - 1
        if value < at_least or (below is not None and value >= below):
            limit = "" if below is None else f" and below {below}"
            raise argparse.ArgumentTypeError(
                f"must be a whole number >= {at_least}{limit}, got {text!r}"
            )
        return value

    return convert


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number > 0, got {text!r}")
    return value


def _no_command(top: argparse.ArgumentParser) -> NoReturn:
    top.print_help(sys.stderr)
    sys.exit(2)
