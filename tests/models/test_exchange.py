"""A step that several compute together: each its share of the groups, all the same bits."""

import threading

import numpy as np
import pytest
from nets import compiled, digits, small
from tolerance import assert_same_bits

from pylenet import Sequential, _core, layers
from pylenet.models import lenet5_classic


def normalized():
    """With a layer that needs all images of a step, and one that draws."""
    return Sequential(
        [
            layers.Conv2D(3, 3, input_shape=(8, 7, 2)),
            layers.BatchNormalization(),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(4, "softmax"),
        ]
    )


SGD = {"kind": "sgd", "weight_decay": 0.0, "momentum": 0.9, "nesterov": False}


def train(
    model, x, y, exchange=None, threads=1, batch_size=32, parameters=None, optimizer=SGD, **rules
):
    """An epoch of SGD with momentum on a copy of the parameters or on these; and metrics."""
    parameters = model.parameters.copy() if parameters is None else parameters
    losses, correct = model.network.train(
        parameters,
        x,
        y.astype(np.int32),
        np.arange(len(x)),
        batch_size=batch_size,
        loss=_core.LossKind.CROSS_ENTROPY_FROM_LOGITS,
        optimizer=optimizer,
        slots=[_core.zeros(parameters.size) for _ in range(1 + ("ema_momentum" in optimizer))],
        iterations=np.zeros(1, np.int64),
        learning_rates=np.full(-(-len(x) // batch_size), 0.1, np.float32),
        augmentation=None,
        seed=5,
        epoch=1,
        exchange=exchange,
        threads=threads,
        **rules,
    )
    return parameters, losses, correct


class Others:
    """Ranks that are threads of this process, and exchange through a list.

    lanes: images of a group.
    """

    def __init__(self, ranks, lanes):
        self.ranks, self.lanes = ranks, lanes
        self.barrier, self.given = threading.Barrier(ranks), [[]] * ranks

    def exchange(self, rank):
        def run(records, losses, correct):
            images = [] if losses is None else [losses, correct]
            arrays = [(a, 1) for a in records] + [(a, self.lanes) for a in images]
            self.given[rank] = [a.copy() for a, _ in arrays]
            self.barrier.wait(60)
            for other, given in enumerate(self.given):
                begin, end = (len(records[0]) * (other + k) // self.ranks for k in (0, 1))
                for (to, width), found in zip(arrays, given, strict=True):
                    to[begin * width : end * width] = found[begin * width : end * width]
            self.barrier.wait(60)

        return rank, self.ranks, run


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [80, 37, 5])
@pytest.mark.parametrize("build", [lenet5_classic, small, normalized])
def test_ranks_that_share_a_step_have_the_bits_of_one(build, batch_size, ranks, isa):
    model = compiled(build)
    shape = model.input_shape[1:]
    if build is lenet5_classic:
        x, y = digits(80)
    else:
        rng = np.random.default_rng(1)
        x, y = rng.normal(size=(80, *shape)).astype(np.float32), np.arange(80) % 4
    x = x.reshape(80, *shape)
    alone = train(model, x, y, batch_size=batch_size)
    lanes = model.network.lanes
    others = Others(ranks, 1 if batch_size * 2 <= lanes else lanes)
    found = [None] * ranks

    models = [compiled(build) for _ in range(ranks)]  # one thread at a time trains a model

    def work(rank):
        exchange = others.exchange(rank)
        found[rank] = train(models[rank], x, y, exchange, 1 + rank % 2, batch_size)

    workers = [threading.Thread(target=work, args=[rank]) for rank in range(ranks)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for parameters, losses, correct in found:
        assert_same_bits(parameters, alone[0])
        np.testing.assert_array_equal(losses, alone[1])
        np.testing.assert_array_equal(correct, alone[2])


def test_ranks_clip_average_penalise_and_constrain_alike(isa):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(80, 8, 7, 2)).astype(np.float32), np.arange(80) % 4
    model = compiled(small)
    options = {
        "optimizer": SGD | {"global_clipnorm": 0.5, "ema_momentum": 0.9},
        "weights": rng.uniform(0, 2, 80).astype(np.float32),
        "regularizers": [(0, 54, 0.01, 0.02)],
        "constraints": [((0, 1, 18, 3), (0.0, 0.5, 1.0))],
    }
    alone = train(model, x, y, **options)
    assert np.any(alone[0] != train(model, x, y)[0])
    others, found = Others(2, model.network.lanes), [None] * 2
    models = [compiled(small) for _ in range(2)]

    def work(rank):
        found[rank] = train(models[rank], x, y, others.exchange(rank), 1 + rank, **options)

    workers = [threading.Thread(target=work, args=[rank]) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for parameters, losses, correct in found:
        assert_same_bits(parameters, alone[0])
        np.testing.assert_array_equal(losses, alone[1])
        np.testing.assert_array_equal(correct, alone[2])


def test_ranks_refuse_to_tell_outputs_of_which_each_has_a_share():
    model = compiled(small)
    x, y = np.zeros((32, 8, 7, 2), np.float32), np.arange(32) % 4
    outputs = np.zeros((32, 4), np.float32)
    with pytest.raises(ValueError, match="outputs must be None with an exchange"):
        train(model, x, y, (0, 1, lambda *records: None), outputs=outputs)


def test_an_exchange_that_fails_ends_the_step_before_any_weight_has_changed(threads):
    model = compiled(small)
    x, y = np.zeros((64, 8, 7, 2), np.float32), np.arange(64) % 4
    before = model.parameters.copy()

    def fail(records, losses, correct):
        raise OSError("a rank is gone")

    with pytest.raises(OSError, match="a rank is gone"):
        train(model, x, y, (0, 1, fail), threads, 64, model.parameters)
    assert_same_bits(model.parameters, before)
