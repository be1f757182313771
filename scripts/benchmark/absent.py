"""Graphs of families of which one parent is in no index: which directions are said nevertheless, and are wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmark.asked import Sketches
from benchmark.families import Families
from benchmark.family_graph import Graph, directions, held, nodes_named
from benchmark.figure import Figure, at_most
from benchmark.places import Names
from benchmark.said import said_edges
from benchmark.workers import spread
from lineage.ancestry import graph
from lineage.sketch import read_sketch, write_sketch
from lineage.store import MemoryIndex
from lineage.types import Lineage

_CHILDREN = 2  # of a model whose absence is tried: they may be taken for one another's parents


@dataclass(frozen=True, slots=True)
class Absent:
    """The graph of a family without one model, and that model's name."""

    name: str
    drawn: Graph


def questions(truth: Families) -> dict[str, frozenset[str]]:
    """Each model with two children or more, and its relatives without it, its copies and what is disguised."""
    children = Counter(parent for parents in truth.parents.values() for parent in parents)
    asked = {}
    for name in sorted(one for one, count in children.items() if count >= _CHILDREN and not truth.is_disguised(one)):
        gone = truth.copies[name]
        asked[name] = frozenset(one for one in _relatives(truth, name) - gone if not truth.is_disguised(one))
    return asked


def _relatives(truth: Families, name: str) -> frozenset[str]:
    alike = frozenset().union(*(pair for pair in truth.alike if name in pair))
    return alike | {one for one in truth.family if not truth.is_unrelated(one, name)}


def graphs(truth: Families, sketches: Sketches, jobs: int) -> Iterator[Absent]:
    """The graph of each family without one of its parents in turn."""
    asked = questions(truth)
    with TemporaryDirectory() as scratch:
        files = {name: Path(scratch, f"{number}.sketch") for number, name in enumerate(sketches)}
        for name, file in files.items():
            write_sketch(sketches[name], file)
        tasks = [[files[one] for one in sorted(known)] for known in asked.values()]
        for (name, known), found in zip(asked.items(), spread(_graph, tasks, jobs), strict=True):
            ids = {sketches[one].id for one in known}
            names: Names = {model: frozenset(one for one in known if sketches[one].id == model) for model in ids}
            yield Absent(name, held(said_edges(found), nodes_named(found, names), truth))


def _graph(files: Sequence[Path]) -> Lineage:
    return graph([MemoryIndex([read_sketch(file) for file in files])], processes=1)


def absent_figures(found: Iterable[Absent], truth: Families, most: float) -> list[Figure]:
    """How many directions are wrong: the parent is not above the child, however far, nor passes as its parent."""
    claims = [claim for one in found for claim in directions(one.drawn, truth)]
    wrong = sum(not claim.is_right for claim in claims)
    return [at_most("directions that are wrong, of all that are said", wrong, len(claims), most)]


def explained(found: Iterable[Absent], truth: Families) -> Iterator[str]:
    """One line for each wrong direction."""
    for one in found:
        for edge in one.drawn.said.values():
            parents, children = one.drawn.named(edge)
            if edge.directed and parents and children and not any(parents & truth.sources(child) for child in children):
                yield f"without {one.name}: {min(parents)} -> {min(children)}: {edge.relation}, {edge.confidence}"
