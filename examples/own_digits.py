"""Read your own digits: one digit a picture, drawn or photographed, dark on light or light on dark.

    pip install "pylenet[images]"
    python examples/own_digits.py three.png seven.jpg

At first a LeNet is trained on MNIST, for some seconds, and saved as --model; later it is loaded.
`pylenet predict own_digits.safetensors three.png seven.jpg` reads pictures with it as well.
"""

import argparse
from pathlib import Path

from PIL import Image, ImageOps

from pylenet.augmentation import RandomAffine
from pylenet.datasets import mnist
from pylenet.models import lenet5_modern, load_model
from pylenet.utils import prepare_digits, set_random_seed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path, metavar="PICTURE")
    parser.add_argument("--model", type=Path, default=Path("own_digits.safetensors"))
    parser.add_argument(
        "--epochs", type=int, default=6, help="of training, where there is no model"
    )
    args = parser.parse_args()
    digits = prepare_digits([read(path) for path in args.pictures])  # (N, 28, 28), like MNIST's
    model = load_model(args.model) if args.model.exists() else trained(args.model, args.epochs)
    for path, probabilities in zip(args.pictures, model.predict(digits), strict=True):
        print(f"{path}: {probabilities.argmax()} ({probabilities.max():.2f})")


def read(path):
    """The picture, turned upright as its camera says."""
    with Image.open(path) as picture:
        return ImageOps.exif_transpose(picture)


def trained(path, epochs):
    """A LeNet that has seen slanted, smaller and larger digits, too."""
    (x, y), _ = mnist.load_data()
    set_random_seed(1)
    model = lenet5_modern()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    distort = RandomAffine(
        rotation_factor=0.03, zoom_factor=0.1, shear_factor=0.2, translation_factor=0.05
    )
    model.fit(x, y, batch_size=128, epochs=epochs, augmentation=distort)
    model.class_names = list("0123456789")
    model.save(path)
    return model


if __name__ == "__main__":
    main()
