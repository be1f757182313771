"""Full comparisons between the models of one graph, each made once."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence

from lineage.ancestry.geometry import BY_TOKEN, FLOOR, TABLE
from lineage.ancestry.pair.direction import likely_direction
from lineage.ancestry.pair.relations import is_significant
from lineage.ancestry.trees.kept_comparisons import kept_comparisons
from lineage.match import by_name
from lineage.types import CheckpointSketch, Comparison, Direction, Relation, TensorMatch, TensorSketch

Watch = Callable[[int, int], None]

_RELATED_Z = 6.0  # of one tensor: beyond chance among some thousands of tensors
_RELATED_R = 0.5  # without a z: a correlation that unrelated models do not reach over a few hundred values


class Pairs:
    """Comparisons of numbered models. The result for two models holds in both orders, except for its shares."""

    def __init__(self, sketches: Sequence[CheckpointSketch], watch: Watch | None) -> None:
        self.sketches = sketches
        self._watch = watch
        self._made: dict[tuple[int, int], Comparison] = {}
        self._correlations: dict[tuple[int, int], float | None] = {}
        self._alike: dict[tuple[int, int], list[tuple[int, TensorMatch]]] = {}

    def compared(self, query: int, reference: int) -> Comparison:
        """The comparison of model `query` with model `reference`, made once."""
        if (query, reference) not in self._made:
            made = kept_comparisons.compared(self.sketches[query], self.sketches[reference])
            self.keep({(query, reference): made})
        return self._made[query, reference]

    def keep(self, made: Mapping[tuple[int, int], Comparison]) -> None:
        """Add comparisons (query, reference) that were made elsewhere."""
        self._made |= made
        if self._watch is not None:
            self._watch(len(self._made), max(len(self._made), 2 * len(self.sketches)))

    def made_among(self, models: Collection[int]) -> dict[tuple[int, int], Comparison]:
        """The comparisons made so far whose query is one of these models."""
        return {ends: found for ends, found in self._made.items() if ends[0] in models}

    def either(self, left: int, right: int) -> tuple[Comparison, bool]:
        """The comparison of two models in either order, and whether `left` is its query.

        Without an earlier comparison, one with `left` as the query is made.
        """
        if (left, right) not in self._made and (right, left) in self._made:
            return self._made[right, left], False
        return self.compared(left, right), True

    def is_known(self, left: int, right: int) -> bool:
        """Whether these two have been compared, in either order."""
        return (left, right) in self._made or (right, left) in self._made

    def are_disguised(self, left: int, right: int) -> bool:
        """Whether two models have been compared and found to be related in disguise."""
        return self.is_known(left, right) and self.either(left, right)[0].relation == Relation.DISGUISED

    def are_related(self, left: int, right: int) -> bool:
        """Whether a comparison of two models finds common descent of any kind."""
        return is_related(self.either(left, right)[0])

    def direction(self, left: int, right: int) -> Direction:
        """What `left` is to `right` by the cues, including likely ones: in a graph, other models add evidence."""
        found, straight = self.either(left, right)
        direction = likely_direction(found.cues)
        return direction if straight else direction.turned

    def certain_direction(self, left: int, right: int) -> Direction | None:
        """What `left` is to `right` as the comparison decides it, where one can be computed from the other."""
        found, straight = self.either(left, right)
        return found.direction if straight or found.direction is None else found.direction.turned

    def alike(self, left: int, right: int) -> list[tuple[int, TensorMatch]]:
        """Corresponding matrices of two models: the parameters of the smaller one, and the match.

        Only token tables may differ in size. In other matrices of different size units were removed, so that rows face
        other rows: such a pair does not measure a distance.
        """
        ends = min(left, right), max(left, right)
        if ends not in self._alike:
            self._alike[ends] = self._corresponding(left, right)
        return self._alike[ends]

    def components(self, model: int) -> set[str]:
        """The components of a model that hold weights of its own."""
        return {t.part.component for t in self.sketches[model].tensors if t.part.excluded is None}

    def _corresponding(self, left: int, right: int) -> list[tuple[int, TensorMatch]]:
        found, straight = self.either(left, right)
        sketches = (self.sketches[left], self.sketches[right])[:: 1 if straight else -1]
        ours, theirs = map(by_name, sketches)
        # Tensors joined for the comparison are in neither sketch; they have the same size on both sides.
        sizes = [(_size(ours.get(m.a), m), _size(theirs.get(m.b), m)) for m in found.tensors]
        return [
            (min(both), m)
            for both, m in zip(sizes, found.tensors, strict=True)
            if _is_alike(m) and (m.role in BY_TOKEN or both[0] == both[1])
        ]

    def correlation(self, left: int, right: int) -> float | None:
        """Correlation over corresponding matrices; None if the two models are not related.

        The geometric mean weighted by size, with token tables at a lower weight, as in `Cohort.distances` for models of
        one structure.
        """
        ends = min(left, right), max(left, right)
        if ends not in self._correlations:
            self._correlations[ends] = self._measured(*ends)
        return self._correlations[ends]

    def _measured(self, left: int, right: int) -> float | None:
        if not is_related(self.either(left, right)[0]):
            return None
        seen = self.either(left, right)[0]
        if self.are_disguised(left, right):  # matrices do not correspond by position, neurons do
            return seen.evidence.r
        sizes = [(params * (TABLE if m.role in BY_TOKEN else 1.0), m.r) for params, m in self.alike(left, right)]
        logs = [(size, math.log(min(1.0, max(r, FLOOR)))) for size, r in sizes if r is not None]
        total = sum(size for size, _ in logs)
        return math.exp(sum(size * value for size, value in logs) / total) if total else None


def _size(tensor: TensorSketch | None, held: TensorMatch) -> int:
    return math.prod(held.shape) if tensor is None else tensor.params


def _is_alike(held: TensorMatch) -> bool:
    if held.z is None:  # too few units for a test
        return held.used and held.r is not None and held.r > _RELATED_R
    return held.used and held.z > _RELATED_Z


def is_related(found: Comparison) -> bool:
    """Whether a comparison found common descent of any kind, even if the relation is in doubt."""
    return is_significant(found.evidence) and found.relation != Relation.INDEPENDENT
