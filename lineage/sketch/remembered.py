"""Facts computed once for a tensor or a model, and freed with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

Whole = TypeVar("Whole")
Fact = TypeVar("Fact")


def remembered(compute: Callable[[Whole], Fact]) -> Callable[[Whole], Fact]:
    """Cache the result of `compute` for each object as long as the object lives; the result must not refer to it.

    For results that are small compared with the object: a graph needs them in every comparison of a model.
    """
    known: WeakKeyDictionary[Whole, Fact] = WeakKeyDictionary()

    @wraps(compute)
    def recall(of: Whole) -> Fact:
        try:
            return known[of]
        except KeyError:
            known[of] = found = compute(of)
            return found

    return recall
