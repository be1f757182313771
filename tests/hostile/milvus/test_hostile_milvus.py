"""What a server answers that no index wrote is refused in one line, before anything is done with it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from lineage.errors import Malformed, StoreError
from lineage.store.bad_rows import BadRow
from lineage.store.milvus import server as servers
from lineage.store.milvus.address import milvus_address
from lineage.store.milvus.rows import Entry, entry_of, new_record, row_of, tokenizers_in
from lineage.store.milvus.server import Server, is_, listed
from tests.small_models import sketched, trained

ADDRESS = milvus_address("milvus://host/models?sketches=memory://models")
MODEL, SEAL = "ab" * 16, "cd" * 8
CODES = np.zeros((1, 32), np.uint8)
WHOLE = row_of(Entry(new_record(sketched(trained(1), "base")), {"": 100}, SEAL, ""))


class Client:
    """A server that answers every query and every search alike."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def query(self, *_: Any, output_fields: list[str], **asked: Any) -> Any:
        if output_fields == ["count(*)"] and asked["consistency_level"] == "Strong":
            return []  # the first read of a collection
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def search(self, *_: Any, **__: Any) -> Any:
        return self.answer

    def describe_collection(self, _: str) -> Any:
        return self.answer

    def has_collection(self, _: str) -> bool:
        return True


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch):
    def make(answer: Any) -> Server:
        monkeypatch.setattr(servers, "_client", lambda _: Client(answer))
        return Server(ADDRESS)

    return make


def refused(ask) -> str:
    with pytest.raises(StoreError) as error:
        ask()
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500
    return str(error.value)


@pytest.mark.parametrize(
    "row",
    [
        {}, {"id": 7}, {"id": "../../etc"}, {"id": MODEL}, {"id": MODEL, "seal": None}, {"id": MODEL, "seal": "x" * 33},
        {"id": MODEL, "seal": SEAL, "record": "x" * 65_536}, {"id": MODEL, "seal": SEAL, "record": b"{}"},
        {"id": MODEL + "\n", "seal": SEAL, "record": "{}"},
    ],
)  # fmt: skip
def test_a_row_that_no_version_wrote(answering, row):
    server = answering([row])
    assert "that is not an answer" in refused(lambda: server.select("models", "x", ("seal", "record")))


def test_a_model_whose_id_leads_elsewhere(answering):
    server = answering([{"id": MODEL, "model": "../../x", "seal": SEAL}])
    refused(lambda: server.select("tensor", "x", ("model", "seal")))


def test_more_rows_than_were_asked_for(answering):
    refused(lambda: answering([{"id": MODEL}] * 5000).select("models", "x", ()))


def test_an_answer_that_is_never_short_enough_ends(answering, monkeypatch):
    monkeypatch.setattr(servers, "_DEEPEST", 2)
    refused(lambda: answering([{"id": MODEL}] * 2048).select("models", "x", ()))


@pytest.mark.parametrize("answer", [[], [{}], [{"count(*)": -1}], [{"count(*)": "9"}], [{"count(*)": True}]])
def test_a_number_of_models_that_is_none(answering, answer):
    refused(lambda: answering(answer).count("models", "x"))


def hit(**changed: Any) -> dict[str, Any]:
    return {"id": MODEL, "distance": 3.0, "entity": {"model": MODEL, "seal": SEAL}} | changed


@pytest.mark.parametrize(
    "hits",
    [
        [], [[], []], [[hit()] * 5], [[hit(distance=-1.0)]], [[hit(distance=257.0)]], [[hit(distance=1.5)]],
        [[hit(distance=float("nan"))]], [[hit(distance=float("inf"))]], [[hit(id="x")]], [[hit(entity={})]],
        [[hit(entity={"model": "..", "seal": SEAL})]],
    ],
)  # fmt: skip
def test_hits_that_cannot_be(answering, hits):
    refused(lambda: answering(hits).search("tensor", CODES, "x", 4))


def test_hits_that_can_be_are_put_in_order(answering):
    found = answering([[hit(distance=9.0), hit(distance=3.0)]]).search("tensor", CODES, "x", 4)
    assert [one.distance for one in found[0]] == [3, 9]


def test_an_error_of_many_lines_is_one(answering):
    server = answering(RuntimeError("one\ntwo\x1b[31m" + "x" * 10_000))
    assert "one" in refused(lambda: server.count("models", "x"))


@pytest.mark.parametrize("about", [{}, {"description": ""}, {"description": "lineage index 99"}])
def test_collections_that_are_no_index_of_this_version(answering, about):
    assert "other collections" in refused(answering(about).is_there)


@pytest.mark.parametrize("value", ['"', 'a" or id != "', "", "a b", "\n", "x" * 129, "é"])
def test_nothing_gets_out_of_a_filter(value):
    refused(lambda: listed([value]))
    refused(lambda: is_("id", value))


def changed(**fields: Any) -> str:
    told = json.loads(WHOLE["record"])
    told["record"] |= fields
    return json.dumps(told)


@pytest.mark.parametrize(
    "record",
    [
        "", "[]", "{}", "[" * 50_000, '{"record": {}, "sizes": {}}', changed(id=MODEL), changed(params=-1),
        changed(params=1 << 64), changed(params=True), changed(name=None), changed(weights_seen=1), changed(depth="x"),
        changed(layouts=[{}]), changed(layouts=7), changed(declared=[[]]), changed(components=[]), changed(aliases=[1]),
        changed(components={"a": 0.5}), changed(source=[]),
    ],
)  # fmt: skip
def test_a_record_that_no_version_wrote(record):
    assert entry_of(WHOLE).record.name == "base"
    with pytest.raises(BadRow):
        entry_of({**WHOLE, "record": record})


@pytest.mark.parametrize("sizes", [[], {"": -1}, {"": "9"}, {"": 1 << 64}])
def test_sizes_that_are_none(sizes):
    told = json.loads(WHOLE["record"]) | {"sizes": sizes}
    with pytest.raises(BadRow):
        entry_of({**WHOLE, "record": json.dumps(told)})


@pytest.mark.parametrize("anchors", ["x", "AAAA", "é" * 4, "A" * 5])
def test_a_tokenizer_that_no_version_wrote(anchors):
    with pytest.raises(BadRow):
        tokenizers_in([{"id": MODEL, "content": "ab", "anchors": anchors}])


def test_a_record_that_no_row_takes():
    with pytest.raises(Malformed, match="65,535"):
        row_of(Entry(new_record(sketched(trained(1), "x" * 70_000)), {}, SEAL, ""))
