"""Picture files, read by Pillow, which is an extra: `pip install "pylenet[images]"`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _check, _missing

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")  # what is a picture in a folder, as in Keras

MODES = {"grayscale": ("L", 1), "rgb": ("RGB", 3), "rgba": ("RGBA", 4)}  # Pillow's, by Keras's
FILTERS = {
    "nearest": "NEAREST",
    "bilinear": "BILINEAR",
    "bicubic": "BICUBIC",
    "area": "BOX",
    "lanczos3": "LANCZOS",
}


def pillow() -> Any:
    """Pillow's modules Image and ImageOps. Raises ImportError with a hint where it is missing."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ImportError('reading pictures needs Pillow: pip install "pylenet[images]"') from error
    return Image, ImageOps


def read(path: str | os.PathLike[str]) -> Any:
    """A file as a Pillow image, turned upright as its camera says.

    Raises ValueError where it holds no whole picture, OSError where it cannot be read.
    """
    image_module, ops = pillow()
    with open(path, "rb") as file:
        try:
            with image_module.open(file) as image:
                image.load()
                return ops.exif_transpose(image)
        except Exception as error:  # of whatever kind: each format's reader has its own
            reason = "no format that Pillow knows"
            if not isinstance(error, image_module.UnidentifiedImageError):
                reason = str(error) or type(error).__name__
            raise ValueError(f"{os.fspath(path)} is not a picture: {reason}") from error


def in_folder(folder: Path) -> list[Path]:
    """The picture files of a folder, by name, those of its folders left out."""
    paths = (path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    return sorted(path for path in paths if path.is_file())


class Form:
    """What pictures are made into: channels, size, and the way there.

    shape: (height, width, channels).
    """

    def __init__(
        self,
        color_mode: str,
        image_size: int | tuple[int, int],
        interpolation: str,
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
    ) -> None:
        self.mode, channels = MODES[_check.one_of("color_mode", color_mode, tuple(MODES))]
        if isinstance(image_size, list):
            image_size = (image_size[0], image_size[1])
        self.shape = (*_arrays.pair("image_size", image_size), channels)
        self.filter = FILTERS[_check.one_of("interpolation", interpolation, tuple(FILTERS))]
        self.crops = _check.boolean("crop_to_aspect_ratio", crop_to_aspect_ratio)
        self.pads = _check.boolean("pad_to_aspect_ratio", pad_to_aspect_ratio)
        if self.crops and self.pads:
            raise ValueError("crop_to_aspect_ratio and pad_to_aspect_ratio must not both be True")


def formed(image: Any, form: Form) -> Any:
    """A Pillow image in this form."""
    image_module, ops = pillow()
    if image.mode.startswith("I"):  # 16 bits, which Pillow would cut off at 255
        image = image_module.fromarray((np.asarray(image) // 257).astype(np.uint8))
    image = image.convert(form.mode)
    height, width, _ = form.shape
    if (image.width, image.height) == (width, height):
        return image
    method = getattr(image_module.Resampling, form.filter)
    if form.crops:
        return ops.fit(image, (width, height), method)
    if form.pads:
        return ops.pad(image, (width, height), method)
    return image.resize((width, height), method)


def pixels(image: Any, form: Form) -> NDArray[np.uint8]:
    """A Pillow image in this form: uint8 (height, width, channels)."""
    return np.asarray(formed(image, form)).reshape(form.shape)


@_missing.takes_old_arguments
def load_img(
    path: str | os.PathLike[str],
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """A picture file as a Pillow image, turned upright; needs pylenet[images].

    color_mode: "grayscale", "rgb" or "rgba". target_size: (height, width) to resize to by
    interpolation, "nearest", "bilinear", "bicubic", "area" or "lanczos3"; keep_aspect_ratio cuts
    off what is too long for it. Raises OSError where the file cannot be read, ValueError where it
    is no picture.
    """
    image = read(path)
    size = (image.height, image.width) if target_size is None else target_size
    return formed(image, Form(color_mode, size, interpolation, keep_aspect_ratio))


def img_to_array(img: Any, dtype: str = "float32") -> NDArray[Any]:
    """A Pillow image, or an array, as an array (height, width, channels), 0 to 255."""
    array = np.asarray(img, dtype)
    if array.ndim not in (2, 3):
        raise ValueError(f"img must be (height, width[, channels]), got shape {array.shape}")
    return array[..., None] if array.ndim == 2 else array
