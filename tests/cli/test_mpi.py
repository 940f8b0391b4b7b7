"""`pylenet train --mpi` under mpirun: the files of one process, --resume, --seeds, failures."""

import json
import os
import signal
import sys
import time

import pytest
from datasets_tiny import write_data

import ranks
from pylenet import cli

pytest.importorskip("mpi4py")

TRAIN = ["-m", "pylenet", "train", "--data", "data", "--out", "out"]
FEW = ["--model", "modern", "--epochs", "2"]
MANY = ["--model", "modern", "--epochs", "40"]


@pytest.fixture
def folder(tmp_path):
    write_data(tmp_path / "data")
    return tmp_path


def alone(folder, *options):
    """The models that one process writes, by file name."""
    out = folder / "alone"
    given = ["train", "--data", str(folder / "data"), "--out", str(out), "--quiet", *options]
    assert cli.main(given) == 0
    return models(out)


def models(out):
    return {path.name: path.read_bytes() for path in out.glob("*.safetensors")}


def train(count, folder, *options):
    return ranks.run(count, [*TRAIN, "--mpi", *options], folder)


def stopped_after_an_epoch(count, folder, number, *options, whom=None):
    """A run of which this rank, or mpirun, gets the signal when the first backup is there."""
    process = ranks.start(count, [*TRAIN, "--mpi", *options], folder)
    end = time.monotonic() + ranks.SECONDS
    while not list((folder / "out").glob(".*.backup/backup.safetensors")):
        assert time.monotonic() < end
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    os.kill(process.pid if whom is None else ranks.numbers(process)[whom], number)
    out, error = process.communicate(timeout=ranks.SECONDS)
    assert process.returncode != 0
    return out, error


@pytest.mark.parametrize("recipe", [[], ["--recipe", "best"], ["--model", "classic"]])
def test_the_models_are_those_of_one_process_and_rank_0_speaks_alone(
    recipe, folder, threads_restored
):
    done = train(3, folder, "--epochs", "2", *recipe, "--threads", "2")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.count("Written: ") == 1
    assert models(folder / "out") == alone(folder, "--epochs", "2", *recipe)
    results = json.loads((folder / "out" / "results.json").read_text())
    assert [result["ranks"] for result in results] == [3] * len(results)
    single = json.loads((folder / "alone" / "results.json").read_text())
    assert [r["history"] for r in results] == [r["history"] for r in single]
    assert not list((folder / "out").glob(".*"))


def test_another_number_of_ranks_goes_on_to_the_same_bits(folder):
    stopped_after_an_epoch(3, folder, signal.SIGINT, *MANY)
    done = train(2, folder, "--resume", *MANY)
    assert done.returncode == 0, done.stderr
    assert models(folder / "out") == alone(folder, *MANY)


def test_one_process_goes_on_from_ranks_that_were_killed(folder):
    stopped_after_an_epoch(2, folder, signal.SIGKILL, *MANY)
    time.sleep(0.5)
    done = ranks.run(1, [*TRAIN, "--resume", *MANY], folder)  # without --mpi
    assert done.returncode == 0, done.stderr
    assert models(folder / "out") == alone(folder, *MANY)


def test_seeds_are_spread_over_the_ranks(folder):
    options = ["--model", "classic", "--epochs", "2", "--seeds", "4"]
    done = train(3, folder, *options)
    assert done.returncode == 0, done.stderr
    assert models(folder / "out") == alone(folder, *options)
    found, single = (
        json.loads((folder / name / "results.json").read_text()) for name in ("out", "alone")
    )
    assert [run["seed"] for run in found[0]["runs"]] == [1, 2, 3, 4]
    assert [r["history"] for r in found[0]["runs"]] == [r["history"] for r in single[0]["runs"]]
    assert found[0]["test_accuracy"] == single[0]["test_accuracy"]
    assert not list((folder / "out").glob(".*"))


def test_ctrl_c_on_one_rank_ends_all_and_is_told_once(folder):
    _, error = stopped_after_an_epoch(3, folder, signal.SIGINT, *MANY, whom=1)
    assert (
        error.count("pylenet: interrupted: the same command with --resume goes on from here") == 1
    )
    assert "Traceback" not in error


def test_ctrl_c_on_mpirun_ends_all_quietly(folder):
    """Open MPI's passes on nothing that its ranks print from then on."""
    _, error = stopped_after_an_epoch(3, folder, signal.SIGINT, *MANY)
    assert "Traceback" not in error
    assert list((folder / "out").glob(".*.backup/backup.safetensors"))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--lr", "1e30"], "modern: the loss is "),
        (["--data", "nowhere"], "--data must be "),
        (["--epochs", "1", "--seeds", "3", "--lr", "1e30"], "seed "),
    ],
)
def test_an_error_is_told_once(options, text, folder):
    done = train(2, folder, *FEW, *options)
    assert done.returncode == cli.ERROR
    errors = [line for line in done.stderr.splitlines() if line.startswith("pylenet: ")]
    assert len(errors) == 1, done.stderr
    assert text in errors[0]
    assert "Traceback" not in done.stderr


def test_without_mpirun_there_is_one_rank(folder, threads_restored):
    done = ranks.run(1, [*TRAIN, "--mpi", *FEW], folder)
    assert done.returncode == 0, done.stderr
    assert models(folder / "out") == alone(folder, *FEW)


def test_without_mpi4py_it_says_what_to_install(folder, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    data, out = str(folder / "data"), str(folder / "out")
    assert cli.main(["train", "--data", data, "--out", out, "--mpi"]) == cli.ERROR
    assert 'pip install "pylenet[mpi]"' in capsys.readouterr().err
