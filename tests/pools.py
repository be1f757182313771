"""Pools for tests: nodes in memory that lose what they are told to lose, and a Ray cluster of two nodes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from lineage.api.pools.on_node import Answer, answer, checked, question
from lineage.api.pools.tasks import Lost, Outcome, Task

ROOT = Path(__file__).parents[1]


class NodesInMemory:
    """What a cluster does, in this process: the last task first, each lost as often as `lost` says for its file."""

    def __init__(
        self,
        lost: Mapping[str, int] | None = None,
        change: Callable[[Answer], Answer] = lambda got: got,
        capacity: int = 3,
    ) -> None:
        self._lost, self._change, self._capacity = dict(lost or {}), change, capacity
        self._waiting: list[Task] = []
        self.begun: list[str] = []
        self.most = 0
        self.is_left = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.is_left = True

    def capacity(self) -> int:
        return self._capacity

    def take(self, task: Task) -> None:
        self._waiting.append(task)
        self.begun.append(Path(task.path).name)
        self.most = max(self.most, len(self._waiting))

    def finished(self) -> list[tuple[Task, Outcome]]:
        task = self._waiting.pop()
        name = Path(task.path).name
        if self._lost.get(name, 0) > 0:
            self._lost[name] -= 1
            return [(task, Lost("its node or process ended"))]
        return [(task, checked(task, self._change(answer(question(task, 1)))))]


@contextmanager
def two_nodes(processors: int = 1) -> Iterator[Any]:
    """A Ray cluster of two nodes on this machine; `.address`, `.remove_node(.worker_nodes.pop())`."""
    from ray.cluster_utils import Cluster

    before = dict(os.environ)
    os.environ.update(RAY_USAGE_STATS_ENABLED="0", PYTHONPATH=str(ROOT), OMP_NUM_THREADS="1")
    try:
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": processors, "include_dashboard": False})
        try:
            cluster.add_node(num_cpus=processors)
            yield cluster
        finally:
            cluster.shutdown()
    finally:
        os.environ.clear()
        os.environ.update(before)
