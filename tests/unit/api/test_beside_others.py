"""What is taken out while a question is asked: the answer is that of the index before or after."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from lineage import api
from lineage.errors import Gone, Unknown
from lineage.store import SqliteIndex, settled
from lineage.types import Whois
from tests.small_models import saved, trained, tuned

BASE = trained(1)


@pytest.fixture
def index(tmp_path: Path) -> Path:
    paths = [saved(BASE, tmp_path / "base.safetensors"), saved(trained(3), tmp_path / "other.safetensors"),
             saved(tuned(BASE, 5), tmp_path / "near.safetensors")]  # fmt: skip
    list(api.ingest(paths, tmp_path / "index"))
    saved(tuned(BASE, 4), tmp_path / "asked.safetensors")
    return tmp_path / "index"


@pytest.fixture(params=["models", "load", "layouts", "same_digests", "nearest"])
def removed_at(request, index, monkeypatch):
    """Another process takes a model out just after the question has come to one step."""
    real = getattr(SqliteIndex, request.param)
    name = ["near"]

    def step(self, *args):
        found = real(self, *args)
        if name:
            api.remove(name.pop(), index)
        return found

    monkeypatch.setattr(SqliteIndex, request.param, step)
    return request.param


def whois(index: Path) -> Whois:
    return api.whois(index.parent / "asked.safetensors", index, reference=False)


QUESTIONS = {
    "whois": lambda index: whois(index).limits.models_searched,
    "decompose": lambda index: api.decompose(index.parent / "asked.safetensors", index, reference=False),
    "graph": lambda index: len(api.graph(None, index, reference=False).nodes),
    "trace": lambda index: len(api.trace("base", index, reference=False).lineage.nodes),
    "descendants": lambda index: api.descendants("base", index, reference=False).models,
    "audit": lambda index: api.audit(index.parent / "asked.safetensors", "licence", index, reference=False).verdict,
    "models": lambda index: len(api.models(index, reference=False)),
    "show": lambda index: api.show("base", index, reference=False)[0].record.name,
    "compare": lambda index: api.compare("base", "other", index, reference=False).verdict,
    "relatives": lambda index: len(api.relatives(whois(index), index, reference=False).nodes),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_answer_is_that_of_before_or_after(index, removed_at, question):
    answer = QUESTIONS[question](index)
    assert answer in (1, 2, 3, None, "base", "independent", "nothing-found", "inconclusive")


def test_a_model_that_is_asked_for_by_name_and_gone_is_unknown(index, monkeypatch):
    real = SqliteIndex.called

    def step(self, text):
        found = real(self, text)
        with suppress(Unknown):
            api.remove("near", index)
        return found

    monkeypatch.setattr(SqliteIndex, "called", step)
    with pytest.raises(Unknown, match="'near' is neither a file nor a model"):
        api.show("near", index, reference=False)


def test_a_tokenizer_is_asked_about_while_a_model_in_no_segment_goes(index, tmp_path, monkeypatch):
    """Found by the soak: what is in no segment yet is read for its tokenizer, and may be gone by then."""
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "vocab.txt").write_text("\n".join(f"word{number}" for number in range(400)))
    for path in (index / "vectors").iterdir():
        path.unlink()
    monkeypatch.setattr(SqliteIndex, "settle", lambda self, patience_s=0.0: None)  # as where another one writes
    real, gone = SqliteIndex.load, []

    def load(self, model):
        if not gone:
            gone.append(model)
            api.remove(model, index)
        return real(self, model)

    monkeypatch.setattr(SqliteIndex, "load", load)
    assert api.whois_tokenizer(tmp_path / "words" / "vocab.txt", index, reference=False) is None
    assert len(gone) == 1


def test_an_index_that_never_rests_is_said_to_change():
    calls = []

    def ask() -> None:
        calls.append(1)
        raise Gone("gone")

    with pytest.raises(Gone):
        settled(ask)
    assert len(calls) == 32


def test_a_rebuild_beside_a_remove(index, monkeypatch):
    real = SqliteIndex.settle
    name = ["near"]

    def step(self, *patience):
        if name:
            api.remove(name.pop(), index)
        real(self, *patience)

    monkeypatch.setattr(SqliteIndex, "settle", step)
    assert api.rebuild(index).models == 2
    assert api.doctor(index) == (2, [])
