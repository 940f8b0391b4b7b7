"""Memory over many predicts and fits: it must stay where it was after the first.

python tests/reliability/memory.py --predicts 100000 --fits 200
"""

import argparse
import resource
import sys

import numpy as np

from pylenet.models import lenet5_modern


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--predicts", type=int, default=20000)
    parser.add_argument("--fits", type=int, default=50)
    options = parser.parse_args()
    x = np.random.default_rng(0).integers(0, 255, (64, 28, 28), np.uint8)
    y = np.arange(64) % 10
    model = lenet5_modern()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    grown = {}
    for name, times, use in (
        ("predicts", options.predicts, lambda k: model.predict(x[: 1 + k % 3])),
        ("fits", options.fits, lambda k: model.fit(x, y, 16, 1, 0, validation_data=(x, y))),
    ):
        for k in range(times // 10):
            use(k)
        before = resident()
        for k in range(times):
            use(k)
        grown[name] = (resident() - before) / 1e6
        print(f"{times} {name}: memory grew by {grown[name]:.2f} MB")
    return int(max(grown.values()) > 2)


if __name__ == "__main__":
    sys.exit(main())
