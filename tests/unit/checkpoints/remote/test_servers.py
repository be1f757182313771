"""How a model at a server is read: what is asked, of whom, and what is said when the answer is no."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import numpy as np
import pytest
from hub_server import COMMIT, Asked, Hub

from lineage.checkpoints import open_checkpoint, open_merged
from lineage.checkpoints.remote import session
from lineage.errors import (
    CheckpointError,
    LineageError,
    Malformed,
    MissingExtra,
    NoWeights,
    Unreachable,
    UnsupportedFormat,
)
from lineage.sketch import sketch_checkpoint
from lineage.sketch.tensor_pass import Made, sketch_tensors
from lineage.types import Checkpoint, Declared, TensorView
from tests.adapter_files import drawn, write_adapter
from tests.checkpoint_files import safetensors_bytes, whole, write_gguf_split, write_shards, write_torch

StartHub = Callable[..., Hub]


def weights(rows: int = 4, value: float = 1.0) -> dict[str, np.ndarray]:
    return {"a.weight": np.full((rows, 512), value, np.float32), "a.bias": np.zeros(8, np.float32)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "model.safetensors").write_bytes(safetensors_bytes(weights()))
    return tmp_path / "net"


def refused(address: str, kind: type[LineageError] = Unreachable) -> str:
    with pytest.raises(kind) as error:
        sketch_checkpoint(open_checkpoint(address), "sampled")
    assert "\n" not in str(error.value)
    return str(error.value)


class TestHub:
    def test_a_repository_is_read_at_one_commit_with_its_card(self, folder: Path, hub: StartHub) -> None:
        (folder / "README.md").write_text("---\nlicense: mit\nbase_model: org/base\n---\n")
        (folder / "config.json").write_text('{"model_type": "bert"}')
        started = hub({"org/net": folder})
        checkpoint = open_checkpoint("hf:org/net")
        assert (checkpoint.name, checkpoint.path) == ("org/net", f"hf:org/net@{COMMIT}")
        assert (checkpoint.licence, checkpoint.config) == ("mit", {"model_type": "bert"})
        assert checkpoint.declared == (Declared("org/base", None, "README.md base_model"),)
        assert checkpoint.nbytes == (folder / "model.safetensors").stat().st_size
        assert set(whole(checkpoint)) == {"a.weight", "a.bias"}
        assert all(f"/resolve/{COMMIT}/" in asked.path for asked in started.asked[1:] if asked.origin == "hub")

    def test_a_file_of_a_repository_is_named_after_itself(self, folder: Path, hub: StartHub) -> None:
        (folder / "net-q4.safetensors").write_bytes(safetensors_bytes(weights(2)))
        hub({"org/net": folder})
        checkpoint = open_checkpoint("hf:org/net@main/net-q4.safetensors")
        assert (checkpoint.name, checkpoint.path) == ("net-q4", f"hf:org/net@{COMMIT}/net-q4.safetensors")
        assert open_checkpoint("hf:org/net/model.safetensors").name == "org/net"

    def test_the_rules_of_a_folder_on_disk_hold(self, tmp_path: Path, hub: StartHub) -> None:
        write_torch(tmp_path, weights(2))
        hub({"org/net": tmp_path})
        assert open_checkpoint("hf:org/net").format == "torch"
        (tmp_path / "net.safetensors").write_bytes(safetensors_bytes(weights()))
        assert open_checkpoint("hf:org/net").format == "safetensors"
        (tmp_path / "two.safetensors").write_bytes(safetensors_bytes(weights()))
        assert "several models (net.safetensors, two.safetensors)" in refused("hf:org/net", UnsupportedFormat)

    def test_a_sub_folder_with_the_only_weights_and_one_that_is_named(self, tmp_path: Path, hub: StartHub) -> None:
        for name in ("unet", "vae"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "config.json").write_text(json.dumps({"model_type": name}))
        (tmp_path / "unet" / "model.safetensors").write_bytes(safetensors_bytes(weights()))
        hub({"org/net": tmp_path})
        assert open_checkpoint("hf:org/net").config == {"model_type": "unet"}
        (tmp_path / "vae" / "model.safetensors").write_bytes(safetensors_bytes(weights()))
        assert "several models (unet, vae)" in refused("hf:org/net", UnsupportedFormat)
        assert open_checkpoint("hf:org/net/vae").path == f"hf:org/net@{COMMIT}/vae"
        assert open_checkpoint("hf:org/net/vae").config == {"model_type": "vae"}

    def test_a_repository_without_weights(self, tmp_path: Path, hub: StartHub) -> None:
        (tmp_path / "README.md").write_text("# nothing")
        hub({"org/net": tmp_path})
        assert "holds no weights" in refused("hf:org/net", NoWeights)

    def test_an_adapter_is_read_and_merged(self, tmp_path: Path, hub: StartHub) -> None:
        base, adapter = tmp_path / "base", write_adapter(tmp_path / "lora", drawn({"q": (5, 4)}, rank=2, seed=1))
        base.mkdir()
        (base / "model.safetensors").write_bytes(safetensors_bytes({"q.weight": np.ones((5, 4), np.float32)}))
        hub({"org/lora": adapter, "org/base": base})
        (there,), (here,) = open_checkpoint("hf:org/lora").tensors, open_checkpoint(adapter).tensors
        np.testing.assert_array_equal(there.rows(0, 5), here.rows(0, 5))
        merged = open_merged("hf:org/base", "hf:org/lora")
        for depth in ("sampled", "full"):
            assert sketch_checkpoint(merged, depth).id == sketch_checkpoint(open_merged(base, adapter), depth).id

    def test_an_adapter_of_another_kind_names_its_base(self, tmp_path: Path, hub: StartHub) -> None:
        said = '{"peft_type": "IA3", "base_model_name_or_path": "org/base"}'
        (tmp_path / "adapter_config.json").write_text(said)
        (tmp_path / "adapter_model.safetensors").write_bytes(safetensors_bytes(weights()))
        hub({"org/net": tmp_path})
        assert "org/base" in refused("hf:org/net", UnsupportedFormat)

    def test_missing_gated_and_unknown_things_are_one_clear_line(self, folder: Path, hub: StartHub) -> None:
        hub({"org/net": folder}, gated={"org/net"})
        assert refused("hf:org/other").startswith("hf:org/other@main: no such repository, or a private one")
        assert "no such revision" in refused("hf:org/net@v9")
        assert "no such file" in refused("hf:org/net/other.gguf")
        line = refused("hf:org/net")
        assert line.startswith(f"hf:org/net@{COMMIT}/model.safetensors: is gated")
        assert "HF_TOKEN" in line

    def test_a_token_opens_what_is_gated_and_goes_to_the_hub_alone(
        self, folder: Path, hub: StartHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        started = hub({"org/net": folder}, gated={"org/net"})
        monkeypatch.setenv("HF_TOKEN", started.token)
        assert set(whole(open_checkpoint("hf:org/net"))) == {"a.weight", "a.bias"}
        assert {asked.token for asked in started.asked if asked.origin == "hub"} == {started.token}
        assert {asked.token for asked in started.asked if asked.origin == "store"} == {None}

    def test_an_answer_that_is_no_listing(self, folder: Path, hub: StartHub, monkeypatch: pytest.MonkeyPatch) -> None:
        started = hub({"org/net": folder})
        monkeypatch.setenv("HF_ENDPOINT", f"{started.url}/plain/org/net/model.safetensors?")
        assert "is not valid JSON" in refused("hf:org/net", CheckpointError)

    def test_urllib3_is_an_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def none(name: str) -> None:
            raise ImportError(name)

        monkeypatch.setattr(session, "import_module", none)
        assert "weight-lineage[hub]" in refused("hf:org/net", MissingExtra)


class TestWeb:
    def test_a_file_and_the_texts_beside_it(self, folder: Path, hub: StartHub) -> None:
        (folder / "config.json").write_text('{"model_type": "bert"}')
        started = hub({"org/net": folder})
        checkpoint = open_checkpoint(f"{started.url}/plain/org/net/model.safetensors?signature=secret")
        assert (checkpoint.name, checkpoint.config) == ("net", {"model_type": "bert"})
        assert checkpoint.path == f"{started.url}/plain/org/net/model.safetensors"
        assert "signature=secret" in started.asked[0].path

    def test_an_index_of_shards(self, tmp_path: Path, hub: StartHub) -> None:
        write_shards(tmp_path, weights())
        started = hub({"org/net": tmp_path})
        checkpoint = open_checkpoint(f"{started.url}/plain/org/net/model.safetensors.index.json")
        assert set(whole(checkpoint)) == {"a.weight", "a.bias"}
        (tmp_path / "model-00002-of-00002.safetensors").unlink()
        line = refused(f"{started.url}/plain/org/net/model.safetensors.index.json", NoWeights)
        assert "'model-00002-of-00002.safetensors' is missing" in line

    def test_a_split_file(self, tmp_path: Path, hub: StartHub) -> None:
        write_gguf_split(tmp_path, weights())
        first = min(tmp_path.glob("*.gguf"))
        started = hub({"org/net": tmp_path})
        checkpoint = open_checkpoint(f"{started.url}/plain/org/net/{first.name}")
        assert set(whole(checkpoint)) == {"a.weight", "a.bias"}

    def test_what_is_not_there(self, folder: Path, hub: StartHub) -> None:
        started = hub({"org/net": folder})
        assert "404" in refused(f"{started.url}/plain/org/net/other.safetensors")
        assert "name a file" in refused(f"{started.url}/plain/org/net/", UnsupportedFormat)
        assert "download it" in refused(f"{started.url}/plain/org/net/x.sketch", UnsupportedFormat)

    def test_an_empty_file(self, folder: Path, hub: StartHub) -> None:
        (folder / "none.safetensors").touch()
        started = hub({"org/net": folder})
        assert "is empty" in refused(f"{started.url}/plain/org/net/none.safetensors", CheckpointError)

    def test_nobody_answers(self, hub: StartHub, own_servers: set[tuple[str, int]]) -> None:
        own_servers.add(("127.0.0.1", 9))
        line = refused("http://127.0.0.1:9/a.gguf?signature=secret")
        assert line == (
            "http://127.0.0.1:9/a.gguf: 127.0.0.1:9 cannot be reached, "
            f"{session.TRIES_TO_CONNECT} times over: try again later"
        )


class TestFaults:
    def test_a_server_that_never_recovers(self, folder: Path, hub: StartHub) -> None:
        started = hub({"org/net": folder}, faults=lambda asked, number: "503")
        assert "answers 503 Service Unavailable, 6 times over: try again later" in refused("hf:org/net")
        assert len(started.asked) == session.TRIES

    def test_a_file_that_changes_while_it_is_read_is_refused(self, folder: Path, hub: StartHub) -> None:
        (folder / "model.safetensors").write_bytes(safetensors_bytes(weights(2000)))
        numbers = count()
        for weak in ("", "W/"):
            hub({"org/net": folder}, etag=lambda path, weak=weak: f'{weak}"{next(numbers)}"')
            assert "changed at its server while it was read" in refused("hf:org/net")

    def test_a_file_of_another_size_is_refused_even_without_an_etag(self, folder: Path, hub: StartHub) -> None:
        (folder / "model.safetensors").write_bytes(safetensors_bytes(weights(2000)))
        hub({"org/net": folder}, etag=lambda path: None)
        checkpoint = open_checkpoint("hf:org/net")
        (folder / "model.safetensors").write_bytes(safetensors_bytes(weights(2001)))
        with pytest.raises(Unreachable, match="changed at its server"):
            sketch_checkpoint(checkpoint, "sampled")

    def test_a_large_file_without_ranges_is_not_read(
        self, folder: Path, hub: StartHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("lineage.checkpoints.remote.source.WHOLE", 5000)
        started = hub({"org/net": folder}, ranges=False)
        assert "gives no ranges" in refused("hf:org/net")
        assert len(started.asked) == 3  # the listing, where the file lies, the file

    def test_a_pause_that_is_asked_for_is_kept(self) -> None:
        assert session._asked_pause("7") == 7.0
        assert session._asked_pause("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
        assert session._asked_pause("Fri, 31 Dec 9999 23:59:59 GMT") > session.LONGEST_PAUSE_S
        assert [session._asked_pause(text) for text in (None, "", "soon", "-5", "1e9")] == [0.0] * 5

    def test_a_pause_beyond_patience_is_an_error(
        self, folder: Path, hub: StartHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(session, "_asked_pause", lambda text: 3600.0)
        started = hub({"org/net": folder}, faults=lambda asked, number: "429")
        assert "answers 429 Too Many Requests" in refused("hf:org/net")
        assert len(started.asked) == 1

    def test_an_address_that_has_expired_is_asked_for_again(self, folder: Path, hub: StartHub) -> None:
        (folder / "model.safetensors").write_bytes(safetensors_bytes(weights(2000)))
        started = hub({"org/net": folder})
        checkpoint = open_checkpoint("hf:org/net")
        first = [asked for asked in started.asked if asked.origin == "store"]
        started.expired = {asked.path for asked in first}
        started.signature = "2"
        assert sketch_checkpoint(checkpoint, "sampled").tensors
        assert any("signature=2" in asked.path for asked in started.asked)


class TestEconomy:
    def test_bands_are_fetched_together_and_little_else(self, folder: Path, hub: StartHub) -> None:
        rng = np.random.default_rng(1)
        arrays = {f"{i}.weight": rng.standard_normal((4096, 256)).astype(np.float32) for i in range(6)}
        (folder / "model.safetensors").write_bytes(safetensors_bytes(arrays))
        started = hub({"org/net": folder})
        made = sketch_checkpoint(open_checkpoint("hf:org/net"), "sampled")
        assert len(started.asked) <= 10
        assert started.sent < 1.25 * made.bytes_read + (1 << 18)

    def test_without_several_ranges_near_ones_are_joined(self, folder: Path, hub: StartHub) -> None:
        rng = np.random.default_rng(1)
        arrays = {f"{i}.weight": rng.standard_normal((4096, 256)).astype(np.float32) for i in range(6)}
        (folder / "model.safetensors").write_bytes(safetensors_bytes(arrays))
        started = hub({"org/net": folder}, several_ranges=False)
        sketch_checkpoint(open_checkpoint("hf:org/net"), "sampled")
        assert len(started.asked) < 6 * 15
        assert sum("," in (asked.range or "") for asked in started.asked) <= session.CONNECTIONS

    def test_without_several_ranges_the_connections_share_what_lies_together(self, folder: Path, hub: StartHub) -> None:
        rng = np.random.default_rng(1)
        arrays = {f"{i}.weight": rng.standard_normal((4096, 256)).astype(np.float32) for i in range(4)}
        (folder / "model.safetensors").write_bytes(safetensors_bytes(arrays))
        meeting, met = Barrier(len(arrays)), Event()

        def wait_for_the_others(asked: Asked, _number: int) -> None:
            if opened and asked.origin == "store" and "," not in str(asked.range) and not met.is_set():
                meeting.wait(timeout=20)
                met.set()

        opened: list[Checkpoint] = []
        hub({"org/net": folder}, several_ranges=False, faults=wait_for_the_others)
        opened.append(open_checkpoint("hf:org/net"))
        sketch_checkpoint(opened[0], "sampled")
        assert met.is_set()

    def test_what_was_read_is_not_asked_for_again(self, folder: Path, hub: StartHub) -> None:
        (folder / "model.safetensors").write_bytes(safetensors_bytes(weights(2000)))
        started = hub({"org/net": folder})
        first = sketch_checkpoint(open_checkpoint("hf:org/net"), "sampled")
        before = len(started.asked)
        assert sketch_checkpoint(open_checkpoint("hf:org/net"), "sampled").id == first.id
        assert len(started.asked) == before + 1  # the listing

    def test_a_read_that_was_killed_goes_on(self, folder: Path, hub: StartHub) -> None:
        rng = np.random.default_rng(1)
        arrays = {f"{i}.weight": rng.standard_normal((1100, 256)).astype(np.float32) for i in range(40)}
        (folder / "model.safetensors").write_bytes(safetensors_bytes(arrays))

        class Killed(BaseException):
            pass

        def kill(done: int, total: int) -> None:
            raise Killed

        started = hub({"org/net": folder}, several_ranges=False)
        with pytest.raises(Killed):
            sketch_checkpoint(open_checkpoint("hf:org/net"), "full", watch=kill)
        first = started.sent
        sketch_checkpoint(open_checkpoint("hf:org/net"), "full")
        size = (folder / "model.safetensors").stat().st_size
        assert 0 < first < size
        assert started.sent < 1.2 * size

    def test_after_a_failure_no_thread_goes_on_asking(
        self, folder: Path, hub: StartHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rng = np.random.default_rng(1)
        arrays = {f"{i}.weight": rng.standard_normal((2048, 256)).astype(np.float32) for i in range(40)}
        (folder / "model.safetensors").write_bytes(safetensors_bytes(arrays))
        monkeypatch.setattr("lineage.checkpoints.remote.prefetch.MOST_BYTES", 1 << 19)

        def failing(views: Sequence[TensorView], *others: Any) -> list[Made]:
            if views[0].name == "0.weight":
                raise Malformed(folder, "fails")
            return sketch_tensors(views, *others)

        monkeypatch.setattr("lineage.sketch.checkpoint_pass.sketch_tensors", failing)
        started = hub({"org/net": folder}, latency_s=0.01)
        assert "fails" in refused("hf:org/net", CheckpointError)
        assert len(started.asked) < 60


def test_a_request_is_one_for_many_columns(folder: Path, hub: StartHub) -> None:
    """Short reads that nobody foresaw come out of blocks."""
    array = np.asfortranarray(np.random.default_rng(1).standard_normal((64, 4096)).astype(np.float32))
    np.savez(folder / "net.npz", w=array)
    (folder / "model.safetensors").unlink()
    started = hub({"org/net": folder})
    (view,) = open_checkpoint("hf:org/net").tensors
    for row in range(0, 64, 8):
        assert np.array_equal(view.rows(row, row + 1), array[row : row + 1])
    assert len(started.asked) < 20
