"""Tokenizer and configuration in policies: bounds with reasons, and a claim; never a word on the weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lineage.policy import audit, verify
from lineage.report.words import text
from lineage.types import Case, Claim, Neighbours, OrderTest, Overlap, TokenizerComparison, Witnesses
from lineage.types.settings import ConfigurationFound, EqualSetting, OtherSetting, PartSettings
from tests.policy_cases import case, edge, node

SETTINGS = tuple(
    EqualSetting(name, 1, 1, 9)
    for name in ("head_dim", "hidden_size", "num_attention_heads", "num_hidden_layers", "rope_theta", "vocab_size")
)


def tokenizer(relation: str, parent: str | None = None, b: str = "cl100k") -> TokenizerComparison:
    return TokenizerComparison(
        "ours", b, relation, parent, None, OrderTest(900, 40.0, -300.5, 0.1, 33), Overlap(9, 9, 8, 8, 80_000, 79_000),  # type: ignore[arg-type]
        Neighbours(400, 448), 1, 1, 0, 0, None, 0.1, None, None, (),
    )  # fmt: skip


def settings(*, other: bool = False, count: int = 6, model: str = "far/Away-9B") -> ConfigurationFound:
    differ = (OtherSetting("norm_eps", 1, 2),) if other else ()
    return ConfigurationFound((PartSettings("text", model, "https://example.org", 9, SETTINGS[:count], differ),), ())


def with_witnesses(made: Case, *found: Any) -> Case:
    return replace(made, answer=replace(made.answer, witnesses=Witnesses(*found)))


def bounds(found: Any, architecture: str = "nova", **facts: Any) -> tuple[str | None, str | None]:
    made = case(architecture=architecture, **facts)
    result = audit(with_witnesses(made, *found), "t-class")
    return result.bound, result.possible_bound


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((None, None), ("T6", "T6")),
        ((tokenizer("extended", "b"), None), ("T4-2", "T4-2")),
        ((tokenizer("pruned", "b"), None), ("T4-2", "T4-2")),
        ((tokenizer("identical"), None), ("T6", "T4-2")),
        ((tokenizer("siblings"), None), ("T6", "T4-2")),
        ((tokenizer("extended", "a"), None), ("T6", "T6")),
        ((tokenizer("independent"), None), ("T6", "T6")),
        ((tokenizer("inconclusive"), None), ("T6", "T6")),
        ((None, settings()), ("T6", "T4-1")),
        ((None, settings(other=True)), ("T6", "T6")),
        ((None, settings(count=5)), ("T6", "T6")),
        ((None, settings(model="acme/Nova-7B")), ("T6", "T6")),
        ((tokenizer("extended", "b"), settings()), ("T4-2", "T4-1")),
    ],
)
def test_what_divides_the_classes_above_T3(found: Any, expected: tuple[str, str]):
    assert bounds(found) == expected


def test_what_was_inherited_stays_lower_and_nothing_more_is_open():
    made = case(ancestors=[node("org/base")], edges=[edge("org/base")])
    for found in ((tokenizer("identical"), settings()), (tokenizer("extended", "b"), None)):
        result = audit(with_witnesses(made, *found), "t-class")
        assert (result.bound, result.possible_bound, result.verdict) == ("T2", "T2", "nothing-found")


def test_each_bound_says_why():
    result = audit(with_witnesses(case(architecture="nova"), tokenizer("extended", "b"), settings()), "t-class")
    said = {one.rule: (one.standing, text(one.fact), text(one.fact, "ko")) for one in result.findings}
    standing, english, korean = said["tokenizer-taken"]
    assert standing == "bound"
    assert english.startswith("its tokenizer was made from cl100k: unless that is the maker's own")
    assert "cl100k 토크나이저에서 만들어졌습니다" in korean
    standing, english, korean = said["settings-of-another"]
    assert standing == "possible"
    assert english.startswith("all 6 settings of its text part that are known of far/Away-9B are the same")
    assert "6개가 모두 같습니다" in korean
    own = audit(with_witnesses(case(), tokenizer("independent")), "t-class")
    assert ("noted", "tokenizer-own") in {(one.standing, one.rule) for one in own.findings}


@pytest.mark.parametrize("policy", ["from-scratch", "licence"])
def test_other_policies_do_not_hear_of_them(policy: Any):
    plain = audit(case(), policy)
    seen = audit(with_witnesses(case(), tokenizer("extended", "b"), settings()), policy)
    assert (plain.verdict, plain.findings, plain.headline) == (seen.verdict, seen.findings, seen.headline)


@pytest.mark.parametrize(
    ("found", "outcome", "said"),
    [
        (None, "unsupported", "no-tokenizer"),
        (tokenizer("inconclusive"), "unsupported", "no-tokenizer"),
        (tokenizer("independent"), "unsupported", "tokenizer-not-traced"),
        (tokenizer("extended", "a"), "unsupported", "tokenizer-not-traced"),
        (tokenizer("identical"), "unsupported", "tokenizer-akin"),
        (tokenizer("siblings"), "unsupported", "tokenizer-akin"),
        (tokenizer("extended", "b"), "contradicted", "tokenizer-made-from"),
        (tokenizer("merged", "b"), "contradicted", "tokenizer-made-from"),
        (tokenizer("extended", "b", "Nova 1"), "unsupported", "tokenizer-made-from"),
    ],
)
def test_a_tokenizer_of_ones_own_is_a_claim(found: TokenizerComparison | None, outcome: str, said: str):
    claim = Claim("own-tokenizer", "yes", "we trained our own tokenizer", 3)
    (one,) = verify(with_witnesses(case(), found), [claim], "README.md").checked
    assert (one.outcome, one.evidence.id) == (outcome, said)
    (unclear,) = verify(with_witnesses(case(), found), [replace(claim, value="unclear")], "README.md").checked
    assert (unclear.outcome, unclear.evidence.id) == ("unsupported", "unclear-subject")
