"""A pass of LeNet-5 of 1998, one image a step at per-weight rates, here and in PyTorch.

    pip install torch && python bench/lenet1998.py

Both networks start from the same weights and rates. They take some steps together first: unless the
weights agree after them, nothing is timed. Then each takes `--images` steps, `--repeats` times in
turn, and the medians are compared. Not counted for PyTorch is the Hessian that the rates come from;
pylenet's time includes its share of it.
"""

import argparse
import statistics
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

import _data
import pylenet
from pylenet import losses, optimizers
from pylenet.layers import RBF, Conv2D
from pylenet.models import Sequential, lenet5_1998

RATE, J = 1e-4, 1.0
PARITY_STEPS, TOLERANCE = 100, 1e-4
PASS, HESSIAN_SAMPLES = 60_000, 500

Arrays = list[NDArray[Any]]


class TorchLeNet:
    """The same network and update, written as PyTorch does it fastest: a multi-tensor update.

    A missing link is a weight of zero at a rate of zero.
    """

    def __init__(self, model: Sequential, gains: Arrays, threads: int) -> None:
        import torch

        self.torch = torch
        torch.set_num_threads(threads)
        self.parameters = [
            torch.tensor(w, requires_grad=True) for w in _as_torch(model, model.get_weights())
        ]
        self.rates = [torch.tensor(g) for g in _as_torch(model, gains)]
        (output,) = (layer for layer in model.layers if isinstance(layer, RBF))
        signs = [[1.0 if sign == "+" else -1.0 for sign in code] for code in output.codes]
        self.codes = torch.tensor(signs)

    def train(self, x: NDArray[np.uint8], y: NDArray[Any]) -> float:
        """One step for each image. Returns the last step's loss."""
        torch, rest = self.torch, self.torch.tensor([-J])
        images = torch.tensor(x).reshape(-1, 1, 1, 28, 28)
        loss = torch.zeros(())
        for image, label in zip(images, y.tolist(), strict=True):
            distances = self._distances(image)
            every = torch.cat([rest, -distances])
            loss = distances[label] + torch.logsumexp(every, 0)
            gradients = torch.autograd.grad(loss, self.parameters)
            with torch.no_grad():
                torch._foreach_addcmul_(self.parameters, gradients, self.rates, value=-RATE)
        return float(loss.detach())

    def _distances(self, image: Any) -> Any:
        f = self.torch.nn.functional
        c1, b1, s2, t2, c3, b3, s4, t4, c5, b5, f6, b6 = self.parameters
        x = f.pad(image.float() * (1.275 / 255) - 0.1, (2, 2, 2, 2), value=-0.1)
        x = self._squash(f.conv2d(x, c1, b1))
        x = self._squash(f.avg_pool2d(x, 2, divisor_override=1) * s2 + t2)
        x = self._squash(f.conv2d(x, c3, b3))
        x = self._squash(f.avg_pool2d(x, 2, divisor_override=1) * s4 + t4)
        x = self._squash(f.conv2d(x, c5, b5)).reshape(1, -1)
        x = self._squash(f.linear(x, f6, b6))
        return ((x - self.codes) ** 2).sum(1)

    def _squash(self, x: Any) -> Any:
        return 1.7159 * self.torch.tanh(2 / 3 * x)

    def weights(self) -> Arrays:
        return [w.detach().numpy() for w in self.parameters]


def _as_torch(model: Sequential, weights: Arrays) -> Arrays:
    """Weights or rates in PyTorch's layouts, zeros where C3 has no link."""
    named = dict(zip(model.named_weights(), weights, strict=True))
    (c3,) = (layer for layer in model.layers if layer.name == "c3" and isinstance(layer, Conv2D))
    table = np.zeros((6, 16), bool)
    for filter_, inputs in enumerate(c3.connections or ()):
        table[list(inputs), filter_] = True
    full = np.zeros((5, 5, 6, 16), np.float32)
    full[:, :, table] = named["c3.kernel"]
    named["c3.kernel"] = full
    result = []
    for name, w in named.items():
        if w.ndim == 4:
            w = w.transpose(3, 2, 0, 1)
        elif w.ndim == 2:
            w = w.T
        elif name.startswith("s"):
            w = w.reshape(-1, 1, 1)
        result.append(np.array(w, np.float32, order="C"))
    return result


def compiled(images: int) -> Sequential:
    """Seeded, with the share of Hessian samples that so many images have in a pass."""
    pylenet.utils.set_random_seed(1)
    model = lenet5_1998()
    samples = max(1, HESSIAN_SAMPLES * images // PASS)
    model.compile(optimizers.SDLM(RATE, samples=samples), losses.MaximumAPosteriori(J))
    return model


def gains_of(model: Sequential) -> Arrays:
    """The optimizer's 1 / (mu + h), tensor by tensor."""
    assert model.optimizer is not None
    (flat,) = model.optimizer.slots
    return list(model.named_weights(flat).values())


def check_parity(x: NDArray[np.uint8], y: NDArray[Any]) -> float:
    """The largest difference of weights after the same steps. Raises SystemExit if it is large."""
    model = compiled(PASS)
    model.fit(x, y, 1, epochs=1, shuffle=False, verbose=0)  # an estimate, and weights in motion
    peer = TorchLeNet(model, gains_of(model), 1)
    for k in range(PARITY_STEPS):
        model.train_on_batch(x[k : k + 1], y[k : k + 1])
    peer.train(x[:PARITY_STEPS], y[:PARITY_STEPS])
    ours = _as_torch(model, model.get_weights())
    apart = max(float(np.abs(a - b).max()) for a, b in zip(ours, peer.weights(), strict=True))
    if not apart <= TOLERANCE:
        raise SystemExit(f"the weights differ by {apart:.1e} after {PARITY_STEPS} steps: not timed")
    return apart


def main() -> None:
    """Check, time, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=3000, help="steps to time (default: 3000)")
    parser.add_argument("--repeats", type=int, default=3, help="times (default: 3)")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (default: 1)")
    options = parser.parse_args()
    _, x, y, _ = _data.images("mnist")
    x, y = x[: options.images], y[: options.images]
    apart = check_parity(x[:600], y[:600])
    print(f"parity: weights within {apart:.1e} after {PARITY_STEPS} steps")

    model = compiled(options.images)
    model.fit(x[:100], y[:100], 1, verbose=0)
    peer = TorchLeNet(model, gains_of(model), options.threads)
    peer.train(x[:100], y[:100])
    ours, theirs = [], []
    for _ in range(options.repeats):
        started = perf_counter()
        model.fit(x, y, 1, verbose=0)
        ours.append(perf_counter() - started)
        started = perf_counter()
        peer.train(x, y)
        theirs.append(perf_counter() - started)
    for name, seconds in (("pylenet", ours), ("PyTorch", theirs)):
        step = statistics.median(seconds) / options.images
        print(f"{name}: {step * 1e6:8.1f} us a step, {step * PASS:7.1f} s a pass of {PASS:,}")
    print(f"PyTorch takes {statistics.median(theirs) / statistics.median(ours):.1f} times as long")


if __name__ == "__main__":
    main()
