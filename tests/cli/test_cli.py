"""The command line as a user meets it: mostly in a process of its own, on a tiny data set."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
import sanitizer
from datasets_tiny import NAMES, write_data
from tolerance import assert_same_bits

import pylenet
from pylenet import _core, cli, losses, models
from pylenet._recipes import AUGMENTED_1998, NAMED_RECIPES, RECIPES
from pylenet.benchmark import machine
from pylenet.layers import Conv2D, Dense, Flatten, Input, Rescaling

SCRIPT = shutil.which("pylenet", path=os.path.dirname(sys.executable))
FIGURES = ("test_loss", "test_accuracy")


def environment(**env):
    """Ours, without the settings that a test states itself."""
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    return kept | env


def pylenet_command(*arguments, cwd, command=(sys.executable, "-m", "pylenet"), **env):
    return subprocess.run(
        [*command, *map(str, arguments)],
        cwd=cwd,
        env=environment(**env),
        capture_output=True,
        text=True,
        timeout=sanitizer.seconds(120),
    )


def succeeds(*arguments, **how):
    done = pylenet_command(*arguments, **how)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data") / "tiny")


@pytest.fixture(scope="module")
def trained(data):
    """Folder and printed text of a run of both models, two epochs, one thread."""
    home = data.parent
    text = succeeds("train", "--data", "tiny", "--epochs", 2, "--threads", 1, cwd=home)
    return home / "pylenet-out", text


def results_of(folder):
    return json.loads((folder / "results.json").read_text())


# train


def test_plots_without_matplotlib_are_refused_before_anything_is_trained(
    tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["train", "--plots"]) == 2
    text = '--plots needs matplotlib: pip install "pylenet[plots]"'
    assert capsys.readouterr().err == f"pylenet: error: {text}\n"
    assert list(tmp_path.iterdir()) == []


def test_train_writes_both_models_and_the_results_and_nothing_else(trained):
    out, _ = trained
    names = ["classic.safetensors", "modern.safetensors", "results.json"]
    assert sorted(path.name for path in out.iterdir()) == names


def test_results_json_holds_the_documented_fields_of_each_model(trained):
    results = results_of(trained[0])
    assert [result["model"] for result in results] == ["classic", "modern"]
    for result in results:
        assert list(result) == [
            *("model", "data", "classes", "recipe", "distort", "seed", "threads", "isa"),
            *("convolution", "cpu"),
            *("version", "date", "epochs", "seconds", "test_loss", "test_accuracy", "history"),
        ]
        assert re.fullmatch(r"folder tiny \(sha256 [0-9a-f]{8}\)", result["data"])
        assert (result["cpu"], result["version"]) == (machine.processor(), pylenet.__version__)
        age = datetime.now(timezone.utc) - datetime.fromisoformat(result["date"])
        assert timedelta(0) <= age < timedelta(hours=1)
        assert (result["recipe"], result["distort"]) == (None, False)
        assert (result["epochs"], result["seed"], result["threads"]) == (2, 1, 1)
        assert result["isa"] == _core.active_isa()
        assert result["convolution"] == pylenet.get_convolution()
        assert 0 < result["seconds"] < 60
        assert 0 < result["test_loss"] < 5
        assert 0 <= result["test_accuracy"] <= 1


def test_the_test_accuracy_of_every_epoch_is_shown_and_kept(trained):
    out, text = trained
    shown = re.findall(r"val_accuracy: (\S+) - val_loss: (\S+)", text)
    kept = []
    for result in results_of(out):
        curve = result["history"]
        assert list(curve) == ["accuracy", "loss", "val_accuracy", "val_loss"]
        kept += zip(curve["val_accuracy"], curve["val_loss"], strict=True)
        assert kept[-1] == (result["test_accuracy"], result["test_loss"])
    assert shown == [(f"{accuracy:.4f}", f"{loss:.4f}") for accuracy, loss in kept]
    assert len(kept) == 4


def test_seconds_are_of_training_alone(data, tmp_path, monkeypatch):
    evaluate = models.Sequential._evaluate

    def slow(*arguments):
        time.sleep(0.5)
        return evaluate(*arguments)

    monkeypatch.setattr(models.Sequential, "_evaluate", slow)
    options = ["--data", str(data), "--epochs", "2", "--quiet", "--out", str(tmp_path)]
    assert cli.main(["train", "--model", "modern", *options]) == 0
    (result,) = results_of(tmp_path)
    assert 0 < result["seconds"] < 1


def test_the_table_at_the_end_compares_both_models(trained):
    out, text = trained
    head, *rows = text.splitlines()[-5:-2]
    assert re.split(r"\s{2,}", head) == [
        *("model", "parameters", "epochs", "seconds", "test loss", "test accuracy")
    ]
    for row, result in zip(rows, results_of(out), strict=True):
        loss, accuracy = (f"{result[figure]:.4f}" for figure in FIGURES)
        assert row.split() == [
            *(result["model"], "44,426", "2", f"{result['seconds']:.1f}", loss, accuracy)
        ]
        assert len(row) == len(head)


def test_elsewhere_than_on_a_terminal_progress_is_one_line_an_epoch(trained):
    _, text = trained
    assert "\r" not in text
    epochs = [line for line in text.splitlines() if line.startswith("Epoch")]
    assert [line.split(" - ")[:2] for line in epochs] == [
        *(["Epoch 1/2", "2/2"], ["Epoch 2/2", "2/2"]),
        *(["Epoch 1/2", "4/4"], ["Epoch 2/2", "4/4"]),
    ]
    assert len(text.splitlines()) == len(epochs) + 9  # titles, table, what was written


@pytest.mark.parametrize("name", ["classic", "modern"])
def test_a_saved_model_evaluates_to_the_figures_of_its_training(trained, data, name):
    out, _ = trained
    path = out / f"{name}.safetensors"
    result = next(result for result in results_of(out) if result["model"] == name)
    text = succeeds("evaluate", path, "--data", data, "--threads", 2, cwd=out)
    first, *figures = text.splitlines()
    assert "50 test images" in first
    assert figures == [
        f"test loss      {result['test_loss']:.4f}",
        f"test accuracy  {result['test_accuracy']:.4f}",
    ]


def test_results_json_tells_the_threads_that_ran_of_those_asked_for(data, tmp_path):
    how = ["--model", "modern", "--data", data, "--epochs", 1, "--threads", 3, "--quiet"]
    succeeds("train", *how, cwd=tmp_path, OMP_THREAD_LIMIT="1")
    (result,) = results_of(tmp_path / "pylenet-out")
    assert result["threads"] == 1


def test_a_saved_model_knows_its_data_and_their_classes(trained):
    out, _ = trained
    for result in results_of(out):
        model = models.load_model(out / f"{result['model']}.safetensors")
        assert model.data_name == result["data"]
        assert model.class_names == tuple("0123456789")


# Any number of classes


def test_the_number_of_classes_is_that_of_the_labels(tmp_path):
    data = write_data(tmp_path / "twelve", classes=12)
    succeeds("train", "--data", data, "--epochs", 2, cwd=tmp_path)
    for result in results_of(tmp_path / "pylenet-out"):
        path = tmp_path / "pylenet-out" / f"{result['model']}.safetensors"
        model = models.load_model(path)
        assert result["classes"] == 12
        assert model.output_shape == (None, 12)
        assert model.class_names == tuple(map(str, range(12)))
        shown = succeeds("evaluate", path, "--data", data, cwd=tmp_path)
        assert shown.splitlines()[-1].split()[-1] == f"{result['test_accuracy']:.4f}"


def write_letters(folder):
    """EMNIST's letters, so to say: labels from 1 to 26, files of their names."""
    write_data(folder, classes=26, train=520, test=260)
    for name, part in zip(NAMES, ("train", "train", "test", "test"), strict=True):
        data = bytearray((folder / name).read_bytes())
        if "labels" in name:
            data[8:] = bytes(label + 1 for label in data[8:])
        kind = "images-idx3" if "images" in name else "labels-idx1"
        (folder / f"emnist-letters-{part}-{kind}-ubyte").write_bytes(data)
        (folder / name).unlink()
    return folder / "emnist-letters"


def test_letters_whose_labels_begin_at_1_are_26_classes_with_names(tmp_path):
    letters = write_letters(tmp_path / "gzip")
    train = ["train", "--data", letters, "--epochs", 8, "--lr", 0.1, "--model", "modern"]
    done = pylenet_command(*train, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stderr == (
        "pylenet: warning: EMNIST's images lie on their side, got --data "
        f"{letters} without --transpose\n"
    )
    assert done.stdout.splitlines()[0] == "Labels 1 to 26 are outputs 0 to 25."
    path = tmp_path / "pylenet-out" / "modern.safetensors"
    model = models.load_model(path)
    assert model.output_shape == (None, 26)
    assert "".join(model.class_names) == "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    _, (x, y) = pylenet.datasets.load_folder(letters)
    assert (y.min(), y.max()) == (1, 26)
    (result,) = results_of(path.parent)
    assert (model.predict(x).argmax(1) + 1 == y).mean() == result["test_accuracy"] > 0.9
    for folder in (letters, letters.parent):
        text = succeeds("evaluate", path, "--data", folder, cwd=tmp_path)
        assert text.splitlines()[-1].split()[-1] == f"{result['test_accuracy']:.4f}"


def test_transpose_sets_images_upright_for_training_and_for_testing(tmp_path):
    letters = write_letters(tmp_path / "gzip")
    how = ["--data", letters, "--transpose"]
    more = ["--epochs", 2, "--quiet", "--model", "modern"]
    assert succeeds("train", *how, *more, cwd=tmp_path) == ""
    path = tmp_path / "pylenet-out" / "modern.safetensors"
    text = succeeds("evaluate", path, *how, cwd=tmp_path)
    (result,) = results_of(path.parent)
    assert text.splitlines()[-1].split()[-1] == f"{result['test_accuracy']:.4f}"
    (x, _), _ = pylenet.datasets.load_folder(letters)
    upright = cli._data.load(str(letters), (28, 28), transpose=True)
    np.testing.assert_array_equal(upright.train[0], x.transpose(0, 2, 1))
    assert not upright.on_their_side
    done = pylenet_command("evaluate", path, *how[:2], cwd=tmp_path)
    assert "MODEL was trained on other data" in done.stderr


@pytest.mark.parametrize(
    ("labels", "names", "model_names", "expected"),
    [
        ([1, 2, 9], "123456789", "123456789", [0, 1, 8]),
        ([1, 2, 9], "123456789", "0123456789", [1, 2, 9]),
        ([1, 2, 9], "123456789", None, [1, 2, 9]),
        ([0, 3], "0123", "WXYZ", [0, 3]),
    ],
    ids=["own names", "digits", "no names", "other names"],
)
def test_labels_are_found_among_a_model_s_outputs_by_name(labels, names, model_names, expected):
    y = np.array(labels, np.uint8)
    x = np.zeros((len(y), 28, 28), np.uint8)
    data = cli._data.Data("some", int(names[0]), tuple(names), (x, y), (x, y[::-1]))
    (_, train), (_, test) = data.numbered(model_names, 10)
    assert train.tolist() == expected
    assert test.tolist() == expected[::-1]


@pytest.fixture
def other_data(tmp_path):
    """As `data`, and of the same folder name, but for one pixel."""
    folder = write_data(tmp_path / "tiny")
    images = folder / NAMES[0]
    content = bytearray(images.read_bytes())
    content[-1] ^= 1
    images.write_bytes(content)
    return folder


def test_a_model_tested_on_other_data_says_so(trained, other_data, tmp_path):
    out, _ = trained
    done = pylenet_command("evaluate", out / "modern.safetensors", "--data", other_data, cwd=out)
    assert done.returncode == 0
    (warning,) = done.stderr.splitlines()
    assert re.fullmatch(
        r"pylenet: warning: MODEL was trained on other data: folder tiny \(sha256 \w{8}\), "
        r"tested on folder tiny \(sha256 \w{8}\)",
        warning,
    )
    assert len(set(re.findall(r"sha256 (\w+)", warning))) == 2


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("kept", ["modern.safetensors", "results.json"])
@pytest.mark.parametrize("more", [[], ["--resume"]], ids=str)
def test_what_was_trained_on_other_data_is_not_overwritten(
    kept, more, trained, other_data, tmp_path, capsys
):
    out = tmp_path / "out"
    out.mkdir()
    shutil.copy(trained[0] / kept, out)
    former = contents(out)
    arguments = ["train", "--data", str(other_data), "--epochs", "1", "--out", str(out), *more]
    assert cli.main(arguments) == 2
    assert contents(out) == former
    _, error = capsys.readouterr()
    assert "--out must be another folder for --data" in error
    assert f"{kept}' is of folder tiny (sha256 " in error


@pytest.mark.parametrize("text", ["", "[]", "{}", "[1]", '[{"model": "modern"}]', "nonsense"])
def test_files_that_know_no_data_are_overwritten(text, data, tmp_path):
    (tmp_path / "results.json").write_text(text)
    models.lenet5_classic().save(tmp_path / "modern.safetensors")
    (tmp_path / "classic.safetensors").write_text("nonsense")
    options = ["--data", str(data), "--epochs", "1", "--quiet", "--out", str(tmp_path)]
    assert cli.main(["train", *options]) == 0
    assert len(results_of(tmp_path)) == 2


def test_the_known_data_sets_name_their_classes(data, monkeypatch):
    loaded = pylenet.datasets.load_folder(data)
    for name, last in (("mnist", "9"), ("fashion_mnist", "Ankle boot")):
        monkeypatch.setitem(cli._data.KNOWN, name, lambda: loaded)
        found = cli._data.load(name, (28, 28))
        assert found.name == name
        assert len(set(found.class_names)) == 10
        assert found.class_names[9] == last


@pytest.mark.skipif(SCRIPT is None, reason="the console script is not installed here")
def test_the_console_script_on_other_threads_gives_the_same_model_alone(trained, data, tmp_path):
    out, _ = trained
    more = ["--data", data, "--epochs", 2, "--threads", 2, "--out", "a/b", "--quiet"]
    text = succeeds("train", "--model", "modern", *more, cwd=tmp_path, command=[SCRIPT])
    assert text == ""
    (alone,), (_, both) = results_of(tmp_path / "a" / "b"), results_of(out)
    assert alone["threads"] == (2 if _core.OPENMP else 1)
    assert {f: alone[f] for f in FIGURES} == {f: both[f] for f in FIGURES}
    paths = [folder / "modern.safetensors" for folder in (tmp_path / "a" / "b", out)]
    weights = [models.load_model(path).get_weights() for path in paths]
    for one, other in zip(*weights, strict=True):
        assert_same_bits(one, other)


def test_options_reach_the_training(data, tmp_path):
    options = ["--epochs", 1, "--batch-size", 100, "--lr", 0.25, "--seed", 7, "--quiet"]
    succeeds("train", "--data", data, *options, "--out", tmp_path, cwd=tmp_path)
    assert [(r["epochs"], r["seed"]) for r in results_of(tmp_path)] == [(1, 7), (1, 7)]
    classic = models.load_model(tmp_path / "classic.safetensors")
    modern = models.load_model(tmp_path / "modern.safetensors")
    assert classic.optimizer.learning_rate == 0.25
    schedule = modern.optimizer.get_config()["learning_rate"]["config"]
    assert (schedule["max_learning_rate"], schedule["total_steps"]) == (0.25, 2)


@pytest.mark.parametrize(
    ("model", "name", "parameters"),
    [
        (None, "fast", "44,426"),
        (None, "best", "44,426"),
        ("small", "fast", "5,074"),
        ("small", "best", "5,074"),
        ("medium", "best", "14,734"),
    ],
)
def test_a_recipe_trains_the_modern_model_or_a_smaller_one_its_own_way(
    model, name, parameters, data, tmp_path
):
    options = ["--data", data, "--epochs", 2, "--seed", 7, "--out", tmp_path]
    options += ["--model", model] if model else []
    model = model or "modern"
    recipe = NAMED_RECIPES[model][name]
    text = succeeds("train", "--recipe", name, *options, cwd=tmp_path)
    assert text.startswith(f"{model}, recipe {name}: {parameters} parameters, 200 images, batches")
    (result,) = results_of(tmp_path)
    assert (result["model"], result["recipe"], result["epochs"]) == (model, name, 2)

    (x, y), _ = pylenet.datasets.load_folder(data)
    pylenet.utils.set_random_seed(7)
    expected = recipe.build()
    steps = 2 * -(-len(x) // recipe.batch_size)
    expected.compile(
        recipe.optimizer(steps, recipe.learning_rate), "sparse_categorical_crossentropy"
    )
    distort = recipe.augmentation() if recipe.augmentation else None
    assert (distort is not None) == (name == "best")
    expected.fit(x, y, recipe.batch_size, 2, verbose=0, augmentation=distort)
    weights = models.load_model(tmp_path / f"{model}.safetensors").get_weights()
    assert_same_bits(tuple(weights), tuple(expected.get_weights()))


def test_options_overrule_a_recipe(data, tmp_path):
    options = ["--epochs", 1, "--batch-size", 100, "--lr", 0.25, "--quiet", "--out", tmp_path]
    for model in ([], ["--model", "modern"]):
        succeeds("train", "--data", data, *model, "--recipe", "best", *options, cwd=tmp_path)
        (optimizer,) = [models.load_model(tmp_path / "modern.safetensors").optimizer]
        schedule = optimizer.get_config()["learning_rate"]["config"]
        assert (schedule["max_learning_rate"], schedule["total_steps"]) == (0.25, 2)


def test_the_recipe_of_1998_keeps_its_learning_curve(data, tmp_path):
    options = ["--model", "1998", "--epochs", 2, "--quiet"]
    succeeds("train", "--data", data, *options, "--out", tmp_path, cwd=tmp_path)
    (result,) = results_of(tmp_path)
    curve = result["history"]
    assert list(curve) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    assert {len(values) for values in curve.values()} == {2}
    assert curve["val_accuracy"][-1] == result["test_accuracy"]
    assert curve["val_loss"][-1] == pytest.approx(result["test_loss"], abs=2e-6)
    text = succeeds("evaluate", tmp_path / "1998.safetensors", "--data", data, cwd=tmp_path)
    assert text.splitlines()[-1].split()[-1] == f"{result['test_accuracy']:.4f}"


def test_the_experiment_of_1998_with_distortions(data, tmp_path):
    options = ["--data", data, "--model", "1998", "--epochs", 2, "--seed", 7, "--out", tmp_path]
    text = succeeds("train", "--distort", *options, cwd=tmp_path)
    assert text.startswith("1998, distorted: 60,000 parameters, 200 images, batches of 1")
    (result,) = results_of(tmp_path)
    assert (result["model"], result["distort"], len(result["history"]["loss"])) == ("1998", True, 2)

    (x, y), _ = pylenet.datasets.load_folder(data)
    pylenet.utils.set_random_seed(7)
    expected = models.lenet5_1998()
    expected.compile("sdlm", "maximum_a_posteriori")
    distort = AUGMENTED_1998.augmentation()
    assert distort.rate == 0.9
    expected.fit(x, y, 1, 2, verbose=0, augmentation=distort)
    weights = models.load_model(tmp_path / "1998.safetensors").get_weights()
    assert_same_bits(tuple(weights), tuple(expected.get_weights()))


def test_another_seed_gives_another_model(trained, data, tmp_path):
    options = ["--model", "classic", "--epochs", 2, "--seed", 2]
    succeeds("train", "--data", data, *options, cwd=tmp_path)
    (other,) = results_of(tmp_path / "pylenet-out")
    assert other["test_loss"] != results_of(trained[0])[0]["test_loss"]


RESUME = "the same command with --resume goes on from here"


def test_a_model_that_is_trained_is_kept_when_the_next_is_interrupted(
    data, tmp_path, monkeypatch, capsys
):
    def interrupted(classes):
        raise KeyboardInterrupt

    monkeypatch.setitem(RECIPES, "modern", replace(RECIPES["modern"], build=interrupted))
    arguments = ["train", "--data", str(data), "--epochs", "1", "--out", str(tmp_path)]
    assert cli.main(arguments) == 130
    assert [result["model"] for result in results_of(tmp_path)] == ["classic"]
    models.load_model(tmp_path / "classic.safetensors")
    assert capsys.readouterr().err == f"pylenet: interrupted: {RESUME}\n"


posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and terminals")
ENDLESS = ["--model", "classic", "--epochs", "1000000"]


@posix
def test_ctrl_c_ends_training_with_exit_code_130_and_one_line(data, tmp_path):
    command = [sys.executable, "-m", "pylenet", "train", "--data", str(data), *ENDLESS]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job hands down that SIGINT is to be ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with process:
        while not process.stdout.readline().startswith("Epoch 2"):
            assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (130, f"pylenet: interrupted: {RESUME}\n")
    names = sorted(path.name for path in (tmp_path / "pylenet-out").iterdir())
    assert names == [".classic.backup", "classic.safetensors"]
    models.load_model(tmp_path / "pylenet-out" / "classic.safetensors")


@posix
@pytest.mark.parametrize("arguments", [["summary", "classic"], ["train", *ENDLESS]], ids=str)
def test_a_reader_that_goes_away_ends_the_command_silently(arguments, data, tmp_path):
    more = ["--data", str(data)] if "train" in arguments else []
    command = [sys.executable, "-m", "pylenet", *arguments, *more]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), stdout=writer, stderr=subprocess.PIPE, timeout=60
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@posix
def test_on_a_terminal_each_epoch_redraws_a_line_and_ends_it(data, tmp_path):
    pty = pytest.importorskip("pty")
    controller, terminal = pty.openpty()
    command = [sys.executable, "-m", "pylenet", "train", "--data", str(data), "--epochs", "2"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(COLUMNS="100"), stdout=terminal, stderr=terminal
    )
    os.close(terminal)
    text = b""
    try:
        while piece := os.read(controller, 4096):
            text += piece
    except OSError:
        pass  # Linux says so when the other side is closed
    os.close(controller)
    assert process.wait(timeout=60) == 0
    lines = text.decode().rstrip("\r\n").split("\r\n")
    drawn = [line for line in lines if "\r" in line]
    assert len(drawn) == 4
    for line in drawn:
        assert re.match(r"(2/2|4/4) - .* - loss: \d", line.split("\r")[-1])
    titles = [line for line in lines if line.startswith("Epoch")]
    assert titles == ["Epoch 1/2", "Epoch 2/2"] * 2
    assert lines[-1].startswith("Written: pylenet-out")


# evaluate, summary, info


def flat(*layers, size=(28, 28, 1), classes=10):
    return models.Sequential([Input(size), *layers, Flatten(), Dense(classes, "softmax")])


def saved(model, path, loss=None, **compiled):
    if loss is not None:
        model.compile("sgd", loss, **compiled)
    model.save(path)
    return path


@pytest.mark.parametrize("loss", [None, "categorical_crossentropy", "mse", "sparse"], ids=str)
def test_evaluate_takes_models_of_any_loss_compiled_or_not(loss, data, tmp_path):
    model = flat(Rescaling(1 / 255), Conv2D(2, 5, activation="relu"))
    name = "sparse_categorical_crossentropy" if loss == "sparse" else loss
    path = saved(model, tmp_path / "model.safetensors", name)
    _, (x, y) = pylenet.datasets.load_folder(data)
    outputs = model.predict(x)
    if loss == "mse":
        expected = losses.mean_squared_error(pylenet.utils.to_categorical(y, 10), outputs).mean()
    else:
        expected = losses.sparse_categorical_crossentropy(y, outputs).mean()
    text = succeeds("evaluate", path, "--data", data, cwd=tmp_path)
    found = [float(line.split()[-1]) for line in text.splitlines()[1:]]
    assert found == pytest.approx([expected, (outputs.argmax(1) == y).mean()], abs=1e-4)


def test_evaluate_takes_the_outputs_of_a_linear_model_as_logits(data, tmp_path):
    model = models.Sequential([Rescaling(1 / 255, input_shape=(28, 28)), Flatten(), Dense(10)])
    path = saved(model, tmp_path / "model.safetensors")
    _, (x, y) = pylenet.datasets.load_folder(data)
    expected = losses.sparse_categorical_crossentropy(y, model.predict(x), from_logits=True).mean()
    text = succeeds("evaluate", path, "--data", data, cwd=tmp_path)
    assert float(text.splitlines()[1].split()[-1]) == pytest.approx(expected, abs=1e-4)


def test_evaluate_takes_the_outputs_of_a_tanh_model_as_numbers(data, tmp_path):
    end = Dense(10, "tanh")
    model = models.Sequential([Rescaling(1 / 255, input_shape=(28, 28)), Flatten(), end])
    path = saved(model, tmp_path / "model.safetensors")
    _, (x, y) = pylenet.datasets.load_folder(data)
    rows = pylenet.utils.to_categorical(y, 10)
    expected = losses.mean_squared_error(rows, model.predict(x)).mean()
    text = succeeds("evaluate", path, "--data", data, cwd=tmp_path)
    assert float(text.splitlines()[1].split()[-1]) == pytest.approx(expected, abs=1e-4)


def test_evaluate_scales_pixels_for_a_model_that_does_not_and_warns(data, tmp_path):
    model = flat()
    model.set_weights([4 * w for w in model.get_weights()])  # a loss that shows the scale
    path = saved(model, tmp_path / "model.safetensors")
    _, (x, y) = pylenet.datasets.load_folder(data)
    expected, other = (
        losses.sparse_categorical_crossentropy(y, model.predict(x / scale)).mean()
        for scale in (255.0, 256.0)
    )
    assert abs(expected - other) > 1e-3
    done = pylenet_command("evaluate", path, "--data", data, cwd=tmp_path)
    assert done.returncode == 0
    assert float(done.stdout.splitlines()[1].split()[-1]) == pytest.approx(expected, abs=1e-4)
    (warning,) = done.stderr.splitlines()
    assert warning.startswith("pylenet: warning: MODEL has no Rescaling layer in front")


def test_evaluate_takes_images_of_another_size_where_model_and_data_agree(tmp_path):
    data = write_data(tmp_path / "wide", size=(30, 40), classes=3)
    model = flat(Rescaling(1 / 255), size=(30, 40, 1), classes=3)
    path = saved(model, tmp_path / "model.safetensors")
    assert "50 test images of wide" in succeeds("evaluate", path, "--data", data.name, cwd=tmp_path)


@pytest.mark.parametrize("name", ["classic", "modern"])
def test_summary_is_the_same_by_name_by_full_name_and_by_file(trained, name):
    out, _ = trained
    texts = [succeeds("summary", m, cwd=out) for m in (name, f"{name}.safetensors")]
    texts.append(succeeds("summary", f"lenet5_{name}", cwd=out))
    assert texts[0] == texts[1] == texts[2]
    assert f'Model: "lenet5_{name}"' in texts[0]
    assert "Total params: 44,426" in texts[0]


def test_info_shows_the_build_the_data_and_the_cache(tmp_path, capsys):
    pylenet.show_config()
    names = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()]
    env = {"HOME": str(tmp_path), "XDG_CACHE_HOME": "", "PYLENET_DATA": ""}
    env["PYLENET_NUM_THREADS"] = "1"
    shown = dict(line.split(":", 1) for line in succeeds("info", cwd=tmp_path, **env).splitlines())
    assert list(shown) == [*names, "MNIST", "Fashion-MNIST", "cache"]
    assert shown["threads"].strip() == "1"
    assert shown["ISA active"].strip() == _core.active_isa()
    assert shown["cache"].strip() == str(tmp_path / ".cache" / "pylenet")


def test_info_tells_how_many_of_the_threads_asked_for_may_run(tmp_path):
    env = {"PYLENET_NUM_THREADS": "4", "OMP_THREAD_LIMIT": "2", "HOME": str(tmp_path)}
    text = succeeds("info", cwd=tmp_path, **env)
    assert re.search(r"^threads: +(.*)$", text, re.MULTILINE)[1] == (
        f"{2 if _core.OPENMP else 1} (of 4 asked for)"
    )


def test_info_warns_of_a_damaged_copy_in_one_line(data, tmp_path):
    folder = tmp_path / "pylenet" / "mnist"
    folder.mkdir(parents=True)
    shutil.copy(data / NAMES[0], folder)
    env = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path), "PYLENET_DATA": ""}
    done = pylenet_command("info", cwd=tmp_path, **env)
    assert done.returncode == 0
    (warning,) = done.stderr.splitlines()
    assert warning.startswith(f"pylenet: warning: {folder / NAMES[0]} is damaged")


def test_version_is_the_packages(tmp_path):
    assert succeeds("--version", cwd=tmp_path) == f"pylenet {pylenet.__version__}\n"


@pytest.mark.parametrize("command", ["train", "evaluate", "summary", "info"])
def test_help_tells_of_each_command(command, capsys):
    for arguments in (["--help"], [command, "--help"]):
        with pytest.raises(SystemExit, match="^0$"):
            cli.main(arguments)
        assert command in capsys.readouterr().out


# Errors


def test_without_a_command_the_help_is_printed_and_the_exit_code_is_2(tmp_path):
    done = pylenet_command(cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "train" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def wrong(data, tmp_path_factory):
    """A folder of things that are not what they should be; the tests of errors run in it."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "file").write_text("not a model")
    (folder / "empty").mkdir()
    write_data(folder / "small", size=(20, 20), classes=3)
    write_data(folder / "letters", size=(28, 28), classes=12)
    write_data(folder / "one", size=(28, 28), classes=1)
    shutil.copytree(data, folder / "cut")
    with open(folder / "cut" / NAMES[0], "r+b") as images:
        images.truncate(1000)
    shutil.copytree(data, folder / "tiny")
    (folder / "taken" / "results.json").mkdir(parents=True)
    saved(flat(size=(28, 28, 3)), folder / "colour.safetensors")
    saved(flat(Rescaling(1.0), classes=5), folder / "five.safetensors")
    saved(flat(Rescaling(1.0), size=(20, 20)), folder / "small.safetensors")
    saved(models.Sequential([Conv2D(2, 5, input_shape=(28, 28, 1))]), folder / "maps.safetensors")
    saved(models.lenet5_classic(), folder / "good.safetensors")
    whole = (folder / "good.safetensors").read_bytes()
    (folder / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    return folder


TINY = "train --data tiny"
ERRORS = {
    "nonsense": "'nonsense'",
    "train --nonsense": "--nonsense",
    "train --epoch 3": "--epoch",
    "train --model lenet": "--model",
    "train --recipe slow": "--recipe",
    f"{TINY} --recipe fast --model classic": "--recipe fast is for --model modern, medium, sma",
    f"{TINY} --recipe best --model both": "--recipe best is for --model modern, medium, small, got",
    f"{TINY} --distort": "--distort is for --model 1998, got classic and modern: for the modern",
    f"{TINY} --distort --model modern": "--distort is for --model 1998, got modern",
    f"{TINY} --distort --recipe best": "--distort is for --model 1998, got modern",
    f"{TINY} --distort --recipe best --model 1998": "--recipe best is for --model modern,",
    "train --epochs 0": "argument --epochs: must be a whole number >= 1, got '0'",
    "train --epochs 1.5": "--epochs",
    "train --batch-size -1": "--batch-size",
    "train --lr -0.1": "argument --lr: must be a number > 0, got '-0.1'",
    "train --lr nan": "--lr",
    "train --seed 4294967296": "--seed",
    "train --threads 0": "--threads",
    "train --data nowhere": "--data must be mnist, fashion_mnist or a folder, got 'nowhere'",
    "train --data empty": "path empty does not hold a data set",
    "train --data cut": "promises 156800 bytes, but there are 1000",
    "train --data small": "--data must hold images of (28, 28) pixels, got (20, 20)",
    "train --data letters --model 1998": "classes must be 10, for the codes of lenet5_1998 are the",
    "train --data one": "--data must hold two classes or more, got label 0 alone",
    "train --transpose": "--transpose is for a folder, got --data mnist",
    f"{TINY} --out file": "--out must be a folder that can be written to, got 'file'",
    f"{TINY} --out file/beneath": "--out must be a folder that can be written to",
    "train --data nowhere --out file/before-data": "--out must be a folder",
    f"{TINY} --out taken": "--out must not hold a folder in a file's place",
    f"{TINY} --epochs 3 --lr 1e30 --model modern": "the loss is nan at step 2 of epoch 1",
    f"{TINY} --epochs 1 --batch-size 200 --lr 1e30 --model modern": "the test loss is nan",
    "evaluate": "MODEL",
    "evaluate nowhere": "MODEL must be a model file, and 'nowhere' is none",
    "evaluate file": "'file' is not a pylenet model",
    "evaluate half.safetensors": "'half.safetensors' is not a pylenet model",
    "evaluate colour.safetensors --data tiny": "MODEL must take images (height, width, 1)",
    "evaluate maps.safetensors --data tiny": "and give (classes,), but 'maps.safetensors' takes",
    "evaluate five.safetensors --data tiny": "--data must hold labels below 5, got 9",
    "evaluate good.safetensors --data letters": "--data must hold labels below 10, got 11",
    "evaluate small.safetensors --data tiny": "--data must hold images of (20, 20) pixels",
    "summary nowhere": "MODEL must be a model file or one of classic, modern, medium, small, 1998",
    "summary empty": "MODEL must be a model file or one of",
    "summary file": "'file' is not a pylenet model",
}


def check_error(code, stdout, stderr, text):
    assert code == 2
    assert stderr.startswith("pylenet: error: ")
    assert text in stderr
    assert stderr.count("\n") == 1
    assert "Traceback" not in stdout + stderr


@pytest.mark.parametrize("arguments", ERRORS)
def test_an_error_is_one_line_and_exit_code_2(arguments, wrong, monkeypatch, capsys):
    monkeypatch.chdir(wrong)
    try:
        code = cli.main(arguments.split())
    except SystemExit as end:
        code = end.code
    check_error(code, *capsys.readouterr(), ERRORS[arguments])
    assert not (wrong / "pylenet-out" / "results.json").exists()


@pytest.mark.parametrize(
    ("arguments", "env", "text"),
    [
        ("train --epochs 0", {}, "--epochs"),
        ("train --data nowhere", {}, "nowhere"),
        ("evaluate file", {}, "'file' is not a pylenet model"),
        ("info", {"PYLENET_ISA": "nonsense"}, "nonsense"),
        ("train --data tiny", {"PYLENET_ISA": "nonsense"}, "nonsense"),
        ("summary classic", {"PYLENET_ISA": "nonsense"}, "nonsense"),
        ("info", {"PYLENET_NUM_THREADS": "none"}, "PYLENET_NUM_THREADS"),
    ],
)
def test_so_it_is_in_a_process_of_its_own(arguments, env, text, wrong):
    done = pylenet_command(*arguments.split(), cwd=wrong, **env)
    check_error(done.returncode, done.stdout, done.stderr, text)


def test_the_list_of_places_without_mnist_keeps_its_lines(tmp_path, monkeypatch, capsys):
    def nothing_worked():
        raise FileNotFoundError("MNIST was not found. Tried:\n  here;\n  there.")

    monkeypatch.setitem(cli._data.KNOWN, "mnist", nothing_worked)
    assert cli.main(["train", "--out", str(tmp_path)]) == 2
    error = "pylenet: error: MNIST was not found. Tried:\n  here;\n  there.\n"
    assert capsys.readouterr().err == error


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MemoryError(), "out of memory"),
        (ValueError("one\ntwo"), "one two"),
        (OSError(28, "No space left on device", "x"), "x: No space left on device"),
        (OSError("no reason"), "no reason"),
    ],
    ids=repr,
)
def test_errors_of_any_kind_are_told_in_one_line(error, text, tmp_path, monkeypatch, capsys):
    def failing():
        raise error

    monkeypatch.setitem(cli._data.KNOWN, "mnist", failing)
    assert cli.main(["train", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"pylenet: error: {text}\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_an_error(tmp_path):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "pylenet", "summary", "classic"]
        done = subprocess.run(command, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (2, "pylenet: error: No space left on device\n")
