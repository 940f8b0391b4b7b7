"""load_csv: Kaggle's files and their relatives, in bounded memory."""

import gzip
import tracemalloc

import numpy as np
import pytest

from pylenet.datasets import load_csv

RNG = np.random.default_rng(7)
X = RNG.integers(0, 256, (30, 4, 4)).astype(np.uint8)
Y = RNG.integers(0, 10, 30)
PIXELS = [f"pixel{i}" for i in range(16)]


def text(rows, names=None, between=","):
    lines = [between.join(map(str, row)) for row in rows]
    return "\n".join(([between.join(names)] if names else []) + lines) + "\n"


WITH_LABELS = np.column_stack([Y, X.reshape(30, 16)]).tolist()
LAST = np.column_stack([X.reshape(30, 16), Y]).tolist()
PIXELS_ALONE = X.reshape(30, 16).tolist()


def write(folder, content, name="data.csv"):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


FORMS = {
    "Kaggle's train.csv": (text(WITH_LABELS, ["label", *PIXELS]), {}),
    "without a header": (text(WITH_LABELS), {}),
    "label last, by name": (text(LAST, [*PIXELS, "class"]), {}),
    "label last, by index": (text(LAST), {"label_column": -1}),
    "label named": (text(LAST, [*PIXELS, "what"]), {"label_column": "what"}),
    "Windows": (text(WITH_LABELS, ["label", *PIXELS]).replace("\n", "\r\n"), {}),
    "byte order mark": ("\ufeff" + text(WITH_LABELS, ["label", *PIXELS]), {}),
    "no newline at the end": (text(WITH_LABELS)[:-1], {}),
    "empty lines": (text(WITH_LABELS).replace("\n", "\n\n"), {}),
    "quotes": (text([[f'"{v}"' for v in row] for row in WITH_LABELS], ['"label"', *PIXELS]), {}),
    "semicolons": (text(WITH_LABELS, between=";"), {"delimiter": ";"}),
    "whole floats": (text([[f"{v}.0" for v in row] for row in WITH_LABELS]), {}),
    "spaces": (text(WITH_LABELS, between=", "), {}),
    "gzip": (gzip.compress(text(WITH_LABELS).encode()), {}),
    "a header of a label and numbers": (text(WITH_LABELS, ["label", *map(str, range(16))]), {}),
    "a header of numbers": (text(WITH_LABELS, map(str, range(17))), {"header": True}),
    "image_size": (text(WITH_LABELS), {"image_size": (4, 4)}),
}


@pytest.mark.parametrize("form", FORMS)
def test_images_and_labels_are_read(form, tmp_path):
    content, how = FORMS[form]
    x, y = load_csv(write(tmp_path, content), **how)
    assert (x.dtype, y.dtype) == (np.uint8, np.int64)
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


@pytest.mark.parametrize("names", [PIXELS, None], ids=["header", "no header"])
def test_a_file_without_labels_has_images_alone(names, tmp_path):
    path = write(tmp_path, text(PIXELS_ALONE, names))
    for how in ({}, {"label_column": None}):
        x, y = load_csv(str(path), **how)
        np.testing.assert_array_equal(x, X)
        assert y is None


@pytest.mark.parametrize("scale", [1 / 255, -1.0])
def test_other_values_are_float32(scale, tmp_path):
    pixels = X.reshape(30, 16) * scale
    x, y = load_csv(write(tmp_path, text(np.column_stack([Y, pixels]).tolist())))
    assert x.dtype == np.float32
    np.testing.assert_array_equal(x, pixels.astype(np.float32).reshape(30, 4, 4))
    np.testing.assert_array_equal(y, Y)


def test_a_fraction_in_the_last_of_many_rows_makes_all_float32(tmp_path):
    rows = WITH_LABELS * 50
    rows[-1] = [3, *[0.5] * 16]
    x, y = load_csv(write(tmp_path, text(rows)))
    assert (x.dtype, x.shape, y.shape) == (np.float32, (1500, 4, 4), (1500,))
    np.testing.assert_array_equal(x[:30], X)
    assert (x[-1] == 0.5).all()


def test_images_may_be_oblong_or_none(tmp_path):
    path = write(tmp_path, text(WITH_LABELS))
    x, _ = load_csv(path, image_size=(2, 8))
    np.testing.assert_array_equal(x, X.reshape(30, 2, 8))
    x, _ = load_csv(path, image_size=(2, 8), transpose=True)
    np.testing.assert_array_equal(x, X.reshape(30, 2, 8).transpose(0, 2, 1))
    x, y = load_csv(path, label_column=None)
    assert (x.shape, y) == ((30, 17), None)


WRONG = {
    "empty": ("", {}, "holds no rows"),
    "header alone": ("label,a,b\n", {}, "holds no rows but its header"),
    "text": ("1,2\n3,A\n", {"label_column": 0}, "must hold numbers, got 'A' in row 2, column 2"),
    "another delimiter": (
        "1;2\n3;4\n",
        {},
        r"got '3;4' in row 1, column 1; is the delimiter ';'\?",
    ),
    "tabs": (
        "label\tb\n3\t4\n",
        {"label_column": "label"},
        r"got 'label': it has the columns .*; is the delimiter '\\t'\?",
    ),
    "row behind many": ("1,2\n" * 1500 + "3\n", {"label_column": 0}, "got 1 in row 1501$"),
    "missing": ("1,2\n3,\n", {"label_column": 0}, "must hold numbers"),
    "ragged": ("1,2\n3\n", {"label_column": 0}, "rows of 2 values, got 1 in row 2$"),
    "empty cell in row 1": ("1,,3,4,5\n1,2,3,4,5\n", {}, "must hold numbers"),
    "shorter than its header": ("label,a,b\n1,2\n", {}, "rows of 3 values, got 2 in row 1"),
    "fraction": ("1,2\n.5,3\n", {"label_column": 0}, "label_column of .* integer labels, got 0.5"),
    "negative": ("1,2\n-1,3\n", {"label_column": 0}, "must hold labels >= 0, got -1"),
    "no such name": ("label,a\n1,2\n", {"label_column": "b"}, "got 'b': it has the columns label"),
    "no names": ("1,2\n", {"label_column": "b"}, "got 'b': it has no header"),
    "no such index": ("1,2\n", {"label_column": 2}, "must be below 2, the number of columns of"),
    "unknown": ("1,2,3\n", {}, "label_column must be given: none of the 3 columns of"),
    "labels alone": ("label\n1\n", {}, "must hold more columns than the labels"),
    "size": ("1,2,3,4,5\n", {"image_size": (3, 2)}, r"of 4 pixels, .*, got \(3, 2\)"),
    "delimiter": ("1,2\n", {"delimiter": ", "}, "delimiter must be one character, got ', '"),
    "no text": (b"PK\3\4\xff\xfe\0\x80" * 50, {}, "is not a CSV file: it is no text"),
    "damaged gzip": (gzip.compress(b"1,2\n" * 99)[:-9], {"label_column": 0}, "is damaged"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_named_with_the_file(kind, tmp_path):
    content, how, message = WRONG[kind]
    path = write(tmp_path, content)
    with pytest.raises(ValueError, match=message) as info:
        load_csv(path, **how)
    assert "data.csv" in str(info.value) or kind == "delimiter"


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"label_column": 1.5}, "label_column must be an integer, got 1.5"),
        ({"header": "yes"}, "header must be True or False, got 'yes'"),
        ({"image_size": "28x28"}, "image_size must be an integer, got '28x28'"),
        ({"delimiter": 3}, "delimiter must be a str, got 3"),
        ({"transpose": 1}, "transpose must be True or False, got 1"),
    ],
)
def test_an_argument_of_the_wrong_kind_is_a_type_error(how, message, tmp_path):
    with pytest.raises(TypeError, match=message):
        load_csv(write(tmp_path, "1,2\n"), **how)


def test_a_file_that_is_not_there_is_a_file_not_found_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_csv(tmp_path / "nowhere.csv")
    with pytest.raises(TypeError, match=r"path must be a str or os\.PathLike, got int"):
        load_csv(3)


def test_little_more_memory_is_used_than_for_the_images(tmp_path):
    images = RNG.integers(0, 256, (6000, 785))
    images[:, 0] %= 10
    path = tmp_path / "train.csv"
    np.savetxt(path, images, "%d", ",", header=",".join(["label", *map(str, range(784))]))
    tracemalloc.start()
    try:
        x, _ = load_csv(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert x.shape == (6000, 28, 28)
    assert peak < 2 * x.nbytes + 40e6
