"""The command line: `pylenet train | evaluate | predict | quantize | export | draw | ...`.

`python -m pylenet` does the same.

Exit code 0 is success, 2 an error (told in one line on stderr), 130 an interruption (Ctrl-C), 141
a reader of the output that went away.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from collections.abc import Sequence

from ._parser import parser

__all__ = ["main"]

ERROR, INTERRUPTED, BROKEN_PIPE = 2, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (sys.argv without `arguments`) and return its exit code.

    After --help, --version and wrong usage argparse ends the process itself, by SystemExit.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for file names that are not text
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            try:
                options = parser().parse_args(arguments)
                options.run(options)
            finally:
                if sys.stdout is not None:
                    sys.stdout.flush()
        except KeyboardInterrupt as error:
            _tell(": ".join(["interrupted", *map(str, error.args)]))
            return INTERRUPTED
        except (TypeError, ValueError, OSError, MemoryError) as error:
            _drop_unwritten()
            if isinstance(error, BrokenPipeError):
                return BROKEN_PIPE
            _tell(f"error: {_text(error)}")
            return ERROR
    return 0


def _text(error: Exception) -> str:
    """The error in one line; only the list of where a data set was looked for keeps its lines."""
    text = str(error)
    if isinstance(error, OSError) and error.strerror is not None:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    elif isinstance(error, FileNotFoundError):
        return text
    elif isinstance(error, MemoryError):
        text = f"out of memory: {text}" if text else "out of memory"
    return _one_line(text)


def _show_warning(message: Warning | str, *place: object, **more: object) -> None:
    _tell(f"warning: {_one_line(str(message))}")


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _tell(text: str) -> None:
    if sys.stderr is not None:
        print(f"pylenet: {text}", file=sys.stderr, flush=True)


def _drop_unwritten() -> None:
    """Let go of output that cannot be written: Python would complain of it when it ends."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
