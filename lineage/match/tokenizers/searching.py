"""The known tokenizer that says most about one that is asked about."""

from __future__ import annotations

from collections.abc import Sequence

from lineage.match.tokenizers.comparing import KEPT, compare_tokenizers
from lineage.match.tokenizers.shared import neighbours, shared_sample
from lineage.types import TokenizerComparison, TokenizerSketch

_NEAREST = ("identical", "extended", "pruned", "merged", "replaced", "reordered", "siblings")


def nearest_tokenizer(asked: TokenizerSketch, known: Sequence[TokenizerSketch]) -> TokenizerComparison | None:
    """Compare with every known one whose neighbours are kept, or that has the same tokens; None without any known.

    Copies come first, then what it comes from, then other relatives; of these the ones that share more in order, and
    then those with the same special tokens. Where none is related, the one that shares most of its tokens with it: that
    is what people are misled by.
    """
    related = [
        found
        for one in known
        if _may_be_related(asked, one)
        and (found := compare_tokenizers(asked, one, len(known))).relation not in ("independent", "inconclusive")
    ]
    if related:
        return min(related, key=_distance)
    most = max(known, key=lambda one: _overlap(asked, one), default=None)
    return None if most is None else compare_tokenizers(asked, most, len(known))


def _may_be_related(a: TokenizerSketch, b: TokenizerSketch) -> bool:
    """What the comparison itself asks for, and takes a tenth of the time."""
    near = neighbours(a, b)
    return a.content == b.content or near.kept >= KEPT * near.anchors > 0


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
