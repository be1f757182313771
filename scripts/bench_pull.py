"""Pull an index of many small models from a web server that fails: bytes, requests, and what a second pull fetches.

    python scripts/bench_pull.py [--models 1000] [--results docs/performance.md]

The models are seeded random networks of 12,000 parameters, sketched, ingested and exported. `hub_server.py` on this
machine serves the export; one request in twenty fails (429, 503, a cut connection, half an answer). Then the export is
pulled again, pulled after one model was added, and pulled with one bit of one sketch changed. Prints Markdown; exits
with 1 if a promise is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_ingest import LINEAGE, write_checkpoint
from bench_remote import sometimes
from hub_server import Hub, serving
from results import table, write_section

from lineage import api

REPO = "bench/index"
SHAPES: dict[str, tuple[int, ...]] = {
    "model.embed_tokens.weight": (96, 32),
    **{f"model.layers.{i}.self_attn.{n}_proj.weight": (32, 32) for i in range(2) for n in "qkvo"},
    "model.norm.weight": (32,),
}


@dataclass(frozen=True, slots=True)
class Pull:
    """One `lineage pull`: how it ended, what it fetched, and what the server saw of it; seconds are of a core."""

    what: str
    code: int
    fetched: int
    requests: int
    failed: int
    sent: int
    seconds: float
    line: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """What is true of the layer afterwards."""

    is_same: bool  # after the first pull: every file of the export, byte for byte
    is_kept: bool  # after the refusal: the layer as it was
    is_named: bool  # the refusal names the file


def sketches(folder: Path, first: int, count: int) -> Iterator[Path]:
    """Sketches of models that no other shares anything with."""
    for i in range(first, first + count):
        file = folder / f"model-{i:05}.safetensors"
        write_checkpoint(file, SHAPES, seed=i)
        made = folder / f"model-{i:05}.sketch"
        api.save_sketch(api.sketch(file), made)
        file.unlink()
        yield made


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path in it."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def pulled(what: str, hub: Hub, index: Path) -> Pull:
    """Run the command against the server."""
    failures = 0
    chance = sometimes()

    def fault(asked: Any, number: int) -> str | None:
        nonlocal failures
        found = chance(asked, number)
        failures += found is not None
        return found

    hub.faults, hub.sent = fault, 0
    hub.asked.clear()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    address = f"{hub.store}/plain/{REPO}"
    words = [LINEAGE, "pull", address, "--name", "bench", "--index", str(index), "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    fetched = json.loads(done.stdout)["fetched"] if done.returncode == 0 else 0
    line = done.stderr.strip().rpartition("\n")[2]
    return Pull(what, done.returncode, fetched, len(hub.asked), failures, hub.sent, seconds, line)


def broken(pulls: dict[str, Pull], held: Held, files: int) -> list[str]:
    """The promises that were not kept."""
    promises: dict[str, bool] = {
        "the first pull has the bytes of the export": pulls["first"].code == 0 and held.is_same,
        "it fetches every file": pulls["first"].fetched == files,
        "a second pull fetches nothing": pulls["again"].code == 0 and pulls["again"].fetched == 0,
        "after a model was added its two files are fetched": pulls["added"].code == 0 and pulls["added"].fetched == 2,
        "a changed file is refused by its name": pulls["changed"].code not in (0, 70) and held.is_named,
        "the layer then stays as it was": held.is_kept,
    }
    return [promise for promise, is_kept in promises.items() if not is_kept]


def report(pulls: dict[str, Pull], held: Held, models: int, files: int, size: int) -> str:
    """A section of Markdown."""
    rows = [
        [
            one.what,
            f"{one.fetched:,}" if one.code == 0 else f"refused, exit code {one.code}",
            f"{one.requests:,}",
            f"{one.failed:,}",
            f"{one.sent / 1e6:.1f}",
            f"{one.seconds:.1f}",
        ]
        for one in pulls.values()
    ]
    where = f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    paragraphs = (
        "## An index that is pulled from a server that fails",
        (
            f"`python scripts/bench_pull.py --models {models}`, {where}: {models:,} models, {files:,} files,"
            f" {size / 1e6:.1f} MB, from a server on the same machine, which fails one request in twenty."
        ),
        table(["pull", "files fetched", "requests", "of them failed", "MB sent", "seconds of a core"], rows),
        f"Promises: {'; '.join(f'BROKEN ({one})' for one in broken(pulls, held, files)) or 'kept'}.",
    )
    return "\n\n".join(paragraphs)


def change(file: Path) -> None:
    """Change one bit in the middle of a file."""
    content = file.read_bytes()
    middle = len(content) // 2
    file.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


def measure(folder: Path, models: int) -> tuple[dict[str, Pull], Held, int, int]:
    """Export, pull four times, and hold what lies there against the export."""
    theirs, out, ours = folder / "theirs", folder / "out", folder / "ours"
    for _ in api.ingest(list(sketches(folder, 0, models)), theirs):
        pass
    api.export(out, theirs)
    exported = contents(out)
    with serving(Hub({REPO: out})) as hub:
        pulls = {"first": pulled("the first", hub, ours)}
        layer = next(one for one in (ours / "layers").iterdir() if one.is_dir())
        there = contents(layer)
        is_same = all(there.get(name) == content for name, content in exported.items() if name in there)
        is_same &= len(there) >= len(exported) - 1
        pulls["again"] = pulled("again", hub, ours)
        for _ in api.ingest(list(sketches(folder, models, 1)), theirs):
            pass
        api.export(out, theirs)
        pulls["added"] = pulled("after one model was added", hub, ours)
        layer = next(one for one in (ours / "layers").iterdir() if one.is_dir())
        before = contents(ours / "layers")
        for _ in api.ingest(list(sketches(folder, models + 1, 1)), theirs):
            pass
        api.export(out, theirs)
        new = next(name for name in contents(out) if name.endswith(".sketch") and name not in contents(layer))
        change(out / new)
        pulls["changed"] = pulled("with one bit of a new sketch changed", hub, ours)
        held = Held(
            is_same, before.items() <= contents(ours / "layers").items(), Path(new).name in pulls["changed"].line
        )
    return pulls, held, len(exported) - 1, sum(map(len, exported.values()))


def main() -> int:
    """Measure, print, and keep the section; 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument("--results", type=Path, help="Markdown page whose section `bench_pull` is rewritten")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lineage-bench-") as made:
        pulls, held, files, size = measure(Path(made), chosen.models)
    text = report(pulls, held, chosen.models, files, size)
    print(text)
    if chosen.results:
        write_section(chosen.results, "bench_pull", text)
    return int(bool(broken(pulls, held, files)))


if __name__ == "__main__":
    sys.exit(main())
