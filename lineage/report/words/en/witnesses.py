"""What a tokenizer and a configuration show, apart from the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lineage.report.figures import p_value

if TYPE_CHECKING:
    from lineage.types.facts.witnesses import TokenizerStanding
    from lineage.types.settings import ConfiguredPart
    from lineage.types.tokenizers import TokenizerBasis

_STANDS: Mapping[TokenizerStanding, tuple[str, str, str]] = {
    "reordered": ("", "related", " to {}: the same tokens in another order; which came first is open"),
    "replaced": ("", "related", " to {}: some tokens replaced where they stood; which came first is open"),
    "siblings": ("", "sibling", " of {}: a part of both is in one order, and both have tokens of their own"),
    "independent": ("", "independent", " of {}: what they share is not in one order"),
    "inconclusive": ("", "too little to tell", ", compared with {}"),
    "begun-alike": ("", "related", " to {}: one begins like the other; which came first is open"),
    "extended-from": ("", "extended", " from {}"),
    "pruned-from": ("", "pruned", " from {}"),
    "merged-from": ("", "merged", " from {} and others"),
    "base-of": ("", "base", " of {}, which extends it"),
    "pruned-into": ("{} was ", "pruned", " from it"),
    "merged-into": ("{} was ", "merged", " from it and others"),
}
"""A sentence with its verdict in the middle, which a headline has in capitals."""
_BASIS: Mapping[TokenizerBasis, str] = {
    "behind": "the added tokens stand apart, and differ in length, script or making from those beside them",
    "subset": "tokens from all over the parent are missing",
    "reserved": "only special tokens were added",
    "fixed": "only characters, digits or repetitions were added",
}
_PARTS: Mapping[ConfiguredPart, str] = {"text": "text", "vision": "vision", "audio": "audio"}


def _stands(fact: Any) -> str:
    return "".join(_STANDS[fact.standing]).format(fact.other)


def _headline(fact: Any) -> str:
    before, verdict, behind = _STANDS[fact.standing]
    return f"{before}{verdict.upper()}{behind}".format(fact.other)


def _but_special(fact: Any) -> str:
    return " but for special tokens" if fact.but_special else ""


def _known_tokenizer(fact: Any) -> str:
    return (
        f"{_stands(fact)}, about {fact.tokens:,} tokens in the same order,"
        f" {p_value(fact.log10_p)} (x {fact.known} known); {fact.own:,} of its own"
    )


def _order(fact: Any, ordered: str = "") -> str:
    figures = f"z {fact.z:.1f}, {p_value(fact.log10_p)}"
    return f"order: {ordered}{figures}; neighbours kept at {fact.kept:,} of {fact.anchors:,}"


TEXTS: dict[str, Callable[[Any], str]] = {
    "equal-tokenizers": lambda fact: f"identical to {fact.other}{_but_special(fact)}",
    "tokenizer-stands": _stands,
    "own-tokenizer": lambda fact: (
        f"its own: {fact.shared:.0%} of its tokens are in {fact.other}, the most of {fact.known} known ones, and not in"
        " one order"
    ),
    "unclear-tokenizer": lambda fact: (
        f"too little to tell, compared with {fact.other}, the nearest of {fact.known} known ones"
    ),
    "known-tokenizer": _known_tokenizer,
    "shared-tokens": lambda fact: (
        f"shared: {fact.of_this:.1%} of it and {fact.of_other:.1%} of the other, about {fact.tokens:,} tokens;"
        f" no evidence, since unrelated ones share up to {fact.most:.0%} (median {fact.median:.0%})"
    ),
    "tokens-in-order": lambda fact: _order(fact, f"about {fact.tokens:,} of these in one order, "),
    "token-order": _order,
    "own-tokens": lambda fact: (
        f"own tokens{' of the other' * (fact.side == 'other')}: about {fact.tokens:,}, {fact.behind:,} of them after"
        " the common ones"
    ),
    "unseen-tokens": lambda fact: (
        f"what would have been seen: a vocabulary of which {fact.reach:.0%} or more came from the other"
    ),
    "token-direction": lambda fact: f"direction: {_BASIS[fact.basis]}",
    "special-tokens": lambda fact: (
        f"special tokens: {fact.shared:,} in both, {fact.only_this:,} and {fact.only_other:,} in one only"
    ),
    "texts-cut": lambda fact: f"text is split by {'the same' if fact.same else 'another'} expression",
    "tokens-left-out": lambda fact: f"{fact.kind} {fact.of_this:,} and {fact.of_other:,}",
    "tokenizers-are-shared": lambda _: "a shared tokenizer is common, and says nothing about the weights",
    "nearest-settings": lambda fact: (
        f"{fact.equal} of {fact.of} {_PARTS[fact.part]} settings are those of {fact.model}, the nearest of"
        f" {fact.known:,} published configurations"
    ),
    "rare-setting": lambda fact: f"{fact.name} {fact.value}: so in {fact.models:,} of the {fact.of:,} that give it",
    "declared-type": lambda fact: f"its {_PARTS[fact.part]} part is declared to be {fact.model_type}",
    "settings-are-shared": lambda _: "equal settings are common, and say nothing about the weights",
}

HEADLINES: Mapping[str, Callable[[Any], str]] = {
    "equal-tokenizers": lambda fact: f"IDENTICAL to {fact.other}{_but_special(fact)}",
    "tokenizer-stands": _headline,
}
"""The same sentences with the verdict in capitals."""
