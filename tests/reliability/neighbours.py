"""Other users of threads in one process, imported before and after: the same bits, no hang.

    python tests/reliability/neighbours.py torch sklearn onnxruntime threadpoolctl

Those that are not installed are named and left out. onnxruntime needs onnx beside it.
"""

import importlib.util
import subprocess
import sys

WORK = """
import hashlib, importlib, sys
import numpy as np

def use(name):
    module = importlib.import_module(name)
    a = np.random.default_rng(0).normal(size=(300, 300))
    if name == "torch":
        t = module.tensor(a, requires_grad=True)
        (t @ t).sum().backward()
    elif name == "sklearn":
        from sklearn.cluster import KMeans
        from sklearn.ensemble import HistGradientBoostingClassifier
        KMeans(5, n_init=1, random_state=0).fit(a)
        HistGradientBoostingClassifier(max_iter=5).fit(a, a[:, 0] > 0)
    elif name == "onnxruntime":
        from onnx import TensorProto, helper
        x, y = (helper.make_tensor_value_info(n, TensorProto.DOUBLE, a.shape) for n in "xy")
        graph = helper.make_graph([helper.make_node("MatMul", ["x", "x"], ["y"])], "g", [x], [y])
        opsets = [helper.make_opsetid("", 13)]
        made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        session = module.InferenceSession(made.SerializeToString())
        assert np.allclose(session.run(None, {"x": a})[0], a @ a)
    elif name == "threadpoolctl":
        module.threadpool_limits(1)  # to the end of the process

def train():
    import pylenet
    from pylenet.models import lenet5_modern
    pylenet.set_num_threads(2)
    pylenet.utils.set_random_seed(0)
    x = np.random.default_rng(0).integers(0, 255, (512, 28, 28), np.uint8)
    model = lenet5_modern()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, np.arange(512) % 10, 64, 2, 0)
    return [w.tobytes() for w in (*model.get_weights(), model.predict(x))]

results = []
for word in sys.argv[1:]:
    results.append(train()) if word == "pylenet" else use(word)
assert all(result == results[0] for result in results)
print(hashlib.sha256(b"".join(results[0])).hexdigest())
"""


def digest(*order):
    command = [sys.executable, "-c", WORK, *order]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


def main():
    names = [name for name in sys.argv[1:] if importlib.util.find_spec(name)]
    print("not installed:", sorted({*sys.argv[1:]} - {*names}) or "none")
    expected, wrong = digest("pylenet"), 0
    for name in names:
        first, twice = (name, "pylenet"), ("pylenet", name, "pylenet")
        for order in (first, twice, first + first):
            same = digest(*order) == expected
            wrong += not same
            print(", ".join(order), "- the same bits" if same else "- OTHER BITS")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
