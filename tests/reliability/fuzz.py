"""Mutate files of models, backups, data and other tools: a typed error or a good load, never more.

    python tests/reliability/fuzz.py --count 100000 --seed 1

Each input is a valid file with one to eight mutations: flipped bits, bytes set to extremes, parts
cut out, doubled, moved, truncated ends, numbers in JSON replaced by absurd ones. Fails on any other
exception than the documented ones, on a load that takes longer than 5 s of processor time, and on
memory that grows by more than 200 MB over the run. The same seed gives the same inputs. ONNX files
are among them where the package onnx is installed.
"""

import argparse
import contextlib
import gzip
import importlib.util
import os
import random
import re
import resource
import shutil
import struct
import sys
import tempfile
import time
import warnings
import zipfile
from pathlib import Path

import numpy as np

from pylenet import Sequential, callbacks, layers
from pylenet.datasets import load_folder
from pylenet.models import load_model

sys.path.append(str(Path(__file__).parents[1] / "support"))
import torch_nets

CORPUS = Path(__file__).parents[1] / "data"
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # a disk would be the bottleneck
ABSURD = [b"-1", b"0", b"1e999", b"99999999999999999999", b"4294967296", b"2147483647", b"null"]
IDX = {
    "train-images-idx3-ubyte": (4, 5, 5),
    "train-labels-idx1-ubyte": (4,),
    "t10k-images-idx3-ubyte": (2, 5, 5),
    "t10k-labels-idx1-ubyte": (2,),
}


def new_model():
    model = Sequential(
        [
            layers.Conv2D(2, 3, activation="relu", input_shape=(6, 6, 1)),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


X, Y = np.zeros((4, 6, 6, 1), np.uint8), np.zeros(4, int)


class Stop(Exception):
    pass


class StopAtOnce(callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        raise Stop


class Target:
    """A kind of file: its valid bytes, and a call that reads it."""

    def __init__(self, folder):
        self.path = folder / "file"
        self.valid = self.make(folder)

    def make(self, folder):
        new_model().save(self.path)
        return self.path.read_bytes()

    def read(self):
        load_model(self.path)


class Backup(Target):
    def make(self, folder):
        self.path = folder / "backup.safetensors"
        backup = callbacks.BackupAndRestore(folder, delete_checkpoint=False)
        new_model().fit(X, Y, 2, 2, 0, backup)
        return self.path.read_bytes()

    def read(self):
        backup = callbacks.BackupAndRestore(self.path.parent)
        with contextlib.suppress(Stop):
            new_model().fit(X, Y, 2, 9, 0, [backup, StopAtOnce()])


class Idx(Target):
    suffix = ""

    def make(self, folder):
        rng = np.random.default_rng(0)
        for name, shape in IDX.items():
            head = struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape)
            data = self.pack(head + rng.integers(0, 9, shape, np.uint8).tobytes())
            (folder / f"{name}{self.suffix}").write_bytes(data)
        self.path = folder / f"train-images-idx3-ubyte{self.suffix}"
        return self.path.read_bytes()

    def pack(self, data):
        return data

    def read(self):
        load_folder(self.path.parent)


class GzipIdx(Idx):
    suffix = ".gz"

    def pack(self, data):
        return gzip.compress(data, mtime=0)


class RepackedIdx(GzipIdx):
    """Mutated before it is packed, so that the gzip layer is sound."""

    def make(self, folder):
        return gzip.decompress(super().make(folder))

    def write(self, data):
        self.path.write_bytes(gzip.compress(data, 1, mtime=0))


class Onnx(Target):
    """A file of another tool. The package that reads it must be there."""

    source = CORPUS / "onnx" / "keras_pooled_torch.onnx"

    def make(self, folder):
        self.path = folder / self.source.name
        return self.source.read_bytes()


class OnnxOfPytorch(Onnx):
    source = CORPUS / "onnx" / "torch_old.onnx"


class OnnxOutside(Onnx):
    """With its weights in a file of their own."""

    source = CORPUS / "onnx" / "torch_dynamo.onnx"

    def make(self, folder):
        shutil.copy(f"{self.source}.data", folder)
        return super().make(folder)


class StateDict(Onnx):
    source = CORPUS / "torch" / "net_checkpoint.pth"

    def make(self, folder):
        self.model = torch_nets.net()
        return super().make(folder)

    def read(self):
        self.model.load_weights(self.path)


class StateDictPickle(StateDict):
    """Its pickle mutated before it is packed, so that the zip is sound."""

    def make(self, folder):
        super().make(folder)
        with zipfile.ZipFile(self.source) as archive:
            self.members = {name: archive.read(name) for name in archive.namelist()}
        (self.name,) = (name for name in self.members if name.endswith("data.pkl"))
        return self.members[self.name]

    def write(self, data):
        with zipfile.ZipFile(self.path, "w") as archive:
            for name, content in (self.members | {self.name: data}).items():
                archive.writestr(name, content)


class StateDictSorted(StateDict):
    source = CORPUS / "torch" / "net.safetensors"


TARGETS = {
    "model": Target,
    "backup": Backup,
    "idx": Idx,
    "idx.gz": GzipIdx,
    "idx in gz": RepackedIdx,
    "pth": StateDict,
    "pickle in pth": StateDictPickle,
    "safetensors of PyTorch": StateDictSorted,
}
WITH_ONNX = {"onnx": Onnx, "onnx of PyTorch": OnnxOfPytorch, "onnx, outside": OnnxOutside}
if importlib.util.find_spec("onnx") is not None:
    TARGETS |= WITH_ONNX


def mutated(data, chance):
    data = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        if not data:
            break
        # Headers are short and matter most: half of the mutations fall into the first bytes.
        k = chance.randrange(min(len(data), chance.choice((16, 2000, len(data), len(data)))))
        n = min(chance.choice((1, 1, 4, 16, 300)), len(data) - k)
        kind = chance.randrange(8)
        if kind == 0:
            data[k] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[k : k + n] = bytes([chance.choice((0, 1, 127, 128, 255))]) * n
        elif kind == 2:
            del data[k : k + n]
        elif kind == 3:
            data[k:k] = data[k : k + n]
        elif kind == 4:
            data[k:k] = chance.randbytes(n)
        elif kind == 5:
            del data[k:]
        elif kind == 6:
            numbers = list(re.finditer(rb"\d+(\.\d+)?", data[8:4000]))
            if numbers:
                begin, end = chance.choice(numbers).span()
                data[8 + begin : 8 + end] = chance.choice(ABSURD)
        else:
            data[k : k + n] = data[-n:]
    return bytes(data)


def run(target, data, counts):
    getattr(target, "write", target.path.write_bytes)(data)
    started = time.process_time()
    try:
        target.read()
        counts["loaded"] += 1
    except ValueError:
        counts["refused"] += 1
    assert time.process_time() - started < 5, "more than five seconds"


def systematic(valid):
    """Truncated at up to 2,000 places; the first 400 bytes each flipped in every bit and set."""
    yield from (valid[:n] for n in range(0, len(valid), 1 + len(valid) // 2000))
    for k in range(min(400, len(valid))):
        for value in [*(1 << bit for bit in range(8)), 255]:
            yield valid[:k] + bytes([valid[k] ^ value]) + valid[k + 1 :]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=2000, help="mutations of each kind of file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", choices=TARGETS, default=TARGETS, metavar="KIND")
    parser.add_argument("--growth", type=int, default=200, help="MB that memory may grow by")
    options = parser.parse_args()
    warnings.simplefilter("error")
    failures = 0
    before = 0
    for name in options.kinds:
        kind = TARGETS[name]
        chance = random.Random(f"{options.seed} {name}")
        counts = {"refused": 0, "loaded": 0}
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            target = kind(Path(folder))
            run(target, target.valid, {"refused": 0, "loaded": 0})
            inputs = [*systematic(target.valid)]
            before = before or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            for k in range(len(inputs) + options.count):
                data = inputs[k] if k < len(inputs) else mutated(target.valid, chance)
                try:
                    run(target, data, counts)
                except Exception as error:
                    failures += 1
                    print(f"{name}: input {k}: {type(error).__name__}: {error}")
        print(f"{name:<22} {len(inputs):6} systematic, {options.count:6} random: {counts}")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{failures} failures; memory grew by {grown:.0f} MB")
    return int(failures > 0 or grown > options.growth)


if __name__ == "__main__":
    sys.exit(main())
