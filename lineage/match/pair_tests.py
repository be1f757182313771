"""The permutation test of single pairs of tensors, made many at a time."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np

from lineage.match.axes import facing, shared_label
from lineage.match.cache import Latest
from lineage.match.permutation import PermutationTest, standardised_trace
from lineage.match.units import Ready, facing_ready, stacked
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
    return _made.of(pairs, _tested)


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
    found: list[list[PermutationTest]] = [[] for _ in pairs]
    held = [k for k, both in enumerate(ready) if both is not None and len(both[0].positions) >= MIN_UNITS]
    units = [both for both in (ready[k] for k in held) if both is not None]
    # Axes of one role lie at even distances in their stacks, layer by layer.
    kinds = [(pairs[i][0].part.role, axis) for i, axis in (tried[k] for k in held)]
    for k, test in zip(held, _tests(units, kinds), strict=True):
        if test is not None:
            found[tried[k][0]].append(test)
    return found


def _tests(units: Sequence[tuple[Ready, Ready]], kinds: Sequence[Hashable]) -> list[PermutationTest | None]:
    """The test of each two axes; of those of a kind that follow one another in the same two stacks together."""
    found: list[PermutationTest | None] = [None] * len(units)
    stacks = [(id(left.stack), id(right.stack), kind) for (left, right), kind in zip(units, kinds, strict=True)]
    for places in by_kind(stacks, len(stacks)):
        for run in _runs(places, units):
            for k, test in zip(run, _tests_of_run([units[k] for k in run]), strict=True):
                found[k] = test
    return found


def _runs(places: Sequence[int], units: Sequence[tuple[Ready, Ready]]) -> Iterator[list[int]]:
    """The places, in runs of those that lie behind one another in the stacks of both sides, at even distances."""
    run: list[int] = []
    step = 0
    for k in places:
        left, right = units[k]
        if run:
            before, other = units[run[-1]]
            apart = left.place - before.place
            if apart < 1 or apart != right.place - other.place or (len(run) > 1 and apart != step):
                yield run
                run = []
            step = apart
        run.append(k)
    yield run


def _tests_of_run(run: Sequence[tuple[Ready, Ready]]) -> Iterator[PermutationTest | None]:
    """The tests of axes at even distances in the stacks of their sides."""
    units = len(run[0][0].positions)
    if len(run) == 1:
        ((left, right),) = run
        trace, alike, square = (float(np.vdot(x, y)) for x, y in zip(left[1:4], right[1:4], strict=True))
        yield standardised_trace(trace, square, alike, units)
        return
    sides = [stacked([both[side] for both in run]) for side in (0, 1)]
    traces, norms, squares = (
        np.vecdot(x.reshape(len(run), -1), y.reshape(len(run), -1)).tolist() for x, y in zip(*sides, strict=True)
    )
    for trace, square, alike in zip(traces, squares, norms, strict=True):
        yield standardised_trace(trace, square, alike, units)
