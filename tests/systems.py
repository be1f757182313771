"""What not every system has: a test that needs it is skipped elsewhere, and says why."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec

import pytest

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no signal to another process")
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked and limited on Linux only")
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: `make ray` has it")
