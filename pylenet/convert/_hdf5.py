"""HDF5 files, read with care: what a file says of itself bounds neither memory nor other files.

The HDF5 library ends its process on some damaged files, so a process of its own reads the file and
hands back what is in it: `_hdf5_content.py`. Links that lead out of the file, data in other files
and virtual data are refused, and no more is read than `limit` says.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _hdf5_content

LARGEST_RATIO = 16  # of what is read to the file's size: more is no compression of weights
SMALL = 2**20  # bytes that any file may hold
SECONDS = 60  # for a small file
BYTES_PER_SECOND = 2**20  # the least, of a large one
MEMORY = 2**28  # bytes that the HDF5 library may map besides what the file holds
SCRIPT = _hdf5_content.__file__

Node = dict[str, Any]  # a record of _hdf5_content.write, the bytes of an array under "values"


def limit(size: int) -> int:
    """How many bytes a file of this size may hold."""
    return SMALL + LARGEST_RATIO * size


class Reader:
    """The content of a file."""

    def __init__(self, content: bytes) -> None:
        self._nodes = _parsed(content)
        self.root = self._node(0)

    def child(self, group: Node | None, name: str) -> Node | None:
        """The group or dataset at this path below `group`, None where there is none."""
        for part in name.split("/"):
            links = {} if group is None else group.get("links", {})
            if part not in links:
                return None
            link = links[part]
            if link is None:
                raise ValueError(f"{name!r} is a link to elsewhere")
            group = self._node(link) if isinstance(link, int) else _whole(link)
        return group

    def names(self, group: Node) -> list[str]:
        """Of the members of a group, in the order of their names."""
        return sorted(group.get("links", ()))

    def array(self, dataset: Node | None, name: str) -> NDArray[Any]:
        """The numbers of a dataset, as the file has them."""
        if dataset is None or "dtype" not in dataset:
            raise ValueError(f"{name!r} must be an array")
        values: NDArray[Any] = np.frombuffer(dataset["values"], np.dtype(dataset["dtype"]))
        shape: list[int] = dataset["shape"]
        return values.reshape(shape)

    def weight(self, dataset: Node | None, name: str) -> NDArray[np.float32]:
        """The same as float32."""
        values = self.array(dataset, name)
        if values.dtype.kind != "f":
            raise ValueError(f"{name!r} must hold floating-point numbers, got {values.dtype}")
        with np.errstate(over="ignore"):
            return values.astype(np.float32)

    def text(self, group: Node | None, name: str) -> str | None:
        """An attribute that is a text, None where there is none."""
        value = _attribute(group, name)
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{name!r} must be a text, got a list")
        return value

    def texts(self, group: Node | None, name: str) -> list[str] | None:
        """An attribute that is a list of texts, in pieces name0, name1, ... where it is long."""
        whole = _attribute(group, name)
        if whole is not None:
            return [whole] if isinstance(whole, str) else whole
        texts: list[str] = []
        pieces = 0
        while (piece := _attribute(group, f"{name}{pieces}")) is not None:
            texts += [piece] if isinstance(piece, str) else piece
            pieces += 1
        return texts if pieces else None

    def _node(self, number: int) -> Node:
        return _whole(self._nodes[number])


def _whole(node: Node) -> Node:
    """The same, unless it says why it could not be read."""
    if "error" in node:
        raise ValueError(node["error"])
    return node


def _attribute(group: Node | None, name: str) -> str | list[str] | None:
    if group is None:
        raise ValueError(f"it has no group with the attribute {name!r}")
    value: str | list[str] | dict[str, str] | None = group["attributes"].get(name)
    if isinstance(value, dict):
        raise ValueError(value["error"])
    return value


def _parsed(content: bytes) -> list[Node]:
    """All records. ValueError where they are not whole."""
    stream, view = io.BytesIO(content), memoryview(content)
    nodes: list[Node] = []
    for line in iter(stream.readline, b""):
        node = json.loads(line)
        if "end" in node:
            return nodes
        if "size" in node:
            start = stream.tell()
            node["values"] = view[start : stream.seek(start + node["size"])]
        nodes.append(node)
    raise ValueError("the HDF5 library could not read it to its end")


@contextmanager
def opened(source: Path | bytes, title: str) -> Iterator[Reader]:
    """The file, or the bytes of one; ValueError, beginning with `title`, for all that is wrong."""
    data = source if isinstance(source, bytes) else source.read_bytes()
    content = _content(data, title)
    try:
        yield Reader(content)
    except (ValueError, TypeError, LookupError, OSError, RuntimeError, RecursionError) as error:
        raise ValueError(f"{title}: {error}") from error
    except (AttributeError, OverflowError, MemoryError) as error:  # of a config
        raise ValueError(f"{title}: {error!r}") from error


def _content(data: bytes, title: str) -> bytes:
    """What `_hdf5_content.write` says of the file, by a process of its own where one can start."""
    most = limit(len(data))
    if _is_python(sys.executable):
        memory = MEMORY + len(data) + 4 * most
        folders = [folder for folder in sys.path if isinstance(folder, str)]
        given = {"path": folders, "most": most, "memory": memory}
        seconds = SECONDS + len(data) / BYTES_PER_SECOND
        try:
            done = subprocess.run(
                [sys.executable, "-I", SCRIPT],
                input=json.dumps(given).encode() + b"\n" + data,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=seconds,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # of Windows
            )
        except subprocess.TimeoutExpired:
            raise ValueError(
                f"{title}: the HDF5 library did not read it within {seconds:.0f} s"
            ) from None
        except (FileNotFoundError, PermissionError):  # sys.executable cannot be started at all
            pass
        else:
            if done.returncode == 0:
                return done.stdout
            if done.returncode != _hdf5_content.NO_LIBRARY:
                raise ValueError(
                    f"{title}: it is damaged, and ended the process that read it with exit code "
                    f"{done.returncode}"
                )
    out = io.BytesIO()
    _hdf5_content.write(data, most, out.write)
    return out.getvalue()


def _is_python(executable: str | None) -> bool:
    """Whether this starts Python, and not the program that Python is embedded or packed in."""
    name = Path(executable or "").name.lower()
    return name.startswith(("python", "pypy")) and not getattr(sys, "frozen", False)


def written(write: Any) -> bytes:
    """The bytes of a file that `write(file)` fills: the same for the same content."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", track_order=False) as file:
        write(file)
    return buffer.getvalue()
