"""Each model queried as if it were not in the index, and the answer."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from benchmark.workers import spread
from lineage import __version__
from lineage.ancestry import whois
from lineage.sketch import write_sketch
from lineage.store import SKETCHES, Index, SketchFolder, SqliteIndex, Without
from lineage.types import CheckpointSketch, Place, Verdict

Sketches = Mapping[str, CheckpointSketch]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of `whois` about the model of that name, and the time it took, without sketching the model.

    `seconds` are the clock's, `cpu_seconds` the processor's, which other work on the machine changes little.
    """

    name: str
    verdict: Verdict
    place: Place
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class _Question:
    name: str
    sketch: CheckpointSketch
    index: Path
    gone: tuple[str, ...]  # ids that are not searched
    beside: tuple[CheckpointSketch, ...]  # models that are, though one of those has their id


def index_of(sketches: Sequence[CheckpointSketch], folder: Path) -> Path:
    """An index of these models, added in this order: of models that share an id the first is kept."""
    with SqliteIndex.create(folder) as index:
        for sketch in sketches:
            index.add(sketch, __version__)
        index.finish_run()
    return folder


def ask(sketches: Sketches, gone: Mapping[str, frozenset[str]], index: Path, jobs: int) -> Iterator[Answer]:
    """Ask about each model of `gone` while the models named there are in no index; all others are in `index`."""
    yield from spread(_answer, (_question(name, hidden, sketches, index) for name, hidden in gone.items()), jobs)


def _question(name: str, hidden: frozenset[str], sketches: Sketches, index: Path) -> _Question:
    ids = {sketches[one].id for one in hidden}
    beside = {one.id: one for other, one in sketches.items() if other not in hidden and one.id in ids}
    return _Question(name, sketches[name], index, tuple(sorted(ids)), tuple(beside.values()))


def _answer(question: _Question) -> Answer:
    with SqliteIndex.open(question.index) as whole, tempfile.TemporaryDirectory() as scratch:
        others = _others(whole, question, Path(scratch))
        wall, cpu = time.perf_counter(), time.process_time()
        answer = whois(question.sketch, others)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return Answer(question.name, answer.verdict, answer.place, wall, cpu)


def _others(whole: Index, question: _Question, scratch: Path) -> list[Index]:
    """The index without what is gone, and beside it the models that it has no place for, having one of their id."""
    rest: Index = reduce(Without, question.gone, whole)
    if not question.beside:
        return [rest]
    (scratch / SKETCHES).mkdir()
    for sketch in question.beside:
        write_sketch(sketch, scratch / SKETCHES / f"{sketch.id}.sketch")
    return [rest, SketchFolder(scratch)]
