"""Lines of descent: every ancestor of a model, by component, with its certainty."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from heapq import heapify, heappop, heappush
from itertools import count
from typing import get_args

from lineage.policy.declared import is_declared
from lineage.types import (
    Case,
    Certainty,
    Comparison,
    ComponentFinding,
    DescentLine,
    Edge,
    InheritedPart,
    Lineage,
    Node,
    Relation,
    Relative,
)

CERTAIN = 0.9
"""Confidence from which a directed edge counts as measured; below it an ancestor is possible."""

_RANK: dict[Certainty, int] = {word: i for i, word in enumerate(get_args(Certainty))}
Key = tuple[str, str | None]


def descents(case: Case) -> tuple[DescentLine, ...]:
    """Every ancestor of the model of `case`, once per component; the surest line to each, the surest first.

    A line is as sure as its weakest step. Descendants of the model are never ancestors, whatever an undirected edge
    allows. The place in the answer decides over an edge to the model itself: descendants and siblings there are not
    ancestors; copies and open relatives are possible at most, though the graph may have seen more models.
    """
    nodes = {node.id: node for node in case.lineage.nodes}
    below = _descendants(case.lineage, case.node) | _nodes_of(nodes, case.answer.place.descendants)
    above = dict(_steps(case.lineage, below))
    above[case.node] = list(_as_placed(case, above.get(case.node, ()), nodes))
    found: dict[Key, DescentLine] = {}
    first = [*_first_steps(case, above.get(case.node, ()), nodes), *_same_weights(case, nodes)]
    first += _only_asked(case, {line.component for line in first}, nodes)
    order = count()
    waiting = [(surety(line), next(order), line) for line in first]
    heapify(waiting)
    while waiting:
        _, _, line = heappop(waiting)
        if (line.ancestor, line.component) in found:
            continue
        found[line.ancestor, line.component] = line
        for parent, certainty, edge in above.get(line.ancestor, ()):
            component = edge.component if line.component is None else line.component
            if parent != case.node and edge.component in (None, component) and _can_give(case, edge, parent, component):
                further = _further(line, nodes[parent], component, certainty, edge)
                heappush(waiting, (surety(further), next(order), further))
    return tuple(
        sorted(_without_repeats(found.values()), key=lambda d: (surety(d), -(d.share or 0.0), d.ancestor_name or ""))
    )


def surety(line: DescentLine) -> tuple[int, float, int]:
    """Sorts the surest first: measured before possible before declared, then by confidence, then the nearest."""
    return _RANK[line.certainty], -line.confidence, len(line.through)


def weaker(one: Certainty, other: Certainty) -> Certainty:
    """The less sure of two."""
    return max(one, other, key=_RANK.__getitem__)


def inherited_share(case: Case, lines: Sequence[DescentLine], certainty: Certainty = "measured") -> float:
    """Share of the model's parameters that have an ancestor at least as sure as `certainty`.

    Each component counts with its largest donor, as two ancestors may have given the same tensors. A line of several
    components together is divided among them by size.
    """
    sizes = {finding.name: finding.share for finding, _, _ in case.answer.components}
    whole, most = 0.0, dict.fromkeys(sizes, 0.0)
    for line in lines:
        if _RANK[line.certainty] > _RANK[certainty] or not line.relation.inherits:
            continue
        if line.component is None:
            whole = max(whole, 1.0 if line.share is None else line.share)
            continue
        together = {name: sizes[name] for name in line.component.split(", ") if name in sizes}
        total = sum(together.values())
        share = total if line.share is None else line.share
        most |= {name: max(most[name], share * size / total) for name, size in together.items() if total}
    return min(1.0, max(whole, sum(most.values())))


def _descendants(lineage: Lineage, model: str) -> set[str]:
    """Nodes below `model` on measured, directed edges."""
    children: dict[str, list[str]] = defaultdict(list)
    for edge in lineage.edges:
        if edge.source == "measured" and edge.directed:
            children[edge.parent].append(edge.child)
    reached, waiting = set(), [model]
    while waiting:
        for child in children[waiting.pop()]:
            if child not in reached and child != model:
                reached.add(child)
                waiting.append(child)
    return reached


Step = tuple[str, Certainty, Edge]


def _steps(lineage: Lineage, below: set[str]) -> Mapping[str, Sequence[Step]]:
    """The steps up from each node: to parents, and to either end of what has no direction."""
    found: dict[str, list[Step]] = defaultdict(list)
    for edge in lineage.edges:
        if edge.source == "declared":
            found[edge.child].append((edge.parent, "declared", edge))
        elif edge.relation.inherits and edge.directed:
            found[edge.child].append((edge.parent, "measured" if _is_certain(edge) else "possible", edge))
        elif edge.relation.inherits:
            found[edge.child].append((edge.parent, "possible", edge))
            found[edge.parent].append((edge.child, "possible", edge))
    return {node: [step for step in steps if step[0] not in below] for node, steps in found.items()}


def _nodes_of(nodes: Mapping[str, Node], relatives: Iterable[Relative]) -> set[str]:
    """The nodes that stand for these relatives."""
    wanted = {relative.model for relative in relatives}
    return {node.id for node in nodes.values() if wanted & {node.id, *node.copies}}


def _as_placed(case: Case, steps: Sequence[Step], nodes: Mapping[str, Node]) -> Iterator[Step]:
    """The steps from the model itself, none surer than its place."""
    place = case.answer.place
    beside = _nodes_of(nodes, place.siblings)
    unsure = _nodes_of(nodes, (*place.copies, *place.open))
    for parent, certainty, edge in steps:
        if certainty == "declared" or parent not in beside:
            yield parent, weaker(certainty, "possible") if parent in unsure else certainty, edge


def _is_certain(edge: Edge) -> bool:
    """Whether a directed edge is sure enough to count against a model.

    A part that two models share was taken out of one or put into the other: without a reason the direction is open.
    """
    is_decided = bool(edge.basis) or edge.relation not in (Relation.COMPONENT_REUSED, Relation.IDENTICAL)
    return is_decided and edge.confidence is not None and edge.confidence >= CERTAIN


def _first_steps(case: Case, steps: Sequence[Step], nodes: Mapping[str, Node]) -> Iterator[DescentLine]:
    """The steps from the model itself, one for each component where the comparison with the parent has them."""
    for parent, certainty, edge in steps:
        node = nodes[parent]
        line = _line(node, edge, certainty)
        compared = next((c for c in case.parents if c.model in (node.id, *node.copies)), None)
        parts = [] if compared is None or certainty == "declared" else list(_parts(compared, edge))
        yield from (_of_component(line, part, edge) for part in parts)
        if not parts:
            yield line


def _line(node: Node, edge: Edge, certainty: Certainty) -> DescentLine:
    return DescentLine(
        ancestor=node.id,
        ancestor_name=_name(node),
        licence=node.licence,
        component=edge.component,
        share=edge.share,
        relation=edge.relation,
        certainty=certainty,
        confidence=edge.confidence if edge.confidence is not None else 0.0,
        basis=edge.basis,
        r=edge.r,
        z=edge.z,
        log10_p=edge.log10_p,
    )


def _name(node: Node) -> str | None:
    """The name of a model of the index, or of one that a card names; an unobserved parent has none."""
    return node.name if node.observed or is_declared(node) else None


def _parts(compared: Comparison, edge: Edge) -> Iterator[ComponentFinding]:
    for part in compared.components:
        if part.relation.inherits and edge.component in (None, part.name):
            yield part


def _of_component(line: DescentLine, part: ComponentFinding, edge: Edge) -> DescentLine:
    """`line` for one component: its own figures, and its own relation unless the whole is a merge."""
    return replace(
        line,
        component=part.name,
        share=part.share_inherited,
        relation=Relation.MERGED if edge.relation == Relation.MERGED else part.relation,
        r=part.evidence.r,
        z=part.evidence.z,
        log10_p=part.evidence.log10_p,
        parts=_parts_of(part),
    )


def _parts_of(part: ComponentFinding) -> tuple[InheritedPart, ...]:
    return () if part.inherited is None else part.inherited.parts


def _same_weights(case: Case, nodes: Mapping[str, Node]) -> Iterator[DescentLine]:
    """The node itself, where it stands for another model of the same weights: which one is the copy is open."""
    node = nodes.get(case.node)
    if node is not None and case.answer.sketch.id != node.id:
        same = Edge(node.id, case.answer.sketch.id, Relation.IDENTICAL, False, "measured", share=1.0, confidence=1.0)
        yield _line(node, same, "possible")


def _only_asked(case: Case, known: set[str | None], nodes: Mapping[str, Node]) -> Iterator[DescentLine]:
    """What the answer found for components of which the graph knows no ancestor, in models that the graph has not."""
    placed = {model for node in nodes.values() for model in (node.id, *node.copies)}
    place = case.answer.place
    apart = {relative.model for relative in (*place.descendants, *place.siblings)}
    probabilities = {parent.model: parent.probability for parent in place.parents}
    for part, model, name in case.answer.components:
        if model is None or model in placed or model in apart or not part.relation.inherits:
            continue
        if known & {None, part.name}:
            continue
        sure = probabilities.get(model, 0.0) >= CERTAIN
        found = next((c for c in case.answer.ancestors if c.model == model), None)
        edge = Edge(
            model, case.node, part.relation, sure, "measured", part.name, part.share_inherited, None, part.evidence.r,
            part.evidence.z, part.evidence.log10_p, part.confidence, found.basis if found is not None else part.basis,
        )  # fmt: skip
        line = _line(Node(model, name or model, 0), edge, "measured" if sure else "possible")
        yield replace(line, parts=_parts_of(part))


def _can_give(case: Case, edge: Edge, parent: str, component: str | None) -> bool:
    """Whether a step of a reused part can be about this component: not where the parent is known to lack it."""
    has = case.components.get(parent)
    return component is None or edge.relation != Relation.COMPONENT_REUSED or has is None or component in has


def _further(line: DescentLine, node: Node, component: str | None, certainty: Certainty, edge: Edge) -> DescentLine:
    """One step further up: as sure as the weakest step, the figures still those of the first."""
    return replace(
        line,
        ancestor=node.id,
        ancestor_name=_name(node),
        licence=node.licence,
        component=component,
        certainty=weaker(line.certainty, certainty),
        confidence=line.confidence * (edge.confidence if edge.confidence is not None else 0.0),
        through=(*line.through, line.ancestor_name),
    )


def _without_repeats(lines: Iterable[DescentLine]) -> list[DescentLine]:
    """Drop lines of the whole where the same ancestor is known by component at least as surely."""
    kept = list(lines)
    best: dict[str, int] = {}
    for line in kept:
        if line.component is not None:
            best[line.ancestor] = min(best.get(line.ancestor, len(_RANK)), _RANK[line.certainty])
    return [
        line
        for line in kept
        if line.component is not None or _RANK[line.certainty] < best.get(line.ancestor, len(_RANK))
    ]
