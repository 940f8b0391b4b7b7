"""The examples run, and README shows the Keras script as it is."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sanitizer

import pylenet

ROOT = Path(__file__).parents[1]
KERAS_SCRIPT = ROOT / "examples" / "keras_script.py"
OWN_DIGITS = ROOT / "examples" / "own_digits.py"
FEW_IMAGES = """
from pylenet.datasets import mnist
load_data = mnist.load_data
def few():
    (x, y), (x_test, y_test) = load_data()
    return (x[:5000], y[:5000]), (x_test[:1000], y_test[:1000])
mnist.load_data = few
"""

own_digits = runpy.run_path(str(OWN_DIGITS))
prepare_digit = own_digits["prepare_digit"]


# The Keras script


def test_readme_shows_the_keras_script():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("## A Keras script, its imports changed")[1]
    (block,) = re.findall(r"```python\n(.*?)```", section.split("\n## ")[0], re.DOTALL)[:1]
    assert block == KERAS_SCRIPT.read_text(encoding="utf-8")


def test_the_keras_script_runs_and_learns(mnist, run_python):
    kept = {k: os.environ[k] for k in ("PYLENET_DATA", "PYLENET_ISA") if k in os.environ}
    done = run_python(FEW_IMAGES + KERAS_SCRIPT.read_text(encoding="utf-8"), **kept)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    *epochs, last = done.stdout.splitlines()
    assert len(epochs) == 20
    assert float(last.removeprefix("test accuracy ")) > 0.6


# Looking inside


def readme_blocks(heading):
    """The Python of a section of the README, block by block."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split(f"## {heading}\n")[1]
    return re.findall(r"```python\n(.*?)```", section.split("\n## ")[0], re.DOTALL)


def test_readme_s_lines_for_looking_inside_work(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    model = pylenet.models.lenet5_modern()
    model.save("lenet.safetensors")
    x = np.random.default_rng(0).integers(0, 256, (2, 28, 28)).astype(np.uint8)
    names = {"pylenet": pylenet, "x_test": x}
    look, chain = readme_blocks("Looking inside")
    exec(look, names)
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "(1, 24, 24, 6)"
    assert [line.split()[0] for line in rest] == [layer.name for layer in model.layers]
    assert names["filters"].shape == (5, 5, 1, 6)
    exec(chain, names)
    names["model"].fit(x, np.arange(2), verbose=0)
    assert names["features"].predict(x).shape == (2, 32)


# One's own digits


def paper(height=150, width=110):
    """A photograph of a black 7: grey paper, some noise, the digit aside."""
    grey = 200 + np.random.default_rng(1).normal(0, 4, (height, width))
    grey[20:26, 50:80] = 30
    for row in range(26, 80):
        right = 80 - (row - 26) // 3
        grey[row, right - 6 : right] = 30
    return grey.clip(0, 255).astype(np.uint8)


def test_a_digit_is_boxed_and_its_centre_of_mass_lies_at_14():
    digit = prepare_digit(paper())
    assert (digit.shape, digit.dtype) == ((28, 28), np.uint8)
    rows, columns = (np.flatnonzero(digit.any(axis)) for axis in (1, 0))
    assert rows[-1] - rows[0] + 1 == 20
    assert columns[-1] - columns[0] + 1 == 10
    assert digit.max() == 255
    for axis in (0, 1):
        centre = digit.sum(1 - axis) @ np.arange(28) / digit.sum()
        assert abs(centre - 14) <= 0.5


def test_dark_on_light_and_light_on_dark_become_the_same():
    assert np.array_equal(prepare_digit(paper()), prepare_digit(255 - paper()))


def test_one_pixel_of_ink_is_a_digit_too():
    grey = np.zeros((5, 7))
    grey[2, 3] = 1
    assert np.count_nonzero(prepare_digit(grey)) == 20 * 20


@pytest.mark.parametrize("shape", [(28, 28, 3), (28,), (0, 28), ()], ids=str)
def test_what_is_no_grey_image_is_an_error(shape):
    with pytest.raises(ValueError, match=r"shape \(height, width\)"):
        prepare_digit(np.ones(shape))


def test_an_image_without_ink_is_an_error():
    with pytest.raises(ValueError, match="must show a digit"):
        prepare_digit(np.full((9, 9), 255))


def run_own_digits(*arguments):
    command = [sys.executable, str(OWN_DIGITS), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=sanitizer.seconds(120))


@sanitizer.minutes
def test_files_are_read_by_a_model_that_is_trained_and_kept(mnist, tmp_path):
    _, (x, y) = mnist
    files = []
    for i in range(12):
        photo = np.full((100, 120), 230, np.uint8)
        photo[10:94, 30:114] -= np.kron(x[i] // 2, np.ones((3, 3), np.uint8))
        files.append(tmp_path / f"{i}{('.pgm', '.npy')[i % 2]}")
        if i % 2:
            np.save(files[i], photo)
        else:
            files[i].write_bytes(b"P5\n# mine\n120 100\n255\n" + photo.tobytes())
    model = tmp_path / "model.safetensors"
    first = run_own_digits(*files, "--model", model, "--epochs", 1)
    assert first.returncode == 0, first.stderr
    found = re.findall(r"^(.*): (\d) \([01]\.\d\d\)$", first.stdout, re.MULTILINE)
    assert [name for name, _ in found] == [str(file) for file in files]
    assert sum(int(digit) == label for (_, digit), label in zip(found, y, strict=False)) >= 11
    again = run_own_digits(*files, "--model", model)
    assert again.returncode == 0, again.stderr
    assert len(again.stdout.splitlines()) == len(files)
    assert first.stdout.endswith(again.stdout)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.pgm", b"P2 1 1 255 0", "expected a binary PGM file"),
        ("a.pgm", b"P5 9 9 65535\n" + bytes(162), "expected a binary PGM file"),
        ("a.pgm", b"P5 9 9 255\n" + bytes(7), "cannot reshape"),
        ("a.pgm", b"P5 9 9 255\n" + bytes(81), "must show a digit"),
        ("a.png", None, "No such file|pip install pillow"),
    ],
    ids=["text", "two bytes a pixel", "cut off", "black", "missing"],
)
def test_a_file_that_cannot_be_read_is_named(name, content, text, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = run_own_digits(tmp_path / name)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert str(tmp_path / name) in last
    assert re.search(text, last)


def test_without_pillow_the_error_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        own_digits["read_grey"](tmp_path / "a.png")


def test_a_png_s_transparent_ground_is_white(tmp_path):
    image = pytest.importorskip("PIL.Image")
    picture = image.new("RGBA", (6, 5))
    picture.putpixel((2, 1), (0, 0, 0, 255))
    picture.save(tmp_path / "a.png")
    grey = own_digits["read_grey"](tmp_path / "a.png")
    assert grey.shape == (5, 6)
    assert grey[1, 2] == 0
    assert np.count_nonzero(grey == 255) == 29
