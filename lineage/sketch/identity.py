"""The id of a model: a digest over those of its tensors."""

from __future__ import annotations

from collections.abc import Iterable

from blake3 import blake3

from lineage.sketch.family import FAMILY
from lineage.types import Depth, Outlined

DIGEST_BYTES = 16


def content_id(tensors: Iterable[Outlined], depth: Depth) -> str:
    """32 hexadecimal digits over the family, the depth and the tensors' digests, whatever their names and order."""
    digests = sorted(t.digest if depth == "full" and t.digest else t.band_digest for t in tensors)
    return blake3("\n".join([FAMILY, depth, *digests]).encode()).hexdigest(length=DIGEST_BYTES)
