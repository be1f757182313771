"""The place of a model: comparisons with all candidates of the indexes, and the best one for every component."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from lineage.ancestry.candidates import candidates, kept_relatives
from lineage.ancestry.chance import null
from lineage.ancestry.folding import fold
from lineage.ancestry.layouts import fitting, in_one_layout
from lineage.ancestry.pair.comparison import compare, excluded, left_out
from lineage.ancestry.pair.relations import is_significant
from lineage.match.units import release
from lineage.sketch.family import FAMILY
from lineage.store import Index, models_in
from lineage.types import (
    CheckpointSketch,
    Comparison,
    ComponentFinding,
    Direction,
    Limits,
    ModelRecord,
    Place,
    Relation,
    Relative,
    Timings,
    Verdict,
    Whois,
)
from lineage.types.facts.limits import LookedFor, NotTested, OtherVersion
from lineage.types.relations import EITHER_WAY

if TYPE_CHECKING:
    from lineage.ancestry.standing import Standing

Placed = tuple[ComponentFinding, str | None, str | None]
Layouts = Mapping[str, Sequence[CheckpointSketch]]
Holding = Callable[[CheckpointSketch, CheckpointSketch, int], Comparison]

MOST_ALTERNATIVES = 16  # the true one may be far down among many children of one parent
_MOST_AROUND = 200  # relatives, and theirs in turn, that are read: bounds the cost
_SURELY_AROUND = 48  # that are read however large
_MOST_TENSORS = 30_000  # in all of them, if there are more: 110 models of 7B
_EXACTNESS = {Relation.IDENTICAL: 2, Relation.RE_ENCODED: 1}
_STANDS: Mapping[Direction | None, str] = {Direction.CHILD: "parents", Direction.PARENT: "descendants"}

TRANSFORMATIONS = (
    LookedFor("copy"),
    LookedFor("rounding"),
    LookedFor("pruning"),
    LookedFor("tuning"),
    LookedFor("layers"),
    LookedFor("vocabulary"),
    LookedFor("row-order"),
    LookedFor("component"),
    LookedFor("merge"),
)
MERGES = NotTested("merge")  # a comparison of two models cannot find merges
NOT_TESTED = (NotTested("hidden-units"), NotTested("distillation"), NotTested("absent-parent"))

OUTSIDE = NotTested("outside-sample")
_NOTHING = CheckpointSketch("", FAMILY, "full", "", "", "", "", 0, 0, ())


def whois_model(query: CheckpointSketch, indexes: Sequence[Index]) -> Whois:
    """The ancestry of the model `query` among the models of `indexes`."""
    started = time.perf_counter()
    models = models_in(indexes, "model")
    held = {model: index.layouts(model) for index in indexes for model in candidates(query, index)}
    query, holding = _as_known(query, held.get(query.id, ()))
    groups = fold([query, *(one for model in sorted(held) for one in held[model])])
    read, loaded = _in_one_layout(groups)
    held |= {group[0].id: group for group in groups[1:]}
    searched = time.perf_counter()
    with threadpool_limits(limits=1, user_api="blas"):  # the products are small: threads would wait for each other
        compared = [_compare(query, read, reference, max(1, models), holding) for reference in loaded.values()]
        compared.sort(key=_rank, reverse=True)
        made = {one.model: (loaded[one.model], one) for one in compared}
        stands = _standing(read, compared, made, held, indexes)
    place = stands.place if stands is not None else Place()
    if place == Place():
        place = _of_pairs(compared)
    if stands is not None:
        loaded |= stands.read
        compared = [one for one in compared if one.model not in stands.compared] + list(stands.compared.values())
        compared.sort(key=_rank, reverse=True)
    place = _as_far_as_read(read, _with_copies(place, compared))
    if place == Place():
        place = Place(open=tuple(_alike(compared)))
    first = _in_order(place, compared)
    placed = _placed(read, compared, first)
    up = {relative.model for relative in (*place.copies, *place.parents)}
    ancestors = tuple(one for one in first if one.model in up)
    rest = [c for c in compared if is_significant(c.evidence) and c not in first][:MOST_ALTERNATIVES]
    nearest = max(compared, key=lambda c: (is_ancestry(c), c.share, c.evidence.coverage), default=None)
    reaches = [c.evidence.min_detectable_r for c in compared if c.evidence.min_detectable_r is not None]
    return Whois(
        sketch=query,
        verdict=_verdict(placed, place),
        components=_in_words_of(place, placed),
        ancestors=ancestors,
        alternatives=tuple(one for one in (*first, *rest) if one not in ancestors),
        excluded=excluded(query),
        left_out=left_out(query),
        limits=Limits(
            models_searched=models,
            index_id="+".join(index.id for index in indexes),
            min_detectable_r=min(reaches) if reaches else None,
            transformations=looked_for(query),
            not_tested=(
                *not_tested(query),
                *unsampled((query, *(loaded[a.model] for a in ancestors))),
                *unsearched(indexes),
            ),
        ),
        timings=Timings(0.0, 0.0, searched - started, time.perf_counter() - searched),
        nearest=nearest,
        null=null(read, compared, loaded, _shown(placed, compared, nearest)),
        place=place,
    )


def _in_one_layout(
    groups: Sequence[Sequence[CheckpointSketch]],
) -> tuple[CheckpointSketch, dict[str, CheckpointSketch]]:
    """The query (first of the first group) and the candidates, in one layout as far as copies show translations.

    A file whose names are not understood is thus read under the names of a copy. Of candidates that are copies of one
    another only one is returned, under the id of the first; copies of the query are all returned, as they are stored.
    """
    read, *others = in_one_layout(groups)
    query, *copies = groups[0]
    stored = {
        model: fitting(query, [one for one in copies if one.id == model])
        for model in dict.fromkeys(one.id for one in copies)
    }
    return read, stored | {one.id: one for one in others}


def _as_known(query: CheckpointSketch, known: Sequence[CheckpointSketch]) -> tuple[CheckpointSketch, Holding]:
    """The query, with the tensors of a known model that it equals, and what compares it.

    Comparisons of that one may have been made for an earlier question.
    """
    if not known:
        return query, compare
    from lineage.ancestry.trees.kept_comparisons import kept_comparisons  # what is new does not wait for these
    from lineage.sketch.known_again import known_again

    again = known_again(query, known)
    return again, compare if again is query else kept_comparisons.compared


def _compare(
    query: CheckpointSketch, read: CheckpointSketch, reference: CheckpointSketch, models: int, holding: Holding
) -> Comparison:
    """A comparison of the query as it was read; its relation to a copy is that of the files."""
    found = holding(read, reference, models)
    if not is_significant(found.evidence):
        release(reference)
    if found.verdict != Verdict.IDENTICAL or read is query:
        return found
    word = holding(query, reference, models).relation
    return replace(found, relation=word, components=tuple(replace(c, relation=word) for c in found.components))


def _neighbourhood(compared: Sequence[Comparison], held: Layouts, indexes: Sequence[Index]) -> tuple[Layouts, bool]:
    """The related models, their relatives, the relatives of these and so on; whether that is the whole family.

    A tree of the nearest relatives only may take one of them, of which they are near, for the parent of the others.
    """
    around = {one.model: held[one.model] for one in compared if is_significant(one.evidence)}
    waiting = list(around)
    tensors = sum(len(layouts[0].tensors) for layouts in around.values())
    for model in waiting:  # grows during the loop
        for index in indexes:
            for other in kept_relatives(around[model][0], index):
                if other in around:
                    continue
                is_large = tensors > _MOST_TENSORS and len(around) >= _SURELY_AROUND
                if is_large or len(around) >= _MOST_AROUND:
                    return around, False
                around[other] = held[other] if other in held else index.layouts(other)
                tensors += len(around[other][0].tensors)
                waiting.append(other)
    return around, True


def _standing(
    read: CheckpointSketch,
    compared: Sequence[Comparison],
    made: Mapping[str, tuple[CheckpointSketch, Comparison]],
    held: Layouts,
    indexes: Sequence[Index],
) -> Standing | None:
    """The place among the relatives; None for a model without any."""
    if not any(is_significant(one.evidence) for one in compared):
        return None
    from lineage.ancestry.standing import standing  # imported only for models with relatives
    from lineage.store.cache_in_use import kept_on_disk

    with kept_on_disk(indexes):
        around, is_whole = _neighbourhood(compared, held, indexes)
        return standing(read, list(around.values()), made, is_whole=is_whole)


def _of_pairs(compared: Sequence[Comparison]) -> Place:
    """The place by the best comparisons alone, if no tree joins the model to its relatives.

    A direction is given only if one of the two can be computed from the other.
    """
    names = dict.fromkeys(c.name for comparison in compared for c in comparison.components)
    best = [one for name in names if (one := _best(name, compared)) is not None and is_ancestry(one)]
    lists: dict[str, list[Relative]] = defaultdict(list)
    for one in dict.fromkeys(sorted(best, key=_rank, reverse=True)):
        stand = "copies" if one.verdict == Verdict.IDENTICAL else _STANDS.get(one.direction, "open")
        probability = EITHER_WAY if stand == "open" else one.confidence
        lists[stand].append(Relative(one.model, one.model_name, one.relation, probability, basis=one.basis))
    found = {stand: tuple(relatives) for stand, relatives in lists.items()}
    return replace(Place(), **found)  # type: ignore[arg-type]


def _alike(compared: Sequence[Comparison]) -> Iterator[Relative]:
    """The models of a common origin, either by descent or by a shared initialisation."""
    for one in compared:
        if one.verdict == Verdict.RELATED and one.relation == Relation.INCONCLUSIVE:
            yield Relative(one.model, one.model_name, one.relation, EITHER_WAY)


def _with_copies(place: Place, compared: Sequence[Comparison]) -> Place:
    """The place with further copies whose equal weights only a comparison finds: fused tensors, reordered rows."""
    known = {one.model for one in place.copies}
    told = [one for one in compared if one.verdict == Verdict.IDENTICAL and one.model not in known]
    same = {one.model: Relative(one.model, one.model_name, one.relation, 1.0) for one in told}
    if not same:
        return place
    beside = ("parents", "ancestors", "descendants", "siblings", "open")
    kin = {name: tuple(one for one in getattr(place, name) if one.model not in same) for name in beside}
    return replace(place, copies=(*place.copies, *same.values()), **kin)


def _as_far_as_read(query: CheckpointSketch, place: Place) -> Place:
    """The place of a model that was not read completely: apparent copies become open relatives."""
    if not query.unread or not place.copies:
        return place
    equal = tuple(replace(one, probability=EITHER_WAY) for one in place.copies)
    return replace(place, copies=(), open=(*equal, *place.open))


def _in_order(place: Place, compared: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with the relatives of a place: copies, parents, open ones, then more distant relatives."""
    by_model = {one.model: one for one in compared}
    kin = (*place.copies, *place.parents, *place.open, *place.descendants, *place.ancestors, *place.siblings)
    return [by_model[one.model] for one in kin if one.model in by_model]


def looked_for(query: CheckpointSketch) -> tuple[LookedFor, ...]:
    """The transformations that were searched for; disguises only if neurons of the query are known."""
    return (*TRANSFORMATIONS, LookedFor("disguise")) if query.neurons else TRANSFORMATIONS


def not_tested(query: CheckpointSketch) -> tuple[NotTested, ...]:
    """What was not tested, disguises among it; if neurons of the query are known, only those of models without any."""
    return (NotTested("hidden-elsewhere"), *NOT_TESTED[1:]) if query.neurons else NOT_TESTED


def unsampled(models: Iterable[CheckpointSketch | ModelRecord]) -> tuple[NotTested, ...]:
    """The limit that values outside the samples were not read, if any model was only sampled."""
    return (OUTSIDE,) if any(model.depth == "sampled" for model in models) else ()


def unsearched(indexes: Sequence[Index]) -> tuple[OtherVersion, ...]:
    """The limit that some models of the indexes were not searched (sketches of another version), if there are any."""
    count = sum(index.unsearched for index in indexes)
    return (OtherVersion(count),) if count else ()


def _rank(comparison: Comparison) -> tuple[bool, float, float, int, float, float]:
    evidence, exact = comparison.evidence, _EXACTNESS.get(comparison.relation, 0)
    r = evidence.r or 0.0
    return is_ancestry(comparison), round(comparison.share, 2), round(r, 4), exact, r, -evidence.log10_p


def is_ancestry(comparison: Comparison) -> bool:
    """Whether a comparison found inheritance, of the whole or of a part."""
    return comparison.verdict.inherits


def _best(name: str, compared: Sequence[Comparison]) -> Comparison | None:
    """The best comparison for one component: inheritance first, then the strongest evidence."""

    def strength(comparison: Comparison) -> tuple[bool, bool, float, int, float, float]:
        finding = _finding(name, comparison)
        evidence = finding.evidence
        found = is_significant(evidence)
        # Without a finding, the comparison that tested most is shown.
        likeness = round(evidence.r or 0.0, 4) if found else evidence.coverage
        exact = _EXACTNESS.get(finding.relation, 0)
        return finding.relation.is_of_whole, found, likeness, exact, comparison.share, -evidence.log10_p

    return max(compared, key=strength, default=None)


def _finding(name: str, comparison: Comparison) -> ComponentFinding:
    return next(c for c in comparison.components if c.name == name)


def _placed(query: CheckpointSketch, compared: Sequence[Comparison], first: Sequence[Comparison]) -> tuple[Placed, ...]:
    """Each component with the model that explains it: the first in `first` that does, else the best of all.

    A model is assumed to have all its components from one parent, unless that parent does not explain them.
    """
    if not compared:
        alone = compare(query, _NOTHING)
        return tuple((finding, None, None) for finding in alone.components)
    placed: list[Placed] = []
    for finding in compared[0].components:
        explaining = (one for one in first if _finding(finding.name, one).relation.is_of_whole)
        best = next(explaining, None) or _best(finding.name, compared)
        assert best is not None
        chosen = _finding(finding.name, best)
        known = is_significant(chosen.evidence)
        placed.append((chosen, best.model if known else None, best.model_name if known else None))
    return tuple(placed)


def _in_words_of(place: Place, placed: Sequence[Placed]) -> tuple[Placed, ...]:
    """The components, with the relation `merged` for those of a merge: compared with one parent they look tuned."""
    mixed = {one.model for one in place.parents if one.weight is not None}
    return tuple(
        (replace(part, relation=Relation.MERGED), model, name)
        if model in mixed and part.relation.is_of_whole and not part.relation.is_exact
        else (part, model, name)
        for part, model, name in placed
    )


def _shown(
    placed: Sequence[Placed], compared: Sequence[Comparison], nearest: Comparison | None
) -> Mapping[str, Comparison]:
    """The comparison whose figures are shown for each component: that with its model or, without one, the nearest."""
    by_model = {comparison.model: comparison for comparison in compared}
    shown = {finding.name: by_model.get(model or "", nearest) for finding, model, _ in placed}
    return {name: comparison for name, comparison in shown.items() if comparison is not None}


def _verdict(placed: Sequence[Placed], place: Place) -> Verdict:
    """The verdict for the place: `derived` only for a model with a parent."""
    if place.copies:
        return Verdict.IDENTICAL
    parents = {relative.model for relative in place.parents}
    derived = sum(
        finding.share_inherited for finding, model, _ in placed if finding.relation.is_told_by_two and model in parents
    )
    if parents:
        return Verdict.DERIVED if derived >= 0.5 else Verdict.PARTLY_DERIVED
    if place.open or place.siblings:
        return Verdict.RELATED
    if place.descendants:
        return Verdict.ORIGIN
    foreign = sum(finding.share for finding, _, _ in placed if finding.relation == Relation.INDEPENDENT)
    return (
        Verdict.INDEPENDENT
        if 2.0 * foreign >= sum(finding.share for finding, _, _ in placed) > 0.0
        else Verdict.INCONCLUSIVE
    )
