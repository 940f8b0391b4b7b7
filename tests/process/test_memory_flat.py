"""Memory does not grow with use; docs/reliability.md has the figures of a longer run."""

import subprocess
import sys
from pathlib import Path

import pytest
import sanitizer

MEGABYTE = 2**20
# PyTorch's MNIST example at batch 128, with images as large as MNIST in memory.
TRAIN = """
from pathlib import Path
import numpy as np
import pylenet
from pylenet import Sequential, layers

pylenet.set_num_threads(2)
conv, dense = layers.Conv2D, layers.Dense
model = Sequential(
    [
        *(conv(32, 3, activation="relu"), conv(64, 3, activation="relu"), layers.MaxPooling2D()),
        *(layers.Dropout(0.25), layers.Flatten(), dense(128, "relu"), layers.Dropout(0.5)),
        dense(10, "softmax"),
    ]
)
model.compile("adam", "sparse_categorical_crossentropy")
x, y = np.full((60_000, 28, 28, 1), 7, np.uint8), np.zeros(60_000, int)
model.fit(x[:256], y[:256], 128, verbose=0)
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
SCRIPT = Path(__file__).parents[1] / "reliability" / "memory.py"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@sanitizer.own_memory
def test_memory_is_flat_over_20000_predicts_and_50_fits():
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], capture_output=True, text=True, timeout=500, cwd="/"
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@sanitizer.own_memory
def test_pytorchs_example_trains_at_batch_128_in_200_megabytes(run_python):
    done = run_python(TRAIN)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) * 1024 < 200 * MEGABYTE
