"""Figures and tables of the graph of a folder of families: edges, directions, accusations, merges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from results import table

from benchmark.bars import Bars
from benchmark.edges import adjusted_rand
from benchmark.families import Families
from benchmark.family_graph import Found, Graph, directions
from benchmark.figure import Figure, at_most, f1, share_of, three
from benchmark.said import families

KINDS = ("undirected", "directed", "directed typed")
_NO_DESCENT = ("shared-init", "sibling", "inconclusive")


def figures(graph: Graph, truth: Families, bars: Bars) -> list[Figure]:
    """Families, edges, directions, accusations and merges."""
    scores = [three(score) for score in _scores(graph)]
    least = (bars.undirected, None, bars.typed)
    pairs = [found for found in graph.found if found.edge is not None]
    committed = [found for found in pairs if found.edge is not None and found.edge.directed]
    claims = [*directions(graph, truth)]
    return [
        _rand(graph, truth),
        *(
            Figure(f"{kind} edges P / R / F1", score, "" if bar is None else f"F1 >= {bar:g}",
                   None if bar is None else float(score.split(" / ")[-1]) >= bar)
            for kind, score, bar in zip(KINDS, scores, least, strict=True)
        ),
        share_of("direction: right of all that are said", sum(one.is_right for one in claims), len(claims),
                 bars.direction),
        share_of("direction: said of edges between the right two", len(committed), len(pairs), bars.said),
        Figure("direction: turned of those", f"{sum(found.is_turned for found in committed)} of {len(committed)}"),
        *_strangers(graph, truth),
        *_merges(graph, truth),
    ]  # fmt: skip


def _scores(graph: Graph) -> list[tuple[float, float, float]]:
    """Precision, recall and F1 of edges, of directed ones, of those with the right word; copies in one node are one."""
    folds = sum(found.is_folded for found in graph.found)
    hits = (sum(flags) for flags in zip(*((f.is_joined, f.is_directed, f.is_typed) for f in graph.found), strict=True))
    return [f1(hit, len(graph.said) + folds, len(graph.found)) for hit in hits] or [f1(0, len(graph.said), 0)] * 3


def _rand(graph: Graph, truth: Families) -> Figure:
    parts = families(graph.said, [*graph.names, *{end for ends in graph.said for end in ends}])
    of = {name: parts[node] for node, models in graph.names.items() for name in models}
    numbers = {family: number for number, family in enumerate(sorted({*truth.family.values()}))}
    rand = adjusted_rand({name: numbers[truth.family[name]] for name in of}, of)
    return Figure("family ARI", f"{rand:.3f}", "1", rand == 1.0)


def _strangers(graph: Graph, truth: Families) -> list[Figure]:
    nodes = [min(models) for models in graph.names.values()]
    strange = sum(truth.is_unrelated(a, b) for i, a in enumerate(nodes) for b in nodes[:i])
    alike = sum(graph.models >= pair for pair in truth.alike)
    joined = [(min(parents), min(children), edge.relation) for edge in graph.said.values()
              for parents, children in [graph.named(edge)] if parents and children]  # fmt: skip
    wrong = sum(truth.is_unrelated(a, b) for a, b, _ in joined)
    derived = sum(frozenset((a, b)) in truth.alike and word not in _NO_DESCENT for a, b, word in joined)
    return [
        at_most("unrelated models joined by an edge, of all pairs", wrong, strange, 0.0),
        at_most("descent said of models that share an initialisation only, of all pairs", derived, alike, 0.0),
    ]


def _merges(graph: Graph, truth: Families) -> Iterator[Figure]:
    true = [found for found in graph.found if truth.words[found.ends][0] == "merged"]
    merges = {found.ends[1] for found in true}
    right = [found for found in true if found.edge is not None and found.is_directed and found.edge.weight is not None]
    extra = Counter[bool]()
    for edge in graph.said.values():
        if edge.weight is not None and all(found.edge is not edge for found in right):
            extra[bool(graph.named(edge)[1] & merges)] += 1
    errors = [abs(found.edge.weight - truth.weights[found.ends]) for found in right
              if found.edge is not None and found.edge.weight is not None and found.ends in truth.weights]  # fmt: skip
    mean = f"{sum(errors) / len(errors):.4f} over {len(errors)}" if errors else "not known"
    yield Figure("merges: parents found", f"{len(right)} of {len(true)}")
    yield Figure("merges: parents named that are none", f"{extra[True]}", "0", extra[True] == 0)
    yield Figure("merges: mean error of the weights", mean)
    yield Figure("models that are no merge, given merge parents", f"{extra[False]} parents", "0", extra[False] == 0)


def by_family(graph: Graph, truth: Families) -> str:
    """The three scores of each family with two models or more, and its directions."""
    rows = []
    for family in dict.fromkeys(truth.family.values()):
        members = frozenset(name for name in graph.models if truth.family[name] == family)
        part = _part(graph, members)
        if len(members) > 1:
            claims = [*directions(part, truth)]
            scores = (f"{score[2]:.3f}" for score in _scores(part))
            directed = f"{sum(claim.is_right for claim in claims)} of {len(claims)}"
            rows.append([family, str(len(members)), str(len(part.found)), str(len(part.said)), *scores, directed])
    head = ["family", "models", "true edges", "found", *(f"{kind} F1" for kind in KINDS), "directions right"]
    return table(head, rows)


def _part(graph: Graph, members: frozenset[str]) -> Graph:
    """The graph of some models: edges that have one of them at either end."""
    said = {ends: edge for ends, edge in graph.said.items() if any(side & members for side in graph.named(edge))}
    found = tuple(found for found in graph.found if found.ends[1] in members)
    return replace(graph, said=said, found=found)


def by_operator(graph: Graph, truth: Families) -> str:
    """True edges by how the child was made: found, directed, with the right relation, and the relations reported."""
    rows: Mapping[str, list[Found]] = {truth.operator[f.ends[1]]: [] for f in graph.found}
    for found in graph.found:
        rows[truth.operator[found.ends[1]]].append(found)
    head = ["operator", "edges", "found", "direction right", "word right", "words"]
    return table(head, ([operator, *_counts(of)] for operator, of in sorted(rows.items())))


def _counts(of: Sequence[Found]) -> list[str]:
    words = Counter(found.word for found in of)
    counts = (len(of), sum(f.is_joined for f in of), sum(f.is_directed for f in of), sum(f.is_typed for f in of))
    return [*map(str, counts), ", ".join(f"{word} {count}" for word, count in words.most_common())]
