"""The families of a large index, as far as its search tells them apart: each is then drawn without the others.

All pairs of 10,000 models are too many to look at. A search has a chance to find strangers in each of its tries; of the
tries of all models together, hardly one should join two families, since each join makes one graph of two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from lineage.ancestry.candidates import near_kin
from lineage.ancestry.links import joined
from lineage.ancestry.trees.processes import shared_out
from lineage.store import Index, MemoryIndex, SketchFolder, SqliteIndex

Result = TypeVar("Result")
Done = Callable[[int], None]


@dataclass
class Reopened:
    """Indexes for several processes, each of which opens its own: a connection does not survive a fork."""

    indexes: Sequence[Index]
    _own: Sequence[Index] | None = None

    @property
    def can_be(self) -> bool:
        """Whether all of them are files, so that other processes can open them."""
        return all(isinstance(one, (SqliteIndex, SketchFolder, MemoryIndex)) for one in self.indexes)

    def here(self) -> Sequence[Index]:
        """Those of this process, opened at the first call."""
        if self._own is None:
            self._own = [SqliteIndex.open(one.folder) if isinstance(one, SqliteIndex) else one for one in self.indexes]
        return self._own


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
