"""Fetches a data set's missing files from its web mirrors, into memory."""

from __future__ import annotations

import gzip
import io
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPException, HTTPResponse
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from .._progress import Download
from ._idx import DamagedError, read_npz, read_stream
from ._load import Search

CONNECT_SECONDS = 4.0  # for name look-up, connection and the answer's head together
_STALL_SECONDS = 20.0
_PIECE = 1 << 16
_SLACK = 1 << 16  # by which a compressed file may be longer than the raw one


class _OutOfReachError(OSError):
    """A host that gave no answer at all."""


def fetch(search: Search) -> Iterator[str]:
    """Take the missing files, each from the first mirror that has it; yield what to warn of."""
    silent: set[str] = set()
    for mirror in search.data_set.mirrors:
        host = urlsplit(mirror).netloc
        if not search.missing:
            return
        if host in silent:
            search.tried.append(f"{mirror}: not asked, {host} is out of reach")
            continue
        try:
            with closing(Download(f"{search.data_set.title} from {mirror}")) as meter:
                _fetch_from(mirror, search, meter)
        except DamagedError as error:
            search.tried.append(str(error))
            yield str(error)
        except (OSError, HTTPException) as error:
            if isinstance(error, _OutOfReachError):
                silent.add(host)
            search.tried.append(f"{mirror}: {error or type(error).__name__}")


def _fetch_from(mirror: str, search: Search, meter: Download) -> None:
    if mirror.endswith(".npz"):
        limit = sum(file.size for file in search.data_set.files)
        search.found |= read_npz(_download(mirror, limit, meter), search.data_set, mirror)
        return
    for file in search.missing:
        url = f"{mirror}{file.name}.gz"
        with gzip.GzipFile(fileobj=_download(url, file.size, meter)) as stream:
            search.found[file.name] = read_stream(stream, file, url)


def _download(url: str, limit: int, meter: Download) -> io.BytesIO:
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
    answers: list[HTTPResponse | Exception] = []

    def work() -> None:
        try:
            answers.append(urllib.request.urlopen(url, timeout=_STALL_SECONDS))
        except Exception as error:
            answers.append(error)

    thread = threading.Thread(target=work, name="pylenet-download", daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    if not answers:
        raise _OutOfReachError(f"no answer within {CONNECT_SECONDS:g} s")
    (answer,) = answers
    if isinstance(answer, HTTPError):
        answer.close()
        raise OSError(f"HTTP status {answer.code} {answer.reason}")
    if isinstance(answer, Exception):
        reason = answer.reason if isinstance(answer, URLError) else answer
        raise _OutOfReachError(str(reason) or type(answer).__name__)
    return answer
