#!/usr/bin/env bash
# Versions: keras==3.15.1, tensorflow-cpu==2.21.0, tf2onnx==1.17.0, onnx==1.23.2, onnxruntime==1.32.0, numpy==2.4.6.
# Keras 3.15.1 on TensorFlow 2.21.0 (tf2onnx 1.17.0), onnx 1.23.2, onnxruntime 1.32.0: Model.export(...,
# format="onnx") of a Dense layer with activation "gelu" ends without a word, and what it wrote has an
# operator Erfc, which no version of ONNX has: neither onnx's checker nor ONNX Runtime takes the file.
# With "gelu" replaced by "silu" both do.
#
# Seen:
#   silu: MatMul Sigmoid Mul: loaded by ONNX Runtime
#   gelu: MatMul Mul Neg Mul Erfc Mul: ... Error No Op registered for Erfc with domain_version of 15
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --disable-pip-version-check --target "$folder" keras==3.15.1 \
  tensorflow-cpu==2.21.0 tf2onnx==1.17.0 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder" && TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow PYTHONPATH=$folder \
  python3 - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import keras
import numpy as np
import onnx
import onnxruntime

registered = {schema.name for schema in onnx.defs.get_all_schemas_with_history()}
assert "Erf" in registered
assert "Erfc" not in registered
told = {}
for activation in ("silu", "gelu"):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation=activation)])
    model.predict(np.zeros((1, 4)), verbose=0)
    model.export("m.onnx", format="onnx", verbose=False)
    operators = [node.op_type for node in onnx.load("m.onnx").graph.node]
    try:
        onnxruntime.InferenceSession("m.onnx")
        told[activation] = "loaded by ONNX Runtime"
    except Exception as error:
        told[activation] = str(error)
    print(f"{activation}: {' '.join(operators)}: {told[activation][-160:]}")
    assert ("Erfc" in operators) == (activation == "gelu")
assert told["silu"] == "loaded by ONNX Runtime"
assert "No Op registered for Erfc" in told["gelu"]
PYTHON
