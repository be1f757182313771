"""Ask an index of very many simulated models: does it find the parent, how long does that take, and in how much room?

    python scripts/bench_scale.py --models 1000000 [--queries 200] [--results docs/performance.md]

Nothing is trained. Models are drawn as search codes with the statistics of real ones: bits of unrelated models agree
as coins do, those of a model and a tuning of it differ with probability acos(r) / pi. A tenth are roots; the others are
children of a model before them, a few of which have very many children, tuned to a correlation drawn from .3 to .999,
one in five with half of its layers only. The index holds rows and segments as an ingest leaves them, but no sketches
and no rows of tensors, so that equal digests, which are found by a look into a B-tree, are not part of this. Each
question is about a new child of a model in the index: a tuning, a model of half the layers, a model that shares one
small component with it and nothing else, or an unrelated model.
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from results import table, write_section

from lineage.ancestry.candidates import NEAREST
from lineage.sketch.family import FAMILY
from lineage.sketch.search_codes import MOST_TENSORS, WIDTHS, nearest_stranger, surprise
from lineage.store import Index, SqliteIndex
from lineage.store.segments import CUES, Segment, merged, name_of, segment_of, write_segment
from lineage.store.totals import recount
from lineage.types import Codes, SearchCue

PARTS: Mapping[SearchCue, int] = {"component": 4, "rows": 4, "network": 1, "tensor": MOST_TENSORS}
"""Codes of a model: three components and the whole."""
BLOCK = 1 << 14
SEGMENT = 1 << 19  # models: what an ingest merges at most
ROOTS = 0.1
PLANES = 10  # bits of a probability
RECALL = 10
TENSORS = 272
Bits = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Asked:
    """One kind of question: how often the parent was among the first ten, and how many unrelated models are compared.

    Seconds of the clock, which depend on other work of the machine, and seconds of its cores.
    """

    what: str
    found: int
    of: int
    strangers: float
    seconds: tuple[float, ...]
    worked: tuple[float, ...]


def coins(random: np.random.Generator, shape: tuple[int, ...]) -> Bits:
    """Fair bits."""
    return random.integers(0, 256, shape, np.uint8)


def flips(random: np.random.Generator, shape: tuple[int, ...], r: float) -> Bits:
    """Bits that are set with the probability that signs of projections differ at a correlation of r."""
    share = round(math.acos(max(-1.0, min(1.0, r))) / math.pi * (1 << PLANES))
    made = np.zeros(shape, np.uint8)
    for place in range(PLANES):  # the binary digits of the share, from the last to the first
        made = (made | coins(random, shape)) if share >> place & 1 else (made & coins(random, shape))
    return made


def fresh(random: np.random.Generator, n: int) -> dict[SearchCue, Bits]:
    """Codes of unrelated models, (n, codes of a model, bytes)."""
    return {cue: coins(random, (n, PARTS[cue], WIDTHS[cue])) for cue in CUES}


def tuned(
    random: np.random.Generator, codes: Mapping[SearchCue, Bits], r: float, *, halved: bool
) -> dict[SearchCue, Bits]:
    """Codes of children whose weights correlate by r with their parents', of half of their layers if `halved`.

    Row codes are equal where rows are: a tuning leaves few of them.
    """
    likeness = {
        "component": r * (math.sqrt(0.5) if halved else 1.0),
        "rows": max(0.0, 2.0 * r - 1.0),
        "network": r,
        "tensor": r,
    }
    made = {cue: codes[cue] ^ flips(random, codes[cue].shape, likeness[cue]) for cue in CUES}
    if halved:
        half = PARTS["tensor"] // 2
        made["tensor"][:, half:] = coins(random, made["tensor"][:, half:].shape)
    return made


def families(models: int) -> Iterator[tuple[list[str], list[Codes]]]:
    """Names and codes of all models, block after block; the children in a block come from models of blocks before."""
    random = np.random.default_rng(1)
    hubs: dict[SearchCue, Bits] | None = None
    for start in range(0, models, BLOCK):
        n = min(BLOCK, models - start)
        block = fresh(random, n)
        if hubs is None:
            hubs = {cue: codes[:512].copy() for cue, codes in block.items()}
        at = round(ROOTS * n)
        while at < n:  # children of one correlation at a time
            size = min(n - at, 256)
            # A few bases have most of the children.
            parents = np.minimum(511, (512 * random.random(size) ** 4).astype(int))
            r, halved = float(1.0 - 10.0 ** random.uniform(-3.0, math.log10(0.7))), bool(random.random() < 0.2)
            made = tuned(random, {cue: codes[parents] for cue, codes in hubs.items()}, r, halved=halved)
            for cue in CUES:
                block[cue][at : at + size] = made[cue]
            at += size
        yield (
            [f"{start + i:032x}" for i in range(n)],
            [{cue: block[cue][i] for cue in CUES} for i in range(n)],
        )


def build(folder: Path, models: int) -> dict[str, Codes]:
    """An index of simulated models in `folder`; returns some of them, by id, whose children are asked about."""
    kept: dict[str, Codes] = {}
    random = np.random.default_rng(2)
    with SqliteIndex.create(folder) as index:
        waiting: list[Segment] = []
        number = 0
        for names, codes in families(models):
            waiting.append(replace(segment_of(dict(zip(names, codes, strict=True))), bands=()))
            number += len(names)
            chosen = random.choice(len(names), size=min(len(names), max(1, 4096 * BLOCK // models)), replace=False)
            kept |= {names[i]: {cue: codes[i][cue].copy() for cue in CUES} for i in chosen}
            if number % SEGMENT == 0 or number == models:
                _put(index, waiting)
                waiting = []
        with index.db.atomic():
            recount(index.db)
    return kept


def _put(index: SqliteIndex, parts: Sequence[Segment]) -> None:
    segment = merged(parts)
    models = [model.decode() for model in segment.models]
    name = name_of("model", models)
    write_segment(segment, index.folder / "vectors" / name)
    with index.db.atomic():
        index.db.table("models").insert_all(_row(model, name) for model in models)
        index.db.table("segments").insert(
            {"name": name, "family": FAMILY, "kind": "model", "models": len(models), "dead": 0}
        )


def _row(model: str, segment: str) -> dict[str, object]:
    told: dict[str, object] = {
        "depth": "full",
        "source": "",
        "format": "safetensors",
        "architecture": "",
        "added": "",
        "file_sha256": "",
    }
    size: dict[str, object] = {"params": 7_000_000_000, "nbytes": 0, "tensors": TENSORS}
    return {"id": model, "name": f"m{model}", "family": FAMILY, "kind": "model", "segment": segment} | told | size


def ask(index: Index, kept: Mapping[str, Codes], queries: int) -> list[Asked]:
    """Ask about new children of the models in `kept`, `queries` of each kind."""
    random = np.random.default_rng(3)
    names = sorted(kept)

    def child(r: float, halved: bool) -> Callable[[Codes], dict[SearchCue, Bits]]:
        def make(parent: Codes) -> dict[SearchCue, Bits]:
            made = tuned(random, {cue: parent[cue][None] for cue in CUES}, r, halved=halved)
            return {cue: made[cue][0] for cue in CUES}

        return make

    def grafted(parent: Codes) -> dict[SearchCue, Bits]:
        own = {cue: codes[0].copy() for cue, codes in fresh(random, 1).items()}
        own["component"][0] = parent["component"][0] ^ flips(random, (WIDTHS["component"],), 0.95)
        return own

    kinds: list[tuple[str, Callable[[Codes], dict[SearchCue, Bits]], bool]] = [
        ("tuned, r 0.9", child(0.9, halved=False), True),
        ("tuned, r 0.5", child(0.5, halved=False), True),
        ("half of the layers, tuned, r 0.95", child(0.95, halved=True), True),
        ("one small component reused, r 0.95", grafted, True),
        ("a stranger", lambda _: {cue: codes[0] for cue, codes in fresh(random, 1).items()}, False),
    ]
    beyond = nearest_stranger(PARTS["component"] * index.count("model"))
    told = []
    for what, make, has_parent in kinds:
        found, strangers, seconds, worked = 0, 0, [], []
        for name in random.choice(names, size=queries):
            made = make(kept[str(name)])
            rest = coins(random, (TENSORS - MOST_TENSORS, WIDTHS["tensor"]))
            asked = made | {"tensor": np.concatenate([made["tensor"], rest])}
            began, used = time.perf_counter(), time.process_time()
            near = index.nearest(asked, "model", NEAREST)["component"]
            rows = [[model for model, score in row[:RECALL] if surprise("component", score) > beyond] for row in near]
            # The whole may be transposed, and so may be what is nowhere as it is.
            open_ones = sum(not row for row in rows[:-1])
            of_them = len(asked["tensor"]) * open_ones // len(rows[:-1])
            turned: Codes = {
                "component": coins(random, (1 + open_ones, WIDTHS["component"])),
                "tensor": coins(random, (of_them, WIDTHS["tensor"])),
            }
            index.nearest(turned, "model", NEAREST)
            seconds.append(time.perf_counter() - began)
            worked.append(time.process_time() - used)
            first = [model for row in rows for model in row]
            found += has_parent and str(name) in first
            strangers += 0 if has_parent else len(set(first))
        of = queries if has_parent else 0
        told.append(Asked(what, found, of, strangers / queries, tuple(seconds), tuple(worked)))
    return told


def main() -> None:
    """Build, ask, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--queries", type=int, default=200, help="of each kind")
    parser.add_argument("--folder", type=Path, help="where the index is made; a temporary folder otherwise")
    parser.add_argument("--results", type=Path, help="a Markdown file whose section is written")
    asked = parser.parse_args()
    rows, recalls = [], []
    for models in sorted(asked.models):
        with tempfile.TemporaryDirectory(dir=asked.folder) as scratch:
            folder = Path(scratch) / "index"
            began = time.perf_counter()
            kept = build(folder, models)
            built = time.perf_counter() - began
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            cold, told, resident = _in_a_process(folder, kept, asked.queries)
            shutil.rmtree(folder)
        seconds = np.array([s for one in told for s in one.seconds])
        middle, slow = np.quantile(seconds, [0.5, 0.95])
        core, busy = np.quantile([s for one in told for s in one.worked], [0.5, 0.95])
        room = [f"{resident / 1e9:.2f} GB", f"{size / 1e9:.2f} GB", f"{size / models / 1e3:.1f} kB"]
        times = [f"{s:.3f} s" for s in (middle, slow, core, busy, cold)]
        rows.append([f"{models:,}", *times, *room, f"{built:.0f} s"])
        for one in told:
            right = f"{one.found / one.of:.3f}" if one.of else f"{one.strangers:.2f} strangers to compare"
            recalls.append([f"{models:,}", one.what, right])
    columns = [
        "search, median",
        "p95",
        "of a core, median",
        "p95",
        "first, cold",
        "resident",
        "disk",
        "a model",
        "built in",
    ]
    text = table(["models", *columns], rows)
    text += "\n\n" + table(["models", f"asked, {asked.queries} each", f"parent among the first {RECALL}"], recalls)
    load = f", load {os.getloadavg()[0]:.0f}" if hasattr(os, "getloadavg") else ""
    text += f"\n\n{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}{load}."
    print(text)
    if asked.results:
        write_section(asked.results, "scale", text)


def _in_a_process(folder: Path, kept: Mapping[str, Codes], queries: int) -> tuple[float, list[Asked], int]:
    """Ask in a process of its own, so that its memory is that of asking; also its greatest resident bytes."""
    from multiprocessing import get_context

    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_asked, (folder, kept, queries))


def _asked(folder: Path, kept: Mapping[str, Codes], queries: int) -> tuple[float, list[Asked], int]:
    """Seconds of a question with nothing of the segments in memory, then the results of `ask`, and resident bytes."""
    _forget(folder)
    with SqliteIndex.open(folder) as index:
        cold = ask(index, kept, 1)[0].seconds[0]
        told = ask(index, kept, queries)
    return cold, told, _most_resident()


def _forget(folder: Path) -> None:
    """Have the system drop its cache of the segments, where it can."""
    if hasattr(os, "posix_fadvise"):
        for path in (folder / "vectors").iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _most_resident() -> int:
    """The greatest resident bytes of this process; what its parent had before it is not counted."""
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(next(line for line in status.read_text().splitlines() if line.startswith("VmHWM")).split()[1])
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main()
