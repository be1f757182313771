"""What docs/policies.md says works, and it names every word of the vocabulary."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from lineage.policy.claims import _KEYS
from lineage.policy.vocabulary import CONDITIONS, PLACEHOLDERS, TERMS, Check, State
from tests.cli.conftest import Run
from tests.documents import ROOT, commands, fences
from tests.small_models import published, trained, tuned

PAGE = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")


@pytest.fixture
def desk(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `base` in an index, `nova`, and the files that the page shows."""
    monkeypatch.chdir(tmp_path)
    published(trained(1), tmp_path / "base")
    published(tuned(trained(1), 2), tmp_path / "nova")
    for fence in fences(PAGE):
        if fence.language == "toml":
            name = fence.text.partition("\n")[0].removeprefix("# ")
            (tmp_path / name).write_text(fence.text)
    assert run("ingest", "base", "--index", "index").code == 0
    return tmp_path


def test_every_command_of_the_page_works(desk, run):
    found = commands(PAGE)
    assert len(found) >= 6
    for words in found:
        done = run(*words, "--index", "index", "--no-reference")
        assert done.code in ((0, 30) if "--gate" in words else (0,)), f"lineage {shlex.join(words)}\n{done.err}"
        assert done.out


def test_the_page_names_every_word_that_a_file_may_use():
    words = {f"`{name}`" for conditions in CONDITIONS.values() for name in conditions} | {f"`{term}`" for term in TERMS}
    words |= {f"`{check}`" for check in Check.__args__} | {f"`{{{name}}}`" for name in PLACEHOLDERS}
    assert {word for word in words if word not in PAGE} == set()
    assert {state for state in State.__args__ if not re.search(rf"\b{state}\b", PAGE)} == set()
    assert {"base_model", "base_model_relation", "license", "from_scratch", "parameters", "quantization"} <= set(_KEYS)


def test_the_links_of_the_page_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert [link for link in links if "://" not in link and not (ROOT / "docs" / link).exists()] == []
