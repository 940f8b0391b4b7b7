"""A short run of the fuzzer; docs/reliability.md has the figures of a long one."""

import subprocess
import sys
from pathlib import Path

import pytest
import sanitizer

SCRIPT = Path(__file__).parents[1] / "reliability" / "fuzz.py"


def test_mutated_files_are_refused_or_loaded_and_nothing_else():
    growth = 1000 if sanitizer.LOADED else 200  # MB; AddressSanitizer keeps some of what was freed
    command = [sys.executable, str(SCRIPT), "--count", "150", "--growth", str(growth)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failures" in done.stdout


@sanitizer.foreign
def test_keras_files_with_changed_bytes_raise_nothing_but_value_errors():
    pytest.importorskip("h5py")
    script = SCRIPT.with_name("fuzz_keras.py")
    command = [sys.executable, str(script), "--count", "250", "--memory", "1000000"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failures" in done.stdout
