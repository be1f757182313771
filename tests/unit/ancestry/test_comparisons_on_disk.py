"""Another process finds what one compared, and says the same to the byte; layers are never written to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lineage import api, report
from lineage.ancestry import candidates, compare, kept_answers
from lineage.ancestry.kept_answers import KeptAnswers
from lineage.ancestry.trees import kept_comparisons, pairs
from lineage.ancestry.trees.kept_comparisons import KeptComparisons
from lineage.store import cache_in_use
from lineage.store.cache_in_use import SETTING
from tests.small_models import saved, trained, tuned

BASE = trained(1)
FAMILY = {"base": BASE} | {f"child-{i}": tuned(BASE, 10 + i, 0.05) for i in range(4)}
FAMILY["grandchild"] = tuned(FAMILY["child-0"], 30, 0.05)
ASKED = {"new": tuned(FAMILY["child-1"], 20, 0.03), "known": FAMILY["child-2"], "stranger": trained(2)}
_ASK = """
import json, sys
from lineage import api, report
from lineage.ancestry.trees import kept_comparisons
made, compare = [], kept_comparisons.compare
kept_comparisons.compare = lambda *ends: made.append(1) or compare(*ends)
asked, index = sys.argv[1:]
answer = report.json.whois(api.whois(asked, index, reference=False))
answer.pop("timings")
print(json.dumps([answer, len(made)]))
"""


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ingested")
    files = [saved(weights, folder / f"{name}.safetensors") for name, weights in FAMILY.items()]
    for name, weights in ASKED.items():
        saved(weights, folder / f"asked-{name}.safetensors")
    assert [done.error for done in api.ingest(files, folder / "index")] == [None] * len(files)
    return folder


@pytest.fixture
def index(ingested: Path, tmp_path: Path) -> Path:
    """An index of its own, in which nothing was compared yet."""
    return Path(shutil.copytree(ingested / "index", tmp_path / "index"))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The names of the models of each comparison of two known models, which this process does not remember."""
    found: list[tuple[str, str]] = []

    def counted(a, b, models=1):
        found.append((a.name, b.name))
        return compare(a, b, models)

    monkeypatch.setattr(kept_comparisons, "compare", counted)
    for module in (pairs, kept_comparisons):
        monkeypatch.setattr(module, "kept_comparisons", KeptComparisons(0))
    monkeypatch.setattr(kept_answers, "kept_answers", KeptAnswers(0))
    return found


def asked(index: Path, ingested: Path, name: str) -> str:
    answer = report.json.whois(api.whois(ingested / f"asked-{name}.safetensors", index, reference=False))
    answer.pop("timings")
    return json.dumps(answer)


def in_another_process(index: Path, ingested: Path, name: str, most: str = "") -> tuple[str, int]:
    said = subprocess.run(
        [sys.executable, "-c", _ASK, ingested / f"asked-{name}.safetensors", index],
        capture_output=True, check=True, text=True, env=os.environ | {SETTING: most},
    )  # fmt: skip
    answer, count = json.loads(said.stdout)
    return json.dumps(answer), count


def test_a_new_process_has_what_others_compared(index, ingested):
    alone, count = in_another_process(index, ingested, "new", "0")
    assert not (index / "comparisons").exists()
    first = in_another_process(index, ingested, "new")
    again = in_another_process(index, ingested, "new")
    assert first == (alone, count)
    assert again[0] == alone
    assert again[1] < count


def test_answers_and_graphs_are_the_same_in_any_order_and_without_the_cache(index, ingested, made, monkeypatch):
    monkeypatch.setenv(SETTING, "0")
    without = {name: asked(index, ingested, name) for name in ASKED}
    graph = repr(api.graph(index=index, reference=False))
    shutil.rmtree(index / "graphs")
    count = len(made)
    monkeypatch.delenv(SETTING)
    made.clear()
    assert repr(api.graph(index=index, reference=False)) == graph
    assert {name: asked(index, ingested, name) for name in reversed(ASKED)} == without
    assert 0 < len(made) < count
    shutil.rmtree(index / "graphs")
    between = {(ours, theirs) for ours, theirs in made if {ours, theirs} <= FAMILY.keys()}
    made.clear()
    assert repr(api.graph(index=index, reference=False)) == graph
    assert {name: asked(index, ingested, name) for name in ASKED} == without
    assert between
    assert not between & {*made}


def test_who_asks_is_not_kept(index, ingested, made):
    asked(index, ingested, "new")
    first = [ends for ends in made if any("asked" in name for name in ends)]
    made.clear()
    asked(index, ingested, "new")
    assert [ends for ends in made if any("asked" in name for name in ends)] == first


def test_a_damaged_cache_changes_no_answer(index, ingested, made):
    first = asked(index, ingested, "new")
    (index / "comparisons" / "known.sqlite").write_bytes(os.urandom(1 << 16))
    made.clear()
    assert asked(index, ingested, "new") == first
    assert made


def test_a_model_that_was_replaced_is_compared_again(index, ingested, made, tmp_path):
    asked(index, ingested, "new")
    before = asked(index, ingested, "new")
    api.remove("child-1", index)
    other = saved(tuned(FAMILY["child-2"], 30, 0.04), tmp_path / "child-1.safetensors")
    assert [done.error for done in api.ingest([other], index)] == [None]
    made.clear()
    after = asked(index, ingested, "new")
    assert "child-1" in {name for ends in made for name in ends}
    assert after != before
    shutil.rmtree(index / "comparisons")
    assert asked(index, ingested, "new") == after


def test_candidates_of_known_models_are_looked_for_once_and_again_after_an_ingest(index, ingested, made, monkeypatch):
    searched, found = list[str](), candidates._found

    def counted(query, index):
        searched.append(query.name)
        return found(query, index)

    monkeypatch.setattr(candidates, "_found", counted)
    monkeypatch.setattr(candidates, "_relatives", lambda known: {})
    asked(index, ingested, "new")
    assert searched.count("asked-new") == 1
    assert {*searched} & FAMILY.keys()
    searched.clear()
    asked(index, ingested, "new")
    assert searched == ["asked-new"]
    api.ingest([ingested / "asked-stranger.safetensors"], index)
    assert [done.error for done in api.ingest([ingested / "asked-stranger.safetensors"], index)] == [None]
    searched.clear()
    asked(index, ingested, "new")
    assert {*searched} & FAMILY.keys()


def test_an_index_without_a_place_for_it_keeps_nothing(ingested):
    with cache_in_use.kept_on_disk([]):
        assert cache_in_use.on_disk.get() is None
