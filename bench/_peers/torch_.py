"""PyTorch, eager or compiled: channels first, pixels scaled and batches cut beforehand."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from .base import LEARNING_RATE, Labels, Pixels, Trainer, Ways, Weights
from .layout import from_channels_first, to_channels_first
from .plans import PLANS

ONEDNN, NATIVE = "oneDNN", "without oneDNN"
LOOP, FUSED = ", SGD by parameter", ", fused SGD"


class Torch:
    ways: ClassVar[Ways] = {
        "train": (ONEDNN + LOOP, ONEDNN + FUSED, NATIVE + LOOP, NATIVE + FUSED),
        "inference": (ONEDNN, NATIVE),
        "1998": (ONEDNN, NATIVE),
        "to-99": (ONEDNN + ", training alone",),
    }

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)

    def versions(self) -> dict[str, str]:
        return {"torch": torch.__version__}

    def ready(self, network: Any) -> Any:
        """What is called in place of the network."""
        return network

    def trainer(self, way: str, form: str, batch_size: int) -> Trainer:
        choose_convolutions(way)
        if form in ("1998", "fast"):
            from .torch_recipes import FastTrainer, Trainer1998

            return Trainer1998() if form == "1998" else FastTrainer(batch_size)
        model = network(form)
        return TorchTrainer(form, model, self.ready(model), way.endswith(FUSED), batch_size)

    def predictor(self, way: str, form: str, batch_size: int, weights: Weights) -> TorchPredictor:
        choose_convolutions(way)
        model = network(form)
        set_weights(model, weights, form)
        return TorchPredictor(self.ready(nn.Sequential(model, nn.Softmax(1)).eval()))

    def train_to_99(self, seed: int) -> tuple[float, float]:
        from .torch_recipes import train_to_99

        return train_to_99(seed)


class TorchCompile(Torch):
    ways: ClassVar[Ways] = {"train": (ONEDNN + FUSED,), "inference": (ONEDNN,)}

    def ready(self, network: Any) -> Any:
        return torch.compile(network, dynamic=False)


def choose_convolutions(way: str) -> None:
    """oneDNN's, the default, or PyTorch's own, which have less to do before they start.

    Chosen for the whole process, which works with one model at a time. Without oneDNN, PyTorch
    would take NNPACK's for larger batches; these go through Fourier transforms, so that exact zeros
    become small numbers and ReLU's gradient differs by more than the check allows.
    """
    torch.backends.mkldnn.enabled = way.startswith(ONEDNN)
    torch.backends.nnpack.set_flags(False)


class TorchTrainer:
    def __init__(self, form: str, network: Any, forward: Any, fused: bool, batch_size: int) -> None:
        self.form = form
        self.network, self.forward, self.batch_size = network, forward, batch_size
        self.optimizer: Any = torch.optim.SGD(network.parameters(), LEARNING_RATE, fused=fused)

    def set_weights(self, weights: Weights) -> None:
        set_weights(self.network, weights, self.form)

    def weights(self) -> Weights:
        there = [p.detach().numpy() for p in self.network.parameters()]
        return from_channels_first([w.T if w.ndim == 2 else w for w in there], self.form)

    def prepare(self, x: Pixels, y: Labels) -> list[tuple[Any, Any]]:
        labels = torch.from_numpy(y.astype(np.int64))
        parts = images(x).split(self.batch_size), labels.split(self.batch_size)
        return list(zip(*parts, strict=True))

    def train(self, data: list[tuple[Any, Any]]) -> float:
        return float(torch.stack([self.step(x, y) for x, y in data]).mean())

    def step(self, x: Any, y: Any) -> Any:
        """The loss before it."""
        self.optimizer.zero_grad()
        loss = cross_entropy(self.forward(x), y)
        loss.backward()
        self.optimizer.step()
        return loss.detach()


class TorchPredictor:
    def __init__(self, forward: Any) -> None:
        self.forward = forward

    def prepare(self, x: Pixels) -> Any:
        return images(x)

    def predict(self, data: Any) -> Any:
        with torch.inference_mode():
            return self.forward(data)


def images(x: Pixels) -> Any:
    """Pixels (N, rows, columns) or (N, rows, columns, channels) as a tensor, channels first."""
    first = x[:, None] if x.ndim == 3 else np.moveaxis(x, 3, 1)
    return torch.from_numpy(np.ascontiguousarray(first).astype(np.float32) / np.float32(255))


def network(form: str) -> Any:
    plan = PLANS[form]
    activation = nn.Tanh if plan.activation == "tanh" else nn.ReLU
    pool = nn.AvgPool2d if plan.pool == "average" else nn.MaxPool2d
    layers: list[Any] = []
    for kind, sizes, shape in plan.placed():
        if kind == "conv":
            layers += [nn.Conv2d(shape[2], *sizes), activation()]
        elif kind == "pool":
            layers.append(pool(2))
        else:
            layers += [nn.Flatten()] if len(shape) == 3 else []
            layers += [nn.Linear(math.prod(shape), sizes[0]), activation()]
    return nn.Sequential(*layers[:-1])


def set_weights(model: Any, weights: Weights, form: str = "modern") -> None:
    with torch.no_grad():
        for parameter, w in zip(model.parameters(), to_channels_first(weights, form), strict=True):
            parameter.copy_(torch.from_numpy(w.T if w.ndim == 2 else w))
