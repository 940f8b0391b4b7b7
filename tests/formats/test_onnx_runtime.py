"""ONNX files that pylenet writes, run by ONNX Runtime; and its windows against pylenet's."""

import itertools

import numpy as np
import pytest
from kinds import CASES
from nets import LENETS, compiled, digits
from tolerance import EPS

from pylenet.convert import onnx as onnx_files
from pylenet.models import Model, load_model

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
helper = onnx.helper


def run(data, x):
    """What ONNX Runtime gives for float32 x."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    (name,) = (entry.name for entry in session.get_inputs())
    return session.run(None, {name: np.asarray(x, np.float32)})[0]


@pytest.mark.parametrize("name", LENETS)
def test_a_trained_lenet_has_the_same_probabilities_and_digits_in_onnx_runtime(name):
    model = compiled(LENETS[name], "adam")
    model.fit(*digits(2000), epochs=1, verbose=0)
    x, _ = digits(10_000)
    x = x.reshape(-1, 28, 28, 1)
    there, here = run(onnx_files.model_bytes(model), x), model.predict(x)
    # Either side rounds each logit, of size L, by EPS / 2 x L at least. Probabilities change by a
    # quarter of what the difference of two logits does, so by EPS / 2 x L; and by as much again for
    # the roundings of the layers below.
    kernel, bias = (w.astype(np.float64) for w in model.layers[-1].get_weights())
    below = Model(model.inputs, model.layers[-2].output).predict(x)
    logits = np.abs(below @ kernel + bias).max()
    np.testing.assert_allclose(there, here, rtol=0, atol=EPS * logits)
    assert (there.argmax(1) == here.argmax(1)).all()
    assert len(set(here.argmax(1))) > 3


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_layer_computes_the_same_in_onnx_runtime(case):
    """To 1e-5 of the largest output: sums and functions there have roundings of their own."""
    model, x = case.model(), case.arrays()["x"]
    here, there = model.predict(x), run(onnx_files.model_bytes(model), x)
    assert there.shape == here.shape
    np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-5 * np.abs(here).max())


POOLS = [
    dict(zip(("kernel", "strides", "pads", "size", "ceil_mode"), values, strict=True))
    for values in itertools.product(
        ([2, 3], [3, 3]),
        ([1, 2], [2, 2], [3, 1]),
        ([0, 0, 0, 0], [1, 1, 1, 1], [0, 1, 1, 0]),
        ((7, 8), (6, 9)),
        (0, 1),
    )
]
AUTO = [
    {"kernel": kernel, "strides": strides, "size": (7, 8), "auto_pad": auto}
    for kernel in ([2, 2], [3, 2])
    for strides in ([1, 2], [2, 2])
    for auto in ("SAME_UPPER", "SAME_LOWER", "VALID")
]


@pytest.mark.parametrize("kind", ["MaxPool", "MaxPool of ReLU", "AveragePool", "with padding"])
def test_pooling_is_what_onnx_runtime_computes_or_is_refused(kind, tmp_path):
    """Whatever windows there are. Most that pylenet has layers for are loaded."""
    counts = {"loaded": 0, "refused": 0}
    x = np.random.default_rng(3).normal(size=(2, 3, 9, 9)).astype(np.float32)
    for settings in POOLS + AUTO:
        attributes = dict(settings, kernel_shape=settings["kernel"])
        size = attributes.pop("size")
        del attributes["kernel"]
        if kind == "with padding":
            attributes["count_include_pad"] = 1
        operator = "MaxPool" if kind.startswith("Max") else "AveragePool"
        nodes = [
            helper.make_node("Relu" if "ReLU" in kind else "Neg", ["x"], ["h"]),
            helper.make_node(operator, ["h"], ["y"], **attributes),
        ]
        if "ReLU" not in kind:
            nodes.insert(1, helper.make_node("Neg", ["h"], ["g"]))
            nodes[-1].input[0] = "g"
        data = of(nodes, (3, *size))
        there = run(data, x[:, :, : size[0], : size[1]])
        path = tmp_path / "m.onnx"
        path.write_bytes(data)
        try:
            model = load_model(path)
        except ValueError as error:
            assert operator in str(error), settings  # noqa: PT017
            counts["refused"] += 1
            continue
        here = model.predict(x[:, :, : size[0], : size[1]].transpose(0, 2, 3, 1))
        np.testing.assert_allclose(
            here.transpose(0, 3, 1, 2), there, rtol=0, atol=1e-6, err_msg=str(settings)
        )
        counts["loaded"] += 1
    assert counts["loaded"] > 30


def of(nodes, shape):
    value, kind = helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    whole = helper.make_graph(
        nodes, "net", [value("x", kind, ["n", *shape])], [value("y", kind, None)]
    )
    opset = [helper.make_opsetid("", 19)]
    return helper.make_model(whole, opset_imports=opset, ir_version=9).SerializeToString()


@pytest.mark.parametrize("auto_pad", ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("strides", [[1, 1], [2, 1], [3, 2]])
def test_convolutions_are_what_onnx_runtime_computes(auto_pad, strides, tmp_path):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(2, 4, 8, 7)).astype(np.float32)
    for group, pads in itertools.product((1, 2), ([0, 0, 0, 0], [1, 1, 1, 1], [2, 0, 1, 1])):
        kernel = rng.normal(size=(6, 4 // group, 3, 2)).astype(np.float32)
        attributes = {"auto_pad": auto_pad, "strides": strides, "group": group}
        if auto_pad == "NOTSET":
            attributes["pads"] = pads
        weight = helper.make_node("Constant", [], ["w"], value=onnx.numpy_helper.from_array(kernel))
        data = of([weight, helper.make_node("Conv", ["x", "w"], ["y"], **attributes)], (4, 8, 7))
        path = tmp_path / "m.onnx"
        path.write_bytes(data)
        here = load_model(path).predict(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        np.testing.assert_allclose(here, run(data, x), rtol=1e-5, atol=1e-5)
