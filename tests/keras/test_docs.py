"""docs/keras.md names what is there and what is not: both are looked for."""

import importlib
import re
from pathlib import Path

import pytest

from pylenet._keras import Placeholder

DOCS = (Path(__file__).parents[2] / "docs" / "keras.md").read_text(encoding="utf-8")
TABLE = DOCS.split("## What differs")[0]


def rows():
    """(module, names there, names that are not) of the table, for rows of one module."""
    found = []
    for line in re.findall(r"^\| `.*\|$", TABLE, re.MULTILINE):
        modules, there, missing = (cell.strip() for cell in line.strip("|").split("|"))
        if re.fullmatch(r"`[\w.]+`", modules):
            named = " ".join(part.partition(":")[0] for part in missing.split(";"))
            names = [re.findall(r"`([a-zA-Z]\w*)`", cell) for cell in (there, named)]
            found.append((modules.strip("`"), *names))
    return found


def test_the_table_is_read():
    assert {"layers", "optimizers.schedules", "backend"} <= {module for module, _, _ in rows()}
    assert sum(len(there) for _, there, _ in rows()) > 100


@pytest.mark.parametrize(("module", "there", "missing"), rows(), ids=lambda v: str(v)[:20])
def test_a_module_has_the_names_that_are_there_and_lacks_the_others(module, there, missing):
    names = importlib.import_module(f"pylenet.{module}")
    for name in there:
        assert not isinstance(getattr(names, name), Placeholder), name
    for name in missing:
        found = getattr(names, name)
        assert isinstance(found, Placeholder) or found.__name__ == f"pylenet.{module}.{name}", name
