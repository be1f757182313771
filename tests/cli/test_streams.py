"""Standard streams that are closed or full, and little memory: one line, the documented exit code, nothing ignored."""

from __future__ import annotations

import resource
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import COMMAND, ROOT, Desk
from tests.systems import needs_linux

pytestmark = needs_linux


def ended(words: str, how: str, desk: Desk) -> tuple[int, list[str]]:
    """The exit code and what a shell lets through to standard error."""
    line = f'exec {how} ; exec "$@"'
    settings = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "LINEAGE_INDEX": str(desk.index)}
    done = subprocess.run(
        ["bash", "-c", line, "bash", *COMMAND, *words.split()], cwd=desk.folder, capture_output=True, text=True,
        check=False, timeout=60, env=settings,
    )  # fmt: skip
    return done.returncode, done.stderr.splitlines()


@pytest.fixture(autouse=True)
def ingested(run, desk):
    run("ingest", desk.stranger, "--index", desk.index)


FULL = ["lineage: standard output: No space left on device"]
CLOSED = ["lineage: standard output is closed, so no answer can be printed (`> /dev/null` discards it)"]


@pytest.mark.parametrize(
    ("words", "how", "code", "said"),
    [
        ("list --json", "> /dev/full", 1, FULL),
        ("--help", "> /dev/full", 1, FULL),
        ("list", ">&-", 1, CLOSED),
        ("--version", "2>&- >&-", 1, []),
        ("list", "2>&-", 0, []),
        ("list", "<&-", 0, []),
        ("ingest base.safetensors", "2>&-", 0, []),
        ("whois nothing.pt", "> /dev/full", 12, ["lineage: nothing.pt: no such file or folder"]),
        ("whois nothing.pt", "2> /dev/full", 12, []),
        ("list --wrong", "2> /dev/full", 2, []),
    ],
)
def test_streams(desk, words, how, code, said):
    assert ended(words, how, desk) == (code, said)


def test_what_is_opened_never_takes_the_place_of_a_closed_stream(desk):
    ended("ingest base.safetensors child.safetensors", "<&- 2>&-", desk)
    assert ended("doctor", "2>&1", desk)[0] == 0


@pytest.mark.parametrize("kilobytes", [100_000, 300_000, 500_000])
def test_little_address_space(desk, kilobytes):
    done = subprocess.run(
        [*COMMAND, "whois", desk.base], capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (kilobytes << 10, kilobytes << 10)),
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_memory_that_ends_on_the_way(run, desk, monkeypatch):
    def out_of_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Path, "resolve", out_of_memory)
    monkeypatch.setattr("lineage.api.whois", out_of_memory, raising=False)
    done = run("whois", desk.base, "--index", desk.index)
    assert done.code == 1
    assert done.err.startswith("lineage: not enough memory")
