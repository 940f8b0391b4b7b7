"""What the commands print, and where they write."""

import os
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

    Raises ValueError where `_files.write_whole` would fail, or would replace what is not a file.
    """
    place = Path(os.path.realpath(path))
    if place.is_dir():
        raise ValueError(f"{option} must be a file, got the folder {str(path)!r}")
    if place.exists() and not place.is_file():
        raise ValueError(f"{option} must be a file, got {str(path)!r}, which is a device or pipe")
    temporary = _files.temporary_name(place)
    try:
        if place.exists():
            place.open("ab").close()
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        raise ValueError(
            f"{option} must be a file that can be written, got {str(path)!r}: "
            f"{error.strerror or error}"
        ) from error
    return place
