"""What docs/serve.md says is so: its commands run, its routes are all there, its settings are the defaults."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from lineage.errors import Malformed
from lineage.serve.routes import ENDPOINTS
from lineage.serve.settings import Limits, Settings, with_file
from tests.cli.conftest import Run, run  # noqa: F401
from tests.documents import ROOT, commands, fences
from tests.serve.conftest import WORDS, Desk, Served
from tests.systems import needs_signals

PAGE = (ROOT / "docs" / "serve.md").read_text(encoding="utf-8")
PIPELINES = (ROOT / "docs" / "pipelines.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


@needs_signals
def test_every_command_of_the_page_runs(desk: Desk, tmp_path: Path):
    (tmp_path / "base").symlink_to(desk.folder / "models" / "base")
    found = commands(PAGE)
    assert len(found) >= 5
    for words in found:
        code = "from lineage.cli import main; main()"
        free = ["--port", "0"] if words[0] == "serve" else []
        running = subprocess.Popen(
            [sys.executable, "-c", code, *words, *free],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        first = running.stdout.readline()
        if words[0] == "serve":
            assert first.startswith("lineage serves http://127.0.0.1:")
            running.send_signal(signal.SIGTERM)
        _, said = running.communicate(timeout=60)
        assert first or words[0] == "mcp", f"{shlex.join(words)}: {said}"
        assert running.returncode in ((-signal.SIGTERM,) if words[0] == "serve" else (0,)), said


def test_the_requests_of_the_pages_are_answered(start, desk: Desk):
    served: Served = start(reference=True)
    sent = {"@model.sketch": desk.sketch, "@tokenizer.json": WORDS}
    found = []
    for page in (PAGE, PIPELINES):
        for line in (fence.text for fence in fences(page) if fence.text.startswith("curl ")):
            words = shlex.split(line.replace("\\\n", " "))
            name, _, value = words[words.index("-H") + 1].partition(": ")
            data = words[words.index("-d" if "-d" in words else "--data-binary") + 1]
            said = served.post(words[-1].partition(":8350")[2], sent.get(data, data.encode()), **{name: value})
            assert said.status == 200, said.body
            found.append(said.json["schema"])
    assert found == ["lineage/whois/2", "lineage/compare-tokenizers/1", "lineage/table/1"]


def test_the_page_lists_every_route_and_no_other():
    listed = {path for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for path in re.findall(r"/[\w/.]+", row)}
    listed = {path.replace("/api/jobs/ID", "/api/jobs/{job}") for path in listed}
    routes = {one.path for one in ENDPOINTS}
    parts = {"/result", "/events", "/report"}  # of a job
    assert {path for path in listed if path not in parts} | {f"/api/jobs/{{job}}{part}" for part in parts} == routes


def test_the_settings_of_the_page_are_the_defaults(tmp_path: Path):
    (text,) = (fence.text for fence in fences(PAGE) if fence.language == "toml")
    (tmp_path / "service.toml").write_text(text)
    assert tomllib.loads(text)["limits"] == asdict(Limits())
    read = with_file(Settings(tmp_path), tmp_path / "service.toml")
    said = replace(read, folders=(), hosts=(), anonymous=None)
    assert said == Settings(tmp_path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x", "is not TOML"),
        ("workers = 2", "'workers' is not a setting"),
        ("hub = 1", "hub must be true or false"),
        ("folders = 'models'", "folders must be a list of texts"),
        ("limits = 3", "limits must be a table"),
        ("[limits]\nworkers = 0", "limits.workers must be a whole number from 1 on"),
        ("[limits]\nworkers = true", "limits.workers must be a whole number"),
        ("[limits]\nthreads = 1", "limits.threads is not a setting"),
    ],
)
def test_settings_that_are_wrong_are_named(tmp_path: Path, text: str, line: str):
    (tmp_path / "service.toml").write_text(text)
    with pytest.raises(Malformed, match=re.escape(line)):
        with_file(Settings(tmp_path), tmp_path / "service.toml")


def test_the_description_is_openapi(served: Served):
    described = served.get("/api/openapi.json").json
    assert described["openapi"] == "3.1.0"
    assert set(described["paths"]) == {one.path for one in ENDPOINTS}
    text = json.dumps(described)
    named = set(re.findall(r'"#/components/schemas/([\w-]+)', text))
    assert named <= set(described["components"]["schemas"])
    operations = [one["operationId"] for path in described["paths"].values() for one in path.values()]
    assert len(set(operations)) == len(operations)
