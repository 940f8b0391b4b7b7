"""Model files: safetensors, the weights by name and the architecture as JSON in the metadata.

The optimizer's state is in it, too: for each weight that is trained, as "conv2d.kernel", its slots,
as "conv2d.kernel/velocity", and the count of steps in the JSON. Other tools' formats are read and
written by `pylenet.convert`.

Nothing in a file is ever executed or unpickled: the JSON names layers of this package and their
arguments, which pass the same checks as a caller's.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _check, _files, convert, losses, optimizers
from .._configurable import serialize
from .._missing import takes_old_arguments
from .._warn import warn
from ..layers import Layer
from ..metrics import deserialize
from ._sequential import Sequential

FORMAT = "pylenet-2"
FORMATS = ("pylenet-1", FORMAT)  # that are read; the first one has no state of an optimizer
INTEGERS = "pylenet-int8-"  # a quantized model's format begins so
MOST_LAYERS = 1000  # in a file: a hostile one is refused before it takes long

Tensors = dict[str, NDArray[np.float32]]


def save_model(model: Sequential, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Write the model beside the target first, then put it in its place.

    As what the name's ending says, or, where that cannot be, as pylenet's own format under another
    name beside it, with a warning: a training that is done is not to be lost for a name.
    """
    path = _target(filepath, overwrite)
    try:
        check_target(path, "model")
        module = convert.writer(path, "model")
        data = None if module is None else module.model_bytes(model)
    except (ValueError, ImportError) as error:
        data, path = None, _beside(path, error)
    if data is None and path.suffix[1:].isalpha() and convert.of_name(path) is None:
        warn(
            f"filepath {str(path)!r} has an ending of no format known here: what is written is "
            "pylenet's own, as under .safetensors"
        )
    _files.write_whole(path, _own_bytes(model) if data is None else data)


def save_weights(
    model: Sequential, filepath: str | os.PathLike[str], overwrite: bool = True
) -> None:
    """Write the weights alone; otherwise as `save_model`."""
    path = _target(filepath, overwrite)
    try:
        check_target(path, "weights")
        module = convert.writer(path, "weights")
        data = None if module is None else module.weights_bytes(model)
    except (ValueError, ImportError) as error:
        data, path = None, _beside(path, error)
    if data is None:
        from safetensors.numpy import save

        data = save(model.snapshot())
    _files.write_whole(path, data)


def check_target(path: Path, what: str) -> None:
    """Raise what keeps `what` ("model" or "weights") from being written to this name."""
    _files.checked("filepath", path)
    convert.writer(path, what)


@takes_old_arguments
def load_model(filepath: str | os.PathLike[str], *, compile: bool = True) -> Any:
    """The model of a file that `save`, or Keras, wrote: a Sequential, or a QuantizedModel.

    filepath: a file of pylenet's own, or one that `docs/interop.md` names. compile: whether to
    compile the model as it was and to give the optimizer the state that the file has, so that
    training goes on to the same bits. Where the file's loss or optimizer cannot be had here, the
    model is not compiled, and a warning says why.

    Raises FileNotFoundError where there is no file, ImportError where a package is missing that
    reads such a file, ValueError where it is damaged, of another format, or has something that
    pylenet does not.
    """
    compile = _check.boolean("compile", compile)
    path = _path(filepath)
    form = convert.of_content(path) if path.exists() else None
    if form is None and not path.is_file():
        raise FileNotFoundError(f"filepath must be a model file, got {str(path)!r}")
    if form is None:
        raise ValueError(
            f"{str(path)!r} is not a pylenet model: its first bytes are of no format known here"
        )
    if form is convert.SAFETENSORS:
        return _read(path, compile)
    return convert.reader(path, form, "model").read_model(path, compile)


def clone_model(model: Sequential) -> Sequential:
    """A new model of the same layers, with new weights, not compiled."""
    if not isinstance(model, Sequential):
        raise TypeError(f"model must be a Sequential, got {model!r}")
    return model_from_config({"class_name": "Sequential", "config": model.get_config()})


def load_weights(
    model: Sequential,
    filepath: str | os.PathLike[str],
    by_name: bool = False,
    skip_mismatch: bool = False,
) -> None:
    """Set the weights of a file that `save_weights` or `save`, or another tool, wrote.

    by_name, skip_mismatch: as in Sequential.load_weights.
    """
    path = _path(filepath)
    form = convert.of_content(path) if path.exists() else None
    if form is None and not path.is_file():
        raise FileNotFoundError(f"filepath must be a file of weights, got {str(path)!r}")
    if form is None:
        raise ValueError(f"{str(path)!r} holds no weights: its first bytes are of no known format")
    if by_name:
        _set_by_name(model, path, _layers_in(model, path, form), skip_mismatch)
        return
    if skip_mismatch:
        raise ValueError("skip_mismatch must be False unless by_name is True")
    if form is convert.SAFETENSORS:
        if not _is_state_dict(path):
            _read_weights(model, path)
            return
        form = convert.TORCH
    convert.reader(path, form, "weights").read_weights(model, path)


def to_json(model: Sequential, **options: Any) -> str:
    """The model without weights, as Keras 3's JSON."""
    from ..convert import _keras_config

    return json.dumps(_keras_config.model_config(model, strict=False), **options)


def model_from_json(json_string: str) -> Sequential:
    """A new model, with new weights, of what `to_json` gave, of pylenet or of Keras 2 or 3.

    It is compiled as the text says, if that says it. Raises ValueError where the text is no JSON of
    a model, its layers are no chain, or one of them is not in pylenet.
    """
    try:
        config = json.loads(_check.text("json_string", json_string))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"json_string must be the JSON of a model: {error}") from error
    return model_from_config(config)


def model_from_config(config: Any) -> Sequential:
    """The same of an object, not a text."""
    from ..convert import _keras_config

    try:
        config = json.loads(json.dumps(config))  # tuples as lists, and nothing but JSON
        modern = isinstance(config, dict) and "keras_version" not in config
        version = 3 if modern else int(str(config["keras_version"]).partition(".")[0])
        found = _keras_config.described(config, version)
        model = _keras_config.built(found, None)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"config is no model that can be made here: {error}") from error
    _keras_config.compiled(model, config.get("compile_config"))
    return model


def _target(filepath: object, overwrite: bool) -> Path:
    path = _path(filepath)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"filepath must be in an existing folder, got {str(path)!r}")
    if path.is_file() and not overwrite:
        raise FileExistsError(f"filepath must be new with overwrite=False, got {str(path)!r}")
    return path


def _beside(path: Path, reason: Exception) -> Path:
    """A new name for pylenet's own format beside `path`, and a warning that says so."""
    if not path.name:
        raise reason
    other, number = path.with_suffix(".safetensors"), 1
    while os.path.lexists(other):
        number += 1
        other = path.with_name(f"{path.stem}-{number}.safetensors")
    warn(f"{reason}. It is saved as {str(other)!r} instead")
    return other


def _own_bytes(model: Sequential) -> bytes:
    from safetensors.numpy import save

    tensors, config = whole(model)
    text = json.dumps(config)
    try:
        _from_config(json.loads(text), {name: a.shape for name, a in tensors.items()})
    except (ValueError, TypeError) as error:
        raise ValueError(f"model {model.name!r} could not be loaded again: {error}") from error
    # One key only: safetensors writes several in any order, and a model is to be the same bytes.
    return save(tensors, metadata={"model": text})


def whole(model: Sequential) -> tuple[Tensors, dict[str, Any]]:
    """Weights and the optimizer's state by name, and the config, all from between two steps."""
    flat, slots, iterations = model.snapshot_training()
    tensors = {name: view.copy() for name, view in model.named_weights(flat).items()}
    for slot, buffer in slots.items():
        named = model.named_weights(buffer)
        tensors |= {f"{name}/{slot}": named[name].copy() for name in model.trainable_names()}
    config = config_of(model)
    if config["compile"] is not None:
        config["compile"]["iterations"] = iterations
    return tensors, config


def _read(path: Path, compile: bool) -> Any:
    """The model of a safetensors file. Raises ValueError where it is none of ours."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if "model" not in metadata:
                raise ValueError(
                    "its metadata must have the key 'model' (weights alone are for load_weights)"
                )
            names = list(file.keys())
            config = json.loads(metadata["model"])
            if isinstance(config, dict) and str(config.get("format")).startswith(INTEGERS):
                from ..quantization import _model  # rarely needed

                if len(metadata) > 1:
                    raise ValueError(f"its metadata must be 'model' alone, got {[*metadata]}")
                return _model.from_config(config, {name: file.get_tensor(name) for name in names})
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
            model = _from_config(config, shapes, compile)
            for name, view in _views(model).items():
                view[...] = _weight(name, file.get_tensor(name))
    except (SafetensorError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} is not a pylenet model: {error}") from error
    return model


def _read_weights(model: Sequential, path: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            names = [name for name in file.keys() if not _is_state(name)]  # noqa: SIM118
            expected = {name: view.shape for name, view in model.named_weights().items()}
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
            if shapes != expected:
                raise ValueError(f"its tensors must be {expected}, got {shapes}")
            weights = [_weight(name, file.get_tensor(name)) for name in expected]
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{str(path)!r} has other weights than this model: {error}") from error
    model.set_weights(weights)


def _layers_in(
    model: Sequential, path: Path, form: convert.Format
) -> dict[str, list[NDArray[Any]]]:
    """The weights of each layer by its name. Raises ValueError where the file has no such names."""
    if form is convert.SAFETENSORS and not _is_state_dict(path):
        return _own_layers(model, path)
    module = convert.reader(path, form, "weights")
    if not hasattr(module, "weights_by_layer"):
        raise ValueError(f"{str(path)!r} has no layers' names: by_name must be False")
    found: dict[str, list[NDArray[Any]]] = module.weights_by_layer(path)
    return found


def _own_layers(model: Sequential, path: Path) -> dict[str, list[NDArray[Any]]]:
    from safetensors import SafetensorError, safe_open

    order = {name: place for place, name in enumerate(model.named_weights())}
    found: dict[str, list[NDArray[Any]]] = {}
    try:
        with safe_open(path, framework="numpy") as file:
            for name in sorted(file.keys(), key=lambda name: order.get(name, len(order))):
                if not _is_state(name):
                    layer = name.rpartition(".")[0]
                    found.setdefault(layer, []).append(_weight(name, file.get_tensor(name)))
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"{str(path)!r} has no weights for this model: {error}") from error
    return found


def _set_by_name(
    model: Sequential, path: Path, found: dict[str, list[NDArray[Any]]], skip_mismatch: bool
) -> None:
    """Set the weights of layers that the file names, all of them or, with a ValueError, none."""
    from ..convert._keras_config import keras_name

    flat = model.network.snapshot(model.parameters)
    views, count = model.named_weights(flat), 0
    for layer in model.layers:
        weights = found.get(str(layer.name)) or found.get(keras_name(layer))
        if not weights:
            continue
        own = [views[name] for name in model.names_of(layer)]
        if [w.shape for w in own] != [w.shape for w in weights]:
            if skip_mismatch:
                continue
            raise ValueError(
                f"{str(path)!r} has other weights: layer {layer.name!r} must have the shapes "
                f"{[w.shape for w in own]}, got {[w.shape for w in weights]}"
            )
        for view, values in zip(own, weights, strict=True):
            view[...] = values
        count += 1
    if not count:
        raise ValueError(
            f"{str(path)!r} has no weights of a layer that this model has: it has {sorted(found)}"
        )
    model.network.assign(model.parameters, flat)


def _is_state_dict(path: Path) -> bool:
    """Whether a safetensors file has PyTorch's tensors: no weight is called so here."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            kinds = {name.rpartition(".")[2] for name in file.keys()}  # noqa: SIM118
            return "model" not in (file.metadata() or {}) and not kinds.isdisjoint(
                {"weight", "running_mean"}
            )
    except SafetensorError:
        return False  # damaged: what reads our own says so


def model_of(config: dict[str, Any], tensors: Tensors) -> Sequential:
    """A new model of what `whole` gave."""
    model = _from_config(config, {name: a.shape for name, a in tensors.items()})
    for name, view in _views(model).items():
        view[...] = tensors[name]
    return model


def _path(filepath: object) -> Path:
    if not isinstance(filepath, (str, os.PathLike)):
        raise TypeError(f"filepath must be a str or os.PathLike, got {filepath!r}")
    return Path(filepath)


def _weight(name: str, values: NDArray[Any]) -> NDArray[np.float32]:
    if values.dtype != np.float32:
        raise ValueError(f"tensor {name!r} must be float32, got {values.dtype}")
    return values


def _is_state(name: str) -> bool:
    """Whether a tensor is the optimizer's, as "dense.kernel/momentum"; layers' names may have /."""
    return "/" in name.rpartition(".")[2]


def _views(model: Sequential) -> Tensors:
    """All tensors that a file of this model has, live."""
    views = model.named_weights()
    optimizer = model.optimizer
    if optimizer is not None and optimizer.serves(model.parameters.size, model.identity):
        for slot, buffer in zip(optimizer.slot_names, optimizer.slots, strict=True):
            named = model.named_weights(buffer)
            views |= {f"{name}/{slot}": named[name] for name in model.trainable_names()}
    return views


def config_of(model: Sequential) -> dict[str, Any]:
    """Name, architecture, what the model was compiled with and its data, of JSON values only."""
    compiled = None
    if model.loss is not None and model.optimizer is not None:
        compiled = {
            "loss": serialize(model.loss),
            "optimizer": serialize(model.optimizer),
            **model.metrics_config(),
        }
    return {
        "format": FORMAT,
        "name": model.name,
        "input_shape": model.input_shape[1:],
        "layers": [serialize(layer) for layer in model.layers],
        "compile": compiled,
        **model.facts(),
    }


def _from_config(
    config: Any, shapes: Mapping[str, tuple[int, ...]], compile: bool = True
) -> Sequential:
    """The model of a config whose tensors have exactly the names and shapes given, values aside."""
    if not isinstance(config, dict) or config.get("format") not in FORMATS:
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
    weights = {name: shape for name, shape in shapes.items() if not _is_state(name)}
    model.build_to_load(config["input_shape"], sum(map(math.prod, weights.values())))
    expected = {name: view.shape for name, view in model.named_weights().items()}
    if expected != weights:
        raise ValueError(f"its tensors must be {expected}, got {weights}")
    if (compiled := config["compile"]) is not None:
        _compile(
            model, compiled, {n: shape for n, shape in shapes.items() if _is_state(n)}, compile
        )
    model.set_facts(config)
    return model


def _compile(
    model: Sequential, config: Any, state: Mapping[str, tuple[int, ...]], wanted: bool
) -> None:
    """As `config` says, with room for the state; where that is refused, not, and with a warning."""
    optimizer, loss = optimizers.get(config["optimizer"]), losses.get(config["loss"])
    metrics, weighted = (
        [deserialize(metric) for metric in config.get(kind, ())]
        for kind in ("metrics", "weighted_metrics")
    )
    iterations = _check.unsigned("iterations", config.get("iterations", 0), 63)
    expected = {
        f"{name}/{slot}": view.shape
        for name, view in model.named_weights().items()
        for slot in optimizer.slot_names
        if name in model.trainable_names()
    }
    if state and state != expected:
        raise ValueError(f"its optimizer's tensors must be {expected}, got {dict(state)}")
    if not wanted:
        return
    try:
        model.compile(optimizer, loss, metrics=metrics, weighted_metrics=weighted)
    except ValueError as error:
        warn(f"model {model.name!r} is loaded without being compiled: {error}")
        return
    optimizer.iterations = iterations
    if state:
        optimizer.build(model.parameters.size, model.identity)
