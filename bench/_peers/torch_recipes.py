"""PyTorch training as pylenet's recipes do: LeNet-5 of 1998, and the shortest way to 99 %.

Here pylenet is imported beside PyTorch: for the recipes' rates and for the Hessian, which are not
timed.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import avg_pool2d, conv2d, linear, pad

import pylenet
from pylenet.benchmark.inside import by_weight
from pylenet.layers import RBF, Conv2D, Layer, Subsampling2D
from pylenet.models import lenet5_1998
from pylenet.optimizers import Adam

from .base import RATE_1998, Labels, Pixels, Weights
from .pylenet_ import RECIPES_OF, optimizer, steps_of
from .torch_ import TorchTrainer, images, network

J = 1.0  # of the MAP loss
NO_STEP = 1e-30  # a learning rate that changes no weight


class FastTrainer(TorchTrainer):
    """Adam by the recipe "fast": each step has its own learning rate.

    Keras and pylenet add epsilon before the second moment is corrected, PyTorch after it.
    """

    def __init__(self, batch_size: int) -> None:
        model = network("modern")
        super().__init__("modern", model, model, fused=True, batch_size=batch_size)

    def set_weights(self, weights: Weights) -> None:
        super().set_weights(weights)
        adam, steps = optimizer("fast", 0), np.arange(1, steps_of("fast") + 1)
        assert isinstance(adam, Adam)
        epsilons = adam.epsilon / np.sqrt(1 - adam.beta_2**steps)
        rates = adam.learning_rates(len(steps))
        self.settings = zip(rates.tolist(), epsilons.tolist(), strict=True)
        self.optimizer = torch.optim.Adam(self.network.parameters(), fused=True)

    def step(self, x: Any, y: Any) -> Any:
        group = self.optimizer.param_groups[0]
        group["lr"], group["eps"] = next(self.settings)
        return super().step(x, y)


def train_to_99(seed: int) -> tuple[float, float]:
    """Seconds of training alone, and test accuracy; initial weights are pylenet's of this seed."""
    (x, y), (x_test, y_test) = pylenet.datasets.mnist.load_data()
    recipe = RECIPES_OF["fast"]
    pylenet.utils.set_random_seed(seed)
    trainer = FastTrainer(recipe.batch_size)
    trainer.set_weights(recipe.build().get_weights())
    torch.manual_seed(seed)
    pixels, labels = images(x), torch.from_numpy(y).long()
    started = perf_counter()
    for _ in range(recipe.epochs):
        for batch in torch.randperm(len(x)).split(recipe.batch_size):
            trainer.step(pixels[batch], labels[batch])
    seconds = perf_counter() - started
    with torch.inference_mode():
        right = trainer.network(images(x_test)).argmax(1) == torch.from_numpy(y_test).long()
    return seconds, float(right.float().mean())


class Trainer1998:
    """The network and update written as PyTorch does them fastest: a multi-tensor update.

    A missing link is a weight of zero at a rate of zero.
    """

    def __init__(self) -> None:
        self.model = lenet5_1998()
        self.parameters: list[Any] = []
        *_, output = self.model.layers
        assert isinstance(output, RBF)
        (c3,) = (x for x in self.model.layers if isinstance(x, Conv2D) and x.connections)
        self.links = np.zeros((6, 16), bool)
        for filter_, inputs in enumerate(c3.connections or ()):
            self.links[list(inputs), filter_] = True
        signs = [[1.0 if sign == "+" else -1.0 for sign in code] for code in output.codes]
        self.codes = torch.tensor(signs)

    def set_weights(self, weights: Weights) -> None:
        self.parameters = [torch.tensor(w, requires_grad=True) for w in self._there(weights)]

    def weights(self) -> Weights:
        return self._here([p.detach().numpy() for p in self.parameters])

    def prepare(self, x: Pixels, y: Labels) -> tuple[Any, list[int], list[Any]]:
        """Images, labels, and 1 / (mu + h) from pylenet's Hessian of these images."""
        self.model.set_weights(self.weights())
        sdlm = optimizer("1998", len(x))
        sdlm.learning_rate = NO_STEP
        self.model.compile(sdlm, RECIPES_OF["1998"].loss)
        self.model.fit(x, y, 1, verbose=0, shuffle=False)
        (gain,) = sdlm.slots
        rates = [torch.tensor(g) for g in self._there(by_weight(self.model, gain))]
        return torch.tensor(x).reshape(-1, 1, 1, 28, 28), y.tolist(), rates

    def train(self, data: tuple[Any, list[int], list[Any]]) -> float:
        rest, total = torch.tensor([-J]), torch.zeros(())
        x, y, rates = data
        for image, label in zip(x, y, strict=True):
            distances = self._distances(image)
            every = torch.cat([rest, -distances])
            loss = distances[label] + torch.logsumexp(every, 0)
            gradients = torch.autograd.grad(loss, self.parameters)
            with torch.no_grad():
                torch._foreach_addcmul_(self.parameters, gradients, rates, value=-RATE_1998)
                total += loss
        return float(total / len(y))

    def _distances(self, image: Any) -> Any:
        c1, b1, s2, t2, c3, b3, s4, t4, c5, b5, f6, b6 = self.parameters
        x = pad(image.float() * (1.275 / 255) - 0.1, (2, 2, 2, 2), value=-0.1)
        x = squash(conv2d(x, c1, b1))
        x = squash(avg_pool2d(x, 2, divisor_override=1) * s2 + t2)
        x = squash(conv2d(x, c3, b3))
        x = squash(avg_pool2d(x, 2, divisor_override=1) * s4 + t4)
        x = squash(conv2d(x, c5, b5)).reshape(1, -1)
        x = squash(linear(x, f6, b6))
        return ((x - self.codes) ** 2).sum(1)

    def _there(self, weights: Weights) -> Weights:
        """Weights, or rates, in PyTorch's layouts."""
        return [self._in_torch(layer, w) for layer, w in zip(self._layers(), weights, strict=True)]

    def _in_torch(self, layer: Layer, w: NDArray[Any]) -> NDArray[Any]:
        if w.ndim == 3:
            full = np.zeros((*w.shape[:2], *self.links.shape))
            full[:, :, self.links] = w
            w = full
        if w.ndim == 4:
            w = w.transpose(3, 2, 0, 1)
        elif w.ndim == 2:
            w = w.T
        elif isinstance(layer, Subsampling2D):
            w = w.reshape(-1, 1, 1)
        return np.array(w, np.float32, order="C")

    def _here(self, weights: Weights) -> Weights:
        """What _there was given."""
        found = []
        for w, own in zip(weights, self.model.weights, strict=True):
            if w.ndim == 4:
                w = w.transpose(2, 3, 1, 0)
                w = w[:, :, self.links] if own.ndim == 3 else w
            found.append(np.array(w.T if w.ndim == 2 else w.reshape(own.shape)))
        return found

    def _layers(self) -> list[Layer]:
        """Of each weight."""
        return [layer for layer in self.model.layers for _ in layer.weights]


def squash(x: Any) -> Any:
    return 1.7159 * torch.tanh(2 / 3 * x)
