"""Nothing beyond the caller's arrays is read or written."""

import os
import subprocess
import sys
from pathlib import Path

import core
import pytest

SCRIPT = Path(__file__).parents[1] / "reliability" / "guard_pages.py"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs mprotect")


@pytest.mark.isas
@pytest.mark.parametrize("isa", core.ISAS)
def test_arrays_may_end_and_begin_at_pages_that_nobody_may_touch(isa):
    command = [sys.executable, str(SCRIPT), "--isa", isa]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd="/")
    assert done.returncode == 0, done.stdout[-300:] + done.stderr
