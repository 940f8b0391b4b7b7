"""What AddressSanitizer changes: .ci/run lets it watch what runs C++ in ways of its own."""

import os

import pytest

LOADED = "libasan" in os.environ.get("LD_PRELOAD", "")

# Without its redzones, its quarantine of freed memory and its terabytes of reserved addresses.
own_memory = pytest.mark.skipif(LOADED, reason="about memory, which AddressSanitizer changes")

minutes = pytest.mark.skipif(
    LOADED, reason="takes minutes under AddressSanitizer, for what other tests run as well"
)

foreign = pytest.mark.skipif(LOADED, reason="faults of libraries that read files are not ours")


def seconds(limit):
    """A time limit for a child, or four times as long."""
    return 4 * limit if LOADED else limit


def fewer(count):
    """So many repetitions, or a tenth, for each takes ten times as long; two at least."""
    return max(2, count // 10) if LOADED else count
