"""Ingest, remove and ask for a while, by several processes that are killed and have no room now and then.

    python scripts/soak.py --seconds 600 [--processes 6] [--seed 1] [--folder DIR]

Each process alone adds and removes its own models, as weights and as sketches that are handed over, and asks about
those of all; a journal says what it began and what it ended. Every so often one is killed in the middle, and some may
not write files of more than a few kilobytes, as on a disk that is full; where this system lets it, the index lies on a
small disk that is filled and emptied. In the end `doctor` must find no damage, and what is there must be what the
journals say: as before or as after where an operation was cut off. A question that fails, or an answer about a model
that cannot be, is a difference too; the exit code is 1 if there is one.
"""

from __future__ import annotations

import argparse
import errno
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from random import Random

import numpy as np
from results import table, write_section
from safetensors.numpy import save_file

from lineage import api
from lineage.errors import LineageError, Locked, StoreError

MODELS = 5  # of each process
DISK = "24m"  # of the small disk, where one can be made
_ROOM = 16 << 10  # bytes that a file may have in a process without room
_CALM_S = 1.5  # from one kill to the next, on average
_WORDS = ["".join(letters) for letters in product("aeio", "bdgk", "aeiou", "lmnr", "stz")]
_forked = multiprocessing.get_context("fork")


@dataclass(frozen=True, slots=True)
class Owned:
    """A model of one process: its weights or their folder, a sketch of them under another name, and its id."""

    weights: Path
    sketch: Path
    id: str


def make(folder: Path, processes: int, seed: int) -> list[list[Owned]]:
    """The models of each process, small and without anything in common but a tokenizer, which every other one has."""
    made: list[list[Owned]] = []
    for owner in range(processes):
        made.append([])
        for number in range(MODELS):
            draw = np.random.default_rng([seed, owner, number])
            weights = folder / f"m{owner}-{number}" / "model.safetensors"
            weights.parent.mkdir()
            shapes = {"up.weight": (40, 36), "up.bias": (40,), "down.weight": (36, 40)}
            save_file({n: draw.standard_normal(s).astype(np.float32) for n, s in shapes.items()}, weights)
            if number % 2:
                words = np.random.default_rng([seed, owner]).permutation(_WORDS)[:400]
                (weights.parent / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
                weights = weights.parent
            sketched = api.sketch(weights)
            handed = folder / f"m{owner}-{number}.sketch"
            api.save_sketch(replace(sketched, name=f"handed {owner}-{number}"), handed)
            made[-1].append(Owned(weights, handed, sketched.id))
    return made


def work(index: Path, models: list[list[Owned]], owner: int, journal: Path, seed: str, *, has_room: bool) -> None:
    """Do one thing after the other until killed; the journal has a line before and one after each."""
    if not has_room:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (_ROOM, resource.RLIM_INFINITY))
    random = Random(seed)  # noqa: S311 - nothing is secret
    handle = os.open(journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(**fields: object) -> None:
        with suppress(OSError):
            os.write(handle, (json.dumps(fields) + "\n").encode())

    while True:
        number = random.randrange(MODELS)
        one = models[owner][number]
        other = random.choice(random.choice(models))
        what = random.choices(
            ("weights", "sketch", "remove", "whois", "list", "graph", "doctor"), (5, 3, 3, 4, 3, 1, 1)
        )[0]
        note(begun=what, model=number)
        try:
            told = _do(what, index, one, other)
        except Exception as error:  # whatever it is, it is told
            told = _told(what, error, has_room)
        note(ended=what, model=number, told=told)


def _do(what: str, index: Path, one: Owned, other: Owned) -> str:
    if what in ("weights", "sketch"):
        (done,) = api.ingest([one.weights if what == "weights" else one.sketch], index)
        return "done" if done.event != "failed" else f"difference: {done.error}"
    if what == "remove":
        with suppress_unknown():
            api.remove(one.id, index)
        return "done"
    if what == "whois":
        answer = api.whois(other.weights, index, reference=False)
        names = {copy.model for copy in answer.place.copies}
        return "asked" if names <= {other.id} else f"difference: {other.id} is called a copy of {names}"
    if what == "list":
        api.models(index, reference=False)
    elif what == "graph":
        api.graph(None, index, reference=False)
    else:
        damage = [finding for finding in api.doctor(index)[1] if finding.is_damage]
        return f"difference: {damage[0]}" if damage else "asked"
    return "asked"


@contextmanager
def suppress_unknown() -> Iterator[None]:
    """A model that is not there cannot be removed: that is not a failure."""
    from lineage.errors import Unknown

    with suppress(Unknown):
        yield


def _told(what: str, error: Exception, has_room: bool) -> str:
    """The meaning of an error: writers may wait in vain, or have no room; a question never fails."""
    is_write = what in ("weights", "sketch", "remove")
    if is_write and isinstance(error, Locked):
        return "locked"
    if is_write and isinstance(error, StoreError) and ("full" in str(error) or "ulimit" in str(error)):
        return "no room"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EFBIG) and is_write:
        return "no room"
    if isinstance(error, LineageError):
        return f"difference: {what}, room {has_room}: {type(error).__name__}: {error}"
    return f"difference: {what}, room {has_room}: {traceback.format_exc(limit=-3)}"


def states(lines: Sequence[str]) -> tuple[list[set[str]], Counter[str], list[str]]:
    """What each model of a process may be by its journal, how often each thing ended, and the differences."""
    may: list[set[str]] = [{"absent"} for _ in range(MODELS)]
    ended: Counter[str] = Counter()
    differences = []
    begun: tuple[str, int] | None = None
    for line in lines:
        try:
            fields = json.loads(line)
        except ValueError:  # cut off by a kill, or by a disk without room
            continue
        if "begun" in fields:
            if begun is not None:  # killed: as before or as after
                what, number = begun
                may[number] |= {_after(what, state) for state in may[number]}
            begun = fields["begun"], fields["model"]
            continue
        what, number, told = fields["ended"], fields["model"], fields["told"]
        begun = None
        ended[f"{what}: {told.partition(':')[0]}"] += 1
        if told.startswith("difference"):
            differences.append(told)
        if told == "done":
            may[number] = {_after(what, state) for state in may[number]}
    if begun is not None:
        what, number = begun
        may[number] |= {_after(what, state) for state in may[number]}
    return may, ended, differences


def _after(what: str, state: str) -> str:
    """What a model is after something was done to it."""
    if what == "weights":
        return "seen"
    if what == "sketch":
        return "claimed" if state == "absent" else state
    return "absent" if what == "remove" else state


def compared(index: Path, models: list[list[Owned]], may: list[list[set[str]]]) -> list[str]:
    """Where the index is not what the journals say."""
    there = {one.record.id: one.record for one in api.models(index, reference=False)}
    found = []
    for owner, owned in enumerate(models):
        for number, one in enumerate(owned):
            record = there.pop(one.id, None)
            state = (
                "absent" if record is None else {True: "seen", False: "claimed", None: "unknown"}[record.weights_seen]
            )
            if state not in may[owner][number]:
                found.append(f"model {owner}-{number} is {state}, and may be {sorted(may[owner][number])}")
    return found + [f"{record.name} was never added" for record in there.values()]


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A disk of DISK bytes at `folder`, where this system lets one be made; whether it did."""
    made = (
        os.name == "posix"
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)],  # noqa: S607
            check=False,
            capture_output=True,
        ).returncode
    )
    try:
        yield made
    finally:
        if made:
            subprocess.run(["umount", str(folder)], check=False)  # noqa: S607


def fill(folder: Path, random: Random) -> None:
    """Take all that is free on the disk but a few kilobytes, or give it back."""
    filler = folder / "filler"
    if filler.exists():
        filler.unlink()
        return
    handle = os.open(filler, os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while os.write(handle, bytes(1 << 16)):
            pass
    os.close(handle)
    with suppress(OSError):
        os.truncate(filler, max(0, filler.stat().st_size - random.choice((0, 8 << 10, 64 << 10))))


def soak(folder: Path, seconds: float, processes: int, seed: int, *, has_disk: bool) -> tuple[Counter[str], list[str]]:
    """Let the processes work for that long; how often each thing ended, and the differences."""
    random = Random(seed)  # noqa: S311
    index, kills = folder / "disk" / "index", 0
    models = make(folder, processes, seed)
    list(api.ingest([models[0][0].weights], index))
    journals = [folder / f"journal-{owner}" for owner in range(processes)]
    journals[0].write_text('{"ended": "weights", "model": 0, "told": "done"}\n')
    running: dict[int, multiprocessing.process.BaseProcess] = {}
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for owner in range(processes):
            if owner not in running or not running[owner].is_alive():
                draw = f"{seed} {owner} {random.random()}"
                held, room = (index, models, owner, journals[owner], draw), {"has_room": random.random() < 0.8}
                running[owner] = _forked.Process(target=work, args=held, kwargs=room, daemon=True)
                running[owner].start()
        time.sleep(random.uniform(0.0, 2 * _CALM_S))
        victim = running[random.randrange(processes)]
        if victim.pid is not None and victim.is_alive():
            os.kill(victim.pid, signal.SIGKILL)
            victim.join()
            kills += 1
        if has_disk and random.random() < 0.2:
            fill(folder / "disk", random)
    for process in running.values():
        process.kill()
        process.join()
    (folder / "disk" / "filler").unlink(missing_ok=True)
    may, ended, differences = [], Counter({"kills": kills}), list[str]()
    for journal in journals:
        states_of, counts, found = states(journal.read_text().splitlines() if journal.exists() else [])
        may.append(states_of)
        ended += counts
        differences += found
    damage = [str(finding) for finding in api.doctor(index)[1] if finding.is_damage]
    return ended, [*differences, *damage, *compared(index, models, may)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak for the time that is asked for; 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--processes", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--results", type=Path, help="a Markdown page to keep the figures in")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        folder = Path(place)
        (folder / "disk").mkdir()
        with small_disk(folder / "disk") as has_disk:
            ended, differences = soak(folder, options.seconds, options.processes, options.seed, has_disk=has_disk)
    done = sum(count for what, count in ended.items() if what != "kills")
    disk = "an index on a disk that is filled and emptied" if has_disk else "an index on the usual disk"
    print(f"{done:,} operations by {options.processes} processes in {options.seconds:g} s, {disk}")
    for what, count in sorted(ended.items()):
        print(f"  {what}  {count:,}")
    for difference in dict.fromkeys(differences):
        print(f"  {difference}")
    print(f"{len(differences)} differences")
    if options.results is not None:
        rows = [[what, f"{count:,}"] for what, count in [*sorted(ended.items()), ("differences", len(differences))]]
        told = f"By `python scripts/soak.py --seconds {options.seconds:g} --processes {options.processes}`: {disk}."
        text = (
            f"## An index under load, kills and a full disk\n\n{told}\n\n{table(['what: how it ended', 'times'], rows)}"
        )
        write_section(options.results, "soak", text)
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
