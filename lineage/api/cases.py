"""A case for the policies: the answer about a model, and its place among the models of the indexes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lineage import store
from lineage.api.graphs import with_model
from lineage.errors import Unknown
from lineage.policy.declared import Published, with_declared
from lineage.policy.verifying import named
from lineage.sketch.adapters import is_adapter
from lineage.types import Beside, Case, CheckpointSketch, Lineage

if TYPE_CHECKING:
    from lineage.store import Index

Steps = Callable[[int, int], None]


def case_of(
    query: CheckpointSketch,
    searched: Sequence[Index],
    whole: Lineage,
    *,
    beside: Beside | None = None,
    claimed: Iterable[str] = (),
    watch: Steps | None = None,
) -> Case:
    """Answer about `query` as if it were not in the indexes, and find its place in the graph `whole` of their models.

    It is compared with every neighbour there, and with the indexed models that `claimed` names. `watch` is called with
    the comparisons that are done and to do.
    """
    from lineage import ancestry

    records = {record.id: record for index in searched for record in index.models()}
    homes = {record.id: index for index in searched for record in index.models()}
    answer = ancestry.whois(query, [_without(index, query.id) for index in searched])
    whole = with_model(query, searched, whole, watch)
    family = ancestry.part_of(whole, query.id, only_neighbours=False)
    node = next(one.id for one in family.nodes if query.id in (one.id, *one.copies))
    names = [one.name for one in records.values()]
    case = Case(
        answer, family, node, (), beside, tuple((one.id, one.name) for one in records.values() if not is_adapter(one))
    )
    beside_it = [edge for edge in family.edges if edge.source == "measured" and node in (edge.parent, edge.child)]
    near = [end for edge in beside_it for end in (edge.parent, edge.child)]
    wanted = dict.fromkeys([*near, *(model for text in claimed for model in named(case, text))])
    said = {one.id: records[one.id].declared for one in family.nodes if one.id in records} | {node: query.declared}
    return replace(
        case,
        components={one.id: frozenset(one.components) for one in records.values()},
        lineage=with_declared(family, said, names, _published()),
        parents=tuple(
            ancestry.compare(query, ancestry.fitting(query, homes[m].layouts(m)))
            for m in wanted
            if m in homes and m != query.id
        ),
    )


def _without(index: Index, model: str) -> Index:
    return store.Without(index, model) if any(record.id == model for record in index.models()) else index


def _published() -> list[Published]:
    try:
        return [Published(one.name, one.licence, one.declared) for one in store.catalogue()]
    except Unknown:  # this copy has no catalogue
        return []
