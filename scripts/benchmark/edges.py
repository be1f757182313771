"""Edges and families: how many of the true ones were found, which way they point and what they are called."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

import networkx as nx

from benchmark.figure import Figure, f1, share_of, three
from benchmark.said import Said, families, has_parent, is_joined, is_right, is_word
from benchmark.truth import Truth
from lineage.types import Edge

MISSED, NONE = "missed", "no edge"


def edge_figures(said: Said, truth: Truth) -> list[Figure]:
    """Families, edges, directions and ancestors."""
    pairs = {frozenset(ends) for ends in truth.edges}
    right = [ends for ends, edge in said.items() if is_joined(edge, truth)]
    committed = [ends for ends in right if said[ends].directed]
    pointed = sum(ends in truth.edges for ends in committed)
    typed = sum(is_right(edge, truth) for edge in said.values())
    observed = [node for node in truth.names if node not in truth.hidden]
    rand = adjusted_rand({n: truth.families[n] for n in observed}, families(said, observed))
    undirected = f1(len({frozenset(ends) for ends in right}), len({frozenset(ends) for ends in said}), len(pairs))
    directed = f1(pointed, len(said), len(truth.edges))
    both = f1(typed, len(said), len(truth.edges))
    return [
        Figure("family ARI", f"{rand:.3f}", ">= 0.98", rand >= 0.98),
        Figure("undirected edges P / R / F1", three(undirected), "F1 >= 0.92", undirected[2] >= 0.92),
        Figure("directed edges P / R / F1", three(directed)),
        Figure("directed typed edges P / R / F1", three(both), "F1 >= 0.85", both[2] >= 0.85),
        share_of("direction: right of those committed to", pointed, len(committed), 0.9),
        share_of("direction: committed to of edges between the right two", len(committed), len(right), 0.8),
        Figure("ancestors P / R / F1", three(ancestors(said, truth))),
    ]


def adjusted_rand(left: Mapping[str, int], right: Mapping[str, int]) -> float:
    """Adjusted Rand index of two groupings of the same items (Hubert and Arabie 1985)."""
    cells = Counter((left[n], right[n]) for n in left)
    pairs = sum(math.comb(c, 2) for c in cells.values())
    rows = sum(math.comb(c, 2) for c in Counter(left.values()).values())
    columns = sum(math.comb(c, 2) for c in Counter(right.values()).values())
    expected = rows * columns / max(math.comb(len(left), 2), 1)
    largest = (rows + columns) / 2
    return 1.0 if largest == expected else (pairs - expected) / (largest - expected)


def ancestors(said: Said, truth: Truth) -> tuple[float, float, float]:
    """Precision, recall and F1 of (ancestor, descendant) pairs over directed edges."""
    ours: nx.DiGraph[str] = nx.DiGraph(ends for ends, edge in said.items() if edge.directed)
    theirs: nx.DiGraph[str] = nx.DiGraph(list(truth.edges))
    claimed = {(a, n) for n in ours for a in nx.ancestors(ours, n)}
    true = {(a, n) for n in theirs for a in nx.ancestors(theirs, n)}
    return f1(len(claimed & true), len(claimed), len(true))


def by_operator(said: Said, truth: Truth) -> list[list[str]]:
    """For each operator: true edges, found, direction right, relation right, and the relations reported."""
    rows: dict[str, list[tuple[bool, Edge | None, bool]]] = defaultdict(list)
    for ends, true in truth.edges.items():
        edge = said.get(ends) or said.get((ends[1], ends[0]))
        rows[true["operator"]].append((has_parent(said, ends), edge, edge is not None and is_word(edge, true)))
    table = []
    for operator, edges in sorted(rows.items()):
        words = Counter(edge.relation if edge else MISSED for _, edge, _ in edges)
        found = len(edges) - words[MISSED]
        counts = [len(edges), found, sum(way for way, _, _ in edges), sum(word for _, _, word in edges)]
        table.append([operator, *map(str, counts), ", ".join(f"{w} {n}" for w, n in words.most_common())])
    return table


def by_cue(said: Said, truth: Truth) -> list[list[str]]:
    """For each cue that truth knows of: edges found, directions committed to, and how many are right."""
    rows: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for ends, true in truth.edges.items():
        edge = said.get(ends) or said.get((ends[1], ends[0]))
        if edge is not None:
            rows[true["cue"]].append((edge.directed, has_parent(said, ends)))
    return [
        [cue, str(len(edges)), str(sum(committed for committed, _ in edges)), str(sum(right for _, right in edges))]
        for cue, edges in sorted(rows.items())
    ]


def confusion(said: Said, truth: Truth) -> tuple[list[str], list[list[str]]]:
    """Expected relation by reported one, as a header and rows; relations that `accept` allows count as reported."""
    cells: Counter[tuple[str, str]] = Counter()
    for ends, true in truth.edges.items():
        edge = said.get(ends) or said.get((ends[1], ends[0]))
        cells[true["relation"], edge.relation if edge else MISSED] += 1
    for edge in said.values():
        if not is_joined(edge, truth):
            cells[NONE, edge.relation] += 1
    expected = [*sorted({row for row, _ in cells} - {NONE}), NONE]
    words = [*sorted({word for _, word in cells} - {MISSED}), MISSED]
    rows = [[row, *(str(cells[row, word] or "") for word in words)] for row in expected]
    return ["expected \\ said", *words], rows


def explain(said: Said, truth: Truth) -> Iterable[str]:
    """One line for every edge that is wrong, missing, without a direction or called by another word."""

    def named(parent: str, child: str) -> str:
        return f"{truth.names.get(parent, parent)} -> {truth.names.get(child, child)}"

    for edge in said.values():
        if not is_joined(edge, truth):
            r = "-" if edge.r is None else f"{edge.r:.3f}"
            yield f"false     {named(edge.parent, edge.child)}: {edge.relation}, r {r}"
    for (parent, child), true in truth.edges.items():
        expected = f"{true['operator']}, cosine {true['cosine']}"
        if (parent, child) not in said:
            what = "turned" if (child, parent) in said else MISSED
            yield f"{what:8}  {named(parent, child)}: {expected}"
            continue
        edge = said[parent, child]
        if not edge.directed:
            yield f"unpointed {named(parent, child)}: {expected}"
        elif not is_word(edge, true):
            yield f"word      {named(parent, child)}: {edge.relation}, not {true['relation']} ({expected})"
