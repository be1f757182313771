"""Evidence from paired tensors: agreement summed over shared axes, combined over groups, corrected for the search."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lineage.match.cache import by_name
from lineage.match.containment import Containment, find_reordered, row_evidence
from lineage.match.groups import Group, Key, Sides, groups, joined
from lineage.match.packing import Packed, in_one_packing
from lineage.match.pair_correlations import cosines, pair_correlations
from lineage.match.pair_tests import pair_tests
from lineage.match.pairing import LOG10_ALPHA, Pair, pair_tensors, pairs_of_copies
from lineage.match.permutation import POWER_Z, PermutationTest
from lineage.match.tails import log10_factorial, log10_normal, log10_poisson, normal_quantile
from lineage.match.units import prepare
from lineage.match.unread import read_by_both
from lineage.match.values import Agreement, common_values, equal_values
from lineage.types import CheckpointSketch, Evidence, TensorMatch, TensorSketch
from lineage.types.facts.exclusions import Exclusion, FixedTable, OtherOrder, Vector


@dataclass(frozen=True, slots=True)
class Match:
    """A query against one reference: the tensor map and, for each component of the query, the evidence.

    `a` and `b` are the two in one packing: tensors fused in one model only are joined in the other. `is_copy` says that
    each holds all the other's values, whatever their names, orientation and packing; `reordered` are the names of the
    query's tensors whose rows were put in the reference's order; `mine` and `theirs` are the tensors of both by name.
    """

    a: CheckpointSketch
    b: CheckpointSketch
    pairs: tuple[Pair, ...]
    tensors: tuple[TensorMatch, ...]
    components: dict[str, Evidence]
    overall: Evidence
    is_copy: bool = False
    reordered: frozenset[str] = frozenset()
    mine: Mapping[str, TensorSketch] = field(default_factory=dict, repr=False)
    theirs: Mapping[str, TensorSketch] = field(default_factory=dict, repr=False)

    def sides(self, held: TensorMatch) -> tuple[TensorSketch, TensorSketch]:
        """The two tensors of a pair of this match."""
        return self.mine[held.a], self.theirs[held.b]


@dataclass(frozen=True, slots=True)
class Measured:
    """A pair with its correlation, the cosine of its values and, if it counts as evidence, equal values and rows."""

    pair: Pair
    why_not: Exclusion | None
    r: float | None
    cosine: float | None
    values: Agreement | None = None
    rows: Containment | None = None


def match(a: CheckpointSketch, b: CheckpointSketch, models: int = 1) -> Match:
    """Match query `a` with reference `b`; `models` is the number of models searched."""
    copied = pairs_of_copies(a, b)
    prepare(a, b)
    packed = in_one_packing(a, b, models) if copied is None else Packed(a, b)
    if packed.a is not a or packed.b is not b:
        a, b = read_by_both(packed.a, packed.b)  # again: tensors that one could not read may now be joined
        copied = pairs_of_copies(a, b)
        prepare(a, b)
    pairs = find_reordered(a, b, pair_tensors(a, b, models), models) if copied is None else copied
    measured = _measured(a, b, pairs)
    names = list(dict.fromkeys(t.part.component for t in a.tensors if t.part.excluded is None))
    by_component: dict[str, list[Measured]] = {name: [] for name in names}
    for one in measured:
        by_component[a.tensors[one.pair.a].part.component].append(one)
    hypotheses = models * max(1, len(names))
    tests = {name: groups(_sides(a, b, found)) for name, found in by_component.items()}
    components = {name: _gather((a, b), by_component[name], tests[name], hypotheses, (name,)) for name in names}
    overall = _gather((a, b), measured, joined(tests.values()), hypotheses, names, unread=a.unread)
    described = tuple(_described(a, b, measured))
    is_copy = copied is not None
    named = by_name(a), by_name(b)
    return Match(a, b, tuple(pairs), described, components, overall, is_copy, packed.reordered, *named)


def _gather(
    both: tuple[CheckpointSketch, CheckpointSketch],
    measured: Sequence[Measured],
    grouped: Mapping[Key, Group],
    hypotheses: int,
    components: Iterable[str],
    *,
    unread: int = 0,
) -> Evidence:
    """Evidence of the paired tensors of some components of the query, whose agreement by shared axis is `grouped`.

    `unread` counts values that belong to them too, and were not read. Only matrices enter: gains and biases agree
    between any two networks. Tensors that share an exchangeable axis share one relabelling, so their agreement is added
    before the test; the groups' z are combined by Stouffer. Matrices whose rows the reference holds in another order
    are a third statistic.
    """
    a, b = both
    used = [m for m in measured if m.why_not is None]
    rows = [m.rows for m in measured if m.rows is not None]
    tests = [test for group in grouped.values() if (test := group.test()) is not None]
    counts = _distinct_counts(a, b, used)
    covered = [m.pair for m in measured if m.why_not is None or m.rows is not None]
    names = set(components)
    params = unread + sum(t.params for t in a.tensors if t.part.component in names and t.part.excluded is None)
    z = sum(t.z for t in tests) / math.sqrt(len(tests)) if tests else None
    agreeing, compared = sum(c.agreeing for c in counts), sum(c.compared for c in counts)
    expected = sum(c.expected for c in counts)
    # Three statistics, over every model and component; rows also over every pair of matrices that was tried.
    correction = math.log10(3 * hypotheses)
    by_rows = min((c.log10_p for c in rows), default=0.0)
    by_rows = min(0.0, by_rows + math.log10(max(1, len(a.tensors) * len(b.tensors))))
    by_permutation = 0.0
    if z is not None and z > 0:
        by_permutation = max(log10_normal(z), -sum(log10_factorial(t.units) for t in tests))
    weighted = [(a.tensors[m.pair.a].params, m.r) for m in used if m.r is not None]
    weight = sum(w for w, _ in weighted)
    return Evidence(
        r=sum(w * r for w, r in weighted) / weight if weight else None,
        z=z,
        groups=len(tests),
        agreeing=agreeing,
        compared=compared,
        expected=expected,
        log10_p=min(0.0, min(by_permutation, log10_poisson(agreeing, expected), by_rows) + correction),
        coverage=min(1.0, sum(a.tensors[p.a].params for p in covered) / params) if params else 0.0,
        min_detectable_r=_min_detectable(tests, correction),
        hypotheses=hypotheses,
        contained=max((c.share for c in rows), default=None),
    )


def why_not(a: TensorSketch, b: TensorSketch) -> Exclusion | None:
    """Why a pair of tensors is left out of the evidence, or None.

    Vectors are left out whatever they are called: gains and biases agree between any two networks, and a
    row of constants fitted to the same data (reference energies of elements) is equal in independent ones.
    """
    if excluded := a.part.excluded or b.part.excluded:
        return excluded
    if a.params in a.shape or len(a.shape) < 2 or a.part.role in ("norm", "bias"):
        return Vector()
    if a.stats.std == 0 or b.stats.std == 0:
        return FixedTable("constant")
    return None


def _sides(a: CheckpointSketch, b: CheckpointSketch, measured: Sequence[Measured]) -> list[Sides]:
    used = [m.pair for m in measured if m.why_not is None]
    return [(a.tensors[p.a], b.tensors[p.b], p.transposed) for p in used]


def _distinct_counts(a: CheckpointSketch, b: CheckpointSketch, used: Sequence[Measured]) -> list[Agreement]:
    """Counts of equal values, those of equal tensors once: copied layers and experts repeat a coincidence."""
    found: dict[tuple[str, str], Agreement] = {}
    for m in used:
        if m.values is not None:
            found.setdefault((a.tensors[m.pair.a].band_digest, b.tensors[m.pair.b].band_digest), m.values)
    return list(found.values())


def _min_detectable(tests: Sequence[PermutationTest], correction: float) -> float | None:
    """Smallest r that would have passed with 99% power; z grows in proportion to r, by `reach` at r = 1."""
    if not tests:
        return None
    reach = sum(t.reach for t in tests) / math.sqrt(len(tests))
    needed = normal_quantile(LOG10_ALPHA - correction) + POWER_Z
    return min(1.0, needed / reach) if reach > 0 else None


def _measured(a: CheckpointSketch, b: CheckpointSketch, pairs: Sequence[Pair]) -> list[Measured]:
    sides = [(a.tensors[pair.a], b.tensors[pair.b], pair.transposed) for pair in pairs]
    reasons = [
        why_not(left, right) or (OtherOrder() if pair.how == "rows" else None)
        for pair, (left, right, _) in zip(pairs, sides, strict=True)
    ]
    values = [common_values(*one) for one in sides]
    used = [i for i, reason in enumerate(reasons) if reason is None]
    by_place = dict(zip(used, equal_values([sides[i] for i in used]), strict=True))
    return [
        Measured(
            pair,
            reason,
            r,
            cosine,
            by_place.get(i),
            row_evidence(left, right) if reason == OtherOrder() else None,
        )
        for i, (pair, (left, right, _), reason, r, cosine) in enumerate(
            zip(pairs, sides, reasons, pair_correlations(sides), cosines(values), strict=True)
        )
    ]


def _described(a: CheckpointSketch, b: CheckpointSketch, measured: Sequence[Measured]) -> Iterator[TensorMatch]:
    tests = pair_tests(
        [(a.tensors[m.pair.a], b.tensors[m.pair.b], m.pair.transposed) for m in measured if m.why_not is None]
    )
    tested = iter(tests)
    for one in measured:
        pair = one.pair
        left, right = a.tensors[pair.a], b.tensors[pair.b]
        test = next(tested) if one.why_not is None else None
        z = None if test is None else test.z
        if len(left.shape) == 1 and one.r is not None:
            z = one.r * math.sqrt(common_values(left, right, pair.transposed)[0].size - 1)
        yield TensorMatch(
            a=left.name,
            b=right.name,
            role=left.part.role,
            component=left.part.component,
            layers=(left.part.layer, right.part.layer),
            shape=left.shape,
            how=pair.how,
            transposed=pair.transposed,
            r=one.r,
            cosine=one.cosine,
            z=z,
            used=one.why_not is None,
            why_not=one.why_not,
        )
