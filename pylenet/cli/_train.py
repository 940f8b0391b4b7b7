"""`pylenet train`: train LeNets, compare them, keep the models and their figures."""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _core, _files, _threads
from .._recipes import AUGMENTED_1998, COMPARED, MODERN_RECIPES, NAMED_RECIPES, RECIPES, Recipe
from ..benchmark.machine import processor
from . import _data, _options, _output, _plots, _seeds
from ._training import Planned, Training

if TYPE_CHECKING:
    from ..distributed import MPI

SIZE = (28, 28)  # of the images that the LeNets take
RESULTS = "results.json"
HEAD = ("model", "parameters", "epochs", "seconds", "test loss", "test accuracy")
HEAD_OF_SEEDS = ("model", "seed", *HEAD[2:])
SEEDS = 2**32  # each is below


def add(commands: Any) -> None:
    """The command and its options."""
    command = _options.add(
        commands,
        "train",
        train,
        "train LeNets and compare them",
        "Progress and the final table go to standard output. Each model, as NAME.safetensors, and "
        "results.json are written as soon as a model is trained and tested, and the model after "
        "every epoch too; one seed gives the same models on any number of threads.",
    )
    command.add_argument(
        "--model",
        choices=[*RECIPES, "both"],
        help="what to train (default: both, classic and modern; with --recipe modern)",
    )
    command.add_argument(
        "--recipe",
        choices=list(MODERN_RECIPES),
        help="of the modern LeNet, or of the medium or small one with --model: the shortest way to "
        "99.0 %% of the test images with the modern one, or the most accurate, on images distorted "
        "anew in each epoch (default: neither)",
    )
    command.add_argument(
        "--distort",
        action="store_true",
        help="with --model 1998: the paper's second experiment, distorted digits beside the "
        "originals, which are one image in ten",
    )
    _options.add_data_and_threads(command)
    for option, recipe_has, convert, text in (
        ("--epochs", "epochs", _options.integer(1), "passes over the training images"),
        ("--batch-size", "batch_size", _options.integer(1), "images a step"),
        ("--lr", "learning_rate", _rate, "learning rate; of a schedule, the highest"),
    ):
        recipes = {**RECIPES, **MODERN_RECIPES}
        usual = ", ".join(f"{name} {getattr(r, recipe_has)}" for name, r in recipes.items())
        command.add_argument(option, type=convert, metavar="N", help=f"{text} (default: {usual})")
    command.add_argument(
        "--seed",
        type=_options.integer(0, SEEDS),
        default=1,
        metavar="N",
        help="of initial weights and order of the images (default: 1)",
    )
    command.add_argument(
        "--seeds",
        type=_options.integer(2),
        metavar="N",
        help="train each model from N seeds, --seed and those that follow, side by side on one "
        "thread each, and tell their mean and standard deviation",
    )
    command.add_argument(
        "--mpi",
        action="store_true",
        help="under mpirun: its processes share the images of each step, or with --seeds the "
        "seeds; --threads are those of each; needs mpi4py (pylenet[mpi])",
    )
    command.add_argument(
        "--out",
        type=Path,
        default=Path("pylenet-out"),
        metavar="FOLDER",
        help="where to write, made if missing, one for each data set (default: pylenet-out)",
    )
    command.add_argument(
        "--plots",
        action="store_true",
        help="draw how the models learned, what is inside them and what they get wrong, beside "
        "them as PNG and SVG; needs matplotlib (pylenet[plots])",
    )
    command.add_argument(
        "--resume",
        action="store_true",
        help="go on where an interrupted run with the same options stopped, to the same models; "
        "where there is none, train from the beginning",
    )
    command.add_argument(
        "--quiet",
        action="store_true",
        help="print nothing on standard output; errors, warnings and a first download still tell",
    )


def train(options: argparse.Namespace) -> None:
    """Train the models asked for, each from one seed or from many; write and print what came of it.

    Each model is saved after every epoch, and the state of its training backed up until all are
    done, for --resume.
    """
    recipes = _recipes(options)
    if options.plots:
        _plots.check()
    if options.threads is not None:
        _threads.set_num_threads(options.threads)
    if not options.mpi:
        _train(recipes, options, None)
        return
    from . import _ranks

    with _ranks.joined() as world:
        if world.rank > 0:
            options.quiet, options.plots = True, False
        _train(recipes, options, world)


def _train(recipes: Mapping[str, Recipe], options: argparse.Namespace, world: MPI | None) -> None:
    leads = world is None or world.rank == 0  # else what is told and written is another's
    setting = {
        "recipe": options.recipe,
        "distort": options.distort,
        "seed": options.seed,
        "threads": _threads.counted(),
        "isa": _core.active_isa(),
        "convolution": _core.active_convolution(),
        "cpu": processor(),
        "version": _core.__version__,
    }
    if world is not None:
        setting["ranks"] = world.ranks
    planned = _planned(recipes, options)
    paths = [one.path(options.out) for one in planned]
    results_path = options.out / RESULTS
    drawn = _plots.files(options.out, recipes) if options.plots else []
    written = [*paths, results_path, *drawn]
    if leads:
        _check_writable(options.out, written)
        for path in written:
            _files.sweep(path, 0)

    def load() -> _data.Data:
        return _data.load(options.data, SIZE, options.transpose)

    data = load() if world is None else world.shared(load)
    classes = len(data.class_names)
    setting = {"data": data.name, "classes": classes, **setting}

    numbered = data.numbered(data.class_names, classes)
    trainings = [Training(one, _title(one, options), data, numbered, options) for one in planned]
    # A backup that is to be gone on with looks at the data itself.
    resumed = [training for training in trainings if options.resume and training.backup.there]
    if options.resume and not resumed and not options.quiet:
        print(f"--resume found no interrupted run in {options.out}: training from the beginning")
    others = [training.path for training in trainings if training not in resumed]
    there = {path: _data.of_model(path) for path in others}
    if not resumed:
        there[results_path] = _data.of_results(results_path)
    if leads:
        _check_same_data(options.data, data.name, there)
    if data.on_their_side:
        warnings.warn(
            f"EMNIST's images lie on their side, got --data {options.data} without --transpose",
            stacklevel=2,
        )
    if data.first_label and not options.quiet:
        last = classes - 1
        print(f"Labels {data.first_label} to {data.first_label + last} are outputs 0 to {last}.")

    try:
        if options.seeds is not None:
            rows = _train_seeds(trainings, setting, results_path, options, world)
        else:
            rows = _train_in_turn(trainings, numbered, data, setting, results_path, options, world)
    except KeyboardInterrupt:
        if any(training.backup.there for training in trainings):
            raise KeyboardInterrupt("the same command with --resume goes on from here") from None
        raise
    for training in trainings if leads else ():
        training.backup.delete()
    if not options.quiet:
        _output.print_table(rows)
        print(f"\nWritten: {', '.join([*_names(planned, options), str(results_path)])}")
        if drawn:
            names = ", ".join(path.stem for path in drawn[:: len(_plots.SUFFIXES)])
            print(f"Drawn in {options.out}, as .png and .svg: {names}")


def _train_in_turn(
    trainings: Sequence[Training],
    numbered: tuple[_data.Labelled, _data.Labelled],
    data: _data.Data,
    setting: Mapping[str, Any],
    results_path: Path,
    options: argparse.Namespace,
    world: MPI | None,
) -> list[tuple[str, ...]]:
    """One after the other, each on all threads; the rows of the final table."""
    results: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = [HEAD]
    for training in trainings:
        model, augmentation, figures = training.run(tell=not options.quiet, distribute=world)
        if not figures:
            continue  # another rank's
        if not options.quiet:
            print()
        results.append({"model": training.model, **setting, "date": _now(), **figures})
        _write(results_path, results)
        rows.append(_row(training.model, f"{model.count_params():,}", **figures))
        if options.plots:
            _plots.write_model(options.out, training.model, model, augmentation, *numbered)
    if options.plots:
        histories = {result["model"]: result["history"] for result in results}
        _plots.write_run(options.out, histories, numbered[0], data.class_names)
    return rows


def _train_seeds(
    trainings: Sequence[Training],
    setting: Mapping[str, Any],
    results_path: Path,
    options: argparse.Namespace,
    world: MPI | None,
) -> list[tuple[str, ...]]:
    """Side by side, each on a thread of its own, or rank by rank; the rows of the final table."""
    threads = _seeds.available_threads()
    ranks, leads = (1, True) if world is None else (world.ranks, world.rank == 0)
    setting = {**setting, "threads": threads}
    del setting["seed"]
    runs: dict[str, dict[int, dict[str, Any]]] = {training.model: {} for training in trainings}
    shared: dict[str, dict[str, Any]] = {}

    def results() -> list[dict[str, Any]]:
        """Of the models that have been trained from two seeds or more."""
        found = []
        for model, by_seed in runs.items():
            own = [{"seed": seed, **by_seed[seed]} for seed in sorted(by_seed)]
            if len(own) > 1:
                means = _seeds.means(own)
                found.append({"model": model, **setting, **shared[model], **means, "runs": own})
        return found

    def finished(training: Training, figures: dict[str, Any]) -> None:
        shared[training.model] = {"date": _now(), "epochs": figures.pop("epochs")}
        runs[training.model][training.seed] = figures
        if leads:
            _write(results_path, results())

    if not options.quiet:
        first, last = options.seed, options.seed + options.seeds - 1
        each = f"{ranks} ranks, each with {threads}" if ranks > 1 else str(threads)
        print(f"{' and '.join(runs)}, seeds {first} to {last}, on {each} threads", flush=True)
    if world is None:
        _seeds.train(trainings, threads, finished, quiet=options.quiet)
    else:
        if own := trainings[world.rank :: world.ranks]:
            with world.apart():
                _seeds.train(own, threads, finished, quiet=options.quiet, look=world.look)
        for other_shared, other_runs in world.gather((shared, runs)):
            shared |= other_shared
            for model, by_seed in other_runs.items():
                runs[model] |= by_seed
        if leads:
            _write(results_path, results())
    rows: list[tuple[str, ...]] = [HEAD_OF_SEEDS]
    for result in results():
        model, epochs = result["model"], result["epochs"]
        rows += [_row(model, str(run["seed"]), epochs=epochs, **run) for run in result["runs"]]
        rows.append(_row(model, "mean", **result))
        stds = (f"{result[f'test_{name}_std']:.4f}" for name in ("loss", "accuracy"))
        rows.append((model, "std", "", "", *stds))
    return rows


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _write(path: Path, results: list[dict[str, Any]]) -> None:
    _files.write_whole(path, (json.dumps(results, indent=2) + "\n").encode())


def _recipes(options: argparse.Namespace) -> dict[str, Recipe]:
    """How to train what, by the model's name. Raises ValueError where the options do not fit."""
    model, recipe = options.model, options.recipe
    if recipe is None:
        names = COMPARED if model in (None, "both") else (str(model),)
        recipes = {name: RECIPES[name] for name in names}
    else:
        model = model or "modern"
        if model not in NAMED_RECIPES:
            known = ", ".join(NAMED_RECIPES)
            raise ValueError(f"--recipe {recipe} is for --model {known}, got --model {model}")
        recipes = {model: NAMED_RECIPES[model][recipe]}
    if not options.distort:
        return recipes
    if list(recipes) != ["1998"]:
        raise ValueError(
            f"--distort is for --model 1998, got {' and '.join(recipes)}: for the modern LeNet on "
            "distorted images there is --recipe best"
        )
    return {"1998": AUGMENTED_1998}


def _planned(recipes: Mapping[str, Recipe], options: argparse.Namespace) -> list[Planned]:
    """What is to be trained, in order. Raises ValueError where the options do not fit."""
    if options.seeds is None:
        return [Planned(name, recipe, options.seed, name) for name, recipe in recipes.items()]
    if options.plots:
        raise ValueError(f"--plots is for one seed, got --seeds {options.seeds}")
    seeds = range(options.seed, options.seed + options.seeds)
    if seeds[-1] >= SEEDS:
        raise ValueError(f"--seeds must end below seed {SEEDS}, got {seeds[-1]}")
    return [
        Planned(name, recipe, seed, f"{name}-seed{seed}")
        for name, recipe in recipes.items()
        for seed in seeds
    ]


def _names(planned: Sequence[Planned], options: argparse.Namespace) -> list[str]:
    """The models' files; of many seeds the first and the last."""
    by_model: dict[str, list[Path]] = {}
    for one in planned:
        by_model.setdefault(one.model, []).append(one.path(options.out))
    return [
        f"{first} to {others[-1].name}" if others else str(first)
        for first, *others in by_model.values()
    ]


def _title(planned: Planned, options: argparse.Namespace) -> str:
    """As "modern, recipe best, seed 3"; the seed only if there are several."""
    parts = [planned.model]
    parts += [f"recipe {options.recipe}"] if options.recipe else []
    parts += ["distorted"] if options.distort else []
    parts += [f"seed {planned.seed}"] if options.seeds else []
    return ", ".join(parts)


def _row(
    name: str,
    which: str,
    *,
    epochs: int,
    seconds: float,
    test_loss: float,
    test_accuracy: float,
    **_: Any,
) -> tuple[str, ...]:
    figures = (f"{seconds:.1f}", f"{test_loss:.4f}", f"{test_accuracy:.4f}")
    return (name, which, str(epochs), *figures)


def _check_same_data(option: str, name: str, there: Mapping[Path, set[str]]) -> None:
    """Raise ValueError where a file that would be overwritten is of other data than `name`."""
    for path, names in there.items():
        if others := names - {name}:
            raise ValueError(
                f"--out must be another folder for --data {option}: {str(path)!r} is of "
                f"{' and '.join(sorted(others))}"
            )


def _check_writable(folder: Path, files: Iterable[Path]) -> None:
    """Make the folder. Raises ValueError where the files could not be put into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ValueError(
            f"--out must be a folder that can be written to, got {str(folder)!r}: "
            f"{error.strerror or error}"
        ) from error
    for file in files:
        if file.is_dir():
            raise ValueError(f"--out must not hold a folder in a file's place, got {str(file)!r}")


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number > 0, got {text!r}")
    return value
