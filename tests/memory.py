"""How much memory a step may take, measured where the system reports it."""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@contextmanager
def within(kib: int) -> Iterator[None]:
    """Fail if the resident memory of this process rises by more than `kib` KiB at any time in the block.

    On Linux the peak is forgotten first, and what the allocator keeps of freed memory is given back, so that nothing
    that ran before hides what is taken here. Windows reports no peak: there the block runs unmeasured.
    """
    before = _peak(afresh=True)
    yield
    after = _peak()
    if before is not None and after is not None:
        assert after - before < kib, f"{after - before:,} KiB were taken, {kib:,} are allowed"


def _peak(*, afresh: bool = False) -> int | None:
    if sys.platform == "linux":
        if afresh:
            give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl keeps little
            if give_back is not None:
                give_back(0)
            FORGET.write_text("5")  # the peak becomes what is resident now: proc(5)
        found = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text())
        assert found is not None
        return int(found[1])
    if sys.platform == "win32":
        return None
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
