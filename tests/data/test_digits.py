"""prepare_digits: any picture of a digit becomes what MNIST's makers would have made of it."""

import tracemalloc
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import sanitizer
from hypothesis import given
from hypothesis import strategies as st
from kinds._random import examples

import pylenet
from pylenet.utils import prepare_digits


def seven(height=150, width=110, noise=4.0):
    """A photograph of a black 7: grey paper, some noise, the digit aside."""
    grey = 200 + np.random.default_rng(1).normal(0, noise, (height, width))
    grey[20:26, 50:80] = 30
    for row in range(26, 80):
        right = 80 - (row - 26) // 3
        grey[row, right - 6 : right] = 30
    return grey.clip(0, 255).astype(np.uint8)


def centre(digit, axis):
    return digit.sum(1 - axis, dtype=int) @ np.arange(28) / digit.sum()


def box(digit):
    rows, columns = (np.flatnonzero(digit.any(axis)) for axis in (1, 0))
    return rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1


def test_a_digit_is_boxed_and_its_centre_of_mass_lies_at_14():
    (digit,) = prepare_digits([seven()])
    assert (digit.shape, digit.dtype) == ((28, 28), np.uint8)
    assert box(digit) == (20, 10)
    assert digit.max() == 255
    for axis in (0, 1):
        assert abs(centre(digit, axis) - 14) <= 0.5


def test_mnist_has_its_digits_centre_of_mass_at_14(mnist):
    for images in (mnist[0][0], mnist[1][0]):
        mass = images.sum((1, 2), dtype=int)
        for axis in (1, 2):
            places = images.sum(3 - axis, dtype=int) @ np.arange(28) / mass
            assert abs(places.mean() - 14) < 0.01
            assert np.abs(places - 14).max() < 0.53


def test_mnist_s_own_digits_stay_where_and_as_large_as_they_are(mnist):
    images = mnist[1][0][:500]
    digits = prepare_digits(images)
    by_a_pixel = np.roll(images, 1, 2)
    change, moved = (
        np.abs(other.astype(int) - images).mean((1, 2)) for other in (digits, by_a_pixel)
    )
    assert (change < moved / 2).mean() > 0.95


# The reference: the steps of docs/data.md in the plainest Python, with fractions


def reference(grey):
    """Steps 3 to 10 for grey values, a list of rows; None where there is no digit."""
    height, width = len(grey), len(grey[0])
    places = [(r, c) for r in range(height) for c in range(width)]

    def median(values):
        return sorted(values)[len(values) // 2]

    def paper_of(picture):
        border = [*picture[0], *picture[-1]]
        border += [row[0] for row in picture] + [row[-1] for row in picture]
        paper = median(border)
        return paper, median([abs(value - paper) for value in border])

    down = median(grey[-1]) - median(grey[0])
    right = median([row[-1] for row in grey]) - median([row[0] for row in grey])
    lit = [
        [
            grey[r][c]
            - down * (2 * r - height + 1) // (2 * max(height - 1, 1))
            - right * (2 * c - width + 1) // (2 * max(width - 1, 1))
            for c in range(width)
        ]
        for r in range(height)
    ]
    paper, noise = paper_of(grey)
    if 2 * paper_of(lit)[1] < noise:
        grey, (paper, noise) = lit, paper_of(lit)
    sides = []
    for sign in (-1, 1):
        ink = {p: max(0, sign * (grey[p[0]][p[1]] - paper)) for p in places}
        sides.append((sum(v * v for v in ink.values() if v >= 6 * noise), -sign, ink))
    ink = max(sides, key=lambda side: side[:2])[2]
    peak = max(ink.values())
    if peak < 13 or 3 * peak < 24 * noise:
        return None
    least = min(max(60 * noise, 2 * peak), 5 * peak)
    ink = {p: v for p, v in ink.items() if v and 10 * v >= least}
    pieces = []
    rest = set(ink)
    while rest:
        piece, edge = set(), [rest.pop()]
        while edge:
            r, c = edge.pop()
            piece.add((r, c))
            near = {(r + i, c + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & rest
            rest -= near
            edge += near
        pieces.append({p: ink[p] for p in piece})
    heaviest = max(sum(piece.values()) for piece in pieces)
    ink = {p: v for q in pieces if 16 * sum(q.values()) >= heaviest for p, v in q.items()}
    top, left = min(r for r, _ in ink), min(c for _, c in ink)
    h, w = max(r for r, _ in ink) - top + 1, max(c for _, c in ink) - left + 1
    longer = max(h, w)
    rows, columns = (max(1, (40 * side + longer) // (2 * longer)) for side in (h, w))

    def shared(cell, cells, pixel, size):
        begin, end = Fraction(cell * size, cells), Fraction((cell + 1) * size, cells)
        return max(Fraction(0), min(end, pixel + 1) - max(begin, pixel))

    sums = [[Fraction(0)] * columns for _ in range(rows)]
    for (r, c), value in ink.items():
        for i in range(rows):
            if down_share := shared(i, rows, r - top, h):
                for j in range(columns):
                    sums[i][j] += value * down_share * shared(j, columns, c - left, w)
    most = max(map(max, sums))
    values = [[(510 * value + most) // (2 * most) for value in row] for row in sums]
    total = sum(map(sum, values))
    first = []
    for lines, size in ((values, rows), (list(zip(*values, strict=True)), columns)):
        moment = sum(i * sum(line) for i, line in enumerate(lines))
        first.append(min(max((29 * total - 2 * moment) // (2 * total), 0), 28 - size))
    digit = np.zeros((28, 28), np.uint8)
    digit[first[0] : first[0] + rows, first[1] : first[1] + columns] = values
    return digit


def check(image):
    expected = reference((image * np.uint8(255 if image.max() <= 1 else 1)).tolist())
    if expected is None:
        with pytest.raises(ValueError, match=r"images\[0\] must show a digit"):
            prepare_digits([image])
    else:
        np.testing.assert_array_equal(prepare_digits([image])[0], expected)


@st.composite
def pictures(draw):
    """Paper, some strokes, some noise, light from one side, either way round."""
    height, width = draw(st.integers(1, 45)), draw(st.integers(1, 45))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sigma = draw(st.sampled_from([0, 0, 2, 10, 40]))
    image = draw(st.integers(0, 255)) + random.normal(0, sigma, (height, width))
    for _ in range(draw(st.integers(0, 4))):
        top, left = random.integers(0, height), random.integers(0, width)
        bottom, right = top + random.integers(1, 20), left + random.integers(1, 6)
        image[top:bottom, left:right] = random.integers(0, 256)
    image += draw(st.integers(-60, 60)) * np.linspace(-0.5, 0.5, width)
    return image.clip(0, 255).round().astype(np.uint8)


@examples(150)
@given(pictures())
def test_every_pixel_is_that_of_the_documented_steps(image):
    check(image)


def test_digits_are_those_of_the_documented_steps(mnist):
    for image in (*mnist[1][0][:8], seven(), seven(noise=12)):
        check(image)


# Kinds of pictures


def test_dark_on_light_and_light_on_dark_become_the_same():
    np.testing.assert_array_equal(*prepare_digits([seven(), 255 - seven()]))


def coloured(grey):
    return np.repeat(grey[..., None], 3, axis=2)


def with_alpha(grey, alpha):
    return np.dstack([coloured(grey), alpha])


def transparent(ink):
    """Ink of one grey, opaque where the 7 is, on nothing."""
    drawn = seven(noise=0) < 100
    return with_alpha(np.full(drawn.shape, ink, np.uint8), np.where(drawn, 255, 0).astype(np.uint8))


CLEAN = seven(noise=0)
OTHER_FORMS = {
    "one channel": CLEAN[..., None],
    "grey and alpha": np.dstack([CLEAN, np.full_like(CLEAN, 255)]),
    "RGB": coloured(CLEAN),
    "opaque": with_alpha(CLEAN, np.full_like(CLEAN, 255)),
    "black on nothing": transparent(0),
    "white on nothing": transparent(255),
    "float, 0 to 1": CLEAN / 255,
    "float16, 0 to 1": (CLEAN / 255).astype(np.float16),
    "float, 0 to 255": CLEAN.astype(np.float32),
    "16 bits": CLEAN.astype(np.uint16) * 257,
    "int64": CLEAN.astype(np.int64),
    "bool": CLEAN > 100,
    "0 and 1": (CLEAN > 100).astype(np.uint8),
    "list": CLEAN.tolist(),
    "Fortran": np.asfortranarray(CLEAN),
}


@pytest.mark.parametrize("form", OTHER_FORMS)
def test_one_picture_in_any_form_gives_one_digit(form):
    np.testing.assert_array_equal(*prepare_digits([OTHER_FORMS[form], CLEAN]))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F"])
def test_a_pillow_image_of_any_mode_is_a_picture(mode):
    black_on_white = np.where(CLEAN > 100, 255, 0).astype(np.uint8)
    image = pytest.importorskip("PIL.Image").fromarray(black_on_white).convert("RGB").convert(mode)
    np.testing.assert_array_equal(*prepare_digits([image, black_on_white]))


def test_an_array_of_pictures_is_as_a_list_and_is_left_alone():
    stack = np.stack([seven(), 255 - seven()])
    stack.flags.writeable = False
    np.testing.assert_array_equal(prepare_digits(stack), prepare_digits(list(stack)))
    np.testing.assert_array_equal(prepare_digits(iter(stack)), prepare_digits(stack))
    assert prepare_digits([]).shape == (0, 28, 28)


def test_a_photograph_of_megapixels_becomes_the_digit_of_its_means():
    small = seven(150, 110)
    large = np.kron(small, np.ones((11, 11), np.uint8))
    large = np.pad(large, ((0, 5), (0, 3)), mode="edge")  # less than a block: left out
    assert max(large.shape) > 1600
    blocks = large[:1655, :1213]
    blocks = blocks[: 1655 // 5 * 5, : 1213 // 5 * 5]
    means = blocks.reshape(331, 5, 242, 5).sum((1, 3), dtype=int)
    np.testing.assert_array_equal(
        prepare_digits([large])[0], prepare_digits([(2 * means + 25) // 50])[0]
    )


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_a_photograph_takes_little_more_memory_than_its_grey(channels, dtype):
    photo = np.repeat(np.kron(seven(), np.ones((11, 11), np.uint8))[..., None], channels, axis=2)
    photo = photo.astype(dtype)
    if channels == 4:
        photo[..., 3] = 255
    tracemalloc.start()
    try:
        (digit,) = prepare_digits([photo])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(digit, prepare_digits([photo[..., :3]])[0])
    assert peak < photo.shape[0] * photo.shape[1] + 40e6


@pytest.mark.parametrize("pixels", [1, 2])
def test_specks_of_dust_are_left_out(pixels):
    dusty = seven(noise=0)
    dusty[140 : 140 + pixels, 5] = 0
    dusty[3, 100:102] = 0
    np.testing.assert_array_equal(*prepare_digits([dusty, seven(noise=0)]))


def test_light_from_one_side_is_no_ink():
    lit = seven() + np.linspace(-25, 25, 110)[None, :] + np.linspace(10, -10, 150)[:, None]
    (digit,) = prepare_digits([lit.clip(0, 255).astype(np.uint8)])
    assert np.abs(digit.astype(int) - prepare_digits([seven()])[0]).max() < 30


# Errors


EMPTY = {
    "white": np.full((9, 9), 255),
    "black": np.zeros((9, 9, 3), np.uint8),
    "transparent": np.zeros((9, 9, 4), np.uint8),
    "faint": np.full((9, 9), 200) - np.eye(9, dtype=int) * 12,
    "noise": np.random.default_rng(3).normal(180, 6, (300, 300)).astype(np.uint8),
}


@pytest.mark.parametrize("kind", EMPTY)
def test_a_picture_without_ink_is_named(kind):
    with pytest.raises(ValueError, match=r"images\[1\] must show a digit, but it is one grey"):
        prepare_digits([seven(), EMPTY[kind]])


@pytest.mark.parametrize(
    "shape", [(28, 28, 5), (28, 28, 0), (28,), (0, 28), (), (1, 28, 28, 3)], ids=str
)
def test_another_shape_is_named(shape):
    with pytest.raises(ValueError, match=r"images\[0\] must have shape \(height, width\)"):
        prepare_digits([np.ones(shape)])


@pytest.mark.parametrize(
    ("image", "error", "text"),
    [
        (-np.eye(5), ValueError, r"images\[0\] must hold values from 0 to 65535, got -1"),
        (np.full((5, 5), 7e4), ValueError, "from 0 to 65535, got 70000"),
        (np.full((5, 5), np.nan), ValueError, "from 0 to 65535, got nan"),
        (np.full((5, 5), "a"), TypeError, "must hold numbers, got dtype <U1"),
        ([[1, 2], [3]], ValueError, "must be an array of numbers, with rows of one length"),
        ("a.png", TypeError, "got dtype <U5; utils.load_img reads a file"),
        (Path("a.png"), TypeError, "got dtype object; utils.load_img reads a file"),
        (np.full((5, 5), 1j), TypeError, "must hold numbers, got dtype complex128"),
    ],
    ids=["negative", "large", "nan", "text", "ragged", "name", "path", "complex"],
)
def test_other_values_are_named(image, error, text):
    with pytest.raises(error, match=text):
        prepare_digits([image])


def test_what_is_no_list_of_pictures_is_named():
    for image in (seven(), np.ones(5), np.ones(())):
        with pytest.raises(ValueError, match=r"for one image give images\[None\]"):
            prepare_digits(image)
    with pytest.raises(ValueError, match=r"look like one image \(height, width, channels\)"):
        prepare_digits(coloured(seven()))
    for wrong in (3, "a.png", b"a", None, {}):
        with pytest.raises(TypeError, match="images must be a list of images or an array of them"):
            prepare_digits(wrong)


# What it is for


def pasted(images, seed=0):
    """Dark on light sheets of 60 x 60, 0.6 to 1.6 times as large, up to 6 pixels off the middle."""
    random = np.random.default_rng(seed)
    sheets = np.full((len(images), 60, 60), 255, np.uint8)
    for sheet, image in zip(sheets, images, strict=True):
        size = round(28 * random.uniform(0.6, 1.6))
        edges, pixels = np.linspace(0, 28, size + 1), np.arange(28)
        shares = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
        weights = shares.clip(0) * size / 28
        top, left = (60 - size) // 2 + random.integers(-6, 7, 2)
        place = sheet[top : top + size, left : left + size]
        place -= (weights @ image @ weights.T).round().astype(np.uint8)
    return sheets


@sanitizer.minutes
def test_digits_of_any_size_place_and_ink_are_read_as_well_as_mnist_s(mnist):
    (x, y), (x_test, y_test) = mnist
    pylenet.utils.set_random_seed(1)
    model = pylenet.models.lenet5_modern()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=128, epochs=2, verbose=0)
    x_test, y_test = x_test[:2000], y_test[:2000]
    _, plain = model.evaluate(x_test, y_test, verbose=0)
    _, again = model.evaluate(prepare_digits(pasted(x_test)), y_test, verbose=0)
    assert plain > 0.96
    assert again >= plain - 0.005
    _, unprepared = model.evaluate(255 - x_test, y_test, verbose=0)
    assert unprepared < plain - 0.2
