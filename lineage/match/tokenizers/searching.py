"""The known tokenizer that is the closest relative of the query's."""

from __future__ import annotations

from collections.abc import Sequence

from lineage.match.tokenizers.comparing import KEPT, compare_tokenizers
from lineage.match.tokenizers.shared import neighbours, shared_sample
from lineage.types import Neighbours, TokenizerComparison, TokenizerSketch

_NEAREST = ("identical", "extended", "pruned", "merged", "replaced", "reordered", "siblings")


def nearest_tokenizer(
    asked: TokenizerSketch, known: Sequence[TokenizerSketch], more: int = 0
) -> TokenizerComparison | None:
    """Compare with every known one whose neighbours are kept, or that has the same tokens; None without any known.

    `more` others were examined besides: the p-values are corrected for them, too.

    Copies come first, then what it comes from, then other relatives; of these the ones that share more in order, and
    then those with the same special tokens. Where none is related, the one that shares most of its tokens with it: that
    is what people are misled by.
    """
    compared = len(known) + more
    same = [one for one in known if asked.content == one.content]
    if copies := [found for found in _related(asked, same, compared) if found.relation == "identical"]:
        return min(copies, key=_distance)
    near = [one for one in known if is_near(neighbours(asked, one), is_same=asked.content == one.content)]
    if related := _related(asked, near, compared):
        return min(related, key=_distance)
    most = max(known, key=lambda one: _overlap(asked, one), default=None)
    return None if most is None else compare_tokenizers(asked, most, compared)


def _related(asked: TokenizerSketch, near: Sequence[TokenizerSketch], compared: int) -> list[TokenizerComparison]:
    found = (compare_tokenizers(asked, one, compared) for one in near)
    return [one for one in found if one.relation not in ("independent", "inconclusive")]


def is_near(near: Neighbours, *, is_same: bool) -> bool:
    """Whether two may be related, by a necessary condition of the comparison, in a tenth of its time."""
    return is_same or near.kept >= KEPT * near.anchors > 0


def _distance(found: TokenizerComparison) -> tuple[bool, bool, int, int, int, str]:
    special = found.special
    return (
        found.relation != "identical",
        found.parent != "b",
        -found.overlap.core_tokens,
        0 if special is None else special.only_a + special.only_b,
        _NEAREST.index(found.relation),
        found.b,
    )


def _overlap(a: TokenizerSketch, b: TokenizerSketch) -> tuple[float, str]:
    shared = shared_sample(a, b)
    return len(shared.a) / max(1, len(shared.a) + len(shared.only_a)), b.name
