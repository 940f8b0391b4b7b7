"""HDF5 files that end the process that reads them, and where that process cannot be had."""

import os
import signal
import subprocess
import sys
import zlib

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")

from nets import compiled, small, state, tiny  # noqa: E402
from tolerance import assert_same_bits  # noqa: E402

from pylenet.convert import _hdf5, _hdf5_content  # noqa: E402
from pylenet.models import load_model  # noqa: E402

ROOT = '{"links": {}, "attributes": {}}'  # as a line of what a process hands back


@pytest.fixture
def path(tmp_path):
    compiled(tiny).save(tmp_path / "m.h5")
    return tmp_path / "m.h5"


def replace_script(monkeypatch, tmp_path, code):
    """Let this code read HDF5 files."""
    script = tmp_path / "script.py"
    script.write_text(f"import os, sys, time\nsys.stdin.buffer.read()\n{code}\n")
    monkeypatch.setattr(_hdf5, "SCRIPT", str(script))


CRASHES = {
    "abort": ("os.abort()", "m.h5' .* damaged, and ended the process that read it with exit code"),
    "exit": ("sys.exit(3)", "m.h5' .* damaged, and ended the process .* exit code 3"),
    "half": (f"print('{ROOT}')", "m.h5' .* could not read it to its end"),
    "nothing": ("", "m.h5' .* could not read it to its end"),
    "nonsense": ("print('[')", "m.h5' "),
    "no such object": (f"print('{ROOT}'); print('{{\"end\": 1}}')", "m.h5' .* no architecture"),
}


@pytest.mark.parametrize(("code", "message"), CRASHES.values(), ids=CRASHES)
def test_a_file_that_ends_the_process_that_reads_it_is_a_value_error(
    code, message, monkeypatch, path, tmp_path
):
    replace_script(monkeypatch, tmp_path, code)
    with pytest.raises(ValueError, match=message):
        load_model(path)


def test_weights_and_archives_are_read_by_that_process_too(monkeypatch, tmp_path):
    model = compiled(tiny)
    for name in ("m.keras", "m.weights.h5"):
        (model.save if name == "m.keras" else model.save_weights)(tmp_path / name)
    before = state(model)
    replace_script(monkeypatch, tmp_path, "os.abort()")
    for name in ("m.keras", "m.weights.h5"):
        with pytest.raises(ValueError, match=rf"{name}' .* ended the process that read it"):
            model.load_weights(tmp_path / name)
    with pytest.raises(ValueError, match=r"m.keras' .* ended the process that read it"):
        load_model(tmp_path / "m.keras")
    assert_same_bits(state(model), before)


def test_a_process_that_goes_on_for_too_long_is_ended(monkeypatch, path, tmp_path):
    replace_script(monkeypatch, tmp_path, "time.sleep(600)")
    monkeypatch.setattr(_hdf5, "SECONDS", 0.2)
    with pytest.raises(ValueError, match=r"m.h5' .* did not read it within"):
        load_model(path)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX")
def test_a_crash_is_seen_where_nobody_waits_for_processes(monkeypatch, path, tmp_path):
    replace_script(monkeypatch, tmp_path, f"print('{ROOT}', flush=True); os.abort()")
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(ValueError, match="could not read it to its end|ended the process"):
            load_model(path)
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_this_process_does_not_open_the_file(monkeypatch, path):
    expected = state(load_model(path))
    monkeypatch.setattr(h5py, "File", None)
    assert_same_bits(state(load_model(path)), expected)


def test_neither_the_current_folder_nor_the_environment_has_a_say(monkeypatch, path, tmp_path):
    for name in ("h5py.py", "json.py", "sitecustomize.py"):
        (tmp_path / name).write_text("raise SystemExit(5)")
    for name in ("PYTHONPATH", "PYTHONHOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder])
    monkeypatch.chdir(tmp_path)
    assert load_model(path).built


def test_without_a_python_to_start_this_process_reads_the_file(monkeypatch, path):
    expected = state(load_model(path))
    for executable in (None, "", "/opt/app/app", "/nowhere/python3"):
        monkeypatch.setattr(sys, "executable", executable)
        assert_same_bits(state(load_model(path)), expected)


def test_a_packed_program_is_not_started_again(monkeypatch, path):
    expected = state(load_model(path))
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(subprocess, "run", None)
    assert_same_bits(state(load_model(path)), expected)


def test_where_the_process_has_no_h5py_this_one_reads_the_file(monkeypatch, path, tmp_path):
    expected = state(load_model(path))
    replace_script(monkeypatch, tmp_path, f"sys.exit({_hdf5_content.NO_LIBRARY})")
    assert_same_bits(state(load_model(path)), expected)


def test_a_system_that_has_no_more_processes_is_an_error_of_its_own(monkeypatch, path):
    def run(*arguments, **options):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(OSError, match="Resource temporarily unavailable"):
        load_model(path)


def test_groups_that_hold_each_other_are_read_once(path):
    with h5py.File(path, "r+") as file:
        group = file["model_weights"]
        for name in "abcdefgh":  # 2 to the 8th ways to the last one, and back
            inner = group.create_group(name)
            group[name + name] = inner
            inner["back"] = file["/"]
            group = inner
    assert load_model(path).built


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux")
def test_the_memory_that_unpacking_takes_is_limited(monkeypatch, tmp_path):
    compiled(small).save(tmp_path / "m.h5")
    packed = zlib.compress(bytes(2**26), 1)  # a chunk far larger than the array that it is of
    with h5py.File(tmp_path / "m.h5", "r+") as file:
        group = file["model_weights/conv2d/conv2d"]
        del group["bias"]
        shape = {"shape": (3,), "maxshape": (None,), "chunks": (2**24,)}
        bias = group.create_dataset("bias", dtype="f4", compression="gzip", **shape)
        bias.id.write_direct_chunk((0,), packed)
    load_model(tmp_path / "m.h5")
    monkeypatch.setattr(_hdf5, "MEMORY", 2**22)
    with pytest.raises(ValueError, match=r"m.h5' "):
        load_model(tmp_path / "m.h5")


def test_what_is_not_of_use_may_be_anything(path):
    expected = state(load_model(path))
    with h5py.File(path, "r+") as file:
        file["elsewhere"] = h5py.ExternalLink("nowhere.h5", "/x")
        file.create_group(b"\xff")  # no UTF-8
        file["type"] = np.dtype("f4")
        file["records"] = np.zeros(2, [("a", "f4")])
        file.create_dataset("huge", (10**6, 10**6), "f4")
        file.attrs["numbers"] = np.arange(3)
        file.attrs["empty"] = h5py.Empty("f4")
    assert_same_bits(state(load_model(path)), expected)
