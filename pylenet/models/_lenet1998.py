"""LeNet-5 as it was published.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document
recognition", Proc. IEEE 86(11), 2278-2324, 1998. docs/lenet-1998.md tells what is from there.
"""

from __future__ import annotations

from typing import Any

from .. import _check
from ..layers import RBF, Conv2D, Dense, Flatten, Rescaling, Subsampling2D, ZeroPadding2D
from ._sequential import Sequential

BACKGROUND, INK = -0.1, 1.175  # what pixels 0 and 255 become
# The maps of S2 that feed each map of C3.
CONNECTIONS = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)
# The ten digits as F6 is to show them, 7 columns and 12 rows each. Drawn for this package, so that
# any two differ in 27 cells or more.
DIGITS = """
..###.. ...##.. ..####. ####### ....##. ####### ...##.. ####### ..###.. .#####.
.##.##. ..###.. .##..## .....## ...###. ####### ..##... ......# .##.##. ##...##
##...## .####.. .....## ....##. ..##.#. ##..... .##.... .....## .#...#. ##...##
#.....# ...##.. .....## ...##.. ..#..#. ##..... ##..... .....#. .#...#. ##...##
#.....# ...##.. .....## ..####. .##..#. ##..... ##..... ....##. .##.##. ##...##
#.....# ...##.. ....##. .....## .#...#. #####.. ######. ....#.. ..###.. .######
#.....# ...##.. ...##.. ......# ##...#. ....##. ##...## ...##.. ..###.. .....##
#.....# ...##.. ..##... ......# ####### .....## ##...## ...#... .##.##. .....##
#.....# ...##.. .##.... ......# .....#. .....## ##...## ..##... .#...#. .....##
##...## ...##.. ##..... #.....# .....#. ....##. ##...## ..#.... .#...#. .....##
.##.##. ...##.. ####### ##...## .....#. #####.. ##...## .##.... .##.##. .....##
..###.. ...##.. ####### .#####. .....#. ####... .#####. .#..... ..###.. .....##
"""


def lenet5_1998(classes: int = 10) -> Sequential:
    """LeNet-5 of 1998, 60,000 parameters, 340,908 connections. Takes pixels 0-255, (N, 28, 28).

    classes: 10, for its codes are pictures of the ten digits; ValueError for another number.
    predict gives each image's squared distances from the ten digits' codes, (N, 10): the digit is
    the *smallest*, predict(x).argmin(axis=1). Not compiled; to be trained as its authors did with
    compile(optimizers.SDLM(), losses.MaximumAPosteriori(), metrics=["accuracy"]) and
    fit(x, y, batch_size=1, epochs=20).
    """
    if _check.integer("classes", classes, 2) != 10:
        raise ValueError(
            f"classes must be 10, for the codes of lenet5_1998 are the ten digits, got {classes}; "
            "lenet5_modern and lenet5_classic tell any number apart"
        )
    squashed: dict[str, Any] = {"activation": "scaled_tanh"}
    weighted: dict[str, Any] = {**squashed, "kernel_initializer": "lecun_uniform"}
    return Sequential(
        [
            ZeroPadding2D(2, input_shape=(28, 28, 1), name="padding"),
            Rescaling((INK - BACKGROUND) / 255, BACKGROUND, name="rescaling"),
            Conv2D(6, 5, name="c1", **weighted),
            Subsampling2D(2, name="s2", **squashed),
            Conv2D(16, 5, connections=CONNECTIONS, name="c3", **weighted),
            Subsampling2D(2, name="s4", **squashed),
            Conv2D(120, 5, name="c5", **weighted),
            Flatten(name="flatten"),
            Dense(84, name="f6", **weighted),
            RBF(codes(), code_shape=(12, 7), name="output"),
        ],
        name="lenet5_1998",
    )


def codes() -> list[str]:
    """The ten digits row by row, ink as + and paper as -."""
    rows = [line.split() for line in DIGITS.split("\n") if line]
    pictures = ["".join(digit) for digit in zip(*rows, strict=True)]
    return [picture.replace("#", "+").replace(".", "-") for picture in pictures]
