"""Which cache of comparisons the question that is being answered uses: that of the user's index, if there is one.

Apart from `lineage.store.comparison_cache`, which loads SQLite: most questions are asked of the reference alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from lineage.errors import StoreError
from lineage.store.protocol import Index, OfAllFamilies

if TYPE_CHECKING:
    from lineage.store.comparison_cache import ComparisonCache

SETTING = "LINEAGE_COMPARISONS_MIB"
"""The environment variable with the largest size of the cache in MiB; 0: nothing is kept, and nothing is read."""
MOST_MIB = 512
_LEAST_ROOM = 1 << 20  # a smaller bound holds too few to be of use

on_disk: ContextVar[ComparisonCache | None] = ContextVar("on_disk", default=None)
"""The cache that the question which is being answered reads and adds to."""


@contextmanager
def kept_on_disk(indexes: Sequence[Index]) -> Iterator[None]:
    """Read from, and add to, the cache in the folder of the user's index among `indexes`, if there is one.

    Indexes of others (layers, the reference) are never written to: what is found of their models is kept there, too.
    Raises StoreError.
    """
    cache = _cache(indexes, most_bytes())
    before = on_disk.set(cache)
    try:
        yield
    finally:
        on_disk.reset(before)
        if cache is not None:
            cache.write()


def write_now() -> None:
    """Write what waits: a forked process has nothing in common with the one that writes at the end."""
    cache = on_disk.get()
    if cache is not None:
        cache.write()


def most_bytes() -> int:
    """The bound that the environment sets, else that of this version, in bytes. Raises StoreError."""
    said = os.environ.get(SETTING) or str(MOST_MIB)
    if not re.fullmatch("[0-9]{1,7}", said):
        raise StoreError(f"{SETTING}={said[:40]!r} is not a number of MiB: 0 keeps no comparisons")
    return int(said) << 20


def _cache(indexes: Sequence[Index], most: int) -> ComparisonCache | None:
    """The cache of at most so many bytes beside the user's index; None without one in a folder, or without room."""
    if most < _LEAST_ROOM or not any(isinstance(index, OfAllFamilies) for index in indexes):
        return None
    from lineage.store.comparison_cache import ComparisonCache
    from lineage.store.sqlite import SqliteIndex

    home = next((index for index in indexes if isinstance(index, SqliteIndex)), None)
    return None if home is None else ComparisonCache(home.folder, most)
