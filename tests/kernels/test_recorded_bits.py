"""Weights after fixed trainings, predictions and kernels' results are what was recorded once."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest
import sanitizer

from pylenet import _core

SCRIPT = Path(__file__).parents[1] / "reliability" / "bits.py"
RECORDED = Path(__file__).with_name("bits.json")


@sanitizer.minutes
@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64", "aarch64", "arm64"), reason="recorded on these"
)
@pytest.mark.parametrize("isa", _core.available_isas())
def test_the_bits_are_those_that_were_recorded(isa):
    """On 1 thread or 3, in turn: kinds/test_bits.py and test_isa_threads.py compare all of both."""
    threads = (3, 1)[_core.available_isas().index(isa) % 2]
    command = [sys.executable, str(SCRIPT), "--isa", isa, "--threads", str(threads)]
    command += ["--against", str(RECORDED)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd="/")
    assert done.returncode == 0, (
        f"{done.stderr}{done.stdout}If a change of bits is meant, record them anew and say so in "
        f"CHANGELOG.md: python tests/reliability/bits.py > tests/kernels/{RECORDED.name}"
    )
