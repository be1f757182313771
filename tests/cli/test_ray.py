"""`lineage ingest --ray`: the same lines, codes and index as without; nodes that die, and whoever presses Ctrl-C."""

from __future__ import annotations

import json
import signal
import socket
import time
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest

from lineage.store import SqliteIndex, examine
from tests.cli.conftest import start
from tests.pools import two_nodes
from tests.small_models import saved
from tests.systems import needs_ray

pytestmark = needs_ray


@pytest.fixture(scope="module")
def cluster():
    with two_nodes() as nodes:
        yield nodes


@pytest.fixture
def own_servers():
    """The cluster is this test's own, and all that talks to it is a process of its own."""


def ended(*words: object, **settings: object) -> tuple[int, list[str], list[str]]:
    with start(*words, **settings) as process:
        out, err = process.communicate()
    return process.returncode, sorted(out.splitlines()), sorted(err.splitlines())


def names(index) -> set[str]:
    with SqliteIndex.open(index) as home:
        assert [finding for finding in examine(home) if finding.is_damage] == []
        return {record.name for record in home.models()}


def slow(folder: Path, number: int) -> list[Path]:
    """Models that take a core a second or so each."""
    draw = np.random.default_rng(number)
    body = draw.standard_normal((8, 1024, 2048), dtype=np.float32)
    return [
        saved(
            {f"layers.{i}.mlp.up_proj.weight": part + np.float32(model) for i, part in enumerate([*body] * 4)},
            folder / f"slow{model}.safetensors",
        )
        for model in range(number)
    ]


def working(folder: Path) -> set[int]:
    """Processes of nodes that have a file of this folder open."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # gone meanwhile
            is_worker = (process / "cmdline").read_bytes().startswith(b"ray::")
            if is_worker and any(str(folder) in str(file.readlink()) for file in (process / "fd").iterdir()):
                found.add(int(process.name))
    return found


def seen_working(folder: Path) -> set[int]:
    """Those, once there are any."""
    while not (found := working(folder)):
        time.sleep(0.01)
    return found


def test_lines_codes_and_index_are_those_of_a_local_ingest(cluster, desk):
    (desk.folder / "cut.safetensors").write_bytes(desk.base.read_bytes()[:-9])
    words = ["base.safetensors", desk.child, desk.stranger, "cut.safetensors", "none"]
    there = ["--ray", cluster.address]
    local = ended("ingest", *words, "--index", "here", cwd=desk.folder)
    assert local[0] == 12
    assert ended("ingest", *words, "--index", "there", *there, cwd=desk.folder) == local
    assert names(desk.folder / "here") == names(desk.folder / "there") == {"base", "child", "stranger"}

    def told(done):
        code, out, err = done
        return code, [json.loads(line) | {"seconds": None} for line in out], err

    again = ended("ingest", *words, "--index", "here", "--json", cwd=desk.folder)
    assert told(ended("ingest", *words, "--index", "there", "--json", *there, cwd=desk.folder)) == told(again)
    for file in (desk.folder / "here" / "sketches").iterdir():
        assert (desk.folder / "there" / "sketches" / file.name).read_bytes() == file.read_bytes()


def test_ctrl_c_keeps_what_was_added_and_ends_the_tasks(cluster, tmp_path):
    files = slow(tmp_path, 6)
    with start("ingest", *files, "--index", tmp_path / "index", "--ray", cluster.address, "--json") as job:
        first = json.loads(job.stdout.readline())["name"]
        assert seen_working(tmp_path)
        job.send_signal(signal.SIGINT)
        out, err = job.communicate()
    assert job.returncode == 130, err
    assert err.strip() == "lineage: interrupted: finished work is kept, the rest is as before"
    assert names(tmp_path / "index") == {first, *(json.loads(line)["name"] for line in out.splitlines())}
    assert len(names(tmp_path / "index")) < len(files)
    for _ in range(100):
        if not working(tmp_path):
            break
        time.sleep(0.1)
    assert working(tmp_path) == set()


def test_a_cluster_that_is_not_there_is_one_line(desk):
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        port = taken.getsockname()[1]
        code, out, (line,) = ended("ingest", desk.base, "--index", desk.index, "--ray", f"127.0.0.1:{port}")
    assert (code, out) == (1, [])
    assert line.startswith(f"lineage: the cluster 127.0.0.1:{port} cannot be reached: ")
    code, out, (line,) = ended("ingest", desk.base, "--index", desk.index, "--ray", "nowhere")
    assert (code, out) == (1, [])
    assert line.startswith("lineage: the cluster nowhere cannot be used: ")
    assert not desk.index.exists()


def test_what_a_node_took_with_it_is_sketched_by_the_others(tmp_path):
    files = slow(tmp_path, 8)
    expected = ended("ingest", *files, "--index", tmp_path / "here", "--json")
    with (
        two_nodes() as cluster,
        start("ingest", *files, "--index", tmp_path / "there", "--ray", cluster.address, "--json") as job,
    ):
        first = job.stdout.readline()
        assert seen_working(tmp_path)
        cluster.remove_node(cluster.list_all_nodes()[1], allow_graceful=False)
        out, err = job.communicate()
    assert job.returncode == 0, err
    assert err == ""
    lines = [json.loads(line) | {"seconds": None} for line in sorted([first, *out.splitlines()])]
    assert {one["id"] for one in lines} == {json.loads(line)["id"] for line in expected[1]}
    assert len(lines) == 8
    assert names(tmp_path / "there") == names(tmp_path / "here") == {file.stem for file in files}
