"""What is computed once of a tensor or a model, and forgotten with it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import WeakKeyDictionary

Whole = TypeVar("Whole")
Fact = TypeVar("Fact")


def remembered(compute: Callable[[Whole], Fact]) -> Callable[[Whole], Fact]:
    """Keep what `compute` says of each object for as long as the object lives; the answer must not hold the object.

    For facts that are small beside the object: a graph asks for them in every comparison of a model.
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
