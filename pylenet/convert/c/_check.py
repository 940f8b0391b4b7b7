"""A program in C compiled, run on images, and compared with Python, byte for byte."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...models import Sequential
from ...quantization import QuantizedModel
from ._file import expected, prefix_of, program_of
from ._program import named

COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c99", "-ffp-contract=off")
NATIVE = "-march=native"
# Says first whether products and sums are rounded together; then reads images, writes outputs.
MAIN = r"""
#include "$FILE"
#include <stdio.h>
#ifndef NET_FUSED
#define NET_FUSED 0
#endif
int main(void) {
  static net_scratch scratch;
  static $input image[NET_INPUTS];
  static $output outputs[NET_OUTPUTS];
  putchar(NET_FUSED);
  while (fread(image, sizeof image, 1, stdin) == 1) {
    net_predict(image, outputs, &scratch);
    fwrite(outputs, sizeof outputs, 1, stdout);
  }
  return ferror(stdin) || ferror(stdout);
}
"""


def compiler() -> list[str]:
    """The machine's C compiler, or the one that the environment's CC names.

    Raises FileNotFoundError where there is none.
    """
    if chosen := shlex.split(os.environ.get("CC", "")):
        if shutil.which(chosen[0]) is None:
            raise FileNotFoundError(f"CC must name a C compiler, and {chosen[0]!r} is not there")
        return chosen
    found = next((name for name in COMPILERS if shutil.which(name)), None)
    if found is None:
        raise FileNotFoundError(
            f"a C compiler is needed, and none of {', '.join(COMPILERS)} is there: install one "
            "(apt install gcc), or say by CC=... where it is"
        )
    return [found]


def outputs_of(
    path: Path, model: Sequential | QuantizedModel, images: NDArray[Any], flags: Sequence[str]
) -> tuple[NDArray[Any], bool]:
    """What the compiled file gives for inputs as it takes them; whether it rounds them fused.

    Raises ValueError where it is not compiled, or does not run to its end.
    """
    program, prefix = program_of(model), prefix_of(path)
    text = MAIN.replace("$input", program.input_kind).replace("$output", program.output_kind)
    with tempfile.TemporaryDirectory() as folder:
        main, binary = Path(folder, "main.c"), Path(folder, "main")
        main.write_text(named(text, prefix).replace("$FILE", path.name))
        command = [*compiler(), *FLAGS, *flags, f"-I{path.parent.absolute()}", str(main)]
        _run([*command, "-o", str(binary)])
        data = _run([str(binary)], np.ascontiguousarray(images).tobytes())
    kind = np.int16 if program.output_kind == "int16_t" else np.float32
    if len(data) != 1 + len(images) * program.outputs * np.dtype(kind).itemsize:
        raise ValueError(
            f"the program of {str(path)!r} must give all outputs, got {len(data)} bytes"
        )
    found = np.frombuffer(data[1:], kind).reshape(len(images), program.outputs)
    return found, bool(data[0])


def check(path: Path, model: Sequential | QuantizedModel, images: NDArray[Any]) -> str:
    """Compile the file and compare its outputs for these inputs with Python's: one line.

    With -O2, and for this very processor where the compiler knows it. Raises ValueError where any
    byte differs.
    """
    done, name = [], compiler()[0]
    for flags in (("-O2",), ("-O3", NATIVE)):
        if NATIVE in flags and not _knows(NATIVE):
            continue
        found, fused = outputs_of(path, model, images, flags)
        right = expected(model, images, fused)
        if right is None:
            raise ValueError(f"{' '.join(flags)} rounds as no instruction set of this pylenet does")
        differ = (_bytes(found) != _bytes(right)).any(axis=1)
        words = " ".join([name, *flags])
        if differ.any():
            raise ValueError(
                f"the outputs of {str(path)!r} differ from Python's for {int(differ.sum()):,} of "
                f"{len(images):,} inputs ({words})"
            )
        done.append(words)
    return f"{len(images):,} of {len(images):,} inputs: every byte is Python's ({'; '.join(done)})"


def _bytes(rows: NDArray[Any]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)


def _knows(flag: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "nothing.c")
        source.write_text("int nothing;\n")
        command = [*compiler(), flag, "-c", str(source), "-o", str(Path(folder, "nothing.o"))]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _run(command: Sequence[str], data: bytes = b"") -> bytes:
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    if done.returncode:
        lines = done.stderr.decode(errors="replace").splitlines() or ["no message"]
        line = next((line for line in lines if "error" in line), lines[0])
        raise ValueError(f"{command[0]} failed with exit code {done.returncode}: {line}")
    return done.stdout
