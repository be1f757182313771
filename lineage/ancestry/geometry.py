"""Models of one structure as points: distances, angles and sums from the values sampled in every sketch."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.projection import constant_unit
from lineage.sketch.remembered import remembered
from lineage.sketch.stacks import by_kind, laid
from lineage.sketch.vectors import units_of
from lineage.types import CheckpointSketch, TensorSketch

_NEARLY_ONE = 0.99  # correlation above which the int8 rounding of unit vectors matters
BY_TOKEN = ("token-embedding", "head")
TABLE = 0.1  # weight of token tables: descendants often have them reordered, rebuilt or reinitialised
_NO_STEP = 1e-9  # -log r of equal values, up to float32 rounding
_TOGETHER = 32  # tensors of all members processed at once: they fit in the processor's cache
FLOOR = 0.03  # a correlation that noise alone gives; smaller ones are raised to it

Points = NDArray[np.float64]
Key = tuple[str, str, int | None, tuple[int, ...], int]


@dataclass(frozen=True, slots=True)
class Cohort:
    """Sketches whose matrices correspond one by one, as points of one space.

    `members` are positions in the list given to `cohorts`; `keys` identifies each tensor. Row i of `points` (members,
    dims) float64 holds the sampled values of member i, each tensor divided by its typical standard deviation and
    weighted so that the squared length of a difference is a share of all parameters: the squared distance is about 2
    for unrelated models and about 2 (1 - r) for a fine-tune with correlation r. `layers` (dims,) is each coordinate's
    layer, -1 outside layers; `tensors` (dims,) is the number of its tensor; `scales` (tensors,) are the factors by
    which values were multiplied. `apart` (tensors, members, members) float32 is -log r tensor by tensor, and `sizes`
    (tensors,) are the parameters, reduced for token tables. Correlations multiply along a path of training, whether it
    adds to the weights or lets them decay, so this distance adds up along the true tree.
    """

    members: tuple[int, ...]
    keys: tuple[Key, ...]
    points: Points
    layers: NDArray[np.int64]
    tensors: NDArray[np.int64]
    scales: NDArray[np.float64]
    apart: NDArray[np.float32]
    sizes: NDArray[np.float64]

    def distances(self, weights: NDArray[np.float64] | None = None) -> Points:
        """Distances (members, members): the mean of `apart` over tensors, weighted by size, or by size times weight."""
        share = self.sizes if weights is None else self.sizes * weights
        return np.asarray(np.tensordot(share / share.sum(), self.apart, axes=1))

    def steps(self, weights: NDArray[np.float64] | None = None) -> Points:
        """As `distances`, but the geometric mean over tensors: a cost of one training step between two members.

        Training moves each tensor at its own rate: the likelihood of a tree of independent steps depends on the product
        of their lengths tensor by tensor (Felsenstein 1973). Training with most tensors frozen counts as one step,
        however far it moved the others.
        """
        share = self.sizes if weights is None else self.sizes * weights
        logs = np.log(np.maximum(self.apart, _NO_STEP))
        return np.asarray(np.exp(np.tensordot(share / share.sum(), logs, axes=1)))

    def among(self, members: Collection[int]) -> Cohort:
        """The cohort restricted to `members`."""
        kept = [i for i, member in enumerate(self.members) if member in members]
        return replace(
            self,
            members=tuple(self.members[i] for i in kept),
            points=self.points[kept],
            apart=self.apart[:, kept][:, :, kept],
        )


def held_share(step: Points, movements: Points) -> tuple[Points, Points]:
    """The share of a step (dims,) in movements (n, dims) by least squares, and its standard errors, both (n,)."""
    length = float(step @ step)
    shares = movements @ step / length
    left = np.maximum(0.0, (movements**2).sum(axis=1) - shares**2 * length)
    return shares, np.sqrt(left / length / len(step))


def common_distances(left: Cohort, right: Cohort) -> Points | None:
    """Rough -log r between members of two structures, (left, right), over common matrices; None without any."""
    shared = [(i, right.keys.index(key)) for i, key in enumerate(left.keys) if key in right.keys]
    if not shared:
        return None
    blocks = [[_unit(c.points[:, c.tensors == pair[side]]) for pair in shared] for side, c in enumerate((left, right))]
    mean = np.concatenate(blocks[0], axis=1) @ np.concatenate(blocks[1], axis=1).T / len(shared)
    return np.asarray(-np.log(np.clip(mean, FLOOR, 1.0)))


def _unit(block: Points) -> Points:
    centred = block - block.mean(axis=-1, keepdims=True)
    norms = np.sqrt(np.vecdot(centred, centred))[..., None]
    return np.asarray(centred / np.where(norms > 0, norms, 1.0))


def cohorts(sketches: Sequence[CheckpointSketch]) -> list[Cohort]:
    """Group sketches by structure (role, layer and shape of every matrix, whatever the names)."""
    groups: dict[Hashable, list[int]] = defaultdict(list)
    matrices = [matrices_of(sketch) for sketch in sketches]
    for i, mine in enumerate(matrices):
        if mine:
            groups[frozenset(mine)].append(i)
    return [_cohort(members, [matrices[i] for i in members]) for members in groups.values()]


def trunks(sketches: Sequence[CheckpointSketch]) -> list[Cohort]:
    """Group sketches of several structures by the matrices of their numbered layers, whatever lies outside the layers.

    The points of a trunk contain the layers only, not heads and token tables. Groups of one structure are left out.
    """
    groups: dict[Hashable, list[int]] = defaultdict(list)
    whole = [matrices_of(sketch) for sketch in sketches]
    layered = [{key: tensor for key, tensor in mine.items() if key[2] is not None} for mine in whole]
    for i, mine in enumerate(layered):
        if mine:
            groups[frozenset(mine)].append(i)
    mixed = (members for members in groups.values() if len({frozenset(whole[i]) for i in members}) > 1)
    return [_cohort(members, [layered[i] for i in members]) for members in mixed]


def matrix_sizes(sketch: CheckpointSketch) -> Mapping[Key, int]:
    """The parameters of every matrix of a model, by its key (component, role, layer, shape, number of repeats)."""
    return {key: tensor.params for key, tensor in matrices_of(sketch).items()}


@remembered
def matrices_of(sketch: CheckpointSketch) -> Mapping[Key, TensorSketch]:
    """The matrices of a model by their keys (component, role, layer, shape, number of repeats)."""
    found: dict[Key, TensorSketch] = {}
    repeats: Counter[Hashable] = Counter()
    for tensor in sketch.tensors:
        part = tensor.part
        if part.excluded is None and tensor.params not in tensor.shape and len(tensor.shape) > 1:
            key = part.component, part.role, part.layer, tensor.shape
            found[*key, repeats[key]] = tensor
            repeats[key] += 1
    return found


def _cohort(members: list[int], matrices: Sequence[Mapping[Key, TensorSketch]]) -> Cohort:
    keys = sorted(matrices[0], key=repr)
    held = [[m[key] for m in matrices] for key in keys]
    sizes = np.array([tensors[0].values.size for tensors in held])
    params = np.array([tensors[0].params for tensors in held], np.float64)
    deviations = np.median([[tensor.stats.std for tensor in tensors] for tensors in held], axis=1)
    weights, deviations = np.sqrt(params / params.sum() / sizes), np.where(deviations != 0, deviations, 1.0)
    points = laid([np.concatenate([m[key].values.reshape(-1) for key in keys]) for m in matrices])
    points = points * np.repeat(weights, sizes)
    points /= np.repeat(deviations, sizes)
    return Cohort(
        tuple(members),
        tuple(keys),
        points,
        np.repeat([-1 if key[2] is None else key[2] for key in keys], sizes),
        np.repeat(np.arange(len(keys)), sizes),
        weights / deviations,
        _log_distances(held).astype(np.float32),
        params * np.array([TABLE if key[1] in BY_TOKEN else 1.0 for key in keys]),
    )


def _log_distances(held: Sequence[Sequence[TensorSketch]]) -> Points:
    """-log r of every two corresponding tensors, from unit vectors; from sampled values where r is nearly 1.

    `held` are the tensors of all members, (tensors, members); the result is (tensors, members, members) float64.
    """
    found = np.zeros((len(held), len(held[0]), len(held[0])))
    if len(held[0]) < 2:
        return found
    for places in by_kind([tensors[0].shape for tensors in held], max(1, _TOGETHER // len(held[0]))):
        some = [held[i] for i in places]
        by_units = _unit_correlations(some)
        values = laid([tensor.values for tensors in some for tensor in tensors]).astype(np.float64)
        by_values = _correlations(values.reshape(*by_units.shape[:2], -1))
        found[places] = np.where(by_units > _NEARLY_ONE, by_values, by_units)
    return np.asarray(-np.log(np.clip(found, FLOOR, 1.0)))


def _unit_correlations(held: Sequence[Sequence[TensorSketch]]) -> Points:
    """Correlations (tensors, members, members) of the unit vectors of the first axis, after the tensors' means.

    All tensors have one shape. The means are subtracted from the inner products, not from the vectors, so that the
    vectors are read once.
    """
    units = [units_of(tensor, 0) for tensors in held for tensor in tensors]
    scales = laid([one.scale for one in units]).astype(np.float64)
    rows = (laid([one.codes for one in units]) * scales[..., None]).reshape(
        len(held), len(held[0]), *units[0].codes.shape
    )
    constant, count = constant_unit(held[0][0].shape, 0), rows.shape[-2]
    sums = (np.ones((1, count)) @ rows)[..., 0, :]
    flat = rows.reshape(*rows.shape[:2], -1)
    means = np.array([[tensor.stats.mean for tensor in tensors] for tensors in held])
    along = sums @ constant
    left = along - means * (count * (constant @ constant) / 2)
    total = sums.sum(axis=-1) - means * (count * constant.sum())
    products = flat @ flat.swapaxes(-1, -2) - _outer(means, left) - _outer(left, means)
    products -= _outer(total, total) / flat.shape[-1]
    norms = np.sqrt(np.maximum(np.diagonal(products, axis1=-2, axis2=-1), 0.0))
    scale = _outer(norms, norms)
    return np.asarray(np.divide(products, scale, out=np.zeros(scale.shape), where=scale > 0))


def _outer(left: Points, right: Points) -> Points:
    return np.asarray(left[..., :, None] * right[..., None, :])


def _correlations(rows: Points) -> Points:
    """Correlations of every two rows of (..., members, values), (..., members, members)."""
    unit = _unit(rows)
    return np.asarray(unit @ unit.swapaxes(-1, -2))
