"""Keras 3's files, .keras: a zip archive with the config as JSON and the weights as HDF5."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from pathlib import Path

from ..models._sequential import Sequential
from . import _hdf5, _keras_config, _keras_weights

__all__ = ["check_model", "model_bytes", "read_model", "read_weights"]

CONFIG, METADATA, WEIGHTS = "config.json", "metadata.json", "model.weights.h5"
OWN = "pylenet"  # where the metadata has what Keras's files have no place for
LARGEST_TEXT = 2**24  # bytes of a JSON member
ZIP_ERRORS = (
    *(ValueError, RuntimeError, LookupError, OSError, EOFError, OverflowError),
    *(zipfile.BadZipFile, zlib.error),
)
DATE = (1980, 1, 1, 0, 0, 0)  # of all members, so that a model is the same bytes


def read_model(path: Path, compile: bool) -> Sequential:
    """The model, compiled as the file says where that is wanted. ValueError where it is damaged."""
    title = f"{str(path)!r} is a Keras file (.keras) that cannot be loaded"
    members = _members(path, title, METADATA, CONFIG, WEIGHTS)
    with _hdf5.opened(members[WEIGHTS], title) as reader:
        metadata = json.loads(members[METADATA])
        version = int(str(metadata["keras_version"]).partition(".")[0])
        config = json.loads(members[CONFIG])
        found = _keras_config.described(config, version)
        weights = _keras_weights.read_tree(reader, found.entries)
        size = sum(w.size for of in weights.values() for w in of)
        model = _keras_config.built(found, size)
        pairs = [(entry.layer, weights[entry.name]) for entry in found.entries if entry.layer]
        if model.built:
            _keras_weights.assign(model, pairs)
        if compile and _keras_config.compiled(model, config.get("compile_config")):
            _keras_weights.restore(model, _keras_weights.read_tree_state(reader), True)
        model.set_facts(metadata.get(OWN, {}))
    return model


def read_weights(model: Sequential, path: Path) -> None:
    """Set the weights of a model of the same layers."""
    title = f"{str(path)!r} has no weights for this model"
    members = _members(path, title, WEIGHTS)
    with _hdf5.opened(members[WEIGHTS], title) as reader:
        _keras_weights.set_tree(model, reader)


def model_bytes(model: Sequential) -> bytes:
    """The whole file. Raises ValueError where Keras has no such layer."""
    config = _keras_config.model_config(model, strict=True)
    weights = _hdf5.written(lambda file: _keras_weights.write_tree(file, model))
    metadata = {"keras_version": _keras_weights.VERSION, OWN: model.facts()}
    texts = {METADATA: metadata, CONFIG: config}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, value in texts.items():
            archive.writestr(zipfile.ZipInfo(name, DATE), json.dumps(value))
        archive.writestr(zipfile.ZipInfo(WEIGHTS, DATE), weights)
    return buffer.getvalue()


def check_model(model: Sequential) -> None:
    """Raise ValueError where Keras has no such layer."""
    _keras_config.check_layers(model)


def _members(path: Path, title: str, *names: str) -> dict[str, bytes]:
    """The bytes of members of the archive, none larger than its file can mean."""
    limit = _hdf5.limit(path.stat().st_size)
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in names:
                most = limit if name == WEIGHTS else min(limit, LARGEST_TEXT)
                with archive.open(name) as member:
                    found[name] = member.read(most + 1)
                if len(found[name]) > most:
                    raise ValueError(f"{name!r} is larger than a file of this size can mean")
    except ZIP_ERRORS as error:
        raise ValueError(f"{title}: {error}") from error
    return found
