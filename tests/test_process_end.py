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


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("images", [1, 2000])
@pytest.mark.parametrize("use", USES)
def test_python_ends_in_peace_while_daemon_threads_work(use, images, threads, run_python):
    done = run_python(DAEMON.format(use=USES[use], images=images, threads=threads))
    assert (done.returncode, done.stderr) == (0, "")
