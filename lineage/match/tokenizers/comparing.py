"""Comparison of two tokenizer sketches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineage.errors import SketchMismatch
from lineage.match.tokenizers.core import longest_common_order, sides
from lineage.match.tokenizers.order import ALPHA, order_test
from lineage.match.tokenizers.relating import Ordered, Related, relate
from lineage.match.tokenizers.shared import Shared, neighbours, shared_sample
from lineage.sketch.tokenizer_kinds import SORTED
from lineage.types import (
    Neighbours,
    OrderTest,
    Overlap,
    SpecialTokens,
    TokenizerComparison,
    TokenizerSketch,
    TokenKind,
)

KEPT = 0.1
"""Least share of neighbours kept for a relation: vocabularies trained independently on one text keep 0.02."""
SEEN = 0.5
"""Share of a vocabulary, come from the other, that must be detectable before "independent" is reported."""
LEAST = 16
"""Least number of sampled tokens of each vocabulary for "independent"."""
ALL_BUT = 0.99
"""Share of both vocabularies in common above which they are not called independent, whatever their order."""


def compare_tokenizers(a: TokenizerSketch, b: TokenizerSketch, hypotheses: int = 1) -> TokenizerComparison:
    """What tokenizer `a` is to `b`, by the order of shared tokens; `hypotheses` is the number of tokenizers searched.

    Reserved tokens, single characters, digits, repetitions and stretches that both have sorted as text are not
    evidence. Overlap and special tokens are counted and decide nothing. Raises SketchMismatch.
    """
    if a.family != b.family:
        raise SketchMismatch(f"{a.name} and {b.name} are of sketch families {a.family!r} and {b.family!r}")
    shared = shared_sample(a, b)
    free = _free(a, b, shared)
    test = order_test(a.ids[shared.a[free]], b.ids[shared.b[free]], hypotheses)
    near = neighbours(a, b)
    core = longest_common_order(b.ids[shared.b])
    side_a, side_b = sides(a, b, shared, core)
    aligned = _aligned(a.ids[shared.a[core]], b.ids[shared.b[core]])
    overlap = Overlap(
        a=len(shared.a) + len(shared.only_a),
        b=len(shared.b) + len(shared.only_b),
        shared=len(shared.a),
        core=len(core),
        shared_tokens=shared.of_all(len(shared.a)),
        core_tokens=shared.of_all(len(core)),
    )
    ordered = (
        Ordered("a", a, shared.a[core], side_a, len(shared.only_a)),
        Ordered("b", b, shared.b[core], side_b, len(shared.only_b)),
    )
    special = _special(a, b)
    figures = _Figures(test, near, overlap, aligned or 0.0)
    is_equal = a.digest == b.digest and test.log10_p < ALPHA
    found = _of_equals(a, b, special) if is_equal else _of_others(ordered, figures)
    return TokenizerComparison(
        a=a.name,
        b=b.name,
        relation=found.relation,
        parent=found.parent,
        basis=found.basis,
        order=test,
        overlap=overlap,
        neighbours=near,
        own_a=shared.of_all(side_a.own),
        own_b=shared.of_all(side_b.own),
        behind_a=shared.of_all(len(side_a.behind)),
        behind_b=shared.of_all(len(side_b.behind)),
        aligned=aligned,
        reach=figures.reach,
        special=special,
        same_pattern=None if a.pattern is None or b.pattern is None else a.pattern == b.pattern,
        left_out=_left_out(a, b),
    )


@dataclass(frozen=True, slots=True)
class _Figures:
    order: OrderTest
    neighbours: Neighbours
    overlap: Overlap
    aligned: float

    @property
    def reach(self) -> float:
        """The largest share of either vocabulary that could come from the other without being detected."""
        return min(1.0, self.order.reach) * max(self.overlap.of_a, self.overlap.of_b)


def _of_others(ordered: tuple[Ordered, Ordered], figures: _Figures) -> Related:
    """The relation of vocabularies that are not the same list."""
    a, b = ordered[0].sketch, ordered[1].sketch
    test, near, overlap = figures.order, figures.neighbours, figures.overlap
    in_order = test.log10_p < ALPHA
    if not in_order and a.content == b.content and test.reach < SEEN:
        return Related("reordered")
    if in_order and near.kept >= KEPT * near.anchors > 0:
        return relate(*ordered, figures.aligned)
    is_seen = figures.reach <= SEEN and min(overlap.a, overlap.b) >= LEAST
    if in_order or not is_seen or min(overlap.of_a, overlap.of_b) > ALL_BUT:
        return Related("inconclusive")
    return Related("independent")


def _of_equals(a: TokenizerSketch, b: TokenizerSketch, special: SpecialTokens | None) -> Related:
    """The ordinary tokens are the same, in the same order; what is left are fixed tokens and reserved ones."""
    left, right = _fixed(a), _fixed(b)
    if left != right:
        for less, more, name in ((left, right, "a"), (right, left, "b")):
            if all(less.get(kind, 0) <= count for kind, count in more.items()) and set(less) <= set(more):
                return Related("extended", "a" if name == "a" else "b", "fixed")
        return Related("replaced")
    if special is not None and bool(special.only_a) != bool(special.only_b):
        return Related("extended", "b" if special.only_a else "a", "reserved")
    return Related("identical")


def _fixed(sketch: TokenizerSketch) -> dict[TokenKind, int]:
    return {kind: count for kind, count in sketch.fixed if kind != "reserved"}


def _special(a: TokenizerSketch, b: TokenizerSketch) -> SpecialTokens | None:
    if a.special is None or b.special is None:
        return None
    shared = len(np.intersect1d(a.special, b.special, assume_unique=True))
    return SpecialTokens(shared, len(a.special) - shared, len(b.special) - shared)


def _free(a: TokenizerSketch, b: TokenizerSketch, shared: Shared) -> NDArray[np.bool_]:
    """Which shared tokens are evidence: not those that both have in a stretch sorted as text."""
    both = a.marks[shared.a, 0] & b.marks[shared.b, 0] & SORTED
    free: NDArray[np.bool_] = both == 0
    return free


def _aligned(a: NDArray[np.uint32], b: NDArray[np.uint32]) -> float | None:
    """The share of pairs of ids that differ by the most common difference; None without any."""
    if len(a) == 0:
        return None
    _, counts = np.unique(a.astype(np.int64) - b.astype(np.int64), return_counts=True)
    return float(counts.max() / len(a))


def _left_out(a: TokenizerSketch, b: TokenizerSketch) -> tuple[tuple[TokenKind, int, int], ...]:
    left, right = dict(a.fixed), dict(b.fixed)
    return tuple((kind, left.get(kind, 0), right.get(kind, 0)) for kind in dict.fromkeys((*left, *right)))
