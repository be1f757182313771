"""The families of a large index, as far as its search tells them apart: each is then drawn without the others.

All pairs of 10,000 models are too many to look at. A search has a chance to find strangers in each of its tries; of the
tries of all models together, hardly one should join two families, since each join makes one graph of two.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from lineage.ancestry.candidates import near_kin
from lineage.ancestry.links import joined
from lineage.ancestry.trees.processes import shared_out
from lineage.store import Index, MemoryIndex, SketchFolder, SqliteIndex

Result = TypeVar("Result")
Done = Callable[[int], None]


class Reopened:
    """Indexes for several processes: a connection does not survive a fork, so that each opens its own."""

    def __init__(self, indexes: Sequence[Index]) -> None:
        self.indexes = indexes
        self._opened, self._process = indexes, os.getpid()

    @property
    def can_be(self) -> bool:
        """Whether all of them are files, so that other processes can open them."""
        return all(isinstance(one, (SqliteIndex, SketchFolder, MemoryIndex)) for one in self.indexes)

    def here(self) -> Sequence[Index]:
        """Those of this process."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._opened = [SqliteIndex.open(i.folder) if isinstance(i, SqliteIndex) else i for i in self.indexes]
        return self._opened


def families(homes: Mapping[str, int], shared: Reopened, processes: int, done: Done) -> list[list[str]]:
    """Groups of models (ids) that a search joins, alone ones included, each sorted, in the order of their first ids.

    `homes` gives the number of the index that holds each model; `done` is called with the number of further models.
    """
    models = sorted(homes)

    def kin(number: int) -> list[str]:
        indexes, model = shared.here(), models[number]
        known = indexes[homes[model]].layouts(model)[0]
        return [other for index in indexes for other in near_kin(known, index, len(models)) if other in homes]

    lines = []
    for number, others in each_of(kin, [1.0] * len(models), processes if shared.can_be else 1):
        lines += [(models[number], other) for other in others]
        done(1)
    return sorted(sorted(group) for group in joined(sorted(lines), models))


def each_of(work: Callable[[int], Result], sizes: Sequence[float], processes: int) -> Iterator[tuple[int, Result]]:
    """Pairs (i, `work(i)`) for every i, in order of completion, by several processes where there are several."""
    if processes == 1:
        yield from ((i, work(i)) for i in range(len(sizes)))
    else:
        for portion in shared_out(work, sizes, processes):
            yield from portion
