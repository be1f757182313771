"""What is lost is tried again, what a node sends is believed as little as an untrusted file, secrets go no further."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lineage import __version__, api
from lineage.api import ingesting
from lineage.api.pools import on_node
from lineage.api.pools.on_node import Answer, answer, checked, question
from lineage.api.pools.pool import TRIES, outcomes
from lineage.api.pools.tasks import Failed, Sketched, Task
from lineage.errors import ClusterError
from lineage.store import SqliteIndex, holds_index
from tests.pools import NodesInMemory
from tests.small_models import published, saved, trained, tuned

NODE = platform.node()


@pytest.fixture
def files(tmp_path):
    return [saved(trained(seed), tmp_path / f"net{seed}.safetensors") for seed in range(5)]


@pytest.fixture
def nodes(monkeypatch):
    """`nodes(lost=...)`: every ingest that names a cluster is done by these."""

    def use(**settings) -> NodesInMemory:
        pool = NodesInMemory(**settings)
        monkeypatch.setattr(ingesting, "_pool", lambda ray, workers, watch: pool)
        return pool

    return use


def names(index: Path) -> set[str]:
    with SqliteIndex.open(index) as home:
        return {record.name for record in home.models()}


class TestLost:
    @pytest.mark.parametrize("times", range(TRIES))
    def test_what_was_lost_is_tried_again(self, files, times):
        pool = NodesInMemory(lost={"net2.safetensors": times})
        found = list(outcomes(pool, [Task(str(file)) for file in files]))
        assert all(isinstance(one, Sketched) for one in found)
        assert {one.path for one in found} == set(map(str, files))
        assert pool.begun.count("net2.safetensors") == times + 1
        assert len(pool.begun) == len(files) + times

    def test_but_not_for_ever(self, files):
        pool = NodesInMemory(lost={"net2.safetensors": 1000})
        found = {one.path: one for one in outcomes(pool, [Task(str(file)) for file in files])}
        assert len(found) == len(files)
        failed = found.pop(str(files[2]))
        assert failed == Failed(
            str(files[2]),
            f"{files[2]}: was begun {TRIES} times and lost each time (its node or process ended):"
            " is there enough memory?",
            1,
        )
        assert all(isinstance(one, Sketched) for one in found.values())
        assert pool.begun.count("net2.safetensors") == TRIES

    def test_all_at_once(self, files):
        pool = NodesInMemory(lost={file.name: 1 for file in files})
        assert sum(isinstance(one, Sketched) for one in outcomes(pool, [Task(str(file)) for file in files])) == 5

    @pytest.mark.parametrize("capacity", [1, 2, 5, 100])
    def test_no_more_are_with_the_pool_than_it_takes(self, files, capacity):
        pool = NodesInMemory(lost={"net0.safetensors": 2}, capacity=capacity)
        assert len(list(outcomes(pool, [Task(str(file)) for file in files]))) == 5
        assert pool.most == min(capacity, 5)


class TestIngest:
    def test_the_index_is_that_of_a_local_ingest(self, tmp_path, nodes, monkeypatch):
        monkeypatch.chdir(tmp_path)
        base = trained(1)
        saved(base, tmp_path / "base.safetensors")
        saved(tuned(base, 2), tmp_path / "tuned.safetensors")
        published(trained(3), tmp_path / "published")
        api.save_sketch(api.sketch(saved(trained(4), tmp_path / "four.safetensors")), "handed.sketch")
        Path("cut.safetensors").write_bytes(Path("base.safetensors").read_bytes()[:-9])
        paths = ["base.safetensors", "tuned.safetensors", "published", "handed.sketch", "cut.safetensors", "none"]
        local = list(api.ingest(paths, "here"))
        pool = nodes(lost={"base.safetensors": 2, "published": 1})
        remote = list(api.ingest(paths, "there", ray="any"))

        def lines(done):
            return sorted((asdict(one) | {"seconds": None} for one in done), key=lambda one: one["path"])

        assert lines(local) == lines(remote)
        assert pool.is_left
        for folder in ("sketches", "handed-over"):
            mine, other = (
                {file.name: file.read_bytes() for file in Path(at, folder).iterdir()} for at in ("here", "there")
            )
            assert mine == other != {}
        with SqliteIndex.open("here") as mine, SqliteIndex.open("there") as other:
            assert mine.id == other.id
            assert [replace(one, added="") for one in mine.models()] == [
                replace(one, added="") for one in other.models()
            ]

    def test_whoever_stops_listening_keeps_what_was_added(self, files, tmp_path, nodes):
        pool = nodes(lost={"net0.safetensors": 3})
        with closing(api.ingest(files, tmp_path / "index", ray="any")) as work:
            told = {next(work).name, next(work).name}
        assert pool.is_left
        assert names(tmp_path / "index") == told

    def test_an_error_of_the_cluster_ends_it_and_keeps_what_was_added(self, files, tmp_path, nodes):
        answers = iter([__version__, __version__, "0.0.1"])
        pool = nodes(change=lambda got: replace(got, version=next(answers)))
        told = []
        with pytest.raises(ClusterError, match=f"the node {NODE} has lineage 0.0.1, this machine {__version__}"):
            told.extend(one.name for one in api.ingest(files, tmp_path / "index", ray="any"))
        assert pool.is_left
        assert len(names(tmp_path / "index")) == 2

    def test_progress_counts_models(self, files, tmp_path, nodes):
        nodes(lost={"net0.safetensors": 3})
        told = []
        list(api.ingest(files, tmp_path / "index", ray="any", watch=lambda *step: told.append(step)))
        assert told == [("models", done, 5) for done in range(1, 6)]

    def test_what_needs_ray_says_so(self, files, tmp_path, monkeypatch):
        from lineage.errors import MissingExtra

        monkeypatch.setitem(sys.modules, "ray", None)
        with pytest.raises(MissingExtra, match=r"pip install 'weight-lineage\[ray\]'"):
            list(api.ingest(files, tmp_path / "index", ray="auto"))
        assert not holds_index(tmp_path / "index")


class TestWhatANodeSends:
    @pytest.mark.parametrize(
        "damage",
        [
            lambda content: b"",
            lambda content: content[:-5],
            lambda content: content[:-5] + bytes(5),
            lambda content: b"\xff" * 16 + content,
        ],
        ids=["nothing", "cut", "changed", "no sketch"],
    )
    def test_damaged_bytes_fail_that_model_alone(self, files, tmp_path, nodes, damage):
        def change(got):
            return replace(got, sketch=damage(got.sketch)) if got.path == str(files[1]) else got

        nodes(change=change)
        done = {one.path: one for one in api.ingest(files, tmp_path / "index", ray="any")}
        failed = done.pop(str(files[1]))
        assert (failed.event, failed.exit_code) == ("failed", 12)
        assert failed.error.startswith(f"{files[1]}: what the node {NODE} sent ")
        assert str(Path("model.sketch")) not in failed.error
        assert {one.event for one in done.values()} == {"ingested"}
        assert names(tmp_path / "index") == {file.stem for file in files} - {"net1"}

    def test_a_forged_sketch_is_refused(self, files, tmp_path):
        made = api.sketch(files[0])
        forged = replace(made, tensors=(replace(made.tensors[0], values=made.tensors[0].values * 2), *made.tensors[1:]))
        api.save_sketch(forged, tmp_path / "forged.sketch")
        got = replace(answer(question(Task(str(files[0])), 1)), sketch=(tmp_path / "forged.sketch").read_bytes())
        found = checked(Task(str(files[0])), got)
        assert isinstance(found, Failed)
        assert "damaged or forged" in found.error

    def test_a_path_that_a_node_does_not_see(self, files, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        asked = replace(question(Task("net0.safetensors"), 1), folder=str(tmp_path / "elsewhere"))
        found = checked(asked.task, answer(asked))
        assert found == Failed(
            "net0.safetensors",
            f"net0.safetensors: the node {NODE} does not see it: give a path that every node sees as this machine does"
            " (a shared file system), or an address (hf:, https:)",
            12,
        )

    def test_a_full_disk_there_fails_the_model(self, files, monkeypatch):
        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(on_node, "write_sketch", full)
        found = checked(Task(str(files[0])), answer(question(Task(str(files[0])), 1)))
        line = f"{files[0]}: its sketch cannot be written on the node {NODE}: No space left on device"
        assert found == Failed(str(files[0]), line, 1)


class TestSecrets:
    SECRET = "hf_secret"

    @pytest.fixture(autouse=True)
    def token(self, monkeypatch):
        monkeypatch.setenv("HF_TOKEN", self.SECRET)
        monkeypatch.setenv("HF_ENDPOINT", "https://hub.invalid")

    @pytest.mark.parametrize(
        ("path", "sent"),
        [
            ("hf:org/name@main", {"HF_ENDPOINT", "HF_TOKEN"}),
            ("https://hub.invalid/org/name", {"HF_ENDPOINT", "HF_TOKEN"}),
            ("https://host.invalid/model.safetensors?key=1", {"HF_ENDPOINT"}),
            ("hf:", {"HF_ENDPOINT"}),
            ("/shared/model", set()),
            ("model", set()),
        ],
    )
    def test_a_token_goes_only_where_the_hub_is_read(self, path, sent):
        asked = question(Task(path), 1)
        assert set(asked.settings) == sent
        assert self.SECRET not in repr(asked)

    def test_it_is_there_while_the_model_is_read_and_never_in_an_answer(self, monkeypatch):
        asked = question(Task("hf:org/name"), 1)
        monkeypatch.setenv("HF_TOKEN", "of the node")
        monkeypatch.delenv("HF_ENDPOINT")
        seen = []

        def read(task, threads, watch):
            seen.append((os.environ["HF_TOKEN"], os.environ["HF_ENDPOINT"]))
            return Failed(task.path, "gated", 12)

        monkeypatch.setattr(on_node, "sketched", read)
        got = answer(asked)
        assert seen == [(self.SECRET, "https://hub.invalid")]
        assert os.environ["HF_TOKEN"] == "of the node"
        assert "HF_ENDPOINT" not in os.environ
        assert self.SECRET not in repr(got)

    def test_a_node_uses_no_token_of_its_own(self, monkeypatch):
        monkeypatch.delenv("HF_TOKEN")
        asked = question(Task("hf:org/name"), 1)
        monkeypatch.setenv("HF_TOKEN", "of the node")
        seen = []
        monkeypatch.setattr(
            on_node, "sketched", lambda *_: seen.append("HF_TOKEN" in os.environ) or Failed("", "gated", 12)
        )
        answer(asked)
        assert seen == [False]

    def test_the_secret_of_an_address_is_in_no_line(self):
        task = Task("https://host.invalid/model.safetensors?key=secret")
        lines = [
            checked(task, Answer(NODE, __version__, sketch=b"")),
            checked(task, Answer(NODE, __version__, error="a line", exit_code=12)),
            *outcomes(NodesInMemory(lost={Path(task.path).name: TRIES}), [task]),
        ]
        assert len(lines) == 3
        assert "secret" not in str(lines)


def test_a_hub_is_read_by_a_node_with_the_token_of_who_asks(hub, tmp_path, monkeypatch):
    repo = published(trained(1), tmp_path / "repo")
    hub({"org/base": repo}, gated={"org/base"}, token="let-me-in")
    monkeypatch.setenv("HF_TOKEN", "let-me-in")
    asked = question(Task("hf:org/base"), 1)
    monkeypatch.delenv("HF_TOKEN")
    found = checked(asked.task, answer(asked))
    assert isinstance(found, Sketched)
    assert found.sketch.path.startswith("hf:org/base@")
    assert found.sketch.weights_seen
