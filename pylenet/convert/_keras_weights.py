"""Weights and optimizers' states in Keras's two layouts of HDF5 files.

Keras 3 (model.weights.h5 of a .keras file, and .weights.h5): layers/conv2d_1/vars/0, named by class
and count; optimizer/vars/0. Keras 2 (.h5): a group for each layer's name, the order of layers and
of weights in attributes; optimizer_weights. A layer's weights have the order that they have here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._warn import warn
from ..layers import Layer
from ..models._sequential import Sequential
from ..optimizers import Optimizer
from ._hdf5 import Node, Reader
from ._keras_config import Entry, keras_name

Weights = list[NDArray[np.float32]]

VERSION = "3.0.0"  # of Keras: the formats that are written
LONGEST_ATTRIBUTE = 64512  # bytes of a list of names: HDF5 has no room for more in one place
PAIRS = (  # slots that Keras keeps side by side for each weight; others one after the other
    ("momentum", "velocity"),
    ("momentum", "norm"),
    ("accumulated_grad", "accumulated_delta_var"),
)


# Keras 3


def snake_case(class_name: str) -> str:
    """As Keras names a class's layers in its files: max_pooling2d, leaky_re_lu."""
    name = re.sub(r"\W+", "", class_name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _paths(class_names: Iterable[str]) -> list[str]:
    """Where each layer's weights are, of layers in the file's order."""
    seen: Counter[str] = Counter()
    paths = []
    for class_name in class_names:
        name = snake_case(class_name)
        paths.append(f"{name}_{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return paths


def write_tree(file: Any, model: Sequential) -> None:
    """Weights and the optimizer's state, all from between two steps."""
    flat, slots, iterations = model.snapshot_training()
    views = model.named_weights(flat)
    _named_group(file, "vars", model.name)
    layers = file.create_group("layers")
    paths = _paths(type(layer).__name__ for layer in model.layers)
    for layer, path in zip(model.layers, paths, strict=True):
        group = _named_group(layers.create_group(path), "vars", keras_name(layer))
        for number, name in enumerate(model.names_of(layer)):
            group[str(number)] = views[name]
    if model.optimizer is not None and (slots or not model.optimizer.slot_names):
        group = _named_group(file.create_group("optimizer"), "vars", model.optimizer.name)
        for number, (_, values) in enumerate(_variables(model, slots, iterations)):
            group[str(number)] = values


def read_tree(reader: Reader, entries: Sequence[Entry]) -> dict[str, Weights]:
    """The weights of each layer, by its name in the file."""
    found: dict[str, Weights] = {}
    for entry, path in zip(entries, _paths(entry.class_name for entry in entries), strict=True):
        whole = f"layers/{path}/vars"
        group = reader.child(reader.root, whole)
        found[entry.name] = [] if group is None else _numbered(reader, group, whole)
    return found


def read_tree_state(reader: Reader) -> list[NDArray[Any]] | None:
    """The optimizer's variables; None where there are none."""
    group = reader.child(reader.root, "optimizer/vars")
    if group is None or not reader.names(group):
        return None
    return [reader.array(values, name) for name, values in _members(reader, group, "optimizer")]


def _named_group(parent: Any, name: str, title: str) -> Any:
    group = parent.create_group(name)
    group.attrs["name"] = title
    return group


def _members(reader: Reader, group: Node, path: str) -> list[tuple[str, Any]]:
    """Of a group with members 0, 1, ..., in this order."""
    count = len(reader.names(group))
    members = [(f"{path}/{n}", reader.child(group, str(n))) for n in range(count)]
    if any(member is None for _, member in members):
        raise ValueError(f"{path!r} must have members 0 to {count - 1}, got {reader.names(group)}")
    return members


def _numbered(reader: Reader, group: Node, path: str) -> Weights:
    return [reader.weight(member, name) for name, member in _members(reader, group, path)]


def set_tree(model: Sequential, reader: Reader) -> None:
    """Set weights, and the state of the optimizer of a compiled model, from a file of this layout.

    ValueError where it does not fit the model; then nothing is set.
    """
    entries = [Entry(type(one).__name__, str(one.name), one) for one in model.layers]
    weights = read_tree(reader, entries)
    assign(model, [(layer, weights[str(layer.name)]) for layer in model.layers])
    restore(model, read_tree_state(reader), True)


# Keras 2


def write_groups(group: Any, model: Sequential, flat: NDArray[np.float32]) -> None:
    """Each layer's weights in a group of its name. flat: a copy of the model's parameters."""
    views = model.named_weights(flat)
    _write_texts(group, "layer_names", [keras_name(layer) for layer in model.layers])
    group.attrs["backend"] = "tensorflow"  # whose convolutions are not mirrored
    group.attrs["keras_version"] = VERSION
    for layer in sorted(model.layers, key=keras_name):
        own = group.create_group(keras_name(layer))
        names = model.names_of(layer)
        paths = [f"{keras_name(layer)}/{name.rpartition('.')[2]}" for name in names]
        _write_texts(own, "weight_names", paths)
        for path, name in zip(paths, names, strict=True):
            own[path] = views[name]
    _write_texts(group.create_group("top_level_model_weights"), "weight_names", [])


def write_groups_state(
    file: Any, model: Sequential, slots: dict[str, NDArray[np.float32]], iterations: int
) -> None:
    """The optimizer's state, if there is one."""
    optimizer = model.optimizer
    if optimizer is None or (optimizer.slot_names and not slots):
        return
    group = file.create_group("optimizer_weights")
    variables = _variables(model, slots, iterations)
    paths = [f"{optimizer.name}/{name}" for name, _ in variables]
    _write_texts(group, "weight_names", paths)
    for path, (_, values) in zip(paths, variables, strict=True):
        group[path] = values


def read_groups(reader: Reader, group: Node | None) -> list[tuple[str, Weights]]:
    """The weights of each layer, with its name, in the file's order."""
    names = reader.texts(group, "layer_names")
    if names is None:
        raise ValueError("it has no list of layers")
    upright = _upright(reader, group)
    found = []
    for name in names:
        own = reader.child(group, name)
        if own is None:
            raise ValueError(f"layer {name!r} is not in it")
        paths = reader.texts(own, "weight_names") or []
        weights = [upright(reader.weight(reader.child(own, path), path)) for path in paths]
        found.append((name, weights))
    return found


def read_groups_state(reader: Reader) -> list[NDArray[Any]] | None:
    """The optimizer's variables; None where there are none."""
    group = reader.child(reader.root, "optimizer_weights")
    if group is None:
        return None
    names = reader.texts(group, "weight_names") or []
    upright = _upright(reader, reader.child(reader.root, "model_weights"))
    return [upright(reader.array(reader.child(group, name), name)) for name in names]


def _upright(reader: Reader, group: Node | None) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """What turns a kernel of the back end that wrote `group`: Theano's convolutions mirror them."""
    if reader.text(group, "backend") != "theano":
        return lambda values: values
    return lambda values: values[::-1, ::-1] if values.ndim == 4 else values


def _write_texts(group: Any, name: str, texts: list[str]) -> None:
    values = np.array([text.encode() for text in texts])
    pieces = 1
    while any(part.nbytes > LONGEST_ATTRIBUTE for part in np.array_split(values, pieces)):
        pieces += 1
    if pieces == 1:
        group.attrs[name] = values
        return
    for number, part in enumerate(np.array_split(values, pieces)):
        group.attrs[f"{name}{number}"] = part


# Both


def assign(model: Sequential, layers: Sequence[tuple[Layer, Weights]]) -> None:
    """Set all weights of the model to these, of its layers; or none, and raise ValueError."""
    expected = {str(layer.name): [w.shape for w in layer.weights] for layer in model.layers}
    values = {}
    for layer, weights in layers:
        shapes = [w.shape for w in weights]
        if shapes != expected.pop(str(layer.name)):
            wanted = [w.shape for w in layer.weights]
            raise ValueError(
                f"layer {layer.name!r} must have weights of the shapes {wanted}, got {shapes}"
            )
        values[layer.name] = weights
    if missing := [name for name, shapes in expected.items() if shapes]:
        raise ValueError(f"it has no weights of layers {missing}")
    model.set_weights([w for layer in model.layers for w in values.get(layer.name, [])])


def in_order(model: Sequential, found: Iterable[Weights]) -> list[tuple[Layer, Weights]]:
    """Layers that have weights, each with the next weights that there are."""
    layers = [layer for layer in model.layers if layer.weights]
    weights = [of for of in found if of]
    if len(layers) != len(weights):
        raise ValueError(f"it has weights of {len(weights)} layers, the model of {len(layers)}")
    return list(zip(layers, weights, strict=True))


def _blocks(optimizer: Optimizer) -> list[tuple[str, ...]]:
    """The slots in the order in which Keras has them, those together that it keeps side by side."""
    own = [name for name in optimizer.slot_names if name != "average"]
    average = [("average",)] if "average" in optimizer.slot_names else []
    if tuple(own[:2]) in PAIRS:
        return [*average, (own[0], own[1]), *((name,) for name in own[2:])]
    return [*average, *((name,) for name in own)]


def _trainable(model: Sequential) -> list[str]:
    names = model.trainable_names()
    return [
        name
        for layer in model.layers
        if layer.trainable
        for name in model.names_of(layer)
        if name in names
    ]


def _variables(
    model: Sequential, slots: dict[str, NDArray[np.float32]], iterations: int
) -> list[tuple[str, NDArray[Any]]]:
    """The optimizer's variables as Keras 3 lists them, by name."""
    optimizer = model.optimizer
    assert optimizer is not None
    found: list[tuple[str, NDArray[Any]]] = [("iteration", np.array(iterations, np.int64))]
    if isinstance(optimizer.get_config()["learning_rate"], float):
        found.append(("learning_rate", np.array(optimizer.learning_rate, np.float32)))
    views = {slot: model.named_weights(buffer) for slot, buffer in slots.items()}
    for block in _blocks(optimizer):
        for name in _trainable(model):
            found += [(f"{name.replace('.', '_')}_{slot}", views[slot][name]) for slot in block]
    if type(optimizer).__name__ == "Nadam":
        steps = np.arange(1, iterations + 1)
        product = np.prod(optimizer.get_config()["beta_1"] * (1 - 0.5 * 0.96**steps))
        found.append(("u_product", np.array(product, np.float32)))
    return found


def restore(model: Sequential, variables: list[NDArray[Any]] | None, side_by_side: bool) -> None:
    """Give the model's optimizer the state of a file, or warn that it begins without.

    side_by_side: whether the file has pairs of slots so, as Keras since 2.11 has, and not one slot
    of all weights after the other.
    """
    optimizer = model.optimizer
    if optimizer is None or variables is None:
        return
    counts = [int(v) for v in variables if v.ndim == 0 and v.dtype.kind in "iu"]
    arrays = [v for v in variables if v.ndim > 0]
    blocks = _blocks(optimizer)
    if not side_by_side:
        blocks = [(slot,) for block in blocks for slot in block]
    places = [(slot, name) for block in blocks for name in _trainable(model) for slot in block]
    views = model.named_weights()
    shapes = [a.shape for a in arrays[: len(places)]]  # Keras 2.2 has more, of no use
    if shapes != [views[name].shape for _, name in places] or not all(c >= 0 for c in counts[:1]):
        warn(
            f"model {model.name!r} is loaded without its optimizer's state, which is not one of "
            f"{optimizer!r} here"
        )
        return
    optimizer.build(model.parameters.size, model.identity)
    slots = dict(zip(optimizer.slot_names, optimizer.slots, strict=True))
    for (slot, name), values in zip(places, arrays, strict=False):
        model.named_weights(slots[slot])[name][...] = values
    optimizer.iterations = counts[0] if counts else 0
