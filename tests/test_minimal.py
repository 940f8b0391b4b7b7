"""A wheel works: what it needs is numpy and safetensors, and no file beside it.

pytest collects this file as any other; `python test_minimal.py [WORD ...]` runs it where pytest is
not: all tests, or those whose names have one of the words.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import pylenet
from pylenet.models import lenet5_classic, lenet5_modern, load_model


def digits(n):
    """Pictures of ten kinds that a LeNet tells apart: a bright bar at one of ten places."""
    y = np.arange(n) % 10
    x = np.random.default_rng(0).integers(0, 60, (n, 28, 28), dtype="uint8")
    for image, label in zip(x, y, strict=True):
        image[4:24, 4 + 2 * label : 6 + 2 * label] = 255
    return x, y


def trained(model):
    x, y = digits(1_000)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=32, epochs=3, verbose=0)
    return model


def test_both_lenets_learn():
    x, y = digits(200)
    for make in (lenet5_classic, lenet5_modern):
        pylenet.utils.set_random_seed(0)
        assert trained(make()).evaluate(x, y, verbose=0)[1] == 1.0


def test_one_image_is_predicted_as_in_a_batch_with_any_number_of_threads():
    pylenet.utils.set_random_seed(0)
    model, (x, _) = trained(lenet5_modern()), digits(200)
    every = model.predict(x, verbose=0)
    before = pylenet.get_num_threads()
    try:
        for threads in (1, 2):
            pylenet.set_num_threads(threads)
            assert np.array_equal(model.predict(x[7:8], verbose=0), every[7:8])
    finally:
        pylenet.set_num_threads(before)


def test_a_saved_model_is_read_again():
    model, (x, _) = trained(lenet5_classic()), digits(200)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        model.save(path)
        assert np.array_equal(load_model(path).predict(x), model.predict(x))


def main(words):
    tests = {name: test for name, test in globals().items() if name.startswith("test_")}
    wanted = [name for name in tests if not words or any(word in name for word in words)]
    if not wanted:
        raise SystemExit(f"no test has a name with {' or '.join(words)}")
    for name in wanted:
        tests[name]()
        print("passed", name)


if __name__ == "__main__":
    main(sys.argv[1:])
