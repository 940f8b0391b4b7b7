"""Each kind: the same bits whatever the threads, the batch, the instruction set and the layout."""

import threading

import numpy as np
import pytest
from nets import LAYOUTS
from tolerance import FMA, assert_same_bits

import pylenet
from kinds import CASES, KINDS, Call
from pylenet import _core


def both_ways(cases):
    return [Call(case, backward) for case in cases for backward in (False, True)]


BOTH = both_ways([*CASES, *(case for kind in KINDS.values() for case in kind.lenet)])
AWKWARD = both_ways([case for kind in KINDS.values() for case in kind.awkward or kind.cases[:1]])


def check_threads(call, batches):
    """Whatever their number was before, the threads give the same bits."""
    arrays, expected = [call.inputs(batch) for batch in batches], None
    for n in (1, 2, 3, 2, 1):
        pylenet.set_num_threads(n)
        results = [call(given) for given in arrays]
        expected = expected or results
        for batch, result, first in zip(batches, results, expected, strict=True):
            try:
                assert_same_bits(result, first)
            except AssertionError as error:
                raise AssertionError(f"{batch} images, {n} threads") from error


@pytest.mark.parametrize("call", BOTH, ids=str)
def test_the_number_of_threads_changes_no_bit(call, isa, threads_restored):
    check_threads(call, (1, 15, 16, 17, 33, 200))


@pytest.mark.parametrize("call", AWKWARD, ids=str)
def test_the_number_of_threads_changes_no_bit_of_many_images(call, isa, threads_restored):
    check_threads(call, (2500,))


@pytest.mark.parametrize("call", BOTH, ids=str)
def test_one_images_result_does_not_depend_on_its_batch(call, isa):
    whole = call.inputs(50)

    def part(*, images):
        return {k: a[images] if k in ("x", "dy") else a for k, a in whole.items()}

    expected = call(whole)[0]
    for i in (0, 1, 7, 15, 16, 31, 32, 48, 49):
        alone = call(part(images=slice(i, i + 1)))[0]
        assert_same_bits(alone, expected[i : i + 1])
    for size in (2, 3, 4, 5, 8, 9, 15, 16, 17, 33):
        for start in (1, 50 - size):
            images = slice(start, start + size)
            assert_same_bits(call(part(images=images))[0], expected[images])
    assert_same_bits(call(part(images=slice(None, None, -1)))[0], expected[::-1])


@pytest.mark.parametrize("call", BOTH, ids=str)
def test_one_image_is_not_touched_by_nan_in_another(call, isa):
    clean = call.inputs(17)
    expected = call(clean)[0]
    x = clean["x"].copy()
    x[3] = np.nan
    actual = call(clean | {"x": x})[0]
    others = np.arange(17) != 3
    assert_same_bits(actual[others], expected[others])


@pytest.mark.skipif(len(FMA) < 2, reason="needs two instruction sets that fuse multiply-adds")
@pytest.mark.parametrize("call", BOTH, ids=str)
def test_instruction_sets_that_fuse_multiply_adds_give_the_same_bits(call):
    former, results = _core.active_isa(), []
    arrays = [call.inputs(batch) for batch in (1, 3, 5, 8, 9, 33)]
    try:
        for name in FMA:
            _core.set_isa(name)
            results.append([call(given) for given in arrays])
    finally:
        _core.set_isa(former)
    for others in results[1:]:
        for result, first in zip(others, results[0], strict=True):
            assert_same_bits(result, first)


def test_python_threads_that_call_at_once_get_their_own_results(isa):
    inputs = [[call.inputs(17, seed=t) for call in BOTH] for t in range(4)]
    expected = [[call(arrays) for call, arrays in zip(BOTH, mine, strict=True)] for mine in inputs]
    wrong = []
    start = threading.Barrier(4)

    def work(t):
        start.wait()
        for _ in range(3):
            for call, arrays, e in zip(BOTH, inputs[t], expected[t], strict=True):
                try:
                    assert_same_bits(call(arrays), e)
                except AssertionError as error:
                    wrong.append(f"{call}: {error}")

    workers = [threading.Thread(target=work, args=(t,)) for t in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert wrong == []


# What an op makes of every argument in any layout is in data/test_arrays.py.
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_layer_reads_images_in_any_layout(case, layout):
    x = np.random.default_rng(1).integers(0, 9, (18, *case.input_shape))
    model = case.model()
    expected = model.predict(x.astype(np.float32))
    for dtype in (np.uint8, np.float32, np.float64):
        laid_out = LAYOUTS[layout](x.astype(dtype))
        assert_same_bits(model.predict(laid_out), expected)
        assert np.array_equal(laid_out, x)
