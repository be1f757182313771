"""The bound that hostile files are held to is one that can be broken, whatever ran before."""

from __future__ import annotations

import numpy as np
import pytest

from tests.memory import within
from tests.systems import needs_linux


@needs_linux
def test_memory_that_earlier_work_freed_and_the_allocator_kept_hides_nothing():
    pieces = [np.ones(100_000, np.uint8) for _ in range(600)]  # below the size that gets a mapping of its own
    beyond = np.ones(100_000, np.uint8)
    del pieces
    with pytest.raises(AssertionError, match=r"are allowed"), within(10 << 10):
        np.ones(32 << 20, np.uint8).sum()
    assert beyond.all()


@needs_linux
def test_what_takes_too_much_is_seen_behind_a_greater_peak():
    np.ones(64 << 20, np.uint8).sum()
    with pytest.raises(AssertionError, match=r"are allowed"), within(10 << 10):
        np.ones(32 << 20, np.uint8).sum()
    with within(64 << 10):
        np.ones(32 << 20, np.uint8).sum()
