"""Memory and threads that cannot be had: MemoryError or fewer threads, never the end."""

import sys

import pytest
import sanitizer

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's RLIMIT_AS"),
    sanitizer.own_memory,
]

# Prints what came of each call with only so much memory, in a process that is left whole.
LIMITED = """
import resource
from pathlib import Path
import numpy as np
import pylenet
from pylenet import models

model = models.lenet5_classic()
model.compile("adam", "sparse_categorical_crossentropy")
x, y = np.zeros((2048, 28, 28), np.uint8), np.zeros(2048, int)
if {warm}:
    model.predict(x)
    model.fit(x, y, verbose=0)
pylenet.set_num_threads(3)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
limit = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (used + int({megabytes} * 1e6), limit[1]))
for use in (
    lambda: model.predict(x),
    lambda: model.evaluate(x, y),
    lambda: model.fit(x, y, verbose=0),
    lambda: model.fit(x, y, 2048, verbose=0),
    lambda: pylenet.ops.conv2d(x[..., None], np.ones((5, 5, 1, 100), np.float32)),
):
    try:
        use()
        print("done")
    except MemoryError:
        print("MemoryError")
resource.setrlimit(resource.RLIMIT_AS, limit)
model.fit(x, y, verbose=0)
print("whole" if np.isfinite(model.predict(x)).all() else "spoilt")
"""


@pytest.mark.parametrize("warm", [False, True], ids=["first calls", "later calls"])
@pytest.mark.parametrize("megabytes", [0.1, 1, 3, 6, 12, 25, 50])
def test_memory_that_cannot_be_had_is_a_memory_error_and_the_model_goes_on(
    megabytes, warm, run_python
):
    done = run_python(LIMITED.format(megabytes=megabytes, warm=warm))
    assert (done.returncode, done.stderr) == (0, "")
    *results, last = done.stdout.split()
    assert last == "whole"
    assert len(results) == 5
    if megabytes < 1:
        assert "MemoryError" in results
    assert results[-1] == "MemoryError"


def test_where_no_more_threads_can_be_started_fewer_do_the_work(run_python):
    code = """
import resource
from pathlib import Path
import numpy as np
import pylenet
from pylenet import _threads
x = np.random.default_rng(0).normal(size=(512, 28, 28, 1)).astype(np.float32)
kernel = np.ones((5, 5, 1, 6), np.float32)
pylenet.set_num_threads(1)
expected = pylenet.ops.conv2d(x, kernel)
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + int(25e6),) * 2)
pylenet.set_num_threads(16)
print((pylenet.ops.conv2d(x, kernel) == expected).all(), _threads.counted() < 16)
"""
    done = run_python(code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True True\n", "")
