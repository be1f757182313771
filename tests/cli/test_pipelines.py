"""Findings for code hosts, the action, the hooks: what they are and that they run."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lineage.cli import lineage
from tests.cli.conftest import ROOT, Run
from tests.documents import commands
from tests.small_models import published, trained, tuned
from tests.systems import needs_signals

ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
CARD = "---\nlicense: apache-2.0\n---\n# Nova\n\nNova was trained from scratch by us.\n"


@pytest.fixture
def nova(run: Run, tmp_path: Path, monkeypatch) -> Path:
    """A folder with `nova`, a fine-tune of the indexed `base` whose card says that it was trained from scratch."""
    base = trained(1)
    published(base, tmp_path / "base")
    published(tuned(base, 2), tmp_path / "nova")
    (tmp_path / "nova" / "README.md").write_text(CARD)
    assert run("ingest", tmp_path / "base", "--index", tmp_path / "index").code == 0
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lineage.store.reference.reference_folder", lambda: None)  # models of its own are enough here
    return tmp_path


def results(path: Path) -> list[dict[str, Any]]:
    """The results of a log, held to what SARIF 2.1.0 asks of those parts."""
    log = json.loads(path.read_text())
    assert (log["version"], len(log["runs"])) == ("2.1.0", 1)
    (run_,) = log["runs"]
    rules = {rule["id"] for rule in run_["tool"]["driver"]["rules"]}
    for one in run_["results"]:
        assert one["ruleId"] in rules
        assert one["kind"] in ("fail", "pass", "review")
        assert one["level"] in (("error", "warning", "note") if one["kind"] == "fail" else ("none",))
        assert one["message"]["text"].isprintable()
        (place,) = one["locations"]
        assert place["physicalLocation"]["region"]["startLine"] >= 1
    return list(run_["results"])


def test_a_claim_is_found_at_its_line(run: Run, nova: Path):
    alone = ("--index", "index", "--no-reference")
    assert run("verify", "nova", "--claims", "nova", "--sarif", "claims.sarif", *alone).code == 0
    found = {one["ruleId"]: one for one in results(nova / "claims.sarif")}
    place = found["claim-from-scratch"]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "nova/README.md"}, "region": {"startLine": 6}}
    outcomes = {one["kind"]: one["outcome"] for one in verified(run, alone)}
    kinds = {"contradicted": "fail", "unsupported": "review", "consistent": "pass"}
    assert {f"claim-{kind}": kinds[outcome] for kind, outcome in outcomes.items()} == {
        rule: one["kind"] for rule, one in found.items()
    }


def verified(run: Run, alone: tuple[str, ...]) -> list[dict[str, Any]]:
    return list(run("verify", "nova", "--claims", "nova", "--json", *alone).json["claims"])


@pytest.mark.parametrize("policy", ["licence", "from-scratch", "t-class"])
def test_a_finding_is_an_error_where_the_policy_is_violated(run: Run, nova: Path, policy: str):
    words = ("audit", "nova", "--policy", policy, "--index", "index", "--no-reference", "--json")
    said = run(*words, "--sarif", "found.sarif").json
    found = results(nova / "found.sarif")
    assert len(found) == len(said["findings"])
    errors = sum(one["level"] == "error" for one in found)
    assert errors == sum(one["standing"] == "violated" for one in said["findings"])
    assert {one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in found} <= {"nova"}
    first = (nova / "found.sarif").read_bytes()
    run(*words, "--sarif", "found.sarif")
    assert (nova / "found.sarif").read_bytes() == first


def test_the_action_gives_every_input_by_the_environment():
    assert ACTION["runs"]["using"] == "composite"
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"]  # a name of a model can be no command
        named = {value.removeprefix("${{ inputs.").removesuffix(" }}") for value in step["env"].values()}
        assert named <= set(ACTION["inputs"])


@needs_signals
def test_the_action_runs(nova: Path):
    script = ACTION["runs"]["steps"][1]["run"]
    command = nova / "bin" / "lineage"
    command.parent.mkdir()
    lines = ["import sys", "sys.argv.insert(2, '--no-reference')", "from lineage.cli import main", "main()"]
    command.write_text("\n".join([f"#!{sys.executable}", *lines]))
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    inputs = {"MODEL": "nova", "CLAIMS": "nova/README.md", "POLICY": "licence", "INDEX": "index", "SARIF": "out"}
    path = f"{command.parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env=os.environ | inputs | {"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 20, 21, 30), done.stderr
    assert results(nova / "out" / "claims.sarif")
    assert results(nova / "out" / "policy.sarif") is not None
    inputs |= {"POLICY": "", "MODEL": "--help"}  # what looks like an option is a model that is not there
    done = subprocess.run(
        ["bash", "-c", script], env=os.environ | inputs | {"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "--help" in done.stderr


def test_every_hook_is_a_command_with_its_gate():
    for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")):
        program, name, *options = hook["entry"].split()
        command = lineage.get_command(None, name)
        assert (program, hook["id"]) == ("lineage", f"lineage-{name}")
        assert set(options) <= {option for parameter in command.params for option in parameter.opts}


def test_every_command_of_the_page_runs(run: Run, nova: Path, monkeypatch):
    monkeypatch.setenv("LINEAGE_INDEX", str(nova / "index"))
    found = commands((ROOT / "docs" / "pipelines.md").read_text(encoding="utf-8"))
    (nova / "models.txt").write_text("nova\nbase  # known\n")
    assert len(found) == 3
    assert [run(*words).code for words in found] == [0, 0, 0]
    assert len((nova / "answers.csv").read_text().splitlines()) == 3


def test_the_shell_completes():
    asked = {"_LINEAGE_COMPLETE": "bash_complete", "COMP_WORDS": "lineage who", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "from lineage.cli import main; main()"],
        env=os.environ | asked | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["plain,whois"]
