"""Questions about known models that are worked on ahead."""

from __future__ import annotations

from pathlib import Path

import pytest

from lineage import api, report
from lineage.ancestry.kept_answers import KeptAnswers
from lineage.ancestry.pair import comparison
from lineage.ancestry.trees.kept_comparisons import GaveWay, KeptComparisons, giving_way
from lineage.types import CheckpointSketch, Comparison
from tests.small_models import sketched, trained, tuned

BASE = trained(1)
MODELS = {"base": BASE, "child": tuned(BASE, 2), "other": tuned(BASE, 3)}


@pytest.fixture
def index(tmp_path: Path) -> Path:
    for name, arrays in MODELS.items():
        api.save_sketch(sketched(arrays, name), tmp_path / f"{name}.sketch")
    assert [one.error for one in api.ingest(sorted(tmp_path.glob("*.sketch")), tmp_path / "index")] == [None] * 3
    return tmp_path / "index"


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The references of the comparisons that were made; nothing is kept from other tests."""
    made: list[str] = []
    compare = comparison.compare

    def counted(a: CheckpointSketch, b: CheckpointSketch, models: int = 1) -> Comparison:
        made.append(b.id)
        return compare(a, b, models)

    for module in ("ancestry.placing", "ancestry.standing", "ancestry.trees.kept_comparisons"):
        monkeypatch.setattr(f"lineage.{module}.compare", counted)
    kept = KeptComparisons()
    monkeypatch.setattr("lineage.ancestry.trees.kept_comparisons.kept_comparisons", kept)
    monkeypatch.setattr("lineage.ancestry.trees.pairs.kept_comparisons", kept)
    monkeypatch.setattr("lineage.ancestry.kept_answers.kept_answers", KeptAnswers())
    return made


def answered(sketch: Path, index: Path) -> str:
    found = report.json.whois(api.whois(sketch, index, reference=False))
    return repr({name: value for name, value in found.items() if name != "timings"})


def test_who_asks_finds_the_answer_that_there_would_have_been(index: Path, compared: list[str], monkeypatch):
    before = answered(index.parent / "child.sketch", index)
    monkeypatch.setattr("lineage.ancestry.kept_answers.kept_answers", KeptAnswers())
    assert list(api.prepared(index, reference=False, most=9, is_asked=lambda: False)) == [True] * 3
    assert compared
    compared.clear()
    monkeypatch.setattr("lineage.ancestry.placing.whois_model", None)  # nothing is left to do
    assert answered(index.parent / "child.sketch", index) == before
    assert compared == []


def test_only_so_many_models_are_prepared_from_where_it_is_said(index: Path, monkeypatch):
    asked = []
    monkeypatch.setattr("lineage.api.preparing._is_finished", lambda model, *_: asked.append(model) is None)
    known = [one.record.id for one in api.models(index, reference=False)]
    for most, first in ((2, 0.0), (3, 0.5), (9, 0.99)):
        list(api.prepared(index, reference=False, most=most, first=first, is_asked=lambda: False))
    assert sorted(asked[:2]) == sorted(known[:2])
    assert asked[2:5] == [*asked[5:8][2:], *asked[5:8][:2]]  # from the second on, then from the third
    assert sorted(asked[2:5]) == sorted(known)


def test_it_gives_way_and_goes_on_where_it_was(index: Path, compared: list[str]):
    asks = True
    work = api.prepared(index, reference=False, most=1, is_asked=lambda: asks)
    assert not next(work)
    assert compared == []
    asks = False
    assert next(work)
    assert compared
    assert next(work, None) is None


def test_what_is_known_is_given_while_somebody_asks(monkeypatch):
    one, other = sketched(BASE, "one"), sketched(tuned(BASE, 2), "other")
    kept = KeptComparisons()
    found = kept.compared(one, other)
    with giving_way(lambda: True):
        assert kept.compared(one, other) is found
        with pytest.raises(GaveWay):
            kept.compared(other, one)
    assert kept.compared(other, one).model == one.id


def test_a_model_that_is_gone_is_passed_over(index: Path):
    work = api.prepared(index, reference=False, most=9, is_asked=lambda: False)
    assert next(work)
    for one in api.models(index, reference=False):
        api.remove(one.record.id, index)
    assert list(work) == [True, True]
