"""Quantized LeNets beside the plain-Python implementation of docs/int8.md, on test digits.

python tests/reliability/int8_digits.py --count 1000
python tests/reliability/int8_digits.py --files modern.int8.safetensors
"""

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "support"))

import int8_reference as reference

import pylenet
from pylenet.quantization import _model


def quantized_lenets():
    """Both LeNets after one epoch of a few digits, with dense weights of 8 and of 4 bits."""
    (x, y), _ = pylenet.datasets.mnist.load_data()
    for make in (pylenet.models.lenet5_modern, pylenet.models.lenet5_classic):
        model = make()
        model.compile("adam", "sparse_categorical_crossentropy")
        model.fit(x[:2000], y[:2000], verbose=0)
        for bits in (8, 4):
            yield f"{model.name}, {bits} bits", pylenet.quantize(model, x[:2000], dense_bits=bits)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000, help="digits")
    parser.add_argument("--files", nargs="*", help="quantized models, instead of new ones")
    options = parser.parse_args()
    files = options.files or ()
    models = [(path, pylenet.models.load_model(path)) for path in files] or quantized_lenets()
    _, (digits, _) = pylenet.datasets.mnist.load_data()
    digits = digits[: options.count]
    differ = 0
    for name, model in models:
        network = reference.Network(_model.model_bytes(model))
        expected = np.array([network.scores(digit.ravel().tolist(), True) for digit in digits])
        wrong = int((expected != model.scores(digits).reshape(len(digits), -1)).sum())
        print(f"{name}: {wrong} of {expected.size:,} integers differ", flush=True)
        differ += wrong
    return int(differ > 0)


if __name__ == "__main__":
    sys.exit(main())
