"""The nodes of a Ray cluster (https://docs.ray.io): tasks go out, answers come in, one process adds them.

Ray tries nothing again here (`max_retries=0`): a task that was lost comes back as lost, as from every pool.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from typing import Any, Self
from urllib.parse import urlsplit

from lineage.api.pools.on_node import answer, checked, question
from lineage.api.pools.tasks import Lost, Outcome, Task
from lineage.errors import ClusterError, MissingExtra

_REACHED_WITHIN_S = 10.0
_LOOK_S = 5.0  # between two looks at the nodes, while nothing ends
_PATIENCE_S = 600.0  # a cluster that grows on demand takes minutes for a node


class RayCluster:
    """Sketches models on the nodes of the cluster at `address`, a processor each and one for every processor there.

    With `workers`, so many at a time, which share the processors as far as one node goes. Raises MissingExtra without
    Ray, ClusterError where no cluster answers, where a node cannot run this version, and where no node is left.
    """

    def __init__(self, address: str, workers: int | None) -> None:
        self._address, self._workers = address, workers
        self._running: dict[Any, tuple[Task, int]] = {}  # with the processors that it needs
        self._processors: list[int] = []

    def __enter__(self) -> Self:
        self._ray = _connected(self._address)
        self._answer = self._ray.remote(answer)
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(self._ray.exceptions.RayError):
            for ref in self._running:
                self._ray.cancel(ref, force=True)
        self._ray.shutdown()

    def capacity(self) -> int:
        """`workers`, or else two for each processor, so that the next one is waiting when one ends."""
        self._processors = self._of_nodes()
        return self._workers or max(1, 2 * sum(self._processors))

    def take(self, task: Task) -> None:
        """Send it to whichever node has the processors free first."""
        share = sum(self._processors) // self._workers if self._workers else 1
        threads = max(1, min([share, *self._processors]))
        begin = self._answer.options(num_cpus=threads, max_retries=0)
        self._running[begin.remote(question(task, threads))] = task, threads

    def finished(self) -> list[tuple[Task, Outcome]]:
        """Those that have ended by now, at least one."""
        seen = time.monotonic()
        while True:
            done, _ = self._ray.wait([*self._running], num_returns=1, timeout=_LOOK_S)
            if done:
                ended = [(ref, self._running.pop(ref)[0]) for ref in done]
                return [(task, self._outcome(ref, task)) for ref, task in ended]
            if max(self._of_nodes(), default=0) >= max(threads for _, threads in self._running.values()):
                seen = time.monotonic()
            elif time.monotonic() - seen > _PATIENCE_S:
                raise ClusterError(f"the cluster {self._address} has had no node for a model for some minutes")

    def _outcome(self, ref: Any, task: Task) -> Outcome:
        errors = self._ray.exceptions
        try:
            got = self._ray.get(ref)
        except errors.RayTaskError as error:  # an answer raises nothing: the node cannot even begin
            raise ClusterError(_unfit(self._address, error)) from error
        except errors.OutOfMemoryError:
            return Lost("its node ran out of memory")
        except errors.RayError:
            return Lost("its node or process ended")
        return checked(task, got)

    def _of_nodes(self) -> list[int]:
        """The processors of each live node that has any."""
        alive = (node["Resources"] for node in self._ray.nodes() if node["Alive"])
        return [int(has["CPU"]) for has in alive if has.get("CPU", 0) >= 1]


def _connected(address: str) -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("a cluster is reached by Ray: pip install 'weight-lineage[ray]'") from error
    _require_reachable(address)
    # The news of nodes that end would be printed on standard output, among the answers; no setting of Ray prevents it.
    ray._private.worker._worker_logs_enabled = False
    try:
        ray.init(address, log_to_driver=False, logging_level="error")
    except Exception as error:  # of many kinds, and of many lines
        raise ClusterError(f"the cluster {address} cannot be used: {_one_line(error)}") from error
    return ray


def _require_reachable(address: str) -> None:
    """Raise ClusterError if nothing listens at the address: Ray itself retries for minutes and prints messages."""
    named = os.environ.get("RAY_ADDRESS", address) if address == "auto" else address
    try:
        parts = urlsplit(named if "//" in named else f"//{named}")
        if parts.hostname is None or parts.port is None:
            return  # `auto`, or what Ray calls no address
        socket.create_connection((parts.hostname, parts.port), _REACHED_WITHIN_S).close()
    except (OSError, ValueError) as error:
        raise ClusterError(f"the cluster {named} cannot be reached: {_one_line(error)}") from error


def _unfit(address: str, error: Any) -> str:
    from lineage import __version__

    cause = _one_line(getattr(error, "cause", None) or error)
    return f"a node of {address} cannot run lineage {__version__}: install weight-lineage there as here ({cause})"


def _one_line(error: object) -> str:
    return " ".join(str(error).split())[-200:]
