"""Parts of components in words."""

from __future__ import annotations

import pytest

from lineage.report.components import MOST_PARTS, named, parts_words
from lineage.types import InheritedPart

ATTENTION = InheritedPart("attention", (0, 1, 2, 3), every=True)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ((ATTENTION,), "attention of all layers"),
        ((InheritedPart(None, (0, 1, 2, 3, 4, 5, 8), every=False),), "layers 0-5, 8"),
        ((InheritedPart(None, (7,), every=False),), "layer 7"),
        ((InheritedPart(None, (0, 1), every=True),), "all layers"),
        ((InheritedPart("mlp", (2, 3), every=False),), "MLP of layers 2-3"),
        ((InheritedPart("q", (0,), every=False, some=True),), "some query of layer 0"),
        ((InheritedPart("token-embedding", (), every=False),), "token embedding"),
        ((ATTENTION, InheritedPart("head", (), every=False)), "attention of all layers; head"),
    ],
)
def test_parts_are_named_by_kind_and_layers(parts, words):
    assert parts_words(parts) == words
    assert named("reused from base", parts) == f"reused from base: {words}"


def test_a_whole_needs_no_name():
    assert named("fine-tuned from base", ()) == "fine-tuned from base"


def test_many_parts_are_counted():
    parts = [InheritedPart(f"role-{i}", (), every=False) for i in range(MOST_PARTS + 3)]
    assert parts_words(parts).endswith("role 3; and 3 more")


def test_a_hostile_role_moves_no_cursor():
    assert "\x1b" not in parts_words([InheritedPart("a\x1b[2J", (), every=False)])
