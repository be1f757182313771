"""Models queried while their parents are in no index: what is reported about the siblings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchmark.asked import Answer
from benchmark.bars import Bars
from benchmark.families import Families
from benchmark.figure import Figure, at_most, share_of
from benchmark.places import Names

_SEVERAL = 3  # known children of a parent from which it must show


def withheld(truth: Families, name: str) -> frozenset[str]:
    """Who is left out when the parents of `name` are: itself, all that is right as its parent, and copies of those."""
    return truth.same({name, *truth.accepted[name]})


def questions(truth: Families, every: int) -> dict[str, frozenset[str]]:
    """Every `every`-th model that has a parent, with what is withheld; not those that have no relative left then."""
    children = [name for name in truth.family if truth.parents[name]][::every]
    gone = {name: withheld(truth, name) for name in children}
    return {name: one for name, one in gone.items() if _relatives(truth, name) - one}


def _relatives(truth: Families, name: str) -> frozenset[str]:
    return frozenset(other for other in truth.family if not truth.is_unrelated(name, other))


def withheld_figures(answers: Sequence[Answer], truth: Families, names: Names, bars: Bars) -> list[Figure]:
    """Directions that are reported nevertheless, what is called sibling or left open, and parents that are proposed."""
    directed = [one for one in answers if one.place.parents or _false_children(one, truth, names)]
    from_above = [one for one in directed if _comes_from(one, truth, names)]
    kin = [one for one in answers if one.place.siblings or one.place.open]
    several = [one for one in answers if known_children(one.name, truth) >= _SEVERAL]
    proposed = [one for one in several if one.place.unobserved]
    return [
        at_most("a direction said", len(directed), len(answers), bars.withheld_direction),
        Figure("of these by parents from which it does come, or nearly", f"{len(from_above)} of {len(directed)}"),
        Figure("siblings named, or neighbours left open", f"{len(kin)} of {len(answers)}"),
        share_of(f"unknown parent proposed where {_SEVERAL} of its children or more are known", len(proposed),
                 len(several), bars.withheld_proposed),
    ]  # fmt: skip


def explained(answers: Iterable[Answer], truth: Families, names: Names) -> Iterator[str]:
    """One line for each direction that was reported."""
    for one in answers:
        if one.place.parents:
            word = "above" if _comes_from(one, truth, names) else "wrong"
            yield f"{word:9}  {one.name}: {', '.join(min(names[p.model]) for p in one.place.parents)}"
        if below := _false_children(one, truth, names):
            yield f"below      {one.name}: {', '.join(below)}"


def _comes_from(answer: Answer, truth: Families, names: Names) -> bool:
    """Whether all that is directed is so by models above it, or that pass as its parents."""
    sources = truth.sources(answer.name)
    return all(names[one.model] & sources for one in answer.place.parents) and not _false_children(answer, truth, names)


def _false_children(answer: Answer, truth: Families, names: Names) -> list[str]:
    true = truth.descendants(answer.name)
    return [min(names[one.model]) for one in answer.place.descendants if not names[one.model] & true]


def known_children(name: str, truth: Families) -> int:
    """How many children of a withheld parent of `name` are known, of the parent that has most."""
    gone = withheld(truth, name)
    return max(
        sum(not truth.parents[other].isdisjoint(truth.copies[parent]) for other in truth.family.keys() - gone)
        for parent in truth.parents[name]
    )
