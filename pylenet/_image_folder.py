"""image_dataset_from_directory: a folder of pictures, a folder in it for each class, as batches."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _check, _pictures, _random

Labels = NDArray[Any]


class ImageDataset:
    """Batches of the pictures of a folder; `fit`, `evaluate` and `predict` take it as it is.

    Iterating gives (x, y), or x alone where there are no labels: float32 images (batch, height,
    width, channels), 0 to 255, and labels as label_mode says; the last batch may be smaller. `len`
    is the number of batches. Pictures are read when their turn comes, and anew in each pass.
    class_names: of the labels, None without. file_paths: in the order of the first pass, unless
    batches are shuffled.
    """

    def __init__(
        self,
        files: list[str],
        labels: Labels | None,
        class_names: list[str] | None,
        *,
        form: _pictures.Form,
        batch_size: int,
        shuffle: bool,
        seed: int,
    ) -> None:
        self.file_paths, self.class_names = files, class_names
        self._labels, self._form, self._batch_size = labels, form, batch_size
        self._shuffle, self._seed, self._passes = shuffle, seed, 0

    def __len__(self) -> int:
        return -(-len(self.file_paths) // self._batch_size)

    def __iter__(self) -> Iterator[Any]:
        count = len(self.file_paths)
        order = np.arange(count)
        if self._shuffle:
            order = np.random.default_rng([self._seed, self._passes]).permutation(count)
            self._passes += 1
        for start in range(0, count, self._batch_size):
            part = order[start : start + self._batch_size]
            x = np.stack([self._image(index) for index in part]).astype(np.float32)
            yield x if self._labels is None else (x, self._labels[part])

    def as_arrays(self) -> tuple[NDArray[np.uint8], Labels | None]:
        """All images, uint8, and all labels, in the order of file_paths.

        Training on arrays reads each picture once, and not once an epoch.
        """
        images = np.empty((len(self.file_paths), *self._form.shape), np.uint8)
        for index in range(len(images)):
            images[index] = self._image(index)
        return images, None if self._labels is None else self._labels.copy()

    def _image(self, index: int) -> NDArray[np.uint8]:
        return _pictures.pixels(_pictures.read(self.file_paths[index]), self._form)

    def __repr__(self) -> str:
        of = "" if self.class_names is None else f" of {len(self.class_names)} classes"
        return f"<ImageDataset: {len(self.file_paths)} pictures{of}, {len(self)} batches>"


def image_dataset_from_directory(
    directory: str | os.PathLike[str],
    labels: str | Sequence[int] | None = "inferred",
    label_mode: str | None = "int",
    class_names: Sequence[str] | None = None,
    color_mode: str = "rgb",
    batch_size: int = 32,
    image_size: int | tuple[int, int] = (256, 256),
    shuffle: bool = True,
    seed: int | None = None,
    validation_split: float | None = None,
    subset: str | None = None,
    interpolation: str = "bilinear",
    follow_links: bool = False,
    crop_to_aspect_ratio: bool = False,
    pad_to_aspect_ratio: bool = False,
    *,
    verbose: bool = False,
) -> Any:
    """Batches of images from a folder of BMP, GIF, JPEG and PNG files; needs pylenet[images].

    directory: with a folder for each class in it, whose name is the class's.
    labels: "inferred" from these folders; a list of integers, one for each file in the order of
        their paths; None for none.
    label_mode: "int" gives int32 (batch,), "categorical" one-hot float32 (batch, classes),
        "binary" float32 (batch, 1) of two classes, None no labels.
    class_names: the folders to take, in the order of their labels; None: all, by name.
    color_mode: "grayscale", "rgb" or "rgba": 1, 3 or 4 channels.
    image_size: (height, width) that pictures are resized to by `interpolation`: "bilinear",
        "nearest", "bicubic", "area" or "lanczos3", of Pillow, which averages what it makes smaller.
        crop_to_aspect_ratio cuts off what is too long, pad_to_aspect_ratio adds black; else the
        shape is not kept.
    shuffle: draw an order of the files, and another for each pass. seed: of these; None draws one.
    validation_split, subset: the share of the files, after shuffling, that "validation" takes
        and "training" leaves; "both" gives a list of the two. One seed gives the two of Keras.
    verbose: print how many files there are.
    Returns an ImageDataset. Raises ValueError where there are no pictures or an argument is wrong,
    FileNotFoundError where there is no folder, ImportError where Pillow is missing; a file that is
    no picture raises ValueError when its turn comes.
    """
    _pictures.pillow()
    form = _pictures.Form(
        color_mode, image_size, interpolation, crop_to_aspect_ratio, pad_to_aspect_ratio
    )
    batch_size = _check.integer("batch_size", batch_size, 1)
    shuffle = _check.boolean("shuffle", shuffle)
    verbose = _check.boolean("verbose", verbose)
    follow_links = _check.boolean("follow_links", follow_links)
    if label_mode is not None:
        _check.one_of("label_mode", label_mode, ("int", "categorical", "binary"))
    share = _share(validation_split, subset, shuffle, seed)
    if seed is None:
        seed = int(_random.generator().integers(10**6)) if shuffle else 0
    seed = _check.unsigned("seed", seed, 32)

    folder = Path(os.fspath(directory)).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"directory must be a folder, but {folder} is not one")
    if labels is None or label_mode is None:
        labels = None
    files, numbers, names = _index(folder, labels, class_names, follow_links)
    if not files:
        kinds = ", ".join(_pictures.SUFFIXES)
        raise ValueError(f"directory must hold pictures ({kinds}), and {folder} holds none")
    if verbose:
        classes = "" if names is None else f" belonging to {len(names)} classes"
        print(f"Found {len(files)} files{classes}.")
    order = np.arange(len(files))
    if shuffle:
        np.random.RandomState(seed).shuffle(order)
    files = [files[index] for index in order]
    encoded = None
    if numbers is not None and names is not None:
        encoded = _encoded(numbers[order], str(label_mode), names)

    held_out = int(share * len(files))
    first = len(files) - held_out
    parts = {"training": slice(0, first), "validation": slice(first, None), None: slice(None)}
    wanted: list[str | None] = ["training", "validation"] if subset == "both" else [subset]
    found = []
    for part in wanted:
        if not files[parts[part]]:
            raise ValueError(
                f"validation_split must leave pictures for {part}, got {share} of {len(files)}"
            )
        found.append(
            ImageDataset(
                files[parts[part]],
                None if encoded is None else encoded[parts[part]],
                names,
                form=form,
                batch_size=batch_size,
                shuffle=shuffle and not (subset == "both" and part == "validation"),
                seed=seed,
            )
        )
    return found if subset == "both" else found[0]


def _share(split: float | None, subset: str | None, shuffle: bool, seed: int | None) -> float:
    """The share that is held out, 0 for none."""
    if subset is not None:
        _check.one_of("subset", subset, ("training", "validation", "both"))
    share = 0.0 if split is None else _check.real("validation_split", split, "[0, 1)")
    if bool(share) != (subset is not None):
        raise ValueError(
            f"validation_split and subset must be given together, got {split} and {subset!r}"
        )
    if share and shuffle and seed is None:
        raise ValueError(
            "seed must be given with validation_split where files are shuffled, or the two subsets "
            "would overlap"
        )
    return share


def _index(
    folder: Path,
    labels: Any,
    class_names: Sequence[str] | None,
    follow_links: bool,
) -> tuple[list[str], NDArray[np.int32] | None, list[str] | None]:
    """All picture files by path, their labels and the labels' names."""
    if labels == "inferred":
        there = sorted(
            path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."
        )
        names = there if class_names is None else list(class_names)
        if missing := [name for name in names if name not in there]:
            raise ValueError(
                f"class_names must be folders in {folder}, which are {there}, got {missing[0]!r}"
            )
        found = [_files(folder / name, follow_links) for name in names]
        counts = [len(files) for files in found]
        numbers = np.repeat(np.arange(len(names), dtype=np.int32), counts)
        return [file for files in found for file in files], numbers, names
    if class_names is not None:
        raise ValueError("class_names must be None where labels are not 'inferred'")
    files = _files(folder, follow_links)
    if labels is None:
        return files, None, None
    if not isinstance(labels, (list, tuple, np.ndarray)):
        raise TypeError(f"labels must be 'inferred', a list of integers or None, got {labels!r}")
    if len(labels) != len(files):
        raise ValueError(
            f"labels must be one for each of the {len(files)} pictures in {folder}, got "
            f"{len(labels)}"
        )
    numbers = _check.class_labels("labels", labels).astype(np.int32)
    return files, numbers, [str(label) for label in sorted(set(numbers.tolist()))]


def _files(folder: Path, follow_links: bool) -> list[str]:
    """The pictures in a folder and in its folders, folder by folder."""
    return [
        os.path.join(place, name)
        for place, _, names in sorted(os.walk(folder, followlinks=follow_links))
        for name in sorted(names)
        if name.lower().endswith(_pictures.SUFFIXES)
    ]


def _encoded(labels: NDArray[np.int32], mode: str, names: list[str]) -> Labels:
    if mode == "int":
        return labels
    if mode == "binary":
        if len(names) != 2:
            raise ValueError(f"label_mode 'binary' needs 2 classes, got {len(names)}: {names}")
        return labels.astype(np.float32)[:, None]
    highest = int(labels.max(initial=0))
    if highest >= len(names):
        raise ValueError(
            f"labels must be below {len(names)}, the number of classes, for label_mode "
            f"'categorical', got {highest}"
        )
    return np.eye(len(names), dtype=np.float32)[labels]
