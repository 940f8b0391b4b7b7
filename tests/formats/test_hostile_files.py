"""Files that are no models, damaged ones and those made to do harm: always a ValueError."""

import gzip
import json
import pickle
import zipfile

import numpy as np
import pytest
from nets import LENETS, compiled, digits, peak_memory, small, tiny
from tolerance import assert_same_bits

from pylenet import convert
from pylenet.models import load_model


def test_a_file_that_is_not_there_is_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="filepath must be a model file, got .*none"):
        load_model(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="filepath must be a model file"):
        load_model(tmp_path)


def refused(path, data, message=""):
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"{path.name}' is not a pylenet model: .*{message}"):
        load_model(path)


@pytest.fixture
def saved(tmp_path):
    """The bytes of the small model's file, and where to put changed ones."""
    path = tmp_path / "file"
    compiled(small, metrics=["accuracy"]).save(path)
    return path.read_bytes(), path


class Executed:
    def __reduce__(self):
        return (print, ("executed",))


KINDS = {
    "nothing": b"",
    "one byte": b"\0",
    "less than a length": b"\0" * 7,
    "a length of zero": b"\0" * 8,
    "zeros": b"\0" * 10_000,
    "ones": b"\xff" * 10_000,
    "text": b"pylenet-1\n",
    "zip": b"PK\3\4" + b"\0" * 500,
    "no tensors": (2).to_bytes(8, "little") + b"{}",
    "a list": (2).to_bytes(8, "little") + b"[]",
    "a header of a terabyte": (2**40).to_bytes(8, "little") + b"{}",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_another_kind_is_a_value_error(kind, tmp_path, capsys):
    refused(tmp_path / "file", KINDS[kind])
    assert capsys.readouterr().out == ""


OTHERS = {
    "a Keras HDF5 file": b"\x89HDF\r\n\x1a\n" + b"\0" * 500,
    "a pickle": pickle.dumps(Executed()),
    "a TensorFlow Lite model": b"\x1c\0\0\0TFL3" + b"\0" * 500,
    "a numpy archive": b"\x93NUMPY\x01\0v\0" + b"\0" * 500,
    "gzip data": gzip.compress(b"model"),
    "a JSON text": b'{"class_name": "Sequential"}',
}


def test_a_file_that_a_package_is_missing_for_is_named_with_the_extra_that_has_it(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(convert, "_missing", lambda packages: "onnx")
    path = tmp_path / "file"
    path.write_bytes(b"\x08\x0a\x12\x07pytorch" + b"\0" * 500)
    with pytest.raises(ImportError, match=r'is an ONNX model: .* pip install "pylenet\[onnx\]"'):
        load_model(path)


@pytest.mark.parametrize("title", OTHERS)
def test_a_file_of_another_format_is_a_value_error_that_names_it(title, tmp_path, capsys):
    path = tmp_path / "file"
    path.write_bytes(OTHERS[title])
    with pytest.raises(ValueError, match=rf"file' is {title}( that cannot be loaded)?: "):
        load_model(path)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("title", "member"),
    [
        (r"a Keras file \(.keras\)", "config.json"),
        ("a PyTorch file", "archive/data.pkl"),
        ("a numpy archive", "arr_0.npy"),
    ],
)
def test_a_zip_of_another_format_is_a_value_error_that_names_it(title, member, tmp_path):
    path = tmp_path / "file"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, b"...")
    with pytest.raises(ValueError, match=rf"file' is {title}( that cannot be loaded)?: "):
        load_model(path)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_model_whose_header_has_the_length_of_a_pickle_s_first_bytes_is_a_model(protocol, saved):
    data, path = saved
    size = int.from_bytes(data[:8], "little")
    longer = 0x10080 + (protocol << 8)
    header = data[8 : 8 + size].ljust(longer)
    path.write_bytes(longer.to_bytes(8, "little") + header + data[8 + size :])
    assert path.read_bytes()[:2] == bytes([0x80, protocol])
    assert load_model(path).built


def test_a_saved_model_of_tensorflow_is_a_value_error_that_names_it(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"...")
    with pytest.raises(ValueError, match="is a TensorFlow SavedModel: load it with TensorFlow"):
        load_model(tmp_path)


def test_a_truncated_or_longer_file_is_a_value_error(saved):
    data, path = saved
    header = 8 + int.from_bytes(data[:8], "little")
    lengths = {*range(1, 12), header - 1, header, header + 1, len(data) - 4, len(data) - 1}
    for length in sorted(lengths | set(range(20, len(data), 97))):
        refused(path, data[:length])
    refused(path, data + b"\0")
    refused(path, data + data)


def test_a_flipped_bit_in_the_header_is_a_value_error_or_still_a_model(saved):
    data, path = saved
    header = 8 + int.from_bytes(data[:8], "little")
    bits = np.random.default_rng(0).integers(0, 8, header)
    survivors = 0
    for k in range(header):
        path.write_bytes(data[:k] + bytes([data[k] ^ (1 << bits[k])]) + data[k + 1 :])
        try:
            survivors += load_model(path).count_params() == small().count_params()
        except ValueError as error:
            assert "is not a pylenet model" in str(error)  # noqa: PT017
    assert 0 < survivors < header / 2


def packed(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def unpacked(data):
    size = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def other(shape, dtype):
    def change(header, data):
        """The first kernel as another array, in as many bytes."""
        header["conv2d.kernel"] |= {"shape": shape, "dtype": dtype}

    return change


def rename(header, data):
    header["conv2d.weight"] = header.pop("conv2d.kernel")


def swap(header, data):
    header["dense.bias"], header["dense_1.bias"] = header["dense_1.bias"], header["dense.bias"]


def without_bias(header, data):
    """The last tensor of the file is gone, and its bytes."""
    last = max(header.keys() - {"__metadata__"}, key=lambda n: header[n]["data_offsets"][1])
    data[:] = data[: header.pop(last)["data_offsets"][0]]


def with_more(header, data):
    header["more"] = {"dtype": "F32", "shape": [1], "data_offsets": [len(data), len(data) + 4]}
    data.extend(b"\0\0\0\0")


def format_of(value):
    def change(header, data):
        config = json.loads(header["__metadata__"]["model"])
        header["__metadata__"]["model"] = json.dumps(config | {"format": value})

    return change


HEADERS = {
    "float16": (other([3, 3, 2, 6], "F16"), ""),
    "int32": (other([3, 3, 2, 3], "I32"), "conv2d.kernel.*float32, got int32"),
    "float64": (other([3, 3, 1, 3], "F64"), ""),
    "bfloat16": (other([3, 3, 2, 6], "BF16"), ""),
    "reshaped": (other([3, 2, 3, 3], "F32"), "tensors must be"),
    "flat": (other([54], "F32"), "tensors must be"),
    "negative shape": (other([-3, 3, -2, 3], "F32"), ""),
    "swapped shapes": (swap, "tensors must be"),
    "renamed": (rename, "tensors must be"),
    "missing": (without_bias, "parameters"),
    "one more": (with_more, "parameters"),
    "overlapping": (lambda h, d: h["dense.bias"].update(h["dense_1.bias"]), ""),
    "no metadata": (lambda h, d: h.pop("__metadata__"), "key 'model'"),
    "no format": (format_of(None), "format 'pylenet-2'"),
    "other format": (format_of("pt"), "format 'pylenet-2'"),
    "later format": (format_of("pylenet-3"), "format 'pylenet-2'"),
    "no model": (lambda h, d: h["__metadata__"].pop("model"), "key 'model'"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_was_tampered_with_is_a_value_error(name, saved):
    data, path = saved
    header, rest = unpacked(data)
    rest = bytearray(rest)
    change, message = HEADERS[name]
    change(header, rest)
    refused(path, packed(header, bytes(rest)), message)


def config_with(*keys, value):
    """A change of one place of the architecture; a value that is called makes the new one."""

    def change(config):
        *outer, last = keys
        for key in outer:
            config = config[key]
        config[last] = value(config[last]) if callable(value) else value

    return change


def without(*keys):
    def change(config):
        *outer, last = keys
        for key in outer:
            config = config[key]
        del config[last]

    return change


CONV, DENSE = ("layers", 0, "config"), ("layers", 4, "config")
EVIL = ["os.system", "Layer", "Sequential", "__init__", "", 3, None, [], {}, "conv2d"]
CONFIGS = {
    **{f"class {v!r}": config_with("layers", 0, "class_name", value=v) for v in EVIL},
    **{f"name {v!r}": config_with("name", value=v) for v in (3, None, [])},
    **{f"layers {v!r}": config_with("layers", value=v) for v in (3, None, "abc", {}, [3], [None])},
    **{f"config {v!r}": config_with(*CONV, value=v) for v in (3, None, "abc", [], [["name", 1]])},
    **{f"units {v!r}": config_with(*DENSE, "units", value=v) for v in (0, -1, 2.5, "7", None)},
    **{
        f"units {v:g}": config_with(*DENSE, "units", value=v) for v in (10**7, 10**9, 2**31, 10**30)
    },
    **{f"filters {v:g}": config_with(*CONV, "filters", value=v) for v in (10**7, 2**63, 10**30)},
    **{
        f"kernel {v:g}": config_with(*CONV, "kernel_size", value=[v, v])
        for v in (10**4, 10**9, 2**31 - 1, 10**30)
    },
    "strides": config_with(*CONV, "strides", value=10**30),
    "pool_size": config_with("layers", 1, "config", "pool_size", value=[2**31 - 1, 2**31 - 1]),
    **{
        f"input_shape {v!r}": config_with("input_shape", value=v)
        for v in (3, None, "876", [], [8, 7], [8, 7, 2, 1], [8, 7, "2"], [8.0, 7, 2], [0, 7, 2])
    },
    **{
        f"input_shape of {v:g}": config_with("input_shape", value=[v, v, 3])
        for v in (10**5, 10**6, 2**31, 10**30)
    },
    "input_shape in a large layer": config_with(
        *CONV, value=lambda c: c | {"input_shape": [8, 7, 2], "filters": 10**7}
    ),
    "input_shape twice": config_with(*CONV, value=lambda c: c | {"input_shape": [8, 7, 2]}),
    "unknown argument": config_with(*CONV, value=lambda c: c | {"dilation_rate": 2}),
    "evil argument": config_with(*CONV, value=lambda c: c | {"self": 1, "__class__": 2}),
    "missing argument": without(*DENSE, "units"),
    "initializer": config_with(*CONV, value=lambda c: c | {"kernel_initializer": {"a": 1}}),
    "same names": config_with(*DENSE, "name", value="conv2d"),
    "layer missing": config_with("layers", value=lambda layers: layers[1:]),
    "layer more": config_with("layers", value=lambda layers: [*layers, layers[-1]]),
    "activation": config_with(*DENSE, "activation", value="os.system"),
    "padding": config_with(*CONV, "padding", value=["same"]),
    **{f"no {key}": without(key) for key in ("name", "layers", "input_shape", "compile")},
    "no class": without("layers", 0, "class_name"),
    "no config": without("layers", 0, "config"),
    **{f"compile {v!r}": config_with("compile", value=v) for v in (3, "abc", [], {})},
    "loss": config_with("compile", "loss", value="ctc"),
    "loss kind": config_with("compile", "loss", value=3),
    "loss argument": config_with("compile", "loss", "config", value={"reduction": "sum"}),
    "optimizer": config_with("compile", "optimizer", "class_name", value="os.system"),
    "optimizer argument": config_with("compile", "optimizer", "config", "learning_rate", value=-1),
    "schedule": config_with(
        "compile", "optimizer", "config", "learning_rate", value={"class_name": "os.system"}
    ),
    **{f"metrics {v!r}": config_with("compile", "metrics", value=v) for v in (3, [3], None)},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_an_architecture_that_makes_no_sense_is_a_value_error_and_takes_no_memory(name, saved):
    data, path = saved
    header, rest = unpacked(data)
    config = json.loads(header["__metadata__"]["model"])
    CONFIGS[name](config)
    header["__metadata__"]["model"] = json.dumps(config)
    before = peak_memory()
    refused(path, packed(header, rest))
    assert peak_memory() - before < 50e6


def test_an_architecture_of_very_many_layers_is_refused_at_once(saved):
    """Their names, all different, would take time with the number squared."""
    data, path = saved
    header, rest = unpacked(data)
    config = json.loads(header["__metadata__"]["model"])
    config["layers"] += [{"class_name": "Flatten", "config": {}}] * 2000
    header["__metadata__"]["model"] = json.dumps(config)
    refused(path, packed(header, rest), "at most 1000 layers")


TEXTS = {
    "empty": "",
    "unfinished": "{",
    "null": "null",
    "a number": "3",
    "a string": '"abc"',
    "a list": "[]",
    "an empty object": "{}",
    "NaN": "NaN",
    "nested lists": "[" * 100_000,
    "nested objects": '{"name": ' * 100_000,
    "a number of 10,000 digits": "1" * 10_000,
    "an infinite number": '{"layers": 1e999}',
    "half a character": "\ud800",
    "Python": "import os",
}


@pytest.mark.parametrize("kind", TEXTS)
def test_an_architecture_that_is_no_json_of_ours_is_a_value_error(kind, saved):
    data, path = saved
    header, rest = unpacked(data)
    header["__metadata__"]["model"] = TEXTS[kind]
    refused(path, packed(header, rest))


def test_weights_that_are_not_finite_are_read_as_they_are(saved, tmp_path):
    model = tiny()
    model.set_weights([np.full((4, 3), np.nan), [np.inf, -np.inf, 0]])
    model.save(tmp_path / "nan")
    loaded = load_model(tmp_path / "nan")
    assert_same_bits(tuple(loaded.get_weights()), tuple(model.get_weights()))


def test_a_loaded_model_does_not_hold_on_to_its_file(tmp_path):
    x, _ = digits(3)
    model = LENETS["modern"]()
    path = tmp_path / "m"
    model.save(path)
    loaded = load_model(path)
    path.write_bytes(b"gone")
    assert_same_bits(loaded.predict(x), model.predict(x))
    path.unlink()
    assert_same_bits(loaded.predict(x), model.predict(x))


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_weights_of_the_right_shapes_in_another_type_are_refused(dtype, saved):
    from safetensors import safe_open
    from safetensors.numpy import save

    _, path = saved
    with safe_open(path, framework="numpy") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    weights["dense.bias"] = weights["dense.bias"].astype(dtype)
    message = f"'dense.bias' must be float32, got {np.dtype(dtype)}"
    refused(path, save(weights, metadata), message)
