"""`pylenet train --seeds`: each as its own run, their mean, resuming, errors and Ctrl-C."""

import io
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
import sanitizer
from datasets_tiny import write_data
from nets import compiled, samples, tiny

import pylenet
from pylenet import cli, models
from pylenet._callback import Callback
from pylenet._recipes import RECIPES
from pylenet.cli import _plots, _seeds


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data") / "tiny")


@pytest.fixture(autouse=True)
def _restored(threads_restored):
    """--threads stays set in the process."""


def train(data, out, *options):
    """The exit code of `pylenet train` in this process."""
    return cli.main(["train", "--data", str(data), "--out", str(out), *map(str, options)])


def results_of(out):
    return json.loads((out / "results.json").read_text())


def names_in(out):
    return sorted(path.name for path in out.iterdir())


# Bits


@pytest.mark.parametrize("threads_in_all", [1, 2, 7])
def test_each_seed_has_the_bits_of_its_own_single_run(threads_in_all, data, tmp_path):
    options = ["--recipe", "best", "--epochs", 2, "--quiet"]  # distorted: draws in every epoch
    many = tmp_path / "many"
    assert train(data, many, *options, "--seeds", 3, "--seed", 5, "--threads", threads_in_all) == 0
    (result,) = results_of(many)
    assert [run["seed"] for run in result["runs"]] == [5, 6, 7]
    files = [f"modern-seed{seed}.safetensors" for seed in (5, 6, 7)]
    assert names_in(many) == [*files, "results.json"]
    for run, file in zip(result["runs"], files, strict=True):
        alone = tmp_path / str(run["seed"])
        assert train(data, alone, *options, "--seed", run["seed"], "--threads", 2) == 0
        assert (alone / "modern.safetensors").read_bytes() == (many / file).read_bytes()
        (expected,) = results_of(alone)
        for name in ("test_loss", "test_accuracy", "history"):
            assert run[name] == expected[name]
    assert result["threads"] == threads_in_all


def test_seeds_leave_the_number_of_threads_and_the_package_s_generator_alone(data, tmp_path):
    pylenet.set_num_threads(3)
    former = pylenet.get_num_threads()  # 1 without OpenMP
    assert train(data, tmp_path, "--model", "modern", "--epochs", 1, "--seeds", 2, "--quiet") == 0
    assert pylenet.get_num_threads() == former


# What is told


def test_results_json_has_for_each_model_means_deviations_and_all_runs(data, tmp_path, capsys):
    assert train(data, tmp_path, "--epochs", 1, "--seeds", 3, "--threads", 2) == 0
    results = results_of(tmp_path)
    assert [result["model"] for result in results] == ["classic", "modern"]
    for result in results:
        assert list(result) == [
            *("model", "data", "classes", "recipe", "distort", "threads", "isa", "convolution"),
            *("cpu", "version"),
            *("date", "epochs", "seconds", "test_loss", "test_loss_std", "test_accuracy"),
            *("test_accuracy_std", "runs"),
        ]
        assert result["epochs"] == 1
        for run in result["runs"]:
            assert list(run) == ["seed", "seconds", "test_loss", "test_accuracy", "history"]
            assert run["history"]["val_accuracy"] == [run["test_accuracy"]]
        for name in ("test_loss", "test_accuracy"):
            values = [run[name] for run in result["runs"]]
            assert result[name] == pytest.approx(sum(values) / 3, abs=1e-6)
            assert result[f"{name}_std"] == pytest.approx(statistics.stdev(values), abs=1e-6)

    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "classic and modern, seeds 1 to 3, on 2 threads"
    progress, table, written = lines[:6], lines[6:-2], lines[-1]
    for count, line in enumerate(progress, 1):
        assert re.fullmatch(
            rf"[1-6]/6 epochs - {count}/6 trainings - \d+s - (classic|modern), seed [123]: "
            r"test accuracy: \d\.\d{4}",
            line,
        )
    assert table[0].split() == [
        *("model", "seed", "epochs", "seconds", "test", "loss", "test", "accuracy")
    ]
    assert [line.split()[:2] for line in table[1:]] == [
        [model, which]
        for model in ("classic", "modern")
        for which in ("1", "2", "3", "mean", "std")
    ]
    mean, std = (line.split() for line in table[-2:])
    modern = results[1]
    figures = [f"{modern[name]:.4f}" for name in ("test_loss", "test_accuracy")]
    assert mean[3:] == [f"{modern['seconds']:.1f}", *figures]
    assert std[2:] == [f"{modern[f'{name}_std']:.4f}" for name in ("test_loss", "test_accuracy")]
    files = (
        f"{tmp_path / m}-seed1.safetensors to {m}-seed3.safetensors" for m in ("classic", "modern")
    )
    assert written == f"Written: {', '.join(files)}, {tmp_path / 'results.json'}"


def test_on_a_terminal_one_line_moves(data, tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    screen = Terminal()
    monkeypatch.setattr("sys.stdout", screen)
    assert train(data, tmp_path, "--model", "modern", "--epochs", 1, "--seeds", 2) == 0
    _, line, *_ = screen.getvalue().split("\n")
    *_, last = line.split("\r")
    assert re.match(
        r"2/2 epochs - 2/2 trainings - \d+s - mean test accuracy: \d\.\d{4} *$", last
    ), line


def test_quiet_prints_nothing(data, tmp_path, capsys):
    options = ["--model", "modern", "--epochs", 1, "--seeds", 2, "--quiet"]
    assert train(data, tmp_path, *options) == 0
    assert capsys.readouterr() == ("", "")


# When something goes wrong


def fails_at(monkeypatch, number, error):
    """The modern LeNet, whose number-th model cannot be made, while others are trained."""
    counter, lock = iter(range(1, 100)), threading.Lock()
    build = RECIPES["modern"].build

    def failing(classes):
        with lock:
            count = next(counter)
        if count == number:
            raise error
        return build(classes)

    monkeypatch.setitem(RECIPES, "modern", replace(RECIPES["modern"], build=failing))


@pytest.mark.parametrize("threads_in_all", [1, 2])
def test_a_seed_that_fails_ends_all_with_one_error(
    threads_in_all, data, tmp_path, monkeypatch, capsys
):
    fails_at(monkeypatch, 2, ValueError("no such luck"))
    options = ["--model", "modern", "--seeds", 5, "--threads", threads_in_all, "--quiet"]
    epochs = 3 if threads_in_all == 1 else 1_000_000  # which would take hours
    assert train(data, tmp_path, *options, "--epochs", epochs) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"pylenet: error: modern, seed [12]: no such luck\n", error)
    assert not any("seed3" in name for name in names_in(tmp_path))


def test_a_loss_that_is_not_finite_is_told_with_its_seed(data, tmp_path, capsys):
    options = ["--model", "modern", "--epochs", 5, "--seeds", 4, "--lr", 1e20, "--quiet"]
    assert train(data, tmp_path, *options) == 2
    assert re.match(
        r"pylenet: error: modern, seed [1-4]: (the (test )?loss is|weights are) .*\n$",
        capsys.readouterr().err,
    )


def test_ctrl_c_ends_all_at_once_and_resuming_gives_the_bits_of_a_run_that_was_not_stopped(
    data, tmp_path, monkeypatch, capsys
):
    options = ["--recipe", "best", "--seeds", 4, "--threads", 2, "--quiet"]
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert train(data, whole, *options, "--epochs", 3) == 0

    draw, ends = _seeds._Progress.draw, iter([False, True])

    def press(progress):  # once one is over, and two are under way
        draw(progress)
        if sum(training.epochs_done for training in progress._trainings) > 3 and next(ends):
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_seeds._Progress, "draw", press)
        assert train(data, stopped, *options, "--epochs", 3) == 130
    assert capsys.readouterr().err.startswith("pylenet: interrupted: the same command with --res")
    assert any(name.endswith(".backup") for name in names_in(stopped))

    assert train(data, stopped, *options, "--epochs", 3, "--resume") == 0
    assert names_in(stopped) == names_in(whole)
    for name in names_in(whole)[:-1]:
        assert (stopped / name).read_bytes() == (whole / name).read_bytes()
    (first,), (second,) = results_of(whole), results_of(stopped)
    for name in ("test_loss", "test_loss_std", "test_accuracy", "test_accuracy_std"):
        assert first[name] == second[name]
    assert [run["history"] for run in first["runs"]] == [run["history"] for run in second["runs"]]


@pytest.mark.parametrize("validated", [False, True])
def test_an_epoch_that_is_cut_short_is_not_kept(validated):
    x, y = samples(20, (4,), 3)
    stop, kept = _seeds._Stop(), []

    class Press(Callback):
        def on_train_batch_end(self, batch, logs=None):
            if (len(kept), batch) == (1, 2):
                stop.tell()

        def on_epoch_end(self, epoch, logs=None):
            kept.append(epoch)

    model = compiled(tiny)
    with pytest.raises(_seeds._Stopped):
        model.fit(*(x, y, 4, 5, 0, [stop, Press()]), validation_data=(x, y) if validated else None)
    assert kept == [0]


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_ctrl_c_at_the_keyboard_ends_with_exit_code_130_and_one_line(data, tmp_path):
    command = [sys.executable, "-m", "pylenet", "train", "--data", str(data), "--model", "classic"]
    process = subprocess.Popen(
        [*command, "--epochs", "1000000", "--seeds", "3", "--threads", "2"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job hands down that SIGINT is to be ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    backups = [tmp_path / "pylenet-out" / f".classic-seed{n}.backup" for n in (1, 2)]
    with process:
        while not all((backup / "backup.safetensors").is_file() for backup in backups):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=sanitizer.seconds(60))
    assert out == "classic, seeds 1 to 3, on 2 threads\n"
    hint = "the same command with --resume goes on from here"
    assert (process.returncode, error) == (130, f"pylenet: interrupted: {hint}\n")
    for seed in (1, 2):
        models.load_model(tmp_path / "pylenet-out" / f"classic-seed{seed}.safetensors")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--seeds", 3, "--plots"], "--plots is for one seed, got --seeds 3"),
        (
            ["--seeds", 3, "--seed", 2**32 - 2],
            "--seeds must end below seed 4294967296, got 4294967296",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused(options, message, data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(_plots, "check", lambda: None)  # whether matplotlib is there or not
    assert train(data, tmp_path / "out", *options) == 2
    assert capsys.readouterr().err == f"pylenet: error: {message}\n"
    assert not (tmp_path / "out").exists()


def test_one_seed_is_no_number_of_seeds(data, tmp_path, capsys):
    with pytest.raises(SystemExit):
        train(data, tmp_path, "--seeds", 1)
    assert "argument --seeds: must be a whole number >= 2, got '1'" in capsys.readouterr().err
