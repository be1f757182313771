"""Caches for facts that are computed for many tensors or models at once, and for the most recently used ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from lineage.sketch.remembered import Fact, Whole, remembered
from lineage.types import CheckpointSketch, TensorSketch

Key = TypeVar("Key")

_MISSING = object()


class Together(Generic[Whole, Fact]):
    """A decorator like `remembered`, for a function that computes a fact of many objects at once, in their order."""

    def __init__(self, compute: Callable[[Sequence[Whole]], Iterable[Fact]]) -> None:
        self._compute = compute
        self._known: WeakKeyDictionary[Whole, Fact] = WeakKeyDictionary()

    def __call__(self, of: Whole) -> Fact:
        """The fact of one object."""
        try:
            return self._known[of]
        except KeyError:
            return self.of([of])[0]

    def of(self, many: Iterable[Whole]) -> list[Fact]:
        """The fact of each; those that are not cached are computed together."""
        wanted = list(many)
        found = {one: self._known[one] for one in wanted if one in self._known}
        new = [one for one in dict.fromkeys(wanted) if one not in found]
        if new:
            made = dict(zip(new, self._compute(new), strict=True))
            self._known.update(made)
            found |= made
        return [found[one] for one in wanted]


@remembered
def by_name(sketch: CheckpointSketch) -> Mapping[str, TensorSketch]:
    """The tensors of a model by their names."""
    return {tensor.name: tensor for tensor in sketch.tensors}


class Latest(OrderedDict[Key, Fact]):
    """A dictionary of at most `most` entries that drops the least recently used: for facts too large to keep all.

    Reading takes no lock and marks nothing, so threads may read while another one adds. A cache of `cachetools` does
    not bear that: one that drops the least recently used changes at each look, and `get` of any looks twice.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self._changing = Lock()

    def of(self, keys: Sequence[Key], make: Callable[[Sequence[Key]], Iterable[Fact]]) -> list[Fact]:
        """The fact of each key; those that are not cached are made together. None is marked as recently used."""
        found: list[Any] = [self.get(key, _MISSING) for key in keys]
        new = [*dict.fromkeys(key for key, fact in zip(keys, found, strict=True) if fact is _MISSING)]
        if not new:
            return found
        made = dict(zip(new, make(new), strict=True))
        self.keep(made.items())
        return [made[key] if fact is _MISSING else fact for key, fact in zip(keys, found, strict=True)]

    def keep(self, facts: Iterable[tuple[Key, Fact]]) -> None:
        """Add facts, or mark them as recently used."""
        with self._changing:
            for key, fact in facts:
                is_known = key in self
                self[key] = fact
                if is_known:
                    self.move_to_end(key)
            while len(self) > self.most:
                self.popitem(last=False)

    def drop(self, keys: Iterable[Key]) -> None:
        """Forget the facts of these keys, as far as they are there."""
        with self._changing:
            for key in keys:
                self.pop(key, None)
