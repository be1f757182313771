"""False accusations: descent reported for models without a common ancestor, in the graph and pair by pair."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations

from threadpoolctl import threadpool_limits

from benchmark.figure import Figure, upper_bound
from benchmark.said import Said, families
from benchmark.truth import Truth
from lineage.ancestry import compare
from lineage.types import CheckpointSketch, Comparison

Pair = tuple[str, str]


def unrelated_pairs(truth: Truth) -> list[Pair]:
    """All pairs of observed nodes that go back to different initialisations."""
    return [(a, b) for a, b in _pairs(truth) if not truth.origins[a] & truth.origins[b]]


def shared_init_pairs(truth: Truth) -> list[Pair]:
    """All pairs of trained nodes that have an initialisation in common and no trained root."""
    trained = [(a, b) for a, b in _pairs(truth) if truth.roots[a] and truth.roots[b]]
    return [(a, b) for a, b in trained if truth.origins[a] & truth.origins[b] and not truth.roots[a] & truth.roots[b]]


def _pairs(truth: Truth) -> list[Pair]:
    return list(combinations(sorted(node for node in truth.names if node not in truth.hidden), 2))


def graph_figures(said: Said, truth: Truth) -> list[Figure]:
    """Edges and families that join what is not joined in truth."""
    strangers = unrelated_pairs(truth)
    edges = {frozenset(ends) for ends in said}
    wrong = sum(frozenset(pair) in edges for pair in strangers)
    parts = families(said, [*truth.names, *{end for ends in said for end in ends if end not in truth.names}])
    together = sum(parts[a] == parts[b] and truth.families[a] != truth.families[b] for a, b in strangers)
    alike = {frozenset(pair) for pair in shared_init_pairs(truth)}
    derived = sum(frozenset(ends) in alike and edge.relation.inherits for ends, edge in said.items())
    return [
        _count("unrelated models joined by an edge", wrong, len(strangers)),
        _count("unrelated models in one family of the graph", together, len(strangers)),
        _count("edges of descent between models that share an initialisation only", derived, len(alike)),
    ]


def pair_figures(truth: Truth, load: Callable[[str], CheckpointSketch], most: int) -> tuple[list[Figure], list[str]]:
    """Relations reported for unrelated and for shared-initialisation pairs, and one line for each accusation.

    Of each kind `most` pairs are compared, drawn at random with a fixed seed where there are more.
    """
    figures, lines = [], []
    asked = {"unrelated pairs": unrelated_pairs(truth), "shared-initialisation pairs": shared_init_pairs(truth)}
    for name, pairs in asked.items():
        drawn = pairs if len(pairs) <= most else random.Random(0).sample(pairs, most)  # noqa: S311 - no secret
        found = _compared(drawn, load)
        accused = [(pair, one) for pair, one in zip(drawn, found, strict=True) if one.verdict.inherits]
        words = ", ".join(f"{w} {n}" for w, n in Counter(one.relation for one in found).most_common())
        of = f"all {len(pairs)}" if len(drawn) == len(pairs) else f"{len(drawn)} drawn of {len(pairs)}"
        figures.append(_count(f"{name} called derived ({of}: {words})", len(accused), len(drawn)))
        if name == "unrelated pairs":
            other = sum(one.relation != "independent" for one in found)
            figures.append(_count(f"{name} called anything but independent", other, len(drawn)))
        lines += [f"accused   {truth.names[a]} / {truth.names[b]}: {one.relation}" for (a, b), one in accused]
    return figures, lines


def _compared(pairs: Sequence[Pair], load: Callable[[str], CheckpointSketch]) -> list[Comparison]:
    sketches = {node: load(node) for pair in pairs for node in pair}
    with threadpool_limits(limits=1, user_api="blas"):
        return [compare(sketches[a], sketches[b]) for a, b in pairs]


def _count(name: str, errors: int, trials: int) -> Figure:
    return Figure(name, f"{errors} of {trials} (95% upper bound {upper_bound(errors, trials):.2%})", "0", errors == 0)
