"""The examples run, and README shows the Keras script as it is."""

import json
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
# One of each kind: functional, batches of a generator, callbacks; the others run the same code.
KERAS_SCRIPTS = ("functional_features", "generator", "callbacks")
FEW_IMAGES = """
from pylenet.datasets import mnist
load_data = mnist.load_data
def few():
    (x, y), (x_test, y_test) = load_data()
    return (x[:5000], y[:5000]), (x_test[:1000], y_test[:1000])
mnist.load_data = few
"""


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


# The tutorial


def test_the_notebook_is_made_of_the_script_and_was_run_without_errors():
    place = ROOT / "examples" / "make_notebook.py"
    make = runpy.run_path(str(place))
    notebook = json.loads((ROOT / "examples" / "lenet_in_a_nutshell.ipynb").read_text("utf-8"))
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    assert cells == list(make["cells_of"](make["SCRIPT"].read_text("utf-8"))), (
        "run make_notebook.py"
    )
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell["outputs"]]
    kinds = {output["output_type"] for output in outputs}
    assert kinds == {"stream", "execute_result"}
    assert {output.get("name", "stdout") for output in outputs} == {"stdout"}
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == sum("\nshow(" in f"\n{text}" for _, text in cells)


# The scripts of examples/keras


@sanitizer.minutes
@pytest.mark.parametrize("name", KERAS_SCRIPTS)
def test_a_keras_script_runs_in_pylenet_and_learns(name, mnist):
    command = [sys.executable, str(ROOT / "examples" / "keras" / "run.py"), name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=sanitizer.seconds(300))
    assert done.returncode == 0, done.stderr
    row = done.stdout.splitlines()[-1].split()
    assert row[:2] == [name, "pylenet"]
    assert float(row[3]) > 0.7


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


# The documentation


def test_every_page_of_the_documentation_has_its_place_in_the_site():
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]
    pages = re.findall(r"^ .*?: (\S+\.md)$", nav, re.MULTILINE)
    made = {"api/index.md", "nutshell/index.md", "try.md"}  # by docs/hooks.py
    assert sorted({*pages} - made) == sorted(path.name for path in (ROOT / "docs").glob("*.md"))
    assert len(pages) == len(set(pages))


def test_the_lines_for_embedding_read_an_image(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pylenet.models.lenet5_modern().save("lenet.safetensors")
    text = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(block, names := {})
    assert names["digit"] in range(10)


# One's own digits


@sanitizer.minutes
def test_pictures_are_read_by_a_model_that_is_trained_and_kept(mnist, tmp_path):
    image = pytest.importorskip("PIL.Image")
    _, (x, y) = mnist
    files = [tmp_path / f"{i}.{('png', 'jpg')[i % 2]}" for i in range(12)]
    for digit, file in zip(x, files, strict=False):
        photo = np.full((100, 120), 230, np.uint8)
        photo[10:94, 30:114] -= np.kron(digit // 2, np.ones((3, 3), np.uint8))
        image.fromarray(photo).save(file)
    model = tmp_path / "model.safetensors"
    first = run_own_digits(*files, "--model", model, "--epochs", 1)
    assert first.returncode == 0, first.stderr
    found = re.findall(r"^(.*): (\d) \([01]\.\d\d\)$", first.stdout, re.MULTILINE)
    assert [name for name, _ in found] == [str(file) for file in files]
    assert sum(int(digit) == label for (_, digit), label in zip(found, y, strict=False)) >= 11
    again = run_own_digits(*files, "--model", model)
    assert again.returncode == 0, again.stderr
    assert first.stdout.endswith(again.stdout)
    command = [sys.executable, "-m", "pylenet", "predict", str(model), *map(str, files)]
    told = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert told.stdout == again.stdout


def run_own_digits(*arguments):
    command = [sys.executable, str(OWN_DIGITS), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=sanitizer.seconds(120))
