"""Images from files and arrays, and ImageDataGenerator, which distorts them while it gives them.

Images are (height, width, channels), values 0 to 255 unless said. Files are read and written by
pillow, which `pip install "pylenet[images]"` brings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _check, _missing, _pictures, _random
from .._warn import warn
from ..utils import PyDataset, img_to_array, load_img, to_categorical

__all__ = [
    "ImageDataGenerator",
    "array_to_img",
    "img_to_array",
    "load_img",
    "save_img",
]

__getattr__ = _missing.of(__name__)

Floats = NDArray[np.float32]
LABELS = ("categorical", "binary", "sparse", "input", None)
FILLS = ("nearest", "constant", "reflect", "wrap")
SMALL = 1e-6  # added to a deviation that is divided by


def array_to_img(x: NDArray[Any], data_format: str | None = None, scale: bool = True) -> Any:
    """An array (height, width, 1, 3 or 4) as an image of pillow.

    scale: stretch the values, from the least to the largest, to 0 to 255.
    """
    _check_format(data_format)
    array = np.asarray(x, np.float32)
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise ValueError(f"x must have shape (height, width, 1, 3 or 4), got {np.shape(x)}")
    if _check.boolean("scale", scale):
        array = array - array.min()
        array = array * (255 / (array.max() or 1))
    array = array.clip(0, 255).astype(np.uint8)
    return _pictures.pillow()[0].fromarray(array[..., 0] if array.shape[2] == 1 else array)


def save_img(
    path: str | os.PathLike[str],
    x: NDArray[Any],
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
) -> None:
    """Write an array as an image, in the format that its name ends in unless one is given."""
    array_to_img(x, data_format, scale).save(path, file_format)


class ImageDataGenerator:
    """Batches of images, distorted anew each time: `model.fit(generator.flow(x, y))`.

    Of each image, drawn uniformly and for itself:

    - rotation_range: degrees, either way.
    - width_shift_range, height_shift_range: columns and rows, either way; below 1 a share of them,
      a list is of the columns or rows to choose from, of either sign.
    - shear_range: degrees, either way. zoom_range: (least, most) for height and width each, or z
      for (1 - z, 1 + z); the image grows where it is below 1.
    - channel_shift_range: what is added to all values. brightness_range: (least, most) factor.
    - horizontal_flip, vertical_flip: turned over, or not, with equal chances.

    Values are interpolated bilinearly. fill_mode: outside the image "nearest", "constant" (cval),
    "reflect" or "wrap". Then, in this order: preprocessing_function(image), rescale (a factor),
    samplewise_center and _std_normalization (of the image itself), featurewise_center and
    _std_normalization (of what `fit` was given, by channel). validation_split: the share that
    subset="validation" is, the first one, and subset="training" is not.

    Unlike Keras's, which in its version 3.15 moves rows by width_shift_range and columns by
    height_shift_range, and turns images that are not square about another point than their centre.
    For training a pylenet model `augmentation.RandomAffine` does the like in the training step,
    much faster. Raises ValueError for zca_whitening and "channels_first".
    """

    def __init__(
        self,
        featurewise_center: bool = False,
        samplewise_center: bool = False,
        featurewise_std_normalization: bool = False,
        samplewise_std_normalization: bool = False,
        zca_whitening: bool = False,
        zca_epsilon: float = 1e-6,
        rotation_range: float = 0,
        width_shift_range: Any = 0.0,
        height_shift_range: Any = 0.0,
        brightness_range: Sequence[float] | None = None,
        shear_range: float = 0.0,
        zoom_range: Any = 0.0,
        channel_shift_range: float = 0.0,
        fill_mode: str = "nearest",
        cval: float = 0.0,
        horizontal_flip: bool = False,
        vertical_flip: bool = False,
        rescale: float | None = None,
        preprocessing_function: Callable[[NDArray[Any]], NDArray[Any]] | None = None,
        data_format: str | None = None,
        validation_split: float = 0.0,
        dtype: Any = None,
    ) -> None:
        if zca_whitening:
            raise ValueError("zca_whitening must be False: whiten the images with numpy first")
        if dtype not in (None, "float32", np.float32):
            raise ValueError(f"dtype must be 'float32', got {dtype!r}")
        _check_format(data_format)
        self.featurewise_center = _check.boolean("featurewise_center", featurewise_center)
        self.samplewise_center = _check.boolean("samplewise_center", samplewise_center)
        self.featurewise_std_normalization = _check.boolean(
            "featurewise_std_normalization", featurewise_std_normalization
        )
        self.samplewise_std_normalization = _check.boolean(
            "samplewise_std_normalization", samplewise_std_normalization
        )
        self.rotation_range = _check.real("rotation_range", rotation_range, "[0, inf)")
        self.width_shift_range = _shift("width_shift_range", width_shift_range)
        self.height_shift_range = _shift("height_shift_range", height_shift_range)
        self.brightness_range = None
        if brightness_range is not None:
            self.brightness_range = _pair("brightness_range", brightness_range)
        self.shear_range = _check.real("shear_range", shear_range, "[0, inf)")
        if isinstance(zoom_range, (tuple, list, np.ndarray)):
            self.zoom_range = _pair("zoom_range", zoom_range)
        else:
            zoom = _check.real("zoom_range", zoom_range, "[0, 1)")
            self.zoom_range = 1 - zoom, 1 + zoom
        self.channel_shift_range = _check.real("channel_shift_range", channel_shift_range)
        self.fill_mode = _check.one_of("fill_mode", fill_mode, FILLS)
        self.cval = _check.real("cval", cval)
        self.horizontal_flip = _check.boolean("horizontal_flip", horizontal_flip)
        self.vertical_flip = _check.boolean("vertical_flip", vertical_flip)
        self.rescale = None if rescale is None else _check.real("rescale", rescale)
        self.preprocessing_function = preprocessing_function
        self.validation_split = _check.real("validation_split", validation_split, "[0, 1)")
        self.mean: Floats | None = None  # by channel, from `fit`
        self.std: Floats | None = None

    def fit(
        self, x: NDArray[Any], augment: bool = False, rounds: int = 1, seed: int | None = None
    ) -> None:
        """Take mean and standard deviation of each channel, for the featurewise settings.

        x: (N, height, width, channels). augment: of `rounds` distortions of x, not of x.
        """
        images = _images(x)
        if _check.boolean("augment", augment):
            rng = _generator(seed)
            count = _check.integer("rounds", rounds, 1)
            whole = images.astype(np.float32)
            images = np.concatenate([self._distorted(whole, rng) for _ in range(count)])
        self.mean = images.mean((0, 1, 2), np.float64).astype(np.float32)
        self.std = images.std((0, 1, 2), np.float64).astype(np.float32)

    def flow(
        self,
        x: NDArray[Any],
        y: Any = None,
        batch_size: int = 32,
        shuffle: bool = True,
        sample_weight: Any = None,
        seed: int | None = None,
        *,
        subset: str | None = None,
    ) -> ImageBatches:
        """Batches (images, targets) of arrays, or (images, targets, sample_weight), without an end.

        x: (N, height, width, channels). subset: "training" or "validation", of validation_split.
        seed: for the same order and distortions each time; drawn if None.
        """
        images = _images(x)
        with_them = [None if a is None else np.asarray(a) for a in (y, sample_weight)]
        for a in with_them:
            if a is not None and len(a) != len(images):
                raise ValueError(f"y must hold {len(images)} targets, got {len(a)}")
        part = self._subset(_places(images), subset)
        return ImageBatches(self, part, images.__getitem__, batch_size, shuffle, seed, *with_them)

    def flow_from_directory(
        self,
        directory: str | os.PathLike[str],
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[str] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        *,
        subset: str | None = None,
        interpolation: str = "nearest",
    ) -> ImageBatches:
        """Batches of the images in a folder's folders, one for each class; read when asked for.

        classes: the folders, in the order of their labels; if None, all by name. class_mode:
        "categorical" gives one-hot targets, "sparse" and "binary" labels, "input" the images, None
        no targets. target_size, color_mode, interpolation: as load_img's. The rest as in `flow`;
        the validation share is of each class. What is given has `class_indices`, `classes` (labels)
        and `filenames`. Raises FileNotFoundError where there is no image.
        """
        folder = Path(directory)
        if class_mode not in LABELS:
            raise ValueError(f"class_mode must be one of {list(LABELS)}, got {class_mode!r}")
        if not folder.is_dir():
            raise FileNotFoundError(f"directory must be a folder, got {os.fspath(directory)!r}")
        names = classes or sorted(path.name for path in folder.iterdir() if path.is_dir())
        files, labels = [], []
        for label, name in enumerate(names):
            own = [
                p
                for p in sorted((folder / name).rglob("*"))
                if p.suffix.lower() in _pictures.SUFFIXES
            ]
            chosen = self._subset(np.arange(len(own)), subset)
            files += [own[i] for i in chosen]
            labels += [label] * len(chosen)
        if not files:
            raise FileNotFoundError(
                f"directory must hold a folder of images for each class, got {str(folder)!r}"
            )
        read = _reader(files, color_mode, target_size, interpolation)
        targets = _targets(np.array(labels), class_mode, len(names))
        batches = ImageBatches(self, _places(files), read, batch_size, shuffle, seed, targets)
        batches.repeats_images = class_mode == "input"
        batches.class_indices = {name: label for label, name in enumerate(names)}
        batches.classes = np.array(labels)
        batches.filenames = [str(path.relative_to(folder)) for path in files]
        return batches

    def flow_from_dataframe(
        self,
        dataframe: Any,
        directory: str | os.PathLike[str] | None = None,
        x_col: str = "filename",
        y_col: Any = "class",
        weight_col: str | None = None,
        target_size: tuple[int, int] = (256, 256),
        color_mode: str = "rgb",
        classes: Sequence[Any] | None = None,
        class_mode: str | None = "categorical",
        batch_size: int = 32,
        shuffle: bool = True,
        seed: int | None = None,
        *,
        subset: str | None = None,
        interpolation: str = "nearest",
        validate_filenames: bool = True,
    ) -> ImageBatches:
        """Batches of the images that a data frame names, read when asked for.

        dataframe: of pandas, or any object that gives a column for its name. x_col: files' names,
        in `directory` where they are not absolute. y_col: classes, or for class_mode "raw" numbers,
        then it may be a list of columns. weight_col: samples' weights. classes: in the order of
        their labels; if None, all in order. Rows of other classes are left out, and so are, with a
        warning, those whose file is not there, unless validate_filenames is False. The rest as in
        `flow_from_directory`; the validation share is that of the rows.
        """
        if class_mode not in (*LABELS, "raw"):
            raise ValueError(f"class_mode must be one of {[*LABELS, 'raw']}, got {class_mode!r}")
        folder = Path("" if directory is None else directory)
        files = [folder / str(name) for name in dataframe[x_col]]
        kept = np.ones(len(files), bool)
        if _check.boolean("validate_filenames", validate_filenames):
            kept = np.array([path.is_file() for path in files], bool)
            if not kept.all():
                lost = files[int(np.argmin(kept))]
                warn(
                    f"{np.sum(~kept)} rows are left out, whose file is not there, as {str(lost)!r}"
                )
        names: list[Any] = []
        labels, targets = None, None
        if class_mode == "raw":
            columns = y_col if isinstance(y_col, (list, tuple)) else [y_col]
            values = np.stack([np.asarray(dataframe[column]) for column in columns], axis=1)
            targets = values if isinstance(y_col, (list, tuple)) else values[:, 0]
        elif class_mode in ("categorical", "binary", "sparse"):
            found = list(dataframe[y_col])
            names = sorted(set(found)) if classes is None else list(classes)
            kept &= np.array([name in names for name in found], bool)
            labels = np.array([names.index(name) if name in names else 0 for name in found])
            targets = _targets(labels, class_mode, len(names))
        index = self._subset(np.flatnonzero(kept), subset)
        if not len(index):
            raise ValueError(f"dataframe must name an image or more, got none in {x_col!r}")
        weights = None if weight_col is None else np.asarray(dataframe[weight_col])
        read = _reader(files, color_mode, target_size, interpolation)
        batches = ImageBatches(self, index, read, batch_size, shuffle, seed, targets, weights)
        batches.repeats_images = class_mode == "input"
        batches.class_indices = {name: label for label, name in enumerate(names)}
        batches.classes = np.array([], int) if labels is None else labels[index]
        batches.filenames = [str(name) for name in np.asarray(dataframe[x_col])[index]]
        return batches

    def standardize(self, x: NDArray[Any]) -> Floats:
        """One image, or several, as they are given after the distortion. x stays as it is."""
        x = np.array(x, np.float32)
        found = self._standardized(x[None] if x.ndim == 3 else x)
        return np.asarray(found[0] if x.ndim == 3 else found)

    def random_transform(self, x: NDArray[Any], seed: int | None = None) -> Floats:
        """One image, distorted."""
        return np.asarray(self._distorted(np.asarray(x, np.float32)[None], _generator(seed))[0])

    def _standardized(self, x: Floats) -> Floats:
        if self.preprocessing_function is not None:
            made = [self.preprocessing_function(image) for image in x]
            x = np.asarray(np.stack(made), np.float32)
        if self.rescale is not None:
            x = x * np.float32(self.rescale)
        if self.samplewise_center:
            x = x - x.mean((1, 2, 3), keepdims=True)
        if self.samplewise_std_normalization:
            x = x / (x.std((1, 2, 3), keepdims=True) + np.float32(SMALL))
        if self.featurewise_center or self.featurewise_std_normalization:
            if self.mean is None or self.std is None:
                raise ValueError("fit(x) must be called first for the featurewise settings")
            if self.featurewise_center:
                x = x - self.mean
            if self.featurewise_std_normalization:
                x = x / (self.std + np.float32(SMALL))
        return x

    def _distorted(self, x: Floats, rng: np.random.Generator) -> Floats:
        """Images, each with distortions of its own."""
        count, height, width, _ = x.shape
        angle = np.deg2rad(rng.uniform(-1, 1, count) * self.rotation_range)
        right = _drawn_shift(rng, self.width_shift_range, count, width)
        down = _drawn_shift(rng, self.height_shift_range, count, height)
        shear = np.deg2rad(rng.uniform(-1, 1, count) * self.shear_range)
        zoom = rng.uniform(*self.zoom_range, (count, 2))
        if angle.any() or right.any() or down.any() or shear.any() or (zoom != 1).any():
            x = _moved(x, _matrices(angle, right, down, shear, zoom), self.fill_mode, self.cval)
        if self.channel_shift_range:
            added = rng.uniform(-1, 1, (count, 1, 1, 1)) * self.channel_shift_range
            least, most = x.min((1, 2, 3), keepdims=True), x.max((1, 2, 3), keepdims=True)
            x = np.clip(x + added.astype(np.float32), least, most)
        if self.horizontal_flip:
            turned = rng.random((count, 1, 1, 1)) < 0.5
            x = np.where(turned, x[:, :, ::-1], x)
        if self.vertical_flip:
            turned = rng.random((count, 1, 1, 1)) < 0.5
            x = np.where(turned, x[:, ::-1], x)
        if self.brightness_range is not None:
            factor = rng.uniform(*self.brightness_range, (count, 1, 1, 1))
            x = np.clip(x * factor.astype(np.float32), 0, 255)
        return x

    def _subset(self, index: NDArray[np.int64], subset: str | None) -> NDArray[np.int64]:
        if subset is None:
            return index
        _check.one_of("subset", subset, ("training", "validation"))
        if not self.validation_split:
            raise ValueError(f"subset={subset!r} needs a validation_split, got 0")
        kept = int(self.validation_split * len(index))
        return index[:kept] if subset == "validation" else index[kept:]


class ImageBatches(PyDataset):
    """What ImageDataGenerator gives: batches by number, and one after the other without an end.

    n, samples: images. len(...): batches of one pass. What is drawn for an image depends on the
    seed, the pass and its place, so it is the same whatever asked before.
    """

    class_indices: dict[str, int]
    classes: NDArray[np.int64]
    filenames: list[str]
    repeats_images = False  # whether they are the targets, too

    def __init__(
        self,
        generator: ImageDataGenerator,
        index: NDArray[np.int64],
        read: Callable[[NDArray[np.int64]], NDArray[Any]],
        batch_size: int,
        shuffle: bool,
        seed: int | None,
        targets: NDArray[Any] | None = None,
        weights: NDArray[Any] | None = None,
    ) -> None:
        super().__init__()
        if not len(index):
            raise ValueError("x must hold at least one image, got none")
        self.n = self.samples = len(index)
        self.batch_size = _check.integer("batch_size", batch_size, 1)
        self.shuffle = _check.boolean("shuffle", shuffle)
        if seed is None:
            seed = int(_random.generator().integers(2**63))
        self.seed = _check.unsigned("seed", seed, 64)
        self._generator, self._index, self._read = generator, index, read
        self._with_them = [a for a in (targets, weights) if a is not None]
        self.reset()

    def __len__(self) -> int:
        return -(-self.n // self.batch_size)

    def __getitem__(self, index: int) -> Any:
        """The batch at this place of the present pass, from 0."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"index must be below {len(self)}, got {index}")
        index %= len(self)
        part = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        rng = np.random.default_rng((self.seed, self._pass, index))
        images = self._generator._standardized(
            self._generator._distorted(np.asarray(self._read(part), np.float32), rng)
        )
        others = [a[part] for a in self._with_them]
        if self.repeats_images:
            others = [images, *others]
        return (images, *others) if others else images

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._next == len(self):
            self.on_epoch_end()
        self._next += 1
        return self[self._next - 1]

    def on_epoch_end(self) -> None:
        """Begin a new pass, in a new order where `shuffle`."""
        self._pass += 1
        self._begin()

    def reset(self) -> None:
        """Begin the first pass again."""
        self._pass = 0
        self._begin()

    def _begin(self) -> None:
        self._next, self._order = 0, self._index
        if self.shuffle:
            self._order = np.random.default_rng((self.seed, self._pass)).permutation(self._index)


def _places(samples: Sequence[Any] | NDArray[Any]) -> NDArray[np.int64]:
    return np.arange(len(samples))


def _reader(
    files: Sequence[Path], color_mode: str, target_size: tuple[int, int], interpolation: str
) -> Callable[[NDArray[np.int64]], NDArray[Any]]:
    """What reads the images at these places of `files`."""

    def read(index: NDArray[np.int64]) -> NDArray[Any]:
        images = [load_img(files[i], color_mode, target_size, interpolation) for i in index]
        return np.stack([img_to_array(image) for image in images])

    return read


def _targets(
    labels: NDArray[np.int64], class_mode: str | None, classes: int
) -> NDArray[Any] | None:
    if class_mode in (None, "input"):
        return None
    return to_categorical(labels, classes) if class_mode == "categorical" else labels


def _matrices(
    angle: NDArray[np.float64],
    right: NDArray[np.float64],
    down: NDArray[np.float64],
    shear: NDArray[np.float64],
    zoom: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(N, 2, 3): from a place (x, y) in the new image, 0 in the middle, to that in the old one."""
    cos, sin, one, zero = np.cos(angle), np.sin(angle), np.ones(len(angle)), np.zeros(len(angle))
    turn = np.array([[cos, -sin], [sin, cos]]).transpose(2, 0, 1)
    lean = np.array([[one, -np.sin(shear)], [zero, np.cos(shear)]]).transpose(2, 0, 1)
    linear = turn @ lean * zoom[:, None, ::-1]
    return np.concatenate([linear, turn @ np.array([right, down]).T[..., None]], axis=2)


def _moved(x: Floats, matrices: NDArray[np.float64], fill_mode: str, cval: float) -> Floats:
    """Images (N, height, width, channels), each through its matrix, bilinearly."""
    count, height, width, channels = x.shape
    rows, columns = np.mgrid[:height, :width].reshape(2, -1)
    middle = np.array([[(width - 1) / 2], [(height - 1) / 2]])
    places = np.stack([columns - middle[0], rows - middle[1], np.ones(rows.size)])
    at_x, at_y = (matrices @ places + middle).transpose(1, 0, 2)
    outside = (at_x < 0) | (at_x > width - 1) | (at_y < 0) | (at_y > height - 1)
    (left, right, of_right), (top, bottom, of_bottom) = (
        _neighbours(at_x, width, fill_mode),
        _neighbours(at_y, height, fill_mode),
    )
    flat = x.reshape(count, height * width, channels)
    image = np.arange(count)[:, None]
    upper = flat[image, top * width + left] * (1 - of_right)
    upper += flat[image, top * width + right] * of_right
    lower = flat[image, bottom * width + left] * (1 - of_right)
    lower += flat[image, bottom * width + right] * of_right
    found: Floats = upper * (1 - of_bottom) + lower * of_bottom
    if fill_mode == "constant":
        found[outside] = cval
    return found.reshape(x.shape)


def _neighbours(
    at: NDArray[np.float64], size: int, fill_mode: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """The two pixels on both sides of places in a row of pixels, and how near the second is."""
    before = np.floor(at)
    share = (at - before).astype(np.float32)[..., None]
    first = before.astype(np.int64)
    pair = first, first + 1
    if fill_mode == "wrap":
        first, second = (i % size for i in pair)
    elif fill_mode == "reflect":
        first, second = (np.minimum(i % (2 * size), 2 * size - 1 - i % (2 * size)) for i in pair)
    else:
        first, second = (i.clip(0, size - 1) for i in pair)
    return first, second, share


def _drawn_shift(
    rng: np.random.Generator, shifts: float | tuple[float, ...], count: int, size: int
) -> NDArray[np.float64]:
    """Pixels by which each image moves, from new places to old ones."""
    if isinstance(shifts, tuple):
        drawn = rng.choice(shifts, count) * rng.choice((-1.0, 1.0), count)
        return np.asarray(drawn * (size if max(shifts) < 1 else 1))
    return np.asarray(rng.uniform(-1, 1, count) * shifts * (size if shifts < 1 else 1))


def _shift(name: str, value: Any) -> float | tuple[float, ...]:
    if isinstance(value, (tuple, list, np.ndarray)):
        if not len(value):
            raise ValueError(f"{name} must hold one number or more, got none")
        return tuple(_check.real(name, float(number)) for number in value)
    if isinstance(value, int) and value >= 1:  # whole pixels, as in Keras: less than the number
        return tuple(float(number) for number in range(value))
    return _check.real(name, value, "[0, inf)")


def _pair(name: str, value: Any) -> tuple[float, float]:
    if len(value) != 2:
        raise ValueError(f"{name} must hold two numbers, got {value!r}")
    least, most = (_check.real(name, float(number), "[0, inf)") for number in value)
    if most < least:
        raise ValueError(f"{name} must hold the lesser number first, got {value!r}")
    return least, most


def _images(x: Any) -> NDArray[Any]:
    images = np.asarray(x)
    if images.ndim != 4 or images.dtype.kind not in "buif":
        raise ValueError(
            f"x must hold images, shape (N, height, width, channels), got {images.shape} of "
            f"{images.dtype}"
        )
    return images


def _generator(seed: int | None) -> np.random.Generator:
    return _random.generator() if seed is None else np.random.default_rng(seed)


def _check_format(data_format: str | None) -> None:
    if data_format not in (None, "channels_last"):
        raise ValueError(f"data_format must be 'channels_last', got {data_format!r}")
