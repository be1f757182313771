"""The graph over real public checkpoints: every known relation that the index sees, none between unrelated models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path

import check_real
from fetch_real import packages
from results import table

from benchmark.figure import Figure, listing, share_of, upper_bound
from benchmark.said import families, said_edges
from lineage.ancestry import graph
from lineage.sketch import write_sketch
from lineage.store import Index, SketchFolder, reference_index
from lineage.types import Lineage

_SAME = ("identical", "re-encoded")  # what a graph has one node for
_MISSED = "missed"


def real_index(cache: Path | None, scratch: Path) -> tuple[Index, dict[str, str]]:
    """The reference index, or all checkpoints of the packages in `cache`, with the model id of each name.

    The reference leaves out the checkpoint that the demo asks about and second files of equal content.
    """
    if cache is None:
        shipped = reference_index()
        if shipped is None:
            raise SystemExit("this copy has no reference index")
        return shipped, {name: record.id for record in shipped.models() for name in (record.name, *record.aliases)}
    models = check_real.load(cache)
    home = scratch / "sketches"
    home.mkdir()
    for model in models.values():
        write_sketch(model.sketch, home / f"{model.sketch.id}.sketch")
    return SketchFolder(scratch), {name: model.sketch.id for name, model in models.items()}


def real_section(index: Index, ids: Mapping[str, str]) -> str:
    """Relations and unrelated models of the graph over `index`, as Markdown."""
    found = graph([index])
    rows = list(_relations(found, ids))
    said = [row[3] for row in rows]
    ways = ", ".join(f"{way} {count}" for way, count in Counter(row[4] for row in rows).most_common())
    figures = [
        share_of("known relations: found", len(said) - said.count(_MISSED), len(rows), 1.0),
        share_of("known relations: word right", sum(row[2] == row[3] for row in rows), len(rows), 1.0),
        Figure("known relations: direction", ways, "none turned", "turned" not in ways),
        *_strangers(found),
    ]
    heading = f"{len(found.nodes)} nodes, {len(said_edges(found))} measured edges, {len(rows)} known relations."
    return "\n\n".join(
        [
            "## Ancestry of the real checkpoints",
            f"By `python scripts/benchmark_lineage.py --real`. {heading}",
            listing(figures),
            table(["child", "parent", "expected", "said", "direction", "confidence"], rows),
        ]
    )


def _relations(found: Lineage, ids: Mapping[str, str]) -> Iterator[list[str]]:
    """Child, parent, expected and reported relation, direction and confidence of each known relation."""
    said = said_edges(found)
    node_of = _nodes(found, ids)
    for child, parent, word in check_real.RELATED:
        if child not in ids or parent not in ids:
            continue
        ends = node_of[parent], node_of[child]
        edge = said.get(ends) or said.get((ends[1], ends[0]))
        if ends[0] == ends[1]:
            yield [child, parent, word, word if word in _SAME else "one node", "one node", ""]
        elif edge is None:
            yield [child, parent, word, _MISSED, "", ""]
        else:
            way = ("right" if ends in said else "turned") if edge.directed else "not said"
            yield [child, parent, word, edge.relation, way, f"{edge.confidence or 0.0:.2f}"]


def _nodes(found: Lineage, ids: Mapping[str, str]) -> dict[str, str]:
    """The node of each name: its own, or that of the copy into which it was folded."""
    by_name = {name: node.id for node in found.nodes for name in (node.name, *node.aliases)}
    nodes = {node.id for node in found.nodes}
    return {name: model if model in nodes else by_name[name] for name, model in ids.items()}


def _strangers(found: Lineage) -> Iterator[Figure]:
    """Models of different families: none joined by an edge, none in one part of the graph."""
    family = {weights.name: weights.family for package in packages().values() for weights in package.weights}
    said = said_edges(found)
    parts = families(said, [node.id for node in found.nodes])
    strange = [
        (a.id, b.id) for a, b in combinations([node for node in found.nodes if node.observed], 2)
        if family[a.name] != family[b.name]
    ]  # fmt: skip
    edges = {frozenset(ends) for ends in said}
    counts = {
        "unrelated models joined by an edge": sum(frozenset(pair) in edges for pair in strange),
        "unrelated models in one family of the graph": sum(parts[a] == parts[b] for a, b in strange),
    }
    for name, wrong in counts.items():
        measured = f"{wrong} of {len(strange)} (95% upper bound {upper_bound(wrong, len(strange)):.1%})"
        yield Figure(name, measured, "0", wrong == 0)
