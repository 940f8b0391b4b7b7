"""Conv2D: every size, stride and padding, with and without connections."""

import numpy as np
from hypothesis import strategies as st
from reference import float64, out_shape, windows

from pylenet import initializers, layers
from pylenet.layers import Conv2D
from pylenet.models import _lenet1998

from . import _wrong
from ._kind import Case, product_errors
from ._sums import over_images
from .activation import WITHIN, Activated, some


def conv2d(x, kernel, bias=None, strides=(1, 1), padding="valid"):
    x, kernel = float64(x), float64(kernel)
    y = np.zeros(out_shape(x.shape, kernel.shape, strides, padding, kernel.shape[3]))
    for (i, j), image, cells in windows(x.shape, kernel.shape, strides, padding):
        y[:, i, j] = np.einsum("nhwc,hwco->no", x[image], kernel[cells])
    return y if bias is None else y + bias


def conv2d_backward(dy, x, kernel, strides=(1, 1), padding="valid"):
    dy, x, kernel = float64(dy), float64(x), float64(kernel)
    dx, dkernel = np.zeros(x.shape), np.zeros(kernel.shape)
    for (i, j), image, cells in windows(x.shape, kernel.shape, strides, padding):
        dx[image] += np.einsum("no,hwco->nhwc", dy[:, i, j], kernel[cells])
        dkernel[cells] += np.einsum("nhwc,no->hwco", x[image], dy[:, i, j])
    return dx, dkernel, dy.sum(axis=(0, 1, 2))


def full_kernel(kernel, connections, channels):
    """(kh, kw, in, out) of (kh, kw, links), with zeros where there is no link."""
    table = np.zeros((channels, len(connections)), bool)
    for o, inputs in enumerate(connections):
        table[list(inputs), o] = True
    full = np.zeros((*kernel.shape[:2], *table.shape))
    full[:, :, table] = kernel
    return full, table


def _case(batch, image, filters, kernel, strides=(1, 1), padding="valid", **options):
    return Case(Conv2D(filters, kernel, strides, padding, **options), image, batch=batch)


_TABLES = [(5,), (0, 1), (1, 2, 3), (2,), (0, 2, 4), (0, 1, 2, 3, 4, 5), (3,)]
TABLE = {"connections": [[0, 2], [1], [0, 1, 2], [2], [0, 1]]}
_1998 = {"connections": _lenet1998.CONNECTIONS}
WRONG_TABLES = [(3, TypeError), ("01", TypeError), ([], ValueError), ([0, 1], TypeError)]
WRONG_TABLES += [([[0]], ValueError), ([[0], []], ValueError), ([[0], [1, 1]], ValueError)]
WRONG_TABLES += [([[0], [-1]], ValueError), ([[0], [1.0]], TypeError)]


class Convolution(Activated):
    layer = layers.Conv2D
    op = "conv2d"
    options = {"strides": "strides", "padding": "padding", "connections": "connections"}

    awkward = [
        Case(
            Conv2D(5, (3, 2), (1, 2), "same"),
            (7, 6, 3),
            (7, 3, 5),
            {"kernel": (3, 2, 3, 5), "bias": (5,)},
        ),
        Case(
            Conv2D(5, (3, 2), (1, 2), "same", **TABLE),
            (7, 6, 3),
            (7, 3, 5),
            {"kernel": (3, 2, 9), "bias": (5,)},
        ),
    ]
    cases = [
        *awkward,
        Case(Conv2D(4, 3), (5, 6, 2), (3, 4, 4), {"kernel": (3, 3, 2, 4), "bias": (4,)}),
        Case(
            Conv2D(3, (2, 3), (2, 1), "same", activation="tanh"),
            (5, 6, 2),
            (3, 6, 3),
            {"kernel": (2, 3, 2, 3), "bias": (3,)},
        ),
        Case(
            Conv2D(filters=17, kernel_size=[4, 1], strides=3, padding="VALID", use_bias=False),
            (7, 4, 1),
            (2, 2, 17),
            {"kernel": (4, 1, 1, 17)},
        ),
        Case(
            Conv2D(2, 6, padding="same", activation="relu", kernel_initializer="he_normal"),
            (3, 4, 1),
            (3, 4, 2),
            {"kernel": (6, 6, 1, 2), "bias": (2,)},
        ),
        Case(
            Conv2D(3, (2, 3), connections=[[1], [0, 1], [1, 0]], activation="scaled_tanh"),
            (5, 6, 2),
            (4, 4, 3),
            {"kernel": (2, 3, 5), "bias": (3,)},
        ),
        Case(
            Conv2D(2, 2, 2, "same", connections=((2,), (0,)), use_bias=False),
            (5, 6, 3),
            (3, 3, 2),
            {"kernel": (2, 2, 2)},
        ),
        *(
            Case(
                Conv2D(3, 2, activation=n, bias_initializer=initializers.GlorotNormal(seed=3)),
                (4, 3, 2),
                (3, 2, 3),
                {"kernel": (2, 2, 2, 3), "bias": (3,)},
            )
            for n in WITHIN
        ),
    ]
    lenet = [
        Case(Conv2D(6, 5), (28, 28, 1)),
        Case(Conv2D(16, 5), (12, 12, 6)),
        Case(Conv2D(16, 5, padding="same"), (14, 14, 6)),
        Case(Conv2D(16, 5, **_1998), (14, 14, 6)),
        Case(Conv2D(120, 5), (5, 5, 16)),
    ]
    sizes = [
        # LeNet's own layers
        _case(1, (28, 28, 1), 6, (5, 5)),
        _case(16, (28, 28, 1), 6, (5, 5)),
        _case(3, (32, 32, 1), 6, (5, 5)),
        _case(4, (28, 28, 1), 6, (5, 5), padding="same"),
        _case(1, (12, 12, 6), 16, (5, 5)),
        _case(17, (12, 12, 6), 16, (5, 5)),
        _case(8, (14, 14, 6), 16, (5, 5)),
        _case(3, (5, 5, 16), 120, (5, 5)),
        _case(3, (14, 14, 6), 16, (5, 5), **_1998),
        # ones
        _case(1, (1, 1, 1), 1, (1, 1)),
        _case(16, (1, 1, 1), 1, (1, 1), padding="same"),
        _case(3, (1, 1, 5), 7, (1, 1), (2, 2)),
        _case(7, (1, 13, 2), 3, (1, 4)),
        _case(7, (13, 1, 2), 3, (4, 1), padding="same"),
        _case(9, (3, 5, 1), 1, (1, 1)),
        _case(8, (1, 1, 3), 2, (3, 3), padding="same"),
        _case(4, (2, 2, 3), 2, (5, 5), padding="same"),
        # kernel sizes: even, odd, long, as large as the image, larger than it
        _case(7, (5, 5, 3), 7, (1, 1)),
        _case(3, (6, 7, 2), 5, (2, 3)),
        _case(3, (6, 7, 2), 5, (2, 3), padding="same"),
        _case(4, (7, 7, 3), 8, (4, 4)),
        _case(4, (7, 7, 3), 8, (4, 4), padding="same"),
        _case(9, (11, 5, 2), 3, (7, 1)),
        _case(9, (11, 5, 2), 3, (7, 1), padding="same"),
        _case(9, (5, 11, 2), 3, (1, 7)),
        _case(8, (7, 5, 5), 13, (7, 5)),
        _case(15, (4, 3, 2), 2, (4, 3), padding="same"),
        _case(3, (3, 4, 2), 3, (5, 7), padding="same"),
        _case(2, (9, 9, 1), 2, (2, 2)),
        # of one image, two columns in a vector: as many taps as that takes, and one more
        _case(1, (9, 19, 1), 3, (8, 8)),
        _case(1, (7, 29, 1), 4, (4, 16)),
        _case(1, (8, 18, 1), 3, (5, 13)),
        # strides, and strides larger than the kernel
        _case(7, (11, 13, 3), 5, (3, 3), (2, 2)),
        _case(7, (11, 13, 3), 5, (3, 3), (2, 2), "same"),
        _case(4, (9, 14, 2), 6, (3, 5), (1, 3)),
        _case(4, (9, 14, 2), 6, (3, 5), (1, 3), "same"),
        _case(9, (12, 10, 3), 7, (4, 4), (3, 2)),
        _case(9, (12, 10, 3), 7, (4, 4), (3, 2), "same"),
        _case(3, (13, 11, 2), 3, (1, 1), (3, 2)),
        _case(3, (13, 11, 2), 3, (2, 1), (5, 3), "same"),
        _case(5, (8, 8, 1), 2, (2, 2), (7, 7)),
        _case(5, (5, 7, 3), 4, (5, 5), (3, 2), "same"),
        _case(2, (6, 6, 2), 3, (3, 3), (2, 1), "same"),
        _case(2, (4, 5, 2), 3, (2, 2), (9, 9), "same"),
        # channels and batches about the width of a vector, primes
        _case(15, (7, 9, 5), 8, (3, 3)),
        _case(16, (6, 6, 8), 13, (3, 3), padding="same"),
        _case(17, (5, 8, 13), 16, (3, 2)),
        _case(33, (6, 5, 16), 17, (3, 3)),
        _case(2, (4, 19, 17), 7, (2, 3), padding="same"),
        _case(33, (9, 7, 7), 6, (3, 3), (2, 2)),
        _case(1, (23, 19, 3), 13, (5, 4), (1, 1), "same"),
        _case(1, (17, 31, 2), 17, (3, 3), (2, 3)),
        # without bias, with connections
        _case(3, (6, 7, 2), 5, (2, 3), use_bias=False),
        _case(3, (6, 7, 6), 7, (2, 3), connections=_TABLES),
    ]
    sweeps = {
        "width": [_case(2, (2, 1 + w, 2), 3, (1, 2)) for w in range(1, 36)],
        "height": [_case(2, (1 + h, 3, 2), 3, (2, 1)) for h in range(1, 36)],
        "filters": [_case(2, (3, 7, 2), o, (2, 2), padding="same") for o in range(1, 36)],
        "channels": [_case(2, (3, 7, c), 3, (2, 2), padding="same") for c in range(1, 36)],
        "batch": [_case(n, (3, 4, 2), 3, (2, 2)) for n in (*range(1, 51), 1023, 1024, 1025, 2049)],
        "filters-and-width": [
            _case(1, (1, width, 2), filters, (1, 1))
            for width in range(1, 10)
            for filters in range(1, 18)
        ],
        "channels-and-width": [
            _case(1, (1, width, c), 2, (1, 1)) for width in range(1, 10) for c in range(1, 18)
        ],
        "kernel": [
            _case(2, (6, 7, 2), 3, (kh, kw), padding=p)
            for kh in range(1, 7)
            for kw in range(1, 8)
            for p in ("valid", "same")
        ],
        "strides": [
            _case(2, (7, 8, 2), 3, (3, 2), (sh, sw), p)
            for sh in range(1, 6)
            for sw in range(1, 6)
            for p in ("valid", "same")
        ],
    }

    good = {"filters": 2, "kernel_size": 3}
    wrong = {
        "filters": _wrong.COUNTS,
        "kernel_size": _wrong.PAIRS,
        "strides": _wrong.PAIRS,
        "padding": _wrong.PADDINGS,
        **_wrong.WEIGHTED,
        "data_format": _wrong.DATA_FORMATS,
        "dilation_rate": [(2, TypeError)],
        "connections": WRONG_TABLES,
    }
    misfits = [
        (Conv2D(2, 3), (9,), r"Conv2D takes images \(height, width, channels\), got \(9,\)"),
        (Conv2D(2, 3), (9, 9), r"Conv2D takes images .*got \(9, 9\)"),
        (
            Conv2D(1, 3, connections=[[2]]),
            (4, 4, 2),
            "connections must hold input channels from 0 to 1, got 2",
        ),
        (Conv2D(2, 5), (4, 6, 1), "kernel_size .*must not be larger than the image, 4 x 6"),
        (Conv2D(2, (2, 7)), (4, 6, 1), "kernel_size .*must not be larger than the image"),
    ]

    def weights(self, layer, input_shape):
        maps = (input_shape[2], layer.filters)
        if layer.connections is not None:
            maps = (sum(map(len, layer.connections)),)
        shapes = {"kernel": (*layer.kernel_size, *maps), "bias": (layer.filters,)}
        return {name: shapes[name] for name in ("kernel", "bias")[: 1 + layer.use_bias]}

    def before(self, layer, x, kernel, bias=None):
        full, _ = self._full(layer, kernel, x)
        return conv2d(x, full, bias, layer.strides, layer.padding)

    def before_backward(self, layer, dy, x, kernel, *bias):
        full, links = self._full(layer, kernel, x)
        dx, dkernel, dbias = conv2d_backward(dy, x, full, layer.strides, layer.padding)
        return dx, dkernel[:, :, links] if links is not None else dkernel, *[dbias][: len(bias)]

    def before_errors(self, layer, dy, x, kernel, bias=None):
        cells, places = np.prod(layer.kernel_size), np.prod(dy.shape[:3])
        terms = (cells * x.shape[3], cells * layer.filters, places)
        return product_errors(*terms, dy, x, kernel, bias)

    def _full(self, layer, kernel, x):
        if layer.connections is None:
            return kernel, None
        return full_kernel(kernel, layer.connections, x.shape[3])

    def random(self, draw, input_shape):
        size = st.tuples(st.integers(1, 6), st.integers(1, 6))
        strides = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
        window, filters, table = draw(size), draw(st.integers(1, 19)), None
        if draw(st.booleans()):
            channels = st.lists(st.integers(0, input_shape[2] - 1), min_size=1, unique=True)
            filters = min(filters, 7)
            table = draw(st.lists(channels, min_size=filters, max_size=filters))
        fits = window[0] <= input_shape[0] and window[1] <= input_shape[1]
        return Conv2D(
            *(filters, window, strides, draw(st.sampled_from(["same", "valid"][: 1 + fits]))),
            activation=draw(some),
            use_bias=draw(st.booleans()),
            connections=table,
        )

    # The tile sizes of all instruction sets and some between.
    order = [
        _case(1, (28, 28, 1), 6, (5, 5)),
        _case(16, (12, 12, 6), 16, (5, 5)),
        _case(17, (7, 11, 3), 7, (3, 3)),
        _case(33, (6, 9, 5), 13, (2, 4)),
        _case(3, (5, 6, 16), 17, (5, 5)),
        _case(7, (9, 4, 2), 4, (1, 1)),
        _case(50, (4, 14, 13), 3, (4, 3)),
        _case(1040, (4, 5, 2), 3, (2, 3)),
    ]

    def in_order(self, layer, multiply_add, dy, x, kernel, bias):
        """y: bias, channels, rows, columns. dx: filters, rows, columns. dkernel: places, images."""
        window, (batch, rows, columns, filters) = kernel.shape[:2], dy.shape
        y = np.broadcast_to(bias, dy.shape)
        for c, i, j in np.ndindex(x.shape[3], *window):
            y = multiply_add(x[:, i : i + rows, j : j + columns, c, None], kernel[i, j, c], y)
        dx = np.zeros(x.shape, np.float32)
        for o, i, j in np.ndindex(filters, *window):
            part = (slice(None), slice(i, i + rows), slice(j, j + columns))
            dx[part] = multiply_add(dy[..., o, None], kernel[i, j, :, o], dx[part])
        dkernel = np.zeros((batch, *kernel.shape), np.float32)
        dbias = np.zeros((batch, filters), np.float32)
        for i, j in np.ndindex(rows, columns):
            part = x[:, i : i + window[0], j : j + window[1], :, None]
            dkernel = multiply_add(part, dy[:, None, None, i, j, None, :], dkernel)
            dbias = dbias + dy[:, i, j]
        return y, dx, over_images(dkernel), over_images(dbias)
