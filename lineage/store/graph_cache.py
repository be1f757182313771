"""The last ancestry graph of an index, kept so that a new model only has to be put in its place.

A cache in the folder `graphs`, one file for each set of indexes that was asked together: JSON with the fields of `Node`
and `Edge`, and the id and values of each fact. It can be deleted at any time; a file that is damaged, or made by
another version, is passed over.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lineage.atomic_write import write_whole
from lineage.types import Edge, Lineage, Node
from lineage.types.facts import KINDS, Fact

FOLDER = "graphs"
_MOST = 1 << 30  # bytes: a million models


def kept_graph(folder: Path, key: str, version: str) -> Lineage | None:
    """The graph kept under `key` by the same version, or None."""
    place = folder / FOLDER / f"{key}.json"
    try:
        if place.stat().st_size > _MOST:
            return None
        held = json.loads(place.read_text(encoding="utf-8"))
        if held["version"] != version:
            return None
        return Lineage(tuple(map(_node, held["nodes"])), tuple(map(_edge, held["edges"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def keep_graph(folder: Path, key: str, version: str, lineage: Lineage) -> None:
    """Keep a graph for the next question; a folder that cannot be written costs time, nothing else."""
    measured = [_fields(edge) for edge in lineage.edges if edge.source == "measured"]
    held = {"version": version, "nodes": [asdict(node) for node in lineage.nodes], "edges": measured}
    with suppress(OSError):
        (folder / FOLDER).mkdir(exist_ok=True)
        write_whole(folder / FOLDER / f"{key}.json", json.dumps(held).encode())


def _node(fields: dict[str, Any]) -> Node:
    read: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in fields.items()}
    return Node(**read)


def _edge(fields: dict[str, Any]) -> Edge:
    pairs = fields["layer_map"]
    mapped = None if pairs is None else tuple((int(child), int(parent)) for child, parent in pairs)
    return Edge(**{**fields, "basis": tuple(map(_fact, fields["basis"])), "layer_map": mapped})


def _fields(edge: Edge) -> dict[str, Any]:
    return {**asdict(edge), "basis": [{"id": fact.id, "values": asdict(fact)} for fact in edge.basis]}


def _fact(held: dict[str, Any]) -> Fact:
    values = {name: tuple(one) if isinstance(one, list) else one for name, one in held["values"].items()}
    return KINDS[held["id"]](**values)
