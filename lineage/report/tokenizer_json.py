"""Two tokenizers as JSON, after index/schema/compare-tokenizers.json."""

from __future__ import annotations

import math
from typing import Any

from lineage.match.tokenizers.chance import UNRELATED
from lineage.types import TokenizerComparison


def tokenizer_comparison(found: TokenizerComparison) -> dict[str, Any]:
    """`lineage/compare-tokenizers/1`."""
    overlap, order, special = found.overlap, found.order, found.special
    return {
        "schema": "lineage/compare-tokenizers/1",
        "a": found.a,
        "b": found.b,
        "relation": found.relation,
        "parent": found.parent,
        "basis": found.basis,
        "shared": {
            "of_a": overlap.of_a,
            "of_b": overlap.of_b,
            "tokens": overlap.shared_tokens,
            "unrelated": UNRELATED._asdict(),
        },
        "order": {
            "tokens": overlap.core_tokens,
            "tested": order.tested,
            "z": order.z,
            "log10_p": order.log10_p,
            "hypotheses": order.hypotheses,
            "neighbours_kept": found.neighbours.kept,
            "neighbours": found.neighbours.anchors,
            "aligned": found.aligned,
        },
        "own": {"a": found.own_a, "b": found.own_b, "behind_a": found.behind_a, "behind_b": found.behind_b},
        "reach": found.reach if math.isfinite(found.reach) else None,
        "special": None
        if special is None
        else {"shared": special.shared, "only_a": special.only_a, "only_b": special.only_b},
        "same_pattern": found.same_pattern,
        "left_out": [{"kind": kind, "a": a, "b": b} for kind, a, b in found.left_out],
    }
