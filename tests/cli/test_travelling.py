"""Indexes that travel: exported, pulled as layers, updated by difference, imported; and what is refused on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from lineage import api
from lineage.errors import Malformed
from lineage.sketch import write_sketch
from lineage.store.manifest import MANIFEST, read_manifest
from tests.cli.conftest import Desk, Run
from tests.documents import ROOT, commands
from tests.small_models import sketched, trained, tuned


@pytest.fixture
def out(run: Run, desk: Desk) -> Path:
    """The index of `base` and `child`, exported."""
    assert run("ingest", desk.base, desk.child, "--index", desk.folder / "theirs").code == 0
    assert run("export", desk.folder / "out", "--index", desk.folder / "theirs").code == 0
    return desk.folder / "out"


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_a_layer_is_searched_beside_ones_own(run: Run, desk: Desk, out: Path):
    run("ingest", desk.stranger, "--index", desk.index)
    before = run("whois", desk.child, "--index", desk.index, "--no-reference", "--json").json
    assert before["verdict"] == "independent"
    assert run("pull", out, "--index", desk.index).code == 0
    after = run("whois", desk.child, "--index", desk.index, "--no-reference", "--json").json
    assert after["verdict"] == "identical"
    assert after["limits"]["index_id"].count("+") == 1
    listed = run("list", "--index", desk.index, "--no-reference", "--json").json["models"]
    assert {one["name"]: (one["layer"], one["reference"], one["weights_seen"]) for one in listed} == {
        "stranger": (None, False, True),
        "base": ("out", False, False),
        "child": ("out", False, False),
    }
    assert "not seen here" in run("show", "base", "--index", desk.index, "--no-reference").out
    (layer,) = run("layers", "--index", desk.index, "--json").json["layers"]
    assert (layer["name"], layer["models"], layer["address"]) == ("out", 2, str(out))
    assert run("graph", "--index", desk.index, "--no-reference").code == 0
    assert run("layers", "--remove", "out", "--index", desk.index).code == 0
    assert len(run("list", "--index", desk.index, "--no-reference", "--json").json["models"]) == 1
    assert run("layers", "--remove", "../out", "--index", desk.index).code == 1


def test_the_same_index_gives_the_same_bytes_and_no_path(run: Run, desk: Desk, out: Path):
    first = contents(out)
    assert run("export", out, "--index", desk.folder / "theirs").code == 0
    assert run("export", desk.folder / "again", "--index", desk.folder / "theirs").code == 0
    assert first == contents(out) == contents(desk.folder / "again")
    assert not any(str(desk.folder).encode() in content for content in first.values())
    (desk.folder / "full").mkdir()
    (desk.folder / "full" / "note.txt").touch()
    assert run("export", desk.folder / "full", "--index", desk.folder / "theirs").code == 1


def test_an_update_fetches_what_changed(run: Run, desk: Desk, out: Path):
    def pulled() -> dict[str, Any]:
        return run("pull", out, "--index", desk.index, "--json").json

    first = pulled()
    assert (first["files"], first["fetched"]) == (4, 4)
    assert pulled()["fetched"] == 0
    run("ingest", desk.stranger, "--index", desk.folder / "theirs")
    run("export", out, "--index", desk.folder / "theirs")
    assert pulled()["fetched"] == 2
    run("remove", "base", "--index", desk.folder / "theirs")
    run("export", out, "--index", desk.folder / "theirs")
    assert run("pull", "--index", desk.index, "--json").json["fetched"] == 0
    names = {one["name"] for one in run("list", "--index", desk.index, "--no-reference", "--json").json["models"]}
    assert names == {"child", "stranger"}


def test_a_file_that_was_changed_is_refused_and_named(run: Run, desk: Desk, out: Path):
    assert run("pull", out, "--index", desk.index).code == 0
    files = [file for file in sorted(out.rglob("*.*")) if file.name != MANIFEST]
    for i, file in enumerate(files):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        sound = file.read_bytes()
        file.write_bytes(bytes(content))
        fresh = desk.folder / f"fresh-{i}"  # what an earlier pull has, sound, is not fetched again
        done = run("pull", out, "--index", fresh)
        assert (done.code, len(done.err.splitlines())) == (12, 1)
        assert file.name in done.err
        assert run("layers", "--index", fresh, "--json").json["layers"] == []
        file.write_bytes(sound)
    assert run("pull", out, "--index", desk.folder / "fresh-0").code == 0  # it goes on where it was


def test_a_sketch_that_is_none_is_refused_even_if_the_manifest_has_it(run: Run, desk: Desk, out: Path):
    told = json.loads((out / MANIFEST).read_text())
    sketches = [file for file in told["files"] if file["path"].startswith("sketches/")]
    other = (out / sketches[1]["path"]).read_bytes()
    (out / sketches[0]["path"]).write_bytes(other)  # a sound sketch under the id of another model
    sketches[0] |= {"sha256": sketches[1]["sha256"], "bytes": sketches[1]["bytes"]}
    (out / MANIFEST).write_text(json.dumps(told))
    done = run("pull", out, "--index", desk.index)
    assert done.code == 12
    assert "another model than its name says" in done.err
    assert run("layers", "--index", desk.index, "--json").json["layers"] == []


@pytest.mark.parametrize(
    "changed",
    [
        {"path": "../sketches/00000000.sketch"},
        {"path": "/etc/passwd"},
        {"path": "sketches/../../00000000.sketch"},
        {"path": "sketches/00000000.sketch\n"},
        {"path": 3},
        {"sha256": "0"},
        {"sha256": None},
        {"bytes": -1},
        {"bytes": 1 << 40},
        {"bytes": True},
    ],
    ids=str,
)
def test_no_manifest_leads_elsewhere(changed: dict[str, Any]):
    sound = {"path": "sketches/00000000.sketch", "sha256": "0" * 64, "bytes": 1}
    said = {"schema": "lineage/manifest/1", "family": "lineage-2", "index_id": "x", "models": 1}
    assert read_manifest(json.dumps({**said, "files": [sound]}).encode(), "m").files[0].size == 1
    for files in ([{**sound, **changed}], [sound, sound]):
        with pytest.raises(Malformed):
            read_manifest(json.dumps({**said, "files": files}).encode(), "m")


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"[" * 100_000, b"\xff", b'{"schema": "lineage/manifest/2"}'])
def test_what_is_no_manifest_is_malformed(text: bytes):
    with pytest.raises(Malformed):
        read_manifest(text, "m")


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, Path]:
    """Two pairs of Ed25519 keys as openssl writes them, and a key of another kind."""
    made: dict[str, Path] = {}
    for name, kind in (("ours", ed25519.Ed25519PrivateKey), ("theirs", ed25519.Ed25519PrivateKey)):
        key = kind.generate()
        made[name] = tmp_path / f"{name}.pem"
        made[name].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        made[f"{name} public"] = tmp_path / f"{name}.pub.pem"
        made[f"{name} public"].write_bytes(
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
    other = ec.generate_private_key(ec.SECP256R1())
    made["other"] = tmp_path / "other.pem"
    made["other"].write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return made


def test_a_signature_is_asked_for_now_and_at_each_update(run: Run, desk: Desk, out: Path, keys: dict[str, Path]):
    theirs = ("--index", desk.folder / "theirs")
    pull = ("pull", out, "--index", desk.index, "--key", keys["ours public"])
    assert run(*pull).code == 12  # it is not signed
    assert run("export", out, "--sign", keys["ours"], *theirs).code == 0
    assert run("pull", out, "--index", desk.index, "--key", keys["theirs public"]).code == 12
    assert run("layers", "--index", desk.index, "--json").json["layers"] == []
    assert run(*pull).code == 0
    run("ingest", desk.stranger, *theirs)
    for sign, code in (((), 12), (("--sign", keys["theirs"]), 12), (("--sign", keys["ours"]), 0)):
        assert run("export", out, *sign, *theirs).code == 0
        assert run("pull", "--index", desk.index).code == code
    manifest = out / MANIFEST
    manifest.write_bytes(manifest.read_bytes() + b"\n")
    done = run("pull", "--index", desk.index)
    assert (done.code, "is not signed by this key" in done.err) == (12, True)


def test_what_is_no_key_is_said(run: Run, desk: Desk, out: Path, keys: dict[str, Path]):
    theirs = ("--index", desk.folder / "theirs")
    for key in (keys["other"], keys["ours public"], out / MANIFEST):
        assert run("export", out, "--sign", key, *theirs).code == 12
    for key in (keys["ours"], keys["other"], out / MANIFEST):
        assert run("pull", out, "--key", key, "--index", desk.index).code == 12
    assert run("pull", "--key", keys["ours public"], "--index", desk.index).code == 2


def test_import_merges(run: Run, desk: Desk, out: Path):
    run("ingest", desk.stranger, "--index", desk.index)
    first = run("import", out, "--index", desk.index, "--json").lines
    assert sorted((one["event"], one["name"]) for one in first) == [("ingested", "base"), ("ingested", "child")]
    assert {one["event"] for one in run("import", out, "--index", desk.index, "--json").lines} == {"unchanged"}
    listed = run("list", "--index", desk.index, "--no-reference", "--json").json["models"]
    seen = {one["name"]: one["weights_seen"] for one in listed}
    assert seen == {"base": False, "child": False, "stranger": True}
    assert run("doctor", "--index", desk.index).code == 0


class Failing(SimpleHTTPRequestHandler):
    """Files of a folder; every twentieth request fails, in one of three ways."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if len(self.asked) % 20 == 7:
            way = len(self.asked) // 20 % 3
            if way == 0:
                self.send_error(503)
                return
            if way == 1:
                self.close_connection = True
                return
            content = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def server(folder: Path) -> Iterator[str]:
    Failing.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Failing, directory=str(folder))) as httpd:
        thread = Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()
        thread.join()


def test_a_server_that_fails_now_and_then_gives_the_same_bytes(desk: Desk, own_servers, monkeypatch):
    monkeypatch.setattr("lineage.checkpoints.remote.session.FIRST_PAUSE_S", 0.001)
    base = trained(1)
    for seed in range(20):
        write_sketch(sketched(tuned(base, 10 + seed), f"model-{seed}"), desk.folder / f"model-{seed}.sketch")
    for _ in api.ingest(sorted(desk.folder.glob("*.sketch")), desk.folder / "theirs"):
        pass
    made = api.export(desk.folder / "out", desk.folder / "theirs")
    with server(desk.folder / "out") as address:
        own_servers.add(("127.0.0.1", int(address.rpartition(":")[2])))
        done = api.pull(address, desk.index, name="web")
        asked = len(Failing.asked)
        assert (done.fetched, asked > len(made.files) + 2) == (40, True)
        assert api.pull(address, desk.index, name="web").fetched == 0
        assert Failing.asked[asked:] == [f"/{MANIFEST}"]
    fetched = contents(desk.index / "layers" / done.layer.folder)
    assert {path: content for path, content in fetched.items() if not path.startswith("cache/")} == contents(
        desk.folder / "out"
    )


def test_every_command_of_the_page_runs(run: Run, desk: Desk, monkeypatch):
    monkeypatch.chdir(desk.folder)
    monkeypatch.setattr("lineage.store.reference.reference_folder", lambda: None)
    assert run("ingest", desk.base).code == 0
    found = commands((ROOT / "docs" / "sharing.md").read_text(encoding="utf-8"))
    assert len(found) == 6
    for words in found:
        done = run(*words)
        assert (done.code, done.err) == (0, ""), words
