"""Commands on models at a server: what is printed, kept and refused."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hub_server import COMMIT, Hub

from lineage import store
from lineage.checkpoints.remote.address import HubAddress, parse
from lineage.errors import Unknown
from lineage.store import catalogue_records
from tests.cli.conftest import Desk, Run, start
from tests.cli.test_schemas import check
from tests.small_models import saved, trained, tuned
from tests.systems import needs_signals

StartHub = Callable[..., Hub]


@pytest.fixture
def repos(tmp_path: Path) -> dict[str, Path]:
    """Two repositories: a base, and a fine-tune whose card names it."""
    base = trained(1)
    for name, weights in (("base", base), ("child", tuned(base, 2))):
        (tmp_path / name).mkdir()
        saved(weights, tmp_path / name / "model.safetensors")
    (tmp_path / "child" / "README.md").write_text("---\nlicense: mit\nbase_model: org/base\n---\n")
    return {f"org/{name}": tmp_path / name for name in ("base", "child")}


class TestIngest:
    def test_records_the_commit_and_never_a_token(self, run: Run, desk: Desk, repos, hub: StartHub, monkeypatch):
        started = hub(repos, gated={"org/base"})
        monkeypatch.setenv("HF_TOKEN", started.token)
        done = run("ingest", "hf:org/base", "hf:org/child@main", "--index", desk.index, "--json")
        assert done.code == 0, done.err
        assert {(line["event"], line["path"], line["name"]) for line in done.lines} == {
            ("ingested", "hf:org/base", "org/base"), ("ingested", "hf:org/child@main", "org/child"),
        }  # fmt: skip
        for line in done.lines:
            check("ingest.json", line)
        record = run("show", "org/child", "--index", desk.index, "--no-reference", "--json").json
        assert record["source"] == f"hf:org/child@{COMMIT}"
        kept = b"".join(path.read_bytes() for path in desk.index.rglob("*") if path.is_file())
        assert started.token.encode() not in kept

    def test_is_sampled_unless_it_is_told_otherwise(self, run: Run, desk: Desk, repos, hub: StartHub):
        hub(repos)
        run("ingest", "hf:org/base", desk.stranger, "--index", desk.index)
        run("ingest", "hf:org/child", "--depth", "full", "--index", desk.index)
        with store.SqliteIndex.open(desk.index) as home:
            depths = {record.name: record.depth for record in home.models()}
        assert depths == {"org/base": "sampled", "stranger": "full", "org/child": "full"}

    def test_again_is_unchanged(self, run: Run, desk: Desk, repos, hub: StartHub):
        hub(repos)
        events = [run("ingest", "hf:org/base", "--index", desk.index, "--json").lines[0]["event"] for _ in range(2)]
        assert events == ["ingested", "unchanged"]

    def test_a_secret_in_an_address_is_neither_printed_nor_kept(self, run: Run, desk: Desk, repos, hub: StartHub):
        started = hub(repos)
        good = f"{started.url}/plain/org/base/model.safetensors?signature=very-secret"
        bad = f"{started.url}/plain/org/base/other.safetensors?signature=very-secret"
        done = run("ingest", good, bad, "--index", desk.index, "--json")
        assert sorted(line["event"] for line in done.lines) == ["failed", "ingested"]
        kept = b"".join(path.read_bytes() for path in desk.index.rglob("*") if path.is_file())
        assert "very-secret" not in done.out + done.err
        assert b"very-secret" not in kept
        assert f"{started.url}/plain/org/base/model.safetensors".encode() in kept

    @pytest.mark.parametrize("address", ["hf:org/none", "hf:org/base@none", "hf:org/base/none.gguf", "hf:org/base"])
    def test_what_is_missing_or_gated_is_one_line_and_12(
        self, address: str, run: Run, desk: Desk, repos, hub: StartHub
    ):
        hub(repos, gated={"org/base"})
        done = run("ingest", address, "--index", desk.index)
        assert (done.code, done.out, done.err.count("\n")) == (12, "", 1)
        assert not desk.index.exists()

    def test_one_that_fails_never_stops_the_others(self, run: Run, desk: Desk, repos, hub: StartHub):
        hub(repos)
        done = run("ingest", "hf:org/none", "hf:org/base", desk.stranger, "--index", desk.index, "--json")
        assert sorted(line["event"] for line in done.lines) == ["failed", "ingested", "ingested"]

    @needs_signals
    def test_ctrl_c_ends_it_and_leaves_no_half_model(self, desk: Desk, repos, hub: StartHub):
        rng = np.random.default_rng(1)
        saved(
            {f"{i}.weight": rng.standard_normal((2048, 256)) for i in range(40)},
            repos["org/base"] / "model.safetensors",
        )
        waiting, go_on = threading.Event(), threading.Event()

        def fault(asked: object, number: int) -> None:
            if number > 20:
                waiting.set()
                go_on.wait(20)

        hub(repos, faults=fault, several_ranges=False)
        with start("ingest", "hf:org/base", "--depth", "full", "--index", desk.index) as process:
            assert waiting.wait(60)
            process.send_signal(signal.SIGINT)
            go_on.set()
            _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert err.strip() == "lineage: interrupted: finished work is kept, the rest is as before"
        assert not list(desk.index.rglob("*.sketch"))


class TestAnswers:
    def test_whois_and_compare_take_addresses(self, run: Run, desk: Desk, repos, hub: StartHub):
        hub(repos)
        run("ingest", "hf:org/base", "--index", desk.index)
        done = run("whois", "hf:org/child", "--index", desk.index, "--no-reference", "--json")
        assert done.code == 0, done.err
        answer = done.json
        check("whois.json", answer)
        assert answer["verdict"] == "related"
        assert answer["place"]["open"][0]["model_name"] == "org/base"
        pair = run("compare", "hf:org/child", repos["org/base"], "--json")
        assert pair.code == 0, pair.err
        assert pair.json["verdict"] == "related"

    def test_a_sketch_of_an_address(self, run: Run, desk: Desk, repos, hub: StartHub):
        hub(repos)
        target = desk.folder / "base.sketch"
        assert run("sketch", "hf:org/base", "-o", target).code == 0
        assert store.holds_index(desk.index) is False
        assert target.stat().st_size > 0

    def test_a_card_at_the_hub_is_declared_never_measured(self, run: Run, desk: Desk, repos, hub: StartHub):
        hub(repos)
        answer = run("whois", "hf:org/child", "--json").json
        assert [fact["model"] for fact in answer["declared"]] == ["org/base"]
        assert answer["checkpoint"]["licence"] == "mit"


class TestCatalogue:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A catalogue of the two models, and of one that the hub does not have."""
        hub_records = tmp_path / "shipped" / "catalogue" / "hub"
        hub_records.mkdir(parents=True)
        for name, family in (("org/base", "a"), ("org/child", "a"), ("org/gone", "b")):
            record = {
                "schema": "lineage/catalogue/1", "name": name, "revision": "main", "source": f"hf:{name}",
                "licence": None, "family": family, "modality": "text", "declared": [],
            }  # fmt: skip
            (hub_records / f"{name.replace('/', '--')}.json").write_text(json.dumps(record))
        monkeypatch.setattr(catalogue_records, "reference_folder", lambda: tmp_path / "shipped")
        return hub_records

    def test_fills_what_is_not_there_yet(self, run: Run, desk: Desk, repos, hub: StartHub, folder: Path):
        started = hub(repos)
        run("ingest", "hf:org/base", "--index", desk.index)
        done = run("ingest", "--catalogue", "--family", "a", "--index", desk.index, "--json")
        assert (done.code, [line["path"] for line in done.lines]) == (0, ["hf:org/child"])
        before = len(started.asked)
        again = run("ingest", "--catalogue", "--family", "a", "--index", desk.index)
        assert (again.code, again.out, len(started.asked)) == (0, "", before)

    def test_a_model_that_is_gone_is_a_failure_among_others(self, run: Run, desk: Desk, repos, hub: StartHub, folder):
        hub(repos)
        done = run("ingest", "--catalogue", "--index", desk.index, "--json")
        assert sorted(line["event"] for line in done.lines) == ["failed", "ingested", "ingested"]
        assert done.code == 12

    def test_without_a_hub_there_is_one_line(self, run: Run, desk: Desk, folder, hub, own_servers, monkeypatch):
        hub({})
        own_servers.add(("127.0.0.1", 9))
        monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
        done = run("ingest", "--catalogue", "--index", desk.index)
        assert (done.code, done.err.count("\n")) == (12, 1)
        assert "127.0.0.1:9 cannot be reached" in done.err

    def test_wrong_usage(self, run: Run, desk: Desk, folder):
        assert run("ingest").code == 2
        assert run("ingest", desk.base, "--catalogue").code == 2
        assert run("ingest", desk.base, "--family", "a").code == 2
        done = run("ingest", "--catalogue", "--family", "c", "--index", desk.index)
        assert (done.code, done.err) == (1, "lineage: the catalogue has no family 'c'; it has a, b\n")

    def test_the_one_that_ships(self):
        models = store.catalogue()
        assert len(models) >= 150
        assert len({model.source for model in models}) == len({model.name for model in models}) == len(models)
        assert all(isinstance(parse(model.source), HubAddress) for model in models)
        assert {model.name for model in store.catalogue("whisper")} < {model.name for model in models}
        with pytest.raises(Unknown):
            store.catalogue("no such family")
