"""How pairs are called that have little but an initialisation in common, as they are and in disguise."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from results import table
from zoo.beginnings import COURSES, beginnings

from benchmark.workers import spread
from lineage import api
from lineage.ancestry import compare
from lineage.types import CheckpointSketch, Comparison

_ENDS: Mapping[str, str] = {
    "other": "trained apart, on other data",
    "again": "trained apart, on the same data",
    "tuned": "trained on from the other",
}


@dataclass(frozen=True, slots=True)
class Called:
    """One pair: how it came about, and how it is called as it is and in disguise."""

    course: str
    end: str
    plain: Comparison
    hidden: Comparison

    @property
    def is_stronger(self) -> bool:
        """Whether descent is found of the disguised model alone."""
        return self.hidden.relation.inherits and not self.plain.relation.inherits


def called(cache: Path, half: str, jobs: int) -> list[Called]:
    """All pairs of one half that `cache` holds whole."""
    roots = (name for name, one in beginnings().items() if one.half == half and one.operator == "root")
    names = [name for name in roots if not name.endswith(tuple(_ENDS))]
    tasks = [(cache, name, end) for name in names for end in _ENDS if _is_there(cache, name, end)]
    return [*spread(_called, tasks, jobs)]


def beginnings_text(found: Sequence[Called]) -> Iterator[str]:
    """A table of what is said of them, by how they were trained; and what is said of the disguised alone."""
    by_way: dict[tuple[str, str], list[Called]] = defaultdict(list)
    for one in found:
        by_way[one.end, one.course].append(one)
    rows = [
        [text, course, _words([one.plain for one in of_way]), _words([one.hidden for one in of_way])]
        for end, text in _ENDS.items()
        for course in COURSES
        if (of_way := by_way[end, course])
    ]
    yield f"{len(found)} pairs of models of one initialisation and little training (scripts/zoo/beginnings.py):"
    yield table(["pair", "training", "as they are", "one in disguise"], rows)
    apart = [one for one in found if one.end != "tuned"]
    stronger = sum(one.is_stronger for one in apart)
    disguised = sum(one.hidden.relation == "disguised" for one in apart)
    yield (
        f"Of {len(apart)} pairs trained apart, {disguised} are called disguised; {stronger} of these though no descent"
        " is found of the same two as they are (none may be)."
    )


def _is_there(cache: Path, name: str, end: str) -> bool:
    return all((cache / one / "config.json").exists() for one in (name, f"{name}.{end}", f"{name}.{end}.hidden"))


def _called(task: tuple[Path, str, str]) -> Called:
    cache, name, end = task
    first, other, hidden = (_sketch(cache, one) for one in (name, f"{name}.{end}", f"{name}.{end}.hidden"))
    return Called(name.partition(".")[2], end, compare(other, first), compare(hidden, first))


def _sketch(cache: Path, name: str) -> CheckpointSketch:
    return api.sketch(cache / name)


def _words(found: Sequence[Comparison]) -> str:
    words = Counter("alike, open" if one.verdict == "related" else str(one.relation) for one in found)
    return ", ".join(f"{count} {word}" for word, count in words.most_common())
