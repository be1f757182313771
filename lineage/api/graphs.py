"""Questions about all models: their graph, one more model's place in it, the families around an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lineage import store
from lineage.api.indexes import held, indexes
from lineage.errors import Gone
from lineage.sketch.file_digests import file_digests
from lineage.types import CheckpointSketch, Lineage, ModelRecord, Node, Whois

if TYPE_CHECKING:
    from lineage.store import Index

_SOON_PLACED = 64  # models without a place in a graph yet that are placed for a report


def graph(
    model: str | None = None,
    index: str | Path | None = None,
    *,
    reference: bool = True,
    family: bool = False,
    files: bool = False,
    watch: Callable[[int, int], None] | None = None,
) -> Lineage:
    """The ancestry graph of all models, or of one (see `find`) with its neighbours or its whole `family`.

    With `files`, the node of `model` has the SHA-256 of its files (see `file_digests`), which are sketched for it.
    `watch` is called with the comparisons that are done and to do. Raises Unknown, NoIndex.
    """
    from lineage import ancestry

    with indexes(index, reference) as searched:
        chosen = None if model is None else held(model, searched)[0]
        addresses = store.addresses(searched)
        whole = store.settled(lambda: whole_graph(searched, watch))
    whole = replace(whole, nodes=tuple(replace(node, address=addresses.get(node.id)) for node in whole.nodes))
    if chosen is None:
        return whole
    part = ancestry.part_of(whole, chosen.id, only_neighbours=not family)
    about = node_of(chosen.id, part).id
    digests = file_digests(chosen.source, chosen.id, chosen.depth) if files else ()
    nodes = tuple(replace(node, files=digests) if node.id == about else node for node in part.nodes)
    return replace(part, nodes=nodes, about=about)


def relatives(answer: Whois, index: str | Path | None = None, *, reference: bool = True) -> Lineage:
    """The graph around an answer: the family of its model or of the models that it names, and these models.

    Families are left out if many models are not placed in the graph yet: placing them is slow (`graph`).
    Raises NoIndex.
    """
    from lineage import ancestry

    with indexes(index, reference) as searched:
        records = {record.id: record for one in reversed(searched) for record in one.models()}
        addresses = store.addresses(searched)
        known = _kept_graph(searched) or Lineage((), ())
        placed = {model for node in known.nodes for model in (node.id, *node.copies)}
        is_soon = len(records.keys() - placed) <= _SOON_PLACED
        whole = store.settled(lambda: whole_graph(searched, None)) if is_soon else Lineage((), ())
    there = {copy: node for node in whole.nodes for copy in (node.id, *node.copies)}
    own, descended = answer.sketch.id, _descended(answer)
    asked = [own] if own in there and answer.adapted is None else [own, *descended]
    parts = [ancestry.part_of(whole, model, only_neighbours=False) for model in asked if model in there]
    named = {*descended, *(one.model for one in answer.alternatives)} - {own}
    apart = [there.get(model) or _alone(records[model]) for model in sorted(named & records.keys())]
    nodes = {node.id: node for node in (*(node for part in parts for node in part.nodes), *apart)}
    edges = dict.fromkeys(edge for part in parts for edge in part.edges)
    against = dict.fromkeys(text for part in parts for text in part.contradictions)
    located = (replace(node, address=addresses.get(node.id)) for node in nodes.values())
    return Lineage(tuple(located), tuple(edges), tuple(against))


def with_model(
    query: CheckpointSketch,
    searched: Sequence[Index],
    whole: Lineage,
    watch: Callable[[int, int], None] | None,
) -> Lineage:
    """The graph `whole` of the indexes with a model in its place that they may not hold."""
    from lineage import ancestry

    if any(query.id in (node.id, *node.copies) for node in whole.nodes):
        return whole
    return ancestry.graph([*searched, store.MemoryIndex([query])], known=whole, watch=watch)


def node_of(model: str, lineage: Lineage) -> Node:
    """The node that stands for a model (an id): its own, or that of the copy into which it was folded.

    Raises Gone if another process removed the model before the graph was made.
    """
    found = next((node for node in lineage.nodes if model in (node.id, *node.copies)), None)
    if found is None:
        raise Gone(f"the model of id {model} is no longer in the graph")
    return found


def whole_graph(searched: Sequence[Index], watch: Callable[[int, int], None] | None) -> Lineage:
    """The graph of all models: the one that the user's index keeps, with new models put in their place."""
    from lineage import ancestry

    known = _kept_graph(searched)
    whole = ancestry.graph(searched, known=known, watch=watch)
    place = _place_of_graph(searched)
    if place is not None and (known is None or known.nodes != whole.nodes):
        store.keep_graph(*place, whole)
    return whole


def _kept_graph(searched: Sequence[Index]) -> Lineage | None:
    """The last graph of these indexes, or None."""
    place = _place_of_graph(searched)
    return None if place is None else store.kept_graph(*place)


def _place_of_graph(searched: Sequence[Index]) -> tuple[Path, str, str] | None:
    """Where the user's index keeps the graph of these indexes: folder, key and version; None without such an index."""
    from lineage import __version__, ancestry

    home, *others = searched
    key = "-".join(["all", *(other.id for other in others)])
    return (home.folder, key, f"{__version__} {ancestry.METHOD}") if isinstance(home, store.SqliteIndex) else None


def _descended(answer: Whois) -> list[str]:
    """The models whose families an answer is about: its ancestors; an adapter's base, and models that hold it."""
    named = [one.model for one in answer.ancestors]
    if answer.adapted is not None:
        named += [fit.model for fit in answer.adapted.fits if fit.declared]
        named += [model for one in answer.adapted.additions if one.word == "merged" for model in (one.base, one.child)]
    return named


def _alone(record: ModelRecord) -> Node:
    """A model without its place in a graph."""
    return Node(record.id, record.name, record.params, licence=record.licence, weights_seen=record.weights_seen)
