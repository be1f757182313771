"""What is computed once of a tensor or a model, and forgotten with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from threading import Lock
from typing import TypeVar
from weakref import WeakKeyDictionary

from lineage.types import CheckpointSketch, TensorSketch

Whole = TypeVar("Whole")
Fact = TypeVar("Fact")
Key = TypeVar("Key")


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


@remembered
def by_name(sketch: CheckpointSketch) -> Mapping[str, TensorSketch]:
    """The tensors of a model by their names."""
    return {tensor.name: tensor for tensor in sketch.tensors}


class Latest(dict[Key, Fact]):
    """A dictionary of at most `most` entries, those longest out of use going first: for facts too large for all."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self._changing = Lock()

    def keep(self, facts: Iterable[tuple[Key, Fact]]) -> None:
        """Put some in, or say that they are in use."""
        with self._changing:
            for key, fact in facts:
                self.pop(key, None)
                self[key] = fact
            while len(self) > self.most:
                del self[next(iter(self))]
