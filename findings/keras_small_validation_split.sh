#!/usr/bin/env bash
# Versions: keras==3.15.1, pillow==13.0.0, numpy==2.4.6, jax[cpu]==0.10.2.
# Keras 3.15.1, image_dataset_from_directory(validation_split=0.04, subset="training") of 20 pictures:
# it prints that it uses 20 files for training, then finds no images. The share rounds down to no
# picture for validation, and "all but the last 0" of a list is nothing.
# Output seen: Using 20 files for training.
#              ValueError: No images found in directory ...
# Exits with 0 while that is so, else with 1.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check \
  "keras==3.15.1" "pillow==13.0.0" "numpy==2.4.6" "jax[cpu]==0.10.2"
cd "$work"
KERAS_BACKEND=jax "$work/venv/bin/python" - <<'PYTHON' | tee output
import os

import numpy as np
from keras.utils import image_dataset_from_directory
from PIL import Image

for number in range(20):
    folder = os.path.join("pictures", "ab"[number % 2])
    os.makedirs(folder, exist_ok=True)
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(f"{folder}/{number}.png")
try:
    image_dataset_from_directory(
        "pictures", validation_split=0.04, subset="training", seed=1, format="grain"
    )
except Exception as error:
    print(f"{type(error).__name__}: {str(error).splitlines()[0]}")
PYTHON
grep -qx "Using 20 files for training." output
grep -q "^ValueError: No images found in directory" output
