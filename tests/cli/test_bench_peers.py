"""bench/peers.py without peers: what it refuses, what it computes from times, and a whole run."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sanitizer

import _measure
import peers
from _data import save, weights
from _parity import errors, refused
from _peers import PEERS, PYLENET
from _peers.layout import from_channels_first, to_channels_first
from _report import panels, results, table
from _work import Work, works
from pylenet.benchmark import chart
from pylenet.benchmark.subjects import digits
from pylenet.models import lenet5_modern

COMMAND = Path(__file__).parents[2] / "bench" / "peers.py"
TRAIN, INFERENCE = Work("train", "modern", 8, 1), Work("inference", "modern", 1, 1)
TO_99 = Work("to-99", "fast", 128, 2)


def test_each_kind_of_work_has_its_forms_batches_and_threads():
    found = works(["train", "inference", "1998", "to-99"], ["modern"] * 2, [8], [1, 128], 2)
    assert found == [
        Work("train", "modern", 8, 2),
        INFERENCE,
        Work("inference", "modern", 128, 2),
        Work("1998", "1998", 1, 1),
        TO_99,
    ]


def training_results():
    """Losses, their mean, and two weights."""
    return [np.linspace(2, 1, 10), np.array(1.5), np.ones((3, 4)), np.zeros(4)]


def changed(results, which, value):
    results = [np.array(a) for a in results]
    results[which].flat[0] += value
    return results


def test_equal_results_are_accepted():
    found = errors("train", training_results(), training_results())
    assert found == {"losses": 0, "weights": 0}
    assert refused("train", found) is None


@pytest.mark.parametrize(
    ("which", "value", "text"),
    [
        (0, 4e-4, "losses differ by 2.0e-04"),
        (1, -3e-4, "losses differ by 2.0e-04"),
        (2, 2e-4, "weights differ by 2.0e-04"),
        (3, -2e-4, "weights differ by 2.0e-04"),
        (0, np.nan, "losses differ by inf"),
        (3, np.nan, "weights differ by inf"),
    ],
)
def test_training_that_differs_is_refused(which, value, text):
    found = errors("train", training_results(), changed(training_results(), which, value))
    assert text in refused("train", found)


@pytest.mark.parametrize("value", [2e-5, -2e-5, np.nan])
def test_probabilities_that_differ_are_refused(value):
    ours = [np.full((2, 10), 0.1), np.full((2, 10), 0.1)]
    assert refused("inference", errors("inference", ours, ours)) is None
    assert refused("inference", errors("inference", ours, changed(ours, 1, value)))


def test_results_of_another_shape_are_refused():
    ours = training_results()
    assert refused("train", errors("train", ours, ours[:-1]))
    assert refused("train", errors("train", ours, [*ours[:-1], np.zeros((1, 4))]))


def test_channels_first_weights_are_the_same_network():
    ours = lenet5_modern().get_weights()
    there = to_channels_first(ours)
    for a, b in zip(from_channels_first(there), ours, strict=True):
        np.testing.assert_array_equal(a, b)
    features = np.random.default_rng(0).normal(size=(4, 4, 16))
    flat = features.ravel() @ ours[4]
    np.testing.assert_allclose(features.transpose(2, 0, 1).ravel() @ there[4], flat, atol=1e-12)
    assert there[2][5, 3, 1, 2] == ours[2][1, 2, 3, 5]


class Scripted:
    """A session whose libraries give scripted results: `torch` in two ways, one of them wrong."""

    wrong = frozenset({"second"})

    def __init__(self, library, threads, folder):
        self.library, self.folder = library, folder
        ways = ["first", "second"] if library is not PYLENET else ["only"]
        self.about = {"versions": {}, "import_seconds": 0.0, "ways": {"train": ways}}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ask(self, action, *, way, out=None, images=None, **_):
        if action == "check_train":
            apart = 1.0 if way in self.wrong else 0.0
            save(self.folder / out, changed(training_results(), 2, apart))
            return {"seconds_per_image": 0.001 if way == "second" else 0.002}
        assert way not in self.wrong
        return {"seconds": images * 0.001, "warm_up_seconds": 0.0}


def scripted_run(monkeypatch, tmp_path, session):
    monkeypatch.setattr(_measure, "Session", session)
    monkeypatch.setattr(_measure, "REST", 0)
    run = _measure.Run([PYLENET, PEERS["torch"]], [TRAIN], tmp_path, 1.0)
    run.check()
    run.time(2)
    return run


def test_a_way_that_computes_something_else_is_not_timed(monkeypatch, tmp_path, capsys):
    run = scripted_run(monkeypatch, tmp_path, Scripted)
    timings = run.timings[TRAIN]["torch"]
    assert timings.way == "first"
    assert len(timings.seconds) == 2
    assert "weights differ" in timings.refused["second"]
    assert "not timed in this way" in capsys.readouterr().out


def test_a_peer_that_computes_something_else_is_not_timed(monkeypatch, tmp_path):
    class Wrong(Scripted):
        wrong = frozenset({"first", "second"})

    run = scripted_run(monkeypatch, tmp_path, Wrong)
    assert set(run.timings[TRAIN]) == {"pylenet"}
    assert "does not compute the same" in run.dropped["torch"]


def test_times_of_a_share_are_scaled_and_ratios_are_medians_of_rounds(tmp_path):
    run = _measure.Run([PYLENET, PEERS["torch"]], [TRAIN, INFERENCE], tmp_path, 1.0)
    run.versions = {"pylenet": {}, "torch": {}}
    ours = _measure.Timings("fit", 60_000, seconds=[1.0, 2.0, 1.0])
    theirs = _measure.Timings("eager", 6_000, seconds=[0.5, 0.8, 0.7])
    once = _measure.Timings("predict", 100, seconds=[0.001, 0.002, 0.001])
    run.timings = {TRAIN: {"pylenet": ours, "torch": theirs}, INFERENCE: {"pylenet": once}}
    train, inference = results(run)["works"]
    found = train["libraries"]["torch"]
    assert [found[x] for x in ("median", "lowest", "highest")] == pytest.approx([7, 5, 8])
    assert found["ratios"] == pytest.approx([5, 4, 7])
    assert found["ratio"] == pytest.approx(5)
    assert inference["libraries"]["pylenet"]["median"] == pytest.approx(10)  # microseconds a call


def test_seconds_to_99_are_of_the_whole_and_told_with_the_accuracy(tmp_path, monkeypatch):
    monkeypatch.setattr(_measure, "REST", 0)
    asked = []

    class Session(Scripted):
        def ask(self, action, **arguments):
            asked.append((action, arguments.get("seed")))
            return {"seconds": 2.0 + len(asked), "accuracy": 0.99 + len(asked) / 1000}

    run = _measure.Run([PYLENET], [TO_99], tmp_path, 1.0)
    run.versions = {"pylenet": {}}
    run.timings = {TO_99: {"pylenet": _measure.Timings("whole", _measure.images_in(TO_99, 1, 1))}}
    monkeypatch.setattr(_measure, "Session", Session)
    run.time(3)
    assert asked == [("time_to_99", 1), ("time_to_99", 2), ("time_to_99", 3)]
    found = results(run)
    (measured,) = found["works"][0]["libraries"].values()
    assert found["works"][0]["unit"] == "seconds"
    assert (measured["median"], measured["lowest"], measured["highest"]) == (4, 3, 5)
    text = table(found)
    assert "to 99 % of MNIST, fast, batch 128, 2 threads: seconds" in text
    assert "4.000  (3.000 to 5.000)" in text
    assert "test accuracy 0.9920 (0.9910 at least)" in text


def test_the_chart_has_a_panel_for_each_kind_in_its_own_unit(tmp_path):
    run = _measure.Run([PYLENET, PEERS["torch"]], [TRAIN, INFERENCE], tmp_path, 1.0)
    ours = _measure.Timings("fit", 6_000, seconds=[1.0, 2.0, 1.5])
    theirs = _measure.Timings("eager", 6_000, seconds=[2.0, 4.0, 3.0])
    once = _measure.Timings("predict", 100, seconds=[0.5, 0.5, 0.25])
    run.timings = {TRAIN: {"pylenet": ours, "torch": theirs}, INFERENCE: {"pylenet": once}}
    train, inference = panels(results(run))
    assert train.title == "Training: seconds an epoch of 60,000 images, shorter bars are better"
    assert inference.title == "Inference: images a second, longer bars are better"
    ((label, bars),) = train.groups
    assert label == "modern\nbatch 8\n1 thread"
    assert bars["pylenet"] == chart.Bar(15, 10, 20)
    assert bars["torch"] == chart.Bar(30, 20, 40, "(2.0 x)")
    assert inference.groups[0][1]["pylenet"] == chart.Bar(200, 200, 400)


@pytest.fixture
def no_peer(monkeypatch):
    missing = property(lambda library: lambda: list(library.packages) * (library is not PYLENET))
    monkeypatch.setattr(type(PYLENET), "missing", missing)


def test_missing_peers_are_named_with_what_installs_them(no_peer, capsys):
    libraries, absent = peers.chosen_libraries(argparse.Namespace(peers=None))
    assert libraries == [PYLENET]
    assert set(absent) == {name for name, peer in PEERS.items() if peer.by_default}
    assert "ONNX Runtime is not installed: pip install onnxruntime onnx" in capsys.readouterr().out


def test_a_missing_peer_that_was_asked_for_is_an_error(no_peer):
    with pytest.raises(SystemExit, match="not installed: jax"):
        peers.chosen_libraries(argparse.Namespace(peers=["jax"]))


def command(tmp_path, *arguments):
    return subprocess.run(
        [sys.executable, str(COMMAND), "--peers", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )


@sanitizer.minutes
def test_a_run_without_peers_measures_pylenet_alone(tmp_path):
    options = ["--quick", "--data", "synthetic", "--seconds", "0.02", "--threads", "1"]
    works_ = ["--work", "train", "inference", "1998"]
    done = command(tmp_path, *options, *works_, "--json", "found.json")
    assert done.returncode == 0, done.stderr
    assert "inference, modern, batch 1, 1 thread: microseconds a call" in done.stdout
    found = json.loads((tmp_path / "found.json").read_text())
    assert [work["kind"] for work in found["works"]] == ["train", "inference", "inference", "1998"]
    for work in found["works"]:
        (measured,) = work["libraries"].values()
        assert measured["ratio"] == 1
        assert len(measured["seconds"]) == 1
    assert found["settings"]["data"] == "synthetic images"
    assert found["libraries"]["pylenet"]["peak_training_bytes"] > 1e7


@pytest.mark.parametrize("kind", ["train", "inference", "1998"])
def test_pytorch_computes_what_pylenet_does(tmp_path, kind):
    pytest.importorskip("torch")
    options = ["--quick", "--data", "synthetic", "--seconds", "0.02", "--threads", "1"]
    done = command(tmp_path, "torch", "--work", kind, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "\nPyTorch              agrees: " in done.stdout


def test_pytorch_takes_the_recipe_s_steps_to_99():
    pytest.importorskip("torch")
    from _peers.pylenet_ import PylenetTrainer
    from _peers.torch_recipes import FastTrainer

    x, y = digits(640)
    initial, _ = weights("fast", x, y)
    trained = []
    for trainer in (PylenetTrainer("fast", 64), FastTrainer(64)):
        trainer.set_weights(initial)
        trainer.train(trainer.prepare(x, y))
        trained.append([np.ones(10), np.ones(()), *trainer.weights()])
    assert refused("train", errors("train", *trained)) is None


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--work", "to-99", "--data", "synthetic"], "--work to-99 needs --data mnist"),
        (["--work", "sing"], "invalid choice: 'sing'"),
        (["--threads", "0"], "--threads: expected a whole number from 1 to"),
        (["--rounds", "-1"], "--rounds"),
        (["--batch-sizes", "7000"], "from 1 to 6000, got '7000'"),
        (["--seconds", "nan"], "expected seconds from 0.01 to 3600, got 'nan'"),
        (["--peers", "caffe"], "invalid choice: 'caffe'"),
    ],
)
def test_options_that_make_no_sense_are_refused_at_once(tmp_path, arguments, text):
    done = command(tmp_path, *arguments)
    assert done.returncode == 2
    assert text in done.stderr
    assert not (tmp_path / "pylenet-out").exists()
