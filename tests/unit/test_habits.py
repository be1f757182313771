"""What looks after the project agrees with itself: make, the hooks, the workflow, the version and its changelog."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from lineage import __version__

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^(\w+):", MAKEFILE, re.MULTILINE))


def yaml_of(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_the_changelog_begins_with_the_version():
    head = re.search(r"^## \[([\d.]+)\](.*)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert head is not None
    assert head[1] == __version__.removesuffix(".dev0")
    if __version__.endswith(".dev0"):
        assert head[2] == ", not released yet"
    else:
        assert re.fullmatch(r" - \d{4}-\d{2}-\d{2}", head[2])


def test_a_hook_checks_what_make_lint_checks():
    (local,) = yaml_of(".pre-commit-config.yaml")["repos"]
    hooks = {hook["entry"].removeprefix(".venv/bin/").replace(" --force-exclude", "") for hook in local["hooks"]}
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe is not None
    checked = set(re.findall(r"\$\(BIN\)/(.+)", recipe[1]))
    assert hooks == {line.replace(" --check", "") for line in checked}


@pytest.mark.parametrize("path", [".ci/run", ".github/workflows/ci.yml", "CONTRIBUTING.md", "docs/releasing.md"])
def test_every_target_that_is_named_is_one(path):
    named = set(
        re.findall(r"^\W*(?:exec |run: )?make ([\w ]+)", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    )
    named |= set(re.findall(r"`make (\w+)`", (ROOT / path).read_text(encoding="utf-8")))
    asked = {target for words in named for target in words.split() if not target.isupper()}
    assert asked
    assert asked - TARGETS == set()


def test_the_workflow_tries_every_version_and_system_that_the_package_names():
    jobs = yaml_of(".github/workflows/ci.yml")["jobs"]
    named = {word.rpartition(" ")[2] for word in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", word)}
    assert set(jobs["everything"]["strategy"]["matrix"]["python"]) == named
    assert min(named, key=lambda version: int(version[2:])) == PROJECT["requires-python"].removeprefix(">=")
    systems = {jobs["everything"]["runs-on"], *jobs["tests"]["strategy"]["matrix"]["os"]}
    assert {name.partition("-")[0] for name in systems} == {"ubuntu", "macos", "windows"}
    assert set(jobs["tests"]["strategy"]["matrix"]["python"]) <= named


@pytest.mark.parametrize(
    "form", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda form: form.stem
)
def test_every_form_for_issues_is_one(form):
    if form.stem == "config":
        assert yaml_of(form.relative_to(ROOT)) == {"blank_issues_enabled": True}
        return
    content = yaml_of(form.relative_to(ROOT))
    assert {"name", "description", "body"} <= content.keys()
    ids = [field["id"] for field in content["body"] if field["type"] != "markdown"]
    assert len(ids) == len(set(ids)) > 0
    assert all("value" in field["attributes"] or "label" in field["attributes"] for field in content["body"])


def test_no_test_changes_the_clock_of_every_thread():
    """A service that waits in a thread of another test would never wake up: modules are given a clock of their own."""
    tests = [*(ROOT / "tests").rglob("*.py")]
    assert len(tests) > 100
    changed = re.compile(r"setattr\((?:\w+\.)*time, ")
    assert [str(path) for path in tests if changed.search(path.read_text(encoding="utf-8"))] == []
