"""Time the sketches beside `openssl dgst -sha256` on one 2 GB checkpoint, and the search, and the start-up.

    python scripts/bench_ingest.py [--rounds N] [--folder DIR] [--results docs/results.md]

The checkpoint has the shapes of a Llama of 1 B parameters and seeded random bf16 values, warm in the page cache.
Commands run as whole processes, one after the other in every round, so that a busy machine slows all of them alike.
Prints Markdown; exits with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
from fetch_real import checkpoint, packages
from results import table, write_section

LINEAGE = str(Path(sys.executable).with_name("lineage"))
FILE_BYTES = 2_000_000_000
HIDDEN, MLP, KEY_VALUE, LAYERS = 2048, 8192, 512, 16
CHUNK = 1 << 20
SEED = 20


@dataclass(frozen=True, slots=True)
class Run:
    """One whole process: wall-clock seconds, peak resident bytes, standard output, seconds of a core."""

    seconds: float
    peak: int
    output: str
    cpu: float = 0.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A promise about one figure: it must stay below `limit`, both in `unit`."""

    what: str
    figure: float
    limit: float
    unit: str

    @property
    def is_kept(self) -> bool:
        """Whether the figure is at most the limit."""
        return self.figure <= self.limit


def shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the checkpoint; the vocabulary is what fills the file up to its size."""
    layer: dict[str, tuple[int, ...]] = {
        "input_layernorm": (HIDDEN,),
        "mlp.down_proj": (HIDDEN, MLP),
        "mlp.gate_proj": (MLP, HIDDEN),
        "mlp.up_proj": (MLP, HIDDEN),
        "post_attention_layernorm": (HIDDEN,),
        "self_attn.k_proj": (KEY_VALUE, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HIDDEN),
        "self_attn.q_proj": (HIDDEN, HIDDEN),
        "self_attn.v_proj": (KEY_VALUE, HIDDEN),
    }
    names = {f"model.layers.{i}.{name}.weight": shape for i in range(LAYERS) for name, shape in layer.items()}
    params = sum(int(np.prod(shape)) for shape in names.values()) + HIDDEN
    vocabulary = (FILE_BYTES // 2 - params) // HIDDEN
    return {"model.embed_tokens.weight": (vocabulary, HIDDEN), **names, "model.norm.weight": (HIDDEN,)}


def write_checkpoint(path: Path, named: Mapping[str, tuple[int, ...]] | None = None, seed: int = SEED) -> None:
    """Write a safetensors file of `named` shapes chunk by chunk: 0.02-scaled normal values, gains near one, seeded."""
    named = shapes() if named is None else named
    header, offset = {}, 0
    for name, shape in named.items():
        end = offset + 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    generator = np.random.default_rng(seed)
    with path.open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        for shape in named.values():
            for chunk in _bfloat16(generator, shape):
                stream.write(chunk)


def _bfloat16(generator: np.random.Generator, shape: tuple[int, ...]) -> Iterator[bytes]:
    centre, spread = (1.0, 0.1) if len(shape) == 1 else (0.0, 0.02)
    count = int(np.prod(shape))
    for start in range(0, count, CHUNK):
        values = generator.standard_normal(min(CHUNK, count - start), dtype=np.float32)
        values *= spread
        values += centre
        yield (values.view(np.uint32) >> 16).astype("<u2").tobytes()


def warm(path: Path) -> None:
    """Read the file once, so that every timed process finds it in the page cache."""
    with path.open("rb", buffering=0) as stream:
        while stream.read(CHUNK):
            pass


def run(*command: str) -> Run:
    """Run a command to its end; raises CalledProcessError if it fails."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        output.seek(0)
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        return Run(seconds, peak, output.read().decode(), usage.ru_utime + usage.ru_stime)


def sketch(depth: str, model: Path, target: Path) -> tuple[str, ...]:
    """Return the command that sketches a model."""
    return (LINEAGE, "sketch", "--json", "--depth", depth, str(model), "-o", str(target))


def search_seconds(sketched: Path) -> float:
    """Return the seconds that `whois` reports for search and match, given a sketch: the median of three runs."""
    answers = [run(LINEAGE, "whois", "--json", str(sketched)).output for _ in range(3)]
    timings: list[dict[str, float]] = [json.loads(answer)["timings"] for answer in answers]
    return median(each["search_s"] + each["match_s"] for each in timings)


def measure(folder: Path, rounds: int) -> tuple[dict[str, list[Run]], dict[str, float]]:
    """Return the runs of the three ways to read the file, and the seconds of the searches and of `--help`."""
    model = folder / "llama-1b.safetensors"
    write_checkpoint(model)
    warm(model)
    commands = {
        "openssl": ("openssl", "dgst", "-sha256", str(model)),
        "full": sketch("full", model, folder / "full.sketch"),
        "sampled": sketch("sampled", model, folder / "sampled.sketch"),
    }
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(run(*command))
    model.unlink()
    minilm = checkpoint("sre-embedding-model", packages()["sre-embedding-model"].weights[0])
    run(*sketch("full", minilm, folder / "minilm.sketch"))
    return runs, {
        "llama": search_seconds(folder / "full.sketch"),
        "minilm": search_seconds(folder / "minilm.sketch"),
        "help": median(run(LINEAGE, "--help").seconds for _ in range(10)),
    }


def bars(runs: dict[str, list[Run]], seconds: dict[str, float]) -> list[Bar]:
    """Hold every figure against its promise."""
    wall = {name: median(each.seconds for each in done) for name, done in runs.items()}
    peak = {name: max(each.peak for each in done) / 1e9 for name, done in runs.items()}
    read = json.loads(runs["sampled"][0].output)["checkpoint"]["bytes_read"] / FILE_BYTES
    return [
        Bar("sketch --depth full, against openssl", wall["full"] / wall["openssl"], 2.0, "x"),
        Bar("sketch --depth sampled, against openssl", wall["sampled"] / wall["openssl"], 0.5, "x"),
        Bar("bytes read by --depth sampled", 100 * read, 10.0, "%"),
        Bar("peak resident memory, full", peak["full"], 1.5, "GB"),
        Bar("peak resident memory, sampled", peak["sampled"], 1.5, "GB"),
        Bar("whois search and match, the 2 GB model's sketch", seconds["llama"], 0.5, "s"),
        Bar("whois search and match, a MiniLM fine-tune's sketch", seconds["minilm"], 0.5, "s"),
        Bar("lineage --help", seconds["help"], 0.15, "s"),
    ]


def report(runs: dict[str, list[Run]], kept: list[Bar]) -> str:
    """Return the Markdown section: what was run, the seconds of each round, and every bar with its figure."""
    rounds = table(
        ["command", "seconds, each round", "median"],
        [
            [name, " ".join(f"{each.seconds:.2f}" for each in done), f"{median(each.seconds for each in done):.2f}"]
            for name, done in runs.items()
        ],
    )
    promises = table(
        ["figure", "measured", "bar", ""],
        [
            [bar.what, f"{bar.figure:.3g} {bar.unit}", f"{bar.limit:g} {bar.unit}", "kept" if bar.is_kept else "MISSED"]
            for bar in kept
        ],
    )
    compiled = "with" if find_spec("lineage_fast") else "without"
    software = f"Python {platform.python_version()}, NumPy {np.__version__}, {compiled} the compiled part"
    title = "## Speed\n\nOne run of `scripts/bench_ingest.py`: a 2 GB bf16 safetensors file, warm in the page cache"
    return f"{title} ({os.cpu_count()} cores, {platform.machine()}, {software}).\n\n{rounds}\n\n{promises}\n"


def main() -> int:
    """Measure, print, write the section if asked to; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description="Time lineage on a 2 GB checkpoint.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where 2 GB fit (default: the system's temporary folder)")
    parser.add_argument("--results", type=Path, help="Markdown page whose section `bench_ingest` is rewritten")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=chosen.folder, prefix="lineage-bench-") as folder:
        os.environ["XDG_DATA_HOME"] = folder  # the shipped index alone is searched, not the user's own
        runs, seconds = measure(Path(folder), chosen.rounds)
    kept = bars(runs, seconds)
    text = report(runs, kept)
    print(text)
    if chosen.results:
        write_section(chosen.results, "bench_ingest", text)
    return 0 if all(bar.is_kept for bar in kept) else 1


if __name__ == "__main__":
    sys.exit(main())
