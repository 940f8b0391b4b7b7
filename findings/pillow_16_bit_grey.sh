#!/usr/bin/env bash
# Versions: pillow==13.0.0, numpy==2.4.6.
# Pillow 13.0.0, image.convert("L") of a 16-bit grey PNG: values above 255 all become 255
# instead of being scaled, so that a scan of 0 to 65535 turns white. convert("RGB") does the same.
# Output seen: I;16 [0, 100, 20000, 65535] -> [0, 100, 255, 255]
# Exits with 0 while that is so, else with 1.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q --disable-pip-version-check "pillow==13.0.0" "numpy==2.4.6"
cd "$work"
"$work/venv/bin/python" - <<'PYTHON' | tee output
import numpy as np
from PIL import Image

Image.fromarray(np.array([[0, 100, 20000, 65535]], np.uint16)).save("scan.png")
scan = Image.open("scan.png")
values = np.asarray(scan)[0].tolist()
for mode in ("L", "RGB"):
    grey = np.asarray(scan.convert(mode)).reshape(4, -1)[:, 0]
    print(scan.mode, values, "->", grey.tolist())
PYTHON
[ "$(sort -u output)" = "I;16 [0, 100, 20000, 65535] -> [0, 100, 255, 255]" ]
