#!/usr/bin/env bash
# Versions: onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6.
# onnx 1.23.2, onnxruntime 1.32.0, numpy 2.4.6: three poolings of a 7 x 7 image for which onnx's own
# reference evaluator gives something else than ONNX Runtime and than onnx's shape inference.
# With ceil_mode and stride 1 there is nothing to round up, yet its maxima come out 9 x 9; with
# SAME_LOWER a row and a column are missing; and where the last window of an average reaches beyond the
# image, the evaluator moves all windows: its first value is the mean of 2 x 2 cells, not of 3 x 3.
#
# Seen:
#   MaxPool ceil_mode, stride 1: inferred [7, 7], runtime [7, 7], reference [9, 9]
#   MaxPool SAME_LOWER, stride 2: inferred [4, 4], runtime [4, 4], reference [3, 3]
#   AveragePool ceil_mode of 0 to 48: first value in the runtime 8.0, in the reference 4.0
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --disable-pip-version-check --target "$folder" \
  onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder" && PYTHONPATH=$folder python3 - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

x = np.arange(49, dtype=np.float32).reshape(1, 1, 7, 7)


def results(operator, **attributes):
    node = helper.make_node(operator, ["x"], ["y"], **attributes)
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [node],
        "pool",
        [value("x", TensorProto.FLOAT, x.shape)],
        [value("y", TensorProto.FLOAT, ["n", "c", "h", "w"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    onnx.checker.check_model(model)
    (inferred,) = onnx.shape_inference.infer_shapes(model).graph.output
    sizes = [size.dim_value for size in inferred.type.tensor_type.shape.dim]
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (runtime,) = session.run(None, {"x": x})
    (reference,) = ReferenceEvaluator(model).run(None, {"x": x})
    return sizes[2:], runtime[0, 0], reference[0, 0]


seen = []
for name, attributes in {
    "ceil_mode, stride 1": {"kernel_shape": [3, 3], "pads": [1] * 4, "ceil_mode": 1},
    "SAME_LOWER, stride 2": {
        "kernel_shape": [2, 2], "strides": [2, 2], "auto_pad": "SAME_LOWER"
    },
}.items():
    inferred, runtime, reference = results("MaxPool", **attributes)
    print(
        f"MaxPool {name}: inferred {inferred}, runtime {list(runtime.shape)}, "
        f"reference {list(reference.shape)}"
    )
    seen += [inferred, list(runtime.shape), list(reference.shape)]
_, runtime, reference = results(
    "AveragePool", kernel_shape=[3, 3], strides=[3, 3], ceil_mode=1
)
firsts = float(runtime[0, 0]), float(reference[0, 0])
print(
    "AveragePool ceil_mode of 0 to 48: first value in the runtime {}, in the reference {}".format(
        *firsts
    )
)
assert seen == [[7, 7], [7, 7], [9, 9], [4, 4], [4, 4], [3, 3]], seen
assert firsts == (8.0, 4.0), firsts
PYTHON
