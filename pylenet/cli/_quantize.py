"""`pylenet quantize`: a saved model in whole numbers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .. import _threads
from ..models import Sequential
from . import _data, _evaluate, _options, _output


def add(commands: Any) -> None:
    """The command and its options."""
    command = _options.add(
        commands,
        "quantize",
        run,
        "write a model in whole numbers",
        "The model computes by the arithmetic of docs/int8.md, the same on every machine, and its "
        "file has a quarter of the size. The training images of --data tell the ranges.",
    )
    command.add_argument("model", metavar="MODEL", help=_options.MODEL_FILE)
    command.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"what to write (default: MODEL's name with {_options.QUANTIZED})",
    )
    command.add_argument(
        "--dense-bits",
        type=int,
        choices=(4, 8),
        default=8,
        help="bits of the weights of dense layers (default: 8)",
    )
    _options.add_data_and_threads(command)


def run(options: argparse.Namespace) -> None:
    """Write the quantized model; print its table, and how it does on the test images."""
    from ..quantization import quantize  # no other command needs it

    if options.threads is not None:
        _threads.set_num_threads(options.threads)
    model = _options.loaded(options.model)
    if not isinstance(model, Sequential):
        raise ValueError(f"MODEL must not be quantized already, got {options.model!r}")
    out = options.out or _options.quantized_name(Path(options.model))
    if out.suffix.lower() != ".safetensors":
        raise ValueError(f"--out must end in .safetensors, got {str(out)!r}")
    place = _output.checked_file("--out", out)
    if place.exists() and place.samefile(options.model):
        raise ValueError(f"--out must not be MODEL, whose place the file would take, got {out}")
    size, classes = _evaluate.sizes(model, options.model)
    data = _data.load(options.data, size, options.transpose)
    (x, _), (x_test, y_test) = data.numbered(model.class_names, classes)
    images = _options.as_taken(model, x)
    quantized = quantize(model, images, dense_bits=options.dense_bits)
    quantized.save(place)
    quantized.summary()
    tests = _options.as_taken(model, x_test)
    before, after = (_evaluate.answers(own, tests) for own in (model, quantized))
    largest = 2 ** (options.dense_bits - 1) - 1
    print(f"{out}: {place.stat().st_size:,} bytes")
    print(f"dense weights  {options.dense_bits} bits, -{largest} to {largest}, a byte each")
    print(f"test accuracy  {(after == y_test).mean():.4f} ({(before == y_test).mean():.4f} before)")
    _evaluate.print_changed(before, after)
