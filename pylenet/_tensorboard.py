"""TensorBoard: the logs of each epoch as the event files that TensorBoard shows.

A file is a row of records: the length (uint64), its checksum, an Event of Protocol Buffers, its
checksum. Checksums are CRC-32C, masked. Sources: TensorFlow's record_writer.h, event.proto and
summary.proto; Castagnoli, Braeuer and Herrmann, IEEE Trans. Communications 41(6), 1993.
"""

from __future__ import annotations

import functools
import os
import socket
import struct
import time
from pathlib import Path
from typing import Any

from ._callback import Callback, Logs
from ._warn import warn

POLYNOMIAL = 0x82F63B78  # Castagnoli's, bits reversed


class TensorBoard(Callback):
    """Writes loss, metrics and learning rate of each epoch for `tensorboard --logdir LOG_DIR`.

    log_dir: str or path of a folder, made if missing; training is in train/ there, validation in
    validation/, each in a file of this run's own. Scalars of epochs are all that is written: a
    warning says so where histogram_freq, write_images, embeddings_freq or another update_freq than
    "epoch" ask for more. write_graph and profile_batch are taken and change nothing.
    """

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: int | str = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
        **of_old: Any,
    ) -> None:
        self.log_dir = Path(os.fspath(log_dir))
        asked = {
            "histogram_freq": histogram_freq,
            "write_images": write_images,
            "embeddings_freq": embeddings_freq,
            "update_freq": update_freq if update_freq != "epoch" else 0,
            "write_steps_per_second": write_steps_per_second,
        }
        unknown = of_old.keys() - {"batch_size", "write_grads", "embeddings_layer_names"}
        unknown -= {"embeddings_data"}
        if unknown:
            raise TypeError(f"TensorBoard() got an unexpected keyword argument {min(unknown)!r}")
        if more := [name for name, value in asked.items() if value]:
            warn(
                f"TensorBoard writes loss, metrics and learning rate of each epoch and nothing "
                f"else, got {', '.join(more)}"
            )

    def on_train_begin(self, logs: Logs = None) -> None:
        self._files: dict[str, Path] = {}

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        values = dict(logs or {})
        values.setdefault("learning_rate", float(self.model.optimizer.learning_rate))
        parts: dict[str, dict[str, float]] = {"train": {}, "validation": {}}
        for name, value in values.items():
            part = "validation" if name.startswith("val_") else "train"
            parts[part][f"epoch_{name.removeprefix('val_')}"] = float(value)
        for part, scalars in parts.items():
            if scalars:
                self._write(part, _event(epoch, scalars))

    def _write(self, part: str, event: bytes) -> None:
        data = _record(event)
        if part not in self._files:
            folder = self.log_dir / part
            folder.mkdir(parents=True, exist_ok=True)
            stamp = f"{time.time():.6f}.{socket.gethostname()}.{os.getpid()}"
            self._files[part] = folder / f"events.out.tfevents.{stamp}.v2"
            data = _record(_field(1, struct.pack("<d", time.time())) + _bytes(3, b"brain.Event:2"))
            data += _record(event)
        with open(self._files[part], "ab") as file:
            file.write(data)


def _event(step: int, scalars: dict[str, float]) -> bytes:
    """An Event: wall_time (1), step (2), summary (5) of values (1): tag (1), simple_value (2)."""
    summary = b"".join(
        _bytes(1, _bytes(1, tag.encode()) + _varint(2 << 3 | 5) + struct.pack("<f", value))
        for tag, value in scalars.items()
    )
    head = _field(1, struct.pack("<d", time.time())) + _varint(2 << 3) + _varint(step)
    return head + _bytes(5, summary)


def _field(number: int, eight_bytes: bytes) -> bytes:
    return _varint(number << 3 | 1) + eight_bytes


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _record(event: bytes) -> bytes:
    length = struct.pack("<Q", len(event))
    return length + _checksum(length) + event + _checksum(event)


def _checksum(data: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _table()[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    return struct.pack("<I", masked)


@functools.cache
def _table() -> tuple[int, ...]:
    found = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        found.append(value)
    return tuple(found)
