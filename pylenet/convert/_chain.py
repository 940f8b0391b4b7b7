"""A chain of layers while it is read from another tool's graph, and the Sequential it becomes.

Other tools keep images channels first, flatten them so, and write transposes where they do not. So
what a tensor there holds is told by an array of places: `order[...]` is the place, among the values
of the sample as pylenet has it there, channels last, of the value that the tensor has at [...].
Transposes and reshapes change that array alone. A Dense layer that reads values in another order
than pylenet has them gets its kernel's rows reordered.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .. import ops
from .._arrays import Shape
from ..layers import Layer
from ..layers.activation import ACTIVATIONS
from ..models import Sequential

Order = NDArray[np.int32]
Function = Callable[[NDArray[np.float64]], NDArray[np.float64]]

LONGEST = 8  # steps that an activation may be written as, besides those in branches
TINY = 1e-12  # an epsilon that 1 + epsilon is 1 with, in float32

# Where a function is compared with the activations: densely where they bend, and far out.
_PROBES = np.concatenate(
    [np.linspace(-10, 10, 1281), *(sign * 10.0 ** np.arange(2, 7) for sign in (-1, 1))]
)


class LayerStep(NamedTuple):
    """A layer to be: its class's name, the constructor's arguments, its weights.

    function: what it does to each value, for a layer that treats each alone.
    """

    layer: str
    arguments: dict[str, Any]
    weights: tuple[NDArray[Any], ...] = ()
    function: Function | None = None


class AffineStep(NamedTuple):
    """x * scale + offset: float64, of one value or one for each channel."""

    scale: NDArray[np.float64]
    offset: NDArray[np.float64]

    @property
    def function(self) -> Function | None:
        scale, offset = self.scale, self.offset
        return None if scale.ndim or offset.ndim else lambda x: x * scale + offset


class FunctionStep(NamedTuple):
    """A function of each value that is, perhaps, a part of an activation.

    name: of the node it comes from.
    """

    name: str
    function: Function


Step = LayerStep | AffineStep | FunctionStep


class Samples(NamedTuple):
    """A tensor computed from the model's input.

    steps: by what. shape: of a sample as pylenet has it after them. order: see above.
    """

    steps: tuple[Step, ...]
    shape: Shape
    order: Order

    def then(self, step: Step) -> Samples:
        """One step more, that keeps every value's place."""
        return self._replace(steps=(*self.steps, step))

    def image(self) -> Samples:
        """The same as an image, its order channels first. Raises ValueError where it is none."""
        found = settled(self)
        if found.order.ndim != 3:
            raise ValueError(f"it takes images, got samples of shape {found.order.shape}")
        channels, height, width = found.order.shape
        if not np.array_equal(found.order, channels_first((height, width, channels))):
            raise ValueError("it takes images with channels first, got other axes")
        return found.shaped((height, width, channels))

    def flat(self) -> Samples:
        """The same as a flat sample in any order. Raises ValueError where it is none."""
        found = settled(self)
        if found.order.ndim != 1:
            raise ValueError(f"it takes flat samples, got samples of shape {found.order.shape}")
        return found.shaped((found.order.size,))

    def shaped(self, shape: Shape) -> Samples:
        """The same where pylenet has samples of this shape, its values in the same places."""
        if shape == self.shape:
            return self
        if len(shape) == 1:
            step = LayerStep("Flatten", {})
        else:
            step = LayerStep("Reshape", {"target_shape": shape})
        return self.then(step)._replace(shape=shape)


def channels_first(shape: Shape) -> Order:
    """The order of an image (height, width, channels) that has its channels first elsewhere."""
    order: Order = in_order(shape).transpose(2, 0, 1)
    return order


def in_order(shape: Shape) -> Order:
    """The order of a sample as it is."""
    return np.arange(math.prod(shape), dtype=np.int32).reshape(shape)


def joined(name: str, left: Samples, right: Samples, function: Callable[..., Any]) -> Samples:
    """A function of two tensors that are functions of one: as x * sigmoid(x).

    Raises ValueError where they are not, which is where the graph branches.
    """
    common = 0
    for one, other in zip(left.steps, right.steps, strict=False):
        if one is not other:
            break
        common += 1
    first, second = (_composed(side.steps[common:]) for side in (left, right))
    same = left.shape == right.shape and np.array_equal(left.order, right.order)
    if first is None or second is None or not same:
        raise ValueError("it joins two branches, and only chains of layers are loaded")
    step = FunctionStep(name, lambda x: function(first(x), second(x)))
    return Samples((*left.steps[:common], step), left.shape, left.order)


def _composed(steps: Iterable[Step]) -> Function | None:
    """All of them in one, where each treats each value alone."""
    functions = [step.function for step in steps]
    if None in functions:
        return None

    def composed(x: NDArray[np.float64]) -> NDArray[np.float64]:
        for function in functions:
            assert function is not None
            x = function(x)
        return x

    return composed


def settled(samples: Samples) -> Samples:
    """The same with activations in place of functions that are one, alone or with their neighbours.

    Raises ValueError where one is part of no activation that is known here.
    """
    steps, place = samples.steps, 0
    while place < len(steps):
        step = steps[place]
        if isinstance(step, FunctionStep):
            start, end, name = _activation_at(steps, place, step.name)
            between = () if name == "linear" else (activation(name),)
            steps = (*steps[:start], *between, *steps[end:])
            place = start
        else:
            place += 1
    return samples._replace(steps=steps)


def _activation_at(steps: tuple[Step, ...], place: int, name: str) -> tuple[int, int, str]:
    """Where the longest activation begins and ends that the function at `place` is part of."""
    for start in range(place, max(place - LONGEST, -1), -1):
        if steps[start].function is None:
            break
        for end in range(min(place + LONGEST, len(steps)), place, -1):
            function = _composed(steps[start:end])
            found = None if function is None else _activation_of(function)
            if found is not None:
                return start, end, found
    raise ValueError(f"node {name}: it is not part of any activation known here")


def _activation_of(function: Function) -> str | None:
    """The name of the activation that has this function's values."""
    with np.errstate(all="ignore"):
        wanted = function(_PROBES).astype(np.float32)
    for name in ACTIVATIONS:
        if name != "softmax" and np.allclose(wanted, _values_of(name), rtol=1e-5, atol=1e-6):
            return name
    return None


def _values_of(name: str) -> NDArray[np.float32]:
    return ops.activation(_PROBES[:, None], name)[:, 0]


def activation(name: str) -> LayerStep:
    """An activation as a step. Raises ValueError where it is not known here."""
    if name not in ACTIVATIONS:
        raise ValueError(f"the activation {name!r} is not known here")
    return LayerStep("Activation", {"activation": name}, (), lambda x: _float64(x, name))


def _float64(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    return ops.activation(x.reshape(-1, 1), name).astype(np.float64).reshape(x.shape)


def scaled(samples: Samples, scale: Any, offset: Any) -> Samples:
    """x * scale + offset: of one value or one for each channel."""
    scale, offset = np.asarray(scale, np.float64), np.asarray(offset, np.float64)
    return samples.then(AffineStep(scale, offset))


def never_negative(samples: Samples) -> bool:
    """Whether no value can be below 0, whatever the input."""
    for step in reversed(samples.steps):
        if not isinstance(step, LayerStep):
            return False
        if step.layer == "Activation":
            return step.arguments["activation"] in ("relu", "sigmoid", "softmax", "softplus")
        if step.layer == "ReLU":
            return bool(step.arguments.get("negative_slope", 0) == 0)
        if step.layer not in ("MaxPooling2D", "AveragePooling2D", "ZeroPadding2D", "Flatten"):
            return False
    return False


def model_of(name: str, input_shape: Shape, samples: Samples) -> Sequential:
    """The Sequential of a whole chain. Raises ValueError where it does not hold together."""
    steps = [step for step in map(_as_layer, _simplified(settled(samples).steps)) if step]
    for step in steps:
        if step.layer not in Layer.members:
            raise ValueError(f"it needs a layer {step.layer}, which is not there")
    layers = [Layer.members[step.layer](**step.arguments) for step in steps]
    model = Sequential(layers, name=name)
    arrays = [weight for step in steps for weight in step.weights]
    model.build_to_load(input_shape, sum(array.size for array in arrays))
    if model.output_shape[1:] != samples.shape:
        raise ValueError(f"its output must be {samples.shape}, got {model.output_shape[1:]}")
    model.set_weights([array.astype(np.float32, copy=False) for array in arrays])
    return model


def _simplified(steps: Iterable[Step]) -> list[Step]:
    """As a user would write them: biases and activations in the layers, one scaling in a place."""
    done: list[Step] = []
    for step in steps:
        last = done[-1] if done else None
        if isinstance(last, AffineStep) and isinstance(step, AffineStep):
            offset = last.offset * step.scale + step.offset
            done[-1] = AffineStep(last.scale * step.scale, offset)
        elif isinstance(last, LayerStep) and (both := _with(last, step)):
            done[-1] = both
        else:
            done.append(step)
    return done


def _with(layer: LayerStep, step: Step) -> LayerStep | None:
    """A layer and the next step in one, where the step is what the layer can do besides."""
    if layer.arguments.get("keepdims") and step == LayerStep("Flatten", {}):
        return layer._replace(arguments={})
    if layer.arguments.get("activation", "") is not None:
        return None
    if isinstance(step, AffineStep):
        if layer.arguments["use_bias"] or not step.offset.ndim or (step.scale != 1).any():
            return None
        arguments = {**layer.arguments, "use_bias": True}
        return layer._replace(arguments=arguments, weights=(*layer.weights, step.offset))
    name = step.arguments.get("activation") if isinstance(step, LayerStep) else None
    if name is not None and (layer.layer == "Dense" or name != "softmax"):
        return layer._replace(arguments={**layer.arguments, "activation": name})
    return None


def _as_layer(step: Step) -> LayerStep | None:
    if isinstance(step, AffineStep):
        scale, offset = step
        if (scale == 1).all() and (offset == 0).all():
            return None
        if not (scale.ndim or offset.ndim):
            return LayerStep("Rescaling", {"scale": float(scale), "offset": float(offset)})
        scale, offset = np.broadcast_arrays(scale, offset)
        weights = (scale, offset, np.zeros_like(scale), np.ones_like(scale))
        return LayerStep("BatchNormalization", {"epsilon": TINY}, weights)
    assert isinstance(step, LayerStep)  # functions are settled
    return step
