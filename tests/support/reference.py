"""What float64 references are made of: short, slow and meant to be obviously right.

Those of the layers are in tests/kinds/. Images are NHWC.
"""

from collections.abc import Iterator

import numpy as np

Pair = tuple[int, int]


def float64(x) -> np.ndarray:
    """A copy in float64. np.float64(x) is that too, but before numpy 2 a scalar for one element."""
    return np.array(x, np.float64)


def out_size(size: int, window: int, stride: int, padding: str) -> Pair:
    """Number of windows along one axis, and how many padding cells stand before the first cell."""
    if padding == "valid":
        return (size - window) // stride + 1, 0
    count = -(-size // stride)
    return count, max((count - 1) * stride + window - size, 0) // 2


def windows(shape, window: Pair, strides: Pair, padding: str) -> Iterator[tuple]:
    """For every output cell: (i, j), the image's cells in its window, the same cells in the window.

    A window is cut to the cells that exist, which is what zero padding means to a sum.
    """
    (rows, top), (columns, left) = (
        out_size(shape[1 + axis], window[axis], strides[axis], padding) for axis in (0, 1)
    )
    for i, j in np.ndindex(rows, columns):
        y, x = i * strides[0] - top, j * strides[1] - left
        y0, y1 = max(y, 0), min(y + window[0], shape[1])
        x0, x1 = max(x, 0), min(x + window[1], shape[2])
        yield (
            (i, j),
            (slice(None), slice(y0, y1), slice(x0, x1)),
            (slice(y0 - y, y1 - y), slice(x0 - x, x1 - x)),
        )


def out_shape(shape, window: Pair, strides: Pair, padding: str, channels: int) -> tuple:
    """Shape (N, OH, OW, channels) of a convolution or a pooling of images of `shape`."""
    sizes = (out_size(shape[1 + a], window[a], strides[a], padding)[0] for a in (0, 1))
    return (shape[0], *sizes, channels)


def philox(counter, key) -> list[int]:
    """Philox4x32-10 (Salmon et al., SC 2011): four random 32-bit words for four and a key."""
    (a, b, c, d), (k, m) = counter, key
    for _ in range(10):
        left, right = 0xD2511F53 * a, 0xCD9E8D57 * c
        a, b, c, d = right >> 32 ^ b ^ k, right % 2**32, left >> 32 ^ d ^ m, left % 2**32
        k, m = (k + 0x9E3779B9) % 2**32, (m + 0xBB67AE85) % 2**32
    return [a, b, c, d]


def affine_map(seed, epoch, image, shape, rotation, zoom, squeeze, shear, translation, rate=1.0):
    """(2, 3): where the pixel (row, column, 1) of a distorted image lies in the original."""
    key = (seed % 2**32, seed >> 32)
    words = [w for i in (0, 1) for w in philox((image % 2**32, image >> 32, epoch, i), key)]
    angle, z, q, s, down, right, chance, _ = (np.array(words) + 0.5) / 2**31 - 1
    if (chance + 1) / 2 > rate:
        return np.eye(2, 3)
    angle, z, q, s = 2 * np.pi * rotation * angle, 1 + zoom * z, 1 + squeeze * q, shear * s
    rotate = [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
    matrix = z * np.array(rotate) @ [[1, 0], [s, 1]] @ np.diag([q, 1 / q])
    middle = (np.array(shape) - 1) / 2
    shift = translation * np.array(shape) * [down, right]
    return np.column_stack([matrix, middle + shift - matrix @ middle])


def sample(image, matrix, fill):
    """The image (height, width, channels) seen through an affine map: bilinear, `fill` outside."""
    height, width, channels = image.shape

    def pixel(row, column):
        inside = 0 <= row < height and 0 <= column < width
        return np.float64(image[row, column]) if inside else np.full(channels, np.float64(fill))

    y = np.zeros(image.shape)
    for i, j in np.ndindex(height, width):
        row, column = matrix @ [i, j, 1]
        r, c = int(np.floor(row)), int(np.floor(column))
        down, along = row - r, column - c
        y[i, j] += (1 - down) * ((1 - along) * pixel(r, c) + along * pixel(r, c + 1))
        y[i, j] += down * ((1 - along) * pixel(r + 1, c) + along * pixel(r + 1, c + 1))
    return y
