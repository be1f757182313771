"""Models that are another model rounded to a narrower type or to few levels, and the models trained from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.geometry import Cohort, held_share
from lineage.ancestry.merge.mixtures import COPY
from lineage.ancestry.pair.blurred import blurred, blurred_misses
from lineage.ancestry.pair.changes import TOKEN_ROLES
from lineage.ancestry.pair.compensated import compensated_misses
from lineage.ancestry.pair.first_looks import look
from lineage.ancestry.pair.lattices import has_fewer_values, lattice, steps
from lineage.ancestry.pair.narrow_types import HALVES, are_roundings, rounded
from lineage.ancestry.pair.recast import is_cast_between_halves
from lineage.ancestry.vectors import STORED, share_moved, vectors, vectors_apart
from lineage.sketch.remembered import remembered
from lineage.store.cache_in_use import on_disk
from lineage.types import CheckpointSketch, TensorSketch

_NEAREST = 8  # models nearest to a copy that are tried as its source
_SURELY = 8.0  # standard errors by which an inherited error must lie off 0
_WHOLE = 0.1  # how far the share of an inherited error may lie off 1, since training goes on
_LEVELS = 0.1  # greatest squared distance to a source: 15 levels a row with few outliers stay below
_MOST = 0.8  # least share of the matrices, by size, that must be rounded: the levels of some may be missed
_A_FEW = 0.05  # share of the norms and biases that may differ by more than rounding, as in `computable`
_FEW = 64  # values, or rows, of a quick test
_PLACES = 9  # decimals to which sums of squared distances do not hang on the order of the models
_AS_GOOD = 5e-4  # difference in the share of values on another level that counts as a tie


def roundings(cohort: Cohort, sketches: Sequence[CheckpointSketch]) -> dict[int, int]:
    """Maps each model that is an exact rounding of another of its structure to that one (positions in `sketches`)."""
    if len(cohort.members) < 2:
        return {}
    matrices = [_matrices(sketches[member]) for member in cohort.members]
    values = [np.concatenate([t.values.reshape(-1) for t in held]) for held in matrices]
    held_vectors = [vectors(sketches[member]) for member in cohort.members]
    moved = vectors_apart(held_vectors)
    names = [sketches[member].id for member in cohort.members]
    look.of(tensor for held in matrices for tensor in held)
    on_levels = [_is_on_levels(sketches[member], held) for member, held in zip(cohort.members, matrices, strict=True)]
    squares = (cohort.points**2).sum(axis=1)
    squared_distances = squares[:, None] + squares - 2 * cohort.points @ cohort.points.T
    found: dict[int, int] = {}
    for i, copy in enumerate(cohort.members):
        squared = squared_distances[i]
        left_off: dict[int, float] = {}
        for j in np.argsort(squared)[:_NEAREST].tolist():
            if j == i or squared[j] > (_LEVELS if on_levels[i] else COPY):
                continue
            if share_moved(held_vectors[i], held_vectors[j]) > _A_FEW:  # a sibling with the source's matrices
                continue
            if np.array_equal(values[i], values[j]):
                pairs = zip(matrices[i], matrices[j], strict=True)
                left_off |= {j: 0.0} if any(is_cast_between_halves(*pair) for pair in pairs) else {}
            elif _is_narrowed(values[i], values[j]):
                left_off[j] = 0.0
            elif on_levels[i] and not on_levels[j]:
                left = _off_levels(matrices[i], matrices[j])
                left_off |= {} if left is None else {j: left}
        if left_off:
            least = min(left_off.values())
            as_good = [j for j, left in left_off.items() if left <= least + _AS_GOOD]
            # Of models with equal matrices, of which only norms or biases were trained, the one with its vectors.
            nearest = min(moved[i, j] for j in as_good)
            as_good = [j for j in as_good if moved[i, j] <= nearest + STORED]
            # A model lies nearer to all the others than a copy of it with noise does.
            around = {j: (round(float(squared_distances[j].sum()), _PLACES), names[j]) for j in as_good}
            found[copy] = cohort.members[min(as_good, key=lambda j: around[j])]
    return {copy: finer for copy, finer in found.items() if finer not in found or found[finer] != copy}


def heirs(
    cohort: Cohort, sources: Mapping[int, int], sketches: Sequence[CheckpointSketch]
) -> dict[int, frozenset[int]]:
    """For each rounded copy, the models that hold its rounding error and so descend from it (positions in `sketches`).

    The error is independent of training: a model trained from the copy holds all of it, one trained from the finer
    model none. The share is that of the error in the model's difference from the finer model, by least squares. Most
    values of a model and of a light fine-tune of it are rounded alike: of copies of both, the nearer is taken. A model
    with other values on levels was itself rounded, perhaps from a model that is not in the index.
    """
    place = {member: i for i, member in enumerate(cohort.members)}
    copies = {copy: finer for copy, finer in sources.items() if copy in place}
    away = np.full((len(place), len(copies)), np.inf)
    for column, (copy, finer) in enumerate(sorted(copies.items())):
        origin, own = cohort.points[place[finer]], cohort.points[place[copy]]
        error = own - origin
        if not error.any():
            continue
        shares, errors = held_share(error, cohort.points - origin)
        inherits = (np.abs(shares - 1.0) < np.maximum(_WHOLE, 3 * errors)) & (shares > _SURELY * errors)
        inherits[[place[model] for model in copies]] = False
        for row in np.flatnonzero(inherits).tolist():
            inherits[row] = not _is_on_other_levels(sketches[cohort.members[row]], sketches[copy])
        away[inherits, column] = ((cohort.points[inherits] - own) ** 2).sum(axis=1)
    nearest = {member: int(np.argmin(row)) for member, row in zip(place, away, strict=True) if np.isfinite(row).any()}
    return {
        copy: frozenset(member for member, chosen in nearest.items() if chosen == column)
        for column, copy in enumerate(sorted(copies))
    }


@remembered
def _matrices(sketch: CheckpointSketch) -> list[TensorSketch]:
    ordered = sorted(sketch.tensors, key=lambda t: (t.part.component, t.part.role, t.part.layer or -1, t.shape, t.name))
    return [t for t in ordered if len(t.shape) > 1 and t.part.excluded is None]


def _off_levels(copy: Sequence[TensorSketch], finer: Sequence[TensorSketch]) -> float | None:
    """Share of the values for which rounding the finer model gives another level; None if `copy` is not its rounding.

    Most matrices by size must be the finer model's: equal, or rounded to the copy's type or levels. A matrix that lies
    on levels and is not a rounding of the finer model's was rounded from another model: a sibling of the source, or the
    source with a token table trained further, equals the source in all other matrices. Nor is a copy told from one with
    another matrix that lies on no levels, since either may have been trained: a head, a table of positions, a router.
    """
    total, off, on_level, missed = sum(mine.params for mine in copy), 0.0, 0, 0
    rough: list[tuple[TensorSketch, TensorSketch]] = []
    for mine, other in zip(copy, finer, strict=True):
        left = 0.0 if _is_recast(mine, other) else _misses(mine, other)
        if left is not None:
            off, on_level = off + left * mine.params, on_level + mine.params
        elif lattice(mine) is not None and not has_levels(other):
            rough.append((mine, other))
        elif has_levels(mine):
            return None
        elif has_fewer_values(mine.values, other.values):
            missed += mine.params
        elif mine.part.role in TOKEN_ROLES or not are_roundings(mine.values, other.values):
            return None
        else:
            missed += mine.params
    if rough:
        left = compensated_misses(rough)
        if left is None:
            return None
        size = sum(mine.params for mine, _ in rough)
        off, on_level = off + left * size, on_level + size
    if missed >= (1.0 - _MOST) * total:
        return None
    return off / max(1, on_level)


def _is_on_other_levels(model: CheckpointSketch, copy: CheckpointSketch) -> bool:
    """Whether most matrices that differ from the copy's lie on levels, which training would have left."""
    pairs = zip(_matrices(model), _matrices(copy), strict=True)
    moved = [mine for mine, other in pairs if not np.array_equal(mine.values, other.values)]
    return 2 * sum(has_levels(mine) for mine in moved) > len(moved)


def _is_recast(mine: TensorSketch, other: TensorSketch) -> bool:
    return np.array_equal(mine.values, other.values) or _is_narrowed(mine.values, other.values)


def _is_narrowed(coarse: NDArray[np.float32], fine: NDArray[np.float32]) -> bool:
    few = slice(_FEW)  # enough to exclude nearly all others
    return any(
        np.array_equal(coarse[few], rounded(fine[few], scheme)) and np.array_equal(coarse, rounded(fine, scheme))
        for scheme in HALVES
    )


def is_rounded(sketch: CheckpointSketch) -> bool:
    """Whether most matrices of a model, by size, lie on few levels: training moves them off these."""
    matrices = _matrices(sketch)
    size = sum(tensor.params for tensor in matrices)
    return size > 0 and sum(tensor.params for tensor in matrices if has_levels(tensor)) >= _MOST * size


def has_levels(tensor: TensorSketch) -> bool:
    """Whether a matrix lies on few levels, exact or blurred."""
    return lattice(tensor) is not None or blurred(tensor) is not None


def _is_on_levels(model: CheckpointSketch, matrices: Sequence[TensorSketch]) -> bool:
    """Whether a matrix of a model lies on few levels: of known models that is kept, since all values are looked at."""
    cache = on_disk.get()
    kept = None if cache is None else cache.is_on_levels(model)
    if kept is not None:
        return kept
    found = any(map(has_levels, matrices))
    if cache is not None:
        cache.note_levels(model, found)
    return found


def _misses(mine: TensorSketch, other: TensorSketch) -> float | None:
    x, y = mine.values, other.values
    if lattice(mine) is not None:
        return steps(mine).misses(x, y) if lattice(other) is None else None
    levels = blurred(mine)
    return None if levels is None else blurred_misses(levels, x, y)
