"""The permutation test of single pairs of tensors, made many at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from lineage.match.axes import facing, shared_label
from lineage.match.cache import Latest
from lineage.match.permutation import PermutationTest, standardised_trace
from lineage.match.units import Ready, facing_ready
from lineage.sketch.family import MIN_UNITS
from lineage.sketch.stacks import by_kind
from lineage.types import TensorSketch

Sides = tuple[TensorSketch, TensorSketch, bool]
"""Query tensor, reference tensor, and whether one is stored transposed."""

_AXES = (0, 1)  # of a matrix: rows and columns

# Cached: used by pairing, by containment, for inherited tensors and for the report.
_made: Latest[Sides, PermutationTest | None] = Latest(1 << 14)


def pair_z(a: TensorSketch, b: TensorSketch, transposed: bool) -> float | None:
    """Permutation z of one pair of tensors (see `pair_test`)."""
    test = pair_test(a, b, transposed)
    return None if test is None else test.z


def pair_test(a: TensorSketch, b: TensorSketch, transposed: bool) -> PermutationTest | None:
    """Permutation test of one pair of tensors: over the exchangeable axes, or over both, the one nearest to zero.

    None where no axis has enough units.
    """
    key = a, b, transposed
    try:
        return _made[key]
    except KeyError:
        return pair_tests([key])[0]


def pair_tests(pairs: Sequence[Sides]) -> list[PermutationTest | None]:
    """The tests of many pairs, faster than one at a time."""
    known = {pair: _made[pair] for pair in pairs if pair in _made}
    new = [pair for pair in dict.fromkeys(pairs) if pair not in known]
    if new:
        made = dict(zip(new, _tested(new), strict=True))
        _made.keep(made.items())
        known |= made
    return [known[pair] for pair in pairs]


def pair_tests_above(pairs: Sequence[Sides], least: Sequence[float]) -> list[PermutationTest | None]:
    """The tests of those pairs whose z exceeds a bound (0 or more) each, None for the others.

    A pair near zero along one axis is not tested along the other.
    """
    first = [min(_free(*pair) or _AXES, key=lambda axis: _differs(*pair, axis)) for pair in pairs]
    seen = _along(pairs, [(axis,) for axis in first])
    left = [i for i, tests in enumerate(seen) if not tests or abs(tests[0].z) > least[i]]
    found: list[PermutationTest | None] = [None] * len(pairs)
    for i, test in zip(left, pair_tests([pairs[i] for i in left]), strict=True):
        found[i] = test if test is not None and test.z > least[i] else None
    return found


def _free(a: TensorSketch, b: TensorSketch, turned: bool) -> list[int]:
    """The axes whose units may be relabelled."""
    return [axis for axis in _AXES if shared_label(a.part, b.part, axis, turned) is not None]


def _differs(a: TensorSketch, b: TensorSketch, turned: bool, axis: int) -> bool:
    """Whether an axis has another length in the reference, so that common units must be selected first."""
    return a.shape[axis] != b.shape[facing(axis, turned)]


def _tested(pairs: Sequence[Sides]) -> list[PermutationTest | None]:
    free = [_free(*pair) for pair in pairs]
    found = _along(pairs, free)
    # If no exchangeable axis can be tested, both axes are.
    lost = [i for i, tests in enumerate(found) if not tests and len(free[i]) < len(_AXES)]
    for i, tests in zip(lost, _along([pairs[i] for i in lost], [_AXES] * len(lost)), strict=True):
        found[i] = tests
    return [min(tests, key=lambda test: abs(test.z), default=None) for tests in found]


def _along(pairs: Sequence[Sides], axes: Sequence[Iterable[int]]) -> list[list[PermutationTest]]:
    """The tests of each pair along each of its axes that has enough units on both sides."""
    tried = [(i, axis) for i, chosen in enumerate(axes) for axis in chosen]
    ready = facing_ready([(a, axis, b, facing(axis, turned)) for i, axis in tried for a, b, turned in [pairs[i]]])
    facing_units = {k: both for k, both in enumerate(ready) if both is not None and len(both[0].positions) >= MIN_UNITS}
    found: list[list[PermutationTest]] = [[] for _ in pairs]
    for k, test in zip(facing_units, _tests([*facing_units.values()]), strict=True):
        if test is not None:
            found[tried[k][0]].append(test)
    return found


def _tests(facing_units: Sequence[tuple[Ready, Ready]]) -> list[PermutationTest | None]:
    """The test of each two axes; of those that follow one another in the same two stacks together."""
    found: list[PermutationTest | None] = [None] * len(facing_units)
    stacks = [(id(left.stack), id(right.stack)) for left, right in facing_units]
    for places in by_kind(stacks, len(stacks)):
        for run in _runs(places, facing_units):
            for k, test in zip(run, _tests_of_run(*facing_units[run[0]], len(run)), strict=True):
                found[k] = test
    return found


def _runs(places: Sequence[int], facing_units: Sequence[tuple[Ready, Ready]]) -> Iterator[list[int]]:
    """The places, in runs of those that lie behind one another in the stacks of both sides."""
    run: list[int] = []
    behind = (-1, -1)
    for k in places:
        left, right = facing_units[k]
        if run and (left.place, right.place) != behind:
            yield run
            run = []
        run.append(k)
        behind = left.place + 1, right.place + 1
    yield run


def _tests_of_run(left: Ready, right: Ready, count: int) -> Iterator[PermutationTest | None]:
    """The tests of `count` axes from these two on, in their stacks."""
    if count == 1:
        trace, alike, square = (float(np.vdot(x, y)) for x, y in zip(left[1:4], right[1:4], strict=True))
        yield standardised_trace(trace, square, alike, len(left.positions))
        return
    sides = [[array[one.place : one.place + count].reshape(count, -1) for array in one.stack] for one in (left, right)]
    traces, norms, squares = (np.vecdot(x, y).tolist() for x, y in zip(*sides, strict=True))
    for trace, square, alike in zip(traces, squares, norms, strict=True):
        yield standardised_trace(trace, square, alike, len(left.positions))
