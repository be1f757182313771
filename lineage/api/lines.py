"""Questions about the line of one model: the way up to its roots, and what comes from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lineage import store
from lineage.api.graphs import node_of, whole_graph, with_model
from lineage.api.indexes import find, held, indexes
from lineage.sketch.adapters import is_adapter, require_model
from lineage.types import CheckpointSketch, Depth, Descendants, Relation, Trace

if TYPE_CHECKING:
    from lineage.store import Index


def trace(
    model: str,
    index: str | Path | None = None,
    *,
    reference: bool = True,
    watch: Callable[[int, int], None] | None = None,
) -> Trace:
    """The ancestry of an indexed model (see `find`) up to its roots. Raises Unknown, NoIndex."""
    with indexes(index, reference) as searched:
        return store.settled(lambda: _traced(model, searched, watch))


def _traced(model: str, searched: Sequence[Index], watch: Callable[[int, int], None] | None) -> Trace:
    from lineage import ancestry

    record, home = held(model, searched)
    family = ancestry.part_of(whole_graph(searched, watch), record.id, only_neighbours=False)
    node = node_of(record.id, family).id
    is_merge = any(edge.relation == Relation.MERGED and edge.child == node for edge in family.edges)
    merge = ancestry.decompose(home.load(record.id), searched) if is_merge else None
    bases = tuple(said for said in record.declared if said.relation == "adapter") if is_adapter(record) else None
    return Trace(node, family, () if merge is None else merge.alternatives, bases)


def descendants(
    checkpoint: str | Path | CheckpointSketch,
    index: str | Path | None = None,
    *,
    reference: bool = True,
    depth: Depth | None = None,
    watch: Callable[[int, int], None] | None = None,
) -> Descendants:
    """What comes from a checkpoint or indexed model (see `find`), among the models of the indexes.

    `watch` is called with the comparisons done and to do. Raises Unknown, NoIndex, SketchMismatch for an adapter.
    """
    from lineage import ancestry
    from lineage.ancestry.placing import not_tested, unsampled, unsearched

    query = find(checkpoint, index, reference=reference, depth=depth)
    require_model(query)
    with indexes(index, reference) as searched:
        records = {record.id: record for one in searched for record in one.models()}
        addresses = store.addresses(searched)
        whole = store.settled(lambda: with_model(query, searched, whole_graph(searched, watch), watch))
        index_id = "+".join(one.id for one in searched)
        limits = (*not_tested(query), *unsampled([query, *records.values()]), *unsearched(searched))
    family = ancestry.part_of(whole, query.id, only_neighbours=False)
    family = replace(family, nodes=tuple(replace(node, address=addresses.get(node.id)) for node in family.nodes))
    model = node_of(query.id, family)
    found, perhaps = ancestry.below(family, model.id)
    line, told = {model.id, *(one.node.id for one in found)}, {one.node.id for one in (*found, *perhaps)}
    return Descendants(
        model=model,
        found=found,
        open=perhaps,
        declared=tuple(e for e in family.edges if e.source == "declared" and e.parent in line and e.child not in told),
        lineage=replace(family, about=model.id),
        models=sum(not is_adapter(record) for record in records.values()),
        index_id=index_id,
        not_tested=limits,
    )
