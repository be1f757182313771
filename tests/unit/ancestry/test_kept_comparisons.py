"""A comparison is kept for the next question, of the same tensors under the same names alone, within a bound."""

from __future__ import annotations

import gc
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lineage import api, report
from lineage.ancestry import compare, kept_answers
from lineage.ancestry.kept_answers import KeptAnswers
from lineage.ancestry.trees import kept_comparisons, pairs
from lineage.ancestry.trees.kept_comparisons import KeptComparisons
from lineage.sketch import read_sketch, write_sketch
from lineage.store.cache_in_use import SETTING
from lineage.types import CheckpointSketch, Declared, Timings
from tests.small_models import saved, sketched, trained, tuned

BASE = trained(1)
FAMILY = {"base": BASE} | {f"child-{i}": tuned(BASE, 10 + i, 0.05) for i in range(4)}
SKETCH = sketched(BASE, "any")
ASKED = {"new": tuned(FAMILY["child-1"], 20, 0.03), "base": BASE, "stranger": trained(2)}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The names of the models of every comparison that is made and could have been kept."""
    found: list[tuple[str, str]] = []

    def counted(a: CheckpointSketch, b: CheckpointSketch, models: int = 1):
        found.append((a.name, b.name))
        return compare(a, b, models)

    monkeypatch.setattr(kept_comparisons, "compare", counted)
    monkeypatch.setenv(SETTING, "0")  # nothing on disk
    keep(monkeypatch, KeptComparisons())
    return found


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep nothing from here on."""
    keep(monkeypatch, KeptComparisons(0))


def keep(monkeypatch: pytest.MonkeyPatch, kept: KeptComparisons) -> None:
    """Keep comparisons there, and no answers."""
    monkeypatch.setattr(kept_answers, "kept_answers", KeptAnswers(0))
    for module in (pairs, kept_comparisons):
        monkeypatch.setattr(module, "kept_comparisons", kept)


def two(names: tuple[str, str] = ("base", "child-0")) -> list[CheckpointSketch]:
    return [sketched(FAMILY[name], name) for name in names]


def ingested(folder: Path, family=FAMILY) -> Path:
    files = [saved(weights, folder / f"{name}.safetensors") for name, weights in family.items()]
    assert [done.error for done in api.ingest(files, folder / "index")] == [None] * len(files)
    return folder / "index"


def answered(index: Path, names=tuple(ASKED)) -> dict[str, str]:
    """What `whois --json` says of each, but for the time that it took."""
    found = {}
    for name in names:
        value = report.json.whois(api.whois(sketched(ASKED[name], f"asked-{name}"), index, reference=False))
        value.pop("timings", None)
        found[name] = json.dumps(value)
    return found


def test_a_comparison_is_made_once_of_the_same_tensors_of_one_id(made):
    kept = KeptComparisons()
    base, child = two()
    first = kept.compared(child, base)
    assert first == compare(child, base)
    assert kept.compared(replace(child), replace(base)) is first
    assert made == [("child-0", "base")]
    assert kept.compared(base, child).model == child.id  # the other way round is another one
    assert kept.compared(child, replace(base, name="renamed")).model_name == "renamed"
    assert kept.compared(child, replace(base, id="another")).model == "another"
    assert kept.compared(child, replace(base, format="gguf")) == compare(child, replace(base, format="gguf"))
    fewer = replace(child, tensors=child.tensors[1:])
    assert kept.compared(fewer, base) == compare(fewer, base)
    assert kept.compared(child, base, 7) == compare(child, base, 7) != first
    assert len(made) == 6


def test_nothing_but_the_name_of_the_reference_enters_a_comparison(made):
    base, child = two()
    said = {
        "name": "other",
        "path": "/elsewhere",
        "licence": "mit",
        "nbytes": 1,
        "bytes_read": 1,
        "weights_seen": False,
    }
    for model in (base, child):
        for reference in (base, child):
            other = [replace(one, **said, declared=(Declared("x", None, "card"),)) for one in (model, reference)]
            assert replace(compare(*other), model_name=reference.name) == compare(model, reference)


def test_who_asks_about_a_known_model_under_another_name_has_its_comparisons(made, tmp_path):
    index = ingested(tmp_path)
    asked = [api.whois(sketched(FAMILY["child-1"], name), index, reference=False) for name in ("one", "other")]
    assert made
    first = [*made]
    api.whois(sketched(FAMILY["child-1"], "third"), index, reference=False)
    assert made == first
    one, other = (replace(answer, sketch=SKETCH, timings=Timings(0.0, 0.0, 0.0, 0.0)) for answer in asked)
    assert one == other


def test_equal_tensors_that_were_read_again_are_others_and_models_are_not_kept_alive(made, tmp_path):
    kept = KeptComparisons()
    base, child = two()
    write_sketch(child, tmp_path / "child.sketch")
    kept.compared(child, base)
    for _ in range(5):  # whatever takes the place of the one before in memory
        del child
        gc.collect()
        child = read_sketch(tmp_path / "child.sketch")
        assert kept.compared(child, base) == compare(child, base)
    assert len(made) == 6


def test_those_longest_out_of_use_go_first(made):
    base, child, other = [*two(), sketched(FAMILY["child-1"], "child-1")]
    size = kept_comparisons._size(compare(child, base))
    kept = KeptComparisons(2 * size + size // 2)
    first = kept.compared(child, base)
    kept.compared(other, base)
    assert kept.compared(child, base) is first
    kept.compared(base, other)
    assert kept.compared(child, base) is first
    assert len(made) == 3
    kept.compared(other, base)
    assert len(made) == 4
    small = KeptComparisons(size - 1)  # larger than the bound: made, and not kept
    assert small.compared(child, base) == first
    assert small.compared(child, base) is not first


def test_answers_are_the_same_in_any_order_and_from_two_threads(made, monkeypatch, tmp_path):
    index = ingested(tmp_path)
    first = answered(index)
    known = {*FAMILY}
    between = [ends for ends in made if {*ends} <= known]
    assert between
    made.clear()
    assert answered(index, tuple(reversed(ASKED))) == first
    assert not [ends for ends in made if {*ends} <= known]
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: answered(index), range(2))) == [first, first]
    forget(monkeypatch)
    made.clear()
    assert answered(index) == first
    assert [ends for ends in made if {*ends} <= known] == between


def test_other_weights_under_a_name_are_other_weights(made, monkeypatch, tmp_path):
    index = ingested(tmp_path)
    before = answered(index)
    api.remove("child-1", index)
    ingested(tmp_path, {"child-1": tuned(FAMILY["child-2"], 30, 0.04)})
    after = answered(index)
    assert after["new"] != before["new"]
    forget(monkeypatch)
    assert answered(index) == after
