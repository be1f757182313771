"""What a hostile server can try, and what happens then."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hub_server import COMMIT, Hub

from lineage.checkpoints import open_checkpoint
from lineage.checkpoints.remote import hub as hub_module
from lineage.checkpoints.remote import session
from lineage.checkpoints.remote.ranges import Extent, Span
from lineage.checkpoints.remote.session import Broken, Reply, _redirected
from lineage.checkpoints.remote.source import Source
from lineage.cli import lineage
from lineage.cli.failures import guarded
from lineage.errors import CheckpointError, Malformed, NoWeights, Unreachable
from tests.checkpoint_files import safetensors_bytes

StartHub = Callable[..., Hub]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    (tmp_path / "net/model.safetensors").write_bytes(safetensors_bytes({"w": np.ones((4, 4), np.float32)}))
    return tmp_path / "net"


def refused(address: str) -> str:
    with pytest.raises(CheckpointError) as error:
        open_checkpoint(address)
    assert "\n" not in str(error.value)
    return str(error.value)


NO_ADDRESSES = [
    "https://[::1", "https://[x]/a", "https://h:0/a", "https://h:99999/a", "https://h:port/a", "https://h:-1/a",
    "https://h]/a", "https://[::1]x/a", "https://" + "a" * 80 + "/b", "https://a..b/c", "https://\uff0f/a",
    "https://h:8\u0663/a",
]  # fmt: skip


@pytest.mark.parametrize("address", NO_ADDRESSES)
@pytest.mark.parametrize("tail", ["", "?token=secret", "/a.safetensors?token=secret#x"])
def test_an_address_that_is_none_is_refused_in_one_line(address: str, tail: str, capsys) -> None:
    code = guarded(lambda: lineage.main(["whois", address + tail], prog_name="lineage", standalone_mode=False))
    told = capsys.readouterr().err
    assert code == 12, told
    assert told.count("\n") == 1
    assert "is not an address that can be read" in told
    assert "unexpected" not in told
    assert "secret" not in told


@pytest.mark.parametrize("named", ["https://[", "https://h:99999", "hub"])
def test_a_hub_that_is_no_address_is_named(named: str, monkeypatch, capsys) -> None:
    monkeypatch.setenv("HF_ENDPOINT", named)
    code = guarded(lambda: lineage.main(["whois", "hf:org/net"], prog_name="lineage", standalone_mode=False))
    assert (code, capsys.readouterr().err) == (
        12,
        "lineage: HF_ENDPOINT: is not an address of a hub: write https://host\n",
    )


def test_a_proxy_that_is_no_address_is_named(monkeypatch, capsys) -> None:
    monkeypatch.setenv("https_proxy", "http://[")
    words = ["whois", "https://h.invalid/a.safetensors"]
    code = guarded(lambda: lineage.main(words, prog_name="lineage", standalone_mode=False))
    assert code == 12
    assert "the proxy that the environment sets" in capsys.readouterr().err


class TestRedirects:
    def test_without_end(self, folder: Path, hub: StartHub) -> None:
        started = hub({"org/net": folder})
        started.redirect = f"{started.url}/org/net/resolve/{COMMIT}/model.safetensors"
        assert "redirects more than 5 times" in refused("hf:org/net")
        assert len(started.asked) == 1 + session.MAX_REDIRECTS + 1

    @pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://host/x", "data:,x", "javascript:1"])
    def test_out_of_http(self, target: str, folder: Path, hub: StartHub) -> None:
        hub({"org/net": folder}, redirect=target)
        assert "redirects to an address of scheme" in refused("hf:org/net")

    def test_from_https_to_http(self) -> None:
        assert _redirected("x", "http://a/b", "https://c/d") == "https://c/d"
        for location in NO_ADDRESSES:
            with pytest.raises(Unreachable, match="redirects to something that is not an address"):
                _redirected("x", "http://a/b", location.replace("https:", "http:"))
        assert _redirected("x", "https://a/b", "/c?d") == "https://a/c?d"
        with pytest.raises(Unreachable, match="scheme 'http'"):
            _redirected("x", "https://a/b", "http://c/d")

    def test_to_another_server_that_wants_the_token(
        self, folder: Path, hub: StartHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HF_TOKEN", "very-secret")
        started = hub({"org/net": folder})
        open_checkpoint("hf:org/net")
        monkeypatch.setenv("HF_ENDPOINT", started.store)
        assert {asked.token for asked in started.asked if asked.origin == "store"} == {None}
        assert "very-secret" not in refused("hf:org/other")


class TestListings:
    def test_names_that_lead_out_of_the_repository_are_not_in_it(self, folder: Path, hub: StartHub) -> None:
        names = ["../x.safetensors", "/etc/x.safetensors", "a/../../x.safetensors", "a\\b.safetensors", "\x1b[2J", ""]
        facts: list[Any] = [{"rfilename": name, "size": 10} for name in names]
        hub(
            {"org/net": folder},
            extra=[*facts, None, 3, {}, {"rfilename": 5}, {"rfilename": "a", "lfs": [], "size": -1}],
        )
        assert open_checkpoint("hf:org/net").nbytes == (folder / "model.safetensors").stat().st_size

    def test_a_size_that_is_not_the_files(self, folder: Path, hub: StartHub) -> None:
        size = 1 << 40
        hub({"org/net": folder}, extra=[{"rfilename": "model.safetensors", "size": size, "lfs": {"size": size}}])
        assert "changed at its server" in refused("hf:org/net")

    def test_one_without_end(self, folder: Path, hub: StartHub, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(hub_module, "MAX_LISTING", 300)
        hub({"org/net": folder}, extra=[{"rfilename": f"{i}.txt"} for i in range(100)])
        assert "listing of its files is over 300 bytes" in refused("hf:org/net")

    @pytest.mark.parametrize("commit", ["../../x", "main", "A" * 40, 5, None])
    def test_a_commit_that_is_none(
        self, commit: object, folder: Path, hub: StartHub, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hub_server.COMMIT", commit)
        hub({"org/net": folder})
        assert "without a commit" in refused("hf:org/net")


class TestFiles:
    @pytest.mark.parametrize("shard", ["../x.safetensors", "/etc/passwd", "https://host/x", "a/../../x", "", "a//b"])
    def test_an_index_that_names_a_file_outside(self, shard: str, folder: Path, hub: StartHub) -> None:
        (folder / "model.safetensors").unlink()
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": shard}}))
        started = hub({"org/net": folder})
        for address in ("hf:org/net", f"{started.url}/plain/org/net/model.safetensors.index.json"):
            with pytest.raises((Malformed, NoWeights)):
                open_checkpoint(address)
        assert not any("passwd" in asked.path or "x.safetensors" in asked.path for asked in started.asked)

    def test_content_of_another_address_under_the_same_etag_is_not_taken(self, folder: Path, hub: StartHub) -> None:
        (folder / "other").mkdir()
        (folder / "other/net.safetensors").write_bytes(safetensors_bytes({"w": np.zeros((4, 4), np.float32)}))
        (folder / "net.safetensors").write_bytes(safetensors_bytes({"w": np.ones((4, 4), np.float32)}))
        started = hub({"org/net": folder}, etag=lambda path: '"same"')
        found = []
        for place in ("net.safetensors", "other/net.safetensors"):
            (view,) = open_checkpoint(f"{started.url}/plain/org/net/{place}").tensors
            found.append(float(view.rows(0, 4).mean()))
        assert found == [1.0, 0.0]


class Raw:
    """An answer in memory."""

    reason = ""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self._body = body

    def read1(self, size: int) -> bytes:
        part, self._body = self._body[:size], self._body[size:]
        return part


class OneAnswer:
    """A session that gives one answer to everything, and does not ask again."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.gives_several: dict[str, bool] = {}
        self.probing = threading.Lock()
        self._answer = status, headers, body

    def get(self, shown: object, url: str, headers: object, take: Callable[[Reply], Any]) -> Any:
        return take(Reply(Raw(*self._answer), url))


MULTIPART = "multipart/byteranges; boundary=b"
PART = b"\r\n--b\r\nContent-Range: bytes %d-%d/100000\r\n\r\n%s"


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (206, {}, b"x" * 10),
        (206, {"Content-Range": "bytes 5-14/100000"}, b"x" * 10),
        (206, {"Content-Range": "bytes 0-99/100000"}, b"x" * 100),
        (206, {"Content-Range": "bytes 0-9/100000"}, b"x" * 9),
        (206, {"Content-Range": "bytes 0-9/100001"}, b"x" * 10),
        (206, {"Content-Range": "bytes 0-9/100000", "Content-Encoding": "gzip"}, b"x" * 10),
        (206, {"Content-Type": MULTIPART}, b""),
        (206, {"Content-Type": MULTIPART}, PART % (0, 9, b"x" * 10)),
        (206, {"Content-Type": MULTIPART}, PART % (0, 99999999999999999, b"x" * 10) + b"\r\n--b--"),
        (206, {"Content-Type": MULTIPART}, PART % (50, 59, b"x" * 10) + b"\r\n--b--"),
        (206, {"Content-Type": MULTIPART}, b"\r\n--b\r\n" + b"a: b\r\n" * 100_000),
        (200, {}, b"x" * 99_999),
        (200, {"Content-Length": "1" * 30}, b"x"),
        (416, {"Content-Range": "bytes */50"}, b""),
        (418, {}, b""),
        (404, {}, b""),
    ],
)
@pytest.mark.parametrize("spans", [[Span(0, 10)], [Span(0, 10), Span(90_000, 90_010)]])
def test_an_answer_that_is_not_what_was_asked_for(
    status: int, headers: dict[str, str], body: bytes, spans: list[Span]
) -> None:
    """Nothing is believed: the size stays, and no byte is taken for another."""
    asked: Any = OneAnswer(status, headers, body)
    source = Source(asked, Path("net"), "http://host/net", 100_000)
    with pytest.raises((Unreachable, Broken)):
        source.together(spans) or source.one(Span(spans[0].start, spans[-1].stop))
    assert source.size == 100_000


def test_an_answer_with_more_ranges_than_asked_for() -> None:
    body = b"".join(PART % (a, a + 9, bytes([a]) * 10) for a in (40, 80, 0)) + b"\r\n--b--\r\n"
    asked: Any = OneAnswer(206, {"Content-Type": MULTIPART}, body)
    source = Source(asked, Path("net"), "http://host/net", 100_000)
    assert sorted(source.one(Span(0, 10))) == [Extent(a, bytes([a]) * 10) for a in (0, 40, 80)]


def test_an_answer_that_drips(monkeypatch: pytest.MonkeyPatch) -> None:
    hours = iter(range(0, 10**9, 3600))
    # Not `time.monotonic` itself: a service of another test that waits in a thread would never wake up again.
    monkeypatch.setattr(session, "time", SimpleNamespace(monotonic=lambda: float(next(hours))))
    with pytest.raises(Broken, match="bytes a second"):
        Reply(Raw(200, {}, b"x" * (3 << 20)), "http://host/net").body(4 << 20)
