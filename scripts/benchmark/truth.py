"""What is known of one half of the zoo, by node id of the graph that was found."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx as nx
from zoo.truth import leaps

from lineage.types import Lineage

Ends = tuple[str, str]
TrueEdge = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Zoo:
    """One half of a zoo: its models by name, parents before children, and every edge between two of them."""

    models: dict[str, dict[str, Any]]
    edges: list[TrueEdge]

    @property
    def shown(self) -> list[str]:
        """Names of the models that the index holds."""
        return [name for name, model in self.models.items() if not model["withheld"]]


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of the nodes of one graph, each by its id; copies are one node.

    `edges` are by (parent, child). `families` are joined by any edges. `origins` are the initialisations that a node
    goes back to and `roots` the trained ones: nodes of different origins are unrelated, nodes of one origin and
    different roots share an initialisation only. `hidden` has a withheld model's name for each unobserved node that
    stands for one; unobserved nodes without one have no true edge.
    """

    names: dict[str, str]
    edges: dict[Ends, TrueEdge]
    families: dict[str, int]
    origins: dict[str, frozenset[str]]
    roots: dict[str, frozenset[str]]
    hidden: dict[str, str]


def read_zoo(path: Path, half: str, withheld: Collection[str] = ()) -> Zoo:
    """Read truth.json; models named in `withheld` are left out of the index besides those that it names itself."""
    data = json.loads(path.read_text(encoding="utf-8"))
    models = {model["id"]: model for model in data["nodes"] if model["half"] == half}
    if unknown := set(withheld) - models.keys():
        raise SystemExit(f"{', '.join(sorted(unknown))}: not in the {half} half")
    for name in withheld:
        models[name]["withheld"] = True
    edges = [edge for edge in data["edges"] if edge["parent"] in models and edge["child"] in models]
    steps = [edge for edge in edges if not edge["through"]]
    return Zoo(models, edges + leaps(steps, set(withheld)))


def truth_of(zoo: Zoo, found: Lineage) -> Truth:
    """The truth about the nodes of a graph over the zoo's shown models."""
    node_of = {name: n.id for n in found.nodes if n.observed for name in (n.name, *n.aliases)}
    chosen = {name: node_of[name] for name in zoo.shown if name in node_of}
    hidden = _hidden(zoo, found, {node: name for name, node in chosen.items()})
    chosen |= {name: node for node, name in hidden.items()}
    edges: dict[Ends, TrueEdge] = {}
    for edge in zoo.edges:
        if edge["parent"] in chosen and edge["child"] in chosen and chosen.keys().isdisjoint(edge["through"]):
            ends = chosen[edge["parent"]], chosen[edge["child"]]
            if ends[0] != ends[1]:
                edges.setdefault(ends, edge)
    joined: nx.Graph[str] = nx.Graph(list(edges))
    joined.add_nodes_from(chosen.values())
    origins = _origins(zoo)
    return Truth(
        {node: name for name, node in chosen.items()},
        edges,
        {node: k for k, part in enumerate(nx.connected_components(joined)) for node in part},
        {node: origins[name] for name, node in chosen.items()},
        {node: frozenset(zoo.models[name]["roots"]) for name, node in chosen.items()},
        hidden,
    )


def _origins(zoo: Zoo) -> dict[str, frozenset[str]]:
    """For each model the names of the initialisations that it goes back to."""
    origins: dict[str, frozenset[str]] = {}
    for name, model in zoo.models.items():
        above = [origins[parent] for parent in model["parents"]]
        origins[name] = frozenset[str]().union(*above) if above else frozenset({name})
    return origins


def _hidden(zoo: Zoo, found: Lineage, names: Mapping[str, str]) -> dict[str, str]:
    """Unobserved nodes that stand for a withheld model: all their children are children of that one."""
    above: dict[str, set[str]] = defaultdict(set)
    for true in zoo.edges:
        above[true["child"]].add(true["parent"])
    below: dict[str, list[str]] = defaultdict(list)
    for edge in found.edges:
        if edge.source == "measured":
            below[edge.parent].append(edge.child)
    matched: dict[str, str] = {}
    for node in (n.id for n in found.nodes if not n.observed):
        shared = [above[names[child]] if child in names else set() for child in below[node]]
        parents = set.intersection(*shared) if shared else set()
        free = sorted(p for p in parents if zoo.models[p]["withheld"] and p not in matched.values())
        if free:
            matched[node] = free[0]
    return matched
