"""The last ancestry graph of an index, kept so that a new model only has to be put in its place.

A cache in the folder `graphs`, one file for each set of indexes that was asked together: JSON with the fields of `Node`
and `Edge`, and the id and values of each fact. It can be deleted at any time; a file that is damaged, or made by
another version, is ignored.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from lineage.atomic_write import write_whole
from lineage.store.shaping import shaped
from lineage.types import Edge, Lineage, Node
from lineage.types.facts import Fact, kinds

FOLDER = "graphs"
_MOST = 1 << 30  # bytes: a million models
_FAULTS = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)


def kept_graph(folder: Path, key: str, version: str) -> Lineage | None:
    """The graph kept under `key` by the same version, or None."""
    try:
        held = _held(folder / FOLDER / f"{key}.json")
        return _lineage(held) if held["version"] == version else None
    except _FAULTS:
        return None


def is_sound_graph(place: Path) -> bool:
    """Whether a file holds a graph, of any version."""
    try:
        held = _held(place)
        if isinstance(held["version"], str):
            _lineage(held)
            return True
    except _FAULTS:
        pass
    return False


def keep_graph(folder: Path, key: str, version: str, lineage: Lineage) -> None:
    """Keep a graph for the next question; a folder that cannot be written costs time, nothing else."""
    measured = [_fields(edge) for edge in lineage.edges if edge.source == "measured"]
    held = {"version": version, "nodes": [asdict(node) for node in lineage.nodes], "edges": measured}
    with suppress(OSError):
        (folder / FOLDER).mkdir(exist_ok=True)
        write_whole(folder / FOLDER / f"{key}.json", json.dumps(held).encode())


def _held(place: Path) -> Any:
    """The JSON in a plain file of sane size."""
    if not place.is_file() or place.stat().st_size > _MOST:
        raise ValueError("no cache")
    return json.loads(place.read_text(encoding="utf-8"))


def _lineage(held: Any) -> Lineage:
    """The graph in parsed JSON. Raises one of _FAULTS if it is not one, or an edge has an end that is not a node."""
    nodes = tuple(shaped(Node, one) for one in held["nodes"])
    edges = tuple(map(_edge, held["edges"]))
    ids = {node.id for node in nodes}
    if len(ids) != len(nodes) or any(edge.parent not in ids or edge.child not in ids for edge in edges):
        raise ValueError("an edge leads nowhere")
    return Lineage(nodes, edges)


def _edge(held: Any) -> Edge:
    plain = shaped(Edge, {**held, "basis": []})
    return replace(plain, basis=tuple(map(_fact, held["basis"])))


def _fields(edge: Edge) -> dict[str, Any]:
    return {**asdict(edge), "basis": [{"id": fact.id, "values": asdict(fact)} for fact in edge.basis]}


def _fact(held: Any) -> Fact:
    return shaped(kinds()[held["id"]], held["values"])
