"""The ancestry graph of a whole index: copies are folded, merges found, other models joined into rooted trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from threadpoolctl import threadpool_limits

from lineage.ancestry.declarations import declarations
from lineage.ancestry.families import Reopened, each_of, families
from lineage.ancestry.folding import fold, nodes_of
from lineage.ancestry.growing import grown, is_little
from lineage.ancestry.layouts import in_one_layout
from lineage.ancestry.trees.edges import measured_edges
from lineage.ancestry.trees.pairs import Watch
from lineage.ancestry.trees.processes import cores
from lineage.ancestry.trees.search import Search
from lineage.sketch.adapters import is_adapter
from lineage.store import Index
from lineage.store.cache_in_use import kept_on_disk, write_now
from lineage.types import Edge, Lineage, ModelRecord

METHOD = 12
"""Version of the graph search: increased when the same sketches give another graph, so that no stored one is reused."""

_MANY = 200  # number of models from which several processes are worth their start
_MOST_TENSORS = 50_000  # of all models, with 35 kB each in memory; beyond, each family is drawn without the others

_Drawn = tuple[list[list[str]], list[Edge]]


def graph(
    indexes: Sequence[Index],
    *,
    known: Lineage | None = None,
    watch: Watch | None = None,
    processes: int | None = None,
) -> Lineage:
    """Ancestry of every model of the indexes.

    Declarations of cards do not influence the search; they are added as separate edges and checked against the measured
    ones. Adapters are not searched: they have declared edges only. `known` is an earlier graph of these indexes: if few
    models are new, each is placed among its neighbours, and everything else is kept. `watch(done, total)` counts
    comparisons. `processes` is the number of processes; by default one, and for many models one for each core if
    processes can be forked. Raises ChildProcessError if one was killed.
    """
    listed = [(record, index) for index in indexes for record in index.models()]
    records = {record.id: record for record, _ in listed}
    homes = {record.id: index for record, index in listed if not is_adapter(record)}
    known = None if known is None else _of_models(known, records)
    # The products are small: threads would only cost time.
    with threadpool_limits(limits=1, user_api="blas"), kept_on_disk(indexes):
        little = known is not None and is_little(known, {model: records[model] for model in homes})
        added = grown(known, indexes, homes, watch) if known is not None and little else None
        groups, edges = added or _drawn(homes, indexes, sum(records[one].tensors for one in homes), watch, processes)
    alone = [[record.id] for record in records.values() if is_adapter(record)]
    held = [[records[model] for model in group] for group in (*groups, *alone)]
    declared, contradictions = declarations(Lineage((), tuple(edges)), held)
    return Lineage(nodes_of(held, edges), (*edges, *declared), contradictions)


def _of_models(known: Lineage, records: Mapping[str, ModelRecord]) -> Lineage:
    """An earlier graph without its adapters; removed models are kept in it, so that a removal is detected."""
    nodes = (n for n in known.nodes if n.id not in records or not is_adapter(records[n.id]))
    return replace(known, nodes=tuple(nodes))


def _drawn(
    homes: Mapping[str, Index], indexes: Sequence[Index], tensors: int, watch: Watch | None, processes: int | None
) -> _Drawn:
    """Groups of equal models (ids) and the measured edges: all models at once, or each family without the others."""
    count = processes or (cores() if len(homes) >= _MANY else 1)
    if tensors <= _MOST_TENSORS:
        return _of_models_together(sorted(homes), homes, watch, count)
    return _by_families(homes, indexes, watch, count)


def _by_families(homes: Mapping[str, Index], indexes: Sequence[Index], watch: Watch | None, processes: int) -> _Drawn:
    numbers = {model: next(i for i, one in enumerate(indexes) if one is home) for model, home in homes.items()}
    shared = Reopened(indexes)
    progress = _Progress(watch, 2 * len(homes))
    groups = families(numbers, shared, processes, progress.further)
    several = [group for group in groups if len(group) > 1]
    alone = [group for group in groups if len(group) == 1]
    progress.further(len(alone))

    def work(number: int) -> _Drawn:
        own = {model: shared.here()[numbers[model]] for model in several[number]}
        drawn = _of_models_together(several[number], own, None, 1)
        write_now()
        return drawn

    found: dict[int, _Drawn] = {}
    for number, drawn in each_of(work, [len(one) ** 1.5 for one in several], processes if shared.can_be else 1):
        found[number] = drawn
        progress.further(len(several[number]))
    in_order = [found[number] for number in range(len(several))]
    return [*(one for made, _ in in_order for one in made), *alone], [edge for _, made in in_order for edge in made]


class _Progress:
    """Steps that are done out of so many."""

    def __init__(self, watch: Watch | None, total: int) -> None:
        self._watch, self._done, self._total = watch, 0, total

    def further(self, count: int) -> None:
        self._done += count
        if self._watch is not None:
            self._watch(self._done, self._total)


def _of_models_together(
    models: Sequence[str], homes: Mapping[str, Index], watch: Watch | None, processes: int
) -> _Drawn:
    groups = fold([one for model in models for one in homes[model].layouts(model)])
    sketches = [replace(sketch, declared=()) for sketch in in_one_layout(groups)]
    edges = list(measured_edges(Search(sketches, watch, processes=processes)))
    return [list(dict.fromkeys(sketch.id for sketch in group)) for group in groups], edges
