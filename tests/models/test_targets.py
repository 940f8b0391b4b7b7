"""Training on images in any layout and labels in any form, and labels that are wrong."""

import numpy as np
import pytest
from nets import (
    LAYOUTS,
    compiled,
    one_hot,
    samples,
    small,
    state,
    tiny,
)
from tolerance import assert_same_bits

# Images and labels


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_in_any_layout_and_dtype_train_to_the_same_bits_and_are_not_written(layout, dtype):
    plain = np.random.default_rng(1).integers(0, 3, (20, 8, 7, 2)).astype(np.float32)
    y = np.arange(20) % 4
    expected = compiled(small)
    expected.fit(plain, y, batch_size=6, verbose=0)
    x, labels = LAYOUTS[layout](plain.astype(dtype)), LAYOUTS["read-only"](y)
    model = compiled(small)
    model.fit(x, labels, batch_size=6, validation_data=(x, labels), verbose=0)
    assert_same_bits(state(model), state(expected))
    assert np.array_equal(x, plain)
    assert np.array_equal(labels, y)


LABELS = {
    **{
        f"{dtype}": lambda y, d=dtype: y.astype(d)
        for dtype in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
    },
    "big-endian": lambda y: y.astype(">i4"),
    "float32": lambda y: y.astype("float32"),
    "float64": lambda y: y.astype("float64"),
    "column": lambda y: y[:, None],
    "list": lambda y: y.tolist(),
    "strided": lambda y: np.repeat(y, 3)[::3],
    "reversed": lambda y: y[::-1].copy()[::-1],
}


@pytest.mark.parametrize("form", LABELS)
def test_integer_labels_may_have_any_form(form):
    x, y = samples(20, (4,), 3)
    model, expected = compiled(tiny), compiled(tiny)
    expected.fit(x, y.astype(np.int32), batch_size=6, shuffle=False, verbose=0)
    model.fit(x, LABELS[form](y), batch_size=6, shuffle=False, verbose=0)
    assert_same_bits(state(model), state(expected))


ROWS = {
    **{d: lambda r, d=d: r.astype(d) for d in ("bool", "uint8", "int64", "float16", "float32")},
    "big-endian": lambda r: r.astype(">f8"),
    "Fortran": np.asfortranarray,
    "list": lambda r: r.tolist(),
    "read-only": LAYOUTS["read-only"],
}


@pytest.mark.parametrize("form", ROWS)
def test_one_hot_labels_may_have_any_form_and_mean_the_same_as_integers(form):
    x, y = samples(20, (4,), 3)
    expected = compiled(tiny, metrics=["accuracy"])
    history = expected.fit(x, y, batch_size=6, verbose=0).history
    model = compiled(tiny, loss="categorical_crossentropy", metrics=["accuracy"])
    assert model.fit(x, ROWS[form](one_hot(y, 3)), batch_size=6, verbose=0).history == history
    assert_same_bits(state(model), state(expected))


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        ([0, 1, 2, 3], ValueError, "y must hold labels below 3, got 3"),
        ([0, 1, 2, -1], ValueError, "y must hold labels >= 0, got -1"),
        ([0, 1, 2, 2**40], ValueError, f"y must hold labels below 3, got {2**40}"),
        (np.array([0, 1, 2, 2**64 - 1], np.uint64), ValueError, "labels below 3"),
        ([0, 1, 2, np.nan], ValueError, "y must hold integer labels, got nan"),
        ([0, 1, 2, np.inf], ValueError, "y must hold integer labels, got inf"),
        ([0, 1, 2, 0.5], ValueError, "y must hold integer labels, got 0.5"),
        ([0, 1, 2], ValueError, r"y must hold 4 targets, one for each sample of x, got .*\(3,\)"),
        ([0] * 5, ValueError, "y must hold 4 targets"),
        ([], ValueError, "y must hold 4 targets"),
        (0, ValueError, r"y must hold 4 targets, .*got shape \(\)"),
        (None, TypeError, "y must be given with an array x"),
        (np.eye(4, 3), ValueError, "y must hold integer labels.*categorical_crossentropy"),
        (np.zeros((4, 1, 1), int), ValueError, "y must hold integer labels"),
        (["0", "1", "2", "0"], TypeError, "y must hold integer labels"),
        ([0, 1, 2, 1j], TypeError, "y must hold integer labels"),
        (np.array([0, 1, 2, None]), TypeError, "y must hold integer labels"),
        (np.array([1, 2, 3, 4], "datetime64[s]"), TypeError, "y must hold integer labels"),
    ],
)
def test_labels_that_are_no_classes_are_named(y, error, message):
    refused(compiled(tiny), y, error, message)


@pytest.mark.parametrize(
    ("y", "error", "message"),
    [
        ([0, 1, 2, 0], ValueError, r"y must have shape \(4, 3\).*sparse_categorical_crossentropy"),
        (np.zeros((4, 1), int), ValueError, r"y must have shape \(4, 3\), got \(4, 1\)"),
        (np.eye(4), ValueError, r"y must have shape \(4, 3\), got \(4, 4\)"),
        (np.eye(3), ValueError, "y must hold 4 targets"),
        (np.ones((4, 3, 1)), ValueError, r"y must have shape \(4, 3\), got \(4, 3, 1\)"),
        (np.full((4, 3), np.nan), ValueError, "y must hold finite numbers"),
        (np.full((4, 3), -np.inf), ValueError, "y must hold finite numbers"),
        (np.full((4, 3), 1e300), ValueError, "y must hold finite numbers"),
        (np.full((4, 3), "a"), TypeError, "y must hold numbers"),
        (np.full((4, 3), 1j), TypeError, "y must hold numbers"),
        (np.full((4, 3), None), TypeError, "y must hold numbers"),
    ],
)
@pytest.mark.parametrize("loss", ["categorical_crossentropy", "mse"])
def test_rows_of_targets_that_do_not_fit_are_named(y, error, message, loss):
    if loss == "mse":
        message = message.removesuffix(".*sparse_categorical_crossentropy")
    refused(compiled(tiny, loss=loss), y, error, message)


def refused(model, y, error, message):
    x, before = samples(4, (4,), 3)[0], state(model)
    for method in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(error, match=message):
            method(x, y)
    assert_same_bits(state(model), before)
