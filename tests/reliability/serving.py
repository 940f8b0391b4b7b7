"""One model in a server's threads: calls of predict a second, and how long one took.

The last row of a batch has one thread that predicts beside one that runs Python all the time.
Medians of rounds, which take turns.

    python tests/reliability/serving.py --seconds 1 --rounds 5 --batches 1 2 3 4 16
"""

import argparse
import os
import threading
import time

import numpy as np

import pylenet

BESIDES = {"1": (1, 0), "2": (2, 0), "8": (8, 0), "1 + Python": (1, 1)}  # serving, in Python


def one_round(model, x, serving, in_python, seconds):
    """All serving threads' calls a second, and each call's seconds."""
    times = [[] for _ in range(serving)]
    start, end = threading.Barrier(serving + in_python + 1), threading.Event()

    def serve(mine):
        start.wait()
        while not mine or not end.is_set():
            begun = time.perf_counter()
            model.predict(x)
            mine.append(time.perf_counter() - begun)

    def run_python():
        start.wait()
        while not end.is_set():
            pass

    workers = [threading.Thread(target=serve, args=(mine,)) for mine in times]
    workers += [threading.Thread(target=run_python) for _ in range(in_python)]
    for worker in workers:
        worker.start()
    start.wait()
    begun = time.perf_counter()
    time.sleep(seconds)
    end.set()
    for worker in workers:
        worker.join()
    return sum(map(len, times)) / (time.perf_counter() - begun), np.concatenate(times)


def measure(batches, seconds, rounds):
    """{(batch, threads): [calls a second, p50, p99, p99.9 in microseconds]}."""
    model = pylenet.models.lenet5_modern()
    found = {}
    for _ in range(rounds):
        for batch in batches:
            x = np.zeros((batch, 28, 28), np.uint8)
            for name, threads in BESIDES.items():
                rate, times = one_round(model, x, *threads, seconds)
                row = [rate, *np.percentile(times, [50, 99, 99.9]) * 1e6]
                found.setdefault((batch, name), []).append(row)
    return {key: np.median(rows, axis=0) for key, rows in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16], help="images a call")
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print("batch     threads  calls/s  p50 us  p99 us  p99.9 us")
    rows = measure(options.batches, options.seconds, options.rounds)
    for (batch, name), (rate, p50, p99, p999) in rows.items():
        print(f"{batch:5}  {name:>10}  {rate:7.0f}  {p50:6.1f}  {p99:6.0f}  {p999:8.0f}")


if __name__ == "__main__":
    main()
