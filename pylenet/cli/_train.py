"""`pylenet train`: train LeNets, compare them, keep the models and their figures."""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import warnings
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import _core, _files, _threads, utils
from .._recipes import AUGMENTED_1998, COMPARED, MODERN_RECIPES, RECIPES, Recipe
from ..augmentation import RandomAffine
from ..benchmark.machine import processor
from ..callbacks import ModelCheckpoint
from ..models import Sequential
from . import _data, _options, _output, _plots
from ._backup import Backup

SIZE = (28, 28)  # of the images that the LeNets take
RESULTS = "results.json"
HEAD = ("model", "parameters", "epochs", "seconds", "test loss", "test accuracy")


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
        help="of the modern LeNet: the shortest way to 99.0 %% of the test images, or the most "
        "accurate, on images distorted anew in each epoch (default: neither)",
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
        type=_options.integer(0, 2**32),
        default=1,
        metavar="N",
        help="of initial weights and order of the images (default: 1)",
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
        help="go on where an interrupted run with the same options stopped, to the same models",
    )
    command.add_argument(
        "--quiet",
        action="store_true",
        help="print nothing on standard output; errors, warnings and a first download still tell",
    )


def train(options: argparse.Namespace) -> None:
    """Train the models asked for, each from the same seed; write and print what came of it.

    Each model is saved after every epoch, and the state of its training backed up until all are
    done, for --resume.
    """
    recipes = _recipes(options)
    if options.plots:
        _plots.check()
    if options.threads is not None:
        _threads.set_num_threads(options.threads)
    setting = {
        "recipe": options.recipe,
        "distort": options.distort,
        "seed": options.seed,
        "threads": _threads.counted(),
        "isa": _core.active_isa(),
        "cpu": processor(),
        "version": _core.__version__,
    }
    paths = {name: options.out / f"{name}.safetensors" for name in recipes}
    results_path = options.out / RESULTS
    drawn = _plots.files(options.out, recipes) if options.plots else []
    written = [*paths.values(), results_path, *drawn]
    _check_writable(options.out, written)
    for path in written:
        _files.sweep(path, 0)
    data = _data.load(options.data, SIZE, options.transpose)
    classes = len(data.class_names)
    setting = {"data": data.name, "classes": classes, **setting}

    backups = _backups(recipes, data, options)
    # A backup that is to be gone on with looks at the data itself.
    resumed = {name for name, backup in backups.items() if options.resume and backup.there}
    there = {paths[name]: _data.of_model(paths[name]) for name in recipes if name not in resumed}
    if not resumed:
        there[results_path] = _data.of_results(results_path)
    _check_same_data(options.data, data.name, there)
    if data.on_their_side:
        warnings.warn(
            f"EMNIST's images lie on their side, got --data {options.data} without --transpose",
            stacklevel=2,
        )
    if data.first_label and not options.quiet:
        last = classes - 1
        print(f"Labels {data.first_label} to {data.first_label + last} are outputs 0 to {last}.")

    numbered = data.numbered(data.class_names, classes)
    results: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = [HEAD]
    for name, recipe in recipes.items():
        title = name if options.recipe is None else f"{name}, recipe {options.recipe}"
        title += ", distorted" if options.distort else ""
        augmentation, model, figures = _train_one(
            *(title, recipe, numbered, data, options, paths[name], backups[name])
        )
        date = datetime.now(timezone.utc).isoformat(timespec="seconds")
        results.append({"model": name, **setting, "date": date, **figures})
        model.save(paths[name])
        text = json.dumps(results, indent=2) + "\n"
        _files.write_whole(results_path, text.encode())
        rows.append(_row(name, model.count_params(), **figures))
        if options.plots:
            _plots.write_model(options.out, name, model, augmentation, *numbered)
    if options.plots:
        histories = {result["model"]: result["history"] for result in results}
        _plots.write_run(options.out, histories, numbered[0], data.class_names)
    for backup in backups.values():
        backup.delete()
    if not options.quiet:
        _output.print_table(rows)
        print(f"\nWritten: {', '.join(map(str, [*paths.values(), results_path]))}")
        if drawn:
            names = ", ".join(path.stem for path in drawn[:: len(_plots.SUFFIXES)])
            print(f"Drawn in {options.out}, as .png and .svg: {names}")


def _recipes(options: argparse.Namespace) -> dict[str, Recipe]:
    """How to train what, by the model's name. Raises ValueError where the options do not fit."""
    model, recipe = options.model, options.recipe
    if recipe is None:
        names = COMPARED if model in (None, "both") else (str(model),)
        recipes = {name: RECIPES[name] for name in names}
    elif model in (None, "modern"):
        recipes = {"modern": MODERN_RECIPES[recipe]}
    else:
        raise ValueError(f"--recipe {recipe} is for --model modern, got --model {model}")
    if not options.distort:
        return recipes
    if list(recipes) != ["1998"]:
        raise ValueError(
            f"--distort is for --model 1998, got {' and '.join(recipes)}: for the modern LeNet on "
            "distorted images there is --recipe best"
        )
    return {"1998": AUGMENTED_1998}


def _backups(
    recipes: dict[str, Recipe], data: _data.Data, options: argparse.Namespace
) -> dict[str, Backup]:
    return {
        name: Backup(
            options.out / f".{name}.backup",
            {
                "--recipe": options.recipe,
                "--seed": options.seed,
                "--batch-size": options.batch_size or recipe.batch_size,
                "sha256 of the training data": data.sha256,
            },
            resume=options.resume,
        )
        for name, recipe in recipes.items()
    }


def _train_one(
    title: str,
    recipe: Recipe,
    numbered: tuple[_data.Labelled, _data.Labelled],
    data: _data.Data,
    options: argparse.Namespace,
    path: Path,
    backup: Backup,
) -> tuple[RandomAffine | None, Sequential, dict[str, Any]]:
    """Its augmentation; the model; its epochs, seconds of training alone, test loss and accuracy.

    numbered: the data's images, with the model's outputs as labels.
    And the history of all epochs: the test images are looked at after each, and nothing depends
    on what they show.
    """
    classes = len(data.class_names)
    (x, y), test = numbered
    epochs = options.epochs or recipe.epochs
    batch_size = options.batch_size or recipe.batch_size
    steps = -(-len(x) // batch_size) * epochs

    utils.set_random_seed(options.seed)
    model = recipe.build(classes)
    model.data_name, model.class_names = data.name, data.class_names
    optimizer = recipe.optimizer(steps, options.lr or recipe.learning_rate)
    model.compile(optimizer, recipe.loss, metrics=["accuracy"])
    if not options.quiet:
        print(
            f"{title}: {model.count_params():,} parameters, {len(x):,} images, "
            f"batches of {batch_size}",
            flush=True,
        )
    verbose = 0 if options.quiet else 1
    callbacks = [ModelCheckpoint(path), backup]
    augmentation = recipe.augmentation() if recipe.augmentation else None
    model.fit(
        *(x, y, batch_size, epochs, verbose, callbacks),
        validation_data=test,
        augmentation=augmentation,
    )
    last = backup.history[-1]
    loss, accuracy = last["val_loss"], last["val_accuracy"]
    if not math.isfinite(loss):
        raise ValueError(f"{title}: the test loss is {loss}, expected a finite number: lower --lr")
    if not options.quiet:
        print()
    figures = {
        "epochs": epochs,
        "seconds": round(backup.seconds, 3),
        "test_loss": loss,
        "test_accuracy": accuracy,
        "history": {name: [logs[name] for logs in backup.history] for name in last},
    }
    return augmentation, model, figures


def _row(
    name: str,
    parameters: int,
    *,
    epochs: int,
    seconds: float,
    test_loss: float,
    test_accuracy: float,
    **_: Any,
) -> tuple[str, ...]:
    figures = (f"{seconds:.1f}", f"{test_loss:.4f}", f"{test_accuracy:.4f}")
    return (name, f"{parameters:,}", str(epochs), *figures)


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
