"""Grids of images: data, distorted data, and what a model gets wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .. import _arrays, _check
from ..augmentation import RandomAffine
from ..models import Sequential
from . import _sheet
from ._classes import answers_of, labels_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ..quantization import QuantizedModel

COLUMNS = 10
SIDE, GAP, LINE = 0.75, 0.12, 0.17  # inches: of an image, between images, of a line of text
LETTER = 0.085  # inches


def as_pictures(name: str, x: Any) -> tuple[NDArray[Any], tuple[float, float]]:
    """Images as a plot draws them, and the values of its lightest and darkest grey.

    x: (N, height, width), with or without channels, 1 or 3; or (N, pixels) of square images.
    (N, height, width), or (N, height, width, 3) as colours from 0 to 1.
    """
    given = np.asarray(x)
    values = _arrays.numbers(name, given)
    if values.ndim == 2 and (side := round(values.shape[1] ** 0.5)) ** 2 == values.shape[1]:
        values = values.reshape(len(values), side, side)
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3 and not (values.ndim == 4 and values.shape[3] == 3):
        raise ValueError(
            f"{name} must hold images (height, width), of one channel or three, "
            f"got shape {np.shape(x)}"
        )
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    low, high = min(0.0, float(finite.min(initial=0))), float(finite.max(initial=0))
    if given.dtype == bool:
        high = 1.0
    elif values.dtype == np.uint8 or (1 < high <= 255 and low == 0):
        high = 255.0
    if high <= low:
        high = low + 1
    if values.ndim == 4:
        values = np.clip((values - low) / (high - low), 0, 1)
    return values, (low, high)


class Grid:
    """A sheet with rows of images, each under some lines of text."""

    def __init__(
        self,
        ax: Axes | None,
        caption: str,
        pictures: NDArray[Any],
        texts: Sequence[Sequence[str]],
        columns: int = COLUMNS,
    ) -> None:
        height, width = pictures.shape[1:3]
        lines = max(map(len, texts), default=0)
        longest = max((len(line) for text in texts for line in text), default=0)
        scale = SIDE / max(height, width, 1)
        self.size = width * scale, height * scale
        self.step = (
            max(self.size[0] + GAP, longest * LETTER + 0.05),
            self.size[1] + GAP + LINE * lines,
        )
        columns = max(1, min(columns, len(pictures)))
        rows = max(1, -(-len(pictures) // columns))
        self.sheet = _sheet.Sheet(ax, caption, columns * self.step[0], rows * self.step[1])
        self.columns, self.lines = columns, lines

    def draw(
        self, pictures: NDArray[Any], texts: Sequence[Sequence[str]], limits: tuple[float, float]
    ) -> Any:
        """The images row by row; returns the Axes."""
        for place, picture in enumerate(pictures):
            row, column = divmod(place, self.columns)
            x, y = column * self.step[0], row * self.step[1]
            for line, text in enumerate(texts[place]) if texts else ():
                self.sheet.text(text, x, y + LINE * (line + 0.5), fontsize=_sheet.SMALL)
            self.sheet.picture(picture, (x, y + LINE * self.lines), self.size, limits=limits)
        return self.sheet.ax


def _grid(
    ax: Axes | None,
    caption: str,
    shown: NDArray[Any],
    texts: Sequence[Sequence[str]],
    limits: tuple[float, float],
    columns: int = COLUMNS,
) -> Any:
    return Grid(ax, caption, shown, texts, columns).draw(shown, texts, limits)


def images(
    x: NDArray[Any],
    y: NDArray[Any] | None = None,
    *,
    class_names: Sequence[str] | None = None,
    most: int = 50,
    ax: Axes | None = None,
) -> Axes:
    """Images, each under its label.

    x: (N, height, width[, channels]), numbers of any dtype, of one channel or three; ink, which has
    the largest values, is drawn black. y: labels (N,) or one-hot. class_names: what labels are
    called. most: how many are drawn, the first ones.
    """
    most = _check.integer("most", most, 1)
    pictures, limits = as_pictures("x", x)
    count = len(pictures)
    texts: list[tuple[str, ...]] = []
    if y is not None:
        shape = np.shape(y)
        classes = shape[1] if len(shape) == 2 and shape[1] > 1 else 2**31
        labels = labels_of(y, count, classes)
        texts = [(_name(label, class_names),) for label in labels[:most].tolist()]
    shown = pictures[:most]
    of = f"The first {len(shown)} of {count:,} images" if count > len(shown) else f"{count} images"
    caption = f"{of}, each under its label." if y is not None else f"{of}."
    return _grid(ax, caption, shown, texts, limits)


def _name(label: int, class_names: Sequence[str] | None) -> str:
    if class_names is None:
        return str(label)
    if label >= len(class_names):
        raise ValueError(f"class_names must have a name for label {label}, got {class_names!r}")
    return _check.text("class_names", class_names[label])


def mistakes(
    model: Sequential | QuantizedModel,
    x: NDArray[Any],
    y: NDArray[Any],
    *,
    most: int = 30,
    ax: Axes | None = None,
) -> Axes:
    """The images that the model gets wrong, those first of which it is surest.

    x, y: images as the model takes them, and their labels, (N,) or one-hot (N, classes). Above
    each stand its label, an arrow, the model's answer and the probability it gives to it. (Of a
    model whose outputs are no probabilities, and whose loss does not tell how they become some,
    the answer's output.) most: how many are drawn. Raises ValueError for outputs that are not
    finite.
    """
    most = _check.integer("most", most, 1)
    x = np.atleast_1d(x)
    as_pictures("x", x[:1])  # refuses what cannot be drawn before the model answers
    found = answers_of(model, x, y)
    wrong = np.flatnonzero(found.answers != found.labels)
    surest = wrong[np.argsort(-found.values[wrong], kind="stable")][:most]
    pictures, limits = as_pictures("x", x[surest])
    names = found.names
    texts = [
        (f"{names[label]} \N{RIGHTWARDS ARROW} {names[answer]}", f"{value:.3f}")
        for label, answer, value in zip(
            found.labels[surest].tolist(),
            found.answers[surest].tolist(),
            found.values[surest].tolist(),
            strict=True,
        )
    ]
    caption = f"{model.name} gets {len(wrong):,} of {len(found.labels):,} images wrong"
    if len(wrong):
        first = "the surest" if len(surest) == len(wrong) else f"the {len(surest)} surest"
        caption += (
            f"; {first} first. Above each: label \N{RIGHTWARDS ARROW} answer, and the answer's "
            f"{found.value_name}."
        )
    else:
        caption += ": there is nothing to show."
    return _grid(ax, caption, pictures, texts, limits)


def augmented(
    distort: RandomAffine,
    x: NDArray[Any],
    *,
    epochs: int = 8,
    most: int = 6,
    ax: Axes | None = None,
) -> Axes:
    """Images, and beside each what a training sees of it in its first epochs.

    distort: a RandomAffine. x: the training images (N, height, width[, channels]); the first
    `most` are drawn, in a row each.
    """
    if not isinstance(distort, RandomAffine):
        raise TypeError(f"distort must be an augmentation.RandomAffine, got {distort!r}")
    epochs, most = _check.integer("epochs", epochs, 1), _check.integer("most", most, 1)
    first = np.atleast_1d(x)[:most]
    _, limits = as_pictures("x", first)
    seen = [first.astype(np.float32), *(distort(first, epoch=epoch) for epoch in range(epochs))]
    shown = np.stack(seen, axis=1).reshape(-1, *first.shape[1:])
    pictures, _ = as_pictures("x", shown)
    texts = [(name,) for name in ("as it is", *(f"epoch {i + 1}" for i in range(epochs)))]
    texts = [text if row == 0 else ("",) for row in range(len(first)) for text in texts]
    caption = f"{len(first)} training images, and as {distort!r} gives them to each epoch."
    return _grid(ax, caption, pictures, texts, limits, epochs + 1)
