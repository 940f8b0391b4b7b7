"""A step that several compute together: each its share of the groups, all the same bits."""

import os
import signal
import sys
import threading
import time

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


def slots_of(optimizer, parameters):
    return [_core.zeros(parameters.size) for _ in range(1 + ("ema_momentum" in optimizer))]


def train(
    model,
    x,
    y,
    exchange=None,
    threads=1,
    batch_size=32,
    parameters=None,
    optimizer=SGD,
    slots=None,
    **rules,
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
        slots=slots_of(optimizer, parameters) if slots is None else slots,
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
    """Ranks that are threads of this process, `a_node` of which have their memory in common."""

    def __init__(self, ranks, a_node):
        self.ranks, self.a_node = ranks, a_node
        self.barrier = threading.Barrier(ranks)
        self.memories = [_core.zeros(1 << 20) for _ in range(-(-ranks // a_node))]
        for memory in self.memories:
            memory[:] = np.nan


class Exchange:
    common_parameters = False

    def __init__(self, others, rank):
        self.others, self.node = others, rank // others.a_node
        self.groups = rank, others.ranks
        first = self.node * others.a_node
        self.parts = rank - first, min(others.a_node, others.ranks - first)

    def memory(self, floats):
        return self.others.memories[self.node]

    def gather(self, arrays, groups):
        self.others.barrier.wait(60)
        memories = self.others.memories
        if len(memories) > 1:
            (rank, ranks), own = self.groups, memories[self.node]
            begin, end = (groups * (rank + k) // ranks for k in (0, 1))
            for place, floats in arrays:
                part = slice(place + begin * floats, place + end * floats)
                for memory in memories:
                    memory[part] = own[part]
            self.others.barrier.wait(60)

    def wait(self):
        self.others.barrier.wait(60)


def train_together(build, ranks, a_node, x, y, *, common=False, **options):
    """What train() gives on each of so many ranks, on 1 and 2 threads by turns.

    common: whether the ranks of a node have one copy of the parameters and of the slots.
    """
    others, found = Others(ranks, a_node), [None] * ranks
    models = [compiled(build) for _ in range(ranks)]  # one thread at a time trains a model
    copies = [models[0].parameters.copy() for _ in others.memories]
    slots = [slots_of(options.get("optimizer", SGD), copy) for copy in copies]

    def work(rank):
        exchange = Exchange(others, rank)
        exchange.common_parameters = common
        own = dict(options)
        if common:
            own |= {"parameters": copies[exchange.node], "slots": slots[exchange.node]}
        found[rank] = train(models[rank], x, y, exchange, 1 + rank % 2, **own)

    workers = [threading.Thread(target=work, args=[rank]) for rank in range(ranks)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return found


def assert_all_have(expected, found):
    for parameters, losses, correct in found:
        assert_same_bits(parameters, expected[0])
        np.testing.assert_array_equal(losses, expected[1])
        np.testing.assert_array_equal(correct, expected[2])


@pytest.mark.parametrize(
    ("ranks", "a_node", "common"),
    [
        (1, 1, False),
        (2, 2, False),
        (2, 2, True),
        (3, 3, True),
        (3, 1, False),
        (3, 2, False),
        (3, 2, True),
    ],
)
@pytest.mark.parametrize("batch_size", [80, 37, 5])
@pytest.mark.parametrize("build", [lenet5_classic, small, normalized])
def test_ranks_that_share_a_step_have_the_bits_of_one(
    build, batch_size, ranks, a_node, common, isa
):
    model = compiled(build)
    shape = model.input_shape[1:]
    if build is lenet5_classic:
        x, y = digits(80)
    else:
        rng = np.random.default_rng(1)
        x, y = rng.normal(size=(80, *shape)).astype(np.float32), np.arange(80) % 4
    x = x.reshape(80, *shape)
    alone = train(model, x, y, batch_size=batch_size)
    found = train_together(build, ranks, a_node, x, y, common=common, batch_size=batch_size)
    assert_all_have(alone, found)


@pytest.mark.parametrize("common", [False, True])
@pytest.mark.parametrize("a_node", [1, 2])
def test_ranks_that_share_a_step_larger_than_a_slab_have_the_bits_of_one(a_node, common):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2500, 8, 7, 2)).astype(np.float32), np.arange(2500) % 4
    alone = train(compiled(small), x, y, batch_size=2100)
    found = train_together(small, 2, a_node, x, y, common=common, batch_size=2100)
    assert_all_have(alone, found)


def test_ranks_with_common_parameters_clip_values_and_average_alike(isa):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(80, 8, 7, 2)).astype(np.float32), np.arange(80) % 4
    model = compiled(normalized)
    average = {"ema_momentum": 0.9, "ema_overwrite_frequency": 2}
    optimizer = SGD | {"clipvalue": 0.001} | average
    alone = train(model, x, y, optimizer=optimizer)
    for left_out in ("clipvalue", "ema_momentum"):
        other = {name: value for name, value in optimizer.items() if name != left_out}
        assert np.any(alone[0] != train(model, x, y, optimizer=other)[0])
    found = train_together(normalized, 3, 3, x, y, common=True, optimizer=optimizer)
    assert_all_have(alone, found)


@pytest.mark.parametrize(
    "options",
    [
        {"optimizer": SGD | {"clipnorm": 0.5}},
        {"optimizer": SGD | {"global_clipnorm": 0.5}},
        {"regularizers": [(0, 54, 0.01, 0.02)]},
        {"constraints": [((0, 1, 18, 3), (0.0, 0.5, 1.0))]},
    ],
)
def test_common_parameters_are_refused_where_a_part_s_update_needs_the_others(options):
    exchange = Exchange(Others(1, 1), 0)
    exchange.common_parameters = True
    x, y = np.zeros((32, 8, 7, 2), np.float32), np.arange(32) % 4
    with pytest.raises(ValueError, match="parameters must not be common"):
        train(compiled(small), x, y, exchange, **options)


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
    assert_all_have(alone, train_together(small, 2, 2, x, y, **options))


def test_ranks_refuse_to_tell_outputs_of_which_each_has_a_share():
    model = compiled(small)
    x, y = np.zeros((32, 8, 7, 2), np.float32), np.arange(32) % 4
    outputs = np.zeros((32, 4), np.float32)
    with pytest.raises(ValueError, match="outputs must be None with an exchange"):
        train(model, x, y, Exchange(Others(1, 1), 0), outputs=outputs)


@pytest.mark.parametrize(
    ("memory", "text"),
    [
        (np.zeros(100, np.float32), "memory must have [0-9]+ floats"),
        (_core.zeros(1 << 20)[1:], "memory must begin at a multiple of 64 bytes"),
    ],
)
def test_memory_that_does_not_fit_is_refused(memory, text):
    exchange = Exchange(Others(1, 1), 0)
    exchange.memory = lambda floats: memory
    x, y = np.zeros((32, 8, 7, 2), np.float32), np.arange(32) % 4
    with pytest.raises(ValueError, match=text):
        train(compiled(small), x, y, exchange)


@pytest.mark.parametrize("waits_for", ["gather", "wait"])
def test_an_exchange_that_fails_ends_the_step_before_any_weight_has_changed(waits_for, threads):
    model = compiled(normalized)
    x, y = np.ones((64, 8, 7, 2), np.float32), np.arange(64) % 4
    before = model.parameters.copy()
    exchange = Exchange(Others(1, 1), 0)

    def fail(*given):
        raise OSError("a rank is gone")

    setattr(exchange, waits_for, fail)
    with pytest.raises(OSError, match="a rank is gone"):
        train(model, x, y, exchange, threads, 64, model.parameters)
    assert_same_bits(model.parameters, before)


@pytest.mark.skipif(sys.platform == "win32", reason="no signal to one's own process")
def test_a_step_of_which_others_have_a_part_is_not_begun_anew_by_a_handler_of_ctrl_c():
    """Only what comes before the first exchange of a step is."""
    x, y = np.zeros((2048, 28, 28, 3), np.uint8), np.arange(2048) % 4
    model = Sequential([layers.Conv2D(32, 5, input_shape=(28, 28, 3)), layers.Flatten()])
    model.add(layers.Dense(4, "softmax"))
    exchange, gathered, heard = Exchange(Others(1, 1), 0), [], []
    second_half = threading.Event()
    exchange.memory = _core.zeros

    def gather(arrays, groups):
        gathered.append(groups)
        second_half.set()

    def press():
        second_half.wait(60)
        time.sleep(0.005)  # in the midst of the next groups, which take ten times as long
        os.kill(os.getpid(), signal.SIGINT)

    exchange.gather = gather
    thread = threading.Thread(target=press)
    former = signal.signal(signal.SIGINT, lambda *_: heard.append(len(gathered)))
    try:
        thread.start()
        train(model, x, y, exchange, 1, len(x))
    finally:
        thread.join()
        signal.signal(signal.SIGINT, former)
    assert len(gathered) == 2
    assert len(heard) == 1
