"""Time short commands, each in a process of its own: what a person waits for before any work begins.

    python scripts/bench_start.py [--rounds N] [--results docs/results.md]

Three sketches are compared with the shipped reference: of plain layers and of a language model, among whose neurons
disguises are looked for, both related to nothing there, and of a model of the reference. Each command runs once before
it is timed, so that byte code, disk and cache are warm. Prints Markdown; exits with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

import numpy as np
from results import table, write_section
from safetensors.numpy import save_file

ROOT = Path(__file__).parents[1]
MODELS = 20
PLAIN = "`lineage whois` of a sketch of plain layers that is related to nothing"
STRANGER = "`lineage whois` of a sketch of a language model that is related to nothing"
WAIT_S, MOST_MODULES = 0.35, 120
_RUN = "import sys; from lineage.cli import main; sys.exit(main())"
_COUNT = (
    "import sys\nfrom lineage.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
    "sys.stderr.write(str(sum(name.partition('.')[0] == 'lineage' for name in sys.modules)))\n"
)


@dataclass(frozen=True, slots=True)
class Timed:
    """A command: median seconds on the clock and of the processor, and how many modules of lineage it imports."""

    what: str
    wall_s: float
    cpu_s: float
    modules: int


def timed(what: str, words: Callable[[int], Sequence[str]], rounds: int, environment: dict[str, str]) -> Timed:
    """Run a command once, then `rounds` times with a clock: `words(0)`, `words(1)` and so on.

    Raises CalledProcessError where it fails.
    """
    counted = started(_COUNT, words(0), environment)
    walls, used = [], []
    for number in range(1, rounds + 1):
        began, before = time.perf_counter(), getrusage(RUSAGE_CHILDREN)
        started(_RUN, words(number), environment)
        after = getrusage(RUSAGE_CHILDREN)
        walls.append(time.perf_counter() - began)
        used.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return Timed(what, median(walls), median(used), int(counted.splitlines()[-1]))


def started(source: str, words: Sequence[str], environment: dict[str, str]) -> str:
    """Run `source` with the words as its arguments, and return what it writes to standard error."""
    process = subprocess.run(
        [sys.executable, "-c", source, *words], env=environment, check=True, capture_output=True, text=True
    )
    return process.stderr


def write_models(folder: Path, count: int) -> list[str]:
    """Small networks with nothing in common."""
    draw = np.random.default_rng(1)
    paths = [folder / f"net{number}.safetensors" for number in range(count)]
    for path in paths:
        shapes = {f"layers.{n}.{name}.weight": (128, 128) for n in range(4) for name in ("q", "k", "v", "o")}
        save_file({name: draw.standard_normal(shape, np.float32) for name, shape in shapes.items()}, path)
    return list(map(str, paths))


def write_language_model(path: Path) -> str:
    """A language model of four layers whose sketch has neurons; drawn, and so related to nothing."""
    draw = np.random.default_rng(2)
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (2048, 128), "lm_head.weight": (2048, 128)}
    for layer in (f"model.layers.{n}" for n in range(4)):
        shapes |= {f"{layer}.self_attn.{name}_proj.weight": (128, 128) for name in "qkvo"}
        shapes |= {f"{layer}.mlp.{name}_proj.weight": (384, 128) for name in ("gate", "up")}
        shapes[f"{layer}.mlp.down_proj.weight"] = 128, 384
    save_file({name: draw.standard_normal(shape, np.float32) for name, shape in shapes.items()}, path)
    return str(path)


def measure(rounds: int) -> list[Timed]:
    """Time every command."""
    with tempfile.TemporaryDirectory(prefix="lineage-") as home:
        folder = Path(home)
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        own = {"HOME": home, "XDG_DATA_HOME": home, "XDG_CACHE_HOME": home, "PYTHONPYCACHEPREFIX": f"{home}/compiled"}
        environment = {"PYTHONPATH": str(ROOT), **kept, **own, "OMP_NUM_THREADS": "1"}
        models = write_models(folder, MODELS)
        plain, stranger = str(folder / "plain.sketch"), str(folder / "stranger.sketch")
        started(_RUN, ["sketch", models[0], "-o", plain], environment)
        started(_RUN, ["sketch", write_language_model(folder / "stranger.safetensors"), "-o", stranger], environment)
        known = str(min((ROOT / "index" / "sketches").glob("*.sketch")))

        def ask(*words: str) -> Callable[[int], Sequence[str]]:
            return lambda _: words

        return [
            timed("`lineage --help`", ask("--help"), rounds, environment),
            timed(PLAIN, ask("whois", plain), rounds, environment),
            timed(STRANGER, ask("whois", stranger), rounds, environment),
            timed("`lineage whois` of a sketch of the reference", ask("whois", known), rounds, environment),
            timed(
                f"`lineage ingest` of {MODELS} small models into a new index",
                lambda number: ["ingest", *models, "--index", str(folder / f"index{number}")],
                rounds,
                environment,
            ),
        ]


def missed(times: Sequence[Timed]) -> list[str]:
    """The bars that are missed: for sketches that are related to nothing."""
    lines = []
    for one in times:
        if one.what in (PLAIN, STRANGER) and one.wall_s >= WAIT_S:
            lines.append(f"{one.what}: {one.wall_s:.2f} s, the bar is {WAIT_S} s")
        if one.what in (PLAIN, STRANGER) and one.modules >= MOST_MODULES:
            lines.append(f"{one.what}: {one.modules} modules, the bar is {MOST_MODULES}")
    return lines


def report(times: Sequence[Timed], rounds: int) -> str:
    """The section of the page."""
    software = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    software += f", load {os.getloadavg()[0]:.0f}" if hasattr(os, "getloadavg") else ""
    rows = [[one.what, f"{one.wall_s:.2f}", f"{one.cpu_s:.2f}", str(one.modules)] for one in times]
    bars = [f"MISSED {line}" for line in missed(times)] or ["All bars are kept."]
    return "\n\n".join(
        [
            "## Start of a command",
            f"By `scripts/bench_start.py`: a process of its own each time, medians of {rounds} ({software}).",
            table(["command", "seconds", "of the processor", "modules of lineage"], rows),
            "\n".join(bars),
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path)
    given = parser.parse_args(arguments)
    times = measure(given.rounds)
    text = report(times, given.rounds)
    print(text)
    if given.results is not None:
        write_section(given.results, "bench_start", text)
    return 1 if missed(times) else 0


if __name__ == "__main__":
    sys.exit(main())
