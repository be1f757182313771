"""What two vocabularies are to one another: built cases, each with its word and its direction."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lineage.checkpoints.tokenizers import open_tokenizer
from lineage.match.tokenizers import compare_tokenizers
from lineage.sketch import sketch_tokenizer
from lineage.types import TokenizerComparison, TokenizerSketch
from tests.tokenizer_files import SPECIAL, byte_level, hangul, pool, tokenizer_json, trained, write

WORDS = pool()
BASE = trained(WORDS, 6000, seed=1)
OTHER = trained(WORDS, 6000, seed=2)


@pytest.fixture
def sketched(tmp_path: Path):
    count = iter(range(1000))

    def make(tokens: list[str], **settings) -> TokenizerSketch:
        path = write(tmp_path / str(next(count)), "tokenizer.json", tokenizer_json(tokens, **settings))
        return sketch_tokenizer(open_tokenizer(path))

    return make


def both_ways(a: TokenizerSketch, b: TokenizerSketch) -> TokenizerComparison:
    """The comparison of a with b, which is that of b with a, reversed."""
    found, turned = compare_tokenizers(a, b), compare_tokenizers(b, a)
    assert found.relation == turned.relation
    assert found.parent == {"a": "b", "b": "a", None: None}[turned.parent]
    assert (found.own_a, found.own_b) == (turned.own_b, turned.own_a)
    return found


def test_a_copy_is_identical(sketched):
    found = both_ways(sketched(BASE), sketched(BASE))
    assert (found.relation, found.parent) == ("identical", None)
    assert found.aligned == 1
    assert found.special is not None
    assert (found.special.shared, found.special.only_a) == (len(SPECIAL), 0)


def test_renamed_special_tokens_leave_it_identical_and_are_counted(sketched):
    found = both_ways(sketched(BASE, special=("<s>", "<|end|>")), sketched(BASE, special=("<s>", "<|stop|>")))
    assert found.relation == "identical"
    assert found.special is not None
    assert (found.special.shared, found.special.only_a, found.special.only_b) == (1, 1, 1)


def test_more_special_tokens_extend_it(sketched):
    found = both_ways(sketched(BASE), sketched(BASE, special=(*SPECIAL, "<|tool|>")))
    assert (found.relation, found.parent, found.basis) == ("extended", "a", "reserved")


def test_tokens_of_another_script_behind_extend_it(sketched):
    found = both_ways(sketched([*BASE, *hangul(600)]), sketched(BASE))
    assert (found.relation, found.parent, found.basis) == ("extended", "b", "behind")
    assert found.own_b == 0
    assert found.behind_a == found.own_a == pytest.approx(600, rel=0.25)


def test_a_vocabulary_cut_short_leaves_the_direction_open(sketched):
    """One text, one training: whether somebody took the first tokens or went on, the two lists do not tell."""
    for size in (1800, 3000, 5400):
        found = both_ways(sketched(BASE), sketched(BASE[:size]))
        assert (found.relation, found.parent) == ("extended", None)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.7])
def test_a_pruned_vocabulary_comes_from_the_larger(sketched, share: float):
    kept = np.random.default_rng(5).random(len(BASE)) < share
    found = both_ways(sketched([token for token, k in zip(BASE, kept, strict=True) if k]), sketched(BASE))
    assert (found.relation, found.parent, found.basis) == ("pruned", "b", "subset")


def test_a_pruned_vocabulary_with_own_tokens_comes_from_the_one_that_has_the_others(sketched):
    kept = [token for i, token in enumerate(BASE) if i % 5]
    found = both_ways(sketched([*kept, *hangul(300)]), sketched(BASE))
    assert (found.relation, found.parent, found.basis) == ("pruned", "b", "subset")
    found = both_ways(sketched([*kept, *hangul(3000)]), sketched(BASE))
    assert (found.relation, found.parent, found.basis) == ("extended", "b", "subset")


@pytest.mark.parametrize("way", ["shuffled", "backwards", "sorted"])
def test_another_order_is_reordered_without_a_direction(way, sketched):
    shuffled = [BASE[i] for i in np.random.default_rng(6).permutation(len(BASE))]
    others = {"shuffled": shuffled, "backwards": BASE[::-1], "sorted": sorted(BASE)}
    found = both_ways(sketched(BASE), sketched(others[way]))
    assert (found.relation, found.parent) == ("reordered", None)


def test_nearly_the_same_tokens_in_another_order_are_not_called_independent(sketched):
    shuffled = [BASE[i] for i in np.random.default_rng(6).permutation(len(BASE))]
    assert both_ways(sketched(BASE), sketched([*shuffled[:-3], *hangul(3)])).relation == "inconclusive"


def test_replaced_tokens_have_no_direction(sketched):
    places = np.random.default_rng(7).choice(len(BASE), len(BASE) // 20, replace=False)
    edited = list(BASE)
    for place, token in zip(places.tolist(), hangul(len(places)), strict=True):
        edited[place] = token
    found = both_ways(sketched(BASE), sketched(edited))
    assert (found.relation, found.parent) == ("replaced", None)
    assert found.aligned == 1


def test_a_merger_extends_one_and_is_merged_from_the_other(sketched):
    held = set(BASE)
    merged = [*BASE, *(token for token in OTHER if token not in held)]
    found = both_ways(sketched(merged), sketched(OTHER))
    assert (found.relation, found.parent) == ("merged", "b")
    found = both_ways(sketched(merged), sketched(BASE))
    assert found.relation == "extended"


def test_two_extensions_of_one_base_are_siblings(sketched):
    one, two = [*BASE, *hangul(900, seed=8)], [*BASE, *hangul(900, seed=9)]
    found = both_ways(sketched(one), sketched(two))
    assert (found.relation, found.parent) == ("siblings", None)


def test_two_trainings_are_independent_whatever_they_share(sketched):
    found = both_ways(sketched(BASE), sketched(OTHER))
    assert found.relation == "independent"
    assert found.overlap.of_a > 0.7
    assert found.reach < 0.5


def test_one_text_and_two_trainers_are_not_related(sketched):
    """The orders agree to a hundredth of their length, and still no neighbours are kept."""
    found = both_ways(sketched(trained(WORDS, 6000, 1, 0.02)), sketched(trained(WORDS, 6000, 2, 0.02)))
    assert found.relation in {"independent", "inconclusive"}
    assert found.overlap.of_a > 0.97


def test_sorted_vocabularies_are_not_related_for_being_sorted(sketched):
    left, right = trained(WORDS, 6000, 1), trained(WORDS, 6000, 2)
    assert both_ways(sketched(sorted(left)), sketched(sorted(right))).relation == "inconclusive"
    by_length = [sorted(side, key=lambda t: (len(t), t)) for side in (left, right)]
    assert both_ways(*map(sketched, by_length)).relation == "inconclusive"


def test_characters_digits_and_repetitions_say_nothing(sketched):
    fixed = [*map(chr, range(0x21, 0x7F)), *map(str, range(1000)), *("-" * n for n in range(2, 60))]
    found = both_ways(sketched(fixed), sketched(fixed))
    assert found.relation == "inconclusive"
    assert {kind: (a, b) for kind, a, b in found.left_out}["digits"] == (1000 - 10, 1000 - 10)


def test_too_few_tokens_are_inconclusive(sketched):
    found = both_ways(sketched(BASE[:12]), sketched(BASE[:12]))
    assert found.relation == "inconclusive"


def test_a_search_raises_the_price(sketched):
    a, b = sketched(BASE[:120]), sketched(BASE)
    alone, among = compare_tokenizers(a, b), compare_tokenizers(a, b, hypotheses=10_000)
    assert among.order.log10_p == pytest.approx(alone.order.log10_p + 4)
    assert among.order.reach > alone.order.reach


def test_merges_count_for_nothing(tmp_path):
    merges = [[byte_level(token[0]), byte_level(token[1:])] for token in OTHER]
    first = write(tmp_path / "a", "tokenizer.json", tokenizer_json(BASE, merges=merges))
    second = write(tmp_path / "b", "tokenizer.json", tokenizer_json(BASE))
    assert json.loads(first.read_bytes())["model"]["merges"]
    assert open_tokenizer(first).tokens == open_tokenizer(second).tokens
