"""Fetches a data set's missing files from its web mirrors, into memory."""

from __future__ import annotations

import io
import queue
import threading
import urllib.request
from http.client import HTTPException, HTTPResponse
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from ._idx import Bytes, DamagedError, read_gzip, read_npz
from ._known import DataSet
from ._meter import Meter

CONNECT_SECONDS = 4.0  # for name look-up, connection and the answer's head together
_STALL_SECONDS = 20.0
_PIECE = 1 << 16
_SLACK = 1 << 16  # by which a compressed file may be longer than the raw one


class _OutOfReachError(OSError):
    """A host that gave no answer at all."""


def fetch(data_set: DataSet, found: dict[str, Bytes], tried: list[str]) -> list[str]:
    """Add to `found` the files it lacks, from the first mirror that has each.

    Appends a line to `tried` for each mirror that failed. Returns what arrived damaged.
    """
    bad = []
    silent = set()
    for mirror in data_set.mirrors:
        host = urlsplit(mirror).netloc
        if len(found) == len(data_set.files):
            break
        if host in silent:
            tried.append(f"{mirror}: not asked, {host} is out of reach")
            continue
        try:
            with Meter(f"{data_set.title} from {mirror}") as meter:
                _fetch_from(mirror, data_set, found, meter)
        except DamagedError as error:
            bad.append(str(error))
            tried.append(str(error))
        except (OSError, HTTPException) as error:
            if isinstance(error, _OutOfReachError):
                silent.add(host)
            tried.append(f"{mirror}: {error or type(error).__name__}")
    return bad


def _fetch_from(mirror: str, data_set: DataSet, found: dict[str, Bytes], meter: Meter) -> None:
    if mirror.endswith(".npz"):
        limit = sum(file.size for file in data_set.files)
        found.update(read_npz(_download(mirror, limit, meter), data_set, mirror))
        return
    for file in data_set.files:
        if file.name not in found:
            url = f"{mirror}{file.name}.gz"
            found[file.name] = read_gzip(_download(url, file.size, meter), file, url)


def _download(url: str, limit: int, meter: Meter) -> io.BytesIO:
    """The body of `url`; OSError if it is longer than `limit` and some slack, or cut short."""
    body = io.BytesIO()
    name = url.rpartition("/")[2]
    with _open(url) as response:
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isascii() and length.isdigit() else None
        meter.update(name, 0, total)
        while piece := response.read(_PIECE):
            body.write(piece)
            meter.update(name, body.tell(), total)
            if body.tell() > limit + _SLACK:
                raise OSError(f"{name} is longer than {limit + _SLACK} bytes")
    if total is not None and body.tell() != total:
        raise OSError(f"{name} was cut short after {body.tell()} of {total} bytes")
    body.seek(0)
    return body


def _open(url: str) -> HTTPResponse:
    """Open `url` within CONNECT_SECONDS, else raise OSError.

    A socket's time-out counts for each address of a host anew and not at all for the look-up of
    its name, so a thread does the work, and is left to itself when it takes too long.
    """
    answers: queue.SimpleQueue[HTTPResponse | Exception] = queue.SimpleQueue()
    lock = threading.Lock()
    given_up = False

    def work() -> None:
        answer: HTTPResponse | Exception
        try:
            answer = urllib.request.urlopen(url, timeout=_STALL_SECONDS)
        except Exception as error:
            answer = error
        with lock:
            if not given_up:
                answers.put(answer)
            elif not isinstance(answer, Exception):
                answer.close()

    threading.Thread(target=work, name="pylenet-download", daemon=True).start()
    try:
        answer = answers.get(timeout=CONNECT_SECONDS)
    except queue.Empty:
        with lock:
            given_up = True
        if answers.empty():
            raise _OutOfReachError(f"no answer within {CONNECT_SECONDS:g} s") from None
        answer = answers.get()
    if isinstance(answer, HTTPError):
        answer.close()
        raise OSError(f"HTTP status {answer.code} {answer.reason}")
    if isinstance(answer, Exception):
        reason = answer.reason if isinstance(answer, URLError) else answer
        raise _OutOfReachError(str(reason) or type(answer).__name__)
    return answer
