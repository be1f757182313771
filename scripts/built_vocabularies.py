"""What people do to vocabularies, done to real ones: each with the word and the direction that are right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from lineage.sketch.tokenizer_kinds import ORDINARY, token_kinds
from lineage.types import TokenizerRelation, Vocabulary


@dataclass(frozen=True, slots=True)
class Built:
    """A change to a base, given another vocabulary to take tokens from, and the right relation between it and `beside`.

    `parent` is "a" for what was built, "b" for what it is compared with: the base, or the other one.
    """

    name: str
    make: Callable[[Vocabulary, Vocabulary], Vocabulary]
    relation: TokenizerRelation
    parent: Literal["a", "b"] | None
    beside: Literal["base", "other"] = "base"


def with_tokens(base: Vocabulary, tokens: Sequence[bytes]) -> Vocabulary:
    """The same tokenizer with other tokens, ids counted from 0."""
    marks = dict(zip(base.tokens, base.marked.tolist(), strict=True))
    marked = np.array([marks.get(token, False) for token in tokens], np.bool_)
    return replace(base, tokens=tuple(tokens), ids=np.arange(len(tokens)), marked=marked)


def missing(base: Vocabulary, other: Vocabulary) -> list[bytes]:
    """The ordinary tokens of `other` that `base` lacks, in their order."""
    held, kinds = set(base.tokens), token_kinds(other.tokens, other.marked)
    return [t for t, kind in zip(other.tokens, kinds, strict=True) if kind == ORDINARY and t not in held]


def extended(base: Vocabulary, other: Vocabulary) -> Vocabulary:
    """`base` with tokens of `other` behind it, a tenth as many as it has, or as many as there are."""
    return with_tokens(base, [*base.tokens, *missing(base, other)[: len(base.tokens) // 10]])


def _cut(base: Vocabulary, _: Vocabulary) -> Vocabulary:
    return with_tokens(base, base.tokens[: len(base.tokens) // 2])


def _pruned(base: Vocabulary, _: Vocabulary) -> Vocabulary:
    kept = np.random.default_rng(1).random(len(base.tokens)) < 0.3
    return with_tokens(base, [token for token, keep in zip(base.tokens, kept, strict=True) if keep])


def _reordered(base: Vocabulary, _: Vocabulary) -> Vocabulary:
    order = np.random.default_rng(2).permutation(len(base.tokens))
    return with_tokens(base, [base.tokens[i] for i in order.tolist()])


def _merged(base: Vocabulary, other: Vocabulary) -> Vocabulary:
    return with_tokens(base, [*base.tokens, *missing(base, other)])


def _replaced(base: Vocabulary, other: Vocabulary) -> Vocabulary:
    tokens, new = list(base.tokens), missing(base, other)
    count = min(len(new), len(tokens) // 20)
    places = np.random.default_rng(3).choice(len(tokens), count, replace=False)
    for place, token in zip(places.tolist(), new[:count], strict=True):
        tokens[place] = token
    return with_tokens(base, tokens)


def _renamed(base: Vocabulary, _: Vocabulary) -> Vocabulary:
    special = tuple((f"<|own_{i}|>", i) for _, i in base.special or ())
    return replace(base, special=special)


BUILT = (
    Built("copied", lambda base, _: base, "identical", None),
    Built("special tokens renamed", _renamed, "identical", None),
    Built("extended by 10% with another's tokens", extended, "extended", "b"),
    Built("cut to its first half", _cut, "extended", None),
    Built("pruned to 30%", _pruned, "pruned", "b"),
    Built("in another order", _reordered, "reordered", None),
    Built("5% of the tokens replaced", _replaced, "replaced", None),
    Built("another's tokens added: beside the first", _merged, "extended", "b"),
    Built("another's tokens added: beside the other", _merged, "merged", "b", "other"),
)
