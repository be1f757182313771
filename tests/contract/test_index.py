"""What every index promises, over every implementation."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from lineage.errors import LineageError, Malformed, Unknown
from lineage.sketch import FAMILY, asked_codes, kept_codes, write_sketch
from lineage.sketch.layouts import content_key, layout_id, names_of
from lineage.sketch.search_codes import turned_codes
from lineage.store import Index, MemoryIndex, SketchFolder, SqliteIndex
from lineage.types import CheckpointSketch, Declared, ModelRecord
from tests.milvus_server import Indexes
from tests.relaid import numbered, renamed
from tests.small_models import sketched, trained, tuned

Build = Callable[[Path, Sequence[CheckpointSketch]], Index]


def in_sqlite(folder: Path, sketches: Sequence[CheckpointSketch]) -> Index:
    with SqliteIndex.create(folder) as index:
        for sketch in sketches:
            index.add(sketch, "0.0.test")
        index.finish_run()
    return SqliteIndex.open(folder)


def in_a_folder(folder: Path, sketches: Sequence[CheckpointSketch]) -> Index:
    for part in ("sketches", "catalogue"):
        (folder / part).mkdir(parents=True)
    seen: set[str] = set()
    for sketch in sketches:
        if sketch.id in seen:
            write_sketch(sketch, folder / "sketches" / f"{sketch.id}.{layout_id(sketch)}.sketch")
            continue
        seen.add(sketch.id)
        write_sketch(sketch, folder / "sketches" / f"{sketch.id}.sketch")
        declared = [{"model": d.model, "relation": d.relation, "source": d.source} for d in sketch.declared]
        record = {
            "schema": "lineage/catalogue/1", "id": sketch.id, "name": sketch.name, "source": sketch.path,
            "licence": sketch.licence, "declared": declared,
        }  # fmt: skip
        (folder / "catalogue" / f"{sketch.id}.json").write_text(json.dumps(record))
    return SketchFolder(folder)


def in_a_folder_with_a_cache(folder: Path, sketches: Sequence[CheckpointSketch]) -> Index:
    in_a_folder(folder, sketches)
    SketchFolder(folder, folder / "cache").models()
    return SketchFolder(folder, folder / "cache")


def in_memory(_: Path, sketches: Sequence[CheckpointSketch]) -> Index:
    return MemoryIndex(sketches)


ON_DISK = {"SqliteIndex": in_sqlite, "SketchFolder": in_a_folder, "SketchFolder-cached": in_a_folder_with_a_cache}
BUILDS = {**ON_DISK, "MemoryIndex": in_memory, "MilvusIndex": None}  # needs a server, which a fixture gives
BASE = trained(1)
SKETCHES = [
    sketched(BASE, "base", path="/models/base", licence="mit"),
    sketched(tuned(BASE, 2), "child", path="/models/child", declared=(Declared("base", "fine-tuned", "card"),)),
    sketched(trained(3), "stranger", path="/models/stranger"),
    sketched(trained(4, layers=1), "stranger", path="/models/other"),
]
BY_ID = {sketch.id: sketch for sketch in SKETCHES}


@pytest.fixture(params=BUILDS.values(), ids=BUILDS)
def build(request: pytest.FixtureRequest) -> Build:
    if request.param is not None:
        return request.param
    on_server: Indexes = request.getfixturevalue("on_server")
    return lambda _, sketches: on_server.of(sketches)


@pytest.fixture(params=ON_DISK.values(), ids=ON_DISK)
def build_on_disk(request: pytest.FixtureRequest) -> Build:
    return request.param


@pytest.fixture
def index(build: Build, tmp_path: Path) -> Index:
    return build(tmp_path / "index", SKETCHES)


class TestEveryIndex:
    def test_two_of_one_state_find_the_same(self, build_on_disk, tmp_path):
        first = build_on_disk(tmp_path / "index", SKETCHES)
        again = type(first).open(tmp_path / "index") if isinstance(first, SqliteIndex) else SketchFolder(first.folder)
        assert hash(first.state) == hash(again.state)
        assert first.state == again.state
        assert first.state != build_on_disk(tmp_path / "other", SKETCHES[1:]).state

    def test_lists_every_model_by_name_then_id(self, index):
        records = index.models()
        assert len(index) == len(records) == len(SKETCHES)
        assert [(r.name, r.id) for r in records] == sorted((s.name, s.id) for s in SKETCHES)

    def test_a_record_says_what_the_sketch_says(self, index):
        for record in index.models():
            sketch = BY_ID[record.id]
            assert isinstance(record, ModelRecord)
            assert record.family == FAMILY
            assert (record.depth, record.params, record.tensors) == (sketch.depth, sketch.params, len(sketch.tensors))
            assert (record.source, record.licence, record.declared) == (sketch.path, sketch.licence, sketch.declared)
            assert sum(record.components.values()) == sketch.params

    def test_gives_back_the_sketch_that_it_was_given(self, index):
        for sketch in SKETCHES:
            loaded = index.load(sketch.id)
            assert (loaded.id, loaded.name, loaded.path) == (sketch.id, sketch.name, sketch.path)
            for ours, theirs in zip(sketch.tensors, loaded.tensors, strict=True):
                assert ours.name == theirs.name
                np.testing.assert_array_equal(ours.values, theirs.values)

    def test_an_id_that_it_does_not_hold_is_unknown(self, index):
        with pytest.raises(Unknown):
            index.load("0" * 32)

    def test_finds_equal_tensors_by_either_digest(self, index):
        tensor = SKETCHES[0].tensors[1]
        assert tensor.digest is not None
        found = index.same_digests([tensor.digest, tensor.band_digest, "no such digest"])
        assert found == {d: [(SKETCHES[0].id, tensor.name)] for d in sorted({tensor.digest, tensor.band_digest})}

    def test_asking_for_thousands_of_digests_is_asking_for_each(self, index):
        wanted = [t.digest for s in SKETCHES for t in s.tensors if t.digest] + [f"{i:032x}" for i in range(2000)]
        found = index.same_digests(wanted)
        assert {model for pairs in found.values() for model, _ in pairs} == set(BY_ID)

    def test_what_is_asked_about_itself_is_nearest_to_itself_then_to_its_child(self, index):
        found = index.nearest(kept_codes(SKETCHES[0]), "model", 3)
        assert all(row for rows in found.values() for row in rows)
        for cue in ("component", "rows", "network"):
            for row in found[cue]:
                assert row[0] == (SKETCHES[0].id, 1.0)
                assert [score for _, score in row] == sorted((score for _, score in row), reverse=True)
        for cue in ("component", "network"):
            assert {row[1][0] for row in found[cue]} == {SKETCHES[1].id}
        assert {row[0] for row in found["tensor"]} == {(SKETCHES[0].id, 1.0)}

    def test_strangers_tensors_are_not_near(self, index):
        found = index.nearest(asked_codes(sketched(trained(9), "unknown")), "model", 3)
        assert not any(found["tensor"])

    def test_a_transposed_component_is_found(self, index):
        turned = {name: np.ascontiguousarray(array.T) for name, array in BASE.items()}
        found = index.nearest(turned_codes(sketched(turned, "turned"), {0, 1, 2}), "model", 2)
        assert SKETCHES[0].id in {row[0][0] for row in found["component"] if row[0][1] > 0.99}

    def test_every_model_comes_once_and_no_more_than_asked(self, index):
        asked = asked_codes(SKETCHES[0])
        for k in (1, 2, 100):
            for row in index.nearest(asked, "model", k)["component"]:
                assert len(row) == min(k, len(SKETCHES)) == len({model for model, _ in row})

    def test_models_are_not_searched_for_adapters(self, index):
        assert (index.count("model"), index.count("adapter")) == (len(SKETCHES), 0)
        assert not any(
            row for rows in index.nearest(asked_codes(BY_ID[SKETCHES[0].id]), "adapter", 3).values() for row in rows
        )

    def test_records_of_some(self, index):
        wanted = [SKETCHES[2].id, SKETCHES[0].id, "0" * 32]
        assert index.records(wanted) == [record for record in index.models() if record.id in wanted]
        assert index.records([]) == []

    def test_is_called_by_id_name_or_the_beginning_of_its_id(self, index):
        base = SKETCHES[0].id
        assert [record.id for record in index.called(base)] == [base]
        assert [record.id for record in index.called(base[:9])] == [base]
        assert {record.id for record in index.called("stranger")} == {SKETCHES[2].id, SKETCHES[3].id}
        assert index.called("") == index.called("nobody") == []

    def test_its_id_names_the_set_of_models_whatever_their_order(self, build, tmp_path):
        one = build(tmp_path / "one", SKETCHES)
        two = build(tmp_path / "two", SKETCHES[::-1])
        less = build(tmp_path / "less", SKETCHES[:-1])
        assert one.id == two.id != less.id

    def test_an_empty_index_answers_nothing(self, build, tmp_path):
        index = build(tmp_path / "empty", [])
        assert len(index) == 0
        assert index.models() == []
        assert index.same_digests(["ab"]) == {}
        assert not any(row for rows in index.nearest(asked_codes(SKETCHES[0]), "model", 3).values() for row in rows)

    def test_a_damaged_sketch_is_one_clear_line(self, build_on_disk, tmp_path):
        build_on_disk(tmp_path / "index", SKETCHES[:1])
        path = tmp_path / "index" / "sketches" / f"{SKETCHES[0].id}.sketch"
        path.write_bytes(path.read_bytes()[:-100])
        again = SqliteIndex.open(path.parents[1]) if build_on_disk is in_sqlite else SketchFolder(path.parents[1])
        with pytest.raises(Malformed, match="damaged") as error:
            again.load(SKETCHES[0].id)
        assert "\n" not in str(error.value)

    def test_a_sketch_under_a_foreign_id_is_refused(self, build_on_disk, tmp_path):
        build_on_disk(tmp_path / "index", SKETCHES[:1])
        path = tmp_path / "index" / "sketches" / f"{SKETCHES[0].id}.sketch"
        write_sketch(SKETCHES[2], path)
        again = SqliteIndex.open(path.parents[1]) if build_on_disk is in_sqlite else SketchFolder(path.parents[1])
        with pytest.raises(LineageError, match="sketch of"):
            again.load(SKETCHES[0].id)


LAYOUTS = [
    sketched(BASE, "base", path="/models/base"),
    sketched(renamed(BASE), "renamed", path="/models/renamed"),
    sketched(numbered(BASE), "numbered", path="/models/numbered"),
]


class TestAModelInSeveralLayouts:
    @pytest.fixture
    def held(self, build: Build, tmp_path: Path) -> Index:
        return build(tmp_path / "layouts", [*LAYOUTS, SKETCHES[2]])

    def test_is_one_model_that_knows_its_layouts(self, held):
        assert len(held) == len(held.models()) == 2
        (record,) = (one for one in held.models() if one.id == LAYOUTS[0].id)
        assert record.name == "base"
        further = sorted(LAYOUTS[1:], key=layout_id)
        assert [(one.id, one.name, one.format) for one in record.layouts] == [
            (layout_id(one), one.name, one.format) for one in further
        ]
        assert record.content == content_key(LAYOUTS[0])

    def test_gives_back_every_layout_under_one_name_in_an_order_of_their_own(self, held, build, tmp_path):
        found = held.layouts(LAYOUTS[0].id)
        assert [names_of(one) for one in found] == [names_of(one) for one in sorted(LAYOUTS, key=layout_id)]
        assert {one.name for one in found} == {"base"}
        turned = build(tmp_path / "turned", LAYOUTS[::-1])
        assert list(map(layout_id, turned.layouts(LAYOUTS[0].id))) == list(map(layout_id, found))

    def test_is_loaded_as_it_came_first(self, held):
        assert names_of(held.load(LAYOUTS[0].id)) == names_of(LAYOUTS[0])

    def test_has_one_layout_where_it_was_seen_in_one(self, held):
        (only,) = held.layouts(SKETCHES[2].id)
        assert names_of(only) == names_of(SKETCHES[2])

    def test_an_unknown_model_has_none(self, held):
        with pytest.raises(Unknown):
            held.layouts("ab" * 16)

    def test_a_layout_that_is_cut_is_told_apart(self, build_on_disk, tmp_path):
        held = build_on_disk(tmp_path / "layouts", LAYOUTS)
        (path,) = held.folder.glob(f"sketches/*.{layout_id(LAYOUTS[1])}.sketch")
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(LineageError):
            held.layouts(LAYOUTS[0].id)
