"""LeNetClassifier beside scikit-learn's MLPClassifier: accuracy on MNIST's test images, and time.

    python bench/estimators.py --samples 60000

Both get the same flat rows in one process, the MLP with pixels from 0 to 1, which it needs, and
learn them by their defaults; LeNet in two epochs as well. "of processors" are all threads' seconds.
"""

from __future__ import annotations

import argparse
from time import perf_counter, process_time
from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier

from pylenet.datasets import mnist
from pylenet.sklearn import LeNetClassifier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=60_000, help="to train on")
    parser.add_argument("--max-iter", type=int, default=200, help="epochs of the MLP, at most")
    options = parser.parse_args()
    (x, y), (x_test, y_test) = mnist.load_data()
    x, y = x[: options.samples].reshape(-1, 784), y[: options.samples]
    x_test = x_test.reshape(-1, 784)
    scaled, scaled_test = x / np.float32(255), x_test / np.float32(255)
    print(f"{'':32}{'fit, s':>8}{'of processors':>15}{'epochs':>8}{'accuracy':>10}")
    _show(LeNetClassifier(max_iter=2, random_state=0), x, y, x_test, y_test)
    _show(LeNetClassifier(random_state=0), x, y, x_test, y_test)
    mlp = MLPClassifier(max_iter=options.max_iter, random_state=0)
    _show(mlp, scaled, y, scaled_test, y_test)


def _show(model: Any, x: Any, y: Any, x_test: Any, y_test: Any) -> None:
    started, started_processors = perf_counter(), process_time()
    model.fit(x, y)
    seconds, processors = perf_counter() - started, process_time() - started_processors
    name = f"{type(model).__name__}(max_iter={model.max_iter})"
    accuracy = np.mean(model.predict(x_test) == y_test)
    figures = f"{seconds:8.1f}{processors:15.1f}{model.n_iter_:8d}{accuracy:10.4f}"
    print(f"{name:32}{figures}", flush=True)


if __name__ == "__main__":
    main()
