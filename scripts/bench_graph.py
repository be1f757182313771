"""The cost of the ancestry graph of many models: the first time, with comparisons on disk, and with one more model.

    python scripts/bench_graph.py [--models 100 1000] [--layers 30] [--work DIR] [--results docs/performance.md]

Models are those of bench_match.py, in families of ten, with so many layers each. The clock is that of the machine;
seconds of a core are those of all processes. Prints Markdown; with `--work` an index that is there is used again.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from bench_match import LAYERS, models, sketched, trained
from results import table, write_section
from threadpoolctl import threadpool_limits

from lineage.store import SqliteIndex
from lineage.store.cache_in_use import SETTING

ROOT = Path(__file__).parents[1]
HEAD = ["models", "tensors each", "graph", "time", "of a core", "largest process", "edges", "families joined or cut"]
_RUN = """
import sys
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from lineage.cli import main
try:
    main()
finally:
    print(max(getrusage(who).ru_maxrss for who in (RUSAGE_SELF, RUSAGE_CHILDREN)), file=sys.stderr)
"""


def made(folder: Path, count: int, layers: int) -> Path:
    """An index of so many models, made if it is not there."""
    place = folder / f"{count}-{layers}"
    if not place.exists():
        with threadpool_limits(limits=1), SqliteIndex.create(place) as index:
            for name, arrays in models(count, layers):
                index.add(sketched(name, arrays), "benchmark")
            index.finish_run()
    return place


def measured(index: Path, what: str, most_mib: str = "") -> tuple[list[str], int]:
    """What the graph of an index took, and the number of edges that leave a family, or lack in one."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", SETTING: most_mib}
    before, began = getrusage(RUSAGE_CHILDREN), time.perf_counter()
    words = ["graph", "--index", str(index), "--no-reference", "--json"]
    said = subprocess.run([sys.executable, "-c", _RUN, *words], env=environment, check=True, capture_output=True)
    took, after = time.perf_counter() - began, getrusage(RUSAGE_CHILDREN)
    core = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    memory = int(said.stderr.split()[-1]) / 1024
    graph = json.loads(said.stdout)
    names = {node["id"]: node["name"] for node in graph["nodes"]}
    joined = [(names[edge["parent"]], names[edge["child"]]) for edge in graph["edges"]]
    wrong = sum(one.partition("-")[0] != other.partition("-")[0] for one, other in joined)
    lacking = sum(not name.endswith("-0") for name in names.values()) - len({child for _, child in joined})
    return [what, f"{took:.1f} s", f"{core:.1f} s", f"{memory:,.0f} MB", f"{len(joined):,}"], wrong + max(0, lacking)


def rows(folder: Path, count: int, layers: int) -> Iterator[list[str]]:
    """A line of the table for each graph of so many models."""
    index = made(folder, count, layers)
    for cache in ("graphs", "comparisons"):
        shutil.rmtree(index / cache, ignore_errors=True)
    for what in ("the first", "again, with comparisons on disk", "one more model"):
        if what == "one more model":
            with threadpool_limits(limits=1), SqliteIndex.open(index) as opened:
                name, arrays = next(models(1, layers))
                opened.add(sketched(f"{name}b", trained(arrays, 1, 0.05)), "benchmark")
                opened.finish_run()
        else:
            shutil.rmtree(index / "graphs", ignore_errors=True)
        took, wrong = measured(index, what)
        yield [f"{count:,}", str(9 * layers + 3), *took, str(wrong)]
    with SqliteIndex.open(index) as opened:
        opened.remove(opened.find("m0-0b").id)


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", type=int, nargs="+", default=[100, 1000], help="multiples of ten")
    parser.add_argument("--layers", type=int, default=LAYERS)
    parser.add_argument("--work", type=Path, help="where indexes are kept")
    parser.add_argument("--results", type=Path, help="a Markdown file whose section is written")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lineage-") as scratch:
        found = [row for count in given.models for row in rows(given.work or Path(scratch), count, given.layers)]
    load = f", load {os.getloadavg()[0]:.0f}" if hasattr(os, "getloadavg") else ""
    software = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}{load}."
    text = f"{table(HEAD, found)}\n\n{software}"
    print(text)
    if given.results is not None:
        write_section(given.results, "graph", text)


if __name__ == "__main__":
    main()
