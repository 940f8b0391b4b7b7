"""MaxPooling2D and AveragePooling2D."""

import math

import numpy as np
from hypothesis import strategies as st
from reference import float64, out_shape, windows
from seeded import distinct
from tolerance import summed

from pylenet import layers

from . import _wrong
from ._kind import Case, Kind


def max_pool2d(x, pool_size=(2, 2), strides=None, padding="valid"):
    x, strides = float64(x), strides or pool_size
    y = np.zeros(out_shape(x.shape, pool_size, strides, padding, x.shape[3]))
    for (i, j), image, _ in windows(x.shape, pool_size, strides, padding):
        y[:, i, j] = x[image].max(axis=(1, 2))
    return y


def max_pool2d_backward(dy, x, pool_size=(2, 2), strides=None, padding="valid"):
    dy, x, strides = float64(dy), float64(x), strides or pool_size
    dx = np.zeros(x.shape)
    for (i, j), image, _ in windows(x.shape, pool_size, strides, padding):
        n, h, w, c = x[image].shape
        first = x[image].reshape(n, h * w, 1, c).argmax(axis=1)
        hit = np.arange(h * w).reshape(1, h, w, 1) == first.reshape(n, 1, 1, c)
        dx[image] += np.where(hit, dy[:, i : i + 1, j : j + 1], 0)
    return dx


def average_pool2d(x, pool_size=(2, 2), strides=None, padding="valid"):
    x, strides = float64(x), strides or pool_size
    y = np.zeros(out_shape(x.shape, pool_size, strides, padding, x.shape[3]))
    for (i, j), image, _ in windows(x.shape, pool_size, strides, padding):
        y[:, i, j] = x[image].mean(axis=(1, 2))
    return y


def average_pool2d_backward(dy, x, pool_size=(2, 2), strides=None, padding="valid"):
    dy, strides = float64(dy), strides or pool_size
    dx = np.zeros(x.shape)
    for (i, j), image, _ in windows(x.shape, pool_size, strides, padding):
        cells = dx[image].shape[1] * dx[image].shape[2]
        dx[image] += dy[:, i : i + 1, j : j + 1] / cells
    return dx


class _Pooling(Kind):
    options = {"pool_size": "pool_size", "strides": "strides", "padding": "padding"}
    good, wrong = {}, _wrong.POOL

    def __init_subclass__(cls):
        """The cases that both kinds have."""

        def case(batch, image, pool=(2, 2), strides=None, padding="valid"):
            return Case(cls.layer(pool, strides, padding), image, batch=batch)

        cls.awkward = [Case(cls.layer((3, 2), (2, 1), "same"), (7, 6, 3), (4, 6, 3))]
        cls.cases = [*cls.awkward, *cls.cases]
        cls.lenet = [Case(cls.layer(), (24, 24, 6))]
        sizes = [
            # LeNet's own layers
            (1, (24, 24, 6)),
            (16, (24, 24, 6)),
            (17, (8, 8, 16)),
            (4, (28, 28, 6)),
            (3, (10, 10, 16)),
            # ones
            (1, (1, 1, 1), (1, 1)),
            (16, (1, 1, 3), (2, 2), None, "same"),
            (3, (1, 1, 3), (1, 1), (2, 2)),
            (7, (1, 13, 2), (1, 2)),
            (7, (13, 1, 2), (3, 1), (2, 1), "same"),
            (9, (5, 4, 3), (1, 1)),
            (9, (5, 4, 3), (1, 1), (2, 3)),
            # sizes that the window does not divide
            (15, (5, 7, 3)),
            (15, (5, 7, 3), (2, 2), None, "same"),
            (8, (11, 13, 2), (3, 3)),
            (8, (11, 13, 2), (3, 3), None, "same"),
            (3, (7, 7, 5), (2, 3), (2, 3), "same"),
            # overlapping windows, even, long, as large as the image, larger than it
            (4, (7, 8, 3), (3, 3), (1, 1)),
            (4, (7, 8, 3), (3, 3), (1, 1), "same"),
            (4, (7, 8, 3), (2, 2), (1, 1), "same"),
            (7, (9, 8, 2), (3, 3), (2, 2)),
            (7, (9, 8, 2), (3, 3), (2, 2), "same"),
            (9, (8, 9, 7), (4, 4), (3, 2), "same"),
            (9, (10, 5, 2), (7, 1), (1, 3)),
            (3, (5, 4, 13), (5, 4)),
            (3, (5, 4, 2), (5, 4), (1, 1), "same"),
            (3, (3, 2, 2), (5, 7), (1, 1), "same"),
            # strides larger than the window
            (5, (11, 10, 3), (2, 2), (3, 3)),
            (5, (11, 10, 3), (2, 2), (3, 5), "same"),
            (2, (6, 6, 2), (2, 1), (7, 9)),
            # channels and batches about the width of a vector
            (16, (6, 6, 8), (3, 2), (2, 1), "same"),
            (17, (6, 5, 17)),
            (33, (4, 6, 1)),
            (33, (5, 5, 7), (2, 2), (1, 2), "same"),
            (1, (19, 23, 13), (3, 3), (2, 2), "same"),
        ]
        # Full windows of four cells: a quarter is exact.
        quarters = {
            (size[0], size[1], pool, *size[3:4])
            for size in sizes
            for pool in [(2, 2), (1, 4)]
            if size[1][0] >= pool[0] and size[1][1] >= pool[1]
        }
        cls.sizes = [case(*size) for size in [*sizes, *sorted(quarters, key=str)]]
        cls.sweeps = {
            "width": [case(2, (4, 1 + w, 3), (2, 2), (2, 1)) for w in range(1, 36)],
            "height": [case(2, (1 + h, 4, 3)) for h in range(1, 36)],
            "channels": [case(2, (4, 4, c)) for c in range(1, 36)],
            "batch": [case(n, (4, 5, 2)) for n in range(1, 51)],
        }
        super().__init_subclass__()

    def random(self, draw, input_shape):
        pool = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
        strides = draw(st.none() | st.tuples(st.integers(1, 4), st.integers(1, 4)))
        fits = pool[0] <= input_shape[0] and pool[1] <= input_shape[1]
        return self.layer(pool, strides, draw(st.sampled_from(["same", "valid"][: 1 + fits])))


class Maximum(_Pooling):
    layer = layers.MaxPooling2D
    op = "max_pool2d"
    cases = [
        Case(layers.MaxPooling2D(), (5, 6, 2), (2, 3, 2)),
        Case(layers.MaxPooling2D((3, 2), strides=(2, 1), padding="same"), (5, 6, 2), (3, 6, 2)),
    ]
    misfits = [
        (layers.MaxPooling2D(), (9,), "MaxPooling2D takes images"),
        (layers.MaxPooling2D(5), (4, 6, 1), "pool_size .*must not be larger than the image"),
    ]

    def forward(self, layer, x):
        return max_pool2d(x, layer.pool_size, layer.strides, layer.padding)

    def backward(self, layer, dy, x):
        return (max_pool2d_backward(dy, x, layer.pool_size, layer.strides, layer.padding),)

    def errors(self, layer, dy, x):
        return [0.0, summed(np.prod(layer.pool_size), dy)]

    def inputs(self, shape, seed):
        """No two so near that a difference of inputs changes the maximum."""
        return distinct(shape, seed) / np.float32(64)

    def smooth(self, layer):
        return False


class Average(_Pooling):
    layer = layers.AveragePooling2D
    op = "average_pool2d"
    cases = [
        Case(layers.AveragePooling2D(2), (4, 4, 3), (2, 2, 3)),
        Case(
            layers.AveragePooling2D(pool_size=(2, 3), strides=1, padding="same"),
            (4, 5, 1),
            (4, 5, 1),
        ),
        Case(layers.AveragePooling2D(3, 2), (7, 6, 2), (3, 2, 2)),
        Case(layers.AveragePooling2D(2, padding="same"), (4, 6, 2), (2, 3, 2)),
    ]
    misfits = [
        (layers.AveragePooling2D(), (9, 9), "AveragePooling2D takes images"),
        (layers.AveragePooling2D((1, 7)), (4, 6, 1), "pool_size .*must not be larger"),
    ]

    def forward(self, layer, x):
        return average_pool2d(x, layer.pool_size, layer.strides, layer.padding)

    def backward(self, layer, dy, x):
        return (average_pool2d_backward(dy, x, layer.pool_size, layer.strides, layer.padding),)

    def errors(self, layer, dy, x):
        cells = np.prod(layer.pool_size)
        return [summed(cells, x), summed(cells, dy)]

    def exact(self, layer):
        return layer.padding == "valid" and math.prod(layer.pool_size) in (1, 2, 4)

    def without_hessian(self, layer, input_shape):
        every = windows((1, *input_shape), layer.pool_size, layer.strides, layer.padding)
        cut = any(
            (cells[0].stop - cells[0].start, cells[1].stop - cells[1].start) != layer.pool_size
            for _, _, cells in every
        )
        return "average pooling over windows that are cut off" if cut else None

    order = [
        Case(layers.AveragePooling2D(window), (3 * window[0], 2 * window[1], 3), batch=17)
        for window in [(2, 2), (3, 2), (5, 7)]
    ]

    def in_order(self, layer, multiply_add, dy, x):
        """y: a window row by row, then divided. dx: one window's."""
        (height, width), total = layer.pool_size, np.zeros(dy.shape, np.float32)
        for i, j in np.ndindex(height, width):
            total = total + x[:, i::height, j::width]
        cells = np.float32(height * width)
        return total / cells, (dy / cells).repeat(height, axis=1).repeat(width, axis=2)


class _GlobalPooling(Kind):
    """Cases that both kinds have."""

    def __init_subclass__(cls):
        layer = cls.layer
        cls.awkward = [Case(layer(), (7, 6, 3), (3,))]
        cls.cases = [
            *cls.awkward,
            Case(layer(), (1, 1, 17), (17,)),
            Case(layer(keepdims=True), (4, 9, 2), (1, 1, 2)),
        ]
        cls.lenet = [Case(layer(), (4, 4, 16))]
        cls.sweeps = {
            "channels": [Case(layer(), (2, 2, c), batch=17) for c in range(1, 36)],
            "batch": [Case(layer(), (1, 4, 5), batch=n) for n in range(1, 51)],
        }
        cls.misfits = [(layer(), (9,), f"{layer.__name__} takes images")]
        super().__init_subclass__()

    good = {}
    wrong = {"keepdims": [(1, TypeError), ("yes", TypeError)], "data_format": _wrong.DATA_FORMATS}

    def random(self, draw, input_shape):
        return type(self).layer(draw(st.none()), draw(st.booleans()))

    def suits_networks(self):
        return False  # they go on with images


class GlobalAverage(_GlobalPooling):
    layer = layers.GlobalAveragePooling2D

    def forward(self, layer, x):
        return float64(x).mean(axis=(1, 2), keepdims=layer.keepdims)

    def backward(self, layer, dy, x):
        share = float64(dy).reshape(len(x), 1, 1, -1) / math.prod(x.shape[1:3])
        return (np.broadcast_to(share, x.shape),)

    def errors(self, layer, dy, x):
        cells = math.prod(x.shape[1:3])
        return [summed(cells, x), summed(cells, dy)]

    def exact(self, layer):
        return False


class GlobalMaximum(_GlobalPooling):
    layer = layers.GlobalMaxPooling2D

    def forward(self, layer, x):
        return float64(x).max(axis=(1, 2), keepdims=layer.keepdims)

    def backward(self, layer, dy, x):
        return (max_pool2d_backward(dy.reshape(len(x), 1, 1, -1), x, x.shape[1:3]),)

    def inputs(self, shape, seed):
        return distinct(shape, seed) / np.float32(512)

    def smooth(self, layer):
        return False
