"""dense: values that are not finite, and errors. Against float64: tests/kinds/dense.py."""

import numpy as np
import pytest

from pylenet import ops


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("batch", [1, 5, 17])
def test_a_value_that_is_not_finite_stays_in_its_row(value, batch, isa):
    x, kernel = np.ones((batch, 9), np.float32), np.ones((9, 19), np.float32)
    x[batch // 2, 8] = value
    expected = np.full((batch, 19), 9.0)
    expected[batch // 2] = value
    np.testing.assert_array_equal(ops.dense(x, kernel), expected)


def ones(shape):
    return np.ones(shape, np.float32)


BAD_ARRAYS = {
    "x-rank-1": ("x", (7,)),
    "x-rank-3": ("x", (1, 4, 7)),
    "x-rank-4": ("x", (4, 1, 1, 7)),
    "x-other-features": ("x|kernel", (4, 8)),
    "x-transposed": ("x|kernel", (7, 4)),
    "x-empty-batch": ("x", (0, 7)),
    "x-no-features": ("x|kernel", (4, 0)),
    "kernel-rank-1": ("kernel", (7,)),
    "kernel-rank-3": ("kernel", (1, 7, 5)),
    "kernel-transposed": ("kernel", (5, 7)),
    "kernel-no-units": ("kernel", (7, 0)),
    "bias-rank-0": ("bias", ()),
    "bias-rank-2": ("bias", (1, 5)),
    "bias-one": ("bias", (1,)),
    "bias-too-long": ("bias", (7,)),
    "dy-rank-1": ("dy", (5,)),
    "dy-rank-3": ("dy", (4, 1, 5)),
    "dy-other-batch": ("dy", (3, 5)),
    "dy-other-units": ("dy", (4, 6)),
    "dy-one-column": ("dy", (4, 1)),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_an_array_of_the_wrong_shape_is_an_error_that_names_it(case):
    names, shape = BAD_ARRAYS[case]
    which, bad = case.split("-")[0], ones(shape)
    forward = {"x": ones((4, 7)), "kernel": ones((7, 5)), "bias": ones((5,))}
    backward = {"dy": ones((4, 5)), "x": ones((4, 7)), "kernel": ones((7, 5))}
    ops.dense(**forward)
    ops.dense_backward(**backward)
    if which in forward:
        with pytest.raises(ValueError, match=rf"\b({names})\b"):
            ops.dense(**forward | {which: bad})
    if which in backward:
        with pytest.raises(ValueError, match=rf"\b({names}|dy)\b"):
            ops.dense_backward(**backward | {which: bad})
