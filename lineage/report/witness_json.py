"""Tokenizers and configurations as JSON, after compare-tokenizers.json and evidence.json of index/schema."""

from __future__ import annotations

import math
from typing import Any

from lineage.match.tokenizers.chance import UNRELATED
from lineage.report.facts import fact_value, fact_values
from lineage.report.figures import finite
from lineage.report.witnesses import (
    SETTINGS_ARE_SHARED,
    TOKENIZERS_ARE_SHARED,
    declared_types,
    settings_witness,
    tokenizer_figures,
    tokenizer_relation,
    tokenizer_witness,
)
from lineage.types import TokenizerComparison, Witnesses
from lineage.types.facts import Fact
from lineage.types.settings import ConfigurationFound, PartSettings

Json = dict[str, Any]


def tokenizer_comparison(found: TokenizerComparison) -> Json:
    """`lineage/compare-tokenizers/1`."""
    return {"schema": "lineage/compare-tokenizers/1", **_tokenizers(found, tokenizer_relation(found))}


def witnesses_value(found: Witnesses) -> Json:
    """`$defs/witnesses` of evidence.json."""
    tokenizer, configuration = found.tokenizer, found.configuration
    return {
        "tokenizer": None if tokenizer is None else _tokenizers(tokenizer, tokenizer_witness(tokenizer)),
        "configuration": None if configuration is None else _configuration(configuration),
    }


def _tokenizers(found: TokenizerComparison, relation: Fact) -> Json:
    overlap, order, special = found.overlap, found.order, found.special
    return {
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
        "fact": fact_value(relation),
        "facts": [*fact_values(tokenizer_figures(found)), fact_value(TOKENIZERS_ARE_SHARED)],
    }


def _configuration(found: ConfigurationFound) -> Json:
    return {
        "parts": [_part(one) for one in found.parts],
        "declared": [{"part": part, "model_type": word} for part, word in found.declared],
        "facts": [*fact_values(declared_types(found)), fact_value(SETTINGS_ARE_SHARED)],
    }


def _part(found: PartSettings) -> Json:
    return {
        "part": found.part,
        "model": found.model,
        "source": found.source,
        "known": found.known,
        "equal": [
            {"name": one.name, "value": _plain(one.value), "models": one.models, "of": one.of} for one in found.equal
        ],
        "other": [{"name": one.name, "value": _plain(one.value), "theirs": _plain(one.theirs)} for one in found.other],
        "facts": fact_values(settings_witness(found)),
    }


def _plain(value: Any) -> Any:
    return finite(value) if isinstance(value, float) else value
