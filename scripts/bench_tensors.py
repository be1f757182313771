"""Time `lineage ingest` of files of very many small tensors, and of an index of many models of a few hundred.

    python scripts/bench_tensors.py [--tensors N ...] [--models N] [--folder DIR] [--results docs/performance.md]

Files have seeded normal float32 values; their names are those of a mixture of experts, or random letters. Each ingest
of a file is a process of its own, into an empty index; models go into one index, each counted in seconds of a core.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean

import numpy as np
from bench_ingest import LINEAGE, Run, run, write_checkpoint
from results import table, write_section

SIDE, EXPERTS = 16, 256
SEED = 23
SOME = 1 << 12  # tensors whose values are drawn at once
Shape = tuple[int, ...]


def mixture(count: int) -> dict[str, Shape]:
    """Names and shapes of the first `count` tensors of a mixture of experts."""
    found: dict[str, Shape] = {}
    layer = 0
    while len(found) < count:
        before = f"model.layers.{layer}"
        parts = (f"{e}.{part}_proj" for e in range(EXPERTS) for part in ("gate", "up", "down"))
        found |= {f"{before}.mlp.experts.{part}.weight": (SIDE, SIDE) for part in parts}
        found |= {f"{before}.self_attn.{part}_proj.weight": (SIDE, SIDE) for part in "qkvo"}
        found |= {f"{before}.mlp.gate.weight": (EXPERTS, SIDE), f"{before}.input_layernorm.weight": (SIDE,)}
        layer += 1
    return dict(list(found.items())[:count])


def irregular(count: int) -> dict[str, Shape]:
    """As many tensors whose names have nothing in common, of some hundred shapes."""
    random = np.random.default_rng(SEED)
    letters = random.integers(97, 123, (count, 8), dtype=np.uint8)
    sides = random.integers(8, 25, (count, 2))
    names = (f"{row.tobytes().decode()}.t{i}.weight" for i, row in enumerate(letters))
    return {name: (int(rows), int(columns)) for name, (rows, columns) in zip(names, sides, strict=True)}


def write_file(path: Path, named: Mapping[str, Shape]) -> None:
    """Write a safetensors file of float32 tensors of these names and shapes."""
    sizes = [int(np.prod(shape)) for shape in named.values()]
    ends = np.cumsum(sizes).tolist()
    header = {
        name: {"dtype": "F32", "shape": shape, "data_offsets": [4 * (end - size), 4 * end]}
        for (name, shape), size, end in zip(named.items(), sizes, ends, strict=True)
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    random = np.random.default_rng(SEED)
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for start in range(0, len(sizes), SOME):
            values = 0.02 * random.standard_normal(sum(sizes[start : start + SOME]), dtype=np.float32)
            stream.write(values.tobytes())


def of_files(folder: Path, counts: list[int]) -> list[tuple[str, int, Run, int]]:
    """Names, number of tensors, the ingest, and the bytes of the sketch, of a file of each kind and size."""
    found = []
    for kind, make in (("mixture of experts", mixture), ("irregular", irregular)):
        for count in counts:
            model, index = folder / "model.safetensors", folder / "index"
            write_file(model, make(count))
            done = run(LINEAGE, "ingest", "--json", "--index", str(index), str(model))
            size = sum(file.stat().st_size for file in (index / "sketches").iterdir())
            found.append((kind, count, done, size))
            shutil.rmtree(index)
            model.unlink()
    return found


def layers(number: int) -> dict[str, Shape]:
    """Names and shapes of a model of 272 small tensors."""
    shapes: dict[str, Shape] = {
        "input_layernorm": (64,), "post_attention_layernorm": (64,), "mlp.down_proj": (64, 172),
        "mlp.gate_proj": (172, 64), "mlp.up_proj": (172, 64), "self_attn.q_proj": (64, 64),
        "self_attn.k_proj": (64, 64), "self_attn.v_proj": (64, 64), "self_attn.o_proj": (64, 64),
    }  # fmt: skip
    named = {f"model.layers.{i}.{name}.weight": shape for i in range(30) for name, shape in shapes.items()}
    return {"model.embed_tokens.weight": (500 + number, 64), **named, "model.norm.weight": (64,)}


def of_models(folder: Path, count: int) -> list[float]:
    """Seconds of a core for each of `count` models that are added to one index, one after the other."""
    from lineage import api

    def files() -> Iterator[Path]:
        for number in range(count):
            file = folder / f"model-{number}.safetensors"
            write_checkpoint(file, layers(number))
            yield file
            file.unlink()

    spent = []
    for file in files():
        started = time.process_time()
        (result,) = api.ingest([file], folder / "models", workers=1)
        if result.event != "ingested":
            raise RuntimeError(result.error)
        spent.append(time.process_time() - started)
    return spent


def report(files: list[tuple[str, int, Run, int]], models: list[float]) -> str:
    """Return the Markdown section."""
    least = {kind: min((count, done.cpu) for name, count, done, _ in files if name == kind) for kind, *_ in files}
    rows = []
    for kind, count, done, size in files:
        base, base_cpu = least[kind]
        each = f"{1e3 * (done.cpu - base_cpu) / (count - base):.2f} ms" if count > base else ""
        rows.append(
            [f"{count:,}", kind, f"{done.seconds:.1f} s", f"{done.cpu:.1f} s", each, f"{done.peak / 1e6:.0f} MB",
             f"{size / 1e6:.0f} MB"]
        )  # fmt: skip
    head = ["tensors", "names", "time", "of a core", "each further one", "resident", "sketch"]
    text = table(head, rows)
    if models:
        some = max(1, len(models) // 10)
        text += "\n\n" + table(
            ["models of 272 tensors", "of a core, each", f"the first {some}", f"the last {some}"],
            [[f"{len(models):,}", *(f"{mean(of):.2f} s" for of in (models, models[:some], models[-some:]))]],
        )
    load = f"{os.getloadavg()[0]:.0f}"
    return f"{text}\n\n{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, load {load}.\n"


def main() -> int:
    """Measure, print, write the section if asked to."""
    parser = argparse.ArgumentParser(description="Time the ingest of very many small tensors.")
    parser.add_argument("--tensors", type=int, nargs="*", default=[2_000, 20_000, 200_000])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="where 3 GB fit (default: the system's temporary folder)")
    parser.add_argument("--results", type=Path, help="Markdown page whose section `tensors` is rewritten")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="lineage-bench-") as folder:
        files = of_files(Path(folder), chosen.tensors)
        models = of_models(Path(folder), chosen.models) if chosen.models else []
    text = report(files, models)
    print(text)
    if chosen.results:
        write_section(chosen.results, "tensors", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
