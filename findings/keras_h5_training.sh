#!/usr/bin/env bash
# Versions: keras==3.15.1, jax==0.10.2, h5py==3.16.0, numpy==2.4.6.
# Keras 3.15.1 on JAX 0.10.2 (h5py 3.16.0): a Sequential that was compiled, trained and saved as .h5 comes back from
# load_model compiled, but its optimizer was built for no variables: the saved state is dropped (with a log
# line only) and the first fit raises ValueError. The same model saved as .keras goes on.
#
# Seen:
#   .keras: 10 variables of the optimizer, trains
#   .h5: 2 variables of the optimizer, ValueError
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --disable-pip-version-check --target "$folder" keras==3.15.1 jax==0.10.2 \
  h5py==3.16.0 numpy==2.4.6
cd "$folder" && KERAS_BACKEND=jax PYTHONPATH=$folder \
  python3 - 2>"$folder/log" <<'PYTHON' || { cat "$folder/log"; exit 1; }
import keras
import numpy as np

x, y = np.random.default_rng(0).random((32, 6)), np.arange(32) % 4
model = keras.Sequential(
    [
        keras.Input((6,)),
        keras.layers.Dense(3, activation="relu"),
        keras.layers.Dense(4, activation="softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x, y, verbose=0)
told = {}
for suffix in (".keras", ".h5"):
    model.save(f"m{suffix}")
    loaded = keras.models.load_model(f"m{suffix}")
    count = len(loaded.optimizer.variables)
    try:
        loaded.fit(x, y, verbose=0)
        told[suffix] = "trains"
    except ValueError:
        told[suffix] = "ValueError"
    print(f"{suffix}: {count} variables of the optimizer, {told[suffix]}")
assert told == {".keras": "trains", ".h5": "ValueError"}
PYTHON
