"""`pylenet quantize`, and what the other commands make of its file."""

import re
import shutil

import pytest
from datasets_tiny import write_data

from pylenet import cli, models


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with data and a modern LeNet of one epoch."""
    home = tmp_path_factory.mktemp("quantize")
    data = write_data(home / "tiny")
    options = ["--data", str(data), "--epochs", "1", "--quiet", "--out", str(home)]
    assert cli.main(["train", "--model", "modern", *options]) == 0
    return home


def run(capsys, *arguments, code=0):
    capsys.readouterr()
    assert cli.main([str(argument) for argument in arguments]) == code
    printed = capsys.readouterr()
    return printed.err if code else printed.out


@pytest.mark.quick
def test_quantize_writes_a_model_and_says_how_it_does(folder, capsys):
    text = run(capsys, "quantize", folder / "modern.safetensors", "--data", folder / "tiny")
    path = folder / "modern.int8.safetensors"
    assert f"{path}: {path.stat().st_size:,} bytes" in text
    assert "Total bytes: 45,6" in text
    assert "\ndense weights  8 bits, -127 to 127, a byte each\n" in text
    assert re.search(r"^test accuracy  0\.\d{4} \(0\.\d{4} before\)$", text, re.MULTILINE)
    assert re.search(r"^answers changed  \d+ of [\d,]+$", text, re.MULTILINE)
    assert path.stat().st_size < 0.4 * (folder / "modern.safetensors").stat().st_size
    assert models.load_model(path).contract == "pylenet-int8-1"


@pytest.fixture
def both(folder, tmp_path, capsys):
    """The model and its quantized one, in a folder of their own."""
    for name in ("modern.safetensors", "tiny"):
        copy = shutil.copytree if name == "tiny" else shutil.copy
        copy(folder / name, tmp_path / name)
    model = tmp_path / "modern.safetensors"
    text = run(capsys, "quantize", model, "--data", tmp_path / "tiny", "--dense-bits", 4)
    assert "\ndense weights  4 bits, -7 to 7, a byte each\n" in text
    return model, tmp_path / "modern.int8.safetensors", tmp_path / "tiny"


def test_evaluate_prints_how_many_answers_changed(both, capsys):
    model, quantized, data = both
    text = run(capsys, "evaluate", quantized, "--data", data)
    assert re.search(r"^test accuracy  0\.\d{4}$", text, re.MULTILINE)
    assert re.search(r"^answers changed  \d+ of [\d,]+$", text, re.MULTILINE)
    same = run(capsys, "evaluate", model, "--data", data, "--against", model)
    assert re.search(r"^answers changed  0 of ", same, re.MULTILINE)
    assert "changed" not in run(capsys, "evaluate", model, "--data", data)
    model.unlink()
    assert "changed" not in run(capsys, "evaluate", quantized, "--data", data)


def test_summary_takes_a_quantized_model(both, capsys):
    assert "pylenet-int8-1" in run(capsys, "summary", both[1])


def test_what_cannot_be_done_is_said_in_one_line(both, capsys):
    model, quantized, data = both
    again = run(capsys, "quantize", quantized, "--data", data, code=2)
    assert "MODEL must not be quantized already" in again
    over = run(capsys, "quantize", model, "--data", data, "--out", model, code=2)
    assert "--out must not be MODEL" in over
    onnx = run(capsys, "quantize", model, "--data", "none", "--out", "a.onnx", code=2)
    assert "--out must end in .safetensors, got 'a.onnx'" in onnx
    against = run(capsys, "evaluate", model, "--data", data, "--against", "nope", code=2)
    assert "--against must be a model file, and 'nope' is none" in against
    assert "and 'none' is none" in run(capsys, "quantize", "none", code=2)
