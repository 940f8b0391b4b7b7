"""Memory does not grow with use; docs/reliability.md has the figures of a longer run."""

import subprocess
import sys
from pathlib import Path

import pytest
import sanitizer

SCRIPT = Path(__file__).parents[1] / "reliability" / "memory.py"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@sanitizer.own_memory
def test_memory_is_flat_over_20000_predicts_and_50_fits():
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=500, cwd="/"
    )
    assert done.returncode == 0, done.stdout + done.stderr
