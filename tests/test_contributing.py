"""What CONTRIBUTING.md says of adding a layer is code that compiles."""

import ast
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = ROOT / "CONTRIBUTING.md"
COMPILER = shutil.which("c++") or shutil.which("g++")

pytestmark = pytest.mark.skipif(not TEXT.is_file(), reason="the sources are not here")


def blocks():
    """Path and text of each file that the walk names."""
    found = re.findall(r"^```\w+ (\S+)\n(.*?)^```$", TEXT.read_text("utf-8"), re.M | re.S)
    assert len(found) == 6
    return found


@pytest.mark.skipif(not COMPILER, reason="no C++ compiler")
def test_the_layer_of_the_walk_compiles(tmp_path):
    csrc = tmp_path / "csrc"
    shutil.copytree(ROOT / "csrc", csrc)
    table = csrc / "kernels" / "kernels.cpp"
    for name, text in blocks():
        path = tmp_path / name
        if path.suffix == ".py":
            continue
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
        if path.parent.name in {"lanes", "single"}:
            include = f'#include "{path.relative_to(csrc).as_posix()}"\n'
            table.write_text(include + table.read_text("utf-8"), "utf-8")
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    command = [COMPILER, "-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-I", csrc]
    for source in (table, csrc / "layers" / "absolute.cpp"):
        done = subprocess.run(
            [*command, "-DPYLENET_ISA=baseline", source], env=plain, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_the_python_of_the_walk_parses_and_goes_into_files_that_are_there():
    for name, text in blocks():
        if name.endswith(".py"):
            assert (ROOT / name).is_file()
            assert isinstance(ast.parse(text).body[0], ast.ClassDef)
