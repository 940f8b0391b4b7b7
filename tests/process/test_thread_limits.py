"""Threads that are asked for and not to be had, or not to be used: fewer work, to the same bits."""

import os
import sys
from pathlib import Path

import pytest

from pylenet import _core

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
openmp = pytest.mark.skipif(
    not (_core.OPENMP and sys.platform.startswith("linux")), reason="needs OpenMP and /proc"
)
affinity = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinity masks")

# count() is of all threads of the process: OpenMP keeps those of the last team.
WORK = """
import ctypes, hashlib, os, re, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
import pylenet
from pylenet import _cgroup
from pylenet.models import lenet5_modern

x = np.random.default_rng(0).integers(0, 255, (256, 28, 28)).astype(np.uint8)

def digest():
    pylenet.utils.set_random_seed(0)
    return trained(lenet5_modern())

def trained(model):
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, np.arange(256) % 10, 64, 1, 0, shuffle=False)
    results = [*model.get_weights(), model.predict(x), model.predict(x[:1])]
    return hashlib.sha256(b"".join(a.tobytes() for a in results)).hexdigest()

def count():
    return len(os.listdir("/proc/self/task"))
"""
# OpenMP's library itself, found among those loaded as threadpoolctl finds it.
OPENMP = r"""
path = re.search(r"/\S*lib(?:gomp|omp|iomp5)\S*\.so\S*", Path("/proc/self/maps").read_text())[0]
openmp = ctypes.CDLL(path)

def in_parallel(use):  # on each of two threads of a region, as another user of OpenMP would
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: use())
    openmp.GOMP_parallel(function, None, 2, 0)
"""
ALONE = {"OPENBLAS_NUM_THREADS": "1"}  # numpy's threads would be counted too


@pytest.fixture
def work(run_python):
    """Run WORK and some more code; the words it prints."""

    def run(code, **env):
        done = run_python(WORK + code, **ALONE | env)
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return run


@pytest.fixture
def expected(work):
    """The digest of one thread."""
    return work("pylenet.set_num_threads(1); print(digest())")[0]


def team(n):
    return n if _core.OPENMP else 1


@linux
@pytest.mark.parametrize("limit", [1, 2, 3, None])
def test_omp_thread_limit_is_kept_with_the_same_bits(limit, work, expected):
    env = {} if limit is None else {"OMP_THREAD_LIMIT": str(limit)}
    found = work("pylenet.set_num_threads(4); print(digest(), count())", **env)
    assert found == [expected, str(team(limit or 4))]


# What get_num_threads tells, before a call that takes as many.
REPORTED = """
def reported():
    found = pylenet.get_num_threads()
    digest()
    return found
"""


@linux
@pytest.mark.parametrize("limit", [1, 2, 3, None])
def test_the_number_of_threads_that_is_told_is_the_one_that_ran(limit, work):
    env = {} if limit is None else {"OMP_THREAD_LIMIT": str(limit)}
    found = work(REPORTED + "pylenet.set_num_threads(4); print(reported(), count())", **env)
    assert found == [str(team(limit or 4))] * 2


@openmp
def test_threads_that_openmp_leaves_out_as_the_load_is_are_not_counted(work):
    found = work(
        """
from pylenet import _threads
pylenet.set_num_threads(64)
print(_threads.counted() == count())
""",
        OMP_DYNAMIC="true",
    )
    assert found == ["True"]


@openmp
def test_the_number_of_threads_is_told_of_what_omp_set_num_threads_leaves(work):
    found = work(
        OPENMP
        + REPORTED
        + """
pylenet.set_num_threads(3)
openmp.omp_set_num_threads(1)
print(reported(), count())
openmp.omp_set_num_threads(2)
print(reported(), count())
""",
        OMP_NUM_THREADS="3",
    )
    assert found == ["1", "1", "2", "2"]


@openmp
def test_inside_another_s_parallel_region_one_thread_is_told_of(work):
    found = work(
        OPENMP
        + """
pylenet.set_num_threads(3)
numbers = []
in_parallel(lambda: numbers.append(pylenet.get_num_threads()))
print(*numbers, pylenet.get_num_threads())
"""
    )
    assert found == ["1", "1", "3"]


@openmp
def test_in_a_forked_child_one_thread_is_told_of(work):
    found = work(
        """
pylenet.set_num_threads(3)
child = os.fork()
if child == 0:
    os._exit(pylenet.get_num_threads())
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), pylenet.get_num_threads())
""",
        PYTHONWARNINGS="ignore",
    )
    assert found == ["1", "3"]


@openmp
def test_what_omp_set_num_threads_leaves_is_kept_until_it_is_given_back(work, expected):
    """As threadpoolctl calls it."""
    found = work(
        OPENMP
        + """
pylenet.set_num_threads(4)
before = openmp.omp_get_max_threads()
openmp.omp_set_num_threads(1)
print(digest(), count())
openmp.omp_set_num_threads(2)
print(digest(), count())
openmp.omp_set_num_threads(before)
print(digest(), count())
""",
        OMP_NUM_THREADS="3",
    )
    assert found == [expected, "1", expected, "2", expected, "4"]


@openmp
def test_before_inside_and_after_another_s_parallel_region_the_bits_are_the_same(work, expected):
    found = work(
        OPENMP
        + """
pylenet.set_num_threads(2)
in_parallel(lambda: None)
print(digest())
models = []
for _ in range(2):
    pylenet.utils.set_random_seed(0)
    models.append(lenet5_modern())
digests = []
in_parallel(lambda: digests.append(trained(models.pop())))
print(*digests, digest())
"""
    )
    assert found == [expected] * 4


@openmp
def test_a_forked_child_of_another_s_parallel_region_trains_to_the_same_bits(work, expected):
    """Its parent has not computed anything with pylenet."""
    found = work(
        OPENMP
        + f"""
import signal
pylenet.set_num_threads(2)
in_parallel(lambda: None)
child = os.fork()
if child == 0:
    signal.alarm(60)
    os._exit(digest() != "{expected}")
print(os.waitpid(child, 0)[1])
""",
        PYTHONWARNINGS="ignore",
    )
    assert found == ["0"]


@affinity
def test_eight_threads_on_one_core_give_the_same_bits_at_no_more_than_thrice_the_work(
    work, expected
):
    """Processor time, so that it does not matter what else the machine does."""
    core = min(os.sched_getaffinity(0))
    found = work(f"""
os.sched_setaffinity(0, {{{core}}})

def least(threads):
    pylenet.set_num_threads(threads)
    times = []
    for _ in range(5):
        started = time.process_time()
        print(digest())
        times.append(time.process_time() - started)
    return min(times)

one, eight = least(1), least(8)
print(eight < 3 * one or f"{{one}}s,{{eight}}s")
""")
    assert found == [*[expected] * 10, "True"]


def test_models_trained_in_a_pool_of_threads_get_the_bits_of_one_at_no_more_than_thrice_the_work(
    work, expected
):
    found = work("""
def models():
    made = []
    for _ in range(6):
        pylenet.utils.set_random_seed(0)
        made.append(lenet5_modern())
    return made

def least(threads, run):
    pylenet.set_num_threads(threads)
    times = []
    for _ in range(3):
        made = models()
        started = time.process_time()
        print(*run(trained, made))
        times.append(time.process_time() - started)
    return min(times)

with ThreadPoolExecutor(3) as pool:
    alone, at_once = least(1, map), least(2, pool.map)
print(at_once < 3 * alone or f"{alone}s,{at_once}s")
""")
    assert found == [*[expected] * 36, "True"]


# A group of our own under the machine's, of control groups of either version.
GROUPS = Path("/sys/fs/cgroup")


@pytest.fixture
def half_a_processor():
    """A control group that may use half of one processor; skips where none can be made."""
    version1 = (GROUPS / "cpu" / "cpu.cfs_quota_us").exists()
    group = (GROUPS / "cpu" if version1 else GROUPS) / f"pylenet-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    try:
        if version1:
            (group / "cpu.cfs_quota_us").write_text("50000")
        else:
            (group / "cpu.max").write_text("50000 100000")
        yield group
    except OSError as error:
        pytest.skip(f"no quota can be set here: {error}")
    finally:
        group.rmdir()


def test_a_real_quota_of_half_a_processor_leaves_one_thread(half_a_processor, work, expected):
    found = work(f"""
Path("{half_a_processor}/cgroup.procs").write_text(str(os.getpid()))
print(_cgroup.quota(), pylenet.get_num_threads(), digest())
pylenet.set_num_threads(4)
print(digest())
""")
    assert found == ["1", "1", expected, expected]
