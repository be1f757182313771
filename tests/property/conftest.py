"""Property tests try the same examples in every run, and time is no criterion."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("same-every-time", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("same-every-time")
