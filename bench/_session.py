"""The command's side of a library's process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from _peers import Library

WORKER = Path(__file__).with_name("_worker.py")
LAST_LINES = 3


class PeerFailed(Exception):
    """The process ended without an answer; the text is the last it wrote."""


class Session:
    """A process of its own for a library, pinned to `threads` processors; to be used in `with`.

    about: what the process says of its library: versions, import_seconds, ways.
    """

    def __init__(self, library: Library, threads: int, folder: Path) -> None:
        self.library = library
        self._log = folder / f"{library.name}.log"
        with open(self._log, "w") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, str(WORKER), library.name, str(threads)),
                    *(",".join(map(str, processors(threads))), str(folder)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | environment(threads),
                text=True,
            )
        try:
            self.about = self._answer()
        except BaseException:
            self.close()
            raise

    def ask(self, action: str, **arguments: Any) -> dict[str, Any]:
        assert self._process.stdin
        try:
            print(json.dumps({"action": action, **arguments}), file=self._process.stdin, flush=True)
        except BrokenPipeError:
            raise PeerFailed(self._last_words()) from None
        return self._answer()

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe and not pipe.closed:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise PeerFailed(self._last_words())
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        code = self._process.wait()
        lines = [x.strip() for x in self._log.read_text(errors="replace").splitlines() if x.strip()]
        return ": ".join([f"its process ended with code {code}", *lines[-LAST_LINES:]])


def processors(threads: int) -> list[int]:
    """The first of those that this process may use."""
    return available()[:threads]


def available() -> list[int]:
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def environment(threads: int) -> dict[str, str]:
    """Every library's own settings: the same threads, the processor only, few messages."""
    names = "OMP MKL OPENBLAS PYLENET"
    return {f"{name}_NUM_THREADS": str(threads) for name in names.split()} | {
        "NPROC": str(threads),  # XLA
        "CUDA_VISIBLE_DEVICES": "-1",
        "JAX_PLATFORMS": "cpu",
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
