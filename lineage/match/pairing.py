"""The tensor map between two models: first by structure, without using values; then by content, with a correction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lineage.match.blocks import Block
from lineage.match.depthwise import candidates, kernels
from lineage.match.experts import facing_experts
from lineage.match.layers import Facing, facing_layers
from lineage.match.pair_tests import Sides, pair_tests, pair_tests_above, pair_z
from lineage.match.structure import by_name_or_part, by_shape, orientation
from lineage.match.tails import normal_quantile
from lineage.match.values import MIN_DISTINCT
from lineage.sketch.layouts import correspondence
from lineage.sketch.remembered import remembered
from lineage.sketch.vectors import search_vectors, searchable, turned_vectors
from lineage.types import CheckpointSketch, TensorSketch

LOG10_ALPHA = -6.0
"""Corrected significance, log10, from which common descent is reported: one false report in a million searches."""

_TRIES = 3  # reference tensors tried for each query tensor, the nearest by vector first
_NEAR = 0.2  # cosine below which the vectors are not evidence (their error is 1/16)
_STRONG = 12.0  # z from which a pair is not searched again
_PLAINLY = 1.0  # z by which another must be better: two copies of one matrix differ in the last bits


@dataclass(frozen=True, slots=True)
class Pair:
    """Query tensor `a` paired with reference tensor `b` (indices), and how they were paired."""

    a: int
    b: int
    how: Literal["structure", "content", "rows"]
    transposed: bool = False


def pair_tensors(a: CheckpointSketch, b: CheckpointSketch, models: int) -> list[Pair]:
    """Map the tensors of query `a` to those of reference `b`.

    Structural pairs (equal name; equal role and layer) do not look at values, so they cost no significance. Then whole
    layers and experts are mapped, which moves all their tensors at once (see `facing_layers` and `facing_experts`).
    Tensors of equal digest are paired next (chance makes no such pair), and what is left then by equal shape in the
    same order. Any other content pair replaces one only if its own permutation z passes at 1e-6 after correction for
    every pair of tensors of the two models and for `models` searched: choosing the best of many would otherwise make
    evidence out of noise. Vectors, which are not evidence, follow the matrix of their module in the end.
    """
    tried = len(searchable(a)) * len(searchable(b)) * models
    tried += len(kernels(a)) * len(kernels(b)) * models
    threshold = normal_quantile(LOG10_ALPHA - float(np.log10(max(1, 2 * tried))))
    pairs = {i: Pair(i, j, "structure", transposed) for i, j, transposed in by_name_or_part(a, b)}
    alone = _by_layers(a, b, pairs, threshold)
    pairs |= _by_digest(a, b, pairs)
    left = by_shape(a, b, pairs.keys() | alone, {pair.b for pair in pairs.values()})
    pairs |= {i: Pair(i, j, "structure", transposed) for i, j, transposed in left}
    pairs |= _by_content(a, b, pairs, threshold)
    pairs |= _of_kernels(a, b, pairs, threshold)
    pairs |= _beside_matrices(a, b, pairs)
    return sorted(pairs.values(), key=lambda p: p.a)


def pairs_of_copies(a: CheckpointSketch, b: CheckpointSketch) -> list[Pair] | None:
    """Pairs of equal tensors that cover both models; None if the two are not copies of each other."""
    same = correspondence(a, b)
    if same is None:
        return None
    named = {(one.a, one.b) for one in same if not one.turned and a.tensors[one.a].name == b.tensors[one.b].name}
    return [Pair(s.a, s.b, "structure" if (s.a, s.b) in named else "content", s.turned) for s in same]


def _by_layers(a: CheckpointSketch, b: CheckpointSketch, pairs: dict[int, Pair], threshold: float) -> set[int]:
    """Update `pairs` for layers whose counterpart changed; returns the tensors of layers without a counterpart."""
    alone: set[int] = set()
    for layers in facing_layers(a, b, threshold):
        if layers.moved:
            for i in layers.a.places():
                pairs.pop(i, None)
        if layers.b is None:
            alone.update(layers.a.places())
            continue
        if layers.moved:
            pairs |= _moved(a, b, layers.a, layers.b)
        pairs |= _experts(a, b, layers, threshold, pairs)
    return alone


def _moved(a: CheckpointSketch, b: CheckpointSketch, left: Block, right: Block) -> dict[int, Pair]:
    """Pairs of all tensors of a layer with those of its counterpart."""
    found = [(a.tensors[i], b.tensors[j], i, j) for i, j in _facing_tensors(left, right)]
    turned = any(orientation(mine, theirs, turned=False) for mine, theirs, _, _ in found)
    ways = [(i, j, orientation(mine, theirs, turned)) for mine, theirs, i, j in found]
    return {i: Pair(i, j, "content", transposed) for i, j, transposed in ways if transposed is not None}


def _facing_tensors(left: Block, right: Block) -> Iterator[tuple[int, int]]:
    """Places of tensors with the same name in two layers, or with the same role and rank."""
    names = {place: path for path, place in left.paths.items()}
    taken = {right.paths[path] for path in left.paths.keys() & right.paths.keys()}
    for role, place in left.roles.items():
        other = right.paths.get(names[place])
        if other is None and right.roles.get(role) not in taken:
            other = right.roles.get(role)
        if other is not None:
            yield place, other


def _experts(
    a: CheckpointSketch, b: CheckpointSketch, layers: Facing, threshold: float, known: Mapping[int, Pair]
) -> dict[int, Pair]:
    """Pairs of the matrices of experts; an MLP that structure has paired (with a shared expert) keeps its partner."""
    found: dict[int, Pair] = {}
    for i, j, chosen in facing_experts(a, b, layers, threshold):
        if i in known and (known[i].b == j or not chosen):
            continue
        transposed = orientation(a.tensors[i], b.tensors[j], turned=False)
        if transposed is not None:
            found[i] = Pair(i, j, "content" if chosen or layers.moved else "structure", transposed)
    return found


def _by_digest(a: CheckpointSketch, b: CheckpointSketch, known: dict[int, Pair]) -> dict[int, Pair]:
    """Pairs of equal content whose partner so far, if any, is another tensor."""
    holders = _holders(b)
    if _digests(a).isdisjoint(holders):
        return {}
    found = {}
    for i, tensor in enumerate(a.tensors):
        same = holders.get(tensor.band_digest, ()) if tensor.part.excluded is None else ()
        if same and (i not in known or known[i].b not in same):
            found[i] = Pair(i, same[0], "content")
    return found


@remembered
def _holders(sketch: CheckpointSketch) -> Mapping[str, list[int]]:
    """The places of the tensors of each content whose values are mostly distinct."""
    holders: dict[str, list[int]] = {}
    for j, tensor in enumerate(sketch.tensors):
        if tensor.part.excluded is None and tensor.stats.distinct >= MIN_DISTINCT:
            holders.setdefault(tensor.band_digest, []).append(j)
    return holders


@remembered
def _digests(sketch: CheckpointSketch) -> frozenset[str]:
    return frozenset(tensor.band_digest for tensor in sketch.tensors if tensor.part.excluded is None)


def _by_content(a: CheckpointSketch, b: CheckpointSketch, known: dict[int, Pair], threshold: float) -> dict[int, Pair]:
    held = _held(a, b, known, searchable(a))
    open_ = [i for i, z in held.items() if z <= _STRONG]
    if not open_:
        return {}
    tried = list(_near(a, b, open_))
    tests = pair_tests_above(
        [_sides(a, b, pair) for pair in tried], [max(threshold, held[p.a] + _PLAINLY) for p in tried]
    )
    found: dict[int, Pair] = {}
    for pair, test in zip(tried, tests, strict=True):
        if test is not None and test.z > held[pair.a] + _PLAINLY:
            found[pair.a], held[pair.a] = pair, test.z
    return found


def _near(a: CheckpointSketch, b: CheckpointSketch, places: Sequence[int]) -> Iterator[Pair]:
    """The reference tensors whose vectors are nearest to those of some of the query's, nearest first."""
    theirs, mine = search_vectors(b), search_vectors(a)
    if not theirs.places:
        return
    vectors = mine.rows[np.searchsorted(mine.places, places)]
    scores = np.concatenate([vectors @ theirs.rows.T, vectors @ turned_vectors(b).rows.T], axis=1)
    rows, columns = np.nonzero(scores >= _NEAR)
    order = np.lexsort((-scores[rows, columns], rows))
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)  # of each in its row, once they are in order
    for row, column in zip(rows[order[rank < _TRIES]].tolist(), columns[order[rank < _TRIES]].tolist(), strict=True):
        i, j, transposed = places[row], theirs.places[column % len(theirs.places)], column >= len(theirs.places)
        # A kernel's places have no counterpart in the other orientation.
        if not transposed or max(len(a.tensors[i].shape), len(b.tensors[j].shape)) <= 2:
            yield Pair(i, j, "content", transposed)


def _of_kernels(a: CheckpointSketch, b: CheckpointSketch, known: dict[int, Pair], threshold: float) -> dict[int, Pair]:
    """Pairs of depthwise kernels that are better than those made by order."""
    found: dict[int, Pair] = {}
    for i, others in candidates(a, b):
        held = _held(a, b, known, [i])[i]
        for j in others if held <= _STRONG else ():
            z = pair_z(a.tensors[i], b.tensors[j], transposed=False)
            if z is not None and z > max(threshold, held + _PLAINLY):
                found[i], held = Pair(i, j, "content"), z
    return found


def _beside_matrices(a: CheckpointSketch, b: CheckpointSketch, known: Mapping[int, Pair]) -> dict[int, Pair]:
    """Vectors that structure paired with another module than their matrix's, each with the one of that module.

    `conv1.bias` goes where `conv1.weight` went, and not to layer 1 of a model that counts from 0. What a vector holds
    is not examined.
    """
    theirs = {tensor.name: j for j, tensor in enumerate(b.tensors)}
    modules = {
        _module(a.tensors[i]): _module(b.tensors[pair.b]) for i, pair in known.items() if _is_matrix(a.tensors[i])
    }
    found = {}
    for i, tensor in enumerate(a.tensors):
        module = modules.get(_module(tensor)) if len(tensor.shape) == 1 and tensor.part.excluded is None else None
        pair = known.get(i)
        if module is None or (pair is not None and (pair.how != "structure" or _module(b.tensors[pair.b]) == module)):
            continue
        j = theirs.get(f"{module}.{tensor.name.rpartition('.')[2]}")
        if j is not None and b.tensors[j].shape == tensor.shape and b.tensors[j].part.excluded is None:
            found[i] = Pair(i, j, "structure")
    return found


def _module(tensor: TensorSketch) -> str:
    return tensor.name.rpartition(".")[0]


def _is_matrix(tensor: TensorSketch) -> bool:
    return len(tensor.shape) > 1 and "." in tensor.name


def _held(
    a: CheckpointSketch, b: CheckpointSketch, known: Mapping[int, Pair], places: Sequence[int]
) -> dict[int, float]:
    """The z of the present pairs of some tensors of the query, 0 for unpaired ones."""
    pairs = {i: known[i] for i in places if i in known}
    tests = pair_tests([_sides(a, b, pair) for pair in pairs.values()])
    z = {i: 0.0 if test is None else test.z for i, test in zip(pairs, tests, strict=True)}
    return {i: z.get(i, 0.0) for i in places}


def _sides(a: CheckpointSketch, b: CheckpointSketch, pair: Pair) -> Sides:
    return a.tensors[pair.a], b.tensors[pair.b], pair.transposed
