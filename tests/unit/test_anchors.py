"""The tokenizers of an index by their anchors: the same neighbours as one by one, whatever was ingested first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lineage import store
from lineage.checkpoints.tokenizers import open_tokenizer
from lineage.match.tokenizers.shared import neighbours
from lineage.sketch import sketch_tokenizer, tokenizer_of_sketch, write_sketch
from lineage.store.anchors import SUFFIX
from lineage.types import TokenizerSketch
from tests.small_models import sketched, trained
from tests.tokenizer_files import hangul, pool, tokenizer_json, write
from tests.tokenizer_files import trained as vocabulary

BASE, OTHER = vocabulary(pool(), 4000, 1), vocabulary(pool(), 4000, 2)
VOCABULARIES = {"base": BASE, "copy": BASE, "more": [*BASE, *hangul(400)], "less": BASE[::3], "other": OTHER}


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TokenizerSketch]:
    home = tmp_path_factory.mktemp("vocabularies")
    files = {
        name: write(home / name, "tokenizer.json", tokenizer_json(tokens)) for name, tokens in VOCABULARIES.items()
    }
    return {name: sketch_tokenizer(open_tokenizer(path)) for name, path in files.items()}


def filled(folder: Path, tokenizers: dict[str, TokenizerSketch], order: list[str]) -> store.SqliteIndex:
    index = store.SqliteIndex.create(folder)
    for name in order:
        made = sketched(trained(list(VOCABULARIES).index(name)), name, path=name)
        index.add(replace(made, tokenizer=tokenizers[name]), "0")
    index.add(sketched(trained(90), "bare", path="bare"), "0")
    return index


def test_all_at_once_are_the_same_as_one_by_one(tmp_path: Path, tokenizers: dict[str, TokenizerSketch]) -> None:
    with filled(tmp_path / "a", tokenizers, list(VOCABULARIES)) as index:
        table = store.tokenizer_table(index)
        names = {record.id: record.name for record in index.models()}
        assert len(table.models) == 4  # base and copy have one
        for asked in tokenizers.values():
            for models, near, is_same in table.near(asked):
                one = tokenizers[names[models[0]]]
                assert near == neighbours(asked, one)
                assert is_same == (asked.content == one.content)


def test_the_order_of_ingest_changes_nothing(tmp_path: Path, tokenizers: dict[str, TokenizerSketch]) -> None:
    found = []
    for folder, order in (("a", list(VOCABULARIES)), ("b", list(VOCABULARIES)[::-1])):
        with filled(tmp_path / folder, tokenizers, order) as index:
            found.append(store.tokenizer_table(index).near(tokenizers["more"]))
    assert found[0] == found[1]


def test_the_table_is_kept_and_made_again_where_it_does_not_fit(
    tmp_path: Path, tokenizers: dict[str, TokenizerSketch]
) -> None:
    with filled(tmp_path / "a", tokenizers, ["base", "other"]) as index:
        made = store.tokenizer_table(index).near(tokenizers["more"])
        (kept,) = (index.folder / "vectors").glob(f"*{SUFFIX}")
        for content in (kept.read_bytes(), b"", b"{}\n", kept.read_bytes()[:-30], b"x" + kept.read_bytes()):
            kept.write_bytes(content)
            assert store.tokenizer_table(index).near(tokenizers["more"]) == made
        index.add(replace(sketched(trained(7), "new", path="new"), tokenizer=tokenizers["less"]), "0")
        assert len(store.tokenizer_table(index).models) == 3
        assert len(list((index.folder / "vectors").glob(f"*{SUFFIX}"))) == 1


def test_a_sketch_that_cannot_be_read_is_passed_over(tmp_path: Path, tokenizers: dict[str, TokenizerSketch]) -> None:
    with filled(tmp_path / "a", tokenizers, ["base", "other"]) as index:
        broken = next(record for record in index.models() if record.name == "base")
        index.sketch_file(broken.id).write_bytes(b"no sketch")
        assert len(store.tokenizer_table(index).models) == 1
        assert store.tokenizer_of(index, broken.id, "base") is None
        again = sketched(trained(list(VOCABULARIES).index("base")), "base", path="base")
        index.add(replace(again, tokenizer=tokenizers["base"]), "0")
        assert len(store.tokenizer_table(index).models) == 2


def test_the_tokenizer_of_a_sketch_is_read_alone(tmp_path: Path, tokenizers: dict[str, TokenizerSketch]) -> None:
    made = replace(sketched(trained(1)), tokenizer=tokenizers["base"])
    write_sketch(made, tmp_path / "a.sketch")
    found = tokenizer_of_sketch(tmp_path / "a.sketch")
    assert found is not None
    assert (found.digest, found.path) == (tokenizers["base"].digest, str(tmp_path / "a.sketch"))
    write_sketch(replace(made, tokenizer=None), tmp_path / "b.sketch")
    assert tokenizer_of_sketch(tmp_path / "b.sketch") is None
