"""The protocol of every pool, and the retries of lost tasks."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Protocol, Self

from lineage.api.pools.tasks import Failed, Lost, Outcome, Sketched, Task
from lineage.checkpoints import shown

TRIES = 4


class Pool(Protocol):
    """Takes tasks and gives each back once, with what became of it, in the order in which they end.

    Left as a context manager, it ends what it still works on. Raises ClusterError where it can do no work at all.
    """

    def __enter__(self) -> Self:
        """Make ready."""

    def __exit__(self, *error: object) -> None:
        """End the tasks that are still running."""

    def capacity(self) -> int:
        """The most tasks that it takes at present, one or more."""

    def take(self, task: Task) -> None:
        """Start a task, or queue it behind those under way."""

    def finished(self) -> list[tuple[Task, Outcome]]:
        """Wait until at least one task has ended, and return all that have."""


def outcomes(pool: Pool, tasks: Iterable[Task]) -> Iterator[Sketched | Failed]:
    """The outcome of each task; a lost task is tried again, up to TRIES times in all.

    No tasks are started while the caller is busy with an outcome, so that no more wait than the pool takes.
    """
    fresh, again = iter(tasks), deque[Task]()
    tries = Counter[Task]()
    running = 0
    while True:
        most = pool.capacity()
        while running < most and (task := again.popleft() if again else next(fresh, None)) is not None:
            pool.take(task)
            running += 1
        if not running:
            return
        for task, outcome in pool.finished():
            running -= 1
            if not isinstance(outcome, Lost):
                yield outcome
                continue
            tries[task] += 1
            if tries[task] < TRIES:
                again.append(task)
            else:
                yield _given_up(task, outcome)


def _given_up(task: Task, lost: Lost) -> Failed:
    place = shown(task.path)
    return Failed(
        place, f"{place}: was begun {TRIES} times and lost each time ({lost.why}): is there enough memory?", 1
    )
