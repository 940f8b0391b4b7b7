"""`pylenet train` stopped and gone on with by --resume; what it says where it cannot."""

import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.numpy
from datasets_tiny import NAMES, idx

from pylenet import callbacks, cli
from pylenet._recipes import COMPARED, MODERN_RECIPES, RECIPES

EPOCHS = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for count, (images, labels) in ((200, NAMES[:2]), (50, NAMES[2:])):
        (folder / images).write_bytes(idx(rng.integers(0, 255, (count, 28, 28), np.uint8)))
        (folder / labels).write_bytes(idx(np.arange(count, dtype=np.uint8) % 10))
    return folder


def train(data, out, *more, epochs=EPOCHS):
    arguments = ["--data", data, "--epochs", epochs, "--quiet", "--out", out, *more]
    return cli.main(["train", *map(str, arguments)])


def outcome(out):
    results = json.loads((out / "results.json").read_text())
    models = {p.name: p.read_bytes() for p in out.glob("*.safetensors")}
    names = sorted(p.name for p in out.iterdir())
    return names, models, [{**result, "seconds": 0, "date": ""} for result in results]


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    assert train(data, out) == 0
    return outcome(out)


@pytest.fixture
def interrupted(monkeypatch):
    """Make Ctrl-C fall into an epoch of a model, each epoch's end included."""

    def interrupt(name, epoch):
        recipes = RECIPES if name in RECIPES else MODERN_RECIPES
        recipe = recipes[name]

        def build(classes):
            model = recipe.build(classes)
            fit = model.fit

            def interrupted_fit(*data, **more):
                stop = callbacks.Callback()

                def begin(number, logs=None):
                    if number == epoch:
                        raise KeyboardInterrupt

                stop.on_epoch_begin = begin
                more["callbacks"] = [*more["callbacks"], stop]
                return fit(*data, **more)

            model.fit = interrupted_fit
            return model

        monkeypatch.setitem(recipes, name, replace(recipe, build=build))

    yield interrupt
    monkeypatch.undo()


@pytest.mark.parametrize("epoch", range(EPOCHS))
@pytest.mark.parametrize("name", COMPARED)
def test_a_resumed_run_ends_as_one_that_was_not_interrupted(
    name, epoch, data, whole, interrupted, tmp_path, monkeypatch
):
    interrupted(name, epoch)
    assert train(data, tmp_path) == 130
    monkeypatch.undo()
    assert (tmp_path / f".{name}.backup").is_dir()
    assert (tmp_path / f"{name}.safetensors").is_file() == (epoch > 0)
    assert train(data, tmp_path, "--resume") == 0
    assert outcome(tmp_path) == whole


def test_so_does_the_one_of_1998(data, interrupted, tmp_path, monkeypatch):
    assert train(data, tmp_path / "whole", "--model", "1998") == 0
    interrupted("1998", 2)
    assert train(data, tmp_path / "part", "--model", "1998") == 130
    monkeypatch.undo()
    assert train(data, tmp_path / "part", "--model", "1998", "--resume") == 0
    assert outcome(tmp_path / "part") == outcome(tmp_path / "whole")


@pytest.mark.parametrize("name", MODERN_RECIPES)
def test_so_does_a_recipe_which_is_not_gone_on_with_by_another(
    name, data, interrupted, tmp_path, monkeypatch
):
    assert train(data, tmp_path / "whole", "--recipe", name) == 0
    interrupted(name, 2)
    assert train(data, tmp_path / "part", "--recipe", name) == 130
    monkeypatch.undo()
    assert train(data, tmp_path / "part", "--resume", "--model", "modern") == 2
    assert train(data, tmp_path / "part", "--resume", "--recipe", name) == 0
    assert outcome(tmp_path / "part") == outcome(tmp_path / "whole")


def test_the_seconds_before_the_interruption_count(data, interrupted, tmp_path, monkeypatch):
    interrupted("classic", 2)
    assert train(data, tmp_path) == 130
    monkeypatch.undo()
    path = tmp_path / ".classic.backup" / "backup.safetensors"
    with safetensors.safe_open(path, framework="numpy") as file:
        state = json.loads(file.metadata()["backup"])
    assert 0 < state["seconds"] < 60
    state["seconds"] = 1000
    arrays = safetensors.numpy.load_file(path)
    safetensors.numpy.save_file(arrays, path, {"backup": json.dumps(state)})
    assert train(data, tmp_path, "--resume", "--model", "classic") == 0
    (result,) = json.loads((tmp_path / "results.json").read_text())
    assert 1000 < result["seconds"] < 1060


def test_with_nothing_to_go_on_from_resume_starts_from_the_beginning(data, whole, tmp_path):
    assert train(data, tmp_path, "--resume") == 0
    assert outcome(tmp_path) == whole
    assert train(data, tmp_path, "--resume") == 0
    assert outcome(tmp_path) == whole


def test_with_nothing_to_go_on_from_one_line_says_so(data, interrupted, tmp_path, capsys):
    arguments = ["--data", data, "--epochs", EPOCHS, "--out", tmp_path, "--model", "classic"]
    arguments = ["train", "--resume", *map(str, arguments)]
    interrupted("classic", 2)
    assert cli.main(arguments) == 130
    line = f"--resume found no interrupted run in {tmp_path}: training from the beginning"
    assert capsys.readouterr().out.splitlines()[0] == line
    assert cli.main(arguments) == 130  # at the epoch it goes on with
    assert line not in capsys.readouterr().out


@pytest.mark.filterwarnings("always:.*starting anew")
def test_without_resume_a_run_starts_anew_and_says_so(
    data, whole, interrupted, tmp_path, monkeypatch, capsys
):
    interrupted("classic", 2)
    assert train(data, tmp_path) == 130
    monkeypatch.undo()
    capsys.readouterr()
    assert train(data, tmp_path) == 0
    error = capsys.readouterr().err
    assert "backup.safetensors was left by an interrupted run: starting anew without it" in error
    assert outcome(tmp_path) == whole


OTHER = {
    "seed": (["--seed", 2], "--seed was 1, got 2"),
    "epochs": (["--epochs", 2], "--epochs was 3, got 2"),
    "batch size": (["--batch-size", 100], "--batch-size was 128, got 100"),
    "learning rate": (["--lr", 0.02], "--lr was 0.01, got 0.02"),
}


@pytest.mark.parametrize("name", OTHER)
def test_a_run_of_other_options_is_not_resumed(name, data, interrupted, tmp_path, capsys):
    more, message = OTHER[name]
    interrupted("classic", 2)
    assert train(data, tmp_path) == 130
    capsys.readouterr()
    assert train(data, tmp_path, "--resume", *more) == 2
    assert f"is of another training: {message}" in capsys.readouterr().err


def test_a_run_on_other_data_is_not_resumed(data, interrupted, tmp_path, capsys):
    interrupted("classic", 2)
    assert train(data, tmp_path / "out") == 130
    other = tmp_path / "other"
    other.mkdir()
    for name in NAMES:
        content = bytearray((data / name).read_bytes())
        content[-1] ^= 1
        (other / name).write_bytes(content)
    capsys.readouterr()
    assert train(other, tmp_path / "out", "--resume") == 2
    assert "sha256 of the training data was" in capsys.readouterr().err
