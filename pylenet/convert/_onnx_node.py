"""A node of an ONNX graph with its inputs and attributes, each asked for by kind."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ._chain import Samples
from ._onnx_constants import Constant

Value = Constant | Samples


class Node:
    """proto: the NodeProto. inputs: what they hold, None for one that is left out."""

    def __init__(self, proto: Any, inputs: list[Value | None], opset: int) -> None:
        self.operator: str = proto.op_type
        self.inputs, self.opset = inputs, opset
        self._attributes = {entry.name: entry for entry in proto.attribute}

    def attribute(self, name: str, kind: str, default: Any = None) -> Any:
        """An attribute of this of ONNX's types, or else the default."""
        from onnx import AttributeProto, helper

        if (entry := self._attributes.pop(name, None)) is None:
            return default
        if entry.type != AttributeProto.AttributeType.Value(kind) or entry.ref_attr_name:
            raise ValueError(f"its attribute {name!r} must be of type {kind}")
        return helper.get_attribute_value(entry)

    def integer(self, name: str, default: int) -> int:
        """An attribute, or else the default; likewise those that follow."""
        value: int = self.attribute(name, "INT", default)
        return value

    def integers(self, name: str, default: list[int] | None = None) -> list[int]:
        return list(self.attribute(name, "INTS", default or []))

    def real(self, name: str, default: float) -> float:
        value: float = self.attribute(name, "FLOAT", default)
        return value

    def text(self, name: str, default: str) -> str:
        value: bytes = self.attribute(name, "STRING", default.encode())
        return value.decode("ascii", "replace")

    def proto(self, name: str) -> Any:
        """The TensorProto of an attribute, or None."""
        return self.attribute(name, "TENSOR", None)

    def expect(self, name: str, *allowed: Any) -> None:
        """Raise ValueError where an attribute is there and has none of these values."""
        if name in self._attributes:
            kind = "INTS" if isinstance(allowed[0], list) else "INT"
            value = self.attribute(name, kind, allowed[0])
            value = list(value) if kind == "INTS" else value
            if value not in allowed:
                raise ValueError(f"its {name} must be {allowed[0]}, got {value}")

    def ignore(self, *names: str) -> None:
        """These attributes change nothing of what is computed here."""
        for name in names:
            self._attributes.pop(name, None)

    def finish(self) -> None:
        """Raise ValueError where an attribute was not asked for: it may change what is computed."""
        if self._attributes:
            raise ValueError(f"its attribute {min(self._attributes)!r} is not known here")

    def samples(self, place: int = 0) -> Samples:
        """The input that must be computed from the model's input."""
        value = self._input(place)
        if not isinstance(value, Samples):
            raise ValueError(f"its input {place} must be computed from the model's input")
        return value

    def constant(self, place: int) -> Constant:
        """The input that must be a constant."""
        value = self._input(place)
        if not isinstance(value, Constant):
            raise ValueError(f"its input {place} must be a constant")
        return value

    def weight(self, place: int) -> NDArray[np.float32]:
        """The input that must be a constant of float32."""
        values = self.constant(place).values
        if values.dtype != np.float32:
            raise ValueError(f"its input {place} must be float32, got {values.dtype}")
        return values

    def has(self, place: int) -> bool:
        """Whether there is this input."""
        return place < len(self.inputs) and self.inputs[place] is not None

    def list_of(self, name: str, place: int, since: int) -> list[int] | None:
        """Integers that are an attribute before opset `since`, and an input from then on."""
        if self.opset < since:
            return self.integers(name) or None
        if not self.has(place):
            return None
        values = self.constant(place).values
        if values.dtype.kind != "i" or values.ndim != 1:
            raise ValueError(f"its {name} must be a list of integers")
        found: list[int] = values.tolist()
        return found

    def _input(self, place: int) -> Value:
        value = self.inputs[place] if self.has(place) else None
        if value is None:
            raise ValueError(f"its input {place} is missing")
        return value


class Windows(NamedTuple):
    """Where the windows of a convolution or a pooling lie along one axis.

    before: cells of padding before the first value. places: how many windows there are. padded:
    cells of the file's padding behind the last value; after: as many as the last window reaches.
    """

    size: int
    length: int
    stride: int
    before: int
    places: int
    padded: int

    @property
    def after(self) -> int:
        return max((self.places - 1) * self.stride + self.length - self.size - self.before, 0)

    def is_valid(self) -> bool:
        """Whether they lie as padding 'valid' has them."""
        return self.before == 0 and self.places == (self.size - self.length) // self.stride + 1

    def is_same(self) -> bool:
        """Whether they lie as padding 'same' has them: as ONNX's SAME_UPPER."""
        places = -(-self.size // self.stride)
        total = max((places - 1) * self.stride + self.length - self.size, 0)
        return (self.before, self.places) == (total // 2, places)


def windows(
    node: Node,
    sizes: tuple[int, int],
    kernel: list[int],
    around: tuple[tuple[int, int], tuple[int, int]] | None = None,
) -> tuple[Windows, Windows]:
    """Of a convolution or a pooling of images of these sizes. around: more padding of the image."""
    strides, pads = node.integers("strides", [1, 1]), node.integers("pads", [0] * 4)
    auto_pad, ceil = node.text("auto_pad", "NOTSET"), node.integer("ceil_mode", 0)
    node.expect("dilations", [1, 1])
    for name, values, length in (("kernel", kernel, 2), ("strides", strides, 2), ("pads", pads, 4)):
        if len(values) != length or not all(0 <= value < 2**20 for value in values):
            raise ValueError(f"its {name} must be {length} numbers, got {values}")
    if min(*kernel, *strides) < 1:
        raise ValueError("its kernel and strides must be 1 or more")
    if auto_pad not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise ValueError(f"its auto_pad {auto_pad!r} is not known here")
    found = []
    for axis, size in enumerate(sizes):
        length, stride = kernel[axis], strides[axis]
        more = around[axis] if around else (0, 0)
        size += sum(more)
        before, after = (pads[axis], pads[axis + 2]) if auto_pad == "NOTSET" else (0, 0)
        if auto_pad.startswith("SAME"):
            count = -(-size // stride)
            total = max((count - 1) * stride + length - size, 0)
            before = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
            after = total - before
        else:
            room = size + before + after - length
            count = (-(-room // stride) if ceil else room // stride) + 1
            if ceil and (count - 1) * stride >= size + before:  # a window of padding alone
                count -= 1
        if count < 1:
            raise ValueError(f"its kernel {kernel} is larger than its image {list(sizes)}")
        before, after = before + more[0], after + more[1]
        found.append(Windows(sizes[axis], length, stride, before, count, after))
    return found[0], found[1]
