"""Ask an index on a Milvus server and one in a folder, of the same simulated models, the same questions in turns.

    python scripts/bench_milvus.py --index 'milvus://127.0.0.1:19530/bench?sketches=memory://bench' --models 1000 10000

The models and the questions are those of bench_scale.py. What is measured is a search by all codes, without sketches
and equal digests; on a server also how long it takes to put the codes there, and to name the set of models. The index
at the address must not exist yet, and is dropped at the end.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import bench_scale
import numpy as np
from results import table, write_section

from lineage.errors import LineageError
from lineage.sketch.family import FAMILY
from lineage.store import MilvusIndex, SqliteIndex
from lineage.store.milvus.address import MilvusAddress, milvus_address
from lineage.store.milvus.rows import Entry, row_of
from lineage.store.milvus.server import Row, Server
from lineage.store.segments import CUES
from lineage.types import Codes, ModelRecord

_SEAL = "0" * 16


def put(server: Server, models: int) -> None:
    """The simulated models as rows of an index that was just made."""
    for names, codes in bench_scale.families(models):
        for cue in CUES:
            server.put(cue, [row for name, one in zip(names, codes, strict=True) for row in _rows(name, one[cue])])
        server.put("models", [_model(name) for name in names])


def _rows(model: str, codes: np.ndarray) -> list[Row]:
    about = {"model": model, "seal": _SEAL, "family": FAMILY, "kind": "model"}
    return [{"id": f"{model}{place:04x}", **about, "code": code.tobytes()} for place, code in enumerate(codes)]


def _model(model: str) -> Row:
    record = ModelRecord(model, f"m{model}", FAMILY, "full", 7, bench_scale.TENSORS, "safetensors", "", "", {})
    return row_of(Entry(record, {}, _SEAL, ""))


def measured(address: MilvusAddress, models: int, queries: int) -> list[list[str]]:
    """The rows of the table for so many models."""
    with tempfile.TemporaryDirectory() as scratch:
        kept = bench_scale.build(Path(scratch) / "index", models)
        began = time.perf_counter()
        MilvusIndex.create(address).close()
        server = Server(address)
        try:
            put(server, models)
            built = time.perf_counter() - began
            with SqliteIndex.open(Path(scratch) / "index") as folder, MilvusIndex.open(address) as index:
                return _asked(folder, index, kept, queries, built)
        finally:
            server.drop()
            server.close()


def _asked(
    folder: SqliteIndex, index: MilvusIndex, kept: Mapping[str, Codes], queries: int, built: float
) -> list[list[str]]:
    began = time.perf_counter()
    if index.id != folder.id:
        raise LineageError("the two do not hold the same models")
    named = time.perf_counter() - began
    told: dict[str, list[bench_scale.Asked]] = {"in a folder": [], "on a server": []}
    for _ in range(queries):
        told["in a folder"] += bench_scale.ask(folder, kept, 1)
        told["on a server"] += bench_scale.ask(index, kept, 1)
    rest = {"in a folder": ["", ""], "on a server": [f"{built:.0f} s", f"{named:.2f} s"]}
    return [[f"{len(folder):,}", where, *_figures(asked), *rest[where]] for where, asked in told.items()]


def _figures(asked: Sequence[bench_scale.Asked]) -> list[str]:
    seconds = [second for one in asked for second in one.seconds]
    worked = [second for one in asked for second in one.worked]
    found, of = sum(one.found for one in asked), sum(one.of for one in asked)
    middle, slow = np.quantile(seconds, [0.5, 0.95])
    return [f"{middle:.3f} s", f"{slow:.3f} s", f"{np.quantile(worked, 0.5):.3f} s", f"{found} of {of}"]


def main() -> None:
    """Build, ask, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", required=True, help="an address at which no index is")
    parser.add_argument("--models", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--queries", type=int, default=10, help="of each kind")
    parser.add_argument("--results", type=Path, help="a Markdown file whose section is written")
    asked = parser.parse_args()
    address = milvus_address(asked.index)
    if MilvusIndex.is_at(address):
        parser.error(f"{address}: there is an index: name another")
    rows = [row for models in sorted(asked.models) for row in measured(address, models, asked.queries)]
    columns = [
        "search, median",
        "p95",
        "of a core of the asker",
        "parent among the first 10",
        "put there in",
        "set named in",
    ]
    text = table(["models", "index", *columns], rows)
    text += f"\n\n{os.cpu_count()} cores, server on the same machine, {platform.machine()},"
    text += f" Python {platform.python_version()}."
    print(text)
    if asked.results:
        write_section(asked.results, "milvus", text)


if __name__ == "__main__":
    main()
