"""The graph without one of its cues at a time: what each is worth."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from unittest.mock import patch

from benchmark.edges import edge_figures
from benchmark.said import said_edges
from benchmark.truth import Zoo, truth_of
from lineage.types import Lineage

ALL = "nothing left out"
_ROOM = "lineage.ancestry"

# What is left out: the module that has it, its name there, what stands in its place.
_LEFT_OUT: dict[str, tuple[str, str, Any]] = {
    "all cues of direction": ("pair.direction", "CUES", {}),
    "initialisations recognised": ("trees.initialisations", "beginnings", lambda *_: frozenset()),
    "independence of the initialisation given the parent": ("trees.arcs", "_MARKOV", 0.0),
    "chains of three told from siblings": ("trees.triples", "lifted", lambda tree, *_: tree),
    "parents of pruned and quantised models computed": ("trees.prices.Prices", "is_computed", lambda *_: False),
    "exact roundings": ("trees.roundings", "roundings", lambda *_: {}),
    "merges that are sums": ("merge.mixtures", "find_mixtures", lambda *_: {}),
    "merges that are stacks": ("merge.passthrough", "find_stacks", lambda *_: {}),
    "experts of several models": ("trees.expert_sources", "expert_sources", lambda *_: {}),
    "models of other structures": ("trees.arcs", "across", lambda *_: ()),
    "components from elsewhere": ("trees.component_sources", "part_edges", lambda *_: ()),
    "unobserved parents": ("trees.unobserved", "unobserved", lambda *_: ()),
    "what gains and biases learned": ("pair.drift", "_VECTORS", ()),
    "rank of differences": ("pair.low_rank", "delta_rank", lambda *_: None),
}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """One cue that the graph does without: `instead` stands for it wherever the room `lineage.ancestry` has it."""

    owner: Any
    name: str
    instead: Any

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Leave it out for a while. Raises AttributeError if the name is stale."""
        present = getattr(self.owner, self.name)
        room = [module for name, module in sys.modules.items() if name.startswith(f"{_ROOM}.")]
        with ExitStack() as stack:
            for holder in (self.owner, *room):
                if getattr(holder, self.name, None) is present:
                    stack.enter_context(patch.object(holder, self.name, self.instead))
            yield


def ablations() -> dict[str, LeftOut]:
    """Every cue that can be left out."""
    direction = _owner("pair.direction")
    found = {}
    for name in direction.CUES:
        rest = {other: cue for other, cue in direction.CUES.items() if other != name}
        found[f"cue of direction: {name.replace('-', ' ')}"] = LeftOut(direction, "CUES", rest)
    return found | {name: LeftOut(_owner(place), what, instead) for name, (place, what, instead) in _LEFT_OUT.items()}


def _owner(place: str) -> Any:
    room, module, *inside = place.split(".")
    owner: Any = import_module(f"{_ROOM}.{room}.{module}")
    return getattr(owner, *inside) if inside else owner


def ablation_rows(zoo: Zoo, whole: Lineage, build: Callable[[], Lineage]) -> Iterator[list[str]]:
    """One row for the graph as it is and one for each cue left out: the cue, then the figures of edges."""
    yield [ALL, *_cells(zoo, whole).values()]
    for name, left_out in ablations().items():
        with left_out():
            yield [name, *_cells(zoo, build()).values()]


def ablation_head(zoo: Zoo, whole: Lineage) -> list[str]:
    """The head of the table."""
    return ["left out", *_cells(zoo, whole)]


def _cells(zoo: Zoo, found: Lineage) -> Mapping[str, str]:
    figures = edge_figures(said_edges(found), truth_of(zoo, found))
    return {figure.name.replace(" P / R / F1", " F1"): figure.measured.split(" / ")[-1] for figure in figures}
