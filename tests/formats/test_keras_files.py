"""Files that Keras 2.2 to 3.15 has written, on each back end; and ours, which h5py alone reads.

tests/data/README.md says with what they were made; test_keras_round_trips.py asks real Keras.
"""

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

from nets import compiled, peak_memory, samples, small, state, tiny  # noqa: E402
from tolerance import assert_same_bits  # noqa: E402

from pylenet import layers, losses, metrics, optimizers  # noqa: E402
from pylenet.models import (  # noqa: E402
    Sequential,
    lenet5_1998,
    lenet5_modern,
    load_model,
    model_from_json,
)
from pylenet.utils import set_random_seed  # noqa: E402

FOLDER = Path(__file__).parents[1] / "data" / "keras"
MODELS = sorted(
    path.name
    for path in FOLDER.iterdir()
    if path.suffix in (".h5", ".keras") and not path.name.endswith(".weights.h5")
)


def beside(name):
    return np.load(FOLDER / f"{name.rpartition('.')[0]}.npz")


# Files of real Keras


def test_there_are_files_of_all_that_docs_interop_names():
    versions = {name.split("-")[1] for name in MODELS}
    assert {"2.2.4", "2.3.1", "2.12.0", "2.13.1", "2.14.0", "2.15.0", "3.15.1"} <= versions
    backs = {name.split("-")[2] for name in MODELS if "-3.15.1-" in name}
    assert {"tensorflow", "torch"} <= backs
    assert len(MODELS) >= 12


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_keras_predicts_here_what_it_did_there(name):
    known = beside(name)
    model = load_model(FOLDER / name)
    np.testing.assert_allclose(model.predict(known["x"]), known["y"], rtol=0, atol=1e-6)
    assert model.metrics_names == ["loss", "accuracy"]


@pytest.mark.parametrize("name", [name for name in MODELS if "-sequential." in name])
def test_its_training_goes_on_here_as_it_did_there(name):
    """Three steps of Adam: with a state that begins anew they are other losses."""
    known = beside(name)
    labels = np.eye(3)[np.arange(24) % 3]

    def steps(model):
        parts = [slice(start, start + 8) for start in (0, 8, 16)]
        told = [model.train_on_batch(known["x"][part], labels[part]) for part in parts]
        return [float(np.ravel(values)[0]) for values in told]

    model = load_model(FOLDER / name)
    assert model.optimizer.iterations == 9
    np.testing.assert_allclose(steps(model), known["losses"], rtol=2e-6)
    fresh = load_model(FOLDER / name)
    fresh.compile("adam", fresh.loss)
    assert not np.allclose(steps(fresh), known["losses"], rtol=2e-6)


@pytest.mark.parametrize("name", MODELS)
def test_weights_alone_are_taken_from_any_file(name):
    known = beside(name)
    model = load_model(FOLDER / name, compile=False)
    assert model.optimizer is None
    expected = state(model)
    model.set_weights([np.zeros_like(w) for w in model.get_weights()])
    model.load_weights(FOLDER / name)
    assert_same_bits(state(model), expected)
    np.testing.assert_allclose(model.predict(known["x"]), known["y"], rtol=0, atol=1e-6)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.weights.h5")), ids=lambda path: path.name)
def test_a_file_of_weights_alone_fits_the_model(path):
    whole = load_model(path.with_name(path.name.replace(".weights.h5", ".keras")))
    model = Sequential.from_config(whole.get_config())
    model.load_weights(path)
    assert_same_bits(state(model), state(whole))
    with pytest.raises(ValueError, match=r"weights alone are for load_weights"):
        load_model(path)


# Ours


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    "optimizer",
    [
        optimizers.SGD(0.1),
        optimizers.SGD(0.1, 0.9, nesterov=True, use_ema=True),
        optimizers.Adam(optimizers.schedules.CosineDecay(0.01, 100), amsgrad=True),
        optimizers.RMSprop(0.01, momentum=0.5, centered=True),
        optimizers.Nadam(0.01),
        optimizers.Adagrad(0.1),
    ],
    ids=lambda optimizer: type(optimizer).__name__,
)
def test_training_goes_on_to_the_same_bits_through_keras_s_formats(optimizer, suffix, tmp_path):
    x, y = samples(40, (8, 7, 2), 4)

    def run(cut):
        set_random_seed(5)
        model = small()
        model.compile(optimizers.get(optimizers.serialize(optimizer)), losses_of(), metrics=["acc"])
        model.fit(x, y, batch_size=8, epochs=2)
        if cut:
            model.save(tmp_path / f"m{suffix}")
            model = load_model(tmp_path / f"m{suffix}")
        model.fit(x, y, batch_size=8, epochs=2)
        return model

    whole, cut = run(False), run(True)
    assert_same_bits(state(cut), state(whole))
    assert_same_bits(tuple(cut.optimizer.slots), tuple(whole.optimizer.slots))
    assert cut.optimizer.iterations == whole.optimizer.iterations == 20
    assert cut.metrics_names == ["loss", "acc"]


def losses_of():
    return losses.SparseCategoricalCrossentropy()


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.weights.h5", "w.h5"])
def test_the_same_model_is_the_same_bytes_in_keras_s_formats(name, tmp_path):
    model = compiled(lenet5_modern, "adam")
    save = model.save if name.startswith("m.") and "weights" not in name else model.save_weights
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / name)
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_what_keras_does_not_have_is_saved_in_our_own_format_beside(suffix, tmp_path):
    model = lenet5_1998()
    with pytest.warns(UserWarning, match=r"'c1' \(Conv2D\) has activation .*m.safetensors"):
        model.save(tmp_path / f"m{suffix}")
    assert_same_bits(state(load_model(tmp_path / "m.safetensors")), state(model))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_training_that_keras_does_not_have_is_left_out_with_a_warning(suffix, tmp_path):
    model = compiled(tiny, optimizers.SGD(optimizers.schedules.OneCycle(0.1, 10)))
    with pytest.warns(UserWarning, match="saved without how it is compiled: .*OneCycle"):
        model.save(tmp_path / f"m{suffix}")
    loaded = load_model(tmp_path / f"m{suffix}")
    assert loaded.optimizer is None
    assert_same_bits(state(loaded), state(model))


def test_very_many_layers_have_names_in_pieces(tmp_path):
    """HDF5 has room for 64 kB of names in one attribute."""
    long = "x" * 900
    model = Sequential(
        [layers.Input((2,)), *(layers.Dense(2, name=f"{long}{n}") for n in range(90))]
    )
    model.save(tmp_path / "m.h5")
    assert_same_bits(state(load_model(tmp_path / "m.h5")), state(model))


@pytest.mark.parametrize("build", [small, lenet5_modern, lenet5_1998, tiny])
def test_a_model_comes_back_from_json_and_config(build):
    model = build()
    for other in (
        model_from_json(model.to_json(indent=1)),
        Sequential.from_config(model.get_config()),
    ):
        assert other.name == model.name
        assert other.input_shape == model.input_shape
        assert [layer.get_config() for layer in other.layers] == [
            layer.get_config() for layer in model.layers
        ]


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_metrics_come_back_through_keras_s_formats(suffix, tmp_path):
    model = small()
    own = [metrics.CategoricalAccuracy(name="right"), metrics.Precision(thresholds=0.25), "mse"]
    model.compile("adam", "categorical_crossentropy", metrics=own, weighted_metrics=["acc"])
    model.save(tmp_path / f"m{suffix}")
    assert load_model(tmp_path / f"m{suffix}").metrics_config() == model.metrics_config()


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_what_the_classes_are_called_comes_back_through_keras_s_formats(suffix, tmp_path):
    model = lenet5_modern()
    model.class_names, model.data_name = list("abcdefghij"), "letters"
    model.light_border = True
    model.save(tmp_path / f"m.{suffix}")
    assert load_model(tmp_path / f"m.{suffix}").facts() == model.facts()


def test_a_metric_that_pylenet_does_not_have_is_left_out_with_a_warning(tmp_path):
    model = compiled(small, "adam", metrics=["accuracy"])
    text = model.to_json().replace('"accuracy"', '{"class_name": "MeanIoU", "config": {}}')
    with pytest.warns(UserWarning, match="without its metrics: metric 'MeanIoU' is not there"):
        other = model_from_json(text)
    assert other.metrics_names == ["loss"]
    assert type(other.optimizer).__name__ == "Adam"


def test_json_says_how_a_model_is_compiled():
    model = compiled(small, optimizers.Adam(0.01), metrics=["accuracy"])
    other = model_from_json(model.to_json())
    assert optimizers.serialize(other.optimizer) == optimizers.serialize(model.optimizer)
    assert other.metrics_names == ["loss", "accuracy"]


# What is refused


def h5_of(config, version=b"2.15.0", weights=()):
    """An .h5 file with this architecture."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.attrs["keras_version"] = version
        file.attrs["model_config"] = json.dumps(config)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [name.encode() for name, _ in weights]
        for name, arrays in weights:
            own = group.create_group(name)
            own.attrs["weight_names"] = [str(n).encode() for n in range(len(arrays))]
            for number, values in enumerate(arrays):
                own[str(number)] = values
    return buffer.getvalue()


def dense(**more):
    config = {"name": "d", "units": 3, "batch_input_shape": [None, 4], **more}
    return {"class_name": "Dense", "config": config}


def conv2d(**more):
    config = {"name": "c", "filters": 2, "kernel_size": 3, **more}
    return {"class_name": "Conv2D", "config": config}


def sequential_of(*entries):
    return {"class_name": "Sequential", "config": {"name": "s", "layers": list(entries)}}


WEIGHTS = [("d", [np.zeros((4, 3), "f4"), np.zeros(3, "f4")])]


def node(name, class_name, *inputs, **config):
    sources = [[[source, 0, 0, {}] for source in inputs]] if inputs else []
    config = {"name": name, **config}
    return {"class_name": class_name, "name": name, "config": config, "inbound_nodes": sources}


def functional_of(*nodes, inputs=("i",), outputs=("c",)):
    ends = {
        "input_layers": [[i, 0, 0] for i in inputs],
        "output_layers": [[o, 0, 0] for o in outputs],
    }
    return {"class_name": "Functional", "config": {"name": "f", "layers": list(nodes), **ends}}


I = node("i", "InputLayer", batch_input_shape=[None, 4])  # noqa: E741
REFUSED = {
    "layer 'l' is a 'LSTM', which": sequential_of({"class_name": "LSTM", "config": {"name": "l"}}),
    "layer 'l' is a 'Lambda', which": sequential_of(
        {"class_name": "Lambda", "config": {"name": "l", "function": ["4wEAAA==", None, None]}}
    ),
    "layer 'd' \\(Dense\\) has dtype_policy='x', which": sequential_of(dense(dtype_policy="x")),
    "layer 'd' \\(Dense\\) has the hard_sigmoid of Keras 2": sequential_of(
        dense(activation="hard_sigmoid")
    ),
    "layer 'c' \\(Conv2D\\) has groups=2, which": sequential_of(
        {
            "class_name": "Conv2D",
            "config": {"name": "c", "filters": 2, "kernel_size": 3, "groups": 2},
        }
    ),
    "layer 'c' \\(Conv2D\\) has dilation_rate=\\[2, 2\\], which": sequential_of(
        {
            "class_name": "Conv2D",
            "config": {"name": "c", "filters": 2, "kernel_size": 3, "dilation_rate": [2, 2]},
        }
    ),
    "it is a 'Custom>Net', and must be a chain": {"class_name": "Custom>Net", "config": {}},
    "'a' goes into several layers: a graph that branches": functional_of(
        I,
        node("a", "Dense", "i", units=3),
        node("b", "Dense", "a", units=3),
        node("c", "Dense", "a", units=3),
    ),
    "'c' has 2 inputs, and must have one: a graph that branches": functional_of(
        I,
        node("a", "Dense", "i", units=3),
        node("c", "Add", "a", "i"),
    ),
    "are no chain from": functional_of(
        I, node("a", "Dense", "c", units=3), node("c", "Dense", "a", units=3)
    ),
    "it has layers besides the chain": functional_of(
        I, node("a", "Dense", "x", units=3), node("c", "Dense", "i", units=3)
    ),
    "it must have one input and one output": functional_of(
        I, node("c", "Dense", "i", units=3), inputs=("i", "j")
    ),
    "input's shape must be known": sequential_of(dense(batch_input_shape=[None, None])),
    "d would have more than|dense would have more than": sequential_of(
        dense(units=10**6, batch_input_shape=[None, 10**6])
    ),
    "the layers have 100010000 parameters, expected 15": sequential_of(
        dense(units=10**4, batch_input_shape=[None, 10**4])
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_pylenet_does_not_have_is_refused_by_name(message, tmp_path):
    path = tmp_path / "m.h5"
    path.write_bytes(h5_of(REFUSED[message], weights=WEIGHTS))
    before = peak_memory()
    with pytest.raises(ValueError, match=message):
        load_model(path)
    assert peak_memory() - before < 50e6


def test_the_model_that_the_others_are_made_from_loads(tmp_path):
    (tmp_path / "m.h5").write_bytes(h5_of(sequential_of(dense()), weights=WEIGHTS))
    assert load_model(tmp_path / "m.h5").count_params() == 15
    chain = functional_of(I, node("c", "Dense", "i", units=3))
    weights = [("c", WEIGHTS[0][1])]
    (tmp_path / "m.h5").write_bytes(h5_of(chain, weights=weights))
    assert load_model(tmp_path / "m.h5").count_params() == 15


def test_a_normalised_axis_that_is_not_the_last_is_refused(tmp_path):
    bn = {"class_name": "BatchNormalization", "config": {"name": "b", "axis": 1}}
    first = bn["config"] | {"batch_input_shape": [None, 3, 3, 3]}
    weights = [("b", [np.ones(3, "f4")] * 4)]
    config = sequential_of(bn | {"config": first})
    (tmp_path / "m.h5").write_bytes(h5_of(config, weights=weights))
    with pytest.raises(ValueError, match="axis must be -1 or 3 in BatchNormalization"):
        load_model(tmp_path / "m.h5")


@pytest.mark.parametrize(
    ("loss", "optimizer", "message"),
    [
        ("ctc", {"class_name": "Adam", "config": {}}, "loss must be one of|is not there"),
        ("mse", {"class_name": "Ftrl", "config": {}}, "optimizer 'Ftrl' is not there"),
        ("mse", {"class_name": "SGD", "config": {"decay": 0.1}}, "SGD has decay=0.1"),
        ("categorical_crossentropy", {"class_name": "SGD", "config": {}}, "takes probabilities"),
    ],
)
def test_a_training_that_pylenet_does_not_have_leaves_the_model_uncompiled(
    loss, optimizer, message, tmp_path
):
    data = io.BytesIO(h5_of(sequential_of(dense()), weights=WEIGHTS))
    with h5py.File(data, "r+") as file:
        training = {"loss": loss, "optimizer_config": optimizer, "metrics": ["accuracy"]}
        file.attrs["training_config"] = json.dumps(training)
    (tmp_path / "m.h5").write_bytes(data.getvalue())
    with pytest.warns(UserWarning, match=f"loaded without being compiled: .*({message})"):
        model = load_model(tmp_path / "m.h5")
    assert model.optimizer is None


def changed(tmp_path, change):
    """The bytes of a file of ours after `change(file)`."""
    compiled(small).save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        change(file["model_weights"])
    return tmp_path / "m.h5"


def link_out(group):
    del group["conv2d/conv2d/kernel"]
    group["conv2d/conv2d/kernel"] = h5py.ExternalLink("/etc/passwd", "/x")


def link_soft(group):
    del group["conv2d/conv2d/kernel"]
    group["conv2d/conv2d/kernel"] = h5py.SoftLink("/model_weights/conv2d/conv2d/bias")


def external(group):
    del group["conv2d/conv2d/kernel"]
    group["conv2d/conv2d"].create_dataset(
        "kernel", (3, 3, 2, 3), "f4", external=[("/etc/passwd", 0, 216)]
    )


def huge(group):
    """Of a file of some kilobytes: nothing of it is stored."""
    del group["conv2d/conv2d/kernel"]
    group["conv2d/conv2d"].create_dataset("kernel", (10**6, 10**6), "f4")


def bomb(group):
    del group["conv2d/conv2d/kernel"]
    values = np.zeros((2**12, 2**12), "f4")
    group["conv2d/conv2d"].create_dataset("kernel", data=values, compression="gzip")


def texts(group):
    del group["conv2d/conv2d/kernel"]
    group["conv2d/conv2d/kernel"] = "text"


def missing(group):
    del group["conv2d/conv2d/kernel"]


def other_shape(group):
    del group["conv2d/conv2d/kernel"]
    group["conv2d/conv2d/kernel"] = np.zeros((3, 3, 3, 2), "f4")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (link_out, "is a link to elsewhere"),
        (link_soft, "is a link to elsewhere"),
        (external, "has its values in another file"),
        (huge, "is larger than a file of this size can mean"),
        (bomb, "is larger than a file of this size can mean"),
        (texts, "must hold numbers"),
        (missing, "must be an array"),
        (other_shape, "must have weights of the shapes"),
    ],
)
def test_a_file_that_was_made_to_do_harm_is_a_value_error_and_takes_no_memory(
    change, message, tmp_path
):
    path = changed(tmp_path, change)
    before = peak_memory()
    for read in (load_model, small().load_weights):
        with pytest.raises(ValueError, match=message):
            read(path)
    assert peak_memory() - before < 50e6


def archive_of(tmp_path, **members):
    compiled(small).save(tmp_path / "source.keras")
    with (
        zipfile.ZipFile(tmp_path / "source.keras") as source,
        zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            data = members.get(name.replace(".", "_"), source.read(name))
            if data is not None:
                target.writestr(name, data)
    return tmp_path / "m.keras"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"metadata_json": None}, "There is no item named 'metadata.json'"),
        ({"model_weights_h5": None}, "There is no item named 'model.weights.h5'"),
        ({"model_weights_h5": b""}, "cannot be loaded"),
        ({"model_weights_h5": bytes(2**26)}, "larger than a file of this size can mean"),
        ({"config_json": b" " * 2**26}, "larger than a file of this size can mean"),
        ({"config_json": b"[" * 10_000}, "cannot be loaded"),
        ({"config_json": b"{}"}, "cannot be loaded"),
        ({"metadata_json": b'{"keras_version": "x"}'}, "cannot be loaded"),
    ],
    ids=lambda value: "" if isinstance(value, str) else min(value),
)
def test_an_archive_that_makes_no_sense_is_a_value_error_and_takes_no_memory(
    members, message, tmp_path
):
    path = archive_of(tmp_path, **members)
    before = peak_memory()
    with pytest.raises(ValueError, match=message):
        load_model(path)
    assert peak_memory() - before < 100e6


def test_a_deflated_archive_loads(tmp_path):
    path = archive_of(tmp_path)
    assert_same_bits(state(load_model(path)), state(load_model(tmp_path / "source.keras")))


def test_without_h5py_a_hint_says_what_to_install_and_no_model_is_lost(monkeypatch, tmp_path):
    model = compiled(tiny)
    model.save(tmp_path / "there.keras")
    monkeypatch.setattr("pylenet.convert._missing", lambda packages: "h5py" if packages else None)
    hint = r'pip install "pylenet\[keras\]" \(h5py is missing\)'
    with pytest.raises(ImportError, match=f"there.keras' is a Keras file .*{hint}"):
        load_model(tmp_path / "there.keras")
    with pytest.warns(UserWarning, match=f"{hint}.*m.safetensors"):
        model.save(tmp_path / "m.h5")
    assert_same_bits(state(load_model(tmp_path / "m.safetensors")), state(model))
