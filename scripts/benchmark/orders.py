"""Whether the graph of the same models is the same in any order of adding them."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from benchmark.asked import index_of
from benchmark.figure import Figure
from benchmark.workers import spread
from lineage.ancestry import graph
from lineage.report.graphs.json import document
from lineage.sketch import read_sketch, write_sketch
from lineage.store import SqliteIndex
from lineage.types import CheckpointSketch, Lineage


def digest(found: Lineage) -> str:
    """A digest of the whole JSON of a graph, which does not depend on when or where it was made."""
    return sha256(json.dumps(document(found), sort_keys=True).encode()).hexdigest()


def digests(sketches: Sequence[CheckpointSketch], count: int, jobs: int) -> list[str]:
    """The digest of the graph for each of `count` orders of adding the models, the first as they come."""
    with tempfile.TemporaryDirectory() as scratch:
        files = [Path(scratch, f"{number}.sketch") for number in range(len(sketches))]
        for sketch, file in zip(sketches, files, strict=True):
            write_sketch(sketch, file)
        orders = [random.Random(k).sample(files, len(files)) for k in range(1, count)]  # noqa: S311 - no secret
        return list(spread(_digest, [files, *orders], jobs))


def _digest(files: Sequence[Path]) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        folder = index_of([read_sketch(file) for file in files], Path(scratch) / "index")
        with SqliteIndex.open(folder) as index:
            return digest(graph([index], processes=1))


def order_figure(found: Sequence[str]) -> Figure:
    """How many of the orders give the first one's graph."""
    same = found.count(found[0])
    return Figure("orders of ingest that give the first one's graph", f"{same} of {len(found)}", "all",
                  same == len(found))  # fmt: skip
