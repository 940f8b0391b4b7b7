"""Python threads on one model and several, for ThreadSanitizer to watch: see .ci/races.

    python tests/reliability/races.py [--plant]

--plant reads the weights past the gate while a fit writes them, a race that must be reported.
"""

import argparse
import sys
import threading

import numpy as np

import pylenet
from pylenet.models import lenet5_classic, lenet5_modern


def together(*works):
    workers = [threading.Thread(target=work) for work in works]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plant", action="store_true")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (256, 28, 28), np.uint8)
    y = np.arange(256) % 10
    model, other = lenet5_modern(), lenet5_classic()
    for m in (model, other):
        m.compile("adam", "sparse_categorical_crossentropy")
    kernel = rng.normal(size=(5, 5, 1, 6)).astype(np.float32)
    weights = model.get_weights()

    def fit():
        model.fit(x, y, 32, 3, 0)

    def read():
        for _ in range(5):
            model.predict(x)
            model.predict(x[:1])
            model.evaluate(x, y)
            model.get_weights()

    def write():
        for _ in range(5):
            model.set_weights(weights)

    def apart():
        other.fit(x, y, 64, 1, 0)
        pylenet.ops.conv2d(x[..., None], kernel)

    def past_the_gate():
        network = other.network
        outputs = np.empty((len(x), 10), np.float32)
        for _ in range(20):
            network.predict(outputs, model.parameters, x[..., None], 1)

    if options.plant:
        together(fit, past_the_gate)
    else:
        together(fit, read, read, write, apart)
    print("done")


if __name__ == "__main__":
    sys.exit(main())
