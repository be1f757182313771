"""An index on a server: it answers as one in a folder does, whatever was added, and wherever it was stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lineage import api
from lineage.checkpoints.tokenizers import open_tokenizer
from lineage.errors import Contradicted, LineageError, Malformed, NoIndex, Unknown
from lineage.sketch import kept_codes, sketch_tokenizer
from lineage.sketch.layouts import content_id, layout_id
from lineage.store import Home, MilvusIndex, SqliteIndex
from lineage.store.milvus.rows import Entry
from lineage.types import CheckpointSketch, Neighbours, TokenizerSketch
from tests.milvus_server import Indexes
from tests.relaid import numbered, renamed
from tests.small_models import sketched, trained, tuned
from tests.tokenizer_files import pool, tokenizer_json, write
from tests.tokenizer_files import trained as words_of

VERSION = "0.0.test"
WEIGHTS = trained(1)
BASE = sketched(WEIGHTS, "base", path="/models/base", licence="mit")
CHILD = sketched(tuned(WEIGHTS, 2), "child", path="/models/child")
OTHER = sketched(trained(3), "other", path="/models/other")
RENAMED = sketched(renamed(WEIGHTS), "renamed", path="/models/renamed")
NUMBERED = sketched(numbered(WEIGHTS), "numbered", path="/models/numbered")

UNABRIDGED = ("component", "rows", "network")
"""By these every code is compared in a folder, too; of tensors only those of a cell."""


def handed(sketch: CheckpointSketch, name: str) -> CheckpointSketch:
    return replace(sketch, name=name, path=f"/from/{name}.sketch", weights_seen=False)


def forged() -> CheckpointSketch:
    """Figures of one model under the digests, and so the id, of another."""
    tensors = tuple(
        replace(figures, digest=own.digest, band_digest=own.band_digest)
        for own, figures in zip(BASE.tensors, OTHER.tensors, strict=True)
    )
    return replace(handed(OTHER, "forged"), id=content_id(tensors, BASE.depth), tensors=tensors)


def of_tokens(folder: Path, tokens: list[str]) -> TokenizerSketch:
    return sketch_tokenizer(open_tokenizer(write(folder, "tokenizer.json", tokenizer_json(tokens))))


@pytest.fixture
def home(on_server: Indexes) -> Iterator[MilvusIndex]:
    with MilvusIndex.create(on_server.address()) as index:
        yield index


def told(index: Home) -> Any:
    """All that an index says of its models."""
    return [
        (replace(record, added=None), [(layout_id(one), one.name, one.path, one.weights_seen) for one in layouts])
        for record in index.models()
        for layouts in [index.layouts(record.id)]
    ]


HISTORIES: dict[str, list[CheckpointSketch]] = {
    "a model, twice, by another name, from elsewhere": [BASE, BASE, replace(BASE, name="again", path="/again")],
    "layouts, seen and not": [BASE, handed(RENAMED, "handed"), NUMBERED, RENAMED],
    "a claim that agrees, then the weights": [handed(RENAMED, "claim"), handed(BASE, "claim-2"), BASE],
    "a forged claim, then the weights": [forged(), handed(BASE, "honest"), BASE, forged()],
    "names that no database holds": [replace(BASE, name="a\ud800'\"\\\n\0", path="/a\udcff"), replace(BASE, name='"b')],
}


class TestAsInAFolder:
    @pytest.mark.parametrize("history", HISTORIES)
    def test_one_history_ends_alike(self, home, tmp_path, history):
        with SqliteIndex.create(tmp_path / "index") as folder:
            for sketch in HISTORIES[history]:
                outcomes = []
                for index in (folder, home):
                    try:
                        before = index.copied(sketch), index.contradicted(sketch)
                        outcomes.append((before, index.add(sketch, VERSION)))
                    except Contradicted as error:
                        outcomes.append((error.problem, False))
                assert outcomes[0] == outcomes[1]
                assert told(folder) == told(home)
                for name in (sketch.name, sketch.path, sketch.id[:5]):
                    assert [one.id for one in folder.called(name)] == [one.id for one in home.called(name)]
                codes = kept_codes(BASE)
                folder.settle()
                one, two = (index.nearest(codes, "model", 3) for index in (folder, home))
                assert {cue: one[cue] for cue in UNABRIDGED} == {cue: two[cue] for cue in UNABRIDGED}
                for some, more in zip(one["tensor"], two["tensor"], strict=True):
                    assert {*some} <= {*more}
            assert folder.id == home.id

    def test_answers_are_the_same_to_the_last_figure(self, on_server, tmp_path):
        known = [BASE, CHILD, OTHER, RENAMED, sketched(trained(5), "five")]
        address = str(on_server.of(known).address)
        with SqliteIndex.create(tmp_path / "index") as folder:
            for sketch in known:
                folder.add(sketch, VERSION)
            folder.finish_run()
        for asked in (BASE, CHILD, sketched(tuned(tuned(WEIGHTS, 2), 7), "grandchild"), sketched(trained(9), "new")):
            one, two = (api.whois(asked, where, reference=False) for where in (tmp_path / "index", address))
            assert replace(one, timings=two.timings) == two
        one, two = (api.graph(index=where, reference=False) for where in (tmp_path / "index", address))
        assert one == two

    def test_tokenizers_are_found_alike(self, home, tmp_path):
        words = pool()
        first, second = (of_tokens(tmp_path / str(seed), words_of(words, 6000, seed)) for seed in (1, 2))
        known = [replace(BASE, tokenizer=first), replace(CHILD, tokenizer=first), replace(OTHER, tokenizer=second)]
        with SqliteIndex.create(tmp_path / "index") as folder:
            for index in (folder, home):
                for sketch in known:
                    index.add(sketch, VERSION)
            for without in (None, *(sketch.id for sketch in known)):
                found = home.tokenizers(first, without)
                assert found == folder.tokenizers(first, without)
                assert any(is_same and isinstance(near, Neighbours) for _, near, is_same in found)
        assert home.tokenizer(BASE.id) is not None
        assert home.tokenizer("0" * 32) is None


class TestWriting:
    @pytest.mark.parametrize("begun", [[], [handed(BASE, "claim")], [forged()], [RENAMED]], ids=len)
    def test_wherever_it_stops_what_was_there_is_whole_and_a_repetition_completes_it(self, home, monkeypatch, begun):
        for sketch in (OTHER, *begun):
            home.add(sketch, VERSION)
        others = told(home)
        steps = 0
        while not self.stopped_after(steps, home, monkeypatch, BASE):
            now = told(home)  # loads every sketch that a row names
            assert [one for one in now if one[0].id != BASE.id] == [one for one in others if one[0].id != BASE.id]
            near = home.nearest(kept_codes(OTHER), "model", 5)["component"]
            assert {model for row in near for model, _ in row} <= {record.id for record, _ in now}
            steps += 1
        assert steps >= 2  # a file and a row, at least
        home.add(BASE, VERSION)
        assert {record.id for record, _ in told(home)} == {OTHER.id, BASE.id}
        assert home.nearest(kept_codes(BASE), "model", 1)["component"][0] == [(BASE.id, 1.0)]
        assert all(record.weights_seen for record in home.models())

    @staticmethod
    def stopped_after(steps: int, home: MilvusIndex, monkeypatch: pytest.MonkeyPatch, sketch: CheckpointSketch) -> bool:
        """Whether an addition came to its end, of which so many writes are done."""
        left = iter(range(steps))

        def counted(write: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*args: Any) -> Any:
                if next(left, None) is None:
                    raise KeyboardInterrupt
                return write(*args)

            return wrapped

        with monkeypatch.context() as patch:
            for part, name in (
                (home._server, "put"),
                (home._server, "delete"),
                (home._sketches, "write"),
                (home._sketches, "remove"),
            ):
                patch.setattr(part, name, counted(getattr(part, name)))
            try:
                home.add(sketch, VERSION)
            except KeyboardInterrupt:
                return False
        return True

    def test_two_that_write_different_models_lose_nothing(self, home, on_server):
        with MilvusIndex.open(home.address) as second:
            for one, two in ((BASE, CHILD), (OTHER, sketched(trained(8), "eight"))):
                home.add(one, VERSION)
                second.add(two, VERSION)
        with MilvusIndex.open(home.address) as both:
            assert len(both) == len(both.models()) == 4
            assert both.id == home.id

    def test_what_is_taken_out_is_gone_with_all_that_was_its(self, home):
        for sketch in (BASE, RENAMED, OTHER):
            home.add(sketch, VERSION)
        home.remove(home.find("base").id)
        assert [record.name for record in home.models()] == ["other"]
        assert home.same_digests([t.digest for t in BASE.tensors if t.digest]) == {}
        assert {m for row in home.nearest(kept_codes(BASE), "model", 3)["component"] for m, _ in row} == {OTHER.id}
        assert not list(Path(home._sketches.url.removeprefix("file://")).rglob(f"{BASE.id}*"))
        with pytest.raises(Unknown):
            home.remove(BASE.id)

    def test_a_model_of_an_older_family_is_not_searched_and_makes_room(self, home):
        old = replace(OTHER, id="ab" * 16, family="lineage-0", path=BASE.path)
        home.add(old, VERSION)
        assert (len(home), home.unsearched, home.models(), home.called("other")) == (0, 1, [], [])
        assert home.find("other").family == "lineage-0"
        home.add(BASE, VERSION)
        assert (len(home), home.unsearched) == (1, 0)

    def test_more_names_than_fit_are_let_go_and_the_model_stays(self, home):
        home.add(BASE, VERSION)
        entry = home.entry(BASE.id)
        assert isinstance(entry, Entry)
        many = tuple(f"/{i:05}/{'x' * 100}" for i in range(700))
        home._adding._put(replace(entry, record=replace(entry.record, aliases=many)), None)
        (record,) = home.models()
        assert many[:500] == record.aliases[:500]
        assert record.aliases == many[: len(record.aliases)]

    def test_what_no_row_holds_fails_alone(self, home):
        with pytest.raises(Malformed, match="65,535"):
            home.add(replace(BASE, architecture="x" * 70_000), VERSION)
        with pytest.raises(Malformed, match="no model"):
            home.add(replace(BASE, unread=1 << 63), VERSION)
        assert home.models() == []


class TestSketchesElsewhere:
    @pytest.fixture
    def kept(self, on_server: Indexes) -> Iterator[MilvusIndex]:
        """An index whose sketches are in no folder."""
        address = on_server.address()
        with MilvusIndex.create(replace(address, sketches=f"memory://{address.name}")) as index:
            index.add(BASE, VERSION)
            yield index

    def file(self, index: MilvusIndex) -> str:
        return f"{index._sketches._root}/sketches/{BASE.id}.sketch"

    def test_are_read_back(self, kept):
        with MilvusIndex.open(kept.address) as again:
            assert again.load(BASE.id).tensors[0].name == BASE.tensors[0].name
            assert not again.add(BASE, VERSION)

    @pytest.mark.parametrize("cut", [0, 100])
    def test_one_that_is_cut_is_told_in_a_line_and_written_again(self, kept, cut):
        files = kept._sketches._files
        files.pipe_file(self.file(kept), files.cat_file(self.file(kept))[:cut])
        with MilvusIndex.open(kept.address) as again:
            with pytest.raises(Malformed, match=r"^memory://") as error:
                again.load(BASE.id)
            assert "\n" not in str(error.value)
            assert again.add(BASE, VERSION)
        with MilvusIndex.open(kept.address) as again:
            assert again.load(BASE.id).id == BASE.id

    def test_one_that_is_lost_is_told_and_written_again(self, kept):
        kept._sketches._files.rm_file(self.file(kept))
        with MilvusIndex.open(kept.address) as again:
            with pytest.raises(Malformed, match="is missing"):
                again.load(BASE.id)
            assert again.add(BASE, VERSION)
            assert again.load(BASE.id).id == BASE.id

    def test_that_of_another_model_is_refused(self, kept):
        kept.add(OTHER, VERSION)
        files = kept._sketches._files
        files.pipe_file(self.file(kept), files.cat_file(self.file(kept).replace(BASE.id, OTHER.id)))
        with MilvusIndex.open(kept.address) as again, pytest.raises(Malformed, match="another model"):
            again.load(BASE.id)

    def test_one_of_a_size_that_no_sketch_has_is_not_read(self, kept, monkeypatch):
        monkeypatch.setattr("lineage.store.milvus.sketches.MOST_BYTES", 1000)
        with MilvusIndex.open(kept.address) as again, pytest.raises(Malformed, match="not believed"):
            again.load(BASE.id)


class TestOpening:
    def test_where_there_is_none(self, on_server):
        address = on_server.address()
        with pytest.raises(NoIndex, match="holds no index"):
            MilvusIndex.open(address)
        with pytest.raises(NoIndex):
            api.whois(BASE, str(address))
        assert not MilvusIndex.is_at(address)

    def test_collections_of_others_are_left_alone(self, home):
        client, name = home._server._client, f"{home.address.name}0_models"
        client.create_collection(name, dimension=8)
        try:
            with pytest.raises(LineageError, match="other collections"):
                MilvusIndex.create(replace(home.address, name=name.removesuffix("_models")))
        finally:
            client.drop_collection(name)

    def test_a_server_that_is_not_there_is_a_line_without_the_token(self, on_server, monkeypatch):
        monkeypatch.setenv("LINEAGE_MILVUS_TOKEN", "secret:secret")
        with pytest.raises(LineageError, match="does not answer") as error:
            MilvusIndex.open(replace(on_server.address(), port=1))
        assert "secret" not in str(error.value)
        assert "\n" not in str(error.value)

    def test_a_store_that_nothing_reads_is_a_line(self, on_server):
        with pytest.raises(LineageError, match=r"^nowhere://"):
            MilvusIndex.open(replace(on_server.address(), sketches="nowhere://a"))
