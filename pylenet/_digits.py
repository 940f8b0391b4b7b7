"""Pictures of single digits, made to look like MNIST's: `utils.prepare_digits`.

The steps are those of MNIST's makers (Y. LeCun, C. Cortes, C. Burges, "The MNIST database"), after
the paper is told from the ink; docs/data.md has them one by one. All arithmetic is on whole
numbers, so that every machine, and any program that follows the steps, gives the same pixels.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

SIZE, BOX = 28, 20  # of MNIST's images, and of the longer side of a digit in them
CENTRE = 14  # where the centre of mass lies in MNIST: the index of a row and of a column
LONGEST = 400  # side of a picture that is looked at in full
STRIP = 1 << 18  # pixels that are made grey at a time
SCALES = (1, 255, 65535)  # what white may be
LUMA = (299, 587, 114)  # thousandths of red, green and blue in grey (ITU-R BT.601)
PLAIN = ("RGBA", "RGB", "LA", "L", "1", "F", "I", "I;16")  # Pillow's modes that are such values
FAINTEST = 13  # of 255: what differs less from the paper is no ink
NOISE = 6  # times the paper's median deviation: what differs less from the paper is paper
SPECK = 16  # ink that hangs together and is this many times less than the most is dirt


def prepare_digits(images: Any) -> Bytes:
    """Pictures of one digit each as MNIST would have them: (N, 28, 28), uint8, ink light.

    Ink is what differs from the picture's border, dark on light or light on dark. Noise of the
    paper and specks are left out. The ink's box is brought to 20 pixels, the longer side, its shape
    kept (each pixel averages the area that it covers), the strongest becomes 255, and the centre of
    mass comes to row and column 14. docs/data.md has each step. A picture gives the same pixels on
    every machine.

    images: arrays of any size, (height, width) or with 1 (grey), 2 (grey and alpha), 3 (RGB) or 4
        (RGBA) channels last, in a list, or one array of equal ones, (N, height, width[, channels]);
        also Pillow's images. White is 1, 255 or 65535: the least that no value of the picture
        exceeds. Where a picture is transparent its paper is white, or black where what one sees is
        light.
    Raises TypeError for what is no picture, ValueError for another shape, a value that is negative,
    NaN or above 65535, and a picture without ink; the text says which picture.
    """
    if isinstance(images, np.ndarray) and images.ndim < 3:
        raise ValueError(
            "images must be a list of images or an array (N, height, width[, channels]), got "
            f"shape {images.shape}; for one image give images[None]"
        )
    if isinstance(images, (str, bytes, dict)) or not isinstance(images, Iterable):
        raise TypeError(
            f"images must be a list of images or an array of them, got {type(images).__name__}"
        )
    if isinstance(images, np.ndarray) and images.ndim == 3 and images.shape[2] <= 4:
        raise ValueError(
            f"images of shape {images.shape} look like one image (height, width, channels): give "
            "images[None]"
        )
    digits = [digit_of(f"images[{index}]", image) for index, image in enumerate(images)]
    return np.stack(digits) if digits else np.zeros((0, SIZE, SIZE), np.uint8)


def digit_of(name: str, image: Any) -> Bytes:
    """One picture's digit, (28, 28)."""
    ink = _ink(name, _reduced(grey_of(name, image)))
    rows, columns = (np.flatnonzero(ink.any(axis)) for axis in (1, 0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    longer = max(ink.shape)
    height, width = (max(1, (2 * BOX * side + longer) // (2 * longer)) for side in ink.shape)
    sums = _areas(ink.shape[0], height) @ ink @ _areas(ink.shape[1], width).T
    highest = int(sums.max())
    values = (510 * sums + highest) // (2 * highest)
    digit = np.zeros((SIZE, SIZE), np.uint8)
    top, left = (_start(values, axis) for axis in (0, 1))
    digit[top : top + height, left : left + width] = values
    return digit


def grey_of(name: str, image: Any) -> Bytes:
    """Grey values (height, width) of any picture."""
    if getattr(image, "mode", PLAIN[0]) not in PLAIN:
        image = image.convert("RGBA")
    try:
        a = np.asarray(image, np.float64 if isinstance(image, (list, tuple)) else None)
    except ValueError:
        raise ValueError(f"{name} must be an array of numbers, with rows of one length") from None
    if a.dtype.kind not in "buif":
        read = "; utils.load_img reads a file" if isinstance(image, (str, os.PathLike)) else ""
        raise TypeError(f"{name} must hold numbers, got dtype {a.dtype}{read}")
    if not (a.ndim == 2 or (a.ndim == 3 and 1 <= a.shape[2] <= 4)) or not a.size:
        raise ValueError(
            f"{name} must have shape (height, width) or (height, width, channels) of 1 to 4 "
            f"channels, got {a.shape}"
        )
    a = a[..., None] if a.ndim == 2 else a
    scale = _scale(name, a)
    rows = max(1, STRIP // a.shape[1])
    strips = [slice(start, start + rows) for start in range(0, len(a), rows)]
    grey: Bytes = np.empty(a.shape[:2], np.uint8)
    for strip in strips:
        grey[strip] = _luma(_whole(a[strip], scale))
    if a.shape[2] in (2, 4):
        _lay_on_paper(grey, a[..., -1], scale, strips)
    return grey


def _scale(name: str, a: NDArray[Any]) -> int:
    """What is white in a picture: one of SCALES."""
    lowest, highest = float(a.min()), float(a.max())
    if not (lowest >= 0 and highest <= SCALES[-1]):
        value = lowest if lowest < 0 else highest
        raise ValueError(f"{name} must hold values from 0 to {SCALES[-1]}, got {value:g}")
    return next(scale for scale in SCALES if highest <= scale)


def _whole(values: NDArray[Any], scale: int) -> NDArray[np.int32]:
    """Values of this scale as 0 to 255."""
    if scale == 255 and values.dtype == np.uint8:
        return values.astype(np.int32)
    return np.floor(values.astype(np.float64) * (255 / scale) + 0.5).astype(np.int32)


def _luma(a: NDArray[np.int32]) -> NDArray[np.int32]:
    """The grey of (height, width, channels), alpha left out."""
    if a.shape[2] < 3:
        return a[..., 0]
    red, green, blue = (weight * a[..., i] for i, weight in enumerate(LUMA))
    grey: NDArray[np.int32] = (red + green + blue + 500) // 1000
    return grey


def _lay_on_paper(grey: Bytes, alpha: NDArray[Any], scale: int, strips: list[slice]) -> None:
    """Let the paper show through, white, or black where what one sees is light."""
    seen = total = 0
    for strip in strips:
        part = _whole(alpha[strip], scale)
        seen += int((grey[strip] * part).sum(dtype=np.int64))
        total += int(part.sum(dtype=np.int64))
    paper = 0 if 2 * seen > 255 * total else 255
    for strip in strips:
        part = _whole(alpha[strip], scale)
        grey[strip] = (grey[strip] * part + paper * (255 - part) + 127) // 255


def _reduced(grey: Bytes) -> Ints:
    """The picture at most LONGEST pixels long: the means of equal square blocks."""
    factor = -(-max(grey.shape) // LONGEST)
    if factor == 1:
        return grey.astype(np.int64)
    rows, columns = (min(factor, side) for side in grey.shape)
    height, width = grey.shape[0] // rows, grey.shape[1] // columns
    blocks = grey[: height * rows, : width * columns].reshape(height, rows, width, columns)
    area = rows * columns
    means: Ints = (2 * blocks.sum((1, 3), dtype=np.int64) + area) // (2 * area)
    return means


def _ink(name: str, grey: Ints) -> Ints:
    """How much each pixel differs from the paper towards the ink's side; 0 where it is paper."""
    paper, noise = _paper(grey)
    evenly_lit = grey - _shade(grey)
    other_paper, other_noise = _paper(evenly_lit)
    if 2 * other_noise < noise:
        grey, paper, noise = evenly_lit, other_paper, other_noise
    dark, light = (paper - grey).clip(0), (grey - paper).clip(0)
    ink = dark if _strength(dark, noise) >= _strength(light, noise) else light
    peak = int(ink.max())
    if peak < FAINTEST or 3 * peak < 4 * NOISE * noise:
        raise ValueError(f"{name} must show a digit, but it is one grey, or noise alone")
    ink[10 * ink < min(max(10 * NOISE * noise, 2 * peak), 5 * peak)] = 0  # of 10 peak, 2 to 5
    return _without_specks(ink)


def _paper(grey: Ints) -> tuple[int, int]:
    """The border's median, which is the paper, and the median distance from it, its noise."""
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    paper = _middle(border)
    return paper, _middle(abs(border - paper))


def _strength(ink: Ints, noise: int) -> int:
    """The sum of squares of what is no noise."""
    return int((ink[ink >= NOISE * noise] ** 2).sum())


def _shade(grey: Ints) -> Ints:
    """What light from one side adds to each pixel: a plane through the four borders."""
    down, right = (
        (_middle(across[-1]) - _middle(across[0]))
        * (2 * np.arange(len(across)) - len(across) + 1)
        // (2 * max(len(across) - 1, 1))
        for across in (grey, grey.T)
    )
    shade: Ints = down[:, None] + right
    return shade


def _middle(values: Ints) -> int:
    """The median; of an even number the upper of the two in the middle."""
    return int(np.sort(values)[len(values) // 2])


def _without_specks(ink: Ints) -> Ints:
    """The ink without pieces that are SPECK times less than the largest one.

    A piece is what hangs together, diagonally too; it is as large as its sum. Pieces are found as
    runs of ink in rows that touch a run in the row above.
    """
    width = ink.shape[1] + 2
    changes = np.diff(np.pad(ink > 0, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    rows, starts = np.nonzero(changes > 0)
    ends = np.nonzero(changes < 0)[1]
    sums = np.pad(ink.cumsum(1), ((0, 0), (1, 0)))
    masses = (sums[rows, ends] - sums[rows, starts]).tolist()
    above = (rows - 1) * width
    first = np.searchsorted(rows * width + ends, above + starts, "left").tolist()
    last = np.searchsorted(rows * width + starts, above + ends, "right").tolist()
    piece = list(range(len(rows)))  # of each run, by a run of it that comes no later

    def root(run: int) -> int:
        while piece[run] != run:
            piece[run] = run = piece[piece[run]]
        return run

    for run, (begin, end) in enumerate(zip(first, last, strict=True)):
        for other in range(begin, end):
            one, two = root(run), root(other)
            piece[max(one, two)] = min(one, two)
    roots = [root(run) for run in piece]
    largest = dict.fromkeys(roots, 0)
    for run, mass in zip(roots, masses, strict=True):
        largest[run] += mass
    least = max(largest.values())
    for run, row, start, end in zip(roots, rows, starts, ends, strict=True):
        if SPECK * largest[run] < least:
            ink[row, start:end] = 0
    return ink


def _areas(size: int, cells: int) -> NDArray[np.float64]:
    """(cells, size): how much of each pixel each of `cells` equal stretches covers, times `cells`.

    Whole numbers. As float64, which is quicker to multiply, and exact below 2**53.
    """
    edges, pixels = np.arange(cells + 1) * size, np.arange(size) * cells
    shared = np.minimum(edges[1:, None], pixels + cells) - np.maximum(edges[:-1, None], pixels)
    return shared.clip(0).astype(np.float64)


def _start(values: NDArray[Any], axis: int) -> int:
    """The first row (axis 0) or column of a digit whose centre of mass comes to CENTRE."""
    total = int(values.sum())
    moment = int(values.sum(1 - axis) @ np.arange(values.shape[axis]))
    start = ((2 * CENTRE + 1) * total - 2 * moment) // (2 * total)
    return min(max(start, 0), SIZE - int(values.shape[axis]))
