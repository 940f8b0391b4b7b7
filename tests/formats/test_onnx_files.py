"""ONNX files: those of other tools, kept in tests/data/onnx, and graphs made here."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from kinds import CASES
from nets import LENETS, small
from tolerance import assert_same_bits

from pylenet import layers
from pylenet.convert import _chain
from pylenet.convert import onnx as onnx_files
from pylenet.models import Sequential, lenet5_1998, load_model

onnx = pytest.importorskip("onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
TensorProto = onnx.TensorProto

CORPUS = Path(__file__).parents[1] / "data" / "onnx"
LOADED = sorted(path.stem for path in CORPUS.glob("*.npz"))
CHANNELS_FIRST = "torch_"  # files whose images have channels first; Keras's have them last


def images(name, x):
    """Samples of a file as pylenet takes them."""
    return x.transpose(0, 2, 3, 1) if name.startswith(CHANNELS_FIRST) else x


def test_the_corpus_is_there():
    assert len(LOADED) >= 10


@pytest.mark.filterwarnings("ignore:its LogSoftmax")
@pytest.mark.parametrize("name", LOADED)
def test_a_file_of_another_tool_predicts_what_the_tool_did(name):
    kept = np.load(CORPUS / f"{name}.npz")
    model = load_model(CORPUS / f"{name}.onnx")
    got = model.predict(images(name, kept["x"]))
    wanted = np.exp(kept["y"]) if "log_softmax" in name else kept["y"]
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-6)
    assert wanted.std() > 1e-3  # else all networks were alike


def test_a_log_softmax_is_loaded_as_a_softmax_with_a_warning():
    with pytest.warns(UserWarning, match="probabilities, not their logarithms"):
        load_model(CORPUS / "torch_log_softmax.onnx")


@pytest.mark.parametrize("name", ["ort_qdq", "ort_qoperator"])
def test_a_quantised_model_is_refused_by_node(name):
    with pytest.raises(ValueError, match="(Q|Deq)uantizeLinear.*a quantised model; load the float"):
        load_model(CORPUS / f"{name}.onnx")


def test_an_average_that_counts_repeated_pixels_is_refused():
    """Keras on PyTorch, padding "same"; on TensorFlow the same network is loaded."""
    with pytest.raises(ValueError, match=r"\(AveragePool\): its padding repeats the image's edge"):
        load_model(CORPUS / "keras_average_torch.onnx")


@pytest.mark.parametrize("name", ["keras_torch", "keras_tensorflow"])
def test_keras_exporters_give_the_layers_that_keras_had(name):
    found = [type(layer).__name__ for layer in load_model(CORPUS / f"{name}.onnx").layers]
    assert found == [
        *("Rescaling", "Conv2D", "BatchNormalization", "MaxPooling2D", "Conv2D"),
        *("AveragePooling2D", "Flatten", "Dense", "Dense"),
    ]


# What pylenet writes


def round_trip(model, tmp_path):
    path = tmp_path / "m.onnx"
    model.save(path)
    return load_model(path)


@pytest.mark.parametrize("name", LENETS)
def test_a_lenet_comes_back_from_onnx_with_its_layers_and_bits(name, tmp_path):
    model = LENETS[name]()
    model.class_names, model.data_name = [f"digit {n}" for n in range(10)], "some digits"
    back = round_trip(model, tmp_path)
    assert repr(back.layers[1:]) == repr(model.layers[1:])
    assert np.float32(back.layers[0].scale) == np.float32(model.layers[0].scale)
    assert_same_bits(tuple(back.get_weights()), tuple(model.get_weights()))
    assert (back.class_names, back.data_name) == (model.class_names, model.data_name)
    assert back.name == model.name


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_layer_is_written_and_what_is_read_of_it_computes_the_same(case, tmp_path):
    model = case.model()
    if unread(case.layer):
        with pytest.raises(ValueError, match="is an ONNX model that cannot be loaded"):
            round_trip(model, tmp_path)
        return
    back, x = round_trip(model, tmp_path), case.arrays()["x"]
    assert back.output_shape == model.output_shape
    np.testing.assert_allclose(back.predict(x), model.predict(x), rtol=2e-6, atol=2e-6)


def unread(layer):
    """Whether it is written as a graph that branches, which is not read."""
    return isinstance(layer, layers.RBF) or getattr(layer, "threshold", 0) > 0


def test_a_model_is_the_same_bytes_every_time():
    model = small()
    assert onnx_files.model_bytes(model) == onnx_files.model_bytes(model)


def test_what_is_written_needs_opset_17_and_takes_any_number_of_samples_channels_last():
    proto = onnx.ModelProto.FromString(onnx_files.model_bytes(small()))
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", 17)]
    (given,), (taken,) = proto.graph.output, proto.graph.input
    sizes = [size.dim_param or size.dim_value for size in taken.type.tensor_type.shape.dim]
    assert sizes == ["batch", 8, 7, 2]
    assert len(given.type.tensor_type.shape.dim) == 2
    assert proto.producer_name == "pylenet"


def test_names_of_layers_are_those_of_nodes_and_tensors():
    model = Sequential([layers.Input((4,)), layers.Dense(3, "scaled_tanh", name="a/b:0")])
    proto = onnx.ModelProto.FromString(onnx_files.model_bytes(model))
    assert "a/b:0.kernel" in {tensor.name for tensor in proto.graph.initializer}
    assert "a/b:0/Gemm" in {node.name for node in proto.graph.node}


def test_lenet5_of_1998_is_written_and_refused_by_name_when_read(tmp_path):
    with pytest.raises(ValueError, match=r"node '.*' \(Sub\)"):
        round_trip(lenet5_1998(), tmp_path)


# Graphs of other makers


def graph(nodes, shape, weights=None, *, opset=17, batch="n", output=None, kind=TensorProto.FLOAT):
    """A model of nodes; the input is "x", the output what the last node gives."""
    tensors = [numpy_helper.from_array(np.asarray(w), k) for k, w in (weights or {}).items()]
    value = helper.make_tensor_value_info
    whole = helper.make_graph(
        nodes,
        "net",
        [value("x", kind, [batch, *shape])],
        [value(output or nodes[-1].output[0], TensorProto.FLOAT, None)],
        tensors,
    )
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def loaded(proto, tmp_path):
    path = tmp_path / "g.onnx"
    path.write_bytes(proto.SerializeToString())
    return load_model(path)


def chain(*operators):
    """Nodes one behind the other: (operator, inputs besides, attributes)."""
    nodes, value = [], "x"
    for place, (operator, inputs, attributes) in enumerate(operators):
        given = f"v{place}"
        nodes.append(
            helper.make_node(operator, [value, *inputs], [given], f"node{place}", **attributes)
        )
        value = given
    return nodes


rng = np.random.default_rng(5)
KERNEL = rng.normal(size=(4, 3, 3, 3)).astype(np.float32)
DENSE = {"w": rng.normal(size=(6, 4)).astype(np.float32)}


def test_channels_last_and_first_are_told_apart_by_the_graph(tmp_path):
    conv = chain(("Conv", ["w"], {}))
    assert loaded(graph(conv, (3, 8, 9), {"w": KERNEL}), tmp_path).input_shape == (None, 8, 9, 3)
    turned = chain(("Transpose", [], {"perm": [0, 3, 1, 2]}), ("Conv", ["w"], {}))
    model = loaded(graph(turned, (8, 9, 3), {"w": KERNEL}), tmp_path)
    assert model.input_shape == (None, 8, 9, 3)


def test_the_smaller_end_of_an_image_is_the_channels_where_the_graph_does_not_tell(tmp_path):
    nodes = chain(("Flatten", [], {}), ("MatMul", ["w"], {}))
    weight = {"w": np.ones((24, 2), np.float32)}
    assert loaded(graph(nodes, (2, 3, 4), weight), tmp_path).input_shape == (None, 3, 4, 2)
    assert loaded(graph(nodes, (3, 4, 2), weight), tmp_path).input_shape == (None, 3, 4, 2)


def test_images_without_channels_get_one(tmp_path):
    axes = np.array([1])
    nodes = chain(("Unsqueeze", ["a"], {}), ("Conv", ["w"], {}))
    model = loaded(graph(nodes, (8, 9), {"a": axes, "w": KERNEL[:, :1]}), tmp_path)
    assert model.predict(rng.random((2, 8, 9))).shape == (2, 6, 7, 4)


def test_an_input_of_bytes_is_taken_as_it_is(tmp_path):
    nodes = chain(("Cast", [], {"to": TensorProto.FLOAT}), ("MatMul", ["w"], {}))
    model = loaded(graph(nodes, (6,), DENSE, kind=TensorProto.UINT8), tmp_path)
    x = rng.integers(0, 256, (3, 6), np.uint8)
    np.testing.assert_allclose(model.predict(x), x @ DENSE["w"], rtol=1e-5, atol=1e-3)


def test_groups_become_connections(tmp_path):
    kernel = rng.normal(size=(4, 2, 3, 2)).astype(np.float32)
    model = loaded(graph(chain(("Conv", ["w"], {"group": 2})), (4, 6, 5), {"w": kernel}), tmp_path)
    assert model.layers[0].connections == ((0, 1), (0, 1), (2, 3), (2, 3))
    x = rng.random((2, 6, 5, 4), np.float32)
    from pylenet import ops

    each = [ops.conv2d(x[..., s], kernel[s].transpose(2, 3, 1, 0)) for s in (slice(2), slice(2, 4))]
    np.testing.assert_allclose(model.predict(x), np.concatenate(each, -1), rtol=1e-5, atol=1e-5)


ONE = {"one": np.float32(1), "half": np.float32(0.5), "root": np.float32(2**0.5)}
SILU = [helper.make_node("Sigmoid", ["x"], ["s"]), helper.make_node("Mul", ["s", "x"], ["y"])]
SOFTSIGN = [
    helper.make_node("Abs", ["x"], ["a"]),
    helper.make_node("Add", ["one", "a"], ["b"]),
    helper.make_node("Div", ["x", "b"], ["y"]),
]
GELU = [
    helper.make_node("Div", ["x", "root"], ["d"]),
    helper.make_node("Erf", ["d"], ["e"]),
    helper.make_node("Add", ["e", "one"], ["a"]),
    helper.make_node("Mul", ["x", "a"], ["m"]),
    helper.make_node("Mul", ["m", "half"], ["y"]),
]
MANUAL_SIGMOID = [
    helper.make_node("Neg", ["x"], ["n"]),
    helper.make_node("Exp", ["n"], ["e"]),
    helper.make_node("Add", ["e", "one"], ["a"]),
    helper.make_node("Reciprocal", ["a"], ["y"]),
]


@pytest.mark.parametrize(
    ("name", "nodes"),
    {
        "silu": SILU,
        "softsign": SOFTSIGN,
        "gelu": GELU,
        "sigmoid": MANUAL_SIGMOID,
        "hard_sigmoid": chain(("HardSigmoid", [], {"alpha": 1 / 6, "beta": 0.5})),
        "gelu_tanh": chain(("Gelu", [], {"approximate": "tanh"})),
        "selu": chain(("Selu", [], {})),
        "softplus": chain(("Softplus", [], {})),
        "exponential": chain(("Exp", [], {})),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_activation_written_as_arithmetic_is_told_by_its_values(name, nodes, tmp_path):
    model = loaded(graph(nodes, (6,), ONE, opset=20), tmp_path)
    assert [layer.activation for layer in model.layers] == [name]


def test_arithmetic_that_is_no_activation_is_refused_by_its_node(tmp_path):
    with pytest.raises(ValueError, match="node Log: it is not part of any activation"):
        loaded(graph(chain(("Log", [], {})), (6,)), tmp_path)


def test_functions_one_behind_the_other_are_each_an_activation_of_its_own(tmp_path):
    functions = chain(("Selu", [], {}), ("Gelu", [], {}), ("Neg", [], {}), ("Neg", [], {}))
    model = loaded(graph(functions, (6,), opset=20), tmp_path)
    assert [layer.activation for layer in model.layers] == ["selu", "gelu"]


def test_a_thousand_functions_are_not_compared_in_each_of_their_combinations(tmp_path, monkeypatch):
    compared, functions = [], chain(*[("Log", [], {})] * 1000)
    monkeypatch.setattr(_chain, "_activation_of", compared.append)
    with pytest.raises(ValueError, match="node Log: it is not part of any activation"):
        loaded(graph(functions, (6,)), tmp_path)
    assert 0 < len(compared) < 100


NORM = ("gamma", "beta", "mean", "variance")
BATCH_NORM = {name: np.full(6, 1 + k, np.float32) for k, name in enumerate(NORM)}


def branching(operator, **attributes):
    return [
        helper.make_node("MatMul", ["x", "w"], ["v"]),
        helper.make_node("MatMul", ["x", "w"], ["u"]),
        helper.make_node(
            operator, ["v", "u"], ["y"], "joins", **({"axis": 1} if operator == "Concat" else {})
        ),
    ]


IMAGE, FLAT = (3, 9, 8), (6,)
REFUSED = {  # nodes, input, what is said
    "an unknown operator": (
        chain(("LRN", [], {"size": 3})),
        IMAGE,
        "'node0' (LRN): this operator is not",
    ),
    "a residual": (branching("Add"), FLAT, "'joins' (Add): it joins two branches"),
    "a concatenation": (
        branching("Concat", axis=1),
        FLAT,
        "'joins' (Concat): it joins two branches",
    ),
    "another domain": (
        [helper.make_node("FusedConv", ["x", "k"], ["y"], "fused", domain="com.microsoft")],
        IMAGE,
        "'fused' (com.microsoft.FusedConv): this operator",
    ),
    "dilations": (
        chain(("Conv", ["k"], {"dilations": [2, 2]})),
        IMAGE,
        "dilations must be [1, 1], got [2, 2]",
    ),
    "an unknown attribute": (
        chain(("Relu", [], {"slope": 1})),
        FLAT,
        "attribute 'slope' is not known",
    ),
    "an attribute of another type": (
        chain(("Conv", ["k"], {"group": 1.0})),
        IMAGE,
        "'group' must be of type INT",
    ),
    "groups that do not fit": (
        chain(("Conv", ["k"], {"group": 2})),
        IMAGE,
        "does not fit 3 channels",
    ),
    "strides of zero": (chain(("Conv", ["k"], {"strides": [0, 1]})), IMAGE, "must be 1 or more"),
    "huge pads": (chain(("Conv", ["k"], {"pads": [10**5] * 4})), IMAGE, "more than 4194304 values"),
    "a kernel larger than the image": (
        chain(("MaxPool", [], {"kernel_shape": [10, 2]})),
        IMAGE,
        "larger than",
    ),
    "a flat convolution": (chain(("Conv", ["k"], {})), FLAT, "takes images"),
    "a dense layer on images": (chain(("MatMul", ["w"], {})), IMAGE, "takes flat samples"),
    "weights that do not fit": (
        chain(("Gemm", ["w"], {})),
        (5,),
        "must have shape (5, units), got (6, 4)",
    ),
    "a transposed Gemm": (chain(("Gemm", ["w"], {"transA": 1})), FLAT, "transA must be 0, got 1"),
    "training batch normalisation": (
        chain(("BatchNormalization", list(NORM), {"training_mode": 1})),
        FLAT,
        "training_mode must be 0",
    ),
    "maximum pooling of signed values with padding": (
        chain(("MaxPool", [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]})),
        (3, 8, 8),
        "'valid' and 'same'",
    ),
    "softmax over channels": (
        chain(("Softmax", [], {"axis": 1})),
        IMAGE,
        "over all values of a sample",
    ),
    "a transpose that moves samples": (
        chain(("Transpose", [], {"perm": [1, 0]})),
        FLAT,
        "samples' axis",
    ),
    "a reshape that merges samples": (
        chain(("Reshape", ["merged"], {})),
        FLAT,
        "keep the number of samples",
    ),
    "a reshape of another size": (chain(("Reshape", ["five"], {})), FLAT, "reshape"),
    "outputs in another order": (
        chain(("Conv", ["k"], {}), ("Flatten", [], {})),
        IMAGE,
        "another order",
    ),
    "a cast to integers": (
        chain(("Cast", [], {"to": TensorProto.INT32})),
        FLAT,
        "samples must stay float32",
    ),
    "a constant for each value": (
        chain(("Add", ["each"], {})),
        (2, 3, 2),
        "one value, or one for each channel",
    ),
    "a constant that is larger": (chain(("Add", ["w"], {})), (4,), "its constant has shape (6, 4)"),
    "division by samples": (
        [helper.make_node("Div", ["gamma", "x"], ["y"])],
        FLAT,
        "it divides by samples",
    ),
    "an input of the wrong kind": (
        chain(("Relu", [], {})),
        FLAT,
        "must be FLOAT or UINT8, got INT32",
    ),
    "no node": ([], FLAT, "its input 'x'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_chain_of_known_layers_is_refused_by_operator_and_node(name, tmp_path):
    nodes, shape, message = REFUSED[name]
    weights = {
        "k": KERNEL,
        **DENSE,
        **BATCH_NORM,
        "merged": np.array([6, -1]),
        "five": np.array([-1, 5]),
        "each": np.arange(12, dtype=np.float32).reshape(2, 3, 2),
    }
    kind = TensorProto.INT32 if "wrong kind" in name else TensorProto.FLOAT
    if not nodes:
        proto = graph(nodes, (2**23,), weights, output="x")
    else:
        proto = graph(nodes, shape, weights, kind=kind)
    with pytest.raises(ValueError, match=re.escape(message)):
        loaded(proto, tmp_path)


def with_changes(change):
    proto = graph(chain(("MatMul", ["w"], {}), ("Relu", [], {})), FLAT, DENSE)
    change(proto)
    return proto


WHOLE = {
    "an old opset": (lambda p: setattr(p.opset_import[0], "version", 6), "from 7 to 28, got [6]"),
    "a later opset": (lambda p: setattr(p.opset_import[0], "version", 999), "got [999]"),
    "no opset": (lambda p: p.ClearField("opset_import"), "got []"),
    "functions": (lambda p: p.functions.add(), "functions"),
    "two outputs": (lambda p: p.graph.output.append(p.graph.output[0]), "one output, got 2"),
    "no output": (lambda p: p.graph.ClearField("output"), "one output, got 0"),
    "no input": (lambda p: p.graph.ClearField("input"), "one input, got 0"),
    "an output of nowhere": (lambda p: setattr(p.graph.output[0], "name", "z"), "'z'"),
    "a cycle": (
        lambda p: p.graph.node[0].input.__setitem__(0, "v1"),
        "'v1' is computed nowhere before",
    ),
    "a shape that is not known": (
        lambda p: p.graph.input[0].type.tensor_type.shape.dim[1].ClearField("dim_value"),
        "got sizes [0, 0]",
    ),
    "many nodes": (lambda p: p.graph.node.extend([p.graph.node[1]] * 2001), "at most 2000 nodes"),
    "a negative size": (
        lambda p: p.graph.initializer[0].dims.__setitem__(0, -6),
        "has the shape [-6, 4]",
    ),
    "a huge size": (
        lambda p: p.graph.initializer[0].dims.__setitem__(0, 2**40),
        "'w' is not whole",
    ),
    "weights of float64": (
        lambda p: p.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.ones((6, 4)), "w")),
        "must be float32",
    ),
    "text": (lambda p: setattr(p.graph.initializer[0], "data_type", TensorProto.STRING), "'w'"),
    "a segment": (lambda p: setattr(p.graph.initializer[0].segment, "begin", 1), "'w'"),
    "an output computed twice": (
        lambda p: p.graph.node.insert(1, p.graph.node[0]),
        "computed twice",
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_is_more_or_less_than_one_graph_is_a_value_error(name, tmp_path):
    change, message = WHOLE[name]
    with pytest.raises(ValueError, match=re.escape(message)):
        loaded(with_changes(change), tmp_path)


# Weights in a file of their own


def outside(tmp_path, **place):
    """A model whose weights lie in tmp_path/model/w.bin; `place` replaces what tells so."""
    proto = with_changes(lambda p: None)
    tensor = proto.graph.initializer[0]
    folder = tmp_path / "model"
    folder.mkdir(exist_ok=True)
    for where in (folder, tmp_path):
        (where / "w.bin").write_bytes(b"junk" + DENSE["w"].tobytes())
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    told = {"location": "w.bin", "offset": "4", "length": "96", **place}
    for key, value in told.items():
        if value is not None:
            tensor.external_data.add(key=key, value=str(value))
    (folder / "m.onnx").write_bytes(proto.SerializeToString())
    return folder / "m.onnx"


def test_weights_in_a_file_beside_the_model_are_read(tmp_path):
    for place in ({}, {"length": None}):
        assert_same_bits(load_model(outside(tmp_path, **place)).layers[0].kernel, DENSE["w"])


@pytest.mark.parametrize(
    "place",
    [
        {"location": "../w.bin"},
        {"location": "sub/../../w.bin"},
        {"location": "{tmp_path}/w.bin"},
        {"location": "link"},
        {"location": ""},
        {"location": None},
        {"location": "."},
        {"location": "missing.bin"},
        {"location": "w.bin\0"},
        {"offset": "5"},
        {"offset": "-4"},
        {"offset": "many"},
        {"offset": 2**70},
        {"length": "95"},
        {"length": 2**40},
    ],
    ids=str,
)
def test_weights_from_elsewhere_or_of_another_size_are_refused(place, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "link").symlink_to(tmp_path / "w.bin")
    told = {key: value and str(value).format(tmp_path=tmp_path) for key, value in place.items()}
    with pytest.raises(ValueError, match="is an ONNX model that cannot be loaded"):
        load_model(outside(tmp_path, **told))


def test_a_corpus_file_without_its_weights_is_refused(tmp_path):
    shutil.copy(CORPUS / "torch_dynamo.onnx", tmp_path / "m.onnx")
    with pytest.raises(ValueError, match="must be in a file in the model's folder"):
        load_model(tmp_path / "m.onnx")


# Files that are not what they seem; docs/reliability.md has the figures of a long run


def test_mutated_onnx_files_are_refused_or_loaded_and_nothing_else():
    script = Path(__file__).parents[1] / "reliability" / "fuzz.py"
    kinds = ["onnx", "onnx of PyTorch", "onnx, outside"]
    command = [sys.executable, str(script), "--count", "300", "--kinds", *kinds]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failures" in done.stdout
