"""Load a service: how long answers take, whether any is lost, what memory does, and what a kill leaves behind.

    python scripts/bench_serve.py ZOO [--requests 200] [--repeats 2000] [--fresh 40] [--prepared N] [--ahead 60]
                                  [--results docs/results.md]

ZOO is a folder of checkpoints. All but every sixth are ingested into an index of their own. Sketches are asked about,
eight at a time, of one `lineage serve`: those that the index does not hold; `--fresh` of the others under new names, so
that each is worked on; and all of these again and again, as the same upload is, answered by the job that is there.
`--ahead` is how long the first question waits, while the service prepares what the index holds (`--prepared N`: so many
models a process, and not its default); what it did by then is reported. Bars are held against questions about what the
index holds. Then a service is killed (SIGKILL) in the middle of jobs and an ingest, and started again. Prints Markdown;
exits with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import urllib3
from bench_ingest import LINEAGE
from results import table, write_section

from lineage import api

AT_A_TIME = 8
MOST_P95_S = 1.0
MOST_GROWTH_MB = 50.0
_OCTETS = {"Content-Type": "application/octet-stream"}


@dataclass(frozen=True, slots=True)
class Load:
    """Some requests: seconds of each that was answered, how many were not, and memory of the service around them.

    `is_known`: they ask about models that the index holds, for which there is a bar of time.
    """

    what: str
    seconds: tuple[float, ...]
    lost: int
    before_mb: float
    after_mb: float
    is_known: bool = True

    def quantile(self, share: float) -> float:
        """Seconds within which that share of the answers came."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True, slots=True)
class Killed:
    """What a restart found of the jobs that had been accepted; `damage` is what `lineage doctor` says of the index."""

    accepted: int
    done: int
    failed: int
    damage: int

    @property
    def lost(self) -> int:
        """Jobs that are neither done nor failed with a reason."""
        return self.accepted - self.done - self.failed


@contextmanager
def service(
    index: Path, state: Path, folder: Path, prepared: int | None = None
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`lineage serve`, and its address; each of its processes prepares so many models, None: the service's default."""
    words = ["serve", "--port", "0", "--index", index, "--no-reference", "--state", state, "--models", folder]
    if prepared is not None:
        settings = index.parent / "service.toml"
        settings.write_text(f"[limits]\nprepared = {prepared}\n")
        words += ["--settings", settings]
    running = subprocess.Popen(
        [LINEAGE, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert running.stdout is not None
        yield running, running.stdout.readline().split()[-1]
    finally:
        running.terminate()
        running.wait()


def memory_mb(process: int) -> float:
    """Resident memory of a process and of those that it started, in MB."""
    return _of_all("rss", process) / 1000


def _of_all(figure: str, process: int) -> int:
    """The sum of a figure of `ps` over a process and those that it started."""
    words = ["ps", "-eo", f"pid=,ppid=,{figure}="]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    rows = [tuple(map(int, line.split())) for line in listed.splitlines()]
    return sum(found for pid, parent, found in rows if process in (pid, parent))


def load(what: str, address: str, process: int, bodies: Sequence[bytes]) -> Load:
    """Ask about each body, some at a time."""
    before = memory_mb(process)
    with urllib3.PoolManager(maxsize=AT_A_TIME, retries=False, timeout=600) as pool:

        def ask(body: bytes) -> float | None:
            started = time.perf_counter()
            said = pool.request("POST", f"{address}/api/whois?wait=60", body=body, headers=_OCTETS)
            while said.status == 202:
                said = pool.request("GET", f"{address}{said.headers['Location']}/result")
                time.sleep(0.05)
            return time.perf_counter() - started if said.status == 200 else None

        with ThreadPoolExecutor(AT_A_TIME) as threads:
            found = list(threads.map(ask, bodies))
    times = tuple(one for one in found if one is not None)
    return Load(what, times, len(found) - len(times), before, memory_mb(process))


def renamed(sketches: Sequence[Path], count: int, folder: Path) -> list[bytes]:
    """Sketches of the same contents under names of their own, so that each is another question."""
    made = []
    for i in range(count):
        source = sketches[i % len(sketches)]
        target = folder / f"fresh-{i}.sketch"
        api.save_sketch(replace(api.sketch(source), name=f"{source.stem}-{i}"), target)
        made.append(target.read_bytes())
    return made


def killed(index: Path, state: Path, folder: Path, bodies: Sequence[bytes]) -> Killed:
    """Accept jobs and an ingest, kill the service in the middle, start it again, and wait for every job."""
    from lineage.serve.tokens import add_token

    first = min(folder.glob("*.safetensors"))
    list(api.ingest([first], index))
    token = {"Authorization": f"Bearer {add_token(state, 'bench', 'ingest')}", "Content-Type": "application/json"}
    accepted = []
    with service(index, state, folder) as (running, address), urllib3.PoolManager(retries=False) as pool:
        named = [{"path": file.name} for file in sorted(folder.glob("*.safetensors"))]
        asked = json.dumps({"checkpoints": named}).encode()
        accepted.append(pool.request("POST", f"{address}/api/ingest?wait=0", body=asked, headers=token).json()["id"])
        for body in bodies:
            said = pool.request("POST", f"{address}/api/whois?wait=0", body=body, headers=_OCTETS)
            accepted.append(said.json()["id"])
        time.sleep(3)
        running.send_signal(signal.SIGKILL)
        running.wait()
    with service(index, state, folder) as (_, address), urllib3.PoolManager(retries=False) as pool:
        states = [_over(pool, f"{address}/api/jobs/{job}") for job in accepted]
    return Killed(len(accepted), states.count("done"), states.count("failed"), _damage(index))


def _over(pool: urllib3.PoolManager, job: str) -> str:
    """How a job ended; "lost" if it is not there or never ends."""
    for _ in range(6000):
        said: Any = pool.request("GET", job).json()
        if said.get("state") in ("done", "failed", None):
            return str(said.get("state") or "lost")
        time.sleep(0.1)
    return "lost"


def _damage(index: Path) -> int:
    return sum(finding.is_damage for finding in api.doctor(index)[1])


def missed(loads: Sequence[Load], restarted: Killed) -> list[str]:
    """The bars that are missed."""
    found = [
        f"{one.what}: p95 {one.quantile(0.95):.2f} s"
        for one in loads
        if one.is_known and one.quantile(0.95) >= MOST_P95_S
    ]
    found += [f"{one.what}: {one.lost} lost" for one in loads if one.lost]
    grown = loads[-1].after_mb - loads[-1].before_mb
    if grown > MOST_GROWTH_MB:
        found.append(f"{loads[-1].what}: memory grew by {grown:.0f} MB")
    if restarted.lost or restarted.damage:
        found.append(f"kill: {restarted.lost} jobs lost, {restarted.damage} damaged")
    return found


def report(loads: Sequence[Load], restarted: Killed, models: int, ahead: str = "") -> str:
    """A section of Markdown; `ahead` says what was done before the first question."""
    rows = [
        [
            one.what,
            str(len(one.seconds) + one.lost),
            f"{one.quantile(0.5):.2f}",
            f"{one.quantile(0.95):.2f}",
            str(one.lost),
            f"{one.before_mb:.0f} to {one.after_mb:.0f}",
        ]
        for one in loads
    ]
    bars = missed(loads, restarted)
    head = ["asked", "requests", "p50 s", "p95 s", "lost", "memory MB"]
    where = f"{platform.system()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    paragraphs = (
        "## A service under load",
        (
            f"`python scripts/bench_serve.py`, {where}: one `lineage serve` over {models} models, {AT_A_TIME} at a"
            f" time, two processes that answer. Memory is of all of them.{ahead}"
        ),
        table(head, rows),
        (
            f"Killed with SIGKILL in the middle of an ingest and {restarted.accepted - 1} questions: the restart found"
            f" {restarted.done} done, {restarted.failed} failed with a reason, {restarted.lost} lost; the index"
            f" {'is damaged' if restarted.damage else 'is sound'}."
        ),
        (
            f"Bars: p95 under {MOST_P95_S:.0f} s for models of the index, none lost, memory within"
            f" {MOST_GROWTH_MB:.0f} MB over the repeats: {'; '.join(f'MISSED ({one})' for one in bars) or 'met'}."
        ),
    )
    return "\n\n".join(paragraphs)


def main() -> int:
    """Measure, print, and keep the section."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("zoo", type=Path)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--fresh", type=int, default=40)
    parser.add_argument("--prepared", type=int, help="models that each process prepares")
    parser.add_argument("--ahead", type=float, default=60.0, metavar="SECONDS", help="before the first question")
    parser.add_argument("--results", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        files = sorted(given.zoo.glob("*.safetensors"))
        known = [file for place, file in enumerate(files) if place % 6]
        for done in api.ingest(known, folder / "index"):
            assert done.error is None, done.error
        sketches = {file: folder / f"{file.stem}.sketch" for file in files}
        for file, sketch in sketches.items():
            api.save_sketch(api.sketch(file), sketch)
        unknown = [sketches[file].read_bytes() for file in files[::6]]
        bodies = [sketches[file].read_bytes() for file in known]
        api.graph(index=folder / "index", reference=False)
        with service(folder / "index", folder / "state", given.zoo, given.prepared) as (running, address):
            time.sleep(given.ahead)
            ahead = said_ahead(given.ahead, _of_all("times", running.pid))
            loads = [
                replace(load("models that it does not hold", address, running.pid, unknown), is_known=False),
                load(
                    "each for the first time",
                    address,
                    running.pid,
                    renamed([sketches[file] for file in known], given.fresh, folder),
                ),
                load("the models of the index, again and again", address, running.pid, many(bodies, given.requests)),
                load("the same, for long", address, running.pid, many(bodies, given.repeats)),
            ]
        restarted = killed(folder / "fresh-index", folder / "killed", given.zoo, bodies[:6])
    text = report(loads, restarted, len(known), ahead)
    print(text)
    if given.results is not None:
        write_section(given.results, "bench_serve", text)
    return int(bool(missed(loads, restarted)))


def said_ahead(seconds: float, of_cores: int) -> str:
    """What the processes did before the first question."""
    return (
        f" The first question came {seconds:.0f} s after the start: the service had taken {of_cores} s of a core by"
        " then to prepare what the index holds."
    )


def many(bodies: Sequence[bytes], count: int) -> list[bytes]:
    """So many bodies, one after the other and from the beginning."""
    return [bodies[i % len(bodies)] for i in range(count)]


if __name__ == "__main__":
    sys.exit(main())
