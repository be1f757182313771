"""Every command as it was installed, each in its own process: none works only because another one loaded something."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from lineage.cli import COMMANDS
from lineage.report.graphs import ENDINGS, UPWARD
from tests.installed.wheel import Ended, Installed
from tests.small_models import saved, trained, tuned

CHILD, BASE = "child.safetensors", "base.safetensors"
MINE = ("--index", "index")
ALONE = (*MINE, "--no-reference")

WORDS: dict[str, Sequence[str]] = {
    "ingest": (CHILD, *MINE),
    "whois": (CHILD, *ALONE),
    "compare": (CHILD, BASE, *ALONE),
    "trace": ("child", *ALONE),
    "descendants": ("base", *ALONE),
    "graph": ALONE,
    "decompose": ("child", *ALONE),
    "audit": ("child", "--policy", "licence", *ALONE),
    "verify": ("child", "--claims", "card.md", *ALONE),
    "sketch": (CHILD, "-o", "made.sketch"),
    "list": ALONE,
    "show": ("base", *ALONE),
    "remove": ("stranger", *MINE),
    "doctor": MINE,
    "rebuild": MINE,
    "export": ("out", *MINE),
    "pull": ("out", "--name", "theirs", "--index", "other"),
    "import": ("out", "--index", "other"),
    "layers": ("--index", "other"),
    "watch": ("incoming", "--once", "--every", "0.1", *MINE),
    "token": ("ci", "--state", "state"),
}
"""Arguments with which each command has something to do."""

NEED_AN_EXTRA = {"serve": "serve", "mcp": "mcp"}
"""Commands that are an optional part as a whole, and what is to be installed for them."""

NEEDS_MATPLOTLIB = "graph.png: needs matplotlib: pip install 'weight-lineage[picture]', or choose .svg"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, installed: Installed) -> Path:
    """A folder with a base, a fine-tune of it, an unrelated model, and an index that holds the first two."""
    folder = tmp_path_factory.mktemp("desk")
    base = trained(1)
    saved(base, folder / BASE)
    saved(tuned(base, 2), folder / CHILD)
    saved(trained(3), folder / "stranger.safetensors")
    (folder / "card.md").write_text("---\nlicense: mit\n---\n")
    for words in (("ingest", BASE), ("export", "out"), ("ingest", CHILD)):  # what is taken in is one line of JSON
        ended = installed.lineage(*words, *MINE, cwd=folder)
        assert (ended.code, ended.err) == (0, "")
    (folder / "incoming").mkdir()
    saved(base, folder / "incoming" / BASE)
    return folder


def test_what_runs_is_the_wheel_without_extras(installed, desk):
    found = installed.python("-c", "import lineage; print(lineage.__file__)", cwd=desk)
    assert Path(found.out.strip()).is_relative_to(installed.environment)
    for extra in ("gguf", "h5py", "lz4", "matplotlib", "mcp", "starlette", "urllib3", "uvicorn", "pytest"):
        assert installed.python("-c", f"import {extra}", cwd=desk).code == 1, extra


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in NEED_AN_EXTRA])
def test_every_command_prints_json_and_a_screen(installed, desk, command):
    for form in (["--json"], []):
        if command == "token":  # of that name there can be one
            (desk / "state" / "tokens.json").unlink(missing_ok=True)
        if command == "remove":  # of a model that the other tests do not ask for
            assert installed.lineage("ingest", "stranger.safetensors", *MINE, cwd=desk).code == 0
        ended = installed.lineage(command, *WORDS[command], *form, cwd=desk)
        assert (ended.code, ended.err) == (0, "")
        lines = ended.out.splitlines() if command in ("ingest", "import") else [ended.out]  # those say a line a model
        assert [json.loads(line) for line in lines] if form else ended.out


@pytest.mark.parametrize("command", NEED_AN_EXTRA)
def test_a_command_without_its_extra_names_it(installed, desk, command):
    ended = installed.lineage(command, cwd=desk)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (1, "", 1)
    assert ended.err.endswith(f"pip install 'weight-lineage[{NEED_AN_EXTRA[command]}]'\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_page(installed, desk, command):
    ended = installed.lineage(command, "--help", cwd=desk)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith(f"Usage: lineage {command} ")


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_of_graph_and_of_a_report(installed, desk, ending):
    for words in (("graph", "child", "-o"), ("whois", CHILD, "--report")):
        written(installed.lineage(*words, f"graph{ending}", *ALONE, cwd=desk), desk / f"graph{ending}")


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_of_descendants_and_of_a_comparison(installed, desk, ending):
    for words in (("descendants", "base", "-o"), ("compare", CHILD, BASE, "--report")):
        ended = installed.lineage(*words, f"graph{ending}", *ALONE, cwd=desk)
        if ending in UPWARD:  # a statement about one model says what it comes from
            assert (ended.code, ended.out, (desk / f"graph{ending}").exists()) == (2, "", False)
            assert f"graph{ending}: " in ended.err.splitlines()[-1]
        else:
            written(ended, desk / f"graph{ending}")


def written(ended: Ended, file: Path) -> None:
    """The file is there, and is taken away again; a picture of pixels is refused in one line, for want of its extra."""
    if file.suffix == ".png":
        assert (ended.code, ended.out, ended.err) == (1, "", f"lineage: {NEEDS_MATPLOTLIB}\n")
        assert not file.exists()
        return
    assert (ended.code, ended.err) == (0, "")
    assert file.stat().st_size > 0
    file.unlink()


def test_a_gate_and_a_recipe_that_is_not_written(installed, desk):
    assert installed.lineage("compare", CHILD, BASE, "--gate", "related", cwd=desk).code == 20
    assert installed.lineage("compare", CHILD, BASE, "--gate", "derived", cwd=desk).code == 30
    ended = installed.lineage("decompose", "child", "-o", "merge.yaml", *ALONE, cwd=desk)
    assert (ended.code, len(ended.err.splitlines()), (desk / "merge.yaml").exists()) == (1, 1, False)
