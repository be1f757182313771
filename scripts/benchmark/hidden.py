"""Unobserved parents: how many of those that a graph supposes were withheld, and how many of the withheld it found."""

from __future__ import annotations

from collections import Counter

from benchmark.figure import Figure
from benchmark.truth import Truth, Zoo
from lineage.types import Lineage


def hidden_figures(zoo: Zoo, found: Lineage, truth: Truth) -> list[Figure]:
    """A supposed parent is right when all its children are children of one withheld model.

    A withheld model can show only where two or more of its children are in the index.
    """
    supposed = sum(not node.observed for node in found.nodes)
    shown = set(zoo.shown)
    steps = [e for e in zoo.edges if not e["through"] and zoo.models[e["parent"]]["withheld"] and e["child"] in shown]
    children = Counter(edge["parent"] for edge in steps)
    visible = {name for name, count in children.items() if count > 1}
    return [
        Figure("hidden parents: right of those supposed", f"{len(truth.hidden)} of {supposed}"),
        Figure(
            "hidden parents: found of the withheld with two children or more (with one)",
            f"{len(visible & set(truth.hidden.values()))} of {len(visible)} "
            f"({len(set(truth.hidden.values()) - visible)} of {len(children) - len(visible)})",
        ),
    ]
