"""The ancestry graph that an answer spans: what was measured, what was declared, and what the indexes know beyond."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from lineage.checkpoints import is_remote
from lineage.report.text.places import placed_direction, stand_of
from lineage.types import Addition, Comparison, ComponentFinding, Direction, Edge, Lineage, Node, Relation, Whois
from lineage.types.facts.descent import AdapterAdded, MergedOrExtracted, NamedIn
from lineage.types.facts.handed_over import WeightsUnseen

_RELATIONS: Mapping[str, Relation] = {str(word): word for word in Relation}


def lineage_of(answer: Whois, relatives: Lineage | None = None) -> Lineage:
    """The graph of an answer, about its model.

    `relatives` is what the indexes know around it. A model that they hold keeps the edges found there; for any other
    they are made from the answer. Those of an adapter to the models that hold it are in an answer alone.
    """
    known = relatives or Lineage((), ())
    held = {copy: node.id for node in known.nodes for copy in (node.id, *node.copies)}
    query = held.get(answer.sketch.id)
    if query is None:
        query = answer.sketch.id
        known = _with_answer(answer, known, held)
    return replace(_with_additions(answer, known, query, held), about=query)


def _with_answer(answer: Whois, known: Lineage, held: Mapping[str, str]) -> Lineage:
    sketch = answer.sketch
    nodes = {node.id: node for node in known.nodes}
    own = Node(
        sketch.id,
        sketch.name,
        sketch.params,
        licence=sketch.licence,
        address=_address(sketch.path),
        weights_seen=sketch.weights_seen,
    )
    unseen = {model for fact in answer.handed_over if isinstance(fact, WeightsUnseen) for model in fact.models}
    nodes[sketch.id] = own
    edges = list(known.edges)
    for other in (*answer.ancestors, *answer.alternatives):
        end = held.get(other.model, other.model)
        if end == sketch.id:  # the model itself, which an index holds without its place in a graph
            continue
        is_root, is_seen = _direction(answer, other) == Direction.CHILD, other.model not in unseen
        nodes.setdefault(end, Node(end, other.model_name, 0, root=is_root, weights_seen=is_seen))
        edges += _measured(answer, other, end)
    fits = () if answer.adapted is None else answer.adapted.fits
    bases = [Node(held.get(fit.model, fit.model), fit.model_name, 0) for fit in fits if fit.declared]
    for said in sketch.declared:
        others = (node for node in (*nodes.values(), *bases) if node.id != sketch.id)
        named = _named(said.model, others) or Node(f"declared:{said.model}", said.model, 0, observed=False)
        nodes.setdefault(named.id, named)
        relation = _RELATIONS.get(said.relation or "", Relation.INCONCLUSIVE)
        edges.append(Edge(named.id, sketch.id, relation, True, "declared", basis=(NamedIn(said.source),)))
    return Lineage(tuple(nodes.values()), tuple(edges), known.contradictions)


def _measured(answer: Whois, other: Comparison, end: str) -> Iterator[Edge]:
    """One edge for a whole model; one a component where the components come from several."""
    query = answer.sketch.id
    direction = _direction(answer, other)
    if other in answer.alternatives:
        yield _edge(query, end, other, direction)
        return
    weight = next((one.weight for one in answer.place.parents if one.model == other.model), None)
    if weight is not None or (len(answer.ancestors) == 1 and other.relation != Relation.COMPONENT_REUSED):
        yield replace(_edge(query, end, other, direction), weight=weight)
        return
    for finding, model, _ in answer.components:
        if model == other.model:
            made = _edge(query, end, finding, direction)
            yield replace(made, component=finding.name, share=finding.share_inherited, layer_map=finding.layer_map)


def _direction(answer: Whois, other: Comparison) -> Direction | None:
    """The model's direction towards another, by its place; None for relatives without one, such as an adapter's."""
    if stand_of(answer.place, other.model) is None:
        return None
    return placed_direction(answer, other.model, other.direction or Direction.CHILD)


def _edge(query: str, end: str, found: Comparison | ComponentFinding, direction: Direction | None) -> Edge:
    parent, child = (query, end) if direction == Direction.PARENT else (end, query)
    evidence = found.evidence
    return Edge(
        parent,
        child,
        found.relation,
        direction in (Direction.CHILD, Direction.PARENT),
        "measured",
        r=evidence.r,
        z=evidence.z,
        log10_p=evidence.log10_p,
        confidence=found.confidence,
        basis=found.basis,
    )


def _with_additions(answer: Whois, known: Lineage, query: str, held: Mapping[str, str]) -> Lineage:
    """Join an adapter to each model that is another one with the adapter added.

    A model that only moved alike gets no edge: the weights do not show whether it was merged at all.
    """
    nodes = {node.id: node for node in known.nodes}
    edges = list(known.edges)
    for one in () if answer.adapted is None else answer.adapted.additions:
        if one.word == "merged":
            end = held.get(one.child, one.child)
            nodes.setdefault(end, Node(end, one.child_name, 0))
            edges.append(_addition(query, end, one))
    return replace(known, nodes=tuple(nodes.values()), edges=tuple(edges))


def _addition(adapter: str, end: str, one: Addition) -> Edge:
    """Without a direction: an adapter extracted from a model's difference to its base gives the same sum."""
    return Edge(
        adapter,
        end,
        Relation.ADAPTER_MERGED,
        False,
        "measured",
        r=one.r,
        z=one.z,
        log10_p=one.log10_p,
        basis=(AdapterAdded(one.base_name, one.weight, one.predicted), MergedOrExtracted()),
    )


def _named(name: str, nodes: Iterable[Node]) -> Node | None:
    """The node that a card means: its name without the organisation, in any case."""
    wanted = name.rsplit("/", 1)[-1].lower()
    return next((node for node in nodes if node.name.rsplit("/", 1)[-1].lower() == wanted), None)


def _address(path: str) -> str | None:
    """Where anyone can read it; the path of a merge, `base + adapter`, is not an address."""
    return path if is_remote(path) and " " not in path else None
