"""Float64 reference of every kernel in plain numpy: short, slow and meant to be obviously right.

Layouts as in pylenet.ops: images NHWC, kernels (kh, kw, in, out), dense weights (in, out).
"""

from collections.abc import Callable, Iterator

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


def subsampling2d(x, coefficient, bias, pool_size=(2, 2), strides=None):
    x, strides = float64(x), strides or pool_size
    y = np.zeros(out_shape(x.shape, pool_size, strides, "valid", x.shape[3]))
    for (i, j), image, _ in windows(x.shape, pool_size, strides, "valid"):
        y[:, i, j] = x[image].sum(axis=(1, 2)) * float64(coefficient) + bias
    return y


def subsampling2d_backward(dy, x, coefficient, pool_size=(2, 2), strides=None):
    dy, x, strides = float64(dy), float64(x), strides or pool_size
    dx, dcoefficient = np.zeros(x.shape), np.zeros(x.shape[3])
    for (i, j), image, _ in windows(x.shape, pool_size, strides, "valid"):
        dx[image] += dy[:, i : i + 1, j : j + 1] * float64(coefficient)
        dcoefficient += (dy[:, i, j] * x[image].sum(axis=(1, 2))).sum(axis=0)
    return dx, dcoefficient, dy.sum(axis=(0, 1, 2))


def rbf(x, codes):
    """codes: strings of + and -."""
    signs = np.array([[1.0 if c == "+" else -1.0 for c in code] for code in codes])
    return ((float64(x)[:, None] - signs) ** 2).sum(axis=2)


def rbf_backward(dy, x, codes):
    signs = np.array([[1.0 if c == "+" else -1.0 for c in code] for code in codes])
    return (2 * (float64(x)[:, None] - signs) * float64(dy)[:, :, None]).sum(axis=1)


def zero_padding2d(x, padding):
    return np.pad(float64(x), ((0, 0), *padding, (0, 0)))


def zero_padding2d_backward(dy, x, padding):
    (top, _), (left, _) = padding
    return float64(dy)[:, top : top + x.shape[1], left : left + x.shape[2]]


def dense(x, kernel, bias=None):
    y = float64(x) @ float64(kernel)
    return y if bias is None else y + bias


def dense_backward(dy, x, kernel):
    dy, x, kernel = float64(dy), float64(x), float64(kernel)
    return dy @ kernel.T, x.T @ dy, dy.sum(axis=0)


def activation(x, name):
    x = float64(x)
    if name == "tanh":
        return np.tanh(x)
    if name == "scaled_tanh":
        return 1.7159 * np.tanh(2 * x / 3)
    if name == "relu":
        return np.where(x <= 0, 0.0, x)
    if name == "sigmoid":
        e = np.exp(-np.abs(x))
        return np.where(x < 0, e, 1.0) / (1 + e)
    if name == "softmax":
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
    assert name == "linear"
    return x


def activation_backward(dy, x, name):
    dy, y = float64(dy), activation(x, name)
    if name == "tanh":
        return dy * (1 - y * y)
    if name == "scaled_tanh":
        return dy * 1.7159 * 2 / 3 * (1 - (y / 1.7159) ** 2)
    if name == "relu":
        return np.where(float64(x) <= 0, 0.0, dy)
    if name == "sigmoid":
        return dy * y * (1 - y)
    if name == "softmax":
        return y * (dy - (dy * y).sum(axis=-1, keepdims=True))
    assert name == "linear"
    return dy


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


def numeric_gradient(f: Callable, x, step: float):
    """Central differences of the scalar function f of one array, one element at a time."""
    x = np.array(x)
    gradient = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        value = x[index]
        x[index] = value + step
        above = f(x)
        x[index] = value - step
        below = f(x)
        x[index] = value
        gradient[index] = (above - below) / (2 * step)
    return gradient
