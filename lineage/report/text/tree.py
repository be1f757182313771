"""The answers of `trace` and `decompose`: the way up from one model, and a merge taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lineage.report.facts import fact_values
from lineage.report.figures import correlation, count, percent, phrase, plain, score
from lineage.report.graphs.json import edge_value, node_value
from lineage.report.json import declared, named
from lineage.report.kinship import called, declared_word, parents, steps_up
from lineage.report.text.canvas import JOINT, Branch, Canvas
from lineage.report.text.places import Headline
from lineage.report.words import texts
from lineage.types import CheckpointSketch, Direction, Edge, Merge, MergePart, Node, Trace
from lineage.types.facts import Fact
from lineage.types.facts.descent import Contradiction
from lineage.types.facts.handed_over import OwnWeightsUnseen, WeightsUnseen

_MOST_RELATED = 12


def trace_screen(trace: Trace, width: int = 100, colour: bool = False) -> str:
    """The tree of ancestors with relations, figures and reasons; then what has no direction or was declared."""
    canvas = Canvas(width, colour)
    nodes = {node.id: node for node in trace.lineage.nodes}
    me = nodes[trace.model]
    above = parents(trace.lineage)
    lone = () if me.id in above else _alone(trace)
    canvas.tree(Branch(plain(called(me)), _facts(me), lone, _branches(me.id, above, nodes, {me.id})))
    _related(canvas, trace, nodes)
    _declared(canvas, trace, nodes)
    if trace.alternatives:
        names = ", ".join(plain(name) for _, name in trace.alternatives)
        canvas.line(f"alternatives: {names} would explain the merge as well as a parent named above", indent=2)
    for text in texts(_contradictions(trace)):
        canvas.line(f"contradiction: {plain(text)}", "yellow", indent=2)
    return canvas.text()


def trace_value(trace: Trace) -> dict[str, Any]:
    """`lineage/trace/1`: every step up to the roots by generation, then what has no direction or was declared."""
    nodes = {node.id: node for node in trace.lineage.nodes}
    names = {node.id: node.name for node in trace.lineage.nodes}
    return {
        "schema": "lineage/trace/1",
        "model": node_value(nodes[trace.model]),
        "ancestors": [
            {
                "generation": step.generation,
                "parent": node_value(step.parent),
                "edge": edge_value(step.edge, names),
            }
            for step in steps_up(trace.lineage, trace.model)
        ],
        "related": [edge_value(edge, names) for edge in _undirected(trace)],
        "declared": [edge_value(edge, names) for edge in _said(trace)],
        "alternatives": [named(*other) for other in trace.alternatives],
        "adapter": None if trace.bases is None else {"declared_bases": [declared(said) for said in trace.bases]},
        "contradictions": texts(_contradictions(trace)),
        "contradiction_facts": fact_values(_contradictions(trace)),
    }


def merge_screen(sketch: CheckpointSketch, found: Merge | None, width: int = 100, colour: bool = False) -> str:
    """The parents of a merge with their weights, by layer where the layers differ."""
    canvas = Canvas(width, colour)
    if found is None:
        canvas.pair(plain(sketch.name), _quotable("NO MERGE FOUND", sketch), "bold green")
        canvas.line("no weighted sum of the models searched explains it better than one parent", indent=2)
        return canvas.text()
    canvas.pair(plain(sketch.name), _quotable("MERGED", sketch, found.parts), "bold magenta")
    canvas.table([[f"  {part.weight:.3f}", _part(part), _by_layer(part.by_layer)] for part in found.parts])
    left = percent(found.residual)
    canvas.line(f"method: {_method(found)}; {left} of the movement is left unexplained", indent=2)
    if found.alternatives:
        names = ", ".join(plain(name) for _, name in found.alternatives)
        canvas.line(f"alternatives: {names} would explain it as well as a parent named above", indent=2)
    return canvas.text()


def _quotable(word: str, sketch: CheckpointSketch, parts: Sequence[MergePart] = ()) -> str:
    """The word, with the caveat that must be quoted with it."""
    unseen = [part for part in parts if part.weights_seen is False]
    facts: list[Fact] = [OwnWeightsUnseen()] if sketch.weights_seen is False else []
    if unseen:
        facts.append(WeightsUnseen(tuple(one.model for one in unseen), tuple(one.model_name for one in unseen)))
    return Headline(word, "").with_unseen(facts).text


def _part(part: MergePart) -> str:
    return f"{plain(part.model_name)}{' (weights not seen here)' if part.weights_seen is False else ''}"


def _method(found: Merge) -> str:
    """What was done, to what, how much of it was kept: "TIES on base, density 0.50"."""
    base = next((part.model_name for part in found.parts if part.model == found.base), None)
    on = "" if base is None else f" on {plain(base)}"
    return f"{plain(found.method)}{on}{'' if found.density is None else f', density {found.density:.2f}'}"


def _alone(trace: Trace) -> tuple[str, ...]:
    """What is printed for a model without measured parents, and of an adapter, which never has any."""
    if trace.bases is None:
        return ("  no parent found: a root among the models searched",)
    bases = [f"declared to be {plain(said.model)} ({plain(said.source)}), not measured" for said in trace.bases]
    return (
        "  an adapter: it adds to weights and does not descend from any",
        f"  base: {'; '.join(bases) or 'none declared'}",
        "  `lineage whois` of its files names the models that it fits and those that it was merged into",
    )


def _branches(
    child: str, above: Mapping[str, Sequence[Edge]], nodes: Mapping[str, Node], shown: set[str]
) -> tuple[Branch, ...]:
    """A branch for each parent of `child`; a model that is in the tree already is not expanded again."""
    grown = []
    for edge in above.get(child, ()):
        parent = nodes[edge.parent]
        is_again = parent.id in shown
        shown.add(parent.id)
        below = () if is_again else _branches(parent.id, above, nodes, shown)
        again = " (again; its ancestors are shown above)" if is_again and parent.id in above else ""
        root = " (root)" if parent.id not in above else ""
        hidden = "" if parent.observed else " (not in the index)"
        head = f"{_relation(edge)} {plain(called(parent))}{root}{hidden}{again}"
        notes = (f"basis: {_reasons(edge)}",) if edge.basis else ()
        grown.append(Branch(head, _figures(edge), notes, below))
    return tuple(grown)


def _relation(edge: Edge) -> str:
    weight = None if edge.weight is None else f"{edge.weight:.2f}"
    words = phrase(edge.relation, Direction.CHILD if edge.directed else Direction.UNDIRECTED, weight)
    return words if edge.component is None else f"{plain(edge.component)}: {words}"


def _figures(edge: Edge) -> str:
    parts = [correlation(edge.r), score(edge.z)] if edge.r is not None or edge.z is not None else []
    if edge.confidence is not None:
        parts.append(f"confidence {edge.confidence:.2f}")
    return "  ".join(part.replace(" ", JOINT) for part in parts)


def _reasons(edge: Edge) -> str:
    return "; ".join(map(plain, texts(edge.basis)))


def _facts(node: Node) -> str:
    aliases = f"also {', '.join(plain(name) for name in node.aliases)}" if node.aliases else ""
    facts = (f"{count(node.params)} params", f"licence {plain(node.licence) if node.licence else 'none'}", aliases)
    return ", ".join(fact for fact in facts if fact)


def _undirected(trace: Trace) -> list[Edge]:
    """Measured edges of the model without a direction, the most similar first."""
    found = [
        edge
        for edge in trace.lineage.edges
        if not edge.directed and edge.source == "measured" and trace.model in (edge.parent, edge.child)
    ]
    return sorted(found, key=lambda edge: (-(edge.r or 0.0), edge.parent, edge.child))


def _said(trace: Trace) -> list[Edge]:
    """Declared parents of the model and of its ancestors."""
    line = {trace.model, *(step.parent.id for step in steps_up(trace.lineage, trace.model))}
    return [edge for edge in trace.lineage.edges if edge.source == "declared" and edge.child in line]


def _related(canvas: Canvas, trace: Trace, nodes: Mapping[str, Node]) -> None:
    found = _undirected(trace)
    if not found:
        return
    canvas.line("related, direction open:", indent=2)
    for edge in found[:_MOST_RELATED]:
        other = nodes[edge.child if edge.parent == trace.model else edge.parent]
        reasons = f" ({_reasons(edge)})" if edge.basis else ""
        canvas.line(f"{_relation(edge)} {plain(called(other))}  {_figures(edge)}{reasons}", indent=4)
    if len(found) > _MOST_RELATED:
        canvas.line(f"and {len(found) - _MOST_RELATED} more", indent=4)


def _declared(canvas: Canvas, trace: Trace, nodes: Mapping[str, Node]) -> None:
    for edge in _said(trace):
        where = f" ({_reasons(edge)})" if edge.basis else ""
        said = f"{plain(nodes[edge.child].name)} from {plain(nodes[edge.parent].name)}{where}"
        canvas.line(f"{declared_word(edge)}: {said}", indent=2)


def _contradictions(trace: Trace) -> list[Contradiction]:
    """The contradictions that are about the model."""
    return [one for one in trace.lineage.contradictions if trace.model in (one.child, one.parent)]


def _by_layer(weights: Sequence[tuple[int, float]]) -> str:
    """Weights by layer, runs of equal ones joined: "layers 0-7 0.80, 8-15 0.20"."""
    runs: list[tuple[int, int, str]] = []
    for layer, weight in weights:
        text = f"{weight:.2f}"
        if runs and runs[-1][2] == text and runs[-1][1] == layer - 1:
            runs[-1] = (runs[-1][0], layer, text)
        else:
            runs.append((layer, layer, text))
    spans = (f"{first}-{last} {text}" if first != last else f"{first} {text}" for first, last, text in runs)
    return f"layers {', '.join(span.replace(' ', JOINT) for span in spans)}" if runs else ""
