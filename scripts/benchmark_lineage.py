"""Measure the ancestry graph against the zoo's truth: families, edges, directions, words, merges, layer maps.

    python scripts/benchmark_lineage.py --zoo DIR [--half score] [--results docs/results.md] [--pictures docs]

The models are sketched into an index of their own; names, dates and cards play no part in the graph. Thresholds are set
on the calibration half only; `--half score` is for reporting.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
from results import table, write_section

from lineage import api
from lineage.ancestry import graph
from lineage.report import graphs
from lineage.store import SqliteIndex
from lineage.types import Edge, Lineage

Ends = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Truth:
    """What is known of one half of the zoo, by node id of the graph: copies are one node."""

    names: dict[str, str]
    operators: dict[str, str]
    edges: dict[Ends, dict[str, Any]]
    families: dict[str, int]


def ingest(zoo: Path, nodes: Iterable[dict[str, Any]], index: Path) -> None:
    """Sketch models of the zoo into an index; what is there already is left."""
    for event in api.ingest([zoo / node["id"] for node in nodes], index):
        if event.event == "failed":
            raise SystemExit(f"{event.path}: {event.error}")


def truth_of(data: dict[str, Any], half: str, found: Lineage) -> Truth:
    """The truth about the nodes of the graph."""
    node_of = {name: node.id for node in found.nodes for name in (node.name, *node.aliases)}
    chosen = {node["id"]: node for node in data["nodes"] if node["half"] == half and node["id"] in node_of}
    edges: dict[Ends, dict[str, Any]] = {}
    for edge in data["edges"]:
        if edge["parent"] in chosen and edge["child"] in chosen:
            ends = node_of[edge["parent"]], node_of[edge["child"]]
            if ends[0] != ends[1]:
                edges.setdefault(ends, edge)
    joined: nx.Graph[str] = nx.Graph(list(edges))
    joined.add_nodes_from(node_of[name] for name in chosen)
    families = {node: k for k, part in enumerate(nx.connected_components(joined)) for node in part}
    names = {node_of[name]: name for name in chosen}
    return Truth(names, {node_of[n]: node["operator"] for n, node in chosen.items()}, edges, families)


def adjusted_rand(left: dict[str, int], right: dict[str, int]) -> float:
    """Adjusted Rand index of two groupings of the same items (Hubert and Arabie 1985)."""
    nodes = sorted(left)
    cells = Counter((left[n], right[n]) for n in nodes)
    pairs = sum(math.comb(c, 2) for c in cells.values())
    rows = sum(math.comb(c, 2) for c in Counter(left[n] for n in nodes).values())
    columns = sum(math.comb(c, 2) for c in Counter(right[n] for n in nodes).values())
    expected = rows * columns / math.comb(len(nodes), 2)
    largest = (rows + columns) / 2
    return 1.0 if largest == expected else (pairs - expected) / (largest - expected)


def f1(hits: int, said: int, true: int) -> tuple[float, float, float]:
    """Precision, recall and their harmonic mean."""
    precision, recall = hits / max(said, 1), hits / max(true, 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-12)


def is_word(edge: Edge, true: dict[str, Any]) -> bool:
    """Whether the edge's word is the expected one or one that is not wrong either."""
    return edge.relation == true["relation"] or edge.relation in true["accept"]


def upper_bound(errors: int, trials: int) -> float:
    """95% upper bound of a rate with at most a few errors (Clopper and Pearson 1934), by bisection."""
    low, high = errors / max(trials, 1), 1.0
    for _ in range(60):
        middle = (low + high) / 2
        below = sum(math.comb(trials, k) * middle**k * (1 - middle) ** (trials - k) for k in range(errors + 1))
        low, high = (middle, high) if below > 0.05 else (low, middle)
    return high


def figures(found: Lineage, truth: Truth) -> dict[str, tuple[str, str]]:
    """Every figure of the benchmark with its bar ("" where there is none)."""
    said = {(e.parent, e.child): e for e in found.edges if e.source == "measured"}
    pairs = {frozenset(ends) for ends in truth.edges}
    right = [ends for ends in said if frozenset(ends) in pairs]
    committed = [ends for ends in right if said[ends].directed]
    pointed = [ends for ends in committed if ends in truth.edges]
    typed = [ends for ends in pointed if is_word(said[ends], truth.edges[ends])]
    joined: nx.Graph[str] = nx.Graph(list(said))
    joined.add_nodes_from(truth.names)
    families = {node: k for k, part in enumerate(nx.connected_components(joined)) for node in part}
    wrong = [ends for ends in said if truth.families[ends[0]] != truth.families[ends[1]]]
    count = len(truth.names)
    strangers = math.comb(count, 2) - sum(math.comb(c, 2) for c in Counter(truth.families.values()).values())
    undirected = f1(len(right), len(said), len(pairs))
    typed_f1 = f1(len(typed), len(said), len(truth.edges))
    result = {
        "family ARI": (f"{adjusted_rand(truth.families, families):.3f}", ">= 0.98"),
        "undirected edges P / R / F1": (_three(undirected), "F1 >= 0.92"),
        "directed typed edges P / R / F1": (_three(typed_f1), "F1 >= 0.85"),
        "direction: right of those committed to": (f"{len(pointed)} of {len(committed)}", ">= 0.9"),
        "direction: committed to of true edges": (f"{len(committed)} of {len(right)}", ">= 0.8"),
        "ancestors P / R / F1": (_three(_ancestors(said, truth)), ""),
        "edges between unrelated families": (
            f"{len(wrong)} of {strangers} pairs (95% upper bound {upper_bound(len(wrong), strangers):.2%})", "0",
        ),
    }  # fmt: skip
    return result | _merges(said, truth) | _layers(said, truth)


def _three(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.3f}" for value in values)


def _ancestors(said: dict[Ends, Edge], truth: Truth) -> tuple[float, float, float]:
    ours: nx.DiGraph[str] = nx.DiGraph(ends for ends, edge in said.items() if edge.directed)
    theirs: nx.DiGraph[str] = nx.DiGraph(list(truth.edges))
    claimed = {(a, n) for n in ours for a in nx.ancestors(ours, n)}
    true = {(a, n) for n in theirs for a in nx.ancestors(theirs, n)}
    return f1(len(claimed & true), len(claimed), len(true))


def _merges(said: dict[Ends, Edge], truth: Truth) -> dict[str, tuple[str, str]]:
    """Recall of parents and error of weights, by kind of merge."""
    groups: dict[str, list[tuple[bool, float | None]]] = defaultdict(list)
    for ends, true in truth.edges.items():
        if true["weight"] is None:
            continue
        edge = said.get(ends)
        parents = sum(child == ends[1] for _, child in truth.edges)
        kind = true["operator"] + (" of up to 4" if true["operator"] == "linear" and parents <= 4 else "")
        hit = edge is not None and edge.weight is not None
        error = abs(edge.weight - true["weight"]) if edge is not None and edge.weight is not None else None
        groups[kind].append((hit, error))
    result = {}
    for kind, rows in sorted(groups.items()):
        errors = [error for _, error in rows if error is not None]
        mean = f"{sum(errors) / len(errors):.4f}" if errors else "-"
        bar = {"linear of up to 4": "recall >= 0.95, error <= 0.01"}.get(kind, "recall >= 0.9" if "are" in kind else "")
        hits = sum(hit for hit, _ in rows)
        result[f"merge, {kind}: parents found; mean weight error"] = (f"{hits} of {len(rows)}; {mean}", bar)
    return result


def _layers(said: dict[Ends, Edge], truth: Truth) -> dict[str, tuple[str, str]]:
    """Layers mapped as in truth, for models whose depth changed."""
    right = total = 0
    for ends, true in truth.edges.items():
        if true["layer_map"] is None or true["operator"] == "passthrough":
            continue
        edge = said.get(ends)
        mapped = dict(edge.layer_map) if edge is not None and edge.layer_map is not None else {}
        expected = {int(child): int(parent) for child, parent in true["layer_map"]}
        right += sum(mapped.get(child) == parent for child, parent in expected.items())
        total += len(expected)
    return {"layer maps of depth changes: layers right": (f"{right} of {total}", ">= 0.95")} if total else {}


def by_operator(found: Lineage, truth: Truth) -> list[list[str]]:
    """For each operator: true edges, found, direction right, word right, and the words said."""
    said = {(e.parent, e.child): e for e in found.edges if e.source == "measured"}
    rows: dict[str, list[Edge | None]] = defaultdict(list)
    words: dict[str, Counter[str]] = defaultdict(Counter)
    good: Counter[tuple[str, str]] = Counter()
    for ends, true in truth.edges.items():
        edge = said.get(ends) or said.get((ends[1], ends[0]))
        rows[true["operator"]].append(edge)
        words[true["operator"]][edge.relation if edge else "missed"] += 1
        if edge is not None:
            good[true["operator"], "direction"] += edge.directed and ends in said
            good[true["operator"], "word"] += is_word(edge, true)
    return [
        [
            operator, str(len(edges)), str(sum(e is not None for e in edges)), str(good[operator, "direction"]),
            str(good[operator, "word"]), ", ".join(f"{w} {n}" for w, n in words[operator].most_common()),
        ]
        for operator, edges in sorted(rows.items())
    ]  # fmt: skip


def explain(found: Lineage, truth: Truth) -> Iterable[str]:
    """One line for every edge that is wrong or missing."""
    said: dict[Hashable, Edge] = {(e.parent, e.child): e for e in found.edges if e.source == "measured"}
    pairs = {frozenset(ends) for ends in truth.edges}
    for edge in said.values():
        if frozenset((edge.parent, edge.child)) not in pairs:
            r = "-" if edge.r is None else f"{edge.r:.3f}"
            yield f"false   {truth.names[edge.parent]} -> {truth.names[edge.child]}: {edge.relation}, r {r}"
    for (parent, child), true in truth.edges.items():
        if (parent, child) not in said:
            turned = "turned" if (child, parent) in said else "missed"
            named = f"{truth.names[parent]} -> {truth.names[child]}"
            yield f"{turned}  {named}: {true['operator']}, cosine {true['cosine']}"


def draw(found: Lineage, truth: Truth, folder: Path) -> None:
    """Two pictures of one family, the largest of at most 25 models: as it was found, and as it is."""
    sizes = Counter(truth.families.values())
    chosen = max((family for family, size in sizes.items() if size <= 25), key=lambda family: (sizes[family], -family))
    inside = {node for node, family in truth.families.items() if family == chosen}
    nodes = tuple(node for node in found.nodes if node.id in inside)
    edges = tuple(edge for edge in found.edges if edge.parent in inside and edge.child in inside)
    true = tuple(
        Edge(parent, child, edge["relation"], directed=True, source="measured", weight=edge["weight"])
        for (parent, child), edge in truth.edges.items()
        if parent in inside and child in inside
    )
    graphs.write(Lineage(nodes, edges), folder / "graph-found.png")
    graphs.write(Lineage(nodes, true), folder / "graph-truth.png")


def main() -> int:
    """Build the graph of one half, print every figure, keep them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zoo", type=Path, required=True)
    parser.add_argument("--half", choices=["calibration", "score"], default="calibration")
    parser.add_argument("--index", type=Path, help="keep the index here (default: a temporary folder)")
    parser.add_argument("--results", type=Path)
    parser.add_argument("--pictures", type=Path, help="folder for pictures of one family, found and true")
    parser.add_argument("--explain", action="store_true", help="list every wrong and missing edge")
    options = parser.parse_args()
    data = json.loads((options.zoo / "truth.json").read_text(encoding="utf-8"))
    nodes = [node for node in data["nodes"] if node["half"] == options.half and not node["withheld"]]
    with tempfile.TemporaryDirectory() as scratch:
        index = options.index or Path(scratch)
        ingest(options.zoo, nodes, index)
        started = time.perf_counter()
        with SqliteIndex.open(index) as opened:
            found = graph([opened])
        seconds = time.perf_counter() - started
    truth = truth_of(data, options.half, found)
    rows = [[name, figure, bar] for name, (figure, bar) in figures(found, truth).items()]
    heading = f"{len(truth.names)} nodes, {len(truth.edges)} true edges, graph in {seconds:.1f} s."
    text = "\n\n".join(
        [
            f"## Ancestry of the trained zoo, {options.half} half",
            f"By `python scripts/benchmark_lineage.py --half {options.half}`. {heading}",
            table(["figure", "measured", "bar"], rows),
            table(["operator", "edges", "found", "direction right", "word right", "words"], by_operator(found, truth)),
        ]
    )
    print(text)
    if options.explain:
        print("\n".join(explain(found, truth)))
    if options.pictures is not None:
        draw(found, truth, options.pictures)
    if options.results is not None:
        write_section(options.results, f"benchmark_lineage {options.half}", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
