"""Exit while daemon threads are inside C++."""

import pytest

DAEMON = """
import threading, time
import numpy as np
from pylenet import models, set_num_threads

set_num_threads({threads})
model = models.lenet5_modern()
model.compile("sgd", "sparse_categorical_crossentropy")
x = np.zeros(({images}, 28, 28), np.uint8)
y = np.zeros({images}, int)
at_work = threading.Event()

def work():
    while True:
        {use}
        at_work.set()

for _ in range(2):
    threading.Thread(target=work, daemon=True).start()
at_work.wait()
time.sleep(0.05)
"""
USES = {
    "predict": "model.predict(x)",
    "evaluate": "model.evaluate(x, y)",
}


LONG_STEP = """
import threading, time
import numpy as np
from pylenet import models, set_num_threads

set_num_threads({threads})
model = models.lenet5_modern()
model.compile("sgd", "sparse_categorical_crossentropy")
n = 10**6
x, y = np.broadcast_to(np.uint8(200), (n, 28, 28)), np.zeros(n, int)
model.train_on_batch(x[:1], y[:1])
steps = [model.optimizer.iterations]
threading.Thread(target=model.fit, args=(x, y, n), daemon=True).start()
time.sleep(0.5)
steps.append(model.optimizer.iterations)
print(steps)
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_python_ends_in_peace_in_the_middle_of_a_daemon_thread_s_long_step(threads, run_python):
    done = run_python(LONG_STEP.format(threads=threads))
    assert (done.returncode, done.stdout, done.stderr) == (0, "[1, 1]\n", "")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("images", [1, 2000])
@pytest.mark.parametrize("use", USES)
def test_python_ends_in_peace_while_daemon_threads_work(use, images, threads, run_python):
    done = run_python(DAEMON.format(use=USES[use], images=images, threads=threads))
    assert (done.returncode, done.stderr) == (0, "")
