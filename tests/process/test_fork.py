"""Forked children predict and train, whatever the parent's other threads were at; none hangs."""

import os
import platform

import pytest
import sanitizer

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

# Each child works under an alarm, which ends one that hangs.
FORKS = """
import os, signal, threading
import numpy as np
import pylenet
from pylenet.models import lenet5_modern
from pylenet.utils import set_random_seed

pylenet.set_num_threads(2)
x = np.random.default_rng(0).integers(0, 255, (48, 28, 28)).astype(np.uint8)
y = np.arange(48) % 10

def new_model():
    set_random_seed(1)
    model = lenet5_modern()
    model.compile("adam", "sparse_categorical_crossentropy")
    return model

def results(model):
    predicted = model.predict(x).tobytes()
    model.fit(x, y, 16, 1, 0, shuffle=False)
    return predicted, [w.tobytes() for w in model.get_weights()]

weights = new_model().get_weights()
expected = results(new_model())
shared, busy = new_model(), new_model()
shared.predict(x)
end = threading.Event()

def predict(model, images):
    while not end.is_set():
        model.predict(x[:images])

def train():
    busy.stop_training = False
    while not end.is_set():
        busy.fit(x, y, 16, 50, 0)

uses = (shared, 1), (shared, 48), (busy, 1)  # the last one mostly waits for the training
workers = [threading.Thread(target=predict, args=use) for use in uses]
workers.append(threading.Thread(target=train))
for worker in workers[:{threads}]:
    worker.start()

def check():
    assert results(new_model()) == expected
    assert shared.predict(x).tobytes() == expected[0]
    shared.fit(x, y, 16, 1, 0, shuffle=False)
    busy.set_weights(weights)
    assert busy.predict(x).tobytes() == expected[0]
    busy.fit(x, y, 16, 1, 0)

def child():
    signal.alarm(60)
    status = 1
    try:
        check()
        status = 0
    finally:
        os._exit(status)

statuses = []
for k in range({forks}):
    pid = os.fork()
    if pid == 0:
        if k % 4 == 3:  # a grandchild
            pid = os.fork()
            if pid:
                os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) and 1)
        child()
    statuses.append(os.waitpid(pid, 0)[1])
end.set()
busy.stop_training = True
for worker in workers[:{threads}]:
    worker.join()
assert results(new_model()) == expected
print(sum(s == 0 for s in statuses), "of", len(statuses))
"""


@pytest.mark.parametrize(
    ("threads", "forks"), [(0, 50), (4, 200)], ids=["alone", "beside four busy threads"]
)
def test_forked_children_and_theirs_compute_the_same_and_none_hangs(threads, forks, run_python):
    forks = sanitizer.fewer(forks)  # each takes a second of processor time there
    done = run_python(FORKS.format(threads=threads, forks=forks), PYTHONWARNINGS="ignore")
    assert done.stdout == f"{forks} of {forks}\n", done.stderr


# Handlers of fork run last in, first out: this one inside pylenet's. The tiny model's calls spend
# their time entering and leaving.
HANDLERS = """
import ctypes, os, threading, time
calls, during_fork = [], []

@ctypes.CFUNCTYPE(None)
def prepare():
    before = len(calls)
    time.sleep(0.5)
    during_fork.append(len(calls) - before)

ctypes.CDLL(None).__register_atfork(prepare, None, None, None)

import numpy as np
import pylenet

model = pylenet.Sequential([pylenet.layers.Dense(3, input_shape=(4,))])
x = np.ones((1, 4), np.float32)
end = threading.Event()

def work():
    while not end.is_set():
        model.predict(x)
        calls.append(1)

worker = threading.Thread(target=work)
worker.start()
while not calls:
    time.sleep(0.01)
pid = os.fork()
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
end.set()
worker.join()
print(*during_fork)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc's list of handlers")
def test_no_other_thread_is_inside_a_gate_at_the_moment_of_the_fork(run_python):
    """Else its child could find the mutex of all gates locked for ever, once in very many forks."""
    done = run_python(HANDLERS, PYTHONWARNINGS="ignore")
    assert done.stdout in ("0\n", "1\n"), done.stderr  # the call that was past the gate


POOL = """
import copy, multiprocessing
import numpy as np
import pylenet
from pylenet.models import lenet5_classic

pylenet.set_num_threads(2)
model = lenet5_classic()
model.compile("adam", "sparse_categorical_crossentropy")
x = np.random.default_rng(0).integers(0, 255, (400, 28, 28)).astype(np.uint8)
y = np.arange(400) % 10

def predict(part):
    return model.predict(part)

def train(_=None):
    trained = copy.deepcopy(model)
    trained.fit(x, y, 64, 1, 0, shuffle=False)
    return [w.tobytes() for w in trained.get_weights()]

expected, weights = model.predict(x), train()
with multiprocessing.get_context("fork").Pool(3) as pool:
    for _ in range(5):
        parts = pool.map_async(predict, np.array_split(x, 12)).get(60)
        assert (np.concatenate(parts) == expected).all()
    assert pool.map_async(train, range(6)).get(60) == [weights] * 6
print("done")
"""


def test_a_pool_of_forked_processes_predicts_and_trains_the_same(run_python):
    done = run_python(POOL, PYTHONWARNINGS="ignore")
    assert done.stdout == "done\n", done.stderr
