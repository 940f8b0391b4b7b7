"""Layouts x dtypes x public entries: the plain copy's bits or a clear error; nothing written."""

import numpy as np
import pytest
from nets import compiled, state, tiny

from pylenet import losses, metrics, utils
from pylenet.augmentation import RandomAffine

N, FEATURES, CLASSES = 12, 4, 3


def broadcast(a, path):
    return np.broadcast_to(a[:1], a.shape)


def strided(a, path):
    larger = np.zeros([2 * n + 1 for n in a.shape], a.dtype)
    view = larger[tuple(slice(1, None, 2) for _ in a.shape)]
    view[...] = a
    return view


def reversed_(a, path):
    flip = (slice(None, None, -1),) * a.ndim
    return a[flip].copy()[flip]


def unaligned(a, path):
    if a.dtype.hasobject:
        return a.copy()
    view = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def read_only(a, path):
    a = a.copy()
    a.flags.writeable = False
    return a


def memory_mapped(a, path):
    if a.dtype.hasobject:
        return read_only(a, path)
    np.save(path / "a.npy", a)
    return np.load(path / "a.npy", mmap_mode="r")


def byte_swapped(a, path):
    return a.astype(a.dtype.newbyteorder())


LAYOUTS = {
    "C": lambda a, path: a.copy(),
    "Fortran": lambda a, path: np.asfortranarray(a),
    "strided": strided,
    "reversed": reversed_,
    "0-stride": broadcast,
    "unaligned": unaligned,
    "byte-swapped": byte_swapped,
    "read-only": read_only,
    "memory-mapped": memory_mapped,
}
DTYPES = ["u1", "i4", "i8", "f2", "f4", "f8", "?", "O", "c8"]


def model():
    return compiled(tiny, "adam", metrics=["accuracy"])


def one_hot_model():
    return compiled(tiny, "adam", "categorical_crossentropy", metrics=["accuracy"])


X = np.random.default_rng(1).integers(0, 2, (N, FEATURES))
LABELS = np.arange(N) % 2
ROWS = np.eye(CLASSES)[np.arange(N) % CLASSES]
PLAIN_X = X.astype(np.float32)


def fitted(m, x, y):
    history = m.fit(x, y, 5, 2, 0, shuffle=False, validation_data=(x, y)).history
    return state(m), *map(np.array, history.values())


def stepped(m, x, y):
    loss = m.train_on_batch(x, y)
    return np.array(loss), state(m)


def with_kernel(kernel):
    m = model()
    m.set_weights([kernel, np.zeros(CLASSES)])
    return state(m)


def with_layer_kernel(kernel):
    m = model()
    m.layers[0].set_weights([kernel, np.zeros(CLASSES)])
    return state(m)


# What is laid out in all ways, and what is done with it.
ENTRIES = {
    "predict x": (X, lambda a: model().predict(a)),
    "predict_on_batch x": (X, lambda a: model().predict_on_batch(a)),
    "RandomAffine x": (X[..., None], RandomAffine(rotation_factor=0.1, seed=1)),
    "evaluate x": (X, lambda a: np.array(model().evaluate(a, LABELS))),
    "fit x": (X, lambda a: fitted(model(), a, LABELS)),
    "train_on_batch x": (X, lambda a: stepped(model(), a, LABELS)),
    "evaluate labels": (LABELS, lambda a: np.array(model().evaluate(PLAIN_X, a))),
    "fit labels": (LABELS, lambda a: fitted(model(), PLAIN_X, a)),
    "train_on_batch labels": (LABELS, lambda a: stepped(model(), PLAIN_X, a)),
    "evaluate rows": (ROWS, lambda a: np.array(one_hot_model().evaluate(PLAIN_X, a))),
    "fit rows": (ROWS, lambda a: fitted(one_hot_model(), PLAIN_X, a)),
    "train_on_batch rows": (ROWS, lambda a: stepped(one_hot_model(), PLAIN_X, a)),
    "set_weights": (X[:FEATURES, :CLASSES], with_kernel),
    "layer.set_weights": (X[:FEATURES, :CLASSES], with_layer_kernel),
    "to_categorical": (LABELS, lambda a: utils.to_categorical(a, CLASSES)),
    "categorical_accuracy": (ROWS, lambda a: metrics.categorical_accuracy(a, ROWS)),
    "categorical_accuracy pred": (ROWS, lambda a: metrics.categorical_accuracy(ROWS, a)),
    "sparse_categorical_accuracy": (
        LABELS,
        lambda a: metrics.sparse_categorical_accuracy(a, ROWS),
    ),
    "categorical_crossentropy": (ROWS, lambda a: losses.categorical_crossentropy(a, ROWS)),
    "categorical_crossentropy pred": (ROWS, lambda a: losses.categorical_crossentropy(ROWS, a)),
    "sparse_categorical_crossentropy": (
        LABELS,
        lambda a: losses.sparse_categorical_crossentropy(a, ROWS),
    ),
    "mean_squared_error": (ROWS, lambda a: losses.mean_squared_error(a, ROWS)),
}


def attempt(use, array):
    """The bytes of what came, or the kind of error and its text."""
    try:
        found = use(array)
    except (TypeError, ValueError) as error:
        return type(error), str(error)
    return [
        np.asarray(part).tobytes() for part in (found if isinstance(found, tuple) else (found,))
    ]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("entry", ENTRIES)
def test_any_array_gives_the_bits_of_its_plain_copy_or_a_clear_error(
    entry, layout, dtype, tmp_path
):
    values, use = ENTRIES[entry]
    array = LAYOUTS[layout](values.astype(dtype), tmp_path)
    before, writeable = array.copy(), array.flags.writeable
    plain = array.astype(array.dtype.newbyteorder("="), order="C")
    found, expected = attempt(use, array), attempt(use, plain)
    assert array.flags.writeable == writeable
    assert (array == before).all()
    if layout == "byte-swapped" and isinstance(found, tuple):
        assert found[0] is TypeError or found == expected
        assert str(array.dtype) in found[1] or found[0] is ValueError
    else:
        assert found == expected
    native_images = entry.endswith(" x") and dtype in ("u1", "f4", "f8")
    if native_images and layout != "byte-swapped":
        assert isinstance(found, list)
