"""How long the graph over many sketches takes, and one model more: on two cores, in a process of its own."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmark.figure import Figure, listing
from benchmark.many import many
from benchmark.truth import Zoo
from lineage import __version__
from lineage.ancestry import graph
from lineage.store import SqliteIndex
from lineage.types import CheckpointSketch, Lineage

CORES = 2
MOST_SECONDS, MOST_SECONDS_OF_ONE = 60.0, 2.0


def speed_section(zoo: Zoo, folder: Path, index: Path, count: int) -> str:
    """Time the graph over `count` sketches, made where `index` does not hold so many yet, as Markdown."""
    fill(zoo, folder, index, count)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # a fresh process: its peak memory is the graph's
        models, edges, whole, one, peak, shared = pool.submit(measure, index).result()
    figures = [
        Figure("graph over all", f"{whole:.1f} s", f"<= {MOST_SECONDS:g} s", whole <= MOST_SECONDS),
        Figure("one model more", f"{one:.2f} s", f"<= {MOST_SECONDS_OF_ONE:g} s", one <= MOST_SECONDS_OF_ONE),
        Figure("peak resident memory", f"{peak / 1e9:.2f} GB"),
        Figure("of the largest process that shared the work", f"{shared / 1e9:.2f} GB, most of it the same pages"),
    ]
    cores = min(CORES, os.cpu_count() or 1)
    heading = f"{models} sketches of the zoo and of descendants made of it, {edges} edges, {cores} cores."
    command = f"By `python scripts/benchmark_lineage.py --speed {count}`."
    return "\n\n".join(["## Speed of the graph", f"{command} {heading}", listing(figures)])


def fill(zoo: Zoo, folder: Path, index: Path, count: int) -> None:
    """Bring the index to `count` sketches and one to add, unless it has them."""
    with SqliteIndex.create(index) as home:
        if len(home) == count + 1:
            return
        for done, sketch in enumerate(many(zoo, folder, count + 1), 1):
            home.add(sketch, __version__)
            if done % 100 == 0:
                print(f"{done} sketches", file=sys.stderr)
        home.finish_run()


def measure(index: Path) -> tuple[int, int, float, float, int, int]:
    """Models, edges, seconds for the graph and for one model more, peak bytes of this process and of others."""
    import resource

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    with SqliteIndex.open(index) as home:
        last = home.load(max(home.models(), key=lambda record: (record.added or "", record.id)).id)
        home.remove(last.id)
        try:
            started = time.perf_counter()
            found = graph([home])
            between = time.perf_counter()
            count = len(home)
            add_one(home, last, found)
            ended = time.perf_counter()
        finally:
            home.add(last, __version__)
    unit = 1 if sys.platform == "darwin" else 1024
    peaks = [resource.getrusage(who).ru_maxrss * unit for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return count, len(found.edges), between - started, ended - between, peaks[0], peaks[1]


def add_one(index: SqliteIndex, sketch: CheckpointSketch, known: Lineage) -> Lineage:
    """Add a model to an index whose graph is `known`, and return the new graph."""
    index.add(sketch, __version__)
    return graph([index], known=known)
