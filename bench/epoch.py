"""Seconds for one epoch of each LeNet, pylenet and PyTorch side by side, after a parity check.

    pip install torch && python bench/epoch.py [--batch-size 128] [--rounds 5] [--threads 2]

The same data (MNIST), initial weights, batches and threads. First, ten SGD steps must agree; then
each round runs both in processes of their own, one after the other. Prints medians, spread and the
median of the rounds' ratios.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from time import perf_counter

import numpy as np

LEARNING_RATE = 0.01
PARITY_STEPS = 10
WARM_UP_STEPS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--run", choices=["pylenet", "torch"], help=argparse.SUPPRESS)
    parser.add_argument("--form", choices=["classic", "modern"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        seconds = EPOCHS[args.run](args.form, args.batch_size, args.threads)
        print(json.dumps(seconds))
        return
    for form in ("classic", "modern"):
        check_parity(form, args.batch_size)
        rounds = [
            {peer: in_own_process(peer, form, args) for peer in EPOCHS} for _ in range(args.rounds)
        ]
        for peer in EPOCHS:
            times = sorted(r[peer] for r in rounds)
            print(
                f"{form:<8} batch {args.batch_size} {args.threads} threads {peer:<8}"
                f" median {statistics.median(times):6.2f} s"
                f" (from {times[0]:.2f} to {times[-1]:.2f})"
            )
        ratio = statistics.median(r["torch"] / r["pylenet"] for r in rounds)
        print(f"{form:<8} PyTorch / pylenet, median of {args.rounds} rounds: {ratio:.2f}")


def in_own_process(peer: str, form: str, args: argparse.Namespace) -> float:
    command = [sys.executable, __file__, "--run", peer, "--form", form]
    command += ["--batch-size", str(args.batch_size), "--threads", str(args.threads)]
    return float(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))


def mnist() -> tuple[np.ndarray, np.ndarray]:
    from pylenet.datasets import mnist

    return mnist.load_data()[0]


def pylenet_model(form: str):
    import pylenet

    pylenet.utils.set_random_seed(1)
    model = getattr(pylenet.models, f"lenet5_{form}")()
    sgd = pylenet.optimizers.SGD(LEARNING_RATE)
    model.compile(sgd, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def torch_model(form: str):
    """The same network with the same weights; its Flatten sees the channels last, as ours."""
    import torch
    from torch import nn

    class ChannelsLast(nn.Module):
        def forward(self, x):
            return x.permute(0, 2, 3, 1)

    activation = nn.Tanh if form == "classic" else nn.ReLU
    pool = nn.AvgPool2d if form == "classic" else nn.MaxPool2d
    model = nn.Sequential(
        *(nn.Conv2d(1, 6, 5), activation(), pool(2)),
        *(nn.Conv2d(6, 16, 5), activation(), pool(2), ChannelsLast(), nn.Flatten()),
        *(nn.Linear(256, 120), activation(), nn.Linear(120, 84), activation(), nn.Linear(84, 10)),
    )
    with torch.no_grad():
        ours = pylenet_model(form).get_weights()
        for parameter, weight in zip(model.parameters(), ours, strict=True):
            order = (3, 2, 0, 1) if weight.ndim == 4 else tuple(reversed(range(weight.ndim)))
            parameter.copy_(torch.from_numpy(weight.transpose(order).copy()))
    return model


def torch_steps(model, x, y, batch_size: int) -> list[float]:
    """One SGD step a batch, on tensors that are scaled already; returns each batch's loss."""
    import torch

    optimizer = torch.optim.SGD(model.parameters(), LEARNING_RATE)
    losses = []
    for start in range(0, len(x), batch_size):
        optimizer.zero_grad()
        batch = slice(start, start + batch_size)
        loss = torch.nn.functional.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return [float(loss) for loss in losses]


def torch_data(x: np.ndarray, y: np.ndarray):
    import torch

    return torch.from_numpy(x).float().unsqueeze(1) / 255, torch.from_numpy(y).long()


def check_parity(form: str, batch_size: int) -> None:
    """Ten steps from the same weights: losses within 1e-4 relative, weights within 1e-4."""
    x, y = (a[: PARITY_STEPS * batch_size] for a in mnist())
    ours, theirs = pylenet_model(form), torch_model(form)
    expected = torch_steps(theirs, *torch_data(x, y), batch_size)
    losses = []
    for start in range(0, len(x), batch_size):
        batch = slice(start, start + batch_size)
        losses.append(ours.train_on_batch(x[batch], y[batch])[0])
    loss_error = max(abs(a / b - 1) for a, b in zip(losses, expected, strict=True))
    weight_error = 0.0
    for mine, parameter in zip(ours.get_weights(), theirs.parameters(), strict=True):
        other = parameter.detach().numpy()
        order = (2, 3, 1, 0) if other.ndim == 4 else tuple(reversed(range(other.ndim)))
        weight_error = max(weight_error, float(np.abs(mine - other.transpose(order)).max()))
    print(
        f"{form:<8} after {PARITY_STEPS} steps: losses differ by at most {loss_error:.1e} "
        f"(relative), weights by {weight_error:.1e}"
    )
    if loss_error > 1e-4 or weight_error > 1e-4:
        raise SystemExit("pylenet and PyTorch do not compute the same: nothing was timed")


def pylenet_epoch(form: str, batch_size: int, threads: int) -> float:
    import pylenet

    pylenet.set_num_threads(threads)
    (x, y), model = mnist(), pylenet_model(form)
    model.fit(x[: WARM_UP_STEPS * batch_size], y[: WARM_UP_STEPS * batch_size], batch_size)
    started = perf_counter()
    model.fit(x, y, batch_size, verbose=0)
    return perf_counter() - started


def torch_epoch(form: str, batch_size: int, threads: int) -> float:
    """Pixels are scaled before the clock starts: PyTorch is given that for free."""
    import torch

    torch.set_num_threads(threads)
    model, (x, y) = torch_model(form), torch_data(*mnist())
    torch_steps(model, x[: WARM_UP_STEPS * batch_size], y[: WARM_UP_STEPS * batch_size], batch_size)
    started = perf_counter()
    torch_steps(model, x, y, batch_size)
    return perf_counter() - started


EPOCHS = {"pylenet": pylenet_epoch, "torch": torch_epoch}

if __name__ == "__main__":
    main()
