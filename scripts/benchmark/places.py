"""The place that an answer gives a model, compared with the truth, while all others are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from results import table

from benchmark.asked import Answer
from benchmark.bars import Bars
from benchmark.families import Families
from benchmark.figure import Figure, at_most, share_of
from benchmark.reliability import Claim
from lineage.types import Place, Relative

Names = Mapping[str, frozenset[str]]
"""The models behind each id: more than one where copies share it."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is right in one answer.

    `is_first` and `is_listed` say of the parent that it is named first, or among parents, copies and open neighbours.
    `is_said` means that a parent is named with a direction and `is_right` that the first such one is a parent. The
    names are of models wrongly reported, with a direction, as ancestors (`over`) or descendants (`under`), of relatives
    named that are of another family (`strangers`), and of those that share an initialisation only (`begun_alike`).
    """

    answer: Answer
    has_parent: bool
    is_disguised: bool
    is_moving: bool
    is_first: bool
    is_listed: bool
    is_said: bool
    is_right: bool
    over: tuple[str, ...]
    under: tuple[str, ...]
    strangers: tuple[str, ...]
    begun_alike: tuple[str, ...]
    claims: tuple[Claim, ...]

    @property
    def is_called_derived(self) -> bool:
        """Whether an ancestor is reported."""
        return self.answer.verdict.is_descent or bool(self.answer.place.parents)


def judge(answer: Answer, truth: Families, names: Names) -> Judged:
    """Compare one answer with the truth."""
    name, place = answer.name, answer.place
    right = truth.same(truth.accepted[name]) - {name}
    sources, descendants = truth.sources(name), truth.descendants(name)
    parents = _named(place.parents, name, names)
    up = [*parents, *_named((*place.copies, *place.open), name, names)]
    above = [*parents, *_named(place.ancestors, name, names)]
    below = _named(place.descendants, name, names)
    kin = (*place.parents, *place.copies, *place.open, *place.ancestors, *place.descendants)
    near = [(min(others), one.relation) for one in kin if (others := names[one.model] - {name})]
    return Judged(
        answer=answer,
        has_parent=bool(truth.parents[name]),
        is_disguised=truth.is_disguised(name),
        is_moving=truth.family[name] in truth.moving,
        is_first=bool(up) and bool(up[0] & right),
        is_listed=any(one & right for one in up),
        is_said=bool(parents),
        is_right=bool(parents) and bool(parents[0] & right),
        over=tuple(min(one) for one in above if not one & sources),
        under=tuple(min(one) for one in below if not one & descendants),
        strangers=tuple(other for other, _ in near if truth.is_unrelated(name, other)),
        begun_alike=tuple(
            other for other, word in near if frozenset((name, other)) in truth.alike and word != "shared-init"
        ),
        claims=tuple(_claims(place, name, truth, names)),
    )


def _named(relatives: Iterable[Relative], asked: str, names: Names) -> list[frozenset[str]]:
    """The models behind each relative, without the one that was asked about."""
    return [names[one.model] - {asked} for one in relatives]


def _claims(place: Place, asked: str, truth: Families, names: Names) -> Iterator[Claim]:
    """Every probability of a direction in the answer; of an open neighbour, that it is the parent."""
    sources, descendants = truth.sources(asked), truth.descendants(asked)
    right = ((place.parents, sources), (place.ancestors, sources), (place.descendants, descendants),
             (place.open, truth.accepted[asked]))  # fmt: skip
    for relatives, true in right:
        for one, behind in zip(relatives, _named(relatives, asked, names), strict=True):
            yield Claim(one.probability, bool(behind & true))


def place_figures(judged: Sequence[Judged], truth: Families, bars: Bars) -> list[Figure]:
    """First-named parents, directions, false ancestors, roots and unrelated models."""
    plain = [one for one in judged if one.has_parent and not one.is_disguised]
    still, moving = ([one for one in plain if one.is_moving is moves] for moves in (False, True))
    hidden = [one for one in judged if one.is_disguised]
    roots = [one for one in judged if not one.has_parent]
    said = [one for one in plain if one.is_said]
    others = sum(truth.is_unrelated(one.answer.name, other) for one in judged for other in truth.family)
    alike = sum(one.answer.name in pair for one in judged for pair in truth.alike)
    figures = [
        share_of("first-named parent acceptable", sum(one.is_first for one in still), len(still), bars.first),
        share_of("first-named parent acceptable, of a root that still moved", sum(one.is_first for one in moving),
                 len(moving), bars.first_moving),
        share_of("parent listed", sum(one.is_listed for one in plain), len(plain), bars.listed),
        _share("parent said with a direction", len(said), len(plain)),
        share_of("direction right of those said", sum(not one.over for one in said), len(said), bars.direction),
        _share("first-named parent acceptable of those said", sum(one.is_right for one in said), len(said)),
        at_most("sibling or descendant named as ancestor with a direction", sum(bool(one.over) for one in judged),
                len(judged), bars.false_ancestor),
        at_most("named as descendant, and is none", sum(bool(one.under) for one in judged), len(judged),
                bars.false_ancestor),
        at_most("roots called derived", sum(one.is_called_derived for one in roots), len(roots), 0.0),
        at_most("models of another family named, of all pairs", sum(len(one.strangers) for one in judged), others, 0.0),
        at_most("descent said of models that share an initialisation only, of all pairs",
                sum(len(one.begun_alike) for one in judged), alike, 0.0),
        _share("unknown parent proposed though one is known", sum(bool(one.answer.place.unobserved) for one in plain),
               len(plain)),
        _share("disguised models: first-named parent acceptable", sum(one.is_first for one in hidden), len(hidden)),
    ]  # fmt: skip
    return [figure for figure in figures if not figure.measured.startswith("0 of 0")]


def _share(name: str, hits: int, total: int) -> Figure:
    return Figure(name, f"{hits} of {total}" + (f" ({hits / total:.0%})" if total else ""))


def time_figures(answers: Sequence[Answer], jobs: int) -> list[Figure]:
    """Seconds an answer takes, the sketch of the model not counted."""
    wall, cpu = [one.seconds for one in answers], [one.cpu_seconds for one in answers]
    return [
        Figure(f"seconds an answer, {jobs} at a time", f"median {median(wall):.2f}, most {max(wall):.2f}"),
        Figure("seconds of processor an answer", f"median {median(cpu):.2f}, most {max(cpu):.2f}"),
    ]


def by_operator(judged: Iterable[Judged], truth: Families) -> str:
    """First-named, listed and directed parents by how the model was made."""
    rows: dict[str, list[Judged]] = {}
    for one in judged:
        if one.has_parent:
            rows.setdefault(truth.operator[one.answer.name], []).append(one)
    head = ["operator", "asked", "first", "listed", "direction said", "right"]
    return table(head, [
        [operator, *map(str, (len(of), sum(one.is_first for one in of), sum(one.is_listed for one in of),
                              sum(one.is_said for one in of), sum(one.is_right for one in of)))]
        for operator, of in sorted(rows.items())
    ])  # fmt: skip


def explained(judged: Iterable[Judged], truth: Families, names: Names) -> Iterator[str]:
    """One line for every answer in which something is wrong."""
    for one in judged:
        name, place = one.answer.name, one.answer.place
        up = (*place.parents, *place.copies, *place.open)
        first = ", ".join(f"{min(names[r.model])} ({r.relation})" for r in up[:3]) or "nobody"
        if one.has_parent and not one.is_first:
            yield f"{'first':10} {name} of {', '.join(sorted(truth.parents[name]))}: {first}"
        wrong = {"above": one.over, "below": one.under, "stranger": one.strangers, "begun": one.begun_alike}
        yield from (f"{word:10} {name}: {', '.join(others)}" for word, others in wrong.items() if others)
        if not one.has_parent and one.is_called_derived:
            yield f"{'root':10} {name}: {one.answer.verdict}, {first}"
