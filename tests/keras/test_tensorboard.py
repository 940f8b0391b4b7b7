"""callbacks.TensorBoard: event files, byte for byte as TensorBoard reads them."""

import struct

import numpy as np
import pytest
from nets import compiled, samples, tiny

from pylenet import callbacks
from pylenet._tensorboard import _checksum

X, Y = samples(12, (4,), 3)


def test_checksums_are_those_of_rfc_3720():
    """Appendix B.4: CRC-32C of 32 zeros, of 32 ones and of 0 to 31; then masked."""
    for data, crc in (
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ):
        masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
        assert _checksum(data) == struct.pack("<I", masked)


def fields(data):
    """(number, value) of a message, values as they are coded."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    found = []
    while at < len(data):
        key = varint()
        size = {0: None, 1: 8, 2: None, 5: 4}[key & 7]
        if key & 7 == 0:
            found.append((key >> 3, varint()))
            continue
        size = varint() if size is None else size
        found.append((key >> 3, data[at : at + size]))
        at += size
    return found


def events(path):
    """(step, {tag: value}) of an event file whose checksums are right."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        head = data[at : at + 8]
        (length,) = struct.unpack("<Q", head)
        assert data[at + 8 : at + 12] == _checksum(head)
        event = data[at + 12 : at + 12 + length]
        assert data[at + 12 + length : at + 16 + length] == _checksum(event)
        at += 16 + length
        found.append(dict(fields(event)))
    assert found[0][3] == b"brain.Event:2"
    values = []
    for event in found[1:]:
        scalars = [dict(fields(value)) for _, value in fields(event[5])]
        values.append((event[2], {s[1].decode(): struct.unpack("<f", s[2])[0] for s in scalars}))
    return values


def test_the_logs_of_each_epoch_are_written(tmp_path):
    model = compiled(tiny, metrics=["accuracy"])
    history = model.fit(
        X,
        Y,
        epochs=3,
        validation_data=(X, Y),
        callbacks=[callbacks.TensorBoard(tmp_path / "logs")],
        verbose=0,
    ).history
    (train,), (validation,) = ((tmp_path / "logs" / p).iterdir() for p in ("train", "validation"))
    for path, prefix in ((train, ""), (validation, "val_")):
        found = events(path)
        assert [step for step, _ in found] == [0, 1, 2]
        for name in ("loss", "accuracy"):
            values = [scalars[f"epoch_{name}"] for _, scalars in found]
            assert values == list(np.float32(history[prefix + name]))
    assert events(train)[0][1]["epoch_learning_rate"] == np.float32(0.01)


def test_tensorboard_reads_them(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    model = compiled(tiny, metrics=["accuracy"])
    board = callbacks.TensorBoard(str(tmp_path))
    history = model.fit(X, Y, epochs=2, callbacks=[board], verbose=0).history
    read = accumulator.EventAccumulator(str(tmp_path / "train"))
    read.Reload()
    assert [s.value for s in read.Scalars("epoch_loss")] == list(np.float32(history["loss"]))


def test_what_is_not_written_is_warned_of_once(tmp_path):
    with pytest.warns(UserWarning, match="nothing else, got histogram_freq, write_images"):
        callbacks.TensorBoard(tmp_path, histogram_freq=1, write_graph=True, write_images=True)
    with pytest.raises(TypeError, match="unexpected keyword argument 'nothing'"):
        callbacks.TensorBoard(tmp_path, nothing=1)
