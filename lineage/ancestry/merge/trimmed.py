"""Merges of trimmed differences: TIES (Yadav et al. 2023), DARE (Yu et al. 2024) and their variants.

Such a merge is its base plus, value by value, nothing or a fixed combination of *some* parents' differences: their sum
(`c1 d1 + c2 d2`) or their mean (`g (w1 d1 + w2 d2) / (w1 + w2)`). Each combination is exact up to rounding at many
positions, so ratios of differences show constants that chance does not give, and a merge is proved by reproducing its
values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Cohort
from lineage.ancestry.merge.combinations import Combinations, combinations, decoded, explained, members, reproduced
from lineage.ancestry.merge.differences import Differences, differences
from lineage.ancestry.merge.dropping import dropping
from lineage.ancestry.merge.mixture import Mixture
from lineage.ancestry.merge.ratios import SINGLE, Values, constant_ratio, is_sharp, sharp_ratio, window_of

_MOST_PARENTS = 6  # bounds the cost and chance fits
_GAIN = 0.002  # least share of the moved values that a parent must explain beyond the others
_COARSE_GAIN = 0.02  # the same for values rounded to 16 bits
_EXPLAINED = 0.5  # least share of moved values that the parents reproduce, beyond chance
_COARSE_EXPLAINED = 0.7  # the same where values were rounded to 16 bits, of which more agree by chance
_JOINT = 0.002  # least share that only two parents together reproduce: each value alone may be a copy
_BLUR = 3.0  # times the rounding error: within it, values that are only similar would be more numerous
_BLURRED = 0.2  # how many more, as a share
_AS_IS = 0.9  # share of values equal to one candidate's: such a model was made from that one
_ALIKE = 0.95  # cosine of differences that rounded values do not tell apart
_WHOLE = 0.95  # a tensor in which one combination holds everywhere was not merged value by value
_MIXED = 0.5  # least share of tensors that were
_LEAST_MOVED = 100  # values that moved: shares of fewer are known too roughly
_LEAST_LEFT = 10  # values that are left to explain: fewer do not show one more parent
_AS_MANY = 0.8  # share of what is reproduced elsewhere that values pruned in a parent must reach
_LEAST_JOINT = 3  # values that only a parent joined to the others reproduces: one or two may be chance
_FEW = 4000  # values with which the search begins
_STARTS = 2  # first parents that are tried where 16 bits blur which explains most
_TOGETHER = 1 << 15  # predictions held against values at once: they stay in the processor's cache
_MOST_LEADING = 6  # combinations from which the weight of a further parent is read


def trimmed_mixture(
    cohort: Cohort, child: int, base: int, near: Sequence[int], rounding: float = SINGLE
) -> Mixture | None:
    """The parents among `near` whose trimmed differences, added to `base`, give `child`; None if there are none.

    Of candidates that explain equally much, such as a model and a pruned copy, the first in `near` is taken. `rounding`
    is the relative rounding error of the child's type.
    """
    few = differences(cohort, (child, base), near, rounding, _FEW)
    as_is = (np.abs(few.moved - few.theirs) <= few.error).mean(axis=1).max(initial=0.0)
    if (~few.still).sum() < _LEAST_MOVED or as_is > _AS_IS:
        return None
    begun = [one for start in _starts(few) if _is_joint(few, one := _grown(few, start, most=2))]
    if not begun:
        return None
    found = differences(cohort, (child, base), near, rounding)
    grown = [_grown(found, combinations(found.theirs, one.chosen, one.shares, one.gain)) for one in begun]
    proved = [one for start in grown if _is_proved(found, one := _refined(found, start))]
    if not proved:
        return None
    best = max(proved, key=lambda one: float(explained(found, one).mean()))
    return _mixture(found, best, base, near) if _has_their_zeros(cohort, (child, base), near, found, best) else None


def _has_their_zeros(
    cohort: Cohort, ends: tuple[int, int], near: Sequence[int], found: Differences, current: Combinations
) -> bool:
    """Whether the values that are zero in one of the parents are reproduced like the others.

    A pruned copy takes its source's place in a merge of that, but for the values that were pruned.
    """
    least = _AS_MANY * float(explained(found, current).mean())
    parents = [near[k] for k in current.chosen]
    for k in range(len(parents)):
        zeros = differences(cohort, ends, parents, found.rounding, zero_in=k)
        told = combinations(zeros.theirs, range(len(parents)), current.shares, current.gain)
        if (~zeros.still).sum() >= _LEAST_LEFT and explained(zeros, told).mean() < least:
            return False
    return True


def _starts(found: Differences) -> Iterator[Combinations]:
    """The likeliest candidates alone, each as a term of a sum and as a term of a mean."""
    window = window_of(found.rounding)
    use = ~found.still
    peaks = [constant_ratio(found.moved[use], row[use], found.error[use], window) for row in found.theirs]
    ranked = sorted((-p.count, k, p.value) for k, p in enumerate(peaks) if p is not None)
    for _, k, value in ranked[: 1 if found.rounding == SINGLE else _STARTS]:
        yield combinations(found.theirs, (k,), (value,), None)
        yield combinations(found.theirs, (k,), (1.0,), value)


def _is_joint(found: Differences, current: Combinations) -> bool:
    """Whether all chosen parents together reproduce some values that no smaller set gives."""
    near = np.abs(found.moved - current.predictions()) <= found.error
    return len(current.chosen) > 1 and int((near[-1] & ~near[:-1].any(axis=0)).sum()) >= _LEAST_JOINT


def _grown(found: Differences, start: Combinations, most: int = _MOST_PARENTS) -> Combinations:
    """Add the candidate that explains most of the remaining values, until none explains enough."""
    current = start
    while len(current.chosen) < most:
        left = _left(found, current)
        if len(left.places) < _LEAST_LEFT:
            return current
        tried = [
            (gained, -candidate, share)
            for candidate in range(len(found.theirs))
            if candidate not in current.chosen
            for share in _shares(left, candidate)
            if (gained := _gained(left, candidate, share))
        ]
        if not tried:
            return current
        _, place, share = max(tried)  # on a tie, the first candidate
        candidate = -place
        current = combinations(found.theirs, (*current.chosen, candidate), (*current.shares, share), current.gain)
    return current


@dataclass(frozen=True, slots=True, eq=False)
class _Left:
    """What chosen parents leave to explain, with what is asked of it for every further candidate.

    `places` (n,) are the values, `moved` and `error` (n,) theirs, `tops` (sets, n) the numerators that the sets give
    there. `sharp` are numerators of the constants of a further candidate, alone or beside one of the sets, with their
    places among the n: those that are known well enough.
    """

    found: Differences
    current: Combinations
    places: NDArray[np.int64]
    moved: Values
    error: Values
    tops: Values
    sharp: Sequence[tuple[Values, NDArray[np.int64]]]


def _left(found: Differences, current: Combinations) -> _Left:
    places = np.flatnonzero(~found.still & ~reproduced(found, current))
    moved, error, tops = found.moved[places], found.error[places], np.take(current.tops, places, axis=1)
    leading = list(zip(tops, current.bottoms.tolist(), strict=True))[:_MOST_LEADING]
    numerators = [] if current.gain is not None else [(moved, error)]
    numerators += [(moved * bottom - top, error * abs(bottom)) for top, bottom in leading]
    window = window_of(found.rounding)
    sharp = [(top, np.flatnonzero(is_sharp(top, off, window))) for top, off in numerators]
    return _Left(found, current, places, moved, error, tops, [(top[at], at) for top, at in sharp])


def _shares(left: _Left, candidate: int) -> list[float]:
    """Constants with which a further candidate may enter: alone, or beside a set of those that are chosen."""
    window, gain = window_of(left.found.rounding), left.current.gain
    theirs = left.found.theirs[candidate][left.places]
    below = theirs if gain is None else gain * theirs - left.moved
    peaks = [sharp_ratio(top, below[at], window) for top, at in left.sharp]
    kept = sorted((p for p in peaks if p is not None), key=lambda p: -p.count)
    # Alone, a parent of a mean shows without its weight.
    return [p.value for p in kept[:2]] + ([] if gain is None else [float(np.mean(left.current.shares))])


def _gained(left: _Left, candidate: int, share: float) -> float:
    """Values that a further parent explains beyond those that are explained and beyond chance; 0 if too few."""
    found = left.found
    least = (_GAIN if found.rounding == SINGLE else _COARSE_GAIN) * (~found.still).sum()
    reached = _reached(left, found.theirs[candidate][left.places], share)
    if reached <= least + 6.0:  # too few even if chance gave none
        return 0.0
    by_chance = _reached(left, found.theirs[candidate][found.elsewhere[left.places]], share)
    gained = reached - by_chance
    return gained if gained > least + 6.0 * np.sqrt(by_chance + 1.0) else 0.0


def _reached(left: _Left, theirs: Values, share: float) -> float:
    """How many values differences with a share reproduce, alone or added to a set of those that are chosen."""
    current = left.current
    term, added = (1.0, 0.0) if current.gain is None else (current.gain, share)
    alone = 1.0 if current.gain is None else share
    given = theirs * share * term
    bottoms = np.array([alone, *(current.bottoms + added)])[:, None]
    count, width = 0, max(1, _TOGETHER // len(bottoms))
    for start in range(0, len(given), width):
        some = slice(start, start + width)
        off = left.moved[some] * bottoms
        off[0] -= given[some]
        off[1:] -= left.tops[:, some] + given[some]
        count += int((np.abs(off) <= left.error[some] * np.abs(bottoms)).any(axis=0).sum())
    return float(count)


def _refined(found: Differences, grown: Combinations) -> Combinations:
    """Refit the constants by least squares on the decoded values, then drop parents that the others make redundant."""
    current = grown
    for _ in range(3):
        current = _settled(found, current)
    needed = _needed(found, current)
    if 0 < len(needed) < len(current.chosen):
        shares = [current.shares[k] for k in needed]
        return combinations(found.theirs, [current.chosen[k] for k in needed], shares, current.gain)
    return current


def _settled(found: Differences, current: Combinations) -> Combinations:
    rows = decoded(found, current)
    given = members(current, rows)
    shares = list(current.shares)
    gain = current.gain
    if gain is not None:
        alone = given.sum(axis=0) == 1
        owner = np.array(current.chosen)[given[:, alone].argmax(axis=0)]
        gain = _slope(found.moved[alone], found.theirs[owner, alone], gain)
    for k, candidate in enumerate(current.chosen):
        at = given[k] if gain is None else given[k] & (given.sum(axis=0) > 1)
        theirs, row = found.theirs[candidate, at], rows[at]
        top = found.moved[at] * current.bottoms[row] - current.tops[row, at]
        bottom = theirs if current.gain is None else current.gain * theirs - found.moved[at]
        shares[k] += _slope(top, bottom, 0.0)
    return combinations(found.theirs, current.chosen, shares, gain)


def _slope(top: Values, bottom: Values, default: float) -> float:
    square = float(bottom @ bottom)
    return float(top @ bottom) / square if len(top) >= 20 and square > 0.0 else default


def _needed(found: Differences, current: Combinations) -> list[int]:
    """Chosen candidates (positions) without which too many values would be unexplained."""
    near = (np.abs(found.moved - current.predictions()) <= found.error)[:, ~found.still]
    least = (_GAIN if found.rounding == SINGLE else _COARSE_GAIN) * near.shape[1]
    hit = near.any(axis=0)
    return [k for k in range(len(current.chosen)) if (hit & ~near[~current.sets[:, k]].any(axis=0)).sum() >= least]


def _is_proved(found: Differences, current: Combinations) -> bool:
    """Whether enough values are reproduced beyond chance, some only by several parents, mixed in most tensors."""
    if len(current.chosen) < 2:
        return False
    apart = found.theirs[list(current.chosen)][:, found.elsewhere]
    chance = combinations(apart, range(len(apart)), current.shares, current.gain)
    counts = []
    for one in (current, chance):
        near = (np.abs(found.moved - one.predictions()) <= found.error)[:, ~found.still]
        several = current.sets.sum(axis=1) > 1
        alone = near[~several].any(axis=0)
        counts.append((float(near.any(axis=0).mean()), float((near[several].any(axis=0) & ~alone).mean())))
    (hit, joint), (by_chance, joint_by_chance) = counts
    coarse = found.rounding > SINGLE
    if coarse and _likeness(found, current) > _ALIKE:
        return False
    blurred = reproduced(found, current, _BLUR)[~found.still].mean()
    beyond = (hit - by_chance) / max(1.0 - by_chance, 1e-9)
    return (
        beyond >= (_COARSE_EXPLAINED if coarse else _EXPLAINED)
        and joint - joint_by_chance >= _JOINT
        and blurred - hit <= _BLURRED * hit
        and _mixed_share(found, current) >= _MIXED
    )


def _likeness(found: Differences, current: Combinations) -> float:
    """The largest cosine between the chosen candidates' differences."""
    theirs = found.theirs[list(current.chosen)]
    unit = theirs / np.maximum(np.linalg.norm(theirs, axis=1, keepdims=True), 1e-300)
    return float((unit @ unit.T - np.eye(len(unit))).max())


def _mixed_share(found: Differences, current: Combinations) -> float:
    """Share of the tensors in which neither the base nor any one combination gives almost all values."""
    rows = decoded(found, current)
    mixed = []
    for number in np.unique(found.tensors):
        inside = rows[found.tensors == number]
        counts = np.bincount(inside[inside != -2] + 1, minlength=1)
        mixed.append(counts.max(initial=0) < _WHOLE * len(inside))
    return float(np.mean(mixed))


def _mixture(found: Differences, current: Combinations, base: int, near: Sequence[int]) -> Mixture:
    rows = decoded(found, current)
    density, method = dropping(found, current, rows)
    shares = np.array(current.shares)
    if current.gain is not None:
        shares = shares / shares.sum() * current.gain
    weights = shares if method == "TIES" else shares * density
    parents = (*(near[k] for k in current.chosen), base)
    left = float((rows == -2).sum() / max((rows != -1).sum(), 1))
    told = (*map(float, weights), 1.0 - float(weights.sum()))
    return Mixture(parents, told, {}, left, method, density, is_mean=current.gain is not None)
