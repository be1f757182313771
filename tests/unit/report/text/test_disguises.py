"""The first line about a model in disguise says what it is beneath."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lineage.report.text.places import headline
from lineage.types import Place, Relation, Relative, Verdict
from lineage.types.facts.disguises import Beneath, UndoneBasis
from tests.html_pages import plain_answer

ASKED = plain_answer("derived")
BASE = Relative("b", "base", Relation.DISGUISED, 0.5, basis=(UndoneBasis("rotated"), Beneath(Relation.QUANTIZED)))


@pytest.mark.parametrize(
    ("place", "verdict", "said"),
    [
        (Place(open=(BASE,)), "related", "to base (disguised, quantized beneath), which came first is open"),
        (
            Place(open=(replace(BASE, basis=()),)),
            "related",
            "to base (disguised), which came first is open",
        ),
        (
            Place(parents=(replace(BASE, probability=0.97),)),
            "derived",
            "from base (disguised, quantized beneath, probability 0.97)",
        ),
        (
            Place(open=(replace(BASE, relation=Relation.FINE_TUNED, basis=()),)),
            "related",
            "to base, which came first is open",
        ),
    ],
    ids=["open", "not told", "parent", "plain"],
)
def test_it_says_what_is_beneath(place, verdict, said):
    assert headline(replace(ASKED, place=place, verdict=Verdict(verdict), components=())).text.endswith(said)
