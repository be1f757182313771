"""The container file: what it promises is written in it, and it is built and run where a daemon answers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
import uuid

import click
import pytest

from lineage.cli import lineage
from tests.documents import ROOT

TEXT = (ROOT / "Containerfile").read_text(encoding="utf-8")
LINES = re.sub(r"\\\n\s*", " ", TEXT).splitlines()
STEPS = [tuple(line.split(" ", 1)) for line in LINES if line and not line.startswith("#")]


def said(word: str) -> list[str]:
    return [rest for name, rest in STEPS if name == word]


def test_it_begins_with_a_slim_debian_of_a_named_version():
    bases = [base.split()[0] for base in said("FROM")]
    assert all(re.fullmatch(r"python:3\.\d+-slim-bookworm", base) for base in bases)
    version = bases[-1].removeprefix("python:").partition("-")[0]
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["classifiers"]
    assert f"Programming Language :: Python :: {version}" in classifiers


def test_what_it_starts_is_not_root_and_a_command():
    last = [name for name, _ in STEPS]
    (user,) = said("USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert last.index("USER") < last.index("ENTRYPOINT")
    assert "RUN" not in last[last.index("USER") :]
    assert not said("ADD")
    words = [*json.loads(said("ENTRYPOINT")[0]), *json.loads(said("CMD")[0])]
    assert words[0] == "lineage"
    command = lineage.get_command(click.Context(lineage), words[1])
    assert {word for word in words if word.startswith("--")} <= {o for one in command.params for o in one.opts}
    settings = dict(pair.split("=", 1) for pair in said("ENV")[0].split())
    assert {name: value for name, value in settings.items() if "LINEAGE" in name or "HOME" in name} == {
        "HOME": "/data",
        "XDG_CACHE_HOME": "/data/cache",
        "LINEAGE_INDEX": "/data/index",
        "LINEAGE_STATE": "/data/state",
    }


def test_what_is_copied_is_there_and_reaches_the_build():
    let_in = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for rest in said("COPY"):
        words = rest.split()
        if words[0].startswith("--from"):
            continue
        for name in words[:-1]:
            assert (ROOT / name).exists()
            assert f"!{name}" in let_in


def has_daemon() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False, timeout=60).returncode == 0


def test_it_is_built_and_answers_on_a_file_system_that_is_read_only():
    if not has_daemon():
        pytest.skip("no daemon of containers answers here")
    name = f"lineage-test-{uuid.uuid4().hex[:8]}"
    subprocess.run(["docker", "build", "-q", "-t", name, "-f", "Containerfile", "."], cwd=ROOT, check=True)
    try:
        confined = ["docker", "run", "--rm", "--read-only", "--tmpfs", "/tmp", "--tmpfs", "/data:uid=10001", name]
        done = subprocess.run([*confined, "token", "me", "--json"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        asked = ["docker", "run", "--rm", "--entrypoint", "id", name, "-u"]
        owner = subprocess.run(asked, capture_output=True, check=True)
        assert owner.stdout.strip() == b"10001"
    finally:
        subprocess.run(["docker", "rmi", "-f", name], capture_output=True, check=False)
