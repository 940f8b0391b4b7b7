"""Make the ONNX files of this folder with the tools that are installed: each is named by its tool.

    python tests/data/onnx/make.py torch          # PyTorch, onnxscript and ONNX Runtime
    KERAS_BACKEND=torch python tests/data/onnx/make.py keras
    KERAS_BACKEND=tensorflow python tests/data/onnx/make.py keras   # tf2onnx besides

Beside each file `NAME.npz` has `x`, samples in the file's own layout, and `y`, what the tool itself
predicts for them. README.md in `tests/data` has the versions that the files there were made with.
"""

import os
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
SAMPLES = 3


def samples(*shape):
    return np.random.default_rng(7).random((SAMPLES, *shape), np.float32)


def keep(name, x, y):
    np.savez_compressed(HERE / f"{name}.npz", x=x, y=np.asarray(y, np.float32))


def with_torch():
    import torch
    from torch import nn
    from torch.nn import functional as f

    class Net(nn.Module):
        """Two convolutions with batch normalisation, two dense layers, as tutorials write them."""

        def __init__(self, channels):
            super().__init__()
            self.conv1 = nn.Conv2d(channels, 4, 3, bias=False)
            self.norm1 = nn.BatchNorm2d(4)
            self.conv2 = nn.Conv2d(4, 6, 3, padding=1)
            self.drop = nn.Dropout(0.5)
            self.fc1 = nn.Linear(24, 8)
            self.norm2 = nn.BatchNorm1d(8)
            self.fc2 = nn.Linear(8, 10)

        def forward(self, x):
            x = f.max_pool2d(f.relu(self.norm1(self.conv1(x))), 2)
            x = f.avg_pool2d(torch.tanh(self.conv2(x)), 2)
            x = x.view(x.size(0), -1)
            x = self.drop(f.silu(self.norm2(self.fc1(x))))
            return f.softmax(self.fc2(x), dim=1)

    class Mnist(nn.Module):
        """As PyTorch's own MNIST example ends: with log_softmax."""

        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 3, 3, stride=2)
            self.fc = nn.Linear(75, 10)

        def forward(self, x):
            x = torch.flatten(f.leaky_relu(self.conv(x), 0.1), 1)
            return f.log_softmax(self.fc(x), dim=1)

    def padded(ceil):
        """Windows that reach beyond the image in each way that PyTorch knows."""
        return nn.Sequential(
            *(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)),
            *(nn.Conv2d(4, 4, 3, groups=2), nn.ELU(), nn.AvgPool2d(2, 2, ceil_mode=ceil)),
            *(nn.AvgPool2d(3, 1, padding=1), nn.Conv2d(4, 5, 1), nn.GELU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 10), nn.Softmax(1)),
        )

    def new(build, seed=0):
        torch.manual_seed(seed)
        net = build()
        net.train()
        for _ in range(3):  # so that batch normalisation has means and variances of its own
            net(torch.rand(16, *shape_of(net)))
        return net.eval()

    def shape_of(net):
        return 3 if isinstance(net, Net) and net.conv1.in_channels == 3 else 1, 12, 12

    def export(name, net, **settings):
        x = samples(*shape_of(net))
        with torch.inference_mode():
            y = net(torch.from_numpy(x)).numpy()
        torch.onnx.export(net, (torch.from_numpy(x),), HERE / f"{name}.onnx", **settings)
        keep(name, x, y)

    batch = torch.export.Dim("batch")
    old = {"dynamo": False, "input_names": ["x"]}
    any_batch = {"dynamic_axes": {"x": {0: "batch"}}}
    color = new(lambda: Net(3))
    export("torch_dynamo", color, dynamic_shapes={"x": {0: batch}})
    export("torch_dynamo_one_file", new(lambda: Net(1)), external_data=False)
    export("torch_old", color, **old, **any_batch)
    folding = torch.onnx.TrainingMode.PRESERVE  # batch normalisation stays a node of its own
    export("torch_old_unfolded", color, **old, training=folding, do_constant_folding=False)
    export("torch_log_softmax", new(Mnist), external_data=False)
    export("torch_padded", new(lambda: padded(False)), external_data=False)
    export("torch_padded_old", new(lambda: padded(True)), **old, **any_batch, opset_version=13)


def quantized():
    """ONNX Runtime's quantisers, on the file of PyTorch's exporter."""
    import onnx
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            self.rest = iter([{"x": samples(1, 12, 12)}])

        def get_next(self):
            return next(self.rest, None)

    source = HERE / "torch_dynamo_one_file.onnx"
    input_name = onnx.load(source).graph.input[0].name
    assert input_name == "x"
    for name, kind in (("qdq", QuantFormat.QDQ), ("qoperator", QuantFormat.QOperator)):
        quantize_static(source, HERE / f"ort_{name}.onnx", Reader(), quant_format=kind)


def with_keras():
    import keras
    from keras import layers

    backend = keras.backend.backend()
    keras.utils.set_random_seed(0)
    net = keras.Sequential(
        [
            keras.Input((12, 12, 2)),
            layers.Rescaling(0.5, -0.25),
            layers.Conv2D(4, 3, activation="relu"),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Conv2D(6, 3, padding="same", activation="tanh"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(8, activation="silu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    pooled = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(4, 4, strides=2, padding="same"),
            layers.LeakyReLU(0.1),
            layers.MaxPooling2D(3, 2, padding="same"),
            layers.ZeroPadding2D(((1, 0), (0, 2))),
            layers.Conv2D(5, 2, activation="elu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    average = keras.Sequential(  # the back ends disagree about it
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(2, 3),
            layers.AveragePooling2D(3, 2, padding="same"),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ]
    )
    for name, model in (("keras", net), ("keras_pooled", pooled), ("keras_average", average)):
        model.compile("sgd", "sparse_categorical_crossentropy")
        shape = model.input_shape[1:]
        for layer in model.layers:  # means, variances and biases of their own
            rng = np.random.default_rng(1)
            layer.set_weights([w + rng.random(w.shape) / 8 for w in layer.get_weights()])
        x = samples(*shape)
        y = model.predict(x, verbose=0)
        path = HERE / f"{name}_{backend}.onnx"
        model.export(path, format="onnx", verbose=False)
        if path.stem != "keras_average_torch":  # which is refused
            keep(path.stem, x, y)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if sys.argv[1] == "torch":
        with_torch()
        quantized()
    else:
        with_keras()
