"""Tensors that hold the same rows, or the same values, in another order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lineage.match.axes import shared_label
from lineage.match.pair_tests import pair_tests
from lineage.match.pairing import LOG10_ALPHA, Pair
from lineage.match.tails import log10_poisson, normal_quantile
from lineage.sketch.family import CODE_BITS, CODE_FAMILIES, PERMUTATIONS
from lineage.sketch.layouts import SAME_SUM, same_sums
from lineage.sketch.remembered import remembered
from lineage.sketch.stacks import by_kind, laid
from lineage.types import CheckpointSketch, TensorSketch

_MIN_DISTINCT = 0.25
"""Least share of distinct values for sums to tell tensors apart: about 0.5 in bfloat16, 0.02 where a tensor has 255
levels. They need fewer levels than values that are compared one by one: four sums must agree to a millionth."""


@dataclass(frozen=True, slots=True)
class Containment:
    """Share of the query's rows that the reference holds, and log10 of the probability of so many by chance."""

    share: float
    log10_p: float


def containment(a: TensorSketch, b: TensorSketch) -> Containment | None:
    """Containment of the rows of `a` in those of `b` from their MinHashes (Broder 1997); None without them.

    Chance: two unrelated rows share a 24-bit code with probability 2**-24.
    """
    if a.minhash is None or b.minhash is None or a.shape[1:] != b.shape[1:]:
        return None
    agreeing = int((a.minhash == b.minhash).sum())
    jaccard = agreeing / PERMUTATIONS
    size_a, size_b = CODE_FAMILIES * a.shape[0], CODE_FAMILIES * b.shape[0]
    chance = CODE_FAMILIES * a.shape[0] * b.shape[0] / 2.0**CODE_BITS / (size_a + size_b)
    share = jaccard / (1.0 + jaccard) * (size_a + size_b) / size_a
    return Containment(min(1.0, share), log10_poisson(agreeing, chance * PERMUTATIONS))


def row_evidence(a: TensorSketch, b: TensorSketch) -> Containment | None:
    """Containment as evidence: only where rows are vectors over an exchangeable axis.

    Rows over data (pixels, tokens, features) may be alike in networks that learned the same thing.
    """
    return containment(a, b) if shared_label(a.part, b.part, 1, transposed=False) is not None else None


def same_values(a: TensorSketch, b: TensorSketch) -> bool:
    """Whether two tensors hold the same values in some order, by their power sums (full depth on both)."""
    return min(a.stats.distinct, b.stats.distinct) >= _MIN_DISTINCT and same_sums(a, b)


def find_reordered(a: CheckpointSketch, b: CheckpointSketch, pairs: list[Pair], models: int) -> list[Pair]:
    """Replace pairs that no alignment explains by pairs that hold the same rows or values in another order.

    Containment counts at 1e-6 after correction for every pair of tensors tried and every model searched.
    """
    by_query = {p.a: p for p in pairs}
    explained = normal_quantile(LOG10_ALPHA)
    alpha = LOG10_ALPHA - np.log10(max(1, len(a.tensors) * len(b.tensors) * models))
    rows = [i for i, t in enumerate(a.tensors) if t.minhash is not None and t.part.excluded is None]
    known = [(i, by_query[i]) for i in rows if i in by_query]
    tests = pair_tests([(a.tensors[i], b.tensors[pair.b], pair.transposed) for i, pair in known])
    told = {i for (i, _), test in zip(known, tests, strict=True) if test is not None and test.z > explained}
    for i, others in _suggested(a, [i for i in rows if i not in told], b):
        for j in others:
            if _holds_the_same(a.tensors[i], b.tensors[j], float(alpha)):
                by_query[i] = Pair(i, j, "rows")
                break
    return sorted(by_query.values(), key=lambda p: p.a)


_Places = NDArray[np.int64]
_TOGETHER = 256  # tensors compared with those of another model at once
_PLACE_BITS = np.uint32(PERMUTATIONS.bit_length() - 1)
_ENDING = 17  # low bits of a key: a table over them fits in the processor's cache
_IS_ENDING = np.uint32((1 << _ENDING) - 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Codes:
    """Places and MinHashes (k, 128) of tensors with rows of one shape; places and power sums (k, 4) of one size.

    `keys` are all row codes of that shape, each with its place among the 128, ascending.
    """

    by_row: dict[tuple[int, ...], tuple[_Places, NDArray[np.uint32]]]
    keys: dict[tuple[int, ...], NDArray[np.uint32]]
    by_size: dict[int, tuple[_Places, NDArray[np.float64]]]


@remembered
def _codes(sketch: CheckpointSketch) -> _Codes:
    rows: dict[tuple[int, ...], list[tuple[int, NDArray[np.uint32]]]] = defaultdict(list)
    sizes: dict[int, list[tuple[int, NDArray[np.float64]]]] = defaultdict(list)
    for j, tensor in enumerate(sketch.tensors):
        if tensor.part.excluded is None and tensor.minhash is not None:
            rows[tensor.shape[1:]].append((j, tensor.minhash))
        if tensor.part.excluded is None and tensor.moments is not None:
            sizes[tensor.params].append((j, tensor.moments))
    by_row = {row: (np.array([j for j, _ in found]), laid([h for _, h in found])) for row, found in rows.items()}
    return _Codes(
        by_row,
        {row: _each_once(_keys(hashes)) for row, (_, hashes) in by_row.items()},
        {size: (np.array([j for j, _ in found]), laid([m for _, m in found])) for size, found in sizes.items()},
    )


def _suggested(
    sketch: CheckpointSketch, places: Sequence[int], other: CheckpointSketch
) -> Iterator[tuple[int, list[int]]]:
    """For each tensor, the ascending places in another model of those with a common row code or equal square sum."""
    tensors = [sketch.tensors[i] for i in places]
    found: list[set[int]] = [set() for _ in places]
    mine, codes = _codes(sketch), _codes(other)
    for some in by_kind([tensor.shape[1:] for tensor in tensors], _TOGETHER):
        row = tensors[some[0]].shape[1:]
        if row in codes.keys and len(shared := mine.keys[row][_are_among(mine.keys[row], codes.keys[row])]):
            asked = laid([h for i in some if (h := tensors[i].minhash) is not None])
            for k in np.flatnonzero(_are_among(_keys(asked), shared).any(axis=1)).tolist():
                numbers, hashes = codes.by_row[row]
                found[some[k]].update(numbers[(hashes == asked[k]).any(axis=1)].tolist())
    summed = [k for k, tensor in enumerate(tensors) if tensor.moments is not None and tensor.params in codes.by_size]
    for of_size in by_kind([tensors[k].params for k in summed], _TOGETHER):
        some = [summed[at] for at in of_size]
        numbers, moments = codes.by_size[tensors[some[0]].params]
        squares = np.array([m[1] for k in some if (m := tensors[k].moments) is not None])[:, None]
        for at, number in np.argwhere(np.abs(moments[:, 1] - squares) <= SAME_SUM * squares).tolist():
            found[some[at]].add(int(numbers[number]))
    yield from ((i, sorted(alike)) for i, alike in zip(places, found, strict=True))


def _keys(hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Row codes (k, 128) with their places among the 128."""
    return hashes << _PLACE_BITS | np.arange(PERMUTATIONS, dtype=np.uint32)


def _each_once(keys: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """All keys sorted and unique, without the masked arrays that `np.unique` imports."""
    ordered = np.sort(keys, axis=None)
    return np.asarray(ordered[np.append(True, ordered[1:] != ordered[:-1])])


def _are_among(keys: NDArray[np.uint32], some: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Which keys are in the sorted array `some`: most are excluded by their low bits, the others are searched."""
    endings = np.zeros(1 << _ENDING, np.bool_)
    endings[some & _IS_ENDING] = True
    found = endings[keys & _IS_ENDING]
    left = keys[found]
    found[found] = some[np.minimum(np.searchsorted(some, left), len(some) - 1)] == left
    return np.asarray(found)


def _holds_the_same(a: TensorSketch, b: TensorSketch, alpha: float) -> bool:
    if same_values(a, b):
        return True
    rows = containment(a, b)
    return rows is not None and rows.log10_p < alpha and rows.share > 0.5
