"""Two writers at once, and writers that are killed: the index is as before or as after, never between."""

from __future__ import annotations

import json
import random
import signal
import time

import pytest

from lineage.store import SqliteIndex, examine, holds_index, lock
from tests.cli.conftest import start
from tests.small_models import saved, trained
from tests.systems import needs_signals


@pytest.fixture
def files(tmp_path):
    return [saved(trained(seed), tmp_path / f"net{seed}.safetensors") for seed in range(6)]


def names(folder) -> set[str]:
    with SqliteIndex.open(folder) as index:
        assert [f for f in examine(index) if f.is_damage] == []
        return {record.name for record in index.models()}


def test_two_ingests_at_once_both_end_well(files, tmp_path):
    index = tmp_path / "index"
    jobs = [start("ingest", *part, "--index", index) for part in (files[:4], files[2:])]
    for job in jobs:
        _, errors = job.communicate()
        assert job.returncode in (0, 11), errors
    expected = [part for part, job in zip((files[:4], files[2:]), jobs, strict=True) if job.returncode == 0]
    assert expected
    assert names(index) >= {path.stem for part in expected for path in part}


def test_a_writer_that_waits_too_long_ends_with_11(files, tmp_path, run, monkeypatch):
    index = tmp_path / "index"
    monkeypatch.setattr(lock, "PATIENCE_S", 0.01)
    with SqliteIndex.create(index), lock.writing(index):
        done = run("ingest", files[0], "--index", index)
    assert done.code == 11
    assert "is writing to the index" in done.err
    assert done.err.count("\n") == 1
    assert names(index) == set()


@pytest.mark.parametrize("moment", range(10))
def test_a_kill_at_any_moment_leaves_the_index_whole(files, tmp_path, moment):
    draw = random.Random(moment)
    index = tmp_path / "index"
    with start("ingest", *files, "--index", index, "--workers", 1, "--json") as job:
        told = [json.loads(job.stdout.readline())["name"] for _ in range(draw.randrange(len(files)))]
        time.sleep(draw.uniform(0.0, 0.06))
        job.kill()
    if holds_index(index):
        assert names(index) >= set(told)
    else:
        assert told == []
    with start("ingest", *files, "--index", index, "--json") as job:
        output, errors = job.communicate()
    assert job.returncode == 0, errors
    assert {event["name"] for event in map(json.loads, output.splitlines()) if event["event"] == "unchanged"} >= set(
        told
    )
    assert names(index) == {path.stem for path in files}


@needs_signals
def test_ctrl_c_ends_at_once_and_keeps_what_was_finished(files, tmp_path):
    index = tmp_path / "index"
    with start("ingest", *files, "--index", index, "--workers", 1, "--json") as job:
        first = json.loads(job.stdout.readline())
        job.send_signal(signal.SIGINT)
        output, errors = job.communicate()
    assert job.returncode in (0, 130), errors
    if job.returncode == 130:
        assert errors.strip().startswith("lineage: interrupted")
    finished = {json.loads(line)["name"] for line in output.splitlines()} | {first["name"]}
    assert names(index) >= finished
