"""Instruction sets and threads are those that were asked for."""

import os
import platform
from pathlib import Path

import numpy as np
import pytest

import pylenet
from pylenet import _core

# Instruction sets


def test_the_baseline_is_always_there_and_what_is_available_was_built():
    assert "baseline" in _core.available_isas()
    assert set(_core.available_isas()) <= set(_core.built_isas()) <= {"baseline", "avx2", "avx512"}
    assert _core.active_isa() in _core.available_isas()


@pytest.mark.skipif(
    platform.system() != "Linux" or platform.machine() != "x86_64", reason="reads /proc/cpuinfo"
)
def test_what_is_available_is_what_linux_says_that_the_processor_runs():
    [words, *_] = [
        set(line.split())
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("flags")
    ]
    avx2 = {"avx2", "fma"}
    avx512 = avx2 | {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
    needed = {"baseline": set(), "avx2": avx2, "avx512": avx512}
    needed["avx512vnni"] = avx512 | {"avx512_vnni"}
    for built, available in (
        (_core.built_isas(), _core.available_isas()),
        (_core.built_int8_isas(), _core.available_int8_isas()),
    ):
        assert available == [isa for isa in built if needed[isa] <= words]


def test_a_forced_instruction_set_is_the_active_one(isa):
    assert _core.active_isa() == isa


@pytest.mark.parametrize("name", ["sse9", "", "AVX2", "avx2 ", "none"])
def test_forcing_an_unknown_instruction_set_is_an_error_and_changes_nothing(name):
    before = _core.active_isa()
    with pytest.raises(ValueError, match="baseline") as caught:
        _core.set_isa(name)
    assert all(known in str(caught.value) for known in _core.available_isas())
    assert _core.active_isa() == before


@pytest.mark.parametrize("name", [None, 2, ["avx2"]], ids=repr)
def test_an_instruction_set_is_named_by_a_string(name):
    with pytest.raises(TypeError):
        _core.set_isa(name)


# Tells the message of a ValueError on standard output.
REFUSED = """
import numpy, pylenet
try:
    {use}
except ValueError as error:
    print("refused:", error)
"""
SHOW = "import pylenet; from pylenet import _core; pylenet.show_config(); print(_core.active_isa())"


@pytest.mark.parametrize("name", _core.available_isas())
def test_the_environment_forces_an_instruction_set(name, run_python):
    done = run_python(SHOW, PYLENET_ISA=name)
    assert done.returncode == 0, done.stderr
    *config, active = done.stdout.splitlines()
    assert active == name
    assert any("active" in line.lower() and name in line for line in config), done.stdout


def test_the_best_instruction_set_is_the_default(run_python):
    done = run_python(SHOW)
    assert done.returncode == 0, done.stderr
    best = [n for n in ("baseline", "avx2", "avx512") if n in _core.available_isas()][-1]
    assert done.stdout.splitlines()[-1] == best


UNAVAILABLE = sorted({"avx2", "avx512"} - set(_core.available_isas()))


@pytest.mark.parametrize("name", ["sse9", "AVX2", "avx2,avx512", *UNAVAILABLE])
@pytest.mark.parametrize(
    "use",
    [
        "pylenet.show_config()",
        "pylenet.ops.activation(numpy.ones((1, 1), numpy.float32), 'tanh')",
    ],
)
def test_an_unusable_instruction_set_is_an_error_on_first_use(name, use, run_python):
    done = run_python(REFUSED.format(use=use), PYLENET_ISA=name)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    assert last.startswith("refused:")
    assert "PYLENET_ISA" in last
    assert name in last
    assert all(known in last for known in _core.available_isas())


# Threads

COUNT = "import pylenet; print(pylenet.get_num_threads())"


def team(n):
    return n if _core.OPENMP else 1


def test_the_number_of_threads_is_the_one_that_was_set(threads):
    assert pylenet.get_num_threads() == team(threads)


@pytest.mark.parametrize("n", [0, -1, -(2**40), 2**31, 2**70])
def test_a_number_of_threads_that_no_machine_has_is_an_error(n, threads_restored):
    before = pylenet.get_num_threads()
    with pytest.raises(ValueError, match=r"\bn\b"):
        pylenet.set_num_threads(n)
    assert pylenet.get_num_threads() == before


@pytest.mark.parametrize("n", [1.0, 2.5, "2", None, True, [2], np.float32(2)], ids=repr)
def test_a_number_of_threads_is_an_int(n, threads_restored):
    with pytest.raises(TypeError, match=r"\bn\b"):
        pylenet.set_num_threads(n)


def test_a_number_of_threads_may_be_a_numpy_int(threads_restored):
    pylenet.set_num_threads(np.int64(2))
    assert pylenet.get_num_threads() == team(2)


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({"PYLENET_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": "3,2"}, 3),
        ({"PYLENET_NUM_THREADS": "2", "OMP_NUM_THREADS": "5"}, 2),
        ({"PYLENET_NUM_THREADS": "1"}, 1),
    ],
    ids=str,
)
def test_the_environment_sets_the_number_of_threads(env, expected, run_python):
    done = run_python(COUNT, **env)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == team(expected)


def test_set_num_threads_overrides_the_environment(run_python):
    code = "import pylenet; pylenet.set_num_threads(2); print(pylenet.get_num_threads())"
    done = run_python(code, PYLENET_NUM_THREADS="4", OMP_NUM_THREADS="5")
    assert done.stdout.strip() == str(team(2)), done.stderr


@pytest.mark.parametrize("value", ["abc", "0", "-2", "1.5", "2x", "99999999999999999999"])
def test_a_bad_number_of_threads_in_the_environment_is_an_error_on_first_use(value, run_python):
    done = run_python(REFUSED.format(use="pylenet.get_num_threads()"), PYLENET_NUM_THREADS=value)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("refused:")
    assert "PYLENET_NUM_THREADS" in done.stdout
    assert value in done.stdout


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinity masks")
def test_the_default_number_of_threads_respects_the_affinity_mask(run_python):
    core = min(os.sched_getaffinity(0))
    done = run_python(f"import os; os.sched_setaffinity(0, {{{core}}}); {COUNT}")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 1


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs affinity masks")
def test_the_default_number_of_threads_is_at_least_one_and_no_more_than_the_cores(run_python):
    done = run_python(COUNT)
    assert done.returncode == 0, done.stderr
    assert 1 <= int(done.stdout) <= len(os.sched_getaffinity(0))


FORK = """
import os
import signal

import numpy as np
import pylenet

pylenet.set_num_threads(2)
x = np.random.default_rng(1).uniform(-1, 1, (200, 28, 28, 1)).astype(np.float32)
kernel = np.ones((5, 5, 1, 6), np.float32)
expected = pylenet.ops.conv2d(x, kernel).tobytes()
for _ in range(5):
    child = os.fork()
    if child == 0:
        signal.alarm(30)  # a child that hangs is ended, and its status tells
        os._exit(0 if pylenet.ops.conv2d(x, kernel).tobytes() == expected else 1)
    assert os.waitpid(child, 0)[1] == 0
assert pylenet.ops.conv2d(x, kernel).tobytes() == expected
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_computes_the_same_and_does_not_hang(run_python):
    done = run_python(FORK, PYTHONWARNINGS="ignore")
    assert done.stdout.strip() == "done", done.stderr
