"""A Milvus server for tests: one that is running, or the one of the package `milvus`, of which a machine runs one."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from lineage.store import MilvusIndex
from lineage.store.milvus.address import MilvusAddress
from lineage.types import CheckpointSketch

GIVEN = "LINEAGE_TEST_MILVUS"
"""The environment variable with HOST:PORT of a server to use, or `package`; the tests leave no collections there."""

_START = """
import sys
from milvus import MilvusServer
server = MilvusServer(data_dir=sys.argv[1])
server.start()
print(server.listen_port, flush=True)
sys.stdin.read()
server.stop()
"""


def lacking() -> str | None:
    """Why no server can be had here; None where one can."""
    for package in ("pymilvus", "fsspec"):
        if find_spec(package) is None:
            return f"{package} is not installed: make milvus"
    if GIVEN not in os.environ:
        return f"{GIVEN} names no server: make milvus"
    if os.environ[GIVEN] == "package" and find_spec("milvus") is None:
        return "the package milvus is not installed: make milvus"
    return None


@contextmanager
def milvus_server() -> Iterator[tuple[str, int]]:
    """Host and port of a server, for as long as it is needed; skips where there is none."""
    if (reason := lacking()) is not None:
        pytest.skip(reason)
    if os.environ[GIVEN] != "package":
        host, _, port = os.environ[GIVEN].rpartition(":")
        yield host, int(port)
        return
    with tempfile.TemporaryDirectory(prefix="milvus-", ignore_cleanup_errors=True) as folder:
        started = subprocess.Popen(
            [sys.executable, "-c", _START, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert started.stdin is not None
        assert started.stdout is not None
        try:
            line = started.stdout.readline()
            if not line:
                end = pytest.fail if "CI" in os.environ else pytest.skip
                end("the server of the package milvus does not start here")
            yield "127.0.0.1", int(line)
        finally:
            started.stdin.close()
            started.wait(60)
            started.stdout.close()


class Indexes:
    """Indexes on one server, each made once and taken away at the end."""

    def __init__(self, host: str, port: int, folder: Path) -> None:
        self._host, self._port, self._folder = host, port, folder
        self._made: dict[tuple[int, ...], MilvusIndex] = {}
        self._kept: list[object] = []
        self._addresses: list[MilvusAddress] = []

    def address(self) -> MilvusAddress:
        """Where no index is yet."""
        name = f"t{secrets.token_hex(6)}"
        made = MilvusAddress(self._host, self._port, name, f"file://{self._folder}/{name}")
        self._addresses.append(made)
        return made

    def of(self, sketches: Sequence[CheckpointSketch]) -> MilvusIndex:
        """The index of these sketches, added in this order; to be read only."""
        key = tuple(map(id, sketches))
        if key not in self._made:
            self._kept += sketches
            with MilvusIndex.create(address := self.address()) as index:
                for sketch in sketches:
                    index.add(sketch, "0.0.test")
            self._made[key] = MilvusIndex.open(address)
        return self._made[key]

    def close(self) -> None:
        """Take them away."""
        from lineage.store.milvus.server import Server

        for index in self._made.values():
            index.close()
        for address in self._addresses:
            server = Server(address)
            server.drop()
            server.close()
