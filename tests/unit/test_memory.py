"""The bound that hostile files are held to is one that can be broken, whatever ran before."""

from __future__ import annotations

import numpy as np
import pytest

from tests.memory import within
from tests.systems import needs_linux


@needs_linux
def test_what_takes_too_much_is_seen_behind_a_greater_peak():
    np.ones(64 << 20, np.uint8).sum()
    with pytest.raises(AssertionError, match=r"are allowed"), within(10 << 10):
        np.ones(32 << 20, np.uint8).sum()
    with within(64 << 10):
        np.ones(32 << 20, np.uint8).sum()
