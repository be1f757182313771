"""The table of public tokenizers, what is held to be known of them, and what is built from them."""

from __future__ import annotations

import numpy as np
import pytest
from built_vocabularies import BUILT
from check_tokenizers import BASES, KNOWN, NESTED
from public_tokenizers import public_tokenizers

from lineage.match.tokenizers import compare_tokenizers
from lineage.sketch import sketch_tokenizer
from lineage.types import Vocabulary
from tests.tokenizer_files import hangul, pool, trained

TABLE = {tokenizer.name: tokenizer for tokenizer in public_tokenizers()}


def vocabulary(words: list[str]) -> Vocabulary:
    tokens = tuple(word.encode() for word in words)
    return Vocabulary("v", "", "made", None, tokens, np.arange(len(tokens)), np.zeros(len(tokens), bool), (("<s>", 0),))


def test_every_tokenizer_has_a_name_of_its_own_and_is_pinned() -> None:
    assert len(TABLE) == len(public_tokenizers()) >= 25
    assert all(len(tokenizer.package.sha256) == 64 for tokenizer in TABLE.values())


def test_what_is_known_is_said_of_tokenizers_of_one_origin_in_the_table() -> None:
    for names, (_, first) in KNOWN.items():
        one, other = (TABLE[name] for name in names)
        assert one.origin == other.origin
        assert first is None or first in names


def test_what_is_built_and_nested_is_built_from_the_table() -> None:
    assert {name for pair in BASES for name in pair} <= set(TABLE)
    assert {package for package, *_ in NESTED} <= {tokenizer.package.name for tokenizer in TABLE.values()}


@pytest.mark.parametrize("case", BUILT, ids=lambda case: case.name)
def test_what_is_built_is_what_its_word_says(case) -> None:
    base, other = vocabulary(trained(pool(), 6000, 1)), vocabulary(hangul(2500))
    beside = sketch_tokenizer(base if case.beside == "base" else other)
    found = compare_tokenizers(sketch_tokenizer(case.make(base, other)), beside)
    assert (found.relation, found.parent) == (case.relation, case.parent)
