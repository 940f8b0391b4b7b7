"""The two files of a program, and the self-test in it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ... import _core
from ...layers.shape import scales_pixels
from ...models import Sequential, _inputs
from ...models._graph import fuses
from ...quantization import QuantizedModel
from . import _float32_functions, _int8_functions
from ._program import Program, filled, lines, named, texts

MOST_WEIGHTS = 2_000_000  # some 20 MB of text

COMMON = r"""
#if defined(__GNUC__) && !defined(__OPTIMIZE_SIZE__)
#define NET_INLINE inline __attribute__((always_inline))
#else
#define NET_INLINE inline
#endif
#if defined(__GNUC__) && !defined(__clang__) && !defined(__OPTIMIZE_SIZE__)
#define NET_UNROLL _Pragma("GCC unroll 16") /* of loops whose length is a constant */
#else
#define NET_UNROLL
#endif
#if defined(__GNUC__) /* so that the stack is that of one step, not of all */
#define NET_STEP static __attribute__((noinline)) void
#else
#define NET_STEP static void
#endif
"""
LARGEST = r"""
/* The place of the $word output, the first of equals. */
static int net_class(const $kind *y) {
  int best = 0, k;
  for (k = 1; k < $outputs; k++)
    if (y[k] $sign y[best]) best = k;
  return best;
}
"""


PATTERNS = 4  # that a self-test stores where it is given no images
BITS = r"""
static uint32_t net_bits(float v) {
  uint32_t bits;
  memcpy(&bits, &v, sizeof bits);
  return bits;
}
"""
SELF_TEST = r"""
#ifdef NET_SELF_TEST
$stored$answers$function
int net_self_test(net_scratch *scratch) {
  $output outputs[NET_OUTPUTS];
  int wrong = 0, i, k;
  for (i = 0; i < $count; i++) {
    net_predict(net_test_images + i * NET_INPUTS, outputs, scratch);
    for (k = 0; k < NET_OUTPUTS; k++)
      wrong += $bits != net_test_outputs[i * NET_OUTPUTS + k];
  }
  return wrong;
}
#ifndef NET_SELF_TEST_NO_MAIN
#include <stdio.h>
int main(void) {
  static net_scratch scratch;
  const int wrong = net_self_test(&scratch);
  (void)printf("%d of %d outputs differ from Python's\n", wrong, $count * NET_OUTPUTS);
  return wrong ? 1 : 0;
}
#endif
#endif
"""


INPUT = r"""
/* The integer that a real input becomes. */
$kind net_input(double value) {
  const double v = value / $scale + 0.5;
  int32_t whole;
  if (v != v) return 0;
  if (v < $low) return $low;
  if (v >= $high) return $high;
  whole = (int32_t)v;
  return ($kind)((double)whole > v ? whole - 1 : whole);
}
"""


class Sources(NamedTuple):
    """The texts of NAME.c and NAME.h."""

    code: str
    header: str


def prefix_of(path: Path) -> str:
    """What the names of a file's program begin with: the file's name as C can have it."""
    name = re.sub(r"\W", "_", path.stem, flags=re.ASCII).lower()
    return name if re.match("[a-z]", name) else f"net_{name}"


def program_of(model: Sequential | QuantizedModel) -> Program:
    """The model as a program. Raises ValueError where it is too large or has no way in C."""
    if isinstance(model, QuantizedModel):
        from . import _int8

        return _int8.program_of(model)
    from . import _float32

    if not np.isfinite(model.network.snapshot(model.parameters)).all():
        raise ValueError(f"model {model.name!r} must have finite weights, got NaN or infinity")
    if model.count_params() > MOST_WEIGHTS:
        raise ValueError(
            f"model {model.name!r} has {model.count_params():,} weights, and a C file takes "
            f"{MOST_WEIGHTS:,} at most"
        )
    return _float32.program_of(model)


def inputs_of(model: Sequential | QuantizedModel, images: Any) -> NDArray[Any]:
    """Images as the program takes them, (N, inputs): bytes, or float32."""
    if isinstance(model, QuantizedModel):
        found = model.integers(images)
    else:
        shape = tuple(size or 0 for size in model.input_shape[1:])
        found = _inputs.images("test_images", images, shape)
        if scales_pixels(model.layers) is None:
            found = found.astype(np.float32)
        elif found.dtype != np.uint8:
            raise ValueError(f"test_images must be uint8 pixels for this model, got {found.dtype}")
    return np.ascontiguousarray(found).reshape(len(found), -1)


def smallest_wins(model: Sequential | QuantizedModel) -> bool:
    """Whether the outputs are distances."""
    return isinstance(model, Sequential) and bool(
        model.graph.nodes and model.graph.nodes[-1].kind == "rbf"
    )


def expected(
    model: Sequential | QuantizedModel, images: NDArray[Any], fused: bool
) -> NDArray[Any] | None:
    """What the program gives for inputs as it takes them, (N, outputs), by Python.

    fused: with products and sums rounded together. None where this machine cannot tell.
    """
    if isinstance(model, QuantizedModel):
        # The C++ takes bytes, of signed integers with 128 added.
        own = images.view(np.uint8) ^ np.uint8(128) if images.dtype == np.int8 else images
        shape = tuple(size or 0 for size in model.input_shape[1:])
        scores = np.empty((len(images), *map(int, model.output_shape[1:])), np.int32)  # type: ignore[arg-type]
        model.network.scores(scores, np.ascontiguousarray(own).reshape(len(images), *shape), 1)
        return scores.reshape(len(images), -1).astype(np.int16)
    isas = [isa for isa in _core.available_isas() if fuses(isa) == fused]
    if not isas:
        return None
    network = model.graph.network(isa=isas[-1], convolution="direct")
    outputs = tuple(size or 0 for size in model.output_shape[1:])
    y = np.empty((len(images), *outputs), np.float32)
    x = np.ascontiguousarray(images).reshape(len(images), *model.graph.input_shape)
    network.predict(y, model.network.snapshot(model.parameters), x, 1)
    return y.reshape(len(images), -1)


def patterns(program: Program, count: int) -> NDArray[Any]:
    """Inputs for a self-test where none are given, always the same: (count, inputs)."""
    data = hashlib.shake_128(b"pylenet").digest(count * program.inputs)
    pixels = np.frombuffer(data, np.uint8).reshape(count, program.inputs)
    if program.input_kind == "uint8_t":
        return pixels
    if program.input_kind == "int8_t":
        return np.maximum(pixels.view(np.int8), -127)
    scaled: NDArray[np.float32] = pixels / np.float32(127.5) - np.float32(1)
    return scaled


def sources(
    model: Sequential | QuantizedModel, path: Path, images: NDArray[Any] | None = None
) -> Sources:
    """The program of a model for a file of this name.

    images: for its self-test, as it takes them, (N, inputs).
    """
    prefix, header_name = prefix_of(path), path.with_suffix(".h").name
    if not header_name.isprintable() or set(header_name) & set('"\\'):
        raise ValueError(f"filepath must have a name that C can include, got {path.name!r}")
    program = program_of(model)
    if images is None:
        images = patterns(program, PATTERNS)
    images = images.reshape(len(images), program.inputs)
    quantized = isinstance(model, QuantizedModel)
    head = _int8_functions.HEAD if quantized else _float32_functions.HEAD
    scratch, places = program.buffers()
    steps, calls = [], []
    for number, (step, (x, y)) in enumerate(zip(program.steps, places, strict=True)):
        steps.append(
            f"/* {step.title} */\nNET_STEP net_step_{number}({step.kind} *y, "
            f"const {step.input_kind} *x) {{\n{step.body}}}\n"
        )
        calls.append(f"  net_step_{number}({y}, {x});\n")
    largest = LARGEST.replace("$kind", program.output_kind).replace("$outputs", "NET_OUTPUTS")
    sign = ("smallest", "<") if smallest_wins(model) else ("largest", ">")
    largest = largest.replace("$word", sign[0]).replace("$sign", sign[1])
    body = "".join(
        [
            "\n#include <string.h>\n",
            COMMON,
            head,
            *program.helpers.values(),
            "\n",
            *program.constants,
            "\n",
            "\n".join(steps),
            _input(model, program),
            largest,
            "\n",
            _signature(program, image="image", outputs="outputs") + " {\n",
            *calls,
            "" if scratch else "  (void)scratch;\n",
            "  return net_class(outputs);\n}\n",
            _self_test(model, program, images),
        ]
    )
    if "HUGE_VALF" in body:
        body = body.replace("#include <string.h>", "#include <math.h>\n#include <string.h>", 1)
    about = _about(model)
    return Sources(
        f'/* {about} See {header_name}. */\n#include "{header_name}"\n{named(body, prefix)}',
        f"/* {about}{named(_header(model, program), prefix)}",
    )


def _input(model: Sequential | QuantizedModel, program: Program) -> str:
    """A function that makes integers of real inputs, where they are not pixels."""
    if not isinstance(model, QuantizedModel) or model.takes_pixels:
        return ""
    low, high, scale = model.source
    return filled(INPUT, kind=program.input_kind, scale=repr(scale), low=low, high=high)


def _about(model: Sequential | QuantizedModel) -> str:
    name = re.sub(r"[^ -~]|\*/|/\*", "?", model.name)
    kind = model.contract if isinstance(model, QuantizedModel) else "float32"
    return f"The network {name!r}, {kind}, written by pylenet {_core.__version__}."


def _signature(program: Program, image: str, outputs: str) -> str:
    return (
        f"int net_predict(\n    const {program.input_kind} {image}[NET_INPUTS],\n"
        f"    {program.output_kind} {outputs}[NET_OUTPUTS],\n    net_scratch *scratch)"
    )


def _header(model: Sequential | QuantizedModel, program: Program) -> str:
    quantized, real = isinstance(model, QuantizedModel), ""
    shape = "x".join(str(size) for size in model.input_shape[1:])
    size = program.scratch_bytes()
    words = size // 4
    if isinstance(model, QuantizedModel):
        meaning = f"an output q means {model.output.scale:.9g} * q"
        if model.output.function.name != "linear":
            meaning += f", before the last {model.output.function.name}"
        if not model.takes_pixels:
            meaning += f"; an input v means {model.source.scale:.9g} * v"
            real = "/* The integer that a real input becomes. */\n"
            real += f"{program.input_kind} net_input(double value);\n\n"
    else:
        meaning = "inputs and outputs are those of Python's predict"
    winner = "smallest" if smallest_wins(model) else "largest"
    kind = "uint32_t words" if quantized else "float values"
    union = (
        f"typedef union {{\n  uint32_t words[{words}];\n  uint8_t values[{4 * words}];\n}} "
        "net_scratch;"
        if quantized
        else f"typedef struct {{\n  {kind}[{words}];\n}} net_scratch;"
    )
    flags = (
        ""
        if quantized
        else """
 * Compile it with -ffp-contract=off and without -ffast-math. Then the outputs have the bits of
 * Python's with PYLENET_CONVOLUTION=direct: those of AVX2 where the processor has a fused
 * multiply-add that the compiler may use (-march=native, a Cortex-M4 with its FPU), else those of
 * its baseline."""
    )
    return f"""
 *
 * Input: {shape}, channels last; {meaning}.
 *
 * constants       {program.constant_bytes:>9,} bytes of flash
 * code            {program.code_bytes():>9,} bytes of flash at most (gcc -Os, a Cortex-M)
 * scratch         {size:>9,} bytes of RAM, the caller's
 * stack           {program.stack_bytes():>9,} bytes of RAM at most (the same)
 * multiply-adds   {program.multiply_adds:>9,} for an image
 *
 * There is no heap, no state, no input or output: an interrupt handler may call it.{flags}
 *
 * Where NET_SELF_TEST is defined, there is also net_self_test(), and a main that prints what it
 * finds, unless NET_SELF_TEST_NO_MAIN is defined, too.
 */
#ifndef NET_H
#define NET_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

#define NET_INPUTS {program.inputs}
#define NET_OUTPUTS {program.outputs}

/* Memory that a call works in; what it holds between calls does not matter. */
{union}

{real}/* Computes the outputs for one image; returns the place of the {winner} one. */
{_signature(program, "image", "outputs")};

#ifdef NET_SELF_TEST
/* How many outputs for the stored images differ from Python's in any bit: 0 if all is well. */
int net_self_test(net_scratch *scratch);
#endif

#ifdef __cplusplus
}}
#endif

#endif
"""


def _self_test(model: Sequential | QuantizedModel, program: Program, images: NDArray[Any]) -> str:
    stored = _array("test_images", program.input_kind, images)
    if isinstance(model, QuantizedModel):
        answers = _array("test_outputs", "int16_t", _expected(model, images, False))
    else:
        answers = f"#if NET_FUSED\n{_bits(model, images, True)}#else\n"
        answers += f"{_bits(model, images, False)}#endif\n"
    bits = "outputs[k]" if program.output_kind == "int16_t" else "net_bits(outputs[k])"
    return filled(
        SELF_TEST,
        count=len(images),
        stored=stored,
        answers=answers,
        input=program.input_kind,
        output=program.output_kind,
        bits=bits,
        function=BITS if bits == "net_bits(outputs[k])" else "",
    )


def _bits(model: Sequential | QuantizedModel, images: NDArray[Any], fused: bool) -> str:
    found = expected(model, images, fused)
    if found is None:
        kind = "a fused" if fused else "no fused"
        return f'#error "this was written where Python had {kind} multiply-add: no self-test"\n'
    return _array("test_outputs", "uint32_t", found.view(np.uint32), "0x%08xu")


def _expected(
    model: Sequential | QuantizedModel, images: NDArray[Any], fused: bool
) -> NDArray[Any]:
    found = expected(model, images, fused)
    assert found is not None
    return found


def _array(name: str, kind: str, values: NDArray[Any], form: str = "") -> str:
    written = [form % v for v in values.ravel().tolist()] if form else texts(values)
    body = "\n".join(lines(written))
    return f"static const {kind} net_{name}[{values.size}] = {{\n{body}}};\n"
