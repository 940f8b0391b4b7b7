"""Model files: safetensors, the weights by name and the architecture as JSON in the metadata.

Nothing in a file is ever executed or unpickled: the JSON names layers of this package and their
arguments, which pass the same checks as a caller's.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _files, convert
from .._configurable import serialize
from ..layers import Layer
from ..metrics import CategoricalAccuracy
from ._sequential import Sequential

FORMAT = "pylenet-1"
MOST_LAYERS = 1000  # in a file: a hostile one is refused before it takes long
FOREIGN_SUFFIXES = (".h5", ".hdf5", ".keras", ".pt", ".pth", ".onnx", ".npz", ".pkl")


def save_model(model: Sequential, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Write the model beside the target first, then put it in its place."""
    from safetensors.numpy import save

    path = _path(filepath)
    if path.is_dir():
        raise ValueError(f"filepath must name a file, got the folder {str(path)!r}")
    if path.suffix.lower() in FOREIGN_SUFFIXES:
        raise ValueError(
            f"filepath must end in .safetensors (that is the format written), got {str(path)!r}"
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"filepath must be in an existing folder, got {str(path)!r}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"filepath must be new with overwrite=False, got {str(path)!r}")
    weights = model.snapshot()
    config = json.dumps(config_of(model))
    try:
        _from_config(json.loads(config), {name: view.shape for name, view in weights.items()})
    except (ValueError, TypeError) as error:
        raise ValueError(f"model {model.name!r} could not be loaded again: {error}") from error
    # One key only: safetensors writes several in any order, and a model is to be the same bytes.
    data = save(weights, metadata={"model": config})
    _files.write_whole(path, data)


def load_model(filepath: str | os.PathLike[str]) -> Sequential:
    """The model that `save` wrote, compiled as it was, its optimizer without state.

    Raises FileNotFoundError where there is no file, ValueError where it is not a pylenet model.
    """
    path = _path(filepath)
    form = convert.of_content(path) if path.exists() else None
    if form is None and not path.is_file():
        raise FileNotFoundError(f"filepath must be a model file, got {str(path)!r}")
    if form is None:
        raise ValueError(
            f"{str(path)!r} is not a pylenet model: its first bytes are of no format known here"
        )
    if form is not convert.SAFETENSORS:
        model: Sequential = convert.reader(path, form, "model").read_model(path)
        return model
    return _read(path)


def _read(path: Path) -> Sequential:
    """The model of a safetensors file. Raises ValueError where it is none of ours."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if "model" not in metadata:
                raise ValueError("its metadata must have the key 'model'")
            names = list(file.keys())
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
            model = _from_config(json.loads(metadata["model"]), shapes)
            for name, view in model.named_weights().items():
                view[...] = _weight(name, file.get_tensor(name))
    except (SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} is not a pylenet model: {error}") from error
    return model


def model_of(config: dict[str, Any], weights: list[NDArray[np.float32]]) -> Sequential:
    """A new model of this configuration with these weights."""
    model = _from_config(config, None)
    model.set_weights(weights)
    return model


def _path(filepath: object) -> Path:
    if not isinstance(filepath, (str, os.PathLike)):
        raise TypeError(f"filepath must be a str or os.PathLike, got {filepath!r}")
    return Path(filepath)


def _weight(name: str, values: NDArray[Any]) -> NDArray[np.float32]:
    if values.dtype != np.float32:
        raise ValueError(f"tensor {name!r} must be float32, got {values.dtype}")
    return values


def config_of(model: Sequential) -> dict[str, Any]:
    """Name, architecture, what the model was compiled with and its data, of JSON values only."""
    compiled = None
    if model.loss is not None and model.optimizer is not None:
        compiled = {
            "loss": serialize(model.loss),
            "optimizer": serialize(model.optimizer),
            "metrics": list(model.metrics_names[1:]),
        }
    return {
        "format": FORMAT,
        "name": model.name,
        "input_shape": model.input_shape[1:],
        "layers": [serialize(layer) for layer in model.layers],
        "compile": compiled,
        "data_name": model.data_name,
        "class_names": model.class_names,
    }


def _from_config(config: Any, shapes: dict[str, tuple[int, ...]] | None) -> Sequential:
    """The model of a config whose weights have exactly the names and shapes given, if any are."""
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ValueError(f"its architecture must say format {FORMAT!r}")
    if len(config["layers"]) > MOST_LAYERS:
        raise ValueError(f"it must have at most {MOST_LAYERS} layers")
    model = Sequential(name=config["name"])
    for entry in config["layers"]:
        if entry["class_name"] not in Layer.members:
            raise ValueError(f"unknown layer {entry['class_name']!r}")
        if "input_shape" in entry["config"]:
            raise ValueError("the input shape must stand in one place")
        model.add(Layer.members[entry["class_name"]].from_config(entry["config"]))
    if shapes is None:
        model.build(config["input_shape"])
    else:
        model.build_to_load(config["input_shape"], sum(map(math.prod, shapes.values())))
        expected = {name: view.shape for name, view in model.named_weights().items()}
        if expected != shapes:
            raise ValueError(f"its tensors must be {expected}, got {shapes}")
    if (compiled := config["compile"]) is not None:
        metrics = [CategoricalAccuracy(name=name) for name in compiled["metrics"]]
        model.compile(compiled["optimizer"], compiled["loss"], metrics=metrics)
    model.data_name, model.class_names = config.get("data_name"), config.get("class_names")
    return model
