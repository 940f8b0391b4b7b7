"""The package as a whole: its stub, its imports, its docstrings, the symbols of its kernels."""

import ast
import importlib.metadata
import importlib.resources
import importlib.util
import inspect
import json
import os
import pkgutil
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import pylenet
from pylenet import _core

# The stub


def stub():
    """Public names of the stub beside the extension: of the module, and of each class."""
    text = (importlib.resources.files(pylenet) / "_core.pyi").read_text(encoding="utf-8")
    tree = ast.parse(text)
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    return names(tree), {name: names(node) for name, node in classes.items()}, classes


def names(node):
    found = set()
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            found.add(child.name)
        elif isinstance(child, ast.AnnAssign):
            found.add(child.target.id)
    return found


def public(namespace):
    return {name for name in namespace if not name.startswith("_")}


def test_the_stub_has_every_name_of_the_extension_and_no_other():
    module, classes, _ = stub()
    assert public(module) == public(vars(_core))
    assert "__version__" in module
    for name in public(classes):  # one that begins with _ is of what the extension is given
        # An enumeration of pybind11 has these two besides its values.
        enumeration = {"name", "value"} if hasattr(vars(_core)[name], "__members__") else set()
        assert public(classes[name]) == public(dir(vars(_core)[name])) - enumeration


def test_the_stub_has_the_extension_s_arguments():
    _, _, classes = stub()
    for node in classes["Network"].body:
        if not isinstance(node, ast.FunctionDef) or node.decorator_list:
            continue
        given = [a.arg for a in [*node.args.args, *node.args.kwonlyargs]]
        signature = getattr(_core.Network, node.name).__doc__.splitlines()[0]
        found = re.findall(r"[(,] ?(\w+): ", signature)
        assert found == given, node.name
        assert ("*, " in signature) == bool(node.args.kwonlyargs), node.name


# Names and docstrings

EXTRAS = {"pylenet.sklearn": "sklearn"}  # modules that need one when they are imported


def modules():
    found = [pylenet]
    for info in pkgutil.walk_packages(pylenet.__path__, "pylenet."):
        extra = EXTRAS.get(info.name)
        if extra and not importlib.util.find_spec(extra):
            continue
        if not any(part.startswith("_") for part in info.name.split(".")[1:]):
            found.append(importlib.import_module(info.name))
    return found


@pytest.mark.parametrize("module", modules(), ids=lambda m: m.__name__)
def test_a_public_module_says_what_it_is_and_what_is_in_it(module):
    assert module.__doc__
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, name


def test_what_a_keras_script_uses_is_there():
    for path in (
        "Sequential",
        "Input",
        "models.load_model",
        "layers.Conv2D",
        "metrics.categorical_crossentropy",
        "optimizers.SGD",
        "optimizers.schedules.CosineDecay",
        "utils.to_categorical",
        "datasets.mnist.load_data",
        "callbacks.EarlyStopping",
    ):
        value = pylenet
        for name in path.split("."):
            value = getattr(value, name)


def test_the_version_is_the_distribution_s():
    assert pylenet.__version__ == importlib.metadata.version("pylenet")
    assert re.fullmatch(r"\d+\.\d+\.\d+", pylenet.__version__)


def test_the_package_says_that_it_is_typed():
    assert (importlib.resources.files(pylenet) / "py.typed").is_file()


def test_numpy_and_safetensors_are_the_only_things_it_needs():
    needed = importlib.metadata.requires("pylenet")
    at_run_time = [re.split(r"[^\w-]", line)[0] for line in needed if "extra ==" not in line]
    assert sorted(at_run_time) == ["numpy", "safetensors"]


# Importing

HEAVY = ("safetensors", "urllib.request", "http", "ssl", "asyncio", "multiprocessing", "unittest")
HEAVY += ("numpy.random", "pathlib", "hashlib", "csv", "zipfile", "json", "shutil")  # not at once
HEAVY += ("torch", "tensorflow", "keras", "jax", "matplotlib", "pandas", "scipy", "PIL", "tqdm")
HEAVY += ("sklearn", "mpi4py")


def test_importing_is_quiet_and_brings_in_nothing_heavy(run_python):
    code = "import numpy, sys; before = set(sys.modules); import pylenet;"
    code += "after = set(sys.modules); import json; json.dump(sorted(after - before), sys.stderr)"
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    imported = json.loads(done.stderr)
    assert "pylenet._core" in imported
    assert [m for m in imported if m in HEAVY or m.split(".")[0] in HEAVY] == []


def test_what_is_imported_when_used_is_there_all_the_same(run_python):
    code = """
import pylenet
assert {"callbacks", "datasets", "ops", "utils", "models"} <= set(dir(pylenet))
pylenet.utils.to_categorical([1]), pylenet.callbacks.History, pylenet.datasets.mnist.load_data
pylenet.models.load_model, pylenet.ops.conv2d
for module in (pylenet, pylenet.models):
    try:
        module.nothing
    except AttributeError as error:
        assert "has no attribute 'nothing'" in str(error)
    else:
        raise AssertionError
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr


def test_without_scikit_learn_its_estimator_says_what_to_install(run_python):
    code = """
import sys
sys.modules["sklearn"] = None
import pylenet
from pylenet import *
try:
    pylenet.sklearn.LeNetClassifier
except ImportError as error:
    print(error)
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith('or newer: pip install "pylenet[sklearn]"\n')


def test_without_mpi4py_its_ranks_say_what_to_install(run_python):
    code = """
import sys
sys.modules["mpi4py"] = None
import pylenet
try:
    pylenet.distributed.MPI()
except ImportError as error:
    print(error)
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert 'needs mpi4py and an MPI: pip install "pylenet[mpi]"' in done.stdout


def test_importing_changes_nothing_of_the_process(run_python):
    code = """
import os, random, signal, sys, threading, warnings
import numpy as np
def state():
    return (dict(os.environ), random.getstate(), np.random.get_state()[1].tolist(),
            signal.getsignal(signal.SIGINT), warnings.filters[:], np.geterr(),
            threading.active_count(), sys.path[:], os.getcwd())
before = state()
import pylenet
assert state() == before
print(np.float32(1e-45) > 0, np.float32(1e-38) * np.float32(1e-3) > 0)
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("True True\n", "")


# A compiled part that cannot be loaded

# The finder of an editable install comes before the path.
PATH_ALONE = "import sys; sys.meta_path = [f for f in sys.meta_path if 'Scikit' not in str(f)]"


@pytest.fixture
def import_error(tmp_path, run_python):
    """Import a copy of the package in which _core is what is given; the error's last line."""
    folder = tmp_path / "pylenet"
    folder.mkdir()
    for source in importlib.resources.files(pylenet).iterdir():
        if source.name.endswith(".py"):
            shutil.copy(source, folder)

    def error(name=None, content=""):
        if name is not None:
            (folder / name).write_text(content, encoding="utf-8")
        done = run_python(f"{PATH_ALONE}; import pylenet")
        assert done.returncode == 1
        *_, last = done.stderr.splitlines()
        assert "circular" not in done.stderr
        assert done.stderr.count("Traceback") == 1
        assert last.startswith("ImportError: pylenet")
        return last

    return error


def loading_raises(text):
    return "_core.py", f"raise ImportError({text!r})"


def test_in_the_sources_folder_importing_says_to_install_and_to_go_elsewhere(
    import_error, tmp_path
):
    assert import_error() == (
        f"ImportError: pylenet's sources in {tmp_path / 'pylenet'} have no compiled part: "
        "install them with `pip install .`, then run Python from another folder"
    )


@pytest.mark.parametrize("name", ["_core.cpython-35m-other.so", "_core.cp35-other.pyd"])
def test_a_compiled_part_for_another_python_is_named(name, import_error):
    assert f"was built for another Python: it has {name}, and" in import_error(name)


def test_without_openmp_s_library_importing_names_it_and_how_to_get_it(import_error):
    text = "libgomp.so.1: cannot open shared object file: No such file or directory"
    found = import_error(*loading_raises(text))
    assert "needs the library libgomp.so.1, which is not on this machine" in found
    assert "apt install libgomp1" in found


def test_another_library_that_is_missing_is_named(import_error):
    text = "libother.so.6: cannot open shared object file: No such file or directory"
    found = import_error(*loading_raises(text))
    assert "needs the library libother.so.6, which is not on this machine" in found
    assert "libgomp" not in found


def test_whatever_else_keeps_the_compiled_part_from_loading_is_told(import_error):
    text = "version `GLIBC_2.38' not found (required by _core.so)"
    assert import_error(*loading_raises(text)).endswith(f"cannot be loaded: {text}")


# The kernels' symbols

CSRC = Path(__file__).parent.parent / "csrc"
KERNELS = CSRC / "kernels" / "kernels.cpp"
COMPILER = shutil.which("c++") or shutil.which("g++")


INT8_KERNELS = CSRC / "kernels" / "int8" / "int8.cpp"


def isa_flags(function="pylenet_kernels"):
    """The flags of each instruction set, as csrc/CMakeLists.txt has them."""
    file = CSRC / "CMakeLists.txt"
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    calls = re.findall(rf"^ *{function}\((\w+)([^)]*)\)", text, re.MULTILINE)
    # What ${...} stands for is about inlining alone.
    return {isa: [f for f in flags.split() if not f.startswith("$")] for isa, flags in calls}


@pytest.mark.skipif(not KERNELS.is_file(), reason="the sources are not here")
@pytest.mark.skipif(not (COMPILER and shutil.which("nm")), reason="no C++ compiler, or no nm")
@pytest.mark.parametrize("isa", [isa for isa in isa_flags() if isa in _core.built_isas()])
def test_an_instruction_set_s_object_defines_its_table_and_nothing_else(isa, tmp_path):
    """Else the linker might take a function made for one processor for all.

    Unoptimised, so that no function that could be a symbol hides by being inlined.
    """
    symbols = defined(KERNELS, isa, isa_flags()[isa], tmp_path)
    assert len(symbols) == 1, symbols
    assert f"kernels_{isa}" in symbols[0]


@pytest.mark.skipif(not KERNELS.is_file(), reason="the sources are not here")
@pytest.mark.skipif(not (COMPILER and shutil.which("nm")), reason="no C++ compiler, or no nm")
@pytest.mark.parametrize("isa", _core.built_int8_isas())
def test_an_object_of_the_kernels_on_integers_defines_its_table_and_nothing_else(isa, tmp_path):
    symbols = defined(INT8_KERNELS, isa, isa_flags("pylenet_int8_kernels")[isa], tmp_path)
    assert len(symbols) == 1, symbols
    assert f"int8_{isa}" in symbols[0]


def defined(kernels, isa, flags, folder):
    """The symbols that an object of this source defines."""
    command = [COMPILER, "-std=c++17", "-O0", "-w", f"-DPYLENET_ISA={isa}", *flags]
    source, target = str(kernels), str(folder / "kernels.o")
    # Without what a sanitizer's build has put before every program.
    plain = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    command += ["-fno-exceptions", "-I", str(CSRC), "-c", source, "-o", target]
    subprocess.run(command, check=True, env=plain)
    listed = subprocess.run(
        ["nm", "--extern-only", "--defined-only", target],
        check=True,
        capture_output=True,
        text=True,
        env=plain,
    )
    return [line.split()[-1] for line in listed.stdout.splitlines()]


def test_the_sources_are_tested_for_symbols_of_every_instruction_set_that_was_built():
    if not KERNELS.is_file():
        pytest.skip("the sources are not here")
    assert set(isa_flags()) >= set(_core.built_isas())


# The rooms of csrc: each may include itself and what stands below it.
ROOMS = ("kernels", "runtime", "layers", "network", "bindings")
BESIDES = {"kernels": {"cstddef", "cstdint", "cstring", "utility", "immintrin.h", "arm_neon.h"}}


@pytest.mark.skipif(not KERNELS.is_file(), reason="the sources are not here")
@pytest.mark.parametrize("room", ROOMS)
def test_a_room_of_the_sources_includes_only_itself_and_those_below(room):
    below = ROOMS[: ROOMS.index(room) + 1]
    files = [path for path in (CSRC / room).rglob("*") if path.suffix in {".h", ".cpp"}]
    assert files
    for path in files:
        text = path.read_text(encoding="utf-8")
        own = re.findall(r'^#include "(.*)"', text, re.MULTILINE)
        assert all(name.split("/")[0] in below for name in own), (path, own)
        assert all((CSRC / name).is_file() for name in own), (path, own)
        foreign = set(re.findall(r"^#include <(.*)>", text, re.MULTILINE))
        assert foreign <= BESIDES.get(room, foreign), (path, foreign)
        if room != "bindings":
            assert not any("pybind11" in name or "Python" in name for name in foreign), path


@pytest.mark.skipif(not KERNELS.is_file(), reason="the sources are not here")
def test_every_folder_of_the_sources_is_a_wing():
    assert {path.name for path in CSRC.iterdir() if path.is_dir()} == set(ROOMS)


@pytest.mark.skipif(not KERNELS.is_file(), reason="the sources are not here")
def test_both_layouts_of_the_kernels_have_files_of_the_same_names():
    names = [{path.name for path in (CSRC / "kernels" / n).iterdir()} for n in ("lanes", "single")]
    assert names[0] == names[1]
