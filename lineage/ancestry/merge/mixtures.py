"""Models that are merges of others: parents found among all candidates at once, with their weights."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import numpy as np

from lineage.ancestry.geometry import Cohort, Points
from lineage.ancestry.links import Lines
from lineage.ancestry.merge.blends import blend
from lineage.ancestry.merge.collinear import SUMS, stand_ins
from lineage.ancestry.merge.great_circles import lies_on_circle, off_circle
from lineage.ancestry.merge.last_rounded import is_last_rounded
from lineage.ancestry.merge.mixture import COPY, Mixture
from lineage.ancestry.merge.neighbours import Neighbours, neighbours
from lineage.ancestry.merge.replayed import adds_differences, is_computed, is_replayed
from lineage.ancestry.merge.rounding import is_rounded_once, leaves_rounding
from lineage.ancestry.merge.soups import soup
from lineage.ancestry.merge.sums import close_sum, exact_sum, paired_mixture
from lineage.ancestry.merge.tasks import task_mixture, with_base
from lineage.ancestry.merge.traces import Traces
from lineage.ancestry.merge.trimmed import trimmed_mixture
from lineage.ancestry.merge.uneven_blends import uneven_blend

__all__ = ["COPY", "Mixture", "closes_circle", "find_mixtures", "trimmed_among"]

_WHOLE = 1e-6  # residual at which a mixture counts as complete
_MOST_LEFT = 0.005  # greatest residual of trimmed differences: true ones leave 3e-4, a noisy copy as a parent 0.02
_CUT_OFF = 0.02  # excess of zeros over the base from which a model counts as pruned: trimming restores base values
_OFF_CIRCLE = 0.1  # greatest share of a sum's residual that may remain off the great circle
_BETTER = 10.0  # how many times less task vectors must leave than an inexact sum
_OFF_CHOSEN = 1e-3  # greatest difference of a fitted weight from one of two decimal places
_AS_GOOD = 0.02  # difference of two residuals that counts as a tie

Solver = Callable[[int, Collection[int]], Mixture | None]


def find_mixtures(
    cohort: Cohort, excluded: Collection[int] = (), asked: Collection[int] | None = None
) -> dict[int, Mixture]:
    """Every member of a cohort that is a mixture of others, by its position.

    `excluded` members are not considered as children, and as parents only of trimmed differences, where a rounded copy
    gives other values than the model. The order is: means and sums of few that are reproduced value by value, other
    exact sums, sums of trimmed differences, nearly exact sums, sums with other weights in each tensor, and task vectors
    if they leave far less. Merges of the same parents lie in each other's hull: if a model can be written with other
    merges and without, the fewest parents are preferred, on a tie the parents that are not merges. Trimmed differences,
    which are slow, are searched for the members in `asked` only, by default for all.
    """
    if len(cohort.members) < 2:
        return {}
    around = neighbours(cohort)
    traces = Traces(around)

    def mean(child: int, aside: Collection[int]) -> Mixture | None:
        return soup(around, child, frozenset(aside))

    def blended(child: int, aside: Collection[int]) -> Mixture | None:
        one = blend(around, child, frozenset(aside))
        is_made = one is not None and is_last_rounded(cohort, child, one.parents, one.weights) is not False
        return one if is_made else None

    def exact(child: int, aside: Collection[int]) -> Mixture | None:
        near = around.near(child, aside)
        return _result(around, child, exact_sum(around, child, near), near)

    def trimmed(child: int, aside: Collection[int]) -> Mixture | None:
        return _trimmed(around, traces, child, {*aside} - {*excluded})  # a rounded copy may have been the parent

    def task(child: int, aside: Collection[int]) -> Mixture | None:
        one = task_mixture(around, child, around.near(child, aside))
        if one is None or not leaves_rounding(cohort, child, one.parents):
            return None
        return one if _is_of_known(around, child, one) else None

    def close(child: int, aside: Collection[int]) -> Mixture | None:
        near = around.near(child, aside)
        one = close_sum(around, child, near)
        return _result(around, child, one, near) if one is not None and _is_all(around, child, one) else None

    def uneven(child: int, aside: Collection[int]) -> Mixture | None:
        return uneven_blend(around, child, frozenset(aside))

    members = [i for i in range(len(cohort.members)) if i not in excluded]
    means = _solved(around, mean, members, {*excluded})
    means |= _solved(around, blended, [i for i in members if i not in means], {*excluded, *means})
    found = dict(means)
    for solve in (exact, trimmed, close, uneven):
        tried = [i for i in members if solve is not trimmed or asked is None or i in asked]
        found |= _solved(around, solve, [i for i in tried if i not in found], {*excluded, *found})
    inexact = [i for i in members if i not in found or found[i].residual > _WHOLE]
    tasks = {i: one for i in inexact if (one := task(i, {*excluded, *found} - {i}))}
    tasks |= {i: one for i in tasks if (one := task(i, {*excluded, *found, *tasks} - {i}))}
    found |= {i: one for i, one in tasks.items() if i not in found or one.residual < found[i].residual / _BETTER}
    for child in [child for child, one in found.items() if one.method == "linear"]:
        without = {*excluded, *found} - {child}
        plain = exact(child, without) or close(child, without) or found[child]
        near = around.near(child, excluded)
        pair = _result(around, child, paired_mixture(around, child, near, plain.residual), ())
        if child in means and {*means[child].parents} == {*plain.parents}:
            plain = means[child]  # its weights are known, not fitted
        found[child] = plain if pair is None or len(plain.parents) == 2 else _instead(pair, plain)
    return _named(around, {child: one for child, one in found.items() if not _only_rounds(around, child, one)})


def trimmed_among(cohort: Cohort, asked: Collection[int], mixed: Collection[int]) -> dict[int, Mixture]:
    """The members in `asked` that are sums of trimmed differences, of parents that are not `mixed` where possible."""
    around = neighbours(cohort)
    traces = Traces(around)

    def trimmed(child: int, aside: Collection[int]) -> Mixture | None:
        return _trimmed(around, traces, child, aside)

    return _named(around, _solved(around, trimmed, [*asked], {*mixed}))


def _named(around: Neighbours, found: dict[int, Mixture]) -> dict[int, Mixture]:
    """The mixtures that close no circle, with what could replace their parents and how they were made."""
    return {
        child: replace(
            one, alternatives=(*one.alternatives, *stand_ins(around, child, one)), method=_method(around, child, one)
        )
        for child, one in _without_circles(around, found).items()
    }


def _result(around: Neighbours, child: int, one: Mixture | None, near: Sequence[int]) -> Mixture | None:
    """The sum, or None if one of its terms was computed from the child and the others.

    If the sum leaves more than rounding, it is completed by a base among `near`; None without such a base.
    """
    if one is None or is_computed(around.cohort, child, one.parents, one.weights) is False:
        return None
    is_all = leaves_rounding(around.cohort, child, one.parents)
    whole = one if is_all else with_base(around, child, one.parents, near)
    return whole if whole is not None and _is_of_known(around, child, whole) else None


def _is_of_known(around: Neighbours, child: int, one: Mixture) -> bool:
    """Whether a sum was computed from these parents: no parent takes the place of an unknown one.

    A parent that was computed from an unknown model and others contains it, so that an exact sum can be rewritten with
    that parent and the others. It is then no longer reproduced to one rounding. Spherical interpolation, between two,
    has weights of its own for each tensor.
    """
    cohort, parents = around.cohort, one.parents
    is_plain = min(one.weights) > 0.0
    groups = cohort.layers if one.by_layer else cohort.tensors if is_plain and len(parents) == 2 else None
    once = is_rounded_once(cohort, child, parents, groups)
    if once is None and (one.by_layer or (is_plain and len(parents) == 2)):
        return True
    return once is True or is_replayed(cohort, child, parents, one.weights) is True


def _only_rounds(around: Neighbours, child: int, one: Mixture) -> bool:
    """Whether a sum with weights that nobody chooses is coarser than one of its terms.

    A sum in single precision of this model and the others, or of one that is not in the index, gives the model back
    when it is solved for it, up to the model's own rounding. The weights are then fractions such as 5/3 and -4/3, or
    2 where the model was half of the sum.
    """
    if one.method not in ("linear", "task arithmetic"):
        return False
    coarse = around.grain(child) > min(around.grain(parent) for parent in one.parents)
    return coarse and not _are_chosen(one.weights)


def _are_chosen(weights: Sequence[float]) -> bool:
    """Whether weights are equal, or decimals of two places up to 1, as people give them."""
    if max(weights) - min(weights) <= _OFF_CHOSEN:
        return True
    return max(weights) <= 1.0 + _OFF_CHOSEN and all(
        abs(weight - round(weight, 2)) <= _OFF_CHOSEN for weight in weights
    )


def _is_all(around: Neighbours, child: int, one: Mixture) -> bool:
    """Whether a sum, or a spherical interpolation, leaves only rounding; with copies of the parents it leaves more.

    Sums with weights by layer were checked when they were fitted.
    """
    if one.by_layer:
        return True
    cohort = around.cohort
    gram, weights = around.all_offsets(child, one.parents), np.array(one.weights)
    movement = float(np.diag(gram).min())
    types = [around.grain(model) for model in (child, *one.parents)]
    allowed = max(_WHOLE * movement, around.rounding(child, types, movement))
    left = float(weights @ gram @ weights)
    if left <= allowed or len(one.parents) != 2:
        return left <= allowed
    # The bulge of a circle is known only as well as the angle of the sampled values.
    return off_circle(*_ends(around, child, one), cohort.tensors) <= max(allowed, _OFF_CIRCLE * left)


def _ends(around: Neighbours, child: int, one: Mixture) -> tuple[Points, Points, Points]:
    whole, first, second = (around.cohort.points[i] for i in (child, *one.parents))
    return whole, first, second


def _method(around: Neighbours, child: int, one: Mixture) -> str:
    """The method of a sum: slerp on the great circle between two parents, task arithmetic if it was computed so.

    Else linear, by layer or tensor or not.
    """
    if one.method not in SUMS:
        return one.method
    if len(one.parents) == 2 and lies_on_circle(*_ends(around, child, one), around.cohort.tensors):
        return "slerp"
    if one.by_layer:
        return "layerwise linear"
    # Of two terms either may be the base: then both are parents.
    is_task = one.method == "linear" and len(one.parents) > 2
    is_task = is_task and adds_differences(around.cohort, child, one.parents, one.weights)
    return "task arithmetic" if is_task else one.method


def _instead(pair: Mixture, plain: Mixture) -> Mixture:
    """The sum of two, with the remaining parents of the longer sum as alternatives to a parent that is not in it."""
    merged = [parent for parent in pair.parents if parent not in plain.parents]
    others = [parent for parent in plain.parents if parent not in pair.parents]
    return replace(pair, alternatives=tuple((parent, other) for parent in merged for other in others))


def _solved(around: Neighbours, solve: Solver, children: Sequence[int], aside: set[int]) -> dict[int, Mixture]:
    """Mixtures of one kind; parents that are themselves such mixtures are avoided where possible."""
    first = _without_circles(around, {child: one for child in children if (one := solve(child, aside))})
    mixed = [child for child, one in first.items() if not first.keys().isdisjoint(one.parents)]
    return first | {child: one for child in mixed if (one := solve(child, {*aside, *first} - {child}))}


def _trimmed(around: Neighbours, traces: Traces, child: int, aside: Collection[int]) -> Mixture | None:
    """The best sum of trimmed differences on any base; None for pruned models, since trimming leaves no zeros."""
    solved: list[Mixture] = []
    zeros = (around.cohort.points == 0.0).mean(axis=1)
    for base, near, rounding in traces.bases(child, aside):
        if zeros[child] - zeros[base] > _CUT_OFF:
            continue
        one = trimmed_mixture(around.cohort, child, base, near, rounding)
        if one is not None:
            # A mean with gain 1 can be written on any of its models as the base, the true base being among the parents.
            joined = one.parents
            others = (trimmed_mixture(around.cohort, child, b, joined, rounding) for b in joined[:-1])
            solved += [one, *(other for other in others if other is not None)]
            if one.residual <= _WHOLE:
                break
    solved = [one for one in solved if one.residual <= _MOST_LEFT]
    least = min((one.residual for one in solved), default=0.0)
    alike = [one for one in solved if one.residual <= least + _AS_GOOD]
    return min(alike, key=lambda one: (len(one.parents), one.residual), default=None)


def closes_circle(lines: Lines[int], child: int, parents: Sequence[int]) -> bool:
    """Whether arcs from `parents` to `child` would make a model of `lines` its own ancestor."""
    return child in lines and any(p in lines and (p == child or p in lines.beyond(child)) for p in parents)


def _without_circles(around: Neighbours, found: dict[int, Mixture]) -> dict[int, Mixture]:
    """The mixtures without those that would make a model its own ancestor.

    A base is an exact mixture of its merge and of the merge's other parents. Of such conflicting mixtures, the one with
    the smaller residual is kept; on a tie, the one whose parents' differences from the base are less correlated.
    """
    lines = Lines[int]()
    kept = {}
    for child, one in sorted(found.items(), key=lambda item: _doubt(around, item[1])):
        if closes_circle(lines, child, one.parents):
            continue
        lines.add((parent, child) for parent in one.parents)
        kept[child] = one
    return kept


def _doubt(around: Neighbours, one: Mixture) -> tuple[float, float]:
    *others, base = one.parents
    return round(one.residual / _AS_GOOD), around.likeness(base, others)
