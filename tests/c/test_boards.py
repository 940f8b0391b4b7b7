"""Networks in C on emulated boards: Python's bits, and what they take of time and memory.

They need Debian's gcc-arm-none-eabi, libnewlib-arm-none-eabi and qemu-system-arm. Instructions are
counted, not timed, so that they are the same on every machine.
"""

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from int8_files import file_of_sums
from int8_models import random_weights

import pylenet
from pylenet.convert.c import _file

NEEDED = ("arm-none-eabi-gcc", "qemu-system-arm")
MISSING = [name for name in NEEDED if shutil.which(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

HERE = Path(__file__).parent / "board"
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
M4 = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16")
BOARDS = {  # flags, linker script, QEMU's machine
    "m4": (M4, "mps2.ld", "mps2-an386"),
    "m0": (("-mcpu=cortex-m0", "-mthumb", "-DMICROBIT"), "microbit.ld", "microbit"),
}
KB = 1024


class Run(NamedTuple):
    """wrong: outputs that are not Python's. stack, text (code and constants): bytes."""

    wrong: int
    instructions: int
    stack: int
    text: int


def network(kind, name="modern"):
    model = random_weights(getattr(pylenet.models, f"lenet5_{name}")(), 3)
    # Of biases that are no larger than a training's, 16 bits are stored.
    model.set_weights([w if w.ndim > 1 else w / 32 for w in model.get_weights()])
    images = np.random.default_rng(1).integers(0, 256, (200, 28, 28), np.uint8)
    if kind == "int8":
        model = pylenet.quantize(model, images, ranges="max")
    return model, images


def on_board(folder, board, model, images, level):
    """The model's self-test with these images."""
    cpu, script, machine = BOARDS[board]
    model.export(folder / "net.c", test_images=images)
    common = ["arm-none-eabi-gcc", "-std=c99", level, *cpu, "-ffp-contract=off", *WARNINGS]
    program = _file.program_of(model)
    types = [f"-DIMAGE={program.input_kind}", f"-DOUTPUT={program.output_kind}"]
    subprocess.run([*common, "-c", "net.c", "-o", "alone.o"], cwd=folder, check=True)
    sizes = subprocess.run(
        ["arm-none-eabi-size", "alone.o"], cwd=folder, check=True, capture_output=True, text=True
    )
    text, data, bss = map(int, sizes.stdout.splitlines()[1].split()[:3])
    assert (data, bss) == (0, 0)  # no state
    subprocess.run(
        [
            *(*common, "-DNET_SELF_TEST", "-DNET_SELF_TEST_NO_MAIN", *types, f"-I{folder}"),
            *("net.c", str(HERE / "board.c"), "-nostartfiles", f"-L{HERE}", f"-T{script}"),
            *("-ffunction-sections", "-Wl,--gc-sections", "--specs=nano.specs", "-o", "board.elf"),
        ],
        cwd=folder,
        check=True,
    )
    done = subprocess.run(
        [
            *("qemu-system-arm", "-machine", machine, "-kernel", "board.elf", "-icount", "shift=6"),
            *("-display", "none", "-monitor", "none", "-serial", "none"),
            *("-chardev", "stdio,id=out", "-semihosting-config"),
            "enable=on,target=native,chardev=out",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return Run(*map(int, done.stdout.split()), text)


# -O2, in whole numbers.
MOST_INSTRUCTIONS = {
    ("classic", "m4"): 600_000,
    ("classic", "m0"): 1_400_000,
    ("modern", "m4"): 600_000,
    ("modern", "m0"): 1_800_000,
    ("medium", "m4"): 870_000,
    ("medium", "m0"): 2_150_000,
    ("small", "m4"): 480_000,
    ("small", "m0"): 1_150_000,
}
MOST_INSTRUCTIONS_IN_FLOATS = {"classic": 920_000, "modern": 780_000}  # of a Cortex-M4's FPU
MOST_BYTES = {"classic": 49_000, "modern": 47_000}  # in whole numbers, with -Os


@pytest.mark.parametrize(("name", "board"), MOST_INSTRUCTIONS)
def test_200_digits_in_whole_numbers_are_python_s(tmp_path, name, board):
    model, images = network("int8", name)
    run = on_board(tmp_path, board, model, images, "-O2")
    assert run.wrong == 0
    assert run.instructions <= MOST_INSTRUCTIONS[name, board]


@pytest.mark.parametrize("name", MOST_INSTRUCTIONS_IN_FLOATS)
def test_floats_of_a_cortex_m4_are_those_of_avx2(tmp_path, name):
    if "avx2" not in pylenet._core.available_isas():
        pytest.skip("Python has no fused multiply-add here")
    model, images = network("float", name)
    run = on_board(tmp_path, "m4", model, images[:20], "-O2")
    assert run.wrong == 0
    assert run.instructions <= MOST_INSTRUCTIONS_IN_FLOATS[name]


def test_floats_fit_a_microbit_and_are_those_of_the_baseline(tmp_path):
    model, images = network("float")
    assert on_board(tmp_path, "m0", model, images[:2], "-Os").wrong == 0


@pytest.mark.parametrize("board", ["m4", "m0"])
@pytest.mark.parametrize("name", MOST_BYTES)
def test_a_small_program_takes_what_its_header_says(tmp_path, name, board):
    model, images = network("int8", name)
    run = on_board(tmp_path, board, model, images[:2], "-Os")
    assert run.wrong == 0
    assert run.text <= MOST_BYTES[name]
    assert run.stack <= 0.8 * KB
    header = (tmp_path / "net.h").read_text()
    flash, code, ram, stack, multiply_adds = (
        int(re.search(rf"^ \* {words} +([\d,]+) ", header, re.MULTILINE)[1].replace(",", ""))
        for words in ("constants", "code", "scratch", "stack", "multiply-adds")
    )
    assert ram <= 1.4 * KB
    assert multiply_adds == 281_640
    assert flash + 0.5 * code <= run.text <= flash + code
    assert run.stack <= stack


@pytest.mark.parametrize("board", ["m4", "m0"])
@pytest.mark.parametrize("shift", [9, 15, 16, 23, 31])
def test_the_boards_round_as_python_does(tmp_path, board, shift):
    """Sums of every size, multipliers and sums at their ends."""
    rng = np.random.default_rng(shift)
    multipliers = np.where(rng.random(400) < 0.2, 32767, rng.integers(0, 32768, 400))
    most = np.minimum(2.0**30, 2.0 ** (30 + shift) / np.maximum(multipliers, 1) - 1)
    sizes = np.where(rng.random(400) < 0.2, most, np.minimum(most, 2.0 ** rng.uniform(0, 30, 400)))
    sums = sizes.astype(np.int64) * rng.choice([-1, 1], 400)
    (tmp_path / "sums.int8.safetensors").write_bytes(file_of_sums(sums, multipliers, shift))
    model = pylenet.models.load_model(tmp_path / "sums.int8.safetensors")
    assert on_board(tmp_path, board, model, np.zeros((1, 1), np.uint8), "-O2").wrong == 0


@pytest.mark.parametrize("board", ["m4", "m0"])
def test_signed_values_and_means_are_python_s_on_the_boards(tmp_path, board):
    model, images = network("int8", "classic")
    assert on_board(tmp_path, board, model, images[:20], "-Os").wrong == 0
