"""What the commands print, and where they write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .. import _files


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of equal length: the first column to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *numbers in rows:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
        print("  ".join(cells).rstrip())


def checked_file(option: str, path: Path) -> Path:
    """The file that `path` stands for, links followed.

    Raises ValueError where `_files.write_whole` would fail, or where the file may not be written.
    """
    try:
        place = _files.checked(option, path)
        if place.exists():
            place.open("ab").close()
        temporary = _files.temporary_name(place)
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        raise ValueError(
            f"{option} must be a file that can be written, got {str(path)!r}: "
            f"{error.strerror or error}"
        ) from error
    return place
