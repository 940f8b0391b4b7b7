#!/usr/bin/env bash
# Versions: keras==3.15.0, jax==0.7.0.
# Keras 3.15.0: the documentation of keras.regularizers.L1L2 gives Dense(3, kernel_regularizer="l1_l2")
# as an example, with l1 = l2 = 0.01. That name is refused; the names that are taken, "l1l2" and "L1L2",
# make a regularizer whose factors are both 0, so nothing is penalised and nothing is said.
#
# Seen:
#   documented: True
#   l1_l2: ValueError
#   l1l2: {'l1': 0.0, 'l2': 0.0}, penalty 0.0
#   L1L2: {'l1': 0.0, 'l2': 0.0}, penalty 0.0
#
# Exits with 0 while it is so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.0 jax==0.7.0 numpy
cat > "$folder/look.py" <<'PYTHON'
import numpy as np
from keras import regularizers

documented = "kernel_regularizer='l1_l2'" in regularizers.L1L2.__doc__
print("documented:", documented)
found = {}
for name in ("l1_l2", "l1l2", "L1L2"):
    try:
        regularizer = regularizers.get(name)
        penalty = float(regularizer(np.ones((2, 2), "float32")))
        found[name] = f"{regularizer.get_config()}, penalty {penalty}"
    except ValueError:
        found[name] = "ValueError"
    print(f"{name}: {found[name]}")
zero = "{'l1': 0.0, 'l2': 0.0}, penalty 0.0"
raise SystemExit(not (documented and found == {"l1_l2": "ValueError", "l1l2": zero, "L1L2": zero}))
PYTHON
KERAS_BACKEND=jax "$folder/venv/bin/python" "$folder/look.py"
