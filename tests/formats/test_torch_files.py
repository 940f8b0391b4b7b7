"""PyTorch's state dicts: real files of PyTorch, kept in tests/data/torch, read without it."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from tolerance import assert_same_bits
from torch_nets import CORPUS, kept, net, numbered

from pylenet import convert, layers
from pylenet.convert import _torch_file
from pylenet.convert import torch as torch_files
from pylenet.models import Sequential, lenet5_1998, lenet5_modern

FILES = {
    "net.pt": (net, 1e-6),
    "net.safetensors": (net, 1e-6),
    "net_checkpoint.pth": (net, 1e-6),
    "net_bfloat16.pt": (net, 1e-3),
    "numbered.pt": (numbered, 1e-6),
    "numbered.safetensors": (numbered, 1e-6),
}


@pytest.mark.parametrize("name", FILES)
def test_a_state_dict_of_pytorch_predicts_what_it_did_there(name):
    build, error = FILES[name]
    model = build()
    model.load_weights(CORPUS / name)
    x, y = kept(build.__name__)
    np.testing.assert_allclose(model.predict(x), y, rtol=0, atol=error)
    assert y.std() > 1e-3


@pytest.mark.parametrize(
    ("name", "held"), {"net_module.pt": "__main__.Net", "net_torchscript.pt": "__torch__"}.items()
)
def test_a_pickled_module_is_refused_by_name(name, held):
    with pytest.raises(ValueError, match=rf"holds {held}.*save model.state_dict\(\)"):
        net().load_weights(CORPUS / name)


def test_weights_go_to_pytorch_and_back_to_the_same_bits():
    model, back = net(), net()
    rng = np.random.default_rng(0)
    model.set_weights([rng.random(w.shape) for w in model.weights])
    there = torch_files.state_dict(model)
    torch_files.set_state_dict(back, there, ordered=True)
    assert_same_bits(tuple(back.get_weights()), tuple(model.get_weights()))
    assert there["conv2d.weight"].shape == (3, 2, 3, 3)
    assert there["dense.weight"].shape == (9, 16)
    assert_same_bits(there["dense_1.weight"], model.layers[-1].kernel.T)


def test_a_dense_layer_behind_flatten_reads_channels_height_width_in_pytorch():
    model = Sequential([layers.Input((2, 3, 4)), layers.Flatten(), layers.Dense(5)])
    there = torch_files.state_dict(model)["dense.weight"]
    own = model.layers[-1].kernel.reshape(2, 3, 4, 5)
    assert_same_bits(there.reshape(5, 4, 2, 3), np.ascontiguousarray(own.transpose(3, 2, 0, 1)))


def test_connections_are_a_full_kernel_with_zeros_in_pytorch():
    table = [[0, 2], [1], [0, 1, 2]]
    build = lambda: Sequential([layers.Input((4, 4, 3)), layers.Conv2D(3, 2, connections=table)])  # noqa: E731
    model, back = build(), build()
    there = torch_files.state_dict(model)
    assert there["conv2d.weight"].shape == (3, 3, 2, 2)
    assert not there["conv2d.weight"][1, [0, 2]].any()
    torch_files.set_state_dict(back, there, ordered=True)
    assert_same_bits(tuple(back.get_weights()), tuple(model.get_weights()))
    there["conv2d.weight"][1, 0] = 1
    with pytest.raises(ValueError, match="lacks links"):
        torch_files.set_state_dict(back, there, ordered=True)


def test_a_layer_without_counterpart_is_refused_by_name():
    with pytest.raises(ValueError, match=r"\(Subsampling2D\) has no counterpart in PyTorch"):
        torch_files.state_dict(lenet5_1998())


@pytest.mark.parametrize("target", [(2, 3, 4), (3, 2, 4)], ids=str)
def test_a_shape_in_which_pytorch_has_another_order_is_refused(target):
    start = [layers.Input((24,))] if target == (2, 3, 4) else [layers.Input((3, 4, 2))]
    model = Sequential([*start, layers.Reshape(target), layers.Conv2D(1, 1)])
    with pytest.raises(ValueError, match="'reshape' gives values a shape in which PyTorch"):
        torch_files.state_dict(model)


def test_an_epsilon_that_is_not_pytorchs_is_warned_of():
    with pytest.warns(UserWarning, match="epsilon=0.001; PyTorch's default is 1e-05"):
        net(epsilon=1e-3).load_weights(CORPUS / "net.pt")


@pytest.mark.parametrize("missing", ["scale", "center"])
def test_what_batch_normalisation_lacks_must_be_neutral_in_the_file(missing):
    model = net(**{missing: False})
    there = torch_files.state_dict(model)
    torch_files.set_state_dict(model, there, ordered=True)
    kind = {"scale": "weight", "center": "bias"}[missing]
    there[f"batch_normalization.{kind}"][0] = 3
    with pytest.raises(ValueError, match=f"has no {kind}, and the file's is not"):
        torch_files.set_state_dict(model, there, ordered=True)


def test_tensors_that_do_not_fit_leave_the_model_as_it_is_and_are_told():
    model = numbered()
    before = model.get_weights()
    there = torch_files.state_dict(net())
    with pytest.raises(ValueError, match=r"the model needs tensors of .*\(8, 20\).* the file has"):
        torch_files.set_state_dict(model, there, ordered=True)
    assert_same_bits(tuple(model.get_weights()), tuple(before))


def test_modules_of_one_shape_are_told_apart_by_number_or_refused_where_order_is_lost():
    model = Sequential([layers.Input((3,)), layers.Dense(3), layers.Dense(3)])
    one, two = np.eye(3, dtype=np.float32), np.full((3, 3), 2, np.float32)
    bias = np.zeros(3, np.float32)
    numbers = {"fc.10.weight": two, "fc.10.bias": bias, "fc.9.weight": one, "fc.9.bias": bias}
    torch_files.set_state_dict(model, numbers, ordered=False)
    assert_same_bits(model.layers[0].kernel, one)
    words = {"out.weight": two, "out.bias": bias, "hidden.weight": one, "hidden.bias": bias}
    with pytest.raises(
        ValueError, match=r"\['hidden', 'out'\].*save the state dict with torch.save"
    ):
        torch_files.set_state_dict(model, words, ordered=False)
    torch_files.set_state_dict(model, words, ordered=True)
    assert_same_bits(model.layers[0].kernel, two)


@pytest.mark.parametrize("values", [np.ones((3, 3), np.int64), 3, None, "abc", [1.0]], ids=str)
def test_a_weight_that_holds_no_floats_is_refused(values):
    model = Sequential([layers.Input((3,)), layers.Dense(3, use_bias=False)])
    with pytest.raises(ValueError, match="'fc.weight' must hold floats"):
        torch_files.set_state_dict(model, {"fc.weight": values}, ordered=True)


def test_export_names_the_endings_that_there_are(tmp_path):
    model = lenet5_modern()
    for name, format, message in [
        ("m.h5", None, "must end in .c, .onnx, .pt, .pth or .py"),
        ("m.safetensors", None, 'unless format is "torch"'),
        ("m.onnx", "torch", "must end in .pt or .pth or .safetensors or .py for format='torch'"),
        ("m.onnx", "tf_saved_model", r"format must be one of \['c', 'onnx', 'torch'\]"),
    ]:
        with pytest.raises(ValueError, match=message):
            model.export(tmp_path / name, format)
    with pytest.raises(TypeError, match="filepath must be"):
        model.export(3)
    assert not list(tmp_path.iterdir())


def test_an_exported_state_dict_is_read_again_from_safetensors(tmp_path):
    model, back = net(), net()
    model.export(tmp_path / "m.safetensors", format="torch")
    back.load_weights(tmp_path / "m.safetensors")
    assert_same_bits(tuple(back.get_weights()), tuple(model.get_weights()))


# Files that are not what they seem


class Evil:
    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


def archive(data, **members):
    """A file as torch.save writes it, of this pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zip_:
        zip_.writestr("m/data.pkl", data)
        for name, content in members.items():
            zip_.writestr(f"m/data/{name}", content)
    return file.getvalue()


def opcodes(storage_count=4, offset=0, shape=(2, 2), strides=(2, 1), key="0", kind="FloatStorage"):
    """The pickle of {"w": tensor}, written by hand."""

    def number(value):
        return pickle.LONG1 + bytes([9]) + value.to_bytes(9, "little", signed=True)

    def numbers(values):
        return pickle.MARK + b"".join(map(number, values)) + pickle.TUPLE

    def text(value):
        return pickle.BINUNICODE + len(value).to_bytes(4, "little") + value.encode()

    storage = (
        *(pickle.MARK, text("storage"), pickle.GLOBAL, f"torch\n{kind}\n".encode(), text(key)),
        *(text("cpu"), number(storage_count), pickle.TUPLE, pickle.BINPERSID),
    )
    parts = (
        *(pickle.PROTO, b"\2", pickle.EMPTY_DICT, text("w")),
        *(pickle.GLOBAL, b"torch._utils\n_rebuild_tensor_v2\n", pickle.MARK, *storage),
        *(number(offset), numbers(shape), numbers(strides), pickle.NEWFALSE),
        *(pickle.GLOBAL, b"collections\nOrderedDict\n", pickle.EMPTY_TUPLE, pickle.REDUCE),
        *(pickle.TUPLE, pickle.REDUCE, pickle.SETITEM, pickle.STOP),
    )
    return b"".join(parts)


VALUES = np.arange(4, dtype="<f4").tobytes()


def read(data, tmp_path):
    path = tmp_path / "m.pt"
    path.write_bytes(data)
    return _torch_file.read(path)


def test_a_tensor_is_a_view_by_offset_shape_and_strides(tmp_path):
    found = read(archive(opcodes(strides=(1, 2)), **{"0": VALUES}), tmp_path)
    assert_same_bits(found["w"], np.array([[0, 2], [1, 3]], np.float32))
    found = read(archive(opcodes(offset=1, shape=(3,), strides=(1,)), **{"0": VALUES}), tmp_path)
    assert_same_bits(found["w"], np.array([1, 2, 3], np.float32))


HOSTILE = {
    "more than the storage": {"shape": (3, 2)},
    "beyond the storage": {"offset": 1},
    "beyond it by strides": {"strides": (3, 1)},
    "one value many times": {"shape": (2**20, 2**20), "strides": (0, 0)},
    "a negative size": {"shape": (-2, -2)},
    "a negative stride": {"strides": (-1, 1)},
    "a negative offset": {"offset": -1},
    "a huge storage": {"storage_count": 2**50},
    "a storage of another size": {"storage_count": 3},
    "strides of another length": {"strides": (1,)},
    "a member of nowhere": {"key": "../secret"},
    "a kind that is not known": {"kind": "QInt8Storage"},
    "an evil kind": {"kind": "load"},
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_tensor_that_its_storage_does_not_have_is_a_value_error(name, tmp_path):
    with pytest.raises(ValueError, match="its|a tensor|holds"):
        read(archive(opcodes(**HOSTILE[name]), **{"0": VALUES}), tmp_path)


PICKLES = {
    "code": pickle.dumps(Evil(), 2),
    "code, protocol 4": pickle.dumps(Evil(), 4),
    "a global alone": pickle.dumps(exec, 2),
    "protocol 0": pickle.dumps({"w": 1}, 0),
    "bytes": pickle.dumps({"w": b"abc"}, 3),
    "nothing": b"",
    "stop alone": b".",
    "two objects": b"\x80\x02}}.",
    "a memo of nowhere": b"\x80\x02h\x07.",
    "items of a tuple": b"\x80\x02)K\x01K\x02s.",
    "a list as key": b"\x80\x02}]K\x02s.",
    "append to a dict": b"\x80\x02}K\x01a.",
    "more than there is": b"\x80\x02\x87.",
    "an escape": b"\x80\x02cos\\q\nsystem\n.",
    "an unknown opcode": b"\x80\x02\xff.",
    "no end": b"\x80\x02}",
    "a long text": b"\x80\x02X\xff\xff\xff\x7fabc.",
    "nested": b"\x80\x02" + b"]" * 100_000 + b".",
}


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_that_is_no_state_dict_is_a_value_error_and_is_not_executed(name, tmp_path):
    with pytest.raises(ValueError, match="its pickle|it holds|pickle|opcode|expected|exhausted"):
        read(archive(PICKLES[name]), tmp_path)


def test_a_compressed_member_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "m.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zip_:
        zip_.writestr("m/data.pkl", b"\0" * 10**8)
    with pytest.raises(ValueError, match="must have at most"):
        _torch_file.read(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as zip_:
        zip_.writestr("m/data.pkl", b"\0" * 10**6)
    with pytest.raises(ValueError, match="must be stored as it is"):
        _torch_file.read(path)


def test_a_pickle_that_torch_did_not_write_is_a_value_error_and_is_not_executed(tmp_path):
    path = tmp_path / "m.pt"
    path.write_bytes(pickle.dumps(Evil(), 2))
    with pytest.raises(ValueError, match="torch.save did not write it"):
        numbered().load_weights(path)


@pytest.mark.parametrize("found", [{}, [], 3, {"w": 3}, {3: 4}, {"state_dict": {}}], ids=str)
def test_a_file_without_a_state_dict_is_a_value_error(found, tmp_path):
    path = tmp_path / "m.pt"
    path.write_bytes(archive(pickle.dumps(found, 2)))
    with pytest.raises(ValueError, match="cannot be loaded"):
        numbered().load_weights(path)


def test_a_state_dict_is_written_by_pytorch_alone_and_the_error_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "_missing", lambda packages: next(iter(packages), None))
    model = numbered()
    with pytest.raises(ImportError, match="is to be a PyTorch file: pip install torch"):
        model.export(tmp_path / "m.pt")
    with pytest.warns(UserWarning, match="pip install torch.*It is saved as .*m.safetensors"):
        model.save_weights(tmp_path / "m.pt")
