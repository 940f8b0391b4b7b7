"""Cook-Toom's transforms in exact fractions, and the largest errors that they allow.

Four neighbouring outputs of a row are a product of polynomials at the points below and at infinity.
The matrices are made from these points alone, by Lagrange's formula. In two dimensions a tile has
four rows too, and every transform is done in both directions.
"""

import math
from fractions import Fraction

import numpy as np
from tolerance import EPS

OUTPUTS = 4
POINTS = {3: [0, 1, -1, 2, -2], 5: [0, 1, -1, 2, -2, Fraction(1, 2), Fraction(-1, 2)]}


def times(polynomial, root):
    """The polynomial, lowest power first, times (x - root)."""
    return [low - root * high for low, high in zip([0, *polynomial], [*polynomial, 0], strict=True)]


def matrices(taps):
    """A (n, 4), B (n, n) and G (n, taps) in float64, n = 3 + taps: y = A^T [(G g) * (B^T d)]."""
    points = [Fraction(p) for p in POINTS[taps]]

    def powers(count):
        rows = [[p**k for k in range(count)] for p in points]
        return np.array([*rows, [0] * (count - 1) + [1]], float)

    a, g, columns = powers(OUTPUTS), powers(taps), []
    for i, p in enumerate(points):
        others, scale = [Fraction(1)], Fraction(1)
        for q in points[:i] + points[i + 1 :]:
            others, scale = times(others, q), scale * (p - q)
        columns.append([*others, 0])
        g[i] /= float(scale)
    everything = [Fraction(1)]
    for p in points:
        everything = times(everything, p)
    return a, np.array([*columns, everything], float).T, g


def tiles(x, step, size, count):
    """(..., count, size, channels): pieces of the rows of (..., width, channels), ends zero."""
    padded = np.zeros((*x.shape[:-2], step * (count - 1) + size, x.shape[-1]))
    width = min(x.shape[-2], padded.shape[-2])
    padded[..., :width, :] = x[..., :width, :]
    pieces = [padded[..., step * t : step * t + size, :] for t in range(count)]
    return np.stack(pieces, axis=-3)


def two_dimensional(image, filters, size):
    """Whether a convolution's outputs and its input's gradient are computed in two dimensions."""
    rows, columns = (length - size + 1 for length in image[:2])
    products = image[2] * filters
    if rows % OUTPUTS == columns % OUTPUTS == 0:
        return products >= 96
    points = (OUTPUTS + size - 1) * -(-rows // OUTPUTS)
    return products >= 256 and size * rows / points >= 1.6


def two_dimensional_kernel(image, filters, size):
    """Whether the gradient of its kernel is computed so, too."""
    tiles = math.prod(-(-(length - size + 1) // OUTPUTS) for length in image[:2])
    few = tiles <= {5: 16, 3: 36}[size] and image[2] * filters <= 4096
    return two_dimensional(image, filters, size) and few and filters >= 8


def square_tiles(x, step, size, counts):
    """(n, *counts, size, size, channels): pieces of (n, height, width, channels), ends zero."""
    rows, columns = (step * (count - 1) + size for count in counts)
    ends = (0, rows - x.shape[1]), (0, columns - x.shape[2])
    padded = np.pad(x, ((0, 0), *ends, (0, 0)))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))
    return np.moveaxis(pieces[:, ::step, ::step], 3, -1)


def two_dimensional_bounds(dy, x, kernel, bias=None):
    """As `bounds`."""
    taps, out, n = kernel.shape[0], dy.shape[3], OUTPUTS + kernel.shape[0] - 1
    a, b, g = (np.abs(m) for m in matrices(taps))
    both = "ki,lj,nrcijm->nrcklm"
    counts = [-(-length // OUTPUTS) for length in dy.shape[1:3]]
    values = np.einsum(both, b.T, b.T, square_tiles(np.abs(x), OUTPUTS, n, counts))
    spread = np.einsum(both, a, a, square_tiles(np.abs(dy), OUTPUTS, OUTPUTS, counts))
    weights = np.einsum("ki,lj,ijco->klco", g, g, np.abs(kernel))
    y = np.einsum(both, a.T, a.T, np.einsum("nrcklm,klmo->nrcklo", values, weights))
    parts = np.einsum(both, b, b, np.einsum("nrcklo,klmo->nrcklm", spread, weights))
    y_error = y.transpose(0, 1, 3, 2, 4, 5).reshape(len(x), OUTPUTS * counts[0], -1, out)
    y_error = y_error[:, : dy.shape[1], : dy.shape[2]]
    if bias is not None:
        y_error = y_error + a.sum(axis=0).max() ** 2 * np.abs(bias)
    dx_error = np.zeros((len(x), *(OUTPUTS * (count - 1) + n for count in counts), x.shape[3]))
    for r, c in np.ndindex(*counts):
        rows, columns = (slice(OUTPUTS * t, OUTPUTS * t + n) for t in (r, c))
        dx_error[:, rows, columns] += parts[:, r, c]
    points = np.einsum("nrcklm,nrcklo->klmo", values, spread)
    dkernel_error = np.einsum("ki,lj,klmo->ijmo", g, g, points)
    transforms = 8 * n  # roundings of three transforms and of G's constants, in both directions
    return (
        EPS * (transforms + x.shape[3]) * y_error,
        EPS * (transforms + out) * dx_error[:, : x.shape[1], : x.shape[2]],
        EPS * (transforms + math.prod(counts) + len(x)) * dkernel_error,
    )


def bounds(dy, x, kernel, bias=None):
    """Largest errors of y, dx and dkernel, each like its array: valid padding, strides of 1.

    Every value of a transform and every sum is off by at most its number of roundings times eps
    times the sum of its terms' magnitudes; these are the transforms of magnitudes.
    """
    taps = kernel.shape[1]
    n, count = taps + OUTPUTS - 1, -(-dy.shape[2] // OUTPUTS)
    a, b, g = (np.abs(m) for m in matrices(taps))
    values = np.einsum("ji,nhtic->nhtjc", b.T, tiles(np.abs(x), OUTPUTS, n, count))
    spread = np.einsum("ji,nhtio->nhtjo", a, tiles(np.abs(dy), OUTPUTS, OUTPUTS, count))
    weights = np.einsum("jk,hkco->hjco", g, np.abs(kernel))
    rows, columns, out = dy.shape[1:]
    y = np.zeros((len(x), rows, count, n, out))
    dx_points = np.zeros(values.shape)
    dkernel_points = np.zeros((taps, n, *kernel.shape[2:]))
    for kh in range(taps):
        here = values[:, kh : kh + rows]
        y += np.einsum("nhtjc,jco->nhtjo", here, weights[kh])
        dx_points[:, kh : kh + rows] += np.einsum("nhtjo,jco->nhtjc", spread, weights[kh])
        dkernel_points[kh] = np.einsum("nhtjc,nhtjo->jco", here, spread)
    y_error = np.einsum("ji,nhtjo->nhtio", a, y).reshape(len(x), rows, -1, out)[:, :, :columns]
    if bias is not None:
        y_error = y_error + a.sum(axis=0).max() * np.abs(bias)
    parts = np.einsum("ij,nhtjc->nhtic", b, dx_points)
    dx_error = np.zeros((*x.shape[:2], OUTPUTS * (count - 1) + n, x.shape[3]))
    for t in range(count):
        dx_error[:, :, OUTPUTS * t : OUTPUTS * t + n] += parts[:, :, t]
    dkernel_error = np.einsum("jk,hjco->hkco", g, dkernel_points)
    transforms = 4 * n  # roundings of three transforms and of G's constants
    y_bound = EPS * (transforms + taps * x.shape[3]) * y_error
    dx_bound = EPS * (transforms + taps * out) * dx_error[:, :, : x.shape[2]]
    dkernel_bound = EPS * (transforms + rows * count + len(x)) * dkernel_error
    shape = x.shape[1:], out, taps
    if two_dimensional(*shape):
        y_bound, dx_bound, in_both = two_dimensional_bounds(dy, x, kernel, bias)
        dkernel_bound = in_both if two_dimensional_kernel(*shape) else dkernel_bound
    return y_bound, dx_bound, dkernel_bound
