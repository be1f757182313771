"""The command line in this process, and in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lineage.cli import lineage
from lineage.cli.failures import guarded
from tests.small_models import saved, trained, tuned

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-W", "error", "-c", "from lineage.cli import main; main()"]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Done]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LINEAGE_INDEX", "LINEAGE_DEBUG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("COLUMNS", "100")  # whatever the terminal that the tests run in


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """`run("whois", path, "--json")`."""

    def call(*words: object) -> Done:
        capsys.readouterr()
        code = guarded(lambda: lineage.main([str(w) for w in words], prog_name="lineage", standalone_mode=False))
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return call


def start(*words: object, **settings: Any) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | settings
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([*COMMAND, *(str(w) for w in words)], env=environment, **pipes)


@dataclass(frozen=True)
class Desk:
    """A base, a fine-tune of it, an unrelated model, and where an index goes."""

    folder: Path
    base: Path
    child: Path
    stranger: Path
    index: Path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    base = trained(1)
    return Desk(
        tmp_path,
        saved(base, tmp_path / "base.safetensors"),
        saved(tuned(base, 2), tmp_path / "child.safetensors"),
        saved(trained(3), tmp_path / "stranger.safetensors"),
        tmp_path / "index",
    )
