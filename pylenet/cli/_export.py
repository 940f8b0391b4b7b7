"""`pylenet export`: a saved model for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..quantization import QuantizedModel
from ..quantization._model import NOT_ONNX
from . import _data, _evaluate, _options, _output

ENDINGS = {"c": ".c", "onnx": ".onnx", "torch": ".pt"}
STORED = 10  # digits that a C file's self-test has
PATTERNS = 1000  # images that are checked of a model that takes none of the data's


def add(commands: Any) -> None:
    """The command and its options."""
    command = _options.add(
        commands,
        "export",
        run,
        "write a model for other programs",
        "As one C file and its header, which give the bits of Python's predictions with "
        "PYLENET_CONVOLUTION=direct; as ONNX; or as a state dict of PyTorch. A quantized model is "
        "written in C.",
    )
    command.add_argument("model", metavar="MODEL", help=_options.MODEL_FILE)
    command.add_argument(
        "--to", choices=tuple(ENDINGS), help="what to write (default: by the ending of --out, or c)"
    )
    command.add_argument(
        "-o",
        "--out",
        type=Path,
        metavar="FILE",
        help="what to write (default: MODEL's name with another ending)",
    )
    command.add_argument(
        "--check",
        action="store_true",
        help="compile the C file with the machine's compiler and compare its outputs for all test "
        "images with Python's, byte for byte",
    )
    command.add_argument(
        "--data",
        metavar="DATA",
        help=f"where the images of the C file's self-test come from: {_options.DATA}",
    )
    _options.add_transpose(command)


def run(options: argparse.Namespace) -> None:
    """Write the files; say what a C file needs, and whether it is right."""
    model = _options.loaded(options.model)
    form = options.to
    if form is None:
        endings = {ending: name for name, ending in ENDINGS.items()} | {".pth": "torch"}
        form = endings.get(options.out.suffix, "c") if options.out else "c"
    out = options.out or Path(options.model).with_suffix(ENDINGS[form])
    place = _output.checked_file("--out", out)
    if options.check and form != "c":
        raise ValueError(f"--check must go with --to c, got --to {form}")
    if form == "c":
        _to_c(model, place, options)
        return
    if isinstance(model, QuantizedModel):
        why = f"; {NOT_ONNX}" if form == "onnx" else ""
        raise ValueError(f"MODEL must not be quantized for --to {form}, got {options.model!r}{why}")
    try:
        model.export(place, form)
    except ImportError as error:
        raise ValueError(str(error)) from error
    print(f"{out}: {place.stat().st_size:,} bytes")


def _to_c(model: Any, place: Path, options: argparse.Namespace) -> None:
    from ..convert.c import _check, _file

    if place.suffix != ".c":
        raise ValueError(f"--out must end in .c for --to c, got {str(place)!r}")
    if options.check:
        _check.compiler()
    images = _images(model, options)
    few = None if images is None else images[0]
    model.export(place, test_images=few)
    program = _file.program_of(model)
    header = place.with_suffix(".h")
    print(f"{place}, {header}: {program.constant_bytes:,} bytes of constants, ", end="")
    print(f"{program.scratch_bytes():,} of RAM, {program.multiply_adds:,} multiply-adds")
    if options.check:
        all_of_them = (
            _file.patterns(program, PATTERNS)
            if images is None
            else _file.inputs_of(model, images[1])
        )
        print(_check.check(place, model, all_of_them))


def _images(model: Any, options: argparse.Namespace) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """A few test images, one of each class, and all of them; None where the model takes others."""
    try:
        size, _ = _evaluate.sizes(model, options.model)
        data = _data.load(options.data or "mnist", size, options.transpose)
    except ValueError:
        if options.data is not None:
            raise
        return None
    images, labels = data.test
    first = np.unique(labels, return_index=True)[1][:STORED]
    return _options.as_taken(model, images[first]), _options.as_taken(model, images)
