"""An answer is that of the index before or after a change beside it, never of something between."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lineage.errors import Gone

_TRIES = 32  # a writer that is never idle takes a model out while others are read, but not each time

Answer = TypeVar("Answer")


def settled(ask: Callable[[], Answer]) -> Answer:
    """Call `ask` again where a model was taken out while it read: the answer is then that of the index after.

    Raises Gone where the index changes at every try.
    """
    for _ in range(_TRIES - 1):
        try:
            return ask()
        except Gone:
            continue
    return ask()
