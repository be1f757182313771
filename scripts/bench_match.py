"""The cost of comparing sketches: reading one, comparing it with relatives and with unrelated models, a whole `whois`.

    python scripts/bench_match.py [--models 100] [--rounds 5] [--results docs/performance.md]

Models have 273 small tensors each, as many as one of 7B has, in families of ten: a root and what was trained from it.
Seconds are those of one core, so that what else the machine does counts little; prints Markdown.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

import numpy as np
from numpy.typing import NDArray
from results import table, write_section
from threadpoolctl import threadpool_limits

from lineage.ancestry import compare
from lineage.sketch import read_sketch, sketch_checkpoint, write_sketch
from lineage.store import SqliteIndex
from lineage.types import Checkpoint, CheckpointSketch, Meter, TensorView

ROOT = Path(__file__).parents[1]
WIDTH, INNER, TOKENS, LAYERS = 96, 192, 512, 30
FAMILY = 10
CONFIG = {"model_type": "llama", "hidden_size": WIDTH, "num_attention_heads": 4}
_RUN = "import sys; from lineage.cli import main; sys.exit(main())"

Arrays = Mapping[str, NDArray[np.float32]]


@lru_cache(maxsize=1)
def root(seed: int, layers: int) -> Arrays:
    """An untrained decoder."""
    random = np.random.default_rng(seed)
    shapes = {"model.embed_tokens": (TOKENS, WIDTH), "lm_head": (TOKENS, WIDTH)}
    for layer in (f"model.layers.{n}" for n in range(layers)):
        shapes |= {f"{layer}.self_attn.{name}_proj": (WIDTH, WIDTH) for name in "qkvo"}
        shapes |= {f"{layer}.mlp.{name}_proj": (INNER, WIDTH) for name in ("gate", "up")}
        shapes[f"{layer}.mlp.down_proj"] = (WIDTH, INNER)
    made = {f"{name}.weight": 0.02 * random.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    norms = [f"model.layers.{n}.{name}_layernorm" for n in range(layers) for name in ("input", "post_attention")]
    return made | {f"{name}.weight": 1 + random.standard_normal(WIDTH, np.float32) for name in (*norms, "model.norm")}


def trained(base: Arrays, seed: int, by: float) -> Arrays:
    """The base with noise of so many deviations."""
    random = np.random.default_rng(seed)
    return {n: w + np.float32(by * w.std()) * random.standard_normal(w.shape, np.float32) for n, w in base.items()}


def models(count: int, layers: int = LAYERS) -> Iterator[tuple[str, Arrays]]:
    """Families, one model after the other: number 0 of each is the root."""
    for number in range(count):
        family, member = divmod(number, FAMILY)
        base = root(family, layers)
        yield f"m{family}-{member}", trained(base, 1000 + number, 0.02 * member) if member else base


def sketched(name: str, arrays: Arrays) -> CheckpointSketch:
    """The sketch of a model that lies in memory."""
    views = tuple(TensorView(n, a.shape, a.dtype, lambda s, e, a=a: a[s:e], n) for n, a in arrays.items())  # type: ignore[misc]
    size, layers = sum(a.nbytes for a in arrays.values()), sum("input_layernorm" in name for name in arrays)
    config = CONFIG | {"num_hidden_layers": layers}
    return sketch_checkpoint(Checkpoint(name, f"mem/{name}", "safetensors", views, size, Meter(), config), threads=1)


def cpu_ms(work: Callable[[], object]) -> float:
    """Milliseconds of the processor that some work takes."""
    began = time.process_time()
    work()
    return 1e3 * (time.process_time() - began)


def compared(folder: Path, names: Sequence[str]) -> Iterator[tuple[str, float]]:
    """What is done, and the milliseconds that each took, with the first of the names as the query."""
    query, *others = (read_sketch(folder / f"{name}.sketch") for name in names)
    compare(read_sketch(folder / f"{names[1]}.sketch"), query)  # what is made once for all is made
    for name, other in zip(names[1:], others, strict=True):
        kin = "a relative" if name.startswith("m0-") else "a stranger"
        yield "read a sketch", cpu_ms(lambda name=name: read_sketch(folder / f"{name}.sketch"))  # type: ignore[misc]
        yield f"hold it against {kin}", cpu_ms(lambda other=other: compare(query, other))  # type: ignore[misc]
        yield f"the same again, {kin}", cpu_ms(lambda other=other: compare(query, other))  # type: ignore[misc]


def asked(sketch: Path, index: Path, rounds: int) -> Iterator[float]:
    """Milliseconds of the processor of the whole `lineage whois`, a process of its own each time."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for number in range(rounds + 1):
        before = getrusage(RUSAGE_CHILDREN)
        words = ["whois", str(sketch), "--index", str(index)]
        subprocess.run([sys.executable, "-c", _RUN, *words], env=environment, check=True, capture_output=True)
        after = getrusage(RUSAGE_CHILDREN)
        if number:  # the first compiles, and reads the disk
            yield 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def measure(count: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds by what is done."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="lineage-") as scratch, threadpool_limits(limits=1):
        folder = Path(scratch)
        with SqliteIndex.create(folder / "index") as index:
            for name, arrays in models(count):
                made = sketched(name, arrays)
                write_sketch(made, folder / f"{name}.sketch")
                index.add(made, "benchmark")
            index.finish_run()
        relatives, strangers = [f"m0-{n}" for n in (3, 0, 9, 5, 1)], [f"m{n}-1" for n in range(1, min(5, count // 10))]
        for what, took in (one for _ in range(rounds) for one in compared(folder, [*relatives, *strangers])):
            found.setdefault(what, []).append(took)
        found[f"`lineage whois` of a sketch, {count} models known"] = [
            *asked(folder / "m0-3.sketch", folder / "index", rounds)
        ]
    return found


def report(found: Mapping[str, Sequence[float]]) -> str:
    """The section of the page."""
    head = ["what", "median", "least"]
    rows = [[what, f"{median(took):.0f} ms", f"{min(took):.0f} ms"] for what, took in found.items()]
    load = f", load {os.getloadavg()[0]:.0f}" if hasattr(os, "getloadavg") else ""
    software = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}{load}."
    return f"{table(head, rows)}\n\n{software}"


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", type=int, default=100, help="twenty or more")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, help="a Markdown file whose section is written")
    given = parser.parse_args()
    text = report(measure(given.models, given.rounds))
    print(text)
    if given.results is not None:
        write_section(given.results, "match", text)


if __name__ == "__main__":
    main()
