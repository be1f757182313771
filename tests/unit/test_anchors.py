"""The tokenizers of an index by their anchors: the same neighbours as one by one, whatever was ingested first."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from lineage import store
from lineage.checkpoints.tokenizers import open_tokenizer
from lineage.match.tokenizers.shared import neighbours
from lineage.sketch import sketch_tokenizer, tokenizer_of_sketch, write_sketch
from lineage.store.anchors import Tokenizers, joined, tokenizers_of
from lineage.types import CheckpointSketch, TokenizerSketch
from tests.small_models import sketched, trained
from tests.tokenizer_files import hangul, pool, tokenizer_json, write
from tests.tokenizer_files import trained as vocabulary

BASE, OTHER = vocabulary(pool(), 4000, 1), vocabulary(pool(), 4000, 2)
VOCABULARIES = {"base": BASE, "copy": BASE, "more": [*BASE, *hangul(400)], "less": BASE[::3], "other": OTHER}
Known = dict[str, TokenizerSketch]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> Known:
    home = tmp_path_factory.mktemp("vocabularies")
    files = {
        name: write(home / name, "tokenizer.json", tokenizer_json(tokens)) for name, tokens in VOCABULARIES.items()
    }
    return {name: sketch_tokenizer(open_tokenizer(path)) for name, path in files.items()}


@pytest.fixture(scope="module")
def models(tokenizers: Known) -> dict[str, CheckpointSketch]:
    made = {name: sketched(trained(seed, layers=1), name, path=name) for seed, name in enumerate(VOCABULARIES)}
    bare = {"bare": sketched(trained(90, layers=1), "bare", path="bare")}
    return {name: replace(one, tokenizer=tokenizers[name]) for name, one in made.items()} | bare


def add(folder: Path, *models: CheckpointSketch) -> None:
    with store.SqliteIndex.create(folder) as index:
        for model in models:
            index.add(model, "0")
        index.finish_run()


def found(folder: Path, asked: TokenizerSketch, without: str | None = None) -> dict[str, tuple[int, int, bool]]:
    """By the name of the first model that has each tokenizer: neighbours kept, anchors, and whether it is the same."""
    with store.SqliteIndex.open(folder) as index:
        names = {record.id: record.name for record in index.models()}
        near = index.tokenizers(asked, without)
        assert [model for model, *_ in near] == sorted(model for model, *_ in near)
        return {names[model]: (one.kept, one.anchors, is_same) for model, one, is_same in near}


def one_by_one(
    models: dict[str, CheckpointSketch], asked: TokenizerSketch, *without: str
) -> dict[str, tuple[int, int, bool]]:
    first: dict[str, CheckpointSketch] = {}
    for name, model in models.items():
        if model.tokenizer is not None and name not in without:
            digest = model.tokenizer.digest
            first[digest] = min(model, first.get(digest, model), key=lambda one: one.id)
    expected = {}
    for model in first.values():
        assert model.tokenizer is not None
        near = neighbours(asked, model.tokenizer)
        expected[model.name] = near.kept, near.anchors, asked.content == model.tokenizer.content
    return expected


def test_all_at_once_are_the_same_as_one_by_one(tmp_path: Path, tokenizers: Known, models) -> None:
    add(tmp_path, *models.values())
    for asked in tokenizers.values():
        assert found(tmp_path, asked) == one_by_one(models, asked)
    assert len(found(tmp_path, tokenizers["other"])) == 4  # base and copy have one


def test_the_order_of_ingest_and_the_segments_change_nothing(tmp_path: Path, tokenizers: Known, models) -> None:
    asked = tokenizers["more"]
    expected = one_by_one(models, asked)
    add(tmp_path / "a", *list(models.values())[::-1])
    for model in models.values():
        add(tmp_path / "b", model)
    with store.SqliteIndex.create(tmp_path / "c") as unsettled:
        for model in models.values():
            unsettled.add(model, "0")
        assert {name for name, *_ in unsettled.tokenizers(asked)} == {models[name].id for name in expected}
    for folder in "abc":
        assert found(tmp_path / folder, asked) == expected


def test_whose_is_asked_about_and_who_is_gone_are_left_out(tmp_path: Path, tokenizers: Known, models) -> None:
    asked, base, copy = tokenizers["base"], models["base"].id, models["copy"].id
    add(tmp_path, *models.values())
    assert found(tmp_path, asked, base) == one_by_one(models, asked, "base")
    with store.SqliteIndex.open(tmp_path) as index:
        index.remove(copy)
    assert found(tmp_path, asked) == one_by_one(models, asked, "copy")
    assert found(tmp_path, asked, base) == one_by_one(models, asked, "base", "copy")
    with store.SqliteIndex.open(tmp_path) as index:
        for name in ("base", "more", "other", "bare"):
            index.remove(models[name].id)
    assert found(tmp_path, asked).keys() == {"less"}
    add(tmp_path, models["copy"])
    assert found(tmp_path, asked).keys() == {"less", "copy"}


def test_no_sketch_is_read_for_it(tmp_path: Path, tokenizers: Known, models, monkeypatch) -> None:
    add(tmp_path, *models.values())
    monkeypatch.setattr(store.SqliteIndex, "load", lambda self, model: pytest.fail("a sketch was read"))
    monkeypatch.setattr(store.SqliteIndex, "models", lambda self: pytest.fail("all models were looked at"))
    with store.SqliteIndex.open(tmp_path) as index:
        assert len(index.tokenizers(tokenizers["base"])) == 4


def test_a_tokenizer_that_came_with_a_mended_sketch_counts(tmp_path: Path, tokenizers: Known, models) -> None:
    add(tmp_path, replace(models["base"], tokenizer=None), models["other"])
    assert found(tmp_path, tokenizers["base"]).keys() == {"other"}
    with store.SqliteIndex.open(tmp_path) as index:
        index.sketch_file(models["base"].id).write_bytes(b"no sketch")
        assert index.tokenizer(models["base"].id) is None
    add(tmp_path, models["base"])
    assert found(tmp_path, tokenizers["base"]).keys() == {"other", "base"}
    with store.SqliteIndex.open(tmp_path) as index:
        held = index.tokenizer(models["base"].id)
        assert held is not None
        assert (held.digest, held.name) == (tokenizers["base"].digest, "base")
        assert store.examine(index) == []
    add(tmp_path, models["bare"])
    assert found(tmp_path, tokenizers["base"]).keys() == {"other", "base"}


def test_another_tokenizer_under_the_digest_of_one_hides_it_not(tmp_path: Path, tokenizers: Known, models) -> None:
    forged = replace(
        tokenizers["other"], digest=tokenizers["base"].digest, content=tokenizers["base"].content, special=None
    )
    lone = replace(models["bare"], tokenizer=forged)
    for first, second in ((lone, models["base"]), (models["base"], lone)):
        add(tmp_path / first.name, first, second)
        near = found(tmp_path / first.name, tokenizers["more"])
        assert near["base"][0] > 300
        assert near["bare"][0] < 60


def test_however_they_are_put_together(tokenizers: Known) -> None:
    ones = [tokenizers_of(one) for one in (*tokenizers.values(), None)]

    def same(a: Tokenizers, b: Tokenizers) -> bool:
        return all(np.array_equal(x, y) for (x, _), (y, _) in zip(a.arrays, b.arrays, strict=True))

    def together(places: tuple[int, ...]) -> Tokenizers:
        return joined([ones[i] for i in places], [np.array([i], np.int32) for i in places])

    whole = together(tuple(range(6)))
    assert [len(array) for array, _ in whole.arrays] == [4, 4 * 448, 4, 5]
    stays = np.arange(6, dtype=np.int32)
    for some in combinations(range(6), 3):
        others = tuple(sorted({*range(6)} - {*some}))
        assert same(joined([together(some), together(others)], [stays, stays]), whole)
        gone = np.where(np.isin(stays, some), stays, -1).astype(np.int32)
        assert same(joined([whole], [gone]), together(some))
    assert same(joined([], []), tokenizers_of(None))


def test_the_tokenizer_of_a_sketch_is_read_alone(tmp_path: Path, tokenizers: Known) -> None:
    made = replace(sketched(trained(1)), tokenizer=tokenizers["base"])
    write_sketch(made, tmp_path / "a.sketch")
    held = tokenizer_of_sketch(tmp_path / "a.sketch")
    assert held is not None
    assert (held.digest, held.path) == (tokenizers["base"].digest, str(tmp_path / "a.sketch"))
    write_sketch(replace(made, tokenizer=None), tmp_path / "b.sketch")
    assert tokenizer_of_sketch(tmp_path / "b.sketch") is None
