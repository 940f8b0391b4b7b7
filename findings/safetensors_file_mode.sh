#!/usr/bin/env bash
# Versions: safetensors==0.8.0, numpy==2.4.6.
# safetensors 0.8.0, numpy 2.4.6: save_file gives its file the mode 600 whatever the umask, so that others
# cannot read what numpy.save and open() beside it let them read; and a file that was there, and was
# readable for all, is so no longer after it is written again.
#
# Seen, with umask 022:
#   numpy.save 644, save_file 600, save_file over a file of mode 644: 600
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --disable-pip-version-check --target "$folder" \
  safetensors==0.8.0 numpy==2.4.6
cd "$folder" && umask 022 && PYTHONPATH=$folder python3 - <<'PYTHON'
import os

import numpy as np
from safetensors.numpy import save_file


def mode(name):
    return f"{os.stat(name).st_mode & 0o777:o}"


weights = np.zeros(3, np.float32)
np.save("a.npy", weights)
save_file({"w": weights}, "new.safetensors")
open("old.safetensors", "wb").close()
assert mode("old.safetensors") == "644"
save_file({"w": weights}, "old.safetensors")
seen = mode("a.npy"), mode("new.safetensors"), mode("old.safetensors")
print("numpy.save {}, save_file {}, save_file over a file of mode 644: {}".format(*seen))
assert seen == ("644", "600", "600"), seen
PYTHON
