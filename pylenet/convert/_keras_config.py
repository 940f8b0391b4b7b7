"""A model as Keras's JSON, written as Keras 3 does, read as Keras 2 and 3 write it.

Layers have Keras's names and arguments here, so that most need no word of their own below: what a
class takes is what its constructor takes, and arguments that pylenet does not have must be neutral.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .. import losses, metrics, optimizers
from .._warn import warn
from ..layers import Layer
from ..losses import Loss
from ..models._saving import MOST_LAYERS, config_of
from ..models._sequential import Sequential
from ..optimizers import Optimizer

Json = dict[str, Any]

ANY = object()
# Arguments that pylenet does not have, with the values that change nothing here. None and False are
# neutral for all.
NEUTRAL: dict[str, tuple[Any, ...]] = {
    "axis": (-1, [-1]),
    "batch_input_shape": (ANY,),  # read beforehand
    "data_format": ("channels_last",),
    "dilation_rate": (1, [1, 1]),
    "dtype": (ANY,),  # weights are float32 here
    "fused": (ANY,),
    "groups": (1,),
    "input_dtype": (ANY,),
    "renorm_momentum": (ANY,),
    "trainable": (True,),  # False: see _layer
}
RENAMED = {"LeakyReLU": {"alpha": "negative_slope"}}  # Keras 2's arguments
KINDS = ("initializer", "regularizer", "constraint")  # arguments that end so are objects of these
UNKNOWN_TO_KERAS = ("RBF", "Subsampling2D")
SCALED = ("scaled_tanh",)  # activations unknown to Keras
SCHEDULES = ("EpochwiseConstant", "OneCycle")  # unknown to Keras
OPTIMIZER_NEUTRAL = {"decay": (0, 0.0), "jit_compile": (ANY,), "is_legacy_optimizer": (ANY,)}
LOSS_NEUTRAL = {
    "reduction": ("sum_over_batch_size", "auto", "mean", "sum_over_batch_size_mean"),
    "axis": (-1,),
    "dtype": (ANY,),
    "fn": (ANY,),
}


class Entry(NamedTuple):
    """A layer of a Keras config. name: in the file. layer: None for an InputLayer."""

    class_name: str
    name: str
    layer: Layer | None


class Described(NamedTuple):
    """A model without weights. entries: its layers in the file's order. config: the whole of it."""

    model: Sequential
    input_shape: tuple[int, ...] | None
    entries: list[Entry]


# Writing


def check_layers(model: Sequential) -> None:
    """Raise ValueError where Keras has no such layer, or no such argument of it."""
    for layer in model.layers:
        _layer_config(layer, strict=True)
    names = [keras_name(layer) for layer in model.layers]
    if len(set(names)) < len(names):
        raise ValueError(f"layers must have names of their own without slashes, got {names}")


def model_config(model: Sequential, strict: bool) -> Json:
    """As Keras 3 has it in config.json; without "compile_config" where Keras cannot compile so.

    strict: raise ValueError for what Keras does not have; else it is there as pylenet has it.
    """
    if strict:
        check_layers(model)
    whole: Json = {
        "module": "keras",
        "class_name": "Sequential",
        "config": sequential_config(model, strict),
        "registered_name": None,
    }
    if model.built:
        whole["build_config"] = {"input_shape": list(model.input_shape)}
    if (compiled := compile_config(model, strict)) is not None:
        whole["compile_config"] = compiled
    return whole


def sequential_config(model: Sequential, strict: bool) -> Json:
    """The arguments of Keras's Sequential."""
    layers = [_layer_config(layer, strict) for layer in model.layers]
    config: Json = {"name": model.name, "trainable": True, "layers": layers}
    if model.built:
        shape = list(model.input_shape)
        taken = {layer.name for layer in model.layers}
        name = next(n for n in ("input_layer", "input_layer_0", "input_") if n not in taken)
        first = {"batch_shape": shape, "dtype": "float32", "name": name}
        layers.insert(0, _object("keras.layers", "InputLayer", first))
        config["build_input_shape"] = shape
    return config


def legacy(config: Any) -> Any:
    """The config as .h5 files have it: without modules, the input's shape under Keras 2's name."""
    if isinstance(config, list):
        return [legacy(value) for value in config]
    if not isinstance(config, dict):
        return config
    names = {"batch_shape": "batch_input_shape"}
    dropped = ("module", "registered_name", "build_config", "compile_config", "build_input_shape")
    return {
        names.get(key, key): value if key == "learning_rate" else legacy(value)
        for key, value in config.items()
        if key not in dropped
    }


def compile_config(model: Sequential, strict: bool) -> Json | None:
    """How the model is compiled; None where it is not, or (if strict) not in a way Keras has."""
    if model.optimizer is None or model.loss is None:
        return None
    told = config_of(model)["compile"]
    try:
        return {
            "optimizer": _optimizer_config(model.optimizer, strict),
            "loss": _loss_config(model.loss, strict),
            "loss_weights": None,
            **{
                kind: [_metric_config(metric) for metric in told[kind]] or None
                for kind in ("metrics", "weighted_metrics")
            },
        }
    except ValueError as error:
        warn(f"model {model.name!r} is saved without how it is compiled: {error}")
        return None


def _object(module: str, class_name: str, config: Json) -> Json:
    return {"module": module, "class_name": class_name, "config": config, "registered_name": None}


def keras_name(layer: Layer) -> str:
    """A layer's name without the slashes that Keras does not allow in it."""
    return str(layer.name).replace("/", "_")


def _layer_config(layer: Layer, strict: bool) -> Json:
    class_name, config = type(layer).__name__, dict(layer.get_config())
    where = f"layer {layer.name!r} ({class_name})"
    if strict and class_name in UNKNOWN_TO_KERAS:
        raise ValueError(f"{where} cannot be said in Keras's words")
    if config.get("connections") is None:
        config.pop("connections", None)
    elif strict:
        raise ValueError(f"{where} has connections, which Keras does not have")
    if strict and config.get("activation") in SCALED:
        raise ValueError(f"{where} has activation {config['activation']!r}, which Keras has not")
    for key, value in list(config.items()):
        kind = key.rpartition("_")[2]
        if kind in KINDS and isinstance(value, dict):
            if strict and value["class_name"] == "FanInUniform":
                del config[key]  # of use for new weights alone
            else:
                config[key] = _object(f"keras.{kind}s", value["class_name"], value["config"])
    module = "pylenet.layers" if class_name in UNKNOWN_TO_KERAS else "keras.layers"
    name = keras_name(layer) if strict else layer.name
    whole = _object(module, class_name, config | {"name": name, "trainable": layer.trainable})
    if layer.sample_input_shape is not None:
        whole["build_config"] = {"input_shape": [None, *layer.sample_input_shape]}
    return whole


def _optimizer_config(optimizer: Optimizer, strict: bool) -> Json:
    class_name, config = type(optimizer).__name__, dict(optimizer.get_config())
    if strict and class_name == "SDLM":
        raise ValueError("Keras does not have the optimizer SDLM")
    rate = config["learning_rate"]
    if isinstance(rate, dict):
        if strict and rate["class_name"] in SCHEDULES:
            raise ValueError(f"Keras does not have the schedule {rate['class_name']}")
        name, arguments = rate["class_name"], rate["config"]
        config["learning_rate"] = _object("keras.optimizers.schedules", name, arguments)
    return _object("keras.optimizers", class_name, config)


def _loss_config(loss: Loss, strict: bool) -> Json:
    class_name = type(loss).__name__
    if strict and class_name == "MaximumAPosteriori":
        raise ValueError("Keras does not have the loss MaximumAPosteriori")
    return _object("keras.losses", class_name, loss.get_config())


def _metric_config(metric: Any) -> Any:
    """A metric of `config_of`: a name, which Keras has too, or an object."""
    if isinstance(metric, str):
        return metric
    return _object("keras.metrics", metric["class_name"], metric["config"])


# Reading


def described(config: Any, version: int) -> Described:
    """The model of a Keras config, without weights.

    version: of Keras, its first number. Raises ValueError (or KeyError, TypeError) for what is no
    chain of layers that pylenet has.
    """
    if not isinstance(config, dict):
        raise ValueError(f"its config must be an object, got {type(config).__name__}")
    inner = config["config"]
    name = "sequential"
    if config["class_name"] == "Sequential":
        entries = inner if isinstance(inner, list) else inner["layers"]  # a list before Keras 2.3
        order = None
    elif config["class_name"] in ("Functional", "Model"):
        entries = inner["layers"]
        order = _chain(inner)
    else:
        raise ValueError(f"it is a {config['class_name']!r}, and must be a chain of layers")
    if not isinstance(entries, list) or len(entries) > MOST_LAYERS:
        raise ValueError(f"it must have a list of at most {MOST_LAYERS} layers")
    if isinstance(inner, dict) and isinstance(inner.get("name"), str):
        name = inner["name"]
    shape = _sample_shape(inner.get("build_input_shape")) if isinstance(inner, dict) else None
    found: list[Entry] = []
    for entry in entries:
        class_name, arguments = entry["class_name"], entry["config"]
        given = arguments.get("batch_shape") or arguments.get("batch_input_shape")
        shape = shape or _sample_shape(given)
        layer = None
        if class_name != "InputLayer":
            layer = _layer(class_name, arguments, version)
        found.append(Entry(class_name, str(entry.get("name") or arguments.get("name")), layer))
    model = Sequential(name=name)
    by_name = {entry.name: entry.layer for entry in found}
    for layer in [entry.layer for entry in found] if order is None else map(by_name.get, order):
        if layer is not None:
            model.add(layer)
    return Described(model, shape, found)


def built(found: Described, size: int | None) -> Sequential:
    """The model, its weights zero to be loaded, `size` of them; drawn anew if None.

    Where there is no input shape, it is left unbuilt.
    """
    model = found.model
    if found.input_shape is not None:
        if size is None:
            model.build(found.input_shape)
        else:
            model.build_to_load(found.input_shape, size)
    return model


def compiled(model: Sequential, config: Any) -> bool:
    """Compile as a Keras compile config says, or warn that it is not compiled, and why."""
    if not isinstance(config, dict) or config.get("loss") is None:
        return False
    given = config.get("optimizer") or config.get("optimizer_config")
    if given is None:
        return False
    try:
        optimizer, loss = _optimizer(given), _loss(config["loss"])
        plain, weighted = config.get("metrics"), config.get("weighted_metrics")
        try:
            found = [list(_metrics(given)) for given in (plain, weighted)]
            model.compile(optimizer, loss, metrics=found[0], weighted_metrics=found[1])
        except (ValueError, TypeError, KeyError) as error:
            model.compile(optimizer, loss)
            warn(f"model {model.name!r} is loaded without its metrics: {error}")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        warn(f"model {model.name!r} is loaded without being compiled: {error}")
        return False
    return True


def _sample_shape(batch_shape: Any) -> tuple[int, ...] | None:
    """The shape of one sample, of [None, 28, 28, 1]."""
    if batch_shape is None:
        return None
    if not isinstance(batch_shape, (list, tuple)) or len(batch_shape) < 2:
        raise ValueError(f"its input must have a shape as [null, 28, 28, 1], got {batch_shape!r}")
    for size in batch_shape[1:]:
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"its input's shape must be known, got {batch_shape!r}")
    return tuple(batch_shape[1:])


def _layer(class_name: Any, config: Json, version: int) -> Layer:
    name = config.get("name")
    if not isinstance(class_name, str) or class_name not in Layer.members:
        raise ValueError(f"layer {name!r} is a {class_name!r}, which pylenet does not have")
    cls, where = Layer.members[class_name], f"layer {name!r} ({class_name})"
    known, arguments = cls._parameters(), {}
    for key, value in config.items():
        key = RENAMED.get(class_name, {}).get(key, key)
        if key in ("name", "trainable") or ANY in NEUTRAL.get(key, ()):
            continue
        if key in known:
            kind = key.rpartition("_")[2]
            if kind in KINDS:
                value = _part(where, key, value, kind)
            elif key == "activation":
                value = _activation(where, value, version)
            arguments[key] = value
        elif not _neutral(NEUTRAL, key, value):
            raise ValueError(f"{where} has {key}={value!r}, which pylenet does not have")
    arguments = {key: value for key, value in arguments.items() if value is not MISSING}
    if isinstance(name, str) and name and name.isascii() and name.isprintable():
        arguments["name"] = name
    try:
        layer: Layer = cls(**arguments)
        if config.get("trainable") is False:
            layer.trainable = False
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {error}") from error
    return layer


MISSING = object()


def _part(where: str, key: str, value: Any, kind: str) -> Any:
    """An initializer, a regularizer or a constraint as a config that pylenet takes."""
    if not isinstance(value, dict):
        return value
    class_name, config = value["class_name"], value.get("config") or {}
    if kind == "initializer":
        return _initializer(class_name, config)
    kept = {name: v for name, v in config.items() if name not in ("dtype", "name")}
    return {"class_name": class_name, "config": kept}


def _initializer(class_name: Any, config: Json) -> Any:
    """The default where there is none such: it is of use for new weights alone."""
    from .. import initializers

    if class_name == "VarianceScaling":  # as Keras 2 wrote Glorot's and others
        scale, mode = config.get("scale"), config.get("mode")
        normal = "normal" in str(config.get("distribution"))
        named = {"1.0 fan_avg": "Glorot", "2.0 fan_in": "He", "1.0 fan_in": "Lecun"}
        class_name = f"{named.get(f'{scale} {mode}')}{'Normal' if normal else 'Uniform'}"
    kept = {name: v for name, v in config.items() if v is not None and name != "dtype"}
    known = initializers.Initializer.members.get(class_name)
    if known is None:
        return MISSING
    kept = {name: v for name, v in kept.items() if name in known._parameters()}
    return {"class_name": class_name, "config": kept}


def _activation(where: str, value: Any, version: int) -> Any:
    if isinstance(value, dict):
        inner = value.get("config")
        value = inner if isinstance(inner, str) else value.get("class_name")
    if value == "hard_sigmoid" and version < 3:
        raise ValueError(
            f"{where} has the hard_sigmoid of Keras {version}, which is another function than "
            "today's: clip(0.2 x + 0.5, 0, 1)"
        )
    return value


def _neutral(table: Mapping[str, tuple[Any, ...]], key: str, value: Any) -> bool:
    if value is None or value is False:
        return True
    values = table.get(key, ())
    return ANY in values or any(value == one and type(value) is type(one) for one in values)


def _chain(config: Json) -> list[str]:
    """The layers' names from input to output. Raises ValueError unless that is one chain."""
    below: dict[str, str] = {}
    for entry in config["layers"]:
        name = entry.get("name") or entry["config"]["name"]
        sources = list(_sources(entry.get("inbound_nodes")))
        if entry["class_name"] == "InputLayer":
            sources = []
        elif len(sources) != 1:
            raise ValueError(
                f"layer {name!r} has {len(sources)} inputs, and must have one: a graph that "
                "branches is not supported"
            )
        for source in sources:
            if source in below.values():
                raise ValueError(
                    f"layer {source!r} goes into several layers: a graph that branches is not "
                    "supported"
                )
            below[name] = source
    inputs, outputs = (list(_sources(config[key])) for key in ("input_layers", "output_layers"))
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(f"it must have one input and one output, got {inputs} and {outputs}")
    chain = outputs
    while chain[0] != inputs[0]:
        if chain[0] not in below or len(chain) > len(below) + 1:
            raise ValueError(f"its layers are no chain from {inputs[0]!r} to {outputs[-1]!r}")
        chain.insert(0, below[chain[0]])
    if len(chain) != len(below) + 1:
        raise ValueError(f"it has layers besides the chain {chain}")
    return chain


def _sources(nodes: Any) -> Iterator[str]:
    """The names in [name, node, tensor] triples, however they are nested."""
    if isinstance(nodes, dict):
        for value in nodes.values():
            yield from _sources(value)
    elif isinstance(nodes, list):
        if (
            len(nodes) >= 3
            and isinstance(nodes[0], str)
            and all(type(n) is int for n in nodes[1:3])
        ):
            yield nodes[0]
        else:
            for value in nodes:
                yield from _sources(value)


def _optimizer(given: Any) -> Optimizer:
    if isinstance(given, str):
        return optimizers.get(given)
    class_name = given["class_name"].rpartition(">")[2]
    config = dict(given["config"])
    if "lr" in config:
        config["learning_rate"] = config.pop("lr")
    rate = config.get("learning_rate")
    if isinstance(rate, dict):
        arguments = {k: v for k, v in rate["config"].items() if k != "name"}
        config["learning_rate"] = {"class_name": rate["class_name"], "config": arguments}
    cls = Optimizer.members.get(class_name)
    if cls is None:
        raise ValueError(f"optimizer {class_name!r} is not there")
    optimizer: Optimizer = cls.from_config(_taken(class_name, cls, config, OPTIMIZER_NEUTRAL))
    return optimizer


def _loss(given: Any) -> Loss:
    if isinstance(given, (list, dict)) and len(given) == 1:  # of one output
        (given,) = given.values() if isinstance(given, dict) else given
    if isinstance(given, str):
        return losses.get(given)
    class_name, config = given["class_name"], given["config"]
    if isinstance(config, str):  # a function
        return losses.get(config)
    cls = Loss.members.get(class_name)
    if cls is None:
        raise ValueError(f"loss {class_name!r} is not there")
    loss: Loss = cls.from_config(_taken(class_name, cls, config, LOSS_NEUTRAL))
    return loss


def _taken(
    where: str, cls: type[Any], config: Json, neutral: Mapping[str, tuple[Any, ...]]
) -> Json:
    """The arguments that the class has. Raises ValueError where another one is not neutral."""
    known = cls._parameters()
    for key, value in config.items():
        if key not in known and not _neutral(neutral, key, value):
            raise ValueError(f"{where} has {key}={value!r}, which pylenet does not have")
    taken = {key: value for key, value in config.items() if key in known}
    return {k: v for k, v in taken.items() if v is not None or known[k].default is None}


def _metrics(given: Any) -> Iterator[Any]:
    """The metrics by name or config, from lists in lists, and objects."""
    if isinstance(given, str):
        yield given
    elif isinstance(given, dict) and "class_name" in given:
        config = given.get("config")
        if isinstance(config, str):
            yield config
            return
        name = (config or {}).get("name")
        if name in ("accuracy", "acc") or given["class_name"] == "MeanMetricWrapper":
            yield name
        else:
            known = metrics.Metric.members.get(given["class_name"])
            if known is None:
                raise ValueError(f"metric {given['class_name']!r} is not there")
            kept = {k: v for k, v in (config or {}).items() if k in known._parameters()}
            yield known.from_config(kept)
    else:
        for value in given.values() if isinstance(given, dict) else given or ():
            yield from _metrics(value)
