"""What the tests with Hypothesis have in common."""

import effort
import sanitizer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# One image alone, a few, about as many as are computed together, more.
batches = st.just(1) | st.integers(2, 8) | st.integers(9, 20) | st.integers(21, 40)


def examples(count):
    """So many random ones, or a tenth in a quick run and under AddressSanitizer.

    The same ones every time, none kept on disk. The isa fixture needs no reset between them.
    """
    return settings(
        max_examples=count // 10 if effort.quick else sanitizer.fewer(count),
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
