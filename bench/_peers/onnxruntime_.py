"""ONNX Runtime: inference of a graph written with onnx's helpers, for one batch size."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import onnxruntime

from .base import Pixels, Trainer, Ways, Weights
from .layout import to_channels_first
from .plans import PLANS

RUN, BINDING = "run", "IO binding"


class OnnxRuntime:
    ways: ClassVar[Ways] = {"inference": (RUN, BINDING)}

    def __init__(self, threads: int) -> None:
        onnxruntime.set_default_logger_severity(3)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.options = options

    def versions(self) -> dict[str, str]:
        return {"onnxruntime": onnxruntime.__version__}

    def trainer(self, way: str, form: str, batch_size: int) -> Trainer:
        raise NotImplementedError("ONNX Runtime is measured in inference only")

    def predictor(
        self, way: str, form: str, batch_size: int, weights: Weights
    ) -> Runner | BoundRunner:
        session = onnxruntime.InferenceSession(
            graph(form, weights, batch_size), self.options, providers=["CPUExecutionProvider"]
        )
        return Runner(session) if way == RUN else BoundRunner(session)


class Runner:
    """Arrays in, a new array out."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def prepare(self, x: Pixels) -> dict[str, Any]:
        return {"x": images(x)}

    def predict(self, data: dict[str, Any]) -> Any:
        return self.session.run(None, data)[0]


class BoundRunner:
    """Input and output are bound beforehand; results are written into the same array each time."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def prepare(self, x: Pixels) -> tuple[Any, Any, Any]:
        pixels, y = images(x), np.empty((len(x), 10), np.float32)
        binding = self.session.io_binding()
        place = "cpu", 0, np.float32
        binding.bind_input("x", *place, pixels.shape, pixels.ctypes.data)
        binding.bind_output("y", *place, y.shape, y.ctypes.data)
        return binding, pixels, y

    def predict(self, data: tuple[Any, Any, Any]) -> Any:
        self.session.run_with_iobinding(data[0])
        return data[2]


def images(x: Pixels) -> Any:
    first = x[:, None] if x.ndim == 3 else np.moveaxis(x, 3, 1)
    return np.ascontiguousarray(first).astype(np.float32) / np.float32(255)


def graph(form: str, weights: Weights, batch_size: int) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    plan = PLANS[form]
    activation = "Tanh" if plan.activation == "tanh" else "Relu"
    pool = "AveragePool" if plan.pool == "average" else "MaxPool"
    halve = {"kernel_shape": [2, 2], "strides": [2, 2]}
    layers: list[tuple[str, int, dict[str, Any]]] = []  # operator, number of weights, attributes
    for kind, _, shape in plan.placed():
        if kind == "pool":
            layers.append((pool, 0, halve))
            continue
        layers += [("Flatten", 0, {})] if kind == "dense" and len(shape) == 3 else []
        layers += [("Conv" if kind == "conv" else "Gemm", 2, {}), (activation, 0, {})]
    layers[-1] = ("Softmax", 0, {})
    rows, columns, channels = plan.image
    named = {f"w{i}": w for i, w in enumerate(to_channels_first(weights, form))}
    left, values = list(named), ["x", *(f"v{i}" for i in range(len(layers) - 1)), "y"]
    nodes = []
    for i, (operator, count, attributes) in enumerate(layers):
        mine, left = left[:count], left[count:]
        nodes.append(helper.make_node(operator, [values[i], *mine], [values[i + 1]], **attributes))
    whole = helper.make_graph(
        nodes,
        form,
        [
            helper.make_tensor_value_info(
                "x", TensorProto.FLOAT, [batch_size, channels, rows, columns]
            )
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch_size, 10])],
        [numpy_helper.from_array(w, name) for name, w in named.items()],
    )
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(model.SerializeToString())
