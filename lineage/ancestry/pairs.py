"""Full comparisons between the models of one graph, each made once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lineage.ancestry.comparison import compare
from lineage.ancestry.relations import is_significant
from lineage.types import CheckpointSketch, Comparison, Role

Watch = Callable[[int, int], None]

_TURNED: dict[Role | None, Role | None] = {"child": "parent", "parent": "child"}


class Pairs:
    """Comparisons of numbered models. What one says of two models holds both ways, but for its shares."""

    def __init__(self, sketches: Sequence[CheckpointSketch], watch: Watch | None) -> None:
        self.sketches = sketches
        self._watch = watch
        self._made: dict[tuple[int, int], Comparison] = {}

    def compared(self, query: int, reference: int) -> Comparison:
        """What model `query` is to model `reference`."""
        if (query, reference) not in self._made:
            self._made[query, reference] = compare(self.sketches[query], self.sketches[reference])
            if self._watch is not None:
                self._watch(len(self._made), max(len(self._made), 2 * len(self.sketches)))
        return self._made[query, reference]

    def either(self, left: int, right: int) -> tuple[Comparison, bool]:
        """The comparison of two models, made already or made now with `left` as the query; whether `left` is it."""
        if (left, right) not in self._made and (right, left) in self._made:
            return self._made[right, left], False
        return self.compared(left, right), True

    def is_known(self, left: int, right: int) -> bool:
        """Whether these two have been compared, either way."""
        return (left, right) in self._made or (right, left) in self._made

    def role(self, left: int, right: int) -> Role | None:
        """What `left` is to `right` as far as a cue says."""
        found, straight = self.either(left, right)
        return found.role if straight else _TURNED.get(found.role, found.role)


def is_related(found: Comparison) -> bool:
    """Whether a comparison found common descent of any kind, be its word in doubt."""
    return is_significant(found.evidence) and found.relation != "independent"
