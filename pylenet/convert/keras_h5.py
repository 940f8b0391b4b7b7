"""Keras's HDF5 files: whole models and weights as Keras 2 and 3 write them to .h5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..models._sequential import Sequential
from . import _hdf5, _keras_config, _keras_weights

__all__ = [
    "check_model",
    "model_bytes",
    "read_model",
    "read_weights",
    "weights_by_layer",
    "weights_bytes",
]

OWN = "pylenet"  # the attribute with what Keras's files have no place for


def read_model(path: Path, compile: bool) -> Sequential:
    """The model, compiled as the file says where that is wanted. ValueError where it is damaged."""
    with _hdf5.opened(path, f"{str(path)!r} is a Keras HDF5 file that cannot be loaded") as reader:
        text = reader.text(reader.root, "model_config")
        if text is None:
            raise ValueError("it has no architecture (weights alone are for load_weights)")
        version = int((reader.text(reader.root, "keras_version") or "1").partition(".")[0])
        found = _keras_config.described(json.loads(text), version)
        groups = reader.child(reader.root, "model_weights")
        weights = _keras_weights.read_groups(reader, groups)
        model = _keras_config.built(found, sum(w.size for _, of in weights for w in of))
        if model.built:
            _keras_weights.assign(model, _by_name(model, found.entries, weights))
        training = json.loads(reader.text(reader.root, "training_config") or "null")
        if compile and _keras_config.compiled(model, training):
            given = training.get("optimizer_config") or {}
            side_by_side = version >= 3 or "use_ema" in given.get("config", {})
            _keras_weights.restore(model, _keras_weights.read_groups_state(reader), side_by_side)
        model.set_facts(json.loads(reader.text(reader.root, OWN) or "{}"))
    return model


def read_weights(model: Sequential, path: Path) -> None:
    """Set the weights of a model of the same layers, from either layout."""
    with _hdf5.opened(path, f"{str(path)!r} has no weights for this model") as reader:
        groups = reader.child(reader.root, "model_weights") or reader.root
        if reader.texts(groups, "layer_names") is None:
            _keras_weights.set_tree(model, reader)
            return
        found = _keras_weights.read_groups(reader, groups)
        pairs = _keras_weights.in_order(model, (weights for _, weights in found))
        _keras_weights.assign(model, pairs)


def weights_by_layer(path: Path) -> dict[str, list[Any]]:
    """The weights of each layer by its name. Raises ValueError for Keras 3's layout, without."""
    with _hdf5.opened(path, f"{str(path)!r} has no weights for this model") as reader:
        groups = reader.child(reader.root, "model_weights") or reader.root
        if reader.texts(groups, "layer_names") is None:
            raise ValueError("it has no layers' names: by_name must be False")
        return dict(_keras_weights.read_groups(reader, groups))


def model_bytes(model: Sequential) -> bytes:
    """The whole file. Raises ValueError where Keras has no such layer."""
    config = _keras_config.legacy(_keras_config.model_config(model, strict=True))
    compiled = _keras_config.compile_config(model, strict=True)
    flat, slots, iterations = model.snapshot_training()

    def write(file: Any) -> None:
        file.attrs["backend"] = "tensorflow"
        file.attrs["keras_version"] = _keras_weights.VERSION
        file.attrs[OWN] = json.dumps(model.facts())
        file.attrs["model_config"] = json.dumps(config)
        if compiled is not None:
            training = _keras_config.legacy(compiled)
            training["optimizer_config"] = training.pop("optimizer")
            file.attrs["training_config"] = json.dumps(training)
        _keras_weights.write_groups(file.create_group("model_weights"), model, flat)
        if compiled is not None:
            _keras_weights.write_groups_state(file, model, slots, iterations)

    return _hdf5.written(write)


def weights_bytes(model: Sequential) -> bytes:
    """The weights alone, as Keras 2 writes them and Keras 3 reads them."""
    flat, _, _ = model.snapshot_training()
    return _hdf5.written(lambda file: _keras_weights.write_groups(file, model, flat))


def check_model(model: Sequential) -> None:
    """Raise ValueError where Keras has no such layer."""
    _keras_config.check_layers(model)


def _by_name(model: Sequential, entries: Any, weights: Any) -> Any:
    """Each layer with its weights: by the names that the file has for both, else in order."""
    named = dict(weights)
    layers = [entry for entry in entries if entry.layer is not None]
    if all(entry.name in named for entry in layers):
        return [(entry.layer, named[entry.name]) for entry in layers]
    return _keras_weights.in_order(model, (of for _, of in weights))
