"""Forked children predict and train, whatever the parent's other threads were at; none hangs."""

import os

import pytest

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

def predict(images):
    while not end.is_set():
        shared.predict(x[:images])

def train():
    busy.stop_training = False
    while not end.is_set():
        busy.fit(x, y, 16, 50, 0)

workers = [threading.Thread(target=predict, args=(n,)) for n in (1, 48)]
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
    ("threads", "forks"), [(0, 50), (3, 200)], ids=["alone", "beside three busy threads"]
)
def test_forked_children_and_theirs_compute_the_same_and_none_hangs(threads, forks, run_python):
    if "libasan" in os.environ.get("LD_PRELOAD", ""):
        forks //= 10  # each takes a second of processor time there
    done = run_python(FORKS.format(threads=threads, forks=forks), PYTHONWARNINGS="ignore")
    assert done.stdout == f"{forks} of {forks}\n", done.stderr


POOL = """
import multiprocessing
import numpy as np
import pylenet
from pylenet.models import lenet5_classic

model = lenet5_classic()
x = np.random.default_rng(0).integers(0, 255, (400, 28, 28)).astype(np.uint8)
expected = model.predict(x)

def predict(part):
    return model.predict(part)

with multiprocessing.get_context("fork").Pool(3) as pool:
    for _ in range(5):
        parts = pool.map_async(predict, np.array_split(x, 12)).get(60)
        assert (np.concatenate(parts) == expected).all()
print("done")
"""


def test_a_pool_of_forked_processes_predicts_the_same(run_python):
    done = run_python(POOL, PYTHONWARNINGS="ignore")
    assert done.stdout == "done\n", done.stderr
