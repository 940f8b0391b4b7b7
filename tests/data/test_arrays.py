"""Arrays of any memory layout are read right, never written; wrong kinds are clear errors."""

import numpy as np
import pytest
from kinds import KINDS, Call
from seeded import uniform
from tolerance import assert_same_bits

from pylenet import ops

BATCH = 5

# Every function of ops on a small, awkward shape.
SMALL = [
    Call(case, backward)
    for kind in KINDS.values()
    for case in kind.awkward
    for backward in (False, True)
    if Call(case).op
]


def as_fortran(a, path):
    return np.asfortranarray(a)


def as_strided(a, path):
    """Every second element along every axis of a larger array."""
    larger = np.full([2 * n + 1 for n in a.shape], 77, a.dtype)
    view = larger[tuple(slice(1, None, 2) for _ in a.shape)]
    view[...] = a
    return view


def as_reversed(a, path):
    """Negative strides along every axis."""
    flip = (slice(None, None, -1),) * a.ndim
    return a[flip].copy()[flip]


def as_inner_view(a, path):
    """A window of a larger array: contiguous rows, gaps between them."""
    larger = np.full([n + 3 for n in a.shape], 77, a.dtype)
    view = larger[tuple(slice(1, 1 + n) for n in a.shape)]
    view[...] = a
    return view


def as_swapped_axes(a, path):
    """First and last axis swapped in memory."""
    return a.swapaxes(0, -1).copy().swapaxes(0, -1)


def as_broadcast(a, path):
    """Stride 0 along the first axis: the same values again and again."""
    return np.broadcast_to(a[:1], a.shape)


def as_broadcast_inside(a, path):
    """Stride 0 along the last axis."""
    return np.broadcast_to(a[..., :1], a.shape)


def as_unaligned(a, path):
    """Elements at odd addresses."""
    memory = np.zeros(a.nbytes + 1, np.uint8)
    view = memory[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def as_packed_field(a, path):
    """A field of packed records: strides that are no multiple of the element."""
    records = np.zeros(a.shape, np.dtype([("flag", np.uint8), ("value", a.dtype)]))
    records["value"] = a
    return records["value"]


def as_read_only(a, path):
    a = a.copy()
    a.setflags(write=False)
    return a


def as_memory_mapped(a, path):
    np.save(path / "a.npy", a)
    return np.load(path / "a.npy", mmap_mode="r")


LAYOUTS = {
    "fortran": as_fortran,
    "strided": as_strided,
    "reversed": as_reversed,
    "inner-view": as_inner_view,
    "swapped-axes": as_swapped_axes,
    "broadcast": as_broadcast,
    "broadcast-inside": as_broadcast_inside,
    "unaligned": as_unaligned,
    "packed-field": as_packed_field,
    "read-only": as_read_only,
    "memory-mapped": as_memory_mapped,
}
FLOATS = (np.float32, np.float64)
DTYPES = {"x": (np.uint8, *FLOATS)}

# One line for each argument of each op, in each dtype it takes.
ARGUMENTS = [
    pytest.param(call, name, dtype, id=f"{call}-{name}-{np.dtype(dtype)}")
    for call in SMALL
    for name in call.inputs(1)
    for dtype in DTYPES.get(name, FLOATS)
]
NAMES = [pytest.param(call, name, id=f"{call}-{name}") for call in SMALL for name in call.inputs(1)]
WEIGHTS = [p for p in NAMES if p.values[1] in ("kernel", "bias")]


def values(a, dtype):
    """The same kind of numbers in another dtype: bytes for uint8, else with fraction."""
    if dtype == np.uint8:
        return np.random.default_rng(9).integers(0, 256, a.shape).astype(np.uint8)
    return np.random.default_rng(9).uniform(-1, 1, a.shape).astype(dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("call", "name", "dtype"), ARGUMENTS)
def test_any_layout_gives_the_bits_of_a_plain_copy(call, name, dtype, layout, tmp_path):
    arrays = call.inputs(BATCH)
    array = LAYOUTS[layout](values(arrays[name], dtype), tmp_path)
    assert array.dtype == dtype
    plain = np.array(array, order="C")
    assert plain.flags.c_contiguous
    assert plain.flags.aligned
    assert_same_bits(call(arrays | {name: array}), call(arrays | {name: plain}))


@pytest.mark.parametrize(("call", "name", "dtype"), ARGUMENTS)
def test_every_dtype_gives_the_bits_of_its_values_rounded_to_float32(call, name, dtype, isa):
    arrays = call.inputs(BATCH)
    array = values(arrays[name], dtype)
    rounded = array.astype(np.float32)
    assert_same_bits(call(arrays | {name: array}), call(arrays | {name: rounded}))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("call", SMALL, ids=str)
def test_all_arguments_may_have_an_odd_layout_at_once(call, layout, tmp_path, isa):
    arrays = {}
    for name, array in call.inputs(17).items():
        folder = tmp_path / name
        folder.mkdir()
        arrays[name] = LAYOUTS[layout](array.astype(np.float64), folder)
    plain = {name: np.array(array, np.float32, order="C") for name, array in arrays.items()}
    assert_same_bits(call(arrays), call(plain))


@pytest.mark.parametrize(("call", "name", "dtype"), ARGUMENTS)
def test_the_callers_arrays_are_never_written(call, name, dtype):
    arrays = call.inputs(17)
    memory = {}
    for key, array in arrays.items():
        # A view into the middle of a larger array, so that a write beside it is seen as well.
        array = values(array, dtype) if key == name else array
        memory[key] = np.full(array.size + 64, 7, array.dtype)
        arrays[key] = memory[key][32:-32].reshape(array.shape)
        arrays[key][...] = array
    before = {key: m.copy() for key, m in memory.items()}
    call(arrays)
    for key, m in memory.items():
        np.testing.assert_array_equal(m, before[key])
        assert arrays[key].flags.writeable


@pytest.mark.parametrize("call", SMALL, ids=str)
def test_results_are_new_plain_arrays_of_the_callers_own(call):
    arrays = call.inputs(BATCH)
    first = call(arrays)
    for array in first:
        assert type(array) is np.ndarray
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert array.flags.aligned
        assert array.flags.writeable
        assert not any(np.shares_memory(array, a) for a in arrays.values())
    kept = [array.copy() for array in first]
    second = call(call.inputs(BATCH, seed=50))
    assert not any(np.shares_memory(a, b) for a in first for b in second)
    assert_same_bits(first, tuple(kept))


@pytest.mark.parametrize(
    "call", [c for c in SMALL if "pool" in c.op or c.op == "activation"], ids=str
)
def test_an_op_that_changes_nothing_still_returns_a_new_array(call):
    x = uniform((3, 4, 5, 2), 1)
    y = ops.max_pool2d(x, 1) if "pool" in call.op else ops.activation(x, "linear")
    assert_same_bits(y, x)
    assert not np.shares_memory(y, x)


@pytest.mark.parametrize(("call", "name"), NAMES)
def test_the_same_array_may_be_given_twice(call, name):
    arrays = call.inputs(BATCH)
    shape = arrays[name].shape
    twins = [key for key, a in arrays.items() if a.shape == shape]
    shared = call(arrays | dict.fromkeys(twins, arrays[name]))
    apart = call(arrays | {key: arrays[name].copy() for key in twins})
    assert_same_bits(shared, apart)


@pytest.mark.parametrize("value", [1e39, -1e300, 1e-46, np.inf, np.nan])
def test_float64_beyond_float32_becomes_infinity_or_zero_as_in_numpy(value, isa):
    x = np.full((3, 4), value)
    with np.errstate(over="ignore", under="ignore"):
        expected = x.astype(np.float32)
    np.testing.assert_array_equal(ops.activation(x, "linear"), expected)


@pytest.mark.parametrize("dtype", [">f4", ">f8"])
@pytest.mark.parametrize(("call", "name"), NAMES)
def test_a_byte_swapped_array_is_an_error_that_names_it(call, name, dtype):
    arrays = call.inputs(BATCH)
    with pytest.raises(TypeError, match=rf"\b{name}\b"):
        call(arrays | {name: arrays[name].astype(dtype)})


OTHER_DTYPES = [
    bool, np.int8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float16,
    np.longdouble, np.complex64, np.complex128, object, "S4", "U4", "M8[s]", "m8[s]",
    [("value", np.float32)],
]  # fmt: skip


@pytest.mark.parametrize(("call", "name"), NAMES)
def test_any_other_dtype_is_an_error_that_names_the_argument(call, name):
    arrays = call.inputs(BATCH)
    for dtype in OTHER_DTYPES:
        array = np.zeros(arrays[name].shape, dtype)
        with pytest.raises(TypeError, match=rf"\b{name}\b"):
            call(arrays | {name: array})


@pytest.mark.parametrize(("call", "name"), WEIGHTS)
def test_weights_are_no_bytes(call, name):
    arrays = call.inputs(BATCH)
    with pytest.raises(TypeError, match=rf"\b{name}\b"):
        call(arrays | {name: np.ones(arrays[name].shape, np.uint8)})


class Pretender:
    """Has a shape and a dtype, but no array behind them."""

    shape, dtype, ndim = (5, 7, 6, 3), np.dtype(np.float32), 4


NOT_ARRAYS = {
    "list": lambda a: a.tolist(),
    "tuple": lambda a: tuple(a),
    "float": lambda a: 1.0,
    "numpy-scalar": lambda a: np.float32(1),
    "string": lambda a: "x",
    "bytes": lambda a: a.tobytes(),
    "memoryview": memoryview,
    "dict": lambda a: {"x": a},
    "class": lambda a: np.ndarray,
    "pretender": lambda a: Pretender(),
}


@pytest.mark.parametrize(("call", "name"), NAMES)
def test_what_is_no_array_is_an_error_that_names_the_argument(call, name):
    arrays = call.inputs(BATCH)
    for make in NOT_ARRAYS.values():
        value = make(arrays[name])
        with pytest.raises(TypeError, match=rf"\b{name}\b"):
            call(arrays | {name: value})


@pytest.mark.parametrize(("call", "name"), NAMES)
def test_none_is_an_error_unless_it_is_the_bias(call, name):
    arrays = call.inputs(BATCH)
    if name == "bias":
        rest = {key: a for key, a in arrays.items() if key != "bias"}
        assert_same_bits(call(rest | {"bias": None}), call(rest))
        return
    with pytest.raises(TypeError, match=rf"\b{name}\b"):
        call(arrays | {name: None})
