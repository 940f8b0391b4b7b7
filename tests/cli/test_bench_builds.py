"""bench/builds.py: this build beside itself."""

import subprocess
import sys
from pathlib import Path

import pytest
import sanitizer

from builds import WORKS

COMMAND = [sys.executable, str(Path(__file__).parents[2] / "bench" / "builds.py")]


def run(*arguments):
    command = [*COMMAND, sys.executable, sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=500)


@sanitizer.minutes
def test_a_build_beside_itself_computes_the_same_and_every_work_is_timed():
    done = run("--rounds", "2", "--seconds", "0", "--images", "300")
    assert done.returncode == 0, done.stderr
    first, _, *lines = done.stdout.splitlines()
    assert first == "weights after short trainings are equal"
    assert [line[:27].strip() for line in lines] == WORKS
    for line in lines:
        old, new, ratio, quickest, least, _, greatest = line[27:].split()
        assert float(old) > 0
        assert float(new) > 0
        assert float(quickest) > 0
        assert float(least) <= float(ratio) * 1.01
        assert float(greatest) >= float(ratio) * 0.99


def test_only_the_works_that_are_asked_for_are_timed():
    works = ("--work", "classic, predict 128")
    done = run("--rounds", "1", "--seconds", "0", "--processor-time", *works)
    assert done.returncode == 0, done.stderr
    assert [line[:27].strip() for line in done.stdout.splitlines()[2:]] == ["classic, predict 128"]


@pytest.mark.parametrize("arguments", [("--work", "no such"), ("--rounds", "0")], ids=str)
def test_nothing_to_time_is_an_error_that_names_the_works(arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert "modern, epoch at batch 32" in done.stderr
