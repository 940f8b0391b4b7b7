"""A network on integers, to predict with, to test, to save."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import _check, _core, _files, _threads, losses
from .._arrays import Shape
from .._configurable import serialize
from .._warn import warn
from ..layers import ELU, Activation, Input, Layer, LeakyReLU, ReLU
from ..layers.activation import Function
from ..metrics import deserialize
from ..models import Sequential, _inputs
from ..models._batches import are_batches
from . import _steps
from ._build import Input as Source
from ._build import Output
from ._steps import Step

MOST_STEPS = 1000  # in a file
NOT_ONNX = (
    "ONNX's QuantizeLinear and DequantizeLinear round otherwise than its integers are to be "
    "(docs/int8.md): write a quantized model as a program in C, NAME.c, and the float model as ONNX"
)
INNER = {"input": ("low", "high", "scale"), "output": ("scale", "function")}
KEYS = (
    *("format", "name", "input_shape", "output_shape", *INNER, "steps", "compile"),
    *("data_name", "class_names", "light_border"),
)


class QuantizedModel:
    """A model that computes in whole numbers, by the arithmetic `contract` names (docs/int8.md).

    `quantize` makes one, and `models.load_model` reads what `save` wrote. It predicts the same on
    every machine, whatever the instruction set, the number of threads or the batch; it is not
    trained. steps: what it computes, one after the other. input, output: what its integers mean.
    """

    def __init__(
        self,
        name: str,
        input_shape: Shape,
        output_shape: Shape,
        source: Source,
        steps: Sequence[Step],
        output: Output,
    ) -> None:
        self.name, self.source, self.output, self.steps = name, source, output, tuple(steps)
        self.contract = _steps.CONTRACT
        self._input_shape, self._output_shape = input_shape, output_shape
        self._head = Sequential([Input(output_shape), _layer(output.function)], name=name)
        self._warned = False
        self._network: _core.Int8Network | None = None
        _check_chain(self)

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """(None, ...), as Keras's."""
        return (None, *self._input_shape)

    @property
    def output_shape(self) -> tuple[int | None, ...]:
        """(None, ...), as Keras's."""
        return (None, *self._output_shape)

    @property
    def data_name(self) -> str | None:
        """What the model was trained on, None where nobody said; saved with it."""
        return self._head.data_name

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """What its classes are called, by label, None where nobody said; saved with it."""
        return self._head.class_names

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What makes outputs of the answer's real numbers: one layer, an activation."""
        return self._head.layers

    @property
    def takes_pixels(self) -> bool:
        """Whether it was made for raw pixels, 0 to 255."""
        return self.source == (0, 255, 1.0)

    @property
    def loss(self) -> losses.Loss | None:
        """What `evaluate` computes; None before `compile` where the float model had none."""
        return self._head.loss

    def compile(self, *, loss: Any, metrics: Any = None) -> None:
        """Choose what `evaluate` computes; as `Sequential.compile`, without an optimizer."""
        self._head.compile("sgd", loss, metrics=metrics)

    def integers(self, x: Any) -> NDArray[Any]:
        """x as the integers that come in, uint8 or int8, (N, ...): docs/int8.md says how.

        x: as `predict` takes it, no batches.
        """
        images = _inputs.images("x", x, self._input_shape)
        pixels = images.dtype == np.uint8 and self.takes_pixels
        scaled = self.source.scale == 1.0 and not pixels and 0 < float(images[:8].max()) <= 1
        if scaled and not self._warned:
            self._warned = True
            warn(
                f"x looks scaled already (its largest value is {float(images[:8].max()):g}), but "
                "the model takes raw pixels, 0-255"
            )
        return self.source.integers(images)

    def scores(self, x: Any) -> NDArray[np.int32]:
        """The answer's integers, (N, ...): the same on every machine. The largest one wins.

        x: images as `predict` takes them, no batches.
        """
        images = self._bytes(x)
        found = np.empty((len(images), *self._output_shape), np.int32)
        self.network.scores(found, images, _threads.asked_for())
        return found

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int | str = 0,
        steps: int | None = None,
    ) -> NDArray[np.float32]:
        """What the float model gives, float32 (N, ...), of these integers: probabilities, say.

        x: as the float model takes it, also batches. batch_size: as in Keras, but results do not
        depend on it.
        """
        if type(x) is not np.ndarray and are_batches(x):
            return self._head.predict(self._batches(x), batch_size, verbose, steps)
        if batch_size is not None or verbose or steps is not None:
            return self._head.predict(self._real(x), batch_size, verbose, steps)
        images = self._bytes(x)
        y = np.empty((len(images), *self._output_shape), np.float32)
        self.network.predict(y, images, _threads.asked_for())
        return y

    def predict_on_batch(self, x: Any) -> NDArray[np.float32]:
        """What predict gives."""
        return self.predict(x)

    def __call__(self, inputs: Any) -> NDArray[np.float32]:
        """What predict gives."""
        return self.predict(inputs)

    def evaluate(
        self,
        x: Any,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int | str = 0,
        sample_weight: Any = None,
        *,
        steps: int | None = None,
        return_dict: bool = False,
    ) -> list[float] | float | dict[str, float]:
        """As `Sequential.evaluate`, by the loss and the metrics that the float model had."""
        real = self._batches(x) if are_batches(x) else self._real(x)
        return self._head.evaluate(
            real, y, batch_size, verbose, sample_weight, steps=steps, return_dict=return_dict
        )

    def count_bytes(self) -> int:
        """Of all constants, each weight as a byte."""
        return sum(a.nbytes for step in self.steps for a in step.tensors.values())

    def multiply_adds(self) -> int:
        """Of one image."""
        return sum(step.multiply_adds() for step in self.steps)

    def summary(
        self, line_length: int | None = None, *, print_fn: Callable[[str], object] | None = None
    ) -> None:
        """Print a table of the steps, through print_fn, or print if None.

        line_length: characters of a line, as many as it needs if None. Raises ValueError where
        they are too few.
        """
        from ..models._summary import table

        rows = [
            (
                f"{', '.join(step.layers)} ({step.kind})",
                str((None, *_public(step.output_shape))),
                f"{step.low} to {step.high}",
                f"{sum(a.nbytes for a in step.tensors.values()):,}",
                f"{step.multiply_adds():,}",
            )
            for step in self.steps
        ]
        head = ("Layers (step)", "Output shape", "Integers", "Bytes", "Multiply-adds")
        totals = (
            f"Total bytes: {self.count_bytes():,} ({self.contract})",
            f"Total multiply-adds: {self.multiply_adds():,}",
        )
        if line_length is not None:
            line_length = _check.integer("line_length", line_length, 1)
        for line in table(self.name, head, rows, totals, line_length):
            (print_fn or print)(line)

    def save(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Write a file that `models.load_model` reads, whole or not at all.

        filepath: must end in .safetensors. Raises FileExistsError where it is there and not to be
        overwritten.
        """
        if not isinstance(filepath, (str, os.PathLike)):
            raise TypeError(f"filepath must be a str or os.PathLike, got {filepath!r}")
        path = Path(filepath)
        if path.suffix.lower() != ".safetensors":
            raise ValueError(f"filepath must end in .safetensors, got {str(path)!r}")
        if not path.parent.is_dir():
            raise FileNotFoundError(f"filepath must be in an existing folder, got {str(path)!r}")
        if path.is_file() and not overwrite:
            raise FileExistsError(f"filepath must be new with overwrite=False, got {str(path)!r}")
        _files.write_whole(_files.checked("filepath", path), model_bytes(self))

    def export(self, filepath: str | os.PathLike[str], *, test_images: Any = None) -> None:
        """Write the model as a program in C, NAME.c and NAME.h, to the integers of `scores`.

        filepath: must end in .c. test_images: what its self-test compares, as `predict` takes them.
        docs/embedding.md says how the program is called. Raises ValueError for ONNX, whose integers
        would be others.
        """
        if not isinstance(filepath, (str, os.PathLike)):
            raise TypeError(f"filepath must be a str or os.PathLike, got {filepath!r}")
        if Path(filepath).suffix.lower() == ".onnx":
            raise ValueError(f"filepath must end in .c, got {str(filepath)!r}; {NOT_ONNX}")
        if Path(filepath).suffix != ".c":
            raise ValueError(f"filepath must end in .c, got {str(filepath)!r}")
        from ..convert.c import export

        export(self, Path(filepath), test_images)

    def __repr__(self) -> str:
        return f"<QuantizedModel {self.name!r}: {len(self.steps)} steps, {self.contract}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _of_bytes, (model_bytes(self),)

    @property
    def network(self) -> _core.Int8Network:
        """The steps planned in C++, for the instruction set in force when it is first needed."""
        network = self._network
        if network is None:
            network = self._network = planned(self)
        return network

    def _bytes(self, x: Any) -> NDArray[np.uint8]:
        """`integers` as C++ takes them: with 128 added where they may be negative."""
        return self.source.bytes_of(self.integers(x))

    def _real(self, x: Any) -> NDArray[np.float32]:
        real: NDArray[np.float32] = self.scores(x).astype(np.float32)
        real *= np.float32(self.output.scale)
        return real

    def _batches(self, x: Any) -> Iterator[Any]:
        from ..models._batches import Batches

        for batch in Batches("x", x, None, steps_name="steps", restart=True).epoch():
            yield (self._real(batch[0]), *batch[1:])


def of_model(
    model: Sequential, source: Source, steps: Sequence[Step], output: Output
) -> QuantizedModel:
    """A model of these steps with what `model` knows of its data, its loss and its metrics."""
    shape = tuple(size or 0 for size in model.input_shape[1:])
    given = tuple(size or 0 for size in model.output_shape[1:])
    found = QuantizedModel(model.name, shape, given, source, steps, output)
    found._head.set_facts(model.facts())
    if model.loss is not None:
        metrics = {key: list(map(deserialize, own)) for key, own in model.metrics_config().items()}
        found._head.compile("sgd", model.loss, **metrics)
    return found


def planned(model: QuantizedModel, isa: str | None = None) -> _core.Int8Network:
    """Its steps in C++. isa: an instruction set by name; None for the one in force."""
    source, output = model.source, model.output
    return _core.Int8Network(
        model.steps[0].input_shape,
        source.low,
        model.steps,
        scale=output.scale,
        function=output.function,
        isa=isa,
    )


def _public(shape: Shape) -> Shape:
    return shape[2:] if shape[:2] == (1, 1) else shape


def _layer(function: Function) -> Layer:
    """The layer that computes it."""
    name, parameter, ceiling, threshold = function
    if name == "elu":
        return ELU(parameter)
    if name == "leaky_relu":
        return LeakyReLU(parameter)
    if name == "bounded_relu":
        return ReLU(None if math.isinf(ceiling) else ceiling, parameter, threshold)
    return Activation(name)


def _check_chain(model: QuantizedModel) -> None:
    """Raise ValueError where a step does not fit what comes before it."""
    low, high, _ = model.source
    if (low, high) not in ((0, 255), (-127, 127)):
        raise ValueError(f"input must be from 0 to 255 or from -127 to 127, got {low} to {high}")
    values = math.prod(model._input_shape)
    for place, step in enumerate(model.steps):
        if math.prod(step.input_shape) != values:
            raise ValueError(f"step {place} must take {values} values, got {step.input_shape}")
        _steps.check_step(step, low, high, place + 1 == len(model.steps))
        low, high = step.low, step.high
        values = math.prod(step.output_shape)
    if not model.steps or values != math.prod(model._output_shape):
        raise ValueError(f"the last step must give {model._output_shape}")


def config_of(model: QuantizedModel) -> dict[str, Any]:
    """The file's JSON."""
    head = model._head
    compiled = None
    if head.loss is not None:
        compiled = {"loss": serialize(head.loss), **head.metrics_config()}
    return {
        "format": model.contract,
        "name": model.name,
        "input_shape": model._input_shape,
        "output_shape": model._output_shape,
        "input": dict(model.source._asdict()),
        "steps": [step.config() for step in model.steps],
        "output": {
            "scale": model.output.scale,
            "function": [None if v == math.inf else v for v in model.output.function],
        },
        "compile": compiled,
        **head.facts(),
    }


def model_bytes(model: QuantizedModel) -> bytes:
    """The file's bytes, the same for the same model."""
    from safetensors.numpy import save

    tensors = {
        f"{place}.{name}": values
        for place, step in enumerate(model.steps)
        for name, values in step.tensors.items()
    }
    return save(tensors, metadata={"model": json.dumps(config_of(model))})


def _of_bytes(data: bytes) -> QuantizedModel:
    from safetensors.numpy import load

    length = int.from_bytes(data[:8], "little")
    config = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["model"])
    return from_config(config, load(data))


def from_config(config: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> QuantizedModel:
    """The model of what a file has. Raises ValueError, TypeError or KeyError where it is none."""
    if config["format"] != _steps.CONTRACT:
        raise ValueError(f"its format must be {_steps.CONTRACT!r}, got {config['format']!r}")
    for entry, known in ((config, KEYS), *((config[name], keys) for name, keys in INNER.items())):
        if not isinstance(entry, dict) or set(entry) != set(known):
            raise ValueError(f"it must have the keys {known}, got {entry!r:.200}")
    if len(config["steps"]) > MOST_STEPS:
        raise ValueError(f"it must have at most {MOST_STEPS} steps")
    steps = []
    for place, entry in enumerate(config["steps"]):
        own = {
            name.partition(".")[2]: values
            for name, values in tensors.items()
            if name.startswith(f"{place}.")
        }
        steps.append(_steps.step_from_config(entry, own))
    if sum(len(step.tensors) for step in steps) != len(tensors):
        raise ValueError("it has tensors that are no step's")
    source, output = config["input"], config["output"]
    name, *numbers = output["function"]
    function = Function(
        _check.text("function", name),
        *(math.inf if n is None else _check.real("a number of function", n) for n in numbers),
    )
    model = QuantizedModel(
        _check.text("name", config["name"]),
        _shape(config["input_shape"]),
        _shape(config["output_shape"]),
        Source(
            _check.integer("low", source["low"], -127),
            _check.integer("high", source["high"], 0),
            _check.real("scale", source["scale"], "(0, inf)"),
        ),
        steps,
        Output(_check.real("scale", output["scale"], "(0, inf)"), function),
    )
    model._head.set_facts(config)
    if (compiled := config["compile"]) is not None:
        kinds = ("metrics", "weighted_metrics")
        metrics = {kind: list(map(deserialize, compiled.get(kind, ()))) for kind in kinds}
        model._head.compile("sgd", losses.get(compiled["loss"]), **metrics)
    return model


def _shape(sizes: Any) -> Shape:
    return tuple(_check.integer("a size", size, 1) for size in sizes)
