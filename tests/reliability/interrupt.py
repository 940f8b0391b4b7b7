"""Ctrl-C inside fit, evaluate and predict on large input: how long until KeyboardInterrupt.

    python tests/reliability/interrupt.py [--times 5]

Prints, for each call, the seconds from the signal to the exception. After each the weights must be
finite, the model usable and no Python thread left. Exit code 1 where that is not so.
"""

import argparse
import os
import random
import signal
import sys
import threading
import time

import numpy as np

from pylenet import Sequential, layers, optimizers
from pylenet.models import lenet5_modern

N = 1_000_000  # images, all the same one in memory


def large():
    """Images of 128 x 128 x 3, some thirty times LeNet's work."""
    return Sequential(
        [
            layers.Conv2D(8, 5, activation="relu", input_shape=(128, 128, 3)),
            layers.MaxPooling2D(4),
            layers.Flatten(),
            layers.Dense(10, "softmax"),
        ]
    )


def calls(model):
    model.compile("sgd", "sparse_categorical_crossentropy")
    shape = model.input_shape[1:]
    image = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    x = np.broadcast_to(image, (N, *shape))
    y = np.zeros(N, np.int32)
    yield "predict", lambda: model.predict(x)
    yield "evaluate", lambda: model.evaluate(x, y)
    yield "fit, batch 32", lambda: model.fit(x, y, 32, 1, 0)
    yield "fit, batch 128", lambda: model.fit(x, y, 128, 1, 0)
    yield "fit, one step", lambda: model.fit(x, y, N, 1, 0)
    yield "fit, validating", lambda: model.fit(x[:32], y[:32], 32, 1, 0, validation_data=(x, y))
    model.compile(optimizers.SDLM(samples=N), "sparse_categorical_crossentropy")
    yield "fit, its Hessian", lambda: model.fit(x, y, 1, 1, 0)


def interrupted(call, after):
    """Seconds between a SIGINT and the KeyboardInterrupt it makes of the call."""
    sent = []

    def send():
        time.sleep(after)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        call()
    except KeyboardInterrupt:
        return time.perf_counter() - sent[0]
    finally:
        sender.join()
    raise SystemExit("the call ended by itself: N is too small for this machine")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--limit", type=float, default=0.5, help="seconds (default: 0.5)")
    options = parser.parse_args()
    chance, worst = random.Random(1), 0.0
    for title, build in (("LeNet", lenet5_modern), ("128 x 128 x 3", large)):
        model = build()
        for name, call in calls(model):
            seconds = [interrupted(call, chance.uniform(0.3, 0.8)) for _ in range(options.times)]
            print(f"{title:<14} {name:<16} {max(seconds):.3f} s at most of {len(seconds)}")
            worst = max(worst, *seconds)
            assert all(np.isfinite(w).all() for w in model.get_weights())
            assert threading.active_count() == 1
            model.train_on_batch(np.zeros((3, *model.input_shape[1:])), [1, 2, 3])
    return int(worst > options.limit)


if __name__ == "__main__":
    sys.exit(main())
