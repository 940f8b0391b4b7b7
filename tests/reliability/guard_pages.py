"""Every array that a caller gives C++ ends, or begins, at memory that nobody may touch.

    python tests/reliability/guard_pages.py [--isa avx2]

Each kind of layer in a network, in both layouts, through every call of the compiled part, and each
function of pylenet.ops. One byte read or written beyond an array ends the process by a signal: the
last line says for which layer, the traceback in which call. The results must be those of arrays
that lie elsewhere.
"""

import argparse
import ctypes
import faulthandler
import mmap
import os
import sys
from functools import partial
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "support")]

from kinds import CASES, KINDS, Call, Case  # noqa: E402
from tolerance import assert_same_bits  # noqa: E402

from pylenet import _core, layers, losses, optimizers  # noqa: E402
from pylenet.augmentation import RandomAffine  # noqa: E402

LIBC = ctypes.CDLL(None, use_errno=True)
PAGE = mmap.PAGESIZE
SIDES = ("begins", "ends")
BATCHES = (1, 19)  # one image alone; groups, the last one not full
THREADS = 2

# Weights are kept on cache lines of their own: these fill theirs, so that nothing lies behind them.
FULL = [
    *(Case(layers.Conv2D(3, (4, 4), use_bias=False), (6, 9, c)) for c in (1, 2)),
    Case(layers.Conv2D(5, (1, 2), (1, 2), "same", use_bias=False), (3, 7, 8)),
    Case(layers.Conv2D(16, 2), (5, 4, 3)),
    *(Case(layers.Dense(n, use_bias=False), (16,)) for n in (1, 3, 10, 19)),
    Case(layers.Dense(16), (3,)),
    Case(layers.Dense(512, use_bias=False), (128,)),
    Case(layers.BatchNormalization(), (3, 4, 16)),
]
# Convolutions by Cook-Toom's algorithm in two dimensions, whose last tiles reach beyond the image.
CUT_OFF = [
    Case(layers.Conv2D(17, 3), (13, 12, 16)),
    Case(layers.Conv2D(20, 5, padding="same", use_bias=False), (10, 15, 13)),
]
OPTIMIZERS = [
    optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1),
    optimizers.SGD(0.1),
    optimizers.Adam(0.01),
    optimizers.SDLM(0.01),
]


def guarded(a, side):
    """A copy that ends, or begins, where a page ends, or begins, whose neighbours are forbidden."""
    a = np.asarray(a)
    pages = -(-a.nbytes // PAGE)
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for page in (start, start + (pages + 1) * PAGE):
        if LIBC.mprotect(ctypes.c_void_p(page), ctypes.c_size_t(PAGE), 0):
            raise OSError(ctypes.get_errno(), "mprotect")
    offset = PAGE if side == "begins" else (pages + 1) * PAGE - a.nbytes
    copy = np.frombuffer(memory, a.dtype, a.size, offset).reshape(a.shape)
    copy[...] = a
    return copy


def calls(case, batch, place):
    """The results of all that the compiled part can do with the layer in a network.

    place: what is done to each array before it is given.
    """
    model = case.model(layers.Flatten())
    model.compile("sgd", losses.MeanSquaredError())
    outputs = model.output_shape[1]
    rng = np.random.default_rng(3)
    values = case.of(batch).arrays()
    model.set_weights([values[name] for name in case.weight_shapes])
    network, loss = model.network, model._core_loss()
    shape = case.input_shape if len(case.input_shape) != 2 else (*case.input_shape, 1)
    x = place(values["x"].reshape(batch, *shape))
    p, rows = place(model.parameters), place(rng.uniform(size=(batch, outputs)).astype(np.float32))
    order = place(rng.permutation(batch))
    drawn = RandomAffine(rotation_factor=0.1, translation_factor=0.3, seed=1).settings(0)

    for dtype in (np.uint8, np.float32, np.float64):
        y = place(np.empty((batch, outputs), np.float32))
        network.predict(y, p, place(np.abs(x).astype(dtype)), THREADS)
        yield y
        if len(shape) == 3:
            images = place(np.abs(x).astype(dtype))
            yield network.distort(images, order, drawn, THREADS)
    if batch == 1:
        yield network.predict_one(p, x)
    values = network.evaluate(p, x, rows, loss, THREADS)
    yield np.array(values, np.float32)
    if outputs > 1:
        labels = place(rng.integers(0, outputs, batch).astype(np.int32))
        logits = _core.Loss(_core.LossKind.CROSS_ENTROPY_FROM_LOGITS)
        values = network.evaluate(p, x, labels, logits, THREADS)
        yield np.array(values, np.float32)
    yield network.gradient(p, x, rows, THREADS)
    if case.kind.without_hessian(case.layer, case.input_shape) is None:
        yield network.hessian(p, x, order, loss, None, THREADS)
    yield network.snapshot(p)
    for optimizer in OPTIMIZERS if case in FULL else OPTIMIZERS[:1]:
        trained = place(p)
        slots = [place(np.full(p.shape, 0.5, np.float32)) for _ in optimizer.slot_names]
        network.train(
            *(trained, x, rows, order),
            batch_size=max(1, batch - 2),  # the last step has two
            loss=loss,
            optimizer=optimizer.hyperparameters(),
            slots=slots,
            iterations=place(np.zeros(1, np.int64)),
            learning_rates=place(optimizer.learning_rates(1 if batch == 1 else 2)),
            augmentation=None,
            seed=1,
            epoch=0,
            threads=THREADS,
        )
        yield (trained, *slots)
    assigned = place(np.zeros(p.shape, np.float32))
    network.assign(assigned, p)
    yield assigned
    slot, count = place(np.zeros(p.shape, np.float32)), place(np.zeros(1, np.int64))
    network.assign_training(assigned, [slot], count, [p, p], 3)
    yield assigned, slot


def op_calls(case, batch, place):
    """The results of the layer's function of pylenet.ops, both ways."""
    for backward in (False, True):
        call = Call(case.of(batch), backward)
        if call.op:
            arrays = {name: place(a) for name, a in call.inputs(batch).items()}
            yield call(arrays)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--isa", help="one instruction set (default: all there are)")
    options = parser.parse_args()
    faulthandler.enable()
    isas = [options.isa] if options.isa else _core.available_isas()
    lenet = [case for kind in KINDS.values() for case in kind.lenet]
    count = 0
    for isa in isas:
        _core.set_isa(isa)
        for case in (*FULL, *CUT_OFF, *CASES, *lenet):
            for batch in BATCHES:
                for make in (calls, op_calls):
                    expected = list(make(case, batch, np.array))
                    for side in SIDES:
                        print(f"{isa}, {side} there: {case.of(batch)}", flush=True)
                        found = list(make(case, batch, partial(guarded, side=side)))
                        assert_same_bits(tuple(found), tuple(expected))
                        count += len(found)
    print(f"{count} calls on {', '.join(isas)}: nothing beyond any array was touched")
    return 0


if __name__ == "__main__":
    if os.name != "posix":
        sys.exit("needs mprotect")
    sys.exit(main())
