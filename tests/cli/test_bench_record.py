"""bench/record.py: each seed a process of its own, their mean and standard error."""

import json
import math
import statistics
import subprocess
import sys
from pathlib import Path

import pytest
import sanitizer
from datasets_tiny import write_data

COMMAND = [sys.executable, str(Path(__file__).parents[2] / "bench" / "record.py")]


def run(*arguments):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=500)


@sanitizer.minutes
def test_the_summary_is_the_mean_with_its_standard_error_of_runs_by_pylenet_train(tmp_path):
    data, file = write_data(tmp_path / "tiny"), tmp_path / "record.json"
    options = ("--data", str(data), "--epochs", "2", "--threads", "1")
    done = run(*options, "--seeds", "3", "--seed", "5", "--json", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(file.read_text())
    assert (found["recipe"], found["epochs"]) == ("fast", 2)
    assert [each["seed"] for each in found["runs"]] == [5, 6, 7]
    accuracies = [each["accuracy"] for each in found["runs"]]
    error = statistics.stdev(accuracies) / math.sqrt(3)
    assert f"mean {statistics.mean(accuracies):.4%}, standard error {error:.4%}" in done.stdout
    middle = statistics.median(each["seconds"] for each in found["runs"])
    assert f"whole process: median {middle:.2f}," in done.stdout

    train = [sys.executable, "-m", "pylenet", "train", "--recipe", "fast", "--quiet", *options]
    command = [*train, "--seed", "6", "--out", str(tmp_path)]
    subprocess.run(command, check=True, timeout=500, cwd=tmp_path)  # not where the sources are
    (alone,) = json.loads((tmp_path / "results.json").read_text())
    assert alone["test_accuracy"] == accuracies[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--seeds", "0"), "whole number of at least 1, got '0'"),
        (("--data", "/no/such", "--seeds", "2"), "seed 1: `pylenet train` ended with code"),
    ],
    ids=["no seeds", "no data"],
)
def test_what_cannot_be_run_is_an_error_that_says_why(arguments, message):
    done = run(*arguments)
    assert done.returncode != 0
    assert message in done.stderr
