"""A writer that is killed before any of its steps leaves the index as before or as after, and nothing is lost.

A step is a statement to the database, or a file that is opened for writing, renamed or deleted: SIGKILL comes at one of
them, chosen at random of all that the work has, and the next one to come finds the index whole.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lineage.checkpoints.tokenizers import open_tokenizer
from lineage.sketch import asked_codes, sketch_tokenizer
from lineage.store import SqliteIndex, examine, rebuild
from tests.small_models import sketched, trained
from tests.systems import needs_linux
from tests.tokenizer_files import pool, tokenizer_json, write
from tests.tokenizer_files import trained as vocabulary

pytestmark = needs_linux

MOMENTS = 25  # of each of four works
VERSION = "0.0.test"
_FILES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

Work = Callable[[Path], object]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    made = [sketched(trained(seed, layers=1), f"net{seed}", path=f"/a/net{seed}") for seed in range(5)]
    words = write(tmp_path_factory.mktemp("words"), "tokenizer.json", tokenizer_json(vocabulary(pool(), 1500, 1)))
    tokenizer = sketch_tokenizer(open_tokenizer(words))
    return [replace(one, tokenizer=tokenizer if number % 2 else None) for number, one in enumerate(made)]


def added(folder: Path, *models) -> None:
    with SqliteIndex.create(folder) as index:
        for model in models:
            index.add(model, VERSION)
        index.finish_run()


@pytest.fixture(scope="module")
def before(tmp_path_factory, models) -> Path:
    """Four models in two segments, one of them handed over."""
    folder = tmp_path_factory.mktemp("before") / "index"
    added(folder, *models[:3])
    added(folder, replace(models[3], weights_seen=False))
    return folder


def ingested(models) -> Work:
    return lambda folder: added(folder, models[4])


def vouched(models) -> Work:
    return lambda folder: added(folder, models[3])


def taken_out(models) -> Work:
    def work(folder: Path) -> None:
        with SqliteIndex.open(folder) as index:
            for model in models[:2]:
                if index.records([model.id]):
                    index.remove(model.id)
            index.settle()

    return work


def rebuilt(models) -> Work:
    return lambda folder: rebuild(folder, VERSION)


WORKS = {  # what may be missing, or be there, afterwards
    "ingest": (ingested, set(), {4}),
    "the weights of what was handed over": (vouched, set(), set()),
    "remove": (taken_out, {0, 1}, set()),
    "rebuild": (rebuilt, set(), set()),
}


def killed(work: Work, folder: Path, moment: int | None) -> int:
    """Do `work` in a process that dies at its step of that number; the number of steps that it took."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _counted(work, folder, moment, theirs)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(7)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        steps = int(pipe.read() or b"-1")
    _, status = os.waitpid(child, 0)
    if moment is None:
        assert status == 0
    else:
        assert os.WIFSIGNALED(status)
        assert os.WTERMSIG(status) == signal.SIGKILL
    return steps


def _counted(work: Work, folder: Path, moment: int | None, pipe: int) -> None:
    steps = 0

    def step(*_: object) -> None:
        nonlocal steps
        if steps == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        steps += 1

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _FILES or (event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING):
            step()

    def connect(*arguments: Any, **more: Any) -> sqlite3.Connection:
        connection = plain(*arguments, **more)
        connection.set_trace_callback(step)
        return connection

    plain = sqlite3.connect
    sqlite3.connect = connect
    sys.addaudithook(heard)
    work(folder)
    os.write(pipe, str(steps).encode())
    os._exit(0)


def is_whole(folder: Path, models, there: set[int], perhaps: set[int]) -> set[int]:
    """Which models are there, after every check."""
    with SqliteIndex.open(folder) as index:
        assert [finding for finding in examine(index) if finding.is_damage] == []
        ids = {record.id for record in index.models()}
        held = {number for number, model in enumerate(models) if model.id in ids}
        assert there <= held <= there | perhaps
        assert len(ids) == len(held) == len(index)
        for number in held:
            assert len(index.load(models[number].id).tensors) == len(models[number].tensors)
        near = index.nearest(asked_codes(models[0]), "model", 99)
        assert {model for model, _ in near["component"][0]} == ids
        owners = [models[number] for number in held if models[number].tokenizer is not None]
        found = index.tokenizers(models[1].tokenizer)
        assert [model for model, *_ in found] == ([min(one.id for one in owners)] if owners else [])
        index.settle()
        rows = {str(name) for (name,) in index.db.execute("select name from segments")}
        assert rows == {path.name for path in (folder / "vectors").iterdir()}
    return held


@pytest.mark.parametrize("name", WORKS)
def test_a_kill_before_any_step_loses_nothing(tmp_path, before, models, name):
    make, may_go, may_come = WORKS[name]
    work, there = make(models), {0, 1, 2, 3}
    whole = shutil.copytree(before, tmp_path / "whole")
    steps = killed(work, whole, None)
    is_whole(whole, models, (there - may_go) | may_come, set())
    assert steps > MOMENTS
    for moment in sorted(random.Random(name).sample(range(steps), MOMENTS)):
        folder = shutil.copytree(before, tmp_path / str(moment))
        killed(work, folder, moment)
        is_whole(folder, models, there - may_go, may_go | may_come)
        work(folder)
        is_whole(folder, models, (there - may_go) | may_come, set())
        shutil.rmtree(folder)
