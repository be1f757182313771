"""Models that differ by a tied table alone: saved once, or once more as the head."""

from __future__ import annotations

from collections import Counter

from lineage.ancestry.pairwise.changes import TOKEN_ROLES
from lineage.types import CheckpointSketch

Content = tuple[str, str | None]


def same_but_for_ties(a: CheckpointSketch, b: CheckpointSketch) -> bool:
    """Whether two models hold the same tensors, a token table that is the head as well counted once.

    Every value counts where both sketches have read it; of weights that were not read nothing is known.
    """
    if a.unread or b.unread:
        return False
    both_full = a.depth == b.depth == "full"
    ours, theirs = (_contents(sketch, both_full) for sketch in (a, b))
    return bool(ours) and ours == theirs


def _contents(sketch: CheckpointSketch, is_full: bool) -> Counter[Content]:
    held = [(t.part.role, (t.band_digest, t.digest if is_full else None)) for t in sketch.tensors if not t.part.generic]
    counts = Counter(content for _, content in held)
    tables = {content for role, content in held if role in TOKEN_ROLES}
    return Counter({content: 1 if content in tables else count for content, count in counts.items()})
