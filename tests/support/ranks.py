"""Running code on several ranks, by the mpirun that lies beside this Python."""

import json
import os
import subprocess
import sys
from pathlib import Path

MPIRUN = Path(sys.executable).with_name("mpirun")
SECONDS = 120  # a run that hangs fails
# What mpirun wants to be told where there are fewer processors than ranks, and in containers.
SETTINGS = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PYLENET_NUM_THREADS": "1",
}
BEGINNING = """
import json, sys
import numpy as np
import pylenet
from pylenet import callbacks, distributed, layers, models

world = distributed.MPI()

def tell(value):
    with open(f"rank{world.rank}.json", "w") as file:
        json.dump(value, file)
"""


def start(ranks, command, folder, **settings):
    """mpirun's process, with its output in pipes."""
    return subprocess.Popen(
        [MPIRUN, "-n", str(ranks), sys.executable, *map(str, command)],
        cwd=folder,
        env=os.environ | SETTINGS | settings,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(ranks, command, folder, **settings):
    """The finished process."""
    process = start(ranks, command, folder, **settings)
    try:
        out, error = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, error)


def told(ranks, code, folder, **settings):
    """What each rank gave to tell() in the code, which ends without an error."""
    script = folder / "script.py"
    script.write_text(BEGINNING + code)
    done = run(ranks, [script], folder, **settings)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in range(ranks)]


def runs(number):
    """Whether there is such a process, and it is not one that has ended and was not waited for."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def numbers(process):
    """The process numbers of the ranks that mpirun has started."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return sorted(map(int, children))
