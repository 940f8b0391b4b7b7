"""Plots of a network: how it learned, what it sees, what it gets wrong.

    ax = pylenet.plots.confusion_matrix(model, x_test, y_test)
    ax.figure.savefig("confusion.png")

They need matplotlib: `pip install "pylenet[plots]"`. Each function draws into the Axes `ax`, or
makes a Figure of its own, and returns what it drew into. It writes no file and opens no window: a
notebook shows what a function returns; elsewhere save it, or give an `ax` of `pyplot.subplots()`
and call `pyplot.show()`. The caption above each plot says what is seen.

Colours are told apart by colour-blind readers too. Where values have signs, blue is below zero and
orange above, as on the page of `pylenet draw`.
"""

from __future__ import annotations

from ._classes import confusion_matrix
from ._curves import learning_curves
from ._inside import feature_maps, filters
from ._lenet1998 import codes, connections
from ._pictures import augmented, images, mistakes

__all__ = [
    "augmented",
    "codes",
    "confusion_matrix",
    "connections",
    "feature_maps",
    "filters",
    "images",
    "learning_curves",
    "mistakes",
]
