"""Every command in a process of its own: nothing works only because another command has loaded it before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lineage.cli import COMMANDS
from lineage.report.graphs import ENDINGS
from tests.cli.conftest import start
from tests.small_models import saved, trained, tuned

AS_REPORTS = (".html", ".ko.html", ".csv", ".cdx.json")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a base, a fine-tune of it, and an index that holds both."""
    folder = tmp_path_factory.mktemp("desk")
    base = trained(1)
    saved(base, folder / "base.safetensors")
    saved(tuned(base, 2), folder / "child.safetensors")
    (folder / "card.md").write_text("---\nlicense: mit\n---\n")
    code, _, err = ended(
        "ingest", folder / "base.safetensors", folder / "child.safetensors", "--index", folder / "index"
    )
    assert code == 0, err
    return folder


def ended(*words: object) -> tuple[int, str, str]:
    with start(*words) as process:
        out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def words_of(command: str, desk: Path) -> list[object]:
    """Arguments with which a command has something to do."""
    child, base = desk / "child.safetensors", desk / "base.safetensors"
    known: dict[str, list[object]] = {
        "ingest": [child],
        "whois": [child],
        "compare": [child, base],
        "trace": ["child"],
        "descendants": ["base"],
        "graph": [],
        "decompose": ["child"],
        "audit": ["child", "--policy", "licence"],
        "verify": ["child", "--claims", desk / "card.md"],
        "sketch": [child, "-o", desk / "made.sketch"],
        "list": [],
        "show": ["base"],
        "remove": ["never-added"],
        "doctor": [],
        "rebuild": [],
    }
    index = [] if command == "sketch" else ["--index", desk / "index"]
    alone = [] if command in ("ingest", "sketch", "remove", "doctor", "rebuild") else ["--no-reference"]
    return [command, *known[command], *index, *alone]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_prints_json_and_a_screen(command, desk):
    for form in (["--json"], []):
        code, out, err = ended(*words_of(command, desk), *form)
        if command == "remove":  # its one lasting effect would take the model from the others
            assert (code, "never-added" in err) == (1, True)
            continue
        assert code == 0, err
        assert err == ""
        assert json.loads(out) if form else out


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_of_graph(ending, desk):
    made = desk / f"graph{ending}"
    code, _, err = ended("graph", "-o", made, "--index", desk / "index", "--no-reference")
    assert (code, err, made.is_file()) == (0, "", True)


@pytest.mark.parametrize("ending", [".html", ".csv"])
def test_endings_of_a_comparison(ending, desk):
    made = desk / f"pair{ending}"
    code, _, err = ended("compare", desk / "child.safetensors", desk / "base.safetensors", "--report", made)
    assert (code, err) == (0, "")
    assert made.stat().st_size > 0


def test_a_gate_and_a_recipe_that_is_not_written(desk):
    words = (desk / "child.safetensors", desk / "base.safetensors")
    assert ended("compare", *words, "--gate", "related")[0] == 20
    assert ended("compare", *words, "--gate", "derived")[0] == 30
    code, _, err = ended(*words_of("decompose", desk), "-o", desk / "merge.yaml")
    assert (code, len(err.splitlines()), (desk / "merge.yaml").exists()) == (1, 1, False)


@pytest.mark.parametrize("ending", AS_REPORTS)
def test_endings_of_a_report(ending, desk):
    made = desk / f"report{ending}"
    words = ("whois", desk / "child.safetensors", "--report", made, "--index", desk / "index", "--no-reference")
    code, _, err = ended(*words)
    assert (code, err) == (0, "")
    assert made.stat().st_size > 0
