"""The one place where it is derived how equal results must be."""

import numpy as np
from reference import float64

from pylenet import _core

# The instruction sets whose results have the same bits: those that fuse multiply-adds.
FMA = [name for name in _core.available_isas() if name != "baseline"]

EPS = float(np.finfo(np.float32).eps)
TINY = float(np.finfo(np.float32).tiny)  # the smallest normal number

# A float32 tanh, sigmoid or softmax is right to a few units in the last place.
FEW_ULPS = 4e-7


def summed(length, *factors, bias=0):
    """Largest error of a float32 sum of `length` products of numbers as large as in `factors`.

    eps x length x magnitude, for sums of terms with random signs: the partial sums then grow as
    the root of the length, and so does the number of roundings that point the same way. Two
    more terms stand for the bias, which may be larger than they are, and for the result.
    """
    magnitude = np.prod([np.abs(f).max() for f in factors])
    return EPS * (length + 2) * float(max(magnitude, np.abs(bias).max()))


def assert_close(actual, expected, atol, rtol=0.0):
    """float32 array `actual` equals float64 `expected` within the tolerance, NaN for NaN."""
    assert actual.dtype == np.float32
    assert actual.shape == expected.shape
    np.testing.assert_allclose(float64(actual), expected, rtol=rtol, atol=atol)


def assert_same_bits(actual, expected):
    """Two float32 arrays, or tuples of them, are the same bit for bit."""
    if isinstance(actual, tuple):
        assert len(actual) == len(expected)
        for a, e in zip(actual, expected, strict=True):
            assert_same_bits(a, e)
        return
    assert actual.dtype == expected.dtype == np.float32
    assert actual.shape == expected.shape
    differ = np.flatnonzero(np.ravel(actual).view(np.uint32) != np.ravel(expected).view(np.uint32))
    assert differ.size == 0, (
        f"{differ.size} of {actual.size} differ, first "
        f"{np.ravel(actual)[differ[0]]!r} and {np.ravel(expected)[differ[0]]!r} "
        f"at {np.unravel_index(differ[0], actual.shape)}"
    )
