#!/usr/bin/env bash
# Versions: keras==3.15.1, scipy==1.17.1, numpy==2.4.6, jax[cpu]==0.10.2.
# Keras 3.15.1, ImageDataGenerator, which tf.keras.preprocessing.image gives: width_shift_range moves
# images up and down and height_shift_range sideways, the reverse of what their names and the
# documentation say; and an image of 20 x 40 pixels that is turned by 90 degrees about its centre
# has what was in the middle at its left edge. The matrix is made for (x, y), its axes are exchanged
# afterwards, and with them the shifts, which were drawn for (row, column), and the centre.
# Output seen: width_shift_range=[5]: the dot moves by 5 rows and 0 columns
#              height_shift_range=[5]: the dot moves by 0 rows and 5 columns
#              90 degrees: the dot in the middle, column 19.5 of 40, is at column 0.0
# Exits with 0 while that is so, else with 1.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check \
  "keras==3.15.1" "scipy==1.17.1" "numpy==2.4.6" "jax[cpu]==0.10.2"
cd "$work"
KERAS_BACKEND=jax "$work/venv/bin/python" - <<'PYTHON' | tee output
import numpy as np
from keras._tf_keras.keras.preprocessing.image import ImageDataGenerator


def dot(height, width):
    image = np.zeros((1, height, width, 1), "float32")
    image[0, height // 2 - 1 : height // 2 + 1, width // 2 - 1 : width // 2 + 1] = 1
    return image


def place(image):
    values = image[..., 0]
    rows, columns = values.sum(axis=1), values.sum(axis=0)
    return (rows @ np.arange(len(rows)) / values.sum(), columns @ np.arange(len(columns)) / values.sum())


for name in ("width_shift_range", "height_shift_range"):
    generator = ImageDataGenerator(fill_mode="constant", **{name: [5]})
    row, column = place(next(generator.flow(dot(20, 20), batch_size=1))[0])
    print(f"{name}=[5]: the dot moves by {abs(row - 9.5):.0f} rows and {abs(column - 9.5):.0f} columns")
turned = ImageDataGenerator(fill_mode="constant").apply_transform(dot(20, 40)[0], {"theta": 90})
print(f"90 degrees: the dot in the middle, column 19.5 of 40, is at column {place(turned)[1]:.1f}")
PYTHON
grep -q '^width_shift_range=\[5\]: the dot moves by 5 rows and 0 columns$' output
grep -q '^height_shift_range=\[5\]: the dot moves by 0 rows and 5 columns$' output
grep -q 'is at column 0.0$' output
