"""Read your own digits: one digit a file, drawn or photographed, dark on light or light on dark.

    python examples/own_digits.py three.png seven.pgm

At first a LeNet is trained on MNIST, for some seconds, and saved as --model; later it is loaded.
PNG, JPEG and the like need pillow (`pip install pillow`). Binary PGM files, and .npy files of grey
values (height, width), do not.
"""

import argparse
import re
from pathlib import Path

import numpy as np

from pylenet.datasets import mnist
from pylenet.models import lenet5_modern, load_model
from pylenet.utils import set_random_seed

SIZE, BOX = 28, 20  # of MNIST's images, and of the box around the digit in them
CENTRE = 14  # where the digit's centre of mass lies in MNIST: the index of a row and column
FAINT = 0.2  # of the strongest ink: what is fainter is paper


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    parser.add_argument("--model", type=Path, default=Path("own_digits.safetensors"))
    parser.add_argument(
        "--epochs", type=int, default=4, help="of training, where there is no model"
    )
    args = parser.parse_args()
    digits = []
    for path in args.images:
        try:
            digits.append(prepare_digit(read_grey(path)))
        except (OSError, ValueError, ImportError) as error:
            parser.error(f"{path}: {error}")
    model = load_model(args.model) if args.model.exists() else trained(args.model, args.epochs)
    for path, probabilities in zip(args.images, model.predict(np.stack(digits)), strict=True):
        print(f"{path}: {probabilities.argmax()} ({probabilities.max():.2f})")


def trained(path, epochs):
    (x, y), _ = mnist.load_data()
    set_random_seed(1)
    model = lenet5_modern()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=128, epochs=epochs)
    model.save(path)
    return model


def read_grey(path):
    """The image's grey values, (height, width)."""
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".pgm":
        return read_pgm(path)
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError("pip install pillow to read it, or give .pgm or .npy") from error
    with Image.open(path) as image:
        ink = ImageOps.exif_transpose(image).convert("RGBA")
    paper = Image.new("RGBA", ink.size, "white")  # where the image is transparent
    return np.asarray(Image.alpha_composite(paper, ink).convert("L"))


def read_pgm(path):
    data = path.read_bytes()
    header = re.match(rb"P5\s+(?:#.*\s+)*(\d+)\s+(\d+)\s+(\d+)\s", data)
    if not header or int(header[3]) > 255:
        raise ValueError("expected a binary PGM file (P5) of one byte a pixel")
    width, height = int(header[1]), int(header[2])
    pixels = np.frombuffer(data, np.uint8, offset=header.end())
    return pixels[: width * height].reshape(height, width)


def prepare_digit(grey):
    """The digit in grey values (height, width) as MNIST would have it: (28, 28), uint8.

    Ink is what differs from the border. Its box is brought to 20 cells, the longer side, and its
    centre of mass to row and column 14. Raises ValueError where there is no ink or no such array.
    """
    grey = np.asarray(grey, float)
    if grey.ndim != 2 or not grey.size:
        raise ValueError(f"an image must have shape (height, width), got {grey.shape}")
    paper = np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]))
    ink = abs(grey - paper)
    ink[ink < FAINT * ink.max()] = 0
    rows, columns = (np.flatnonzero(ink.any(axis)) for axis in (1, 0))
    if not rows.size:
        raise ValueError("an image must show a digit, got one grey alone")
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = (max(1, round(BOX * side / max(ink.shape))) for side in ink.shape)
    ink = averages(ink.shape[0], height) @ ink @ averages(ink.shape[1], width).T
    row, column = (ink.sum(1 - axis) @ np.arange(ink.shape[axis]) / ink.sum() for axis in (0, 1))
    top = int(np.clip(round(CENTRE - row), 0, SIZE - height))
    left = int(np.clip(round(CENTRE - column), 0, SIZE - width))
    digit = np.zeros((SIZE, SIZE), np.uint8)
    digit[top : top + height, left : left + width] = np.round(255 * ink / ink.max())
    return digit


def averages(size, cells):
    """The matrix (cells, size) that averages `size` values over `cells` equal stretches."""
    edges, starts = np.linspace(0, size, cells + 1), np.arange(size)
    shared = np.minimum(edges[1:, None], starts + 1) - np.maximum(edges[:-1, None], starts)
    return shared.clip(0) * cells / size


if __name__ == "__main__":
    main()
