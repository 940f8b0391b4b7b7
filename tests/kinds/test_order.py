"""Every result is one float32 sum in a documented order, so its bits are known beforehand.

The order is what makes results independent of register tiles, threads and batches; a kernel that
sums otherwise fails here even where it is as accurate. Each entry writes its sums out in numpy,
with a multiply-add that rounds once or twice: which, depends on the instruction set.
"""

import numpy as np
import pytest
from seeded import uniform
from tolerance import assert_same_bits

from kinds import KINDS, Call


def fused(a, b, c):
    return np.float32(np.float64(a) * np.float64(b) + np.float64(c))


def rounded_twice(a, b, c):
    return a * b + c


def check_order(case):
    """y, dx and the weights' gradients have the bits of one of the two kinds of rounding."""
    forward, backward = Call(case), Call(case, backward=True)
    arrays = case.arrays(uniform)
    actual = [r for call in (forward, backward) for r in call({k: arrays[k] for k in call.names})]
    expected = [
        case.kind.in_order(case.layer, multiply_add, *arrays.values())
        for multiply_add in (fused, rounded_twice)
    ]
    for got, once, twice in zip(actual, *expected, strict=True):
        assert once.dtype == twice.dtype == np.float32
        if not np.array_equal(got, once):
            assert_same_bits(got, twice)


@pytest.mark.usefixtures("direct_convolutions")
@pytest.mark.parametrize("case", [case for kind in KINDS.values() for case in kind.order], ids=str)
def test_every_sum_has_its_order(case, isa):
    check_order(case)
