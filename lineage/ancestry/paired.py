"""A comparison of two models as an answer: the first is the query, the second the only model searched."""

from __future__ import annotations

from collections.abc import Sequence

from lineage.ancestry.chance import null
from lineage.ancestry.handed_over import of_pair
from lineage.ancestry.pair.comparison import excluded, left_out
from lineage.ancestry.pair.relations import is_significant
from lineage.ancestry.placing import looked_for
from lineage.types import (
    CheckpointSketch,
    Comparison,
    Direction,
    Limits,
    Place,
    Relation,
    Relative,
    Timings,
    Verdict,
    Whois,
)
from lineage.types.facts import Fact
from lineage.types.facts.limits import LookedFor
from lineage.types.relations import EITHER_WAY


def as_answer(a: CheckpointSketch, b: CheckpointSketch, found: Comparison, not_tested: Sequence[Fact]) -> Whois:
    """The answer for `a` if `b` were the only known model.

    `not_tested` are the limits of the comparison. The place has at most one relative, and a direction only if the
    comparison has one.
    """
    place = _place(found)
    is_above = bool(place.parents or place.copies)
    components = tuple(
        (part, b.id, b.name) if is_significant(part.evidence) else (part, None, None) for part in found.components
    )
    return Whois(
        sketch=a,
        verdict=_verdict(found, place),
        components=components,
        ancestors=(found,) if is_above else (),
        alternatives=(found,) if place != Place() and not is_above else (),
        excluded=excluded(a),
        left_out=left_out(a),
        limits=Limits(1, "", found.evidence.min_detectable_r, _without_merges(a), tuple(not_tested)),
        timings=Timings(0.0, 0.0, 0.0, 0.0),
        nearest=found,
        null=null(a, [found], {b.id: b}, {part.name: found for part in found.components}),
        place=place,
        handed_over=of_pair(a, b),
    )


def _without_merges(a: CheckpointSketch) -> tuple[LookedFor, ...]:
    return tuple(one for one in looked_for(a) if one != LookedFor("merge"))


def _place(found: Comparison) -> Place:
    """The place of the first model: the second one as its copy, parent, descendant, sibling or open relative."""
    probability = found.confidence if found.is_directed else EITHER_WAY
    other = (Relative(found.model, found.model_name, found.relation, probability, basis=found.basis),)
    if found.verdict == Verdict.IDENTICAL:
        return Place(copies=other)
    if found.verdict == Verdict.RELATED:  # if it may be descent, its direction is open
        return Place(siblings=other) if found.relation == Relation.SHARED_INIT else Place(open=other)
    if not found.verdict.is_descent:
        return Place()
    if found.direction == Direction.CHILD:
        return Place(parents=other)
    return Place(descendants=other) if found.direction == Direction.PARENT else Place(open=other)


def _verdict(found: Comparison, place: Place) -> Verdict:
    if place.open or place.siblings:
        return Verdict.RELATED
    return Verdict.ORIGIN if place.descendants else found.verdict
