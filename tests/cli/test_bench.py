"""`pylenet bench`: what it checks and measures and how it fails; never how long things took."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import nets
import numpy as np
import pytest
import sanitizer

import pylenet
from pylenet import _core, _threads, cli
from pylenet.benchmark import (
    accuracy,
    checks,
    kernels,
    machine,
    measurement,
    reference,
    results,
    speed,
    subjects,
)
from pylenet.benchmark.measurement import FULL, QUICK, Measurement, rounds
from pylenet.models import Sequential

FORMS = ["classic", "modern"]
FLOPS_PER_IMAGE = 2 * 758_520  # LeNet-5 on 28 x 28, by hand
TITLES = (
    "Peak of",
    "Kernels of",
    "Training, ",
    "Training by threads",
    "Inference",
    "From the start",
)


def bench(*arguments, cwd, **env):
    """The command in a process of its own, with no MNIST to be found."""
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    hidden = {"HOME": str(cwd), "XDG_CACHE_HOME": str(cwd), "KERAS_HOME": str(cwd)}
    return subprocess.run(
        [sys.executable, "-m", "pylenet", "bench", *map(str, arguments)],
        cwd=cwd,
        env=kept | hidden | {"PYLENET_DATA": ""} | env,
        capture_output=True,
        text=True,
        timeout=sanitizer.seconds(300),
    )


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The folder, the text and the JSON of a quick run, in each case with three threads."""
    folder = tmp_path_factory.mktemp("bench")
    done = bench("--quick", "--threads", 3, "--json", "out.json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ("" if _core.OPENMP else NO_OPENMP)
    return folder, done.stdout, json.loads((folder / "out.json").read_text())


NO_OPENMP = "pylenet: warning: this build has no OpenMP: measured on one thread\n"
THREADS = 3 if _core.OPENMP else 1


@sanitizer.minutes
@pytest.mark.skipif(not _core.OPENMP, reason="one thread only")
def test_threads_that_ran_and_the_instruction_set_that_was_forced_are_those_told_of(tmp_path):
    """Asked for 3 threads where 2 may run."""
    isa = _core.available_isas()[0]
    how = ("--quick", "--threads", 3, "--json", "out.json")
    done = bench(*how, cwd=tmp_path, OMP_THREAD_LIMIT="2", PYLENET_ISA=isa)
    assert done.returncode == 0
    warning = "pylenet: warning: 3 threads may not run here: measured on 2 threads\n"
    assert done.stderr == warning
    assert "with thread counts 1, 2." in " ".join(done.stdout.split())
    assert f" {isa}, 2 threads\n" in done.stdout
    found = json.loads((tmp_path / "out.json").read_text())
    assert found["settings"]["threads"] == 2
    assert found["settings"]["isa"] == found["machine"]["pylenet"]["ISA active"] == isa
    assert [peak["threads"] for peak in found["peaks"]] == [1, 2]
    tables = (table for table in found.values() if isinstance(table, list))
    assert {record["threads"] for table in tables for record in table} == {1, 2}


# The reference, and what is checked against it


@pytest.mark.parametrize("form", FORMS)
def test_the_reference_agrees_with_that_of_the_tests_and_with_numeric_gradients(form):
    model = subjects.model_of(form)
    x, y = subjects.digits(3)
    weights = [np.float64(w) for w in model.get_weights()]
    probabilities, gradients = reference.network(subjects.PLANS[form], weights, x, y)
    expected = nets.forward(model, x[..., np.newaxis])
    np.testing.assert_allclose(probabilities, expected, atol=1e-7)  # the model's 1/255 is float32

    def loss():
        return -np.log(nets.forward(model, x[..., np.newaxis], weights)[range(3), y]).mean()

    rng, step = np.random.default_rng(0), 1e-6
    for weight, gradient in zip(weights, gradients, strict=True):
        assert gradient.shape == weight.shape
        for _ in range(3):
            place = tuple(rng.integers(0, size) for size in weight.shape)
            value = weight[place]
            weight[place] = value + step
            above = loss()
            weight[place] = value - step
            slope = (above - loss()) / (2 * step)
            weight[place] = value
            assert slope == pytest.approx(gradient[place], abs=1e-6 * np.abs(gradient).max() + 1e-8)


def test_every_instruction_set_passes_the_checks(isa, threads_restored):
    text = checks.check(2)
    assert text.startswith("predictions within ")
    assert text.endswith("thread counts 1, 2, 3" if _core.OPENMP else "thread counts 1")


@pytest.mark.parametrize("network", [n for n in subjects.NETWORKS if n != "lenet"])
def test_every_network_computes_what_float64_does_in_its_shape(network):
    (form,) = subjects.NETWORKS[network]
    x, y = subjects.digits(2)
    x = subjects.in_shape(x, subjects.PLANS[form].image)
    assert x.shape[1:] == subjects.model_of(form).input_shape[1:]
    probability, gradient = checks._check_values(form, subjects.model_of(form), (x, y))
    assert probability < checks.ALLOWED_PROBABILITY
    assert gradient < checks.ALLOWED_GRADIENT


def test_images_stand_in_the_middle_of_larger_ones_in_every_channel():
    x, _ = subjects.digits(3)
    larger = subjects.in_shape(x, (32, 33, 3))
    assert larger.shape == (3, 32, 33, 3)
    assert (larger[:, 2:30, 2:30] == x[..., np.newaxis]).all()
    assert larger.sum() == 3 * x.sum(dtype=int)
    np.testing.assert_array_equal(subjects.in_shape(x, (28, 28, 1))[..., 0], x)


def test_a_share_is_above_1_only_as_far_as_fewer_multiplications_explain(capsys):
    assert measurement.share(3e9, 2e9, 0.5) == 1.5
    assert measurement.share(5e9, 2e9, 0.5) == 2
    kernel = Measurement("keras", 16, 1, flops=8e9, multiplications=1e9, name="c", phase="forward")
    kernel.values = [1.0, 1.0]
    assert kernel.record(4e9)["share_of_peak"] == 2
    cli._bench_report.print_steps([kernel], 4e9)
    text = " ".join(capsys.readouterr().out.split())
    assert "8 GFLOP/s, 200% of peak; 1e+09 multiplications, 25% of the direct 4e+09." in text


def test_the_networks_that_are_asked_for_are_measured(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(speed, "TRAIN_BATCHES", (32, 128))  # thousands of steps take seconds
    file = tmp_path / "bench.json"
    assert cli.main(["bench", "--quick", "--network", "mlp", "--json", str(file)]) == 0
    found = json.loads(file.read_text())
    assert found["settings"]["forms"] == ["mlp"]
    assert found["epoch_multiplications"]["mlp"] == found["epoch_flops"]["mlp"] / 2
    assert {entry["form"] for entry in found["inference"]} == {"mlp"}
    out = capsys.readouterr().out
    assert "An epoch of mlp is 192.6 GFLOP" in out
    assert "(training, mlp, batch 128, threads: " in out


def wrong_prediction(model, x):
    return Sequential._predict(model, x) + np.float32(1e-4)


def wrong_alone(model, x):
    y = Sequential._predict(model, x)
    return np.nextafter(y, np.float32(2)) if len(x) == 1 else y


def wrong_on_two_threads(model, x):
    y = Sequential._predict(model, x)
    return np.nextafter(y, np.float32(2)) if pylenet.get_num_threads() == 2 else y


def not_a_number(model, x):
    return Sequential._predict(model, x) * np.float32(np.nan)


def wrong_step(model, *call):
    result = Sequential._steps(model, *call)
    model.weights[2][0, 0, 0, 0] += np.float32(0.001)
    return result


def wrong_step_on_two_threads(model, *call):
    result = Sequential._steps(model, *call)
    if pylenet.get_num_threads() == 2:
        bias = model.weights[-1]
        bias[0] = np.nextafter(bias[0], np.float32(2))
    return result


WRONG = {
    "_predict": [
        (wrong_prediction, "classic: predictions for 1 image(s) must be within 1e-05"),
        (not_a_number, "classic: predictions for 1 image(s) must be within 1e-05"),
        (wrong_alone, "classic: the prediction of image 0 alone differs from that in a batch"),
        (wrong_on_two_threads, "classic: predictions change with 2 threads"),
    ],
    "_steps": [
        (wrong_step, "classic: gradients for 1 image(s) must be within 0.0001"),
        (wrong_step_on_two_threads, "classic: training changes with 2 threads"),
    ],
}
CASES = [(method, broken, text) for method, cases in WRONG.items() for broken, text in cases]


@pytest.mark.parametrize(
    ("method", "broken", "text"), CASES, ids=lambda v: getattr(v, "__name__", "")
)
def test_where_a_check_fails_nothing_is_timed_and_the_exit_code_is_2(
    method, broken, text, tmp_path, monkeypatch, capsys, threads_restored
):
    if "two_threads" in broken.__name__ and not _core.OPENMP:
        pytest.skip("one thread only")

    class Broken(Sequential):
        pass

    setattr(Broken, method, broken)
    build = subjects.FORMS["classic"]

    def broken_model():
        model = build()
        model.__class__ = Broken
        return model

    def timed(*_):
        raise AssertionError("something was timed")

    monkeypatch.setitem(subjects.FORMS, "classic", broken_model)
    monkeypatch.setattr(kernels, "Peaks", timed)
    file = tmp_path / "out.json"
    assert cli.main(["bench", "--quick", "--threads", "1", "--json", str(file)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"pylenet: error: {text}")
    assert error.endswith(": nothing was timed\n")
    assert not file.exists()


# What is measured


def test_the_tables_are_all_there_and_say_what_was_left_out(measured):
    _, text, _ = measured
    for title in TITLES:
        assert f"\n{title}" in text
    assert "Images: synthetic." in text
    assert "seconds are scaled to 60,000" in text
    assert text.count("An epoch of") == 2
    assert "is 91.0 GFLOP" in text
    assert "Left out: --quick does without.\n" in text
    assert not [line for line in text.splitlines() if line != line.rstrip()]
    assert "nan" not in text


def test_json_tells_machine_and_settings(measured):
    _, _, found = measured
    assert found["format"] == "pylenet-bench-2"
    assert found["machine"]["processors"] == os.cpu_count()
    assert found["machine"]["pylenet"]["pylenet"] == pylenet.__version__
    settings = {k: v for k, v in found["settings"].items() if k != "started"}
    isa = _core.active_isa()
    assert settings == {"threads": THREADS, "isa": isa, "quick": True, "images": "synthetic"} | {
        "forms": FORMS
    }


def test_json_holds_every_single_time_of_every_round(measured):
    _, _, found = measured
    rounds_, _ = QUICK.rounds
    batches = [(form, batch) for form in FORMS for batch in (1, 32, 128, 1024)]
    assert [(e["form"], e["batch_size"]) for e in found["training_by_batch"]] == batches
    counts = [(form, n) for form in FORMS for n in range(1, THREADS + 1)]
    assert [(e["form"], e["threads"]) for e in found["training_by_threads"]] == counts
    assert {e["batch_size"] for e in found["training_by_threads"]} == {128}
    calls = [(form, batch) for form in FORMS for batch in (1, 16, 128, 10_000)]
    assert [(e["form"], e["batch_size"]) for e in found["inference"]] == calls
    for table in results.TABLES:
        assert all(len(entry["values"]) == rounds_ for entry in found[table])
        assert all(min(entry["values"]) >= 0 for entry in found[table])
    assert all(min(e["values"]) > 0 for table in TIMES for e in found[table])
    assert all(len(e["calls"]) >= rounds_ and min(e["calls"]) > 0 for e in found["inference"])
    assert [peak["threads"] for peak in found["peaks"]] == list(range(1, THREADS + 1))


TIMES = ("peaks", "training_by_batch", "training_by_threads", "inference")


def test_json_has_medians_and_units_of_what_was_measured(measured):
    _, _, found = measured
    for table in results.TABLES:
        for entry in found[table]:
            assert entry["unit"] == ("FLOP/s" if table == "peaks" else "s")
            assert entry["median"] == np.median(entry["values"])
            assert entry["lowest"] == min(entry["values"])
            assert entry["highest"] == max(entry["values"])
    (epoch,) = (
        e for e in found["training_by_batch"] if (e["form"], e["batch_size"]) == ("modern", 128)
    )
    assert found["score"]["value"] == 60_000 / epoch["median"]
    assert found["score"]["unit"] == "images a second"


def test_every_share_is_of_the_one_highest_peak_and_of_what_is_multiplied_none_above_1(measured):
    _, _, found = measured
    peaks = {peak["threads"]: peak["highest"] for peak in found["peaks"]}
    timed = found["kernels"] + found["training_by_batch"] + found["training_by_threads"]
    shares = [entry for entry in timed if "flops" in entry]
    assert len(shares) > 60
    fewer = 0
    for entry in shares:
        done = 2 * entry.get("multiplications", entry["flops"] / 2) / entry["flops"]
        fewer += done < 1
        rate = entry["flops"] / entry["median"]
        share = rate / max(rate * done, peaks[entry["threads"]])
        assert entry["flops_per_second"] == pytest.approx(rate)
        assert entry["share_of_peak"] == pytest.approx(share)
        assert 0 < entry["share_of_peak"] * done <= 1 + 1e-12
    assert (fewer > 0) == (pylenet.get_convolution() == "cook_toom")
    assert measurement.share(3e9, 2e9) == 1


def test_every_line_fits_80_columns(measured):
    _, text, _ = measured
    assert max(map(len, text.splitlines())) <= 80


def test_the_last_line_is_the_machine_s_score(measured):
    _, text, found = measured
    value = f"{found['score']['value']:,.0f}"
    of = f"training, modern, batch 128, threads: {THREADS}"
    assert text.splitlines()[-1] == f"Score: {value} images a second ({of})"


def test_the_head_tells_the_load_and_what_the_figures_are(measured):
    _, text, found = measured
    head = " ".join(text.split("\n\n")[0].split())
    assert f"Load average {found['machine']['load_average']:.2f}" in head
    assert "--quick: rough figures. Each figure is the mean of 2 rounds" in head
    assert "median" not in text


def test_the_work_of_an_epoch_is_that_of_its_kernels(measured):
    _, _, found = measured
    for form in FORMS:
        assert found["epoch_flops"][form] == 60_000 * FLOPS_PER_IMAGE
        own = [kernel for kernel in found["kernels"] if kernel["form"] == form]
        for images in {kernel["batch_size"] for kernel in own}:
            step = [kernel for kernel in own if kernel["batch_size"] == images]
            work = sum(kernel.get("flops", 0) for kernel in step)
            assert work == images * FLOPS_PER_IMAGE


@pytest.mark.parametrize("form", FORMS)
def test_each_kernel_is_named_after_its_layer(measured, form):
    _, text, found = measured
    names = {kernel["name"] for kernel in found["kernels"] if kernel["form"] == form}
    pooling, activation = {
        "classic": ("average_pooling2d", "tanh"),
        "modern": ("max_pooling2d", "relu"),
    }[form]
    assert {"pack", pooling, f"{pooling}_1", "flatten", "dense_2", "softmax + loss"} <= names
    for layer in ("conv2d", "conv2d_1", "dense", "dense_1"):
        assert any(name.startswith(layer) and name.endswith(activation) for name in names)
    assert all(f"\n{name}" in text for name in names)


def test_nothing_but_the_json_file_is_left_behind(measured):
    folder, text, _ = measured
    assert [path.name for path in folder.iterdir()] == ["out.json"]
    assert "\nWritten: out.json\n" in text


def test_thread_counts_are_each_up_to_four_then_double():
    assert [speed.thread_counts(n) for n in (1, 2, 5)] == [[1], [1, 2], [1, 2, 3, 4, 5]]
    assert speed.thread_counts(48) == [1, 2, 3, 4, 8, 16, 32, 48]
    assert speed.thread_counts(64) == [1, 2, 3, 4, 8, 16, 32, 64]


def test_an_epoch_that_takes_long_is_cut_to_whole_batches_of_every_size():
    quick = FULL.epoch_seconds * speed.WARM_UP / subjects.EPOCH
    assert speed._part(quick * 0.99, FULL) == subjects.EPOCH
    for slower in (1.01, 7, 50, 1e6):
        part = speed._part(quick * slower, FULL)
        assert 0 < part < subjects.EPOCH
        assert all(part % batch == 0 for batch in speed.TRAIN_BATCHES)


def test_seconds_of_a_part_are_scaled_to_an_epoch(monkeypatch):
    monkeypatch.setattr(speed, "_seconds", lambda entry, images, count: count / 1000)
    effort = replace(QUICK, epoch_seconds=15.5)
    epochs = speed.epochs_by_batch((None, None), 1, dict.fromkeys(FORMS, 1.0), effort)
    assert {epoch.images_timed for epoch in epochs} == {15 * 1024}
    for epoch in epochs:
        assert epoch.values == pytest.approx([60.0, 60.0])


def test_rounds_end_with_the_time_but_are_never_fewer_than_the_fewest():
    assert list(rounds(replace(FULL, rounds=(2, 5), table_seconds=-1))) == [0, 1]
    assert list(rounds(replace(FULL, rounds=(2, 5), table_seconds=1e9))) == [0, 1, 2, 3, 4]


def test_the_number_of_threads_is_restored(threads_restored):
    pylenet.set_num_threads(2)

    def interrupted():
        with _threads.on_threads(5):
            assert _threads.asked_for() == 5
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert _threads.asked_for() == 2


def test_the_machine_is_read_from_cpuinfo_where_there_is_one(tmp_path):
    core = "processor\t: {}\nmodel name\t: Some CPU\nphysical id\t: 0\ncore id\t\t: {}\n"
    file = tmp_path / "cpuinfo"
    file.write_text("\n".join(core.format(i, i // 2) for i in range(4)) + "\n")
    found = machine.machine(file)
    assert (found["cpu"], found["cores"]) == ("Some CPU", 2)
    file.write_text("processor\t: 0\nBogoMIPS\t: 50\n\nHardware\t: a board\n")  # as on ARM
    assert machine.machine(file)["cores"] is None
    found = machine.machine(tmp_path / "missing")
    assert found["cores"] is None
    assert found["cpu"]


# To 99 %


def test_training_ends_with_the_first_epoch_that_reaches_the_goal(threads_restored):
    pylenet.set_num_threads(1)
    data = subjects.digits(500), subjects.digits(100)
    recipe = replace(accuracy.RECIPE, epochs=4)
    assert len(accuracy.time_to_accuracy(data, recipe, goal=0.0)) == 1
    reached = accuracy.time_to_accuracy(data, recipe, goal=2.0)
    assert len(reached) == 4
    assert reached[-1] > 0.9


@sanitizer.minutes
def test_a_fresh_process_trains_mnist_to_the_goal(mnist):
    (run,) = accuracy.runs(1, replace(FULL, runs=1))
    assert run.seed == 1
    assert 1 <= len(run.accuracy) <= accuracy.RECIPE.epochs
    assert run.reached == (run.accuracy[-1] >= 0.99)
    assert run.accuracy[-1] > 0.98
    assert run.seconds > 0


def test_a_process_that_fails_is_an_error_with_its_reason(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CACHE_HOME", "KERAS_HOME", "PYLENET_DATA"):
        monkeypatch.setenv(name, str(tmp_path))
    with pytest.raises(ChildProcessError, match="99% failed: .*MNIST is no longer on disk"):
        accuracy.runs(1, replace(FULL, runs=1))


@pytest.mark.parametrize(
    ("on_disk", "effort", "reason"), [(False, FULL, "MNIST is not on"), (True, QUICK, "--quick")]
)
def test_what_is_left_out_is_said(on_disk, effort, reason, capsys):
    found = cli._bench._to_accuracy(on_disk, 1, effort)
    assert reason in found["left_out"]
    assert found["runs"] == []
    assert f"Left out: {found['left_out']}.\n" in capsys.readouterr().out


def test_runs_that_did_not_reach_the_goal_are_told_but_not_counted(capsys):
    runs = [
        {"seed": 1, "seconds": 3.0, "accuracy": [0.98, 0.991], "reached": True},
        {"seed": 2, "seconds": 9.0, "accuracy": [0.98, 0.989], "reached": False},
    ]
    cli._bench_report.print_accuracy({"goal": 0.99, "left_out": None, "runs": runs})
    text = capsys.readouterr().out
    assert text.splitlines()[-1] == "The one that reached it: 3.00 s."
    assert text.splitlines()[-2].split() == ["seed", "2", "9.00", "2", "0.9890", "no"]
    two, three = ([runs[0] | {"seconds": 1.0 + i * i} for i in range(n)] for n in (2, 3))
    for reached, last in (
        (two, "Mean of the 2 that reached it: 1.50 s."),
        (three, "Median of the 3 that reached it: 2.00 s."),
    ):
        cli._bench_report.print_accuracy({"goal": 0.99, "left_out": None, "runs": reached})
        assert capsys.readouterr().out.splitlines()[-1] == last


def test_what_changes_from_round_to_round_is_marked(capsys, monkeypatch):
    flops = iter([1e9, 1e9, 2e9, 2e9, 3e9])
    monkeypatch.setattr(_core, "peak_flops", lambda *_: next(flops))
    peaks = kernels.Peaks([1, 2], QUICK)
    cli._bench_report.print_peaks(peaks)
    _, _, head, one, two, _ = capsys.readouterr().out.splitlines()
    assert head.split() == ["highest", "mean", "lowest"]
    assert one.split() == ["1", "thread~", "2.0", "1.5", "1.0"]
    assert two.split() == ["2", "threads~", "3.0", "2.5", "2.0"]
    assert (peaks[1], peaks[2]) == (2e9, 3e9)

    def printed(values):
        kernel = Measurement("modern", 1, 1, name="dense", phase="forward", values=values)
        cli._bench_report.print_steps([kernel], 1e9)
        return capsys.readouterr().out

    assert "~" not in printed([1e-6, 1.05e-6, 1.09e-6])
    assert printed([1e-6, 1.05e-6, 1.11e-6]).count("1.05~") == 3  # kernel, all, the step


# Several results side by side


@pytest.fixture
def two(measured, tmp_path, monkeypatch):
    """The folder of a.json, as measured, and b.json, a machine of half the speed and other ISA."""
    found = json.loads(json.dumps(measured[2]))
    (tmp_path / "a.json").write_text(results.text(found))
    for table in results.TABLES:
        for entry in found[table]:
            factor = 0.5 if table == "peaks" else 2
            for name in ("median", "lowest", "highest"):
                entry[name] *= factor
    found["kernels"] = [kernel for kernel in found["kernels"] if kernel["batch_size"] == 1]
    found["score"]["value"] /= 2
    found["machine"]["cpu"] = "Half CPU"
    (tmp_path / "b.json").write_text(results.text(found))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_results_are_printed_side_by_side_with_ratios(two, capsys):
    assert cli.main(["bench", "--compare", "a.json", "b.json", "a.json", "a.json"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "B: b.json: Half CPU" in text
    for title in ("Peak of", "Kernels of classic, images at once: 1:", "Training: seconds"):
        assert text.count(f"\n{title}") == 2  # A beside B and C, then beside D
    assert text.count("(0.50)") > 50
    assert text.splitlines()[-1].endswith("(1.00)")
    assert "images at once: 1:" in text


@pytest.mark.parametrize("kind", ["busy", "unsteady", "quiet"])
def test_a_result_of_a_busy_machine_is_called_worthless(kind, two, capsys):
    for name in ("a.json", "b.json"):
        found = results.read(two / name)
        busy = name == "b.json" and kind == "busy"
        found["machine"] |= {"load_average": 2.5 if busy else 0.1, "processors_available": 2}
        for entry in (entry for table in results.TABLES for entry in found[table]):
            spread = 2.0 if name == "b.json" and kind == "unsteady" else 1.0
            entry |= {"lowest": entry["median"] / spread, "highest": entry["median"]}
        (two / name).write_text(results.text(found))
    assert cli.main(["bench", "--compare", "a.json", "b.json"]) == 0
    text = capsys.readouterr().out
    assert ("\nB: the machine was busy" in text) == (kind != "quiet")
    assert "\nA: the machine was busy" not in text


def test_peaks_are_compared_by_their_highest(two, capsys):
    found = results.read(two / "a.json")
    for entry in found["peaks"]:
        entry |= {"lowest": 1e9, "median": 2e9, "highest": 8e9}
    (two / "a.json").write_text(results.text(found))
    for entry in found["peaks"]:
        entry |= {"median": 4e9, "highest": 6e9}
    (two / "b.json").write_text(results.text(found))
    assert cli.main(["bench", "--compare", "a.json", "b.json"]) == 0
    (row,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("1 thread "))
    assert row.split()[2:] == ["8.000~", "6.000~", "(0.75)"]


def test_one_result_is_shown_alone(two, capsys):
    assert cli.main(["bench", "--compare", "a.json"]) == 0
    assert "A: a.json" in capsys.readouterr().out


COMPARE_ERRORS = {
    "nowhere.json": "nowhere.json: No such file or directory",
    "text": "'text' is not a result of `pylenet bench`",
    "old.json": "in the format pylenet-bench-2, got 'pylenet-bench-1'",
    "list.json": "in the format pylenet-bench-2, got None",
    "cut.json": "'cut.json' lacks figures in inference, kernels, machine, peaks, score",
    "a.json --quick": "--compare measures nothing: --quick cannot be given with it",
    "a.json --threads 2": "--compare measures nothing: --threads cannot be given with it",
    "a.json --json new.json": "--compare measures nothing: --json cannot be given with it",
    "a.json --chart chart.txt": "--chart must end with .png, .svg, .pdf, got 'chart.txt'",
}


@pytest.mark.parametrize("arguments", COMPARE_ERRORS)
def test_what_cannot_be_compared_is_an_error_in_one_line(arguments, two, capsys):
    (two / "text").write_text("no JSON")
    (two / "old.json").write_text('{"format": "pylenet-bench-1"}')
    (two / "list.json").write_text("[1]")
    (two / "cut.json").write_text('{"format": "pylenet-bench-2", "peaks": [{"unit": "s"}]}')
    assert cli.main(["bench", "--compare", *arguments.split()]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("pylenet: error: ")
    assert COMPARE_ERRORS[arguments] in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("files", [["a.json"], ["a.json", "b.json"]], ids=str)
def test_the_chart_has_the_form_that_its_name_asks_for(files, two, capsys):
    pytest.importorskip("matplotlib")
    for name, start in (("c.png", b"\x89PNG"), ("c.svg", b"<?xml")):
        assert cli.main(["bench", "--compare", *files, "--chart", name]) == 0
        assert (two / name).read_bytes().startswith(start)
        assert f"Written: {name}\n" in capsys.readouterr().out


def test_a_chart_without_matplotlib_says_what_installs_it(two, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert cli.main(["bench", "--quick", "--chart", "chart.png"]) == 2
    assert "--chart needs matplotlib: pip install matplotlib" in capsys.readouterr().err


# Errors


ERRORS = {
    "--nonsense": "unrecognized arguments: --nonsense",
    "more": "unrecognized arguments: more",
    "--js x": "unrecognized arguments: --js x",
    "--threads 0": "argument --threads: must be a whole number >= 1",
    "--threads many": "argument --threads: must be a whole number >= 1",
    "--json": "argument --json: expected one argument",
    "--json folder": "--json must be a file, got the folder 'folder'",
    "--json .": "--json must be a file, got the folder '.'",
    "--json nowhere/out.json": "--json must be a file that can be written",
    "--json file/out.json": "--json must be a file that can be written",
    f"--json {'n' * 300}": "File name too long",
}


@pytest.mark.parametrize("arguments", ERRORS, ids=lambda a: a[:30])
def test_an_error_is_told_before_anything_is_done(arguments, tmp_path, monkeypatch, capsys):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("kept")
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    try:
        code = cli.main(["bench", "--quick", *arguments.split()])
    except SystemExit as end:
        code = end.code
    out, error = capsys.readouterr()
    assert (code, out) == (2, "")
    assert error.startswith("pylenet: error: ")
    assert ERRORS[arguments] in error
    assert error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="needs /dev/null")
def test_a_device_is_not_replaced_by_a_file(capsys):
    assert cli.main(["bench", "--quick", "--json", "/dev/null"]) == 2
    assert "which is a device or pipe" in capsys.readouterr().err
    assert not os.path.isfile("/dev/null")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind this user"
)
def test_a_folder_without_permission_is_told(tmp_path, capsys):
    tmp_path.chmod(0o500)
    try:
        assert cli.main(["bench", "--quick", "--json", str(tmp_path / "out")]) == 2
        assert "Permission denied" in capsys.readouterr().err
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("variable", "value"), [("PYLENET_ISA", "nonsense"), ("PYLENET_NUM_THREADS", "none")]
)
def test_settings_that_make_no_sense_are_an_error(variable, value, tmp_path):
    done = bench("--quick", cwd=tmp_path, **{variable: value})
    assert (done.returncode, done.stdout) == (2, "")
    assert variable in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX pipes")
def test_a_reader_that_goes_away_ends_it_silently(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "pylenet", "bench", "--quick", "--json", "out.json"]
    done = subprocess.run(command, cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, timeout=300)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
    assert list(tmp_path.iterdir()) == []
