"""The table of relations has each, and the lists that are taken from it are what the rooms mean by them."""

from __future__ import annotations

from typing import get_args

from lineage.types import Relation
from lineage.types.relations import DERIVED, EXACT, FOUND, INHERITED, NATURES, NOTHING_FOUND, UNDIRECTED


def test_every_relation_has_its_nature():
    assert {*NATURES} == {*get_args(Relation)}


def test_the_lists_nest():
    assert {*DERIVED} < {*FOUND} < {*INHERITED}
    assert {*EXACT} <= {*DERIVED}
    assert not {*NOTHING_FOUND} & {*INHERITED}
    assert {word for word, nature in NATURES.items() if not nature.inherits} <= {*UNDIRECTED}
