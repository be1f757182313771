"""Relations, verdicts and directions, as enumerations that know what is true of each of their words."""

from __future__ import annotations

from enum import StrEnum

EITHER_WAY = 0.5
"""The probability that an open neighbour is the parent where nothing shows which came first."""


class Relation(StrEnum):
    """What one model, or a component of it, is to another: of two that inherit, the one that says more comes first."""

    DISGUISED = "disguised"
    EXPERT_UPCYCLED = "expert-upcycled"
    DEPTH_CHANGED = "depth-changed"
    WIDTH_PRUNED = "width-pruned"
    VOCABULARY_CHANGED = "vocabulary-changed"
    CONTINUED_PRETRAINING = "continued-pretraining"
    ADAPTER_MERGED = "adapter-merged"
    FINE_TUNED = "fine-tuned"
    PRUNED = "pruned"
    QUANTIZED = "quantized"
    RE_ENCODED = "re-encoded"
    IDENTICAL = "identical"
    COMPONENT_REUSED = "component-reused"
    MERGED = "merged"
    SHARED_INIT = "shared-init"
    SIBLING = "sibling"
    INDEPENDENT = "independent"
    INCONCLUSIVE = "inconclusive"

    @property
    def inherits(self) -> bool:
        """Whether weights of the one came from the other, or both from one."""
        return self not in (Relation.SHARED_INIT, Relation.SIBLING, Relation.INDEPENDENT, Relation.INCONCLUSIVE)

    @property
    def is_told_by_two(self) -> bool:
        """Whether it inherits, and the two models suffice to see it: a merge needs its other parents."""
        return self.inherits and self is not Relation.MERGED

    @property
    def is_of_whole(self) -> bool:
        """Whether two models suffice to see it, and all of a component was inherited."""
        return self.is_told_by_two and self is not Relation.COMPONENT_REUSED

    @property
    def is_exact(self) -> bool:
        """Whether the values are the same, rounding of the storage and order aside."""
        return self in (Relation.IDENTICAL, Relation.RE_ENCODED)

    @property
    def is_lossy(self) -> bool:
        """Whether values were rounded to levels or set to zero; they may have been trained afterwards."""
        return self in (Relation.PRUNED, Relation.QUANTIZED)

    @property
    def is_by_values(self) -> bool:
        """Whether other values were written for the same tensors, without training."""
        return self.is_lossy or self is Relation.RE_ENCODED

    @property
    def is_beginning(self) -> bool:
        """Whether the two may have nothing in common but an initialisation."""
        return self in (Relation.SHARED_INIT, Relation.INCONCLUSIVE)

    @property
    def is_directed(self) -> bool:
        """Whether one of the two can be the parent; the others are true of both models alike."""
        return self.inherits and self is not Relation.IDENTICAL

    @property
    def reshapes(self) -> bool:
        """Whether layers, units, tokens or experts differ."""
        return self in (
            Relation.EXPERT_UPCYCLED,
            Relation.DEPTH_CHANGED,
            Relation.WIDTH_PRUNED,
            Relation.VOCABULARY_CHANGED,
        )

    @property
    def trains(self) -> bool:
        """Whether all weights were trained on."""
        return self in (Relation.CONTINUED_PRETRAINING, Relation.FINE_TUNED)

    @property
    def finds_nothing(self) -> bool:
        """Whether nothing was found, or nothing could be."""
        return self in (Relation.INDEPENDENT, Relation.INCONCLUSIVE)


class Verdict(StrEnum):
    """What is said of a whole model."""

    IDENTICAL = "identical"
    DERIVED = "derived"
    PARTLY_DERIVED = "partly-derived"
    ORIGIN = "origin"
    RELATED = "related"
    INDEPENDENT = "independent"
    INCONCLUSIVE = "inconclusive"

    @property
    def is_descent(self) -> bool:
        """Whether all of it or a part was derived."""
        return self in (Verdict.DERIVED, Verdict.PARTLY_DERIVED)

    @property
    def inherits(self) -> bool:
        """Whether weights of the one came from the other, or both from one."""
        return self is Verdict.IDENTICAL or self.is_descent

    @property
    def finds_nothing(self) -> bool:
        """Whether nothing was found, or nothing could be."""
        return self in (Verdict.INDEPENDENT, Verdict.INCONCLUSIVE)


class Direction(StrEnum):
    """Which of two models came first, as what the first of them is."""

    CHILD = "child"
    PARENT = "parent"
    UNDIRECTED = "undirected"

    @property
    def turned(self) -> Direction:
        """The direction seen from the other model."""
        return {Direction.CHILD: Direction.PARENT, Direction.PARENT: Direction.CHILD}.get(self, self)
