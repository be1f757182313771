"""What every pool promises: where models are sketched makes no difference to what becomes of them."""

from __future__ import annotations

import socket

import numpy as np
import pytest

from lineage import api
from lineage.api.pools.local import LocalPool
from lineage.api.pools.pool import outcomes
from lineage.api.pools.tasks import Failed, Sketched, Task, sketched
from lineage.sketch import write_sketch
from tests.pools import NodesInMemory, two_nodes
from tests.small_models import published, saved, trained
from tests.systems import needs_ray

POOLS = ["local", "memory", pytest.param("ray", marks=needs_ray)]


@pytest.fixture(scope="module")
def cluster():
    with two_nodes() as nodes:
        yield nodes


@pytest.fixture
def own_servers(monkeypatch):
    """The addresses that this test may connect to: Ray talks to its own processes, nothing else to anybody."""
    connect = socket.socket.connect
    own = {"127.0.0.1"}

    def refuse(self, address):
        if self.family == socket.AF_INET and self.type == socket.SOCK_STREAM and address[0] not in own:
            pytest.fail(f"a test reached for the network: {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    return own


@pytest.fixture(params=POOLS)
def pool(request, own_servers):
    if request.param == "local":
        return LocalPool(2, None)
    if request.param == "memory":
        return NodesInMemory()
    from lineage.api.pools.ray_cluster import RayCluster

    nodes = request.getfixturevalue("cluster")
    own_servers.add(nodes.address.partition(":")[0])
    return RayCluster(nodes.address, None)


def fields(made):
    """A sketch without what a run does not repeat."""
    return {name: getattr(made, name) for name in ("id", "name", "path", "format", "depth", "licence", "declared",
            "weights_seen", "bytes_read", "nbytes", "left_out", "configuration", "architecture")}  # fmt: skip


class TestEveryPool:
    def test_gives_each_model_back_once_as_it_is_sketched_here(self, pool, tmp_path, monkeypatch):
        files = [saved(trained(seed), tmp_path / f"net{seed}.safetensors") for seed in range(4)]
        folder = published(trained(5), tmp_path / "published")
        handed = tmp_path / "handed.sketch"
        write_sketch(api.sketch(saved(trained(6), tmp_path / "six.safetensors")), handed)
        monkeypatch.chdir(tmp_path)
        tasks = [*(Task(str(file)) for file in files), Task("published"), Task("handed.sketch"),
                 Task(str(folder), "sampled", "named")]  # fmt: skip
        with pool:
            found = list(outcomes(pool, tasks))
        assert all(isinstance(one, Sketched) for one in found)
        key = {(one.path, one.sketch.name): one.sketch for one in found}
        assert len(key) == len(found) == len(tasks)
        for task in tasks:
            expected = sketched(task, 1, None).sketch
            got = key[task.path, expected.name]
            assert fields(got) == fields(expected)
            for mine, other in zip(got.tensors, expected.tensors, strict=True):
                assert (mine.name, mine.digest, mine.part, mine.stats) == (
                    other.name, other.digest, other.part, other.stats,
                )  # fmt: skip
                np.testing.assert_array_equal(mine.values, other.values)

    def test_a_model_that_fails_says_the_same_line_everywhere_and_stops_no_other(self, pool, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        saved(trained(1), tmp_path / "sound.safetensors")
        (tmp_path / "cut.safetensors").write_bytes((tmp_path / "sound.safetensors").read_bytes()[:-7])
        (tmp_path / "empty").mkdir()
        names = ["cut.safetensors", "empty", "none.safetensors", str(tmp_path / "gone"), "hf:", "sound.safetensors"]
        with pool:
            found = {one.path: one for one in outcomes(pool, map(Task, names))}
        assert set(found) == set(names)
        for name in names[:-1]:
            assert found[name] == sketched(Task(name), 1, None)
            assert isinstance(found[name], Failed)
        assert isinstance(found["sound.safetensors"], Sketched)

    def test_nothing_to_do_is_no_wait(self, pool):
        with pool:
            assert list(outcomes(pool, [])) == []

    def test_it_can_be_left_with_work_to_do(self, pool, tmp_path):
        tasks = [Task(str(saved(trained(seed), tmp_path / f"net{seed}.safetensors"))) for seed in range(6)]
        with pool:
            assert isinstance(next(outcomes(pool, tasks)), Sketched)
