"""JAX: whole steps compiled, parameters donated.

A loop of steps inside one compiled call is slower: XLA runs convolutions in loops by another path.
"""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from .base import LEARNING_RATE, Labels, Pixels, Ways, Weights
from .plans import PLANS


class Jax:
    ways: ClassVar[Ways] = {"train": ("jit",), "inference": ("jit",)}

    def __init__(self, threads: int) -> None:
        """XLA has no setting for threads: it takes the processors the process is pinned to."""

    def versions(self) -> dict[str, str]:
        return {"jax": jax.__version__, "jaxlib": jax.lib.__version__}

    def trainer(self, way: str, form: str, batch_size: int) -> JaxTrainer:
        return JaxTrainer(form, batch_size)

    def predictor(self, way: str, form: str, batch_size: int, weights: Weights) -> JaxPredictor:
        return JaxPredictor(form, weights)


class JaxTrainer:
    def __init__(self, form: str, batch_size: int) -> None:
        self.batch_size = batch_size
        self.parameters: list[Any] = []

        def loss_of(parameters: list[Any], x: Any, y: Any) -> Any:
            log_p = jax.nn.log_softmax(logits(form, parameters, x))
            return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()

        def step(parameters: list[Any], x: Any, y: Any) -> tuple[list[Any], Any]:
            loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
            return [p - LEARNING_RATE * g for p, g in zip(parameters, gradients, strict=True)], loss

        self.step = jax.jit(step, donate_argnums=0)

    def set_weights(self, weights: Weights) -> None:
        self.parameters = [jnp.array(w) for w in weights]

    def weights(self) -> Weights:
        return [np.array(p) for p in self.parameters]

    def prepare(self, x: Pixels, y: Labels) -> list[tuple[Any, Any]]:
        pixels = images(x)
        batches = pixels.reshape(-1, self.batch_size, *pixels.shape[1:])
        labels = y.astype(np.int32).reshape(-1, self.batch_size)
        return [(jnp.array(a), jnp.array(b)) for a, b in zip(batches, labels, strict=True)]

    def train(self, data: list[tuple[Any, Any]]) -> float:
        losses = []
        for x, y in data:
            self.parameters, loss = self.step(self.parameters, x, y)
            losses.append(loss)
        jax.block_until_ready(self.parameters)
        return float(np.mean(jax.device_get(losses)))


class JaxPredictor:
    def __init__(self, form: str, weights: Weights) -> None:
        parameters = [jnp.array(w) for w in weights]
        self.forward = jax.jit(lambda x: jax.nn.softmax(logits(form, parameters, x)))

    def prepare(self, x: Pixels) -> Any:
        return jnp.array(images(x))

    def predict(self, data: Any) -> Any:
        return self.forward(data).block_until_ready()


def images(x: Pixels) -> Any:
    last = x[..., None] if x.ndim == 3 else x
    return last.astype(np.float32) / np.float32(255)


def logits(form: str, parameters: list[Any], x: Any) -> Any:
    plan = PLANS[form]
    activation = jnp.tanh if plan.activation == "tanh" else jax.nn.relu
    pool = average_pool if plan.pool == "average" else max_pool
    left, y = list(parameters), x
    for kind, _, _ in plan.placed():
        if kind == "pool":
            x = pool(x)
            continue
        kernel, bias, *left = left
        y = (conv(x, kernel) if kind == "conv" else x.reshape(len(x), -1) @ kernel) + bias
        x = activation(y)
    return y


def conv(x: Any, kernel: Any) -> Any:
    names = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=names)


def max_pool(x: Any) -> Any:
    """By reshaping, whose gradient is quicker here than that of a reduced window."""
    return windows(x).max((2, 4))


def average_pool(x: Any) -> Any:
    return windows(x).mean((2, 4))


def windows(x: Any) -> Any:
    """Of 2 x 2; a last row or column that has none is left out."""
    images_, rows, columns, channels = x.shape
    whole = x[:, : rows // 2 * 2, : columns // 2 * 2]
    return whole.reshape(images_, rows // 2, 2, columns // 2, 2, channels)
