"""Fixtures shared by all tests."""

import os
import subprocess
import sys
import tempfile

import effort
import pytest
import sanitizer
from hypothesis import configuration

# `python -m pytest` puts the current folder first, where the sources have no compiled part.
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:] = [folder for folder in sys.path if os.path.abspath(folder) != ROOT]

import core  # noqa: E402

import pylenet  # noqa: E402
from pylenet import _core  # noqa: E402

# Hypothesis keeps notes on disk even without a database: not in the tree.
configuration.set_hypothesis_home_dir(os.path.join(tempfile.gettempdir(), "pylenet-hypothesis"))


def pytest_configure(config):
    effort.quick = config.getoption("markexpr") == "quick"


@pytest.hookimpl(tryfirst=True)  # before tests are chosen by their marks
def pytest_collection_modifyitems(items):
    for item in items:
        if "isa" in item.fixturenames:
            item.add_marker("isas")


QUICK = {_core.active_isa(): pytest.mark.quick}  # `pytest -m quick` has one instruction set


@pytest.fixture(params=[pytest.param(name, marks=QUICK.get(name, ())) for name in core.ISAS])
def isa(request):
    """Each available instruction set in turn, forced and seen to be the active one."""
    former = _core.active_isa()
    _core.set_isa(request.param)
    assert _core.active_isa() == request.param
    yield request.param
    assert _core.active_isa() == request.param
    _core.set_isa(former)


@pytest.fixture
def direct_convolutions():
    """Every output of a convolution is one sum: for what holds of no other algorithm."""
    with core.convolutions_by("direct"):
        yield


@pytest.fixture
def threads_restored():
    """Whatever a test does to the number of threads, it ends with the test."""
    former = pylenet.get_num_threads()
    yield
    pylenet.set_num_threads(former)


@pytest.fixture(params=[1, 2, 3], ids=lambda n: f"threads{n}")
def threads(request, threads_restored):
    """1, 2 and 3 threads in turn."""
    pylenet.set_num_threads(request.param)
    return request.param


@pytest.fixture(scope="session")
def mnist():
    """The real MNIST, as datasets.mnist.load_data() gives it."""
    from pylenet.datasets import mnist

    try:
        return mnist.load_data()
    except FileNotFoundError as error:
        pytest.skip(f"MNIST is not to be had: {error}")


@pytest.fixture
def run_python(tmp_path):
    """Run code in a fresh interpreter away from the tree, with no settings of ours but `env`.

    Warnings are errors there as in the tests themselves, unless PYTHONWARNINGS says otherwise.
    """

    def run(code, **env):
        settings = ("PYLENET_", "OMP_")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(settings)}
        clean["PYTHONWARNINGS"] = "error"
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=clean | env,
            capture_output=True,
            text=True,
            timeout=sanitizer.seconds(120),
        )

    return run
