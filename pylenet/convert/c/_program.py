"""A program in C while it is made: constants, one function for each step, what it needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH = 100  # of lines of constants

# The loops over a pooling's windows, each within the image; the second one is open.
WINDOWS = """  for (i = 0; i < $rows; i++)
    for (j = 0; j < $columns; j++) {
      const int top = i * $step_down - $top, left = j * $step_right - $left;
      const int row_begin = top < 0 ? 0 : top, column_begin = left < 0 ? 0 : left;
      const int row_end = top + $height < $in_rows ? top + $height : $in_rows;
      const int column_end = left + $width < $in_columns ? left + $width : $in_columns;
"""


@dataclass(frozen=True)
class Step:
    """What one function computes. title: its comment. body: C, of `x` and `y`.

    values: how many it gives. kind: their type in C. input_kind: that of what it is given.
    in_place: whether y is what the step before gave.
    """

    title: str
    body: str
    values: int
    kind: str
    input_kind: str
    in_place: bool = False


@dataclass
class Program:
    """The parts of a C file, in the order they stand there.

    helpers: functions that steps call, by name, those first that others call. constants: C text.
    constant_bytes, multiply_adds: of the network. patch_bytes: the largest array that a step has
    on the stack.
    """

    inputs: int
    input_kind: str
    outputs: int
    output_kind: str
    helpers: dict[str, str] = field(default_factory=dict)
    constants: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    constant_bytes: int = 0
    multiply_adds: int = 0
    patch_bytes: int = 0

    def constant(self, name: str, kind: str, values: NDArray[Any], spare: str = "") -> str:
        """An array of constants; its name in C. spare: how many zeros stand behind it, in C."""
        unique = self.unique(name)
        size = str(values.size) + (f" + {spare}" if spare else "")
        body = "\n".join(lines(texts(values)))
        self.constants.append(f"static const {kind} {unique}[{size}] = {{\n{body}}};\n")
        self.constant_bytes += values.nbytes
        return unique

    def unique(self, name: str) -> str:
        """A name for a constant of the step that is being made."""
        number = len(self.steps)
        same = sum(f" net_{name}_{number}" in text for text in self.constants)
        return f"net_{name}_{number}" + "abcdefghijklmnop"[same - 1 : same]

    def need(self, name: str, functions: dict[str, tuple[str, tuple[str, ...]]]) -> str:
        """Take a helper, and first what it calls, from a table of text and names; its name in C."""
        if name not in self.helpers:
            text, calls = functions[name]
            for other in calls:
                self.need(other, functions)
            self.helpers[name] = text
        return f"net_{name}"

    def add(self, title: str, body: str, values: int, kind: str, in_place: bool = False) -> None:
        """One more step, on what the last one gives."""
        before = self.steps[-1].kind if self.steps else self.input_kind
        self.steps.append(Step(title, body, values, kind, before, in_place))

    def buffers(self) -> tuple[int, list[tuple[str, str]]]:
        """How many values the scratch has, and x and y of each step in C.

        Buffers stand at the scratch's two ends in turn, so that it is as large as the two largest
        neighbours together.
        """
        sizes = [step.values for step in self.steps if not step.in_place][:-1]
        total = max((a + b for a, b in zip([0, *sizes], [*sizes, 0], strict=True)), default=0)
        places: list[tuple[str, str]] = []
        x, made = "image", 0
        for step in self.steps:
            y = x
            if not step.in_place:
                last = made == len(sizes)
                start = 0 if last or made % 2 == 0 else total - sizes[made]
                y = "outputs" if last else f"(({step.kind} *)scratch->values + {start})"
                made += 1
            places.append((x, y))
            x = y
        return total, places

    def scratch_bytes(self) -> int:
        """Of what a call works in, in whole words."""
        values = max(self.buffers()[0], 1)
        return 4 * values if self.output_kind == "float" else -(-values // 4) * 4

    def code_bytes(self) -> int:
        """About the most that gcc -Os makes of the code for a Cortex-M.

        Measured on random networks: the LeNets take 60 to 85 % of it.
        """
        return 200 + 250 * len(self.steps) + 50 * len(self.helpers)

    def stack_bytes(self) -> int:
        """The same of the stack; 220 to 350 bytes were measured besides a step's array."""
        return self.patch_bytes + 400


def filled(text: str, **values: Any) -> str:
    """The text with each $NAME replaced."""
    return Template(text).substitute(values)


def real(value: float) -> str:
    """A float32 in C, to the bit."""
    text = f"{float(value):.9g}"
    if text.lstrip("-") == "inf":
        return text.replace("inf", "HUGE_VALF")
    return text + ("" if "." in text or "e" in text else ".0") + "f"


def named(text: str, prefix: str) -> str:
    """The text with net_ and NET_ turned into a prefix."""
    text = re.sub(r"\bnet_", f"{prefix}_", text)
    return re.sub(r"\bNET_", f"{prefix.upper()}_", text)


def texts(values: NDArray[Any]) -> list[str]:
    flat = values.ravel().tolist()
    return [real(v) for v in flat] if values.dtype == np.float32 else [str(v) for v in flat]


def lines(of: Sequence[str]) -> Iterable[str]:
    line = ""
    for text in of:
        if len(line) + len(text) + 2 > WIDTH:
            yield line
            line = ""
        line += ("  " if not line else " ") + text + ","
    yield line


def fours(values: NDArray[np.int8]) -> str:
    """Constants in groups of four, whose order in memory the macro NET_FOUR chooses."""
    groups = values.reshape(-1, 4).tolist()
    return "\n".join(lines([f"NET_FOUR({a}, {b}, {c}, {d})" for a, b, c, d in groups]))
