"""A network in whole numbers as a program in C, to the integers of docs/int8.md.

A pooling that takes the largest or the mean of each four cells is done where the convolution below
it is: of the largest the sums are compared, and one is rounded.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...quantization import QuantizedModel
from ...quantization._steps import Step
from ._int8_functions import FUNCTIONS
from ._program import WINDOWS, Program, filled, fours

CONV2D = """#if NET_ROWS
  int16_t wide[$all_wide] = {0};
#elif NET_PAIRS
  int16_t NET_ALIGNED wide[$wide] = {0};
#endif
  int i, j, f;
  for (i = 0; i < $rows; i++) {
#if NET_ROWS
    const $in *first = x + i * $down;
$widen_all#endif
    for (j = 0; j < $columns; j += $across) {
      const $in *corner = x + i * $down + j * $right;
$offsets#if NET_ROWS
      const int16_t *window = wide + j * $all_right;
      (void)corner;
#elif NET_PAIRS
      const int16_t *window = wide;
$widen#endif
      for (f = 0; f < $filters; f++) {
        int32_t sums[4], v;
#if NET_ROWS
        net_conv2d_pairs(sums, window, $all_places, $all_row, $kernel + f * $filter, $pair_rows,
                         $pair_length);
#elif NET_PAIRS
        net_conv2d_pairs(sums, window, $pair_places, $pair_row, $kernel + f * $filter, $pair_rows,
                         $pair_length);
#else
        net_conv2d_$letter(sums, corner, $places, $row, $kernel + f * $filter, $height, $length,
                     $apart);
#endif
$store      }
    }
  }
"""
OFFSETS = """      const int n = $columns - j < 4 ? $columns - j : 4;
      const int b = n > 1 ? 1 : 0, c = n > 2 ? 2 : b, d = n > 3 ? 3 : c;
"""
# What is widened: rows of the image as they lie there, or a copy for each column that a window
# begins at. Of one place or four neighbours, or (where memory is plenty, and what was just written
# is slow to read in another size) of all places of a row.
WIDEN_ROWS = """      {
        int r, k;
        for (r = 0; r < $strip_rows; r++)
          for (k = 0; k < $some; k++) wide[r * $strip + k] = $cast$from[r * $row + k]$closed;
      }
"""
WIDEN_COPIES = """      {
        int copy, r;
        for (copy = 0; copy < $some; copy++)
          for (r = 0; r < $strip_rows; r++) {
            int16_t *to = wide + (copy * $strip_rows + r) * $apart;
            const $in *from = $from + r * $row + copy * $jump;
$each          }
      }
"""
FEW = 8  # numbers that are widened one by one
MOST_WIDE = 8192  # numbers of a row's windows
STORE = """        {
          int place;
          for (place = 0; place < n; place++) {
            v = sums[place] + $bias[f];
$end            y[(i * $columns + j + place) * $filters + f] = ($out)v;
          }
        }
"""
STORE_MAX = """        v = sums[0] > sums[1] ? sums[0] : sums[1];
        v = v > sums[2] ? v : sums[2];
        v = (v > sums[3] ? v : sums[3]) + $bias[f];
$end        y[(i * $columns + j) * $filters + f] = ($out)v;
"""
STORE_MEAN = """        {
          int32_t sum = 0;
          int place;
          NET_UNROLL for (place = 0; place < 4; place++) {
            v = sums[place] + $bias[f];
$end            sum += v;
          }
          v = sum;
$after          y[(i * $columns + j) * $filters + f] = ($out)v;
        }
"""
DENSE = """  int o, k;
  for (o = 0; o < $units; o += 4) {
    const int n = $units - o < 4 ? $units - o : 4;
    const int b = n > 1 ? $inputs : 0, c = n > 2 ? 2 * $inputs : b, d = n > 3 ? 3 * $inputs : c;
    int32_t sums[4];
    net_dense_$letter(sums, x, $kernel + o * $inputs, b, c, d, $inputs);
    for (k = 0; k < n; k++) {
      const int f = o + k;
      int32_t v = sums[k] + $bias[f];
$end      y[f] = ($out)v;
    }
  }
"""
EACH = """  int i, f;
  for (i = 0; i < $cells; i++)
    for (f = 0; f < $channels; f++) {
      int32_t v;
$end      y[i * $channels + f] = ($out)v;
    }
"""
POOL = f"""  int i, j, f, row, column;
{WINDOWS}$count      for (f = 0; f < $channels; f++) {{
        int32_t v = $start;
        for (row = row_begin; row < row_end; row++)
          for (column = column_begin; column < column_end; column++) {{
            const int32_t u = $cell;
            $gather
          }}
$end        y[(i * $columns + j) * $channels + f] = ($out)v;
      }}
    }}
"""
PAD = """  int i, j, f;
  for (i = 0; i < $rows; i++)
    for (j = 0; j < $columns; j++) {
      const int row = i - $top, column = j - $left;
      const int inside = row >= 0 && row < $in_rows && column >= 0 && column < $in_columns;
      for (f = 0; f < $channels; f++)
        y[(i * $columns + j) * $channels + f] =
            inside ? x[(row * $in_columns + column) * $channels + f] : 0;
    }
"""


class _Writer:
    def __init__(self, model: QuantizedModel) -> None:
        self.steps = model.steps
        low, _, _ = model.source
        kind = "int8_t" if low < 0 else "uint8_t"
        outputs = math.prod(model.steps[-1].output_shape)
        self.program = Program(math.prod(model.steps[0].input_shape), kind, outputs, "int16_t")
        self.at = 0

    def write(self) -> Program:
        while self.at < len(self.steps):
            step = self.steps[self.at]
            self.at += 1
            _KINDS[step.kind](self, step)
        return self.program

    @property
    def kind(self) -> str:
        """Of what the last step gives."""
        return self.program.steps[-1].kind if self.program.steps else self.program.input_kind

    def out(self, step: Step) -> str:
        if step is self.steps[-1]:
            return "int16_t"
        return "int8_t" if step.low < 0 else "uint8_t"

    def need(self, name: str) -> None:
        self.program.need(name, FUNCTIONS)

    def integer(self, kind: str) -> tuple[str, str]:
        """What stands before and behind a value of this kind to make an int32_t of it."""
        if kind == "uint8_t":
            return "", ""
        self.need("integer")
        return "net_integer(", ")"

    def ended(self, step: Step, multiplier: str) -> str:
        """Lines that make of v, a sum, the step's integer."""
        self.need("rounded")
        rounding = f"net_rounded(v, {multiplier}, {step.shift})"
        return self.finished(step, rounding, step.low == 0)

    def finished(self, step: Step, rounding: str, no_negatives: bool) -> str:
        self.need("bounded")
        table = step.tensors.get("table")
        if table is not None:
            half = _half(table)
            function = "looked_up" if half is None else "looked_up_odd"
            name = self.program.constant("table", "int8_t", table if half is None else half)
            self.need(function)
            return f"v = net_{function}({name}, {rounding});\n"
        lines = f"v = net_bounded({rounding}, {step.low}, {step.high});\n"
        return f"if (v <= 0) v = 0;\nelse {lines}" if no_negatives else lines

    def bias(self, step: Step) -> str:
        """The name of a step's biases, which have 16 bits where these are enough."""
        values = step.tensors["bias"]
        narrow = values.astype(np.int16)
        if (narrow == values).all():
            return self.program.constant("bias", "int16_t", narrow)
        return self.program.constant("bias", "int32_t", values)

    def multipliers(self, step: Step) -> str:
        """The multiplier of channel f, in C; one number where all are the same."""
        values = step.tensors["multiplier"]
        if len(values) > 1 and (values == values[0]).all():
            return str(int(values[0]))
        return f"{self.program.constant('multiplier', 'int16_t', values)}[f]"

    def add(self, title: str, text: str, step: Step, kind: str, **values: Any) -> None:
        for name, by in (("end", 12 if "place" in text else 8), ("after", 10)):
            if name in values:
                values[name] = "".join(f"{' ' * by}{s}\n" for s in values[name].splitlines())
        shape = step.output_shape
        words = f"{shape[2]} values" if shape[:2] == (1, 1) else "x".join(map(str, shape))
        body = filled(text, out=kind, **values)
        self.program.add(f"{title}: {words}", body, math.prod(shape), kind)

    def halving(self, below: Step) -> Step | None:
        """The next step, where it takes the largest or the mean of each four cells of `below`."""
        step = self.steps[self.at] if self.at < len(self.steps) else None
        if step is None or step.kind not in ("max_pool2d", "average_pool2d"):
            return None
        sizes = zip(step.output_shape[:2], below.output_shape[:2], strict=True)
        if (
            step.input_shape != below.output_shape
            or not step.window == step.strides == (2, 2)
            or step.before != (0, 0)
            or any(2 * out > size for out, size in sizes)
        ):
            return None
        table = below.tensors.get("table")
        falls = table is not None and bool((np.diff(table.astype(np.int16)) < 0).any())
        return None if step.kind == "max_pool2d" and falls else step


def _half(table: NDArray[np.int8]) -> NDArray[np.int8] | None:
    """An odd function's table without what the sign tells: as net_looked_up_odd reads it.

    None where the function is not odd. The ends need not be: they stand for all beyond them.
    """
    middle = len(table) // 2
    below = -table[middle::-1]  # the sign turned: of 0 to -512
    if (below[: middle - 1] != table[middle:-1]).any():
        return None
    return np.append(below, table[-1])


def _title(step: Step) -> str:
    return f"{step.kind} {step.layers[0]}" if step.layers else step.kind


def _padded(writer: _Writer, step: Step, rows: int, columns: int) -> None:
    """The image with zeros around it, as a step of its own."""
    in_rows, in_columns, channels = step.input_shape
    whole = f"{rows}x{columns}x{channels}"
    body = filled(
        PAD,
        rows=rows,
        columns=columns,
        top=step.before[0],
        left=step.before[1],
        in_rows=in_rows,
        in_columns=in_columns,
        channels=channels,
    )
    values = rows * columns * channels
    writer.program.add(f"zeros around it: {whole}", body, values, writer.kind)


def _zero_padding2d(writer: _Writer, step: Step) -> None:
    rows, columns, _ = step.output_shape
    if step is not writer.steps[-1]:
        _padded(writer, step, rows, columns)
        return
    in_rows, in_columns, channels = step.input_shape
    names = {"in_rows": in_rows, "in_columns": in_columns, "channels": channels}
    top, left = step.before
    sizes = {"rows": rows, "columns": columns, "top": top, "left": left}
    writer.add(_title(step), PAD, step, writer.out(step), **names, **sizes)


def _conv2d(writer: _Writer, step: Step) -> None:
    program = writer.program
    program.multiply_adds += step.multiply_adds()
    filters, height, width, channels = step.tensors["kernel"].shape
    sizes = [
        max(step.before[a] + step.input_shape[a], (step.output_shape[a] - 1) * stride + window)
        for a, (stride, window) in enumerate(zip(step.strides, step.window, strict=True))
    ]
    if sizes != [*step.input_shape[:2]]:
        _padded(writer, step, *sizes)
    kind = writer.kind
    length, row = width * channels, sizes[1] * channels
    down, right = step.strides[0] * row, step.strides[1] * channels
    pool = writer.halving(step)
    title, last = _title(step), step
    if pool is not None:
        writer.at += 1
        title, last = f"{title}, {_title(pool)}", pool
    # For pairs: rows of weights padded to eights, and the window once; or to twos, and a copy of it
    # for each column, where that takes less.
    even = length + length % 2
    eights, flat = -(-length // 8) * 8, -(-height * even // 8) * 8
    odd = right % 2 or length % 2  # the places of one window, or its rows, would not fit words
    copies = bool(odd) or height * eights > 1.15 * flat
    step_of_rows, filter_size = (even, flat) if copies else (eights, height * eights)
    kernel = np.zeros((filters, filter_size), np.int8)
    rows_of = kernel[:, : height * step_of_rows].reshape(filters, height, step_of_rows)
    rows_of[:, :, :length] = step.tensors["kernel"].reshape(filters, height, length)
    across = 1 if pool else 4
    step_right = strides_right = right * (2 if pool else 1)
    many = 2 if pool else 4  # columns that a few places begin at
    strip_rows = height + (step.strides[0] if pool else 0)
    strip = (many - 1) * right + length
    every = last.output_shape[1] * (2 if pool else 1)  # columns that any place begins at
    if copies:
        tail = filter_size - height * even
        column = strip_rows * even
        wide, all_wide = many * column + tail, every * column + tail
        below, all_below = step.strides[0] * even, step.strides[0] * even
        pairs = {"pair_row": 0, "all_row": 0, "pair_rows": 1, "pair_length": flat}
        strides_right = column * (2 if pool else 1)
        text, from_all, some = WIDEN_COPIES, every, many if pool else "n"
    else:
        tail = eights - length
        column = right
        wide, all_wide = strip_rows * strip + tail, strip_rows * row + tail
        below, all_below = step.strides[0] * strip, step.strides[0] * row
        pairs = {"pair_row": strip, "all_row": row, "pair_rows": height, "pair_length": eights}
        text, from_all = WIDEN_ROWS, row
        some = strip if pool else f"(n - 1) * {right} + {length}"
    program.patch_bytes = max(program.patch_bytes, 2 * wide)
    cast, closed = writer.integer(kind)
    cast = cast and f"(int16_t){cast}"
    numbers: list[int | str] = ["k"] if length > FEW else [*range(length)]
    each = "".join(f"            to[{k}] = {cast}from[{k}]{closed};\n" for k in numbers)
    if length > FEW:
        each = f"            int k;\n            for (k = 0; k < {length}; k++)\n  {each}"
    widths = {
        "in": kind,
        "each": each,
        "cast": cast,
        "closed": closed,
        "strip_rows": strip_rows,
        "row": row,
        "apart": step_of_rows,
    }
    widen = filled(text, some=some, strip=strip, jump=right, **{"from": "corner"}, **widths)
    widen_all = filled(text, some=from_all, strip=row, jump=right, **{"from": "first"}, **widths)
    if pool:
        places, pair_places, all_places = (
            f"{column_}, {row_}, {row_ + column_}"
            for column_, row_ in ((right, down), (column, below), (column, all_below))
        )
    else:
        places, pair_places = (f"b * {n}, c * {n}, d * {n}" for n in (right, column))
        all_places = pair_places
    store = STORE if pool is None else STORE_MAX if pool.kind == "max_pool2d" else STORE_MEAN
    letter = kind[0]
    writer.need("conv2d_pairs")
    writer.need(f"conv2d_{letter}")
    name = _fours(program, kernel)
    bias = writer.bias(step)
    end = writer.ended(step, writer.multipliers(step))
    after = ""
    if pool is not None and pool.kind == "average_pool2d":
        after = writer.ended(pool, str(pool.cells[4]))
    text = CONV2D.replace("$offsets", "" if pool else OFFSETS)
    text = text.replace("$widen_all", widen_all).replace("$widen", widen)
    text = text.replace("$store", store)
    if all_wide > MOST_WIDE:
        text = text.replace("#if NET_ROWS", "#if 0")
    writer.add(
        title,
        text,
        last,
        writer.out(last),
        rows=last.output_shape[0],
        columns=last.output_shape[1],
        across=across,
        down=down * (2 if pool else 1),
        right=step_right,
        all_right=strides_right,
        filters=filters,
        wide=wide,
        all_wide=all_wide,
        filter=filter_size,
        height=height,
        length=length,
        apart=step_of_rows,
        row=row,
        places=places,
        pair_places=pair_places,
        all_places=all_places,
        kernel=name,
        bias=bias,
        letter=letter,
        end=end,
        after=after,
        **{"in": kind},
        **pairs,
    )


def _fours(program: Program, kernel: Any) -> str:
    name = program.unique("kernel")
    text = f"static const int8_t NET_ALIGNED {name}[{kernel.size}] = {{\n{fours(kernel)}}};\n"
    program.constants.append(text)
    program.constant_bytes += kernel.nbytes
    return name


def _dense(writer: _Writer, step: Step) -> None:
    program = writer.program
    program.multiply_adds += step.multiply_adds()
    kernel = step.tensors["kernel"]
    letter = writer.kind[0]
    writer.need(f"dense_{letter}")
    units, inputs = kernel.shape
    name = program.constant("kernel", "int8_t", kernel)
    bias = writer.bias(step)
    end = writer.ended(step, writer.multipliers(step))
    writer.add(
        *(_title(step), DENSE, step, writer.out(step)),
        units=units,
        inputs=inputs,
        kernel=name,
        bias=bias,
        letter=letter,
        end=end,
    )


def _affine(writer: _Writer, step: Step) -> None:
    height, width, channels = step.output_shape
    bias = writer.bias(step)
    product = f"(int64_t)x[i * {channels} + f] * {writer.multipliers(step)} + {bias}[f]"
    rounding = f"(int32_t)(({product} + ((int64_t)1 << {step.shift - 1})) >> {step.shift})"
    end = writer.finished(step, rounding, no_negatives=False)
    cells = height * width
    writer.add(_title(step), EACH, step, writer.out(step), cells=cells, channels=channels, end=end)


def _pool2d(writer: _Writer, step: Step) -> None:
    rows, columns, channels = step.output_shape
    cast, closed = writer.integer(writer.kind)
    cell = f"{cast}x[(row * {step.input_shape[1]} + column) * {channels} + f]{closed}"
    if step.kind == "max_pool2d":
        first = cell.replace("row", "row_begin").replace("column", "column_begin")
        start, gather, end, count = first, "if (u > v) v = u;", "", ""
    else:
        start, gather, count = "0", "v += u;", ""
        (_, multiplier), *others = step.cells.items()
        chosen = str(multiplier)
        if others:
            for n, m in others:
                chosen = f"cells == {n} ? {m} : {chosen}"
            count = (
                "      const int cells = (row_end - row_begin) * (column_end - column_begin);\n"
                f"      const int32_t multiplier = {chosen};\n"
            )
            chosen = "multiplier"
        end = writer.ended(step, chosen)
    writer.add(
        *(_title(step), POOL, step, writer.out(step)),
        rows=rows,
        columns=columns,
        channels=channels,
        top=step.before[0],
        left=step.before[1],
        height=step.window[0],
        width=step.window[1],
        step_down=step.strides[0],
        step_right=step.strides[1],
        in_rows=step.input_shape[0],
        in_columns=step.input_shape[1],
        start=start,
        cell=cell,
        gather=gather,
        end=end,
        count=count,
    )


_KINDS = {
    "affine": _affine,
    "average_pool2d": _pool2d,
    "conv2d": _conv2d,
    "dense": _dense,
    "max_pool2d": _pool2d,
    "zero_padding2d": _zero_padding2d,
}


def program_of(model: QuantizedModel) -> Program:
    """The model as a program."""
    return _Writer(model).write()
