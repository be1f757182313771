"""The kind of change of each tensor between two models, from the values sampled in both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress
from typing import TYPE_CHECKING, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.pair.beside import Beside, beside
from lineage.ancestry.pair.channel_scales import scaled_by_unit
from lineage.match import Match
from lineage.match.containment import containment
from lineage.match.pairing import LOG10_ALPHA
from lineage.match.permutation import unit_rows
from lineage.match.units import common_index
from lineage.types import Direction, Relation, TensorMatch, TensorSketch

if TYPE_CHECKING:
    from lineage.types.facts.schemes import Scheme

Kind = Literal["same", "recast", "reordered", "pruned", "quantized", "tuned", "unrelated"]
EQUAL: tuple[Kind, ...] = ("same", "recast", "reordered")
"""Kinds of change that keep every value, up to rounding and order."""

TOKEN_ROLES = ("token-embedding", "head")
"""Roles of tables with a row for each token (or class)."""

_MIN_VALUES = 16  # values of a tensor: fewer may agree with a rounding by chance
_KEPT = 0.98  # least share of the values that pruning left as they were, up to the type in which they are stored
_SUMMED = 1e-6  # relative difference of power sums of the same values between machines: up to 2.9e-7 by BLAS kernels
FEWEST_R = 0.57  # above the r of a shared initialisation (see `disguised.DISGUISED_R`)
_TESTED_Z = 6.0  # one tensor alone: p < 2e-9
_UNTESTED_R = 0.5  # matrices too small for z; they count only where their component is significant
_IN_PLACE = 0.5  # median correlation of rows: 0.7 after heavy training, 0.3 between reordered rows with one mean


Held = tuple[TensorMatch, TensorSketch, TensorSketch]
"""Two tensors, the query's and the reference's, as they were matched."""


@dataclass(frozen=True, slots=True)
class Change:
    """The kind of change of a tensor, its direction if it can be computed one way only, and its scheme.

    `direction` is the query's: a rounding, pruning or quantization can be computed from the finer side only. `rank` is
    that of the difference if it is low; `unchanged` is the share of a tuned matrix's non-zero values that are equal.
    """

    kind: Kind
    direction: Direction | None = None
    scheme: Scheme | None = None
    rank: int | None = None
    unchanged: float = 0.0

    @property
    def scales_units(self) -> bool:
        """Whether each unit is multiplied by a factor of its own; told by the id, so that no schemes are loaded."""
        return self.scheme is not None and self.scheme.id == "unit-scales"


Changes = Sequence[tuple[TensorMatch, Change]]
"""The pairs of a match, each with its change."""


class WhenAsked(Sequence[tuple[TensorMatch, Change]]):
    """Changes that are worked out once somebody looks at them."""

    def __init__(self, work: Callable[[], Changes]) -> None:
        self._work = work

    @cached_property
    def _found(self) -> Changes:
        return self._work()

    @overload
    def __getitem__(self, place: int) -> tuple[TensorMatch, Change]: ...
    @overload
    def __getitem__(self, place: slice) -> Changes: ...
    def __getitem__(self, place: int | slice) -> tuple[TensorMatch, Change] | Changes:
        return self._found[place]

    def __len__(self) -> int:
        return len(self._found)


class Compared(NamedTuple):
    """A query compared with a reference: the match, the changes of tensors, the relation of each component."""

    match: Match
    changes: Changes
    words: Mapping[str, Relation]


def classified(held: Sequence[Held]) -> list[Change]:
    """Classify the change between the two tensors, query and reference, of each pair."""
    found = [_of_content(*one) for one in held]
    open_ = [i for i, known in enumerate(found) if known is None]
    seen = dict(zip(open_, beside([(a, b, m.transposed) for m, a, b in (held[i] for i in open_)]), strict=True))
    alike = [i for i in open_ if (r := held[i][0].r) is None or r > FEWEST_R]
    cast = set(_maybe_cast(held, seen, alike)) if alike else set[int]()
    for i, one in seen.items():
        found[i] = _of_values(*held[i], one, is_narrow=i in cast)
    return _with_ranks(held, _with_compensated(held, [Change("unrelated") if one is None else one for one in found]))


def _maybe_cast(held: Sequence[Held], seen: Mapping[int, Beside], alike: Sequence[int]) -> Iterator[int]:
    from lineage.ancestry.pair.recast import may_be_cast  # imported only for models with relatives

    return compress(alike, may_be_cast([(held[i], seen[i]) for i in alike]))


def _of_content(match: TensorMatch, a: TensorSketch, b: TensorSketch) -> Change | None:
    """The change if digests or paired rows decide it; None if the values must be compared."""
    if match.how == "rows":
        return Change("reordered")
    return Change("same") if same_content(a, b) else None


def _of_values(match: TensorMatch, a: TensorSketch, b: TensorSketch, seen: Beside, *, is_narrow: bool) -> Change:
    x, y = seen.x, seen.y
    if x.size and seen.equal and (found := _of_equal_samples(a, b, match, seen)) is not None:
        return found
    if x.size >= _MIN_VALUES:
        computed = (_recast(a, b, x, y) if is_narrow else None) or _pruned(a, b, x, y)
        if computed is None and match.r is not None and match.r >= FEWEST_R:
            from lineage.ancestry.pair.quantized import quantized  # imported only for similar tensors

            computed = quantized(a, b, x, y, match)
        computed = computed or (None if seen.bent else _rescaled(a, x, y))
        if computed is not None:
            return computed
    if has_other_rows(a, b, match):
        return Change("reordered")
    return Change("tuned", unchanged=_still(a, seen)) if _is_related(a, match) else Change("unrelated")


def _with_compensated(held: Sequence[Held], found: list[Change]) -> list[Change]:
    if not any(one.kind == "quantized" and one.direction is None for one in found):
        return found
    from lineage.ancestry.pair.compensated import with_compensated  # imported only for quantized models

    return with_compensated(held, found)


def _with_ranks(held: Sequence[Held], found: Sequence[Change]) -> list[Change]:
    """The changes, those of tuned matrices with the rank of the difference."""
    tuned = [i for i, one in enumerate(found) if one.kind == "tuned" and len(held[i][1].shape) > 1]
    if not tuned:
        return list(found)
    from lineage.ancestry.pair.low_rank import delta_ranks  # imported only for models with relatives

    ranks = delta_ranks([(a, b, m.transposed) for m, a, b in (held[i] for i in tuned)])
    by_place = dict(zip(tuned, ranks, strict=True))
    return [replace(one, rank=by_place[i]) if by_place.get(i) is not None else one for i, one in enumerate(found)]


def _of_equal_samples(a: TensorSketch, b: TensorSketch, match: TensorMatch, seen: Beside) -> Change | None:
    """The change of tensors with unequal digests and equal sampled values; None if too little is known."""
    if match.transposed:
        return Change("reordered")
    if a.shape != b.shape:
        return Change("same")
    if seen.x.size < _MIN_VALUES or a.digest is None or b.digest is None:
        return None
    if _differ_elsewhere(a, b):
        return Change("tuned", unchanged=_still(a, seen))
    return _between_halves(a, b) if a.dtype != b.dtype else Change("same")


def _between_halves(a: TensorSketch, b: TensorSketch) -> Change:
    from lineage.ancestry.pair.recast import is_cast_between_halves
    from lineage.types.facts.schemes import StoredAs

    if is_cast_between_halves(a, b):
        return Change("recast", Direction.CHILD, StoredAs("float16"))
    return Change("recast", Direction.PARENT, StoredAs("float16")) if is_cast_between_halves(b, a) else Change("same")


def _is_related(a: TensorSketch, match: TensorMatch) -> bool:
    if match.z is not None and len(a.shape) > 1:
        return match.z > _TESTED_Z
    return match.r is not None and match.r > _UNTESTED_R


def _still(a: TensorSketch, seen: Beside) -> float:
    """The share of a tuned matrix's values that did not move; 0 for gains and biases."""
    return seen.unchanged if len(a.shape) > 1 else 0.0


def has_other_rows(a: TensorSketch, b: TensorSketch, match: TensorMatch) -> bool:
    """Whether a token table holds rows of the other one at other positions: the tokens were renumbered."""
    if match.role not in TOKEN_ROLES or match.transposed or a.shape[1:] != b.shape[1:] or len(a.shape) != 2:
        return False
    held = containment(a, b)
    places = rows_in_place(a, b)
    return held is not None and held.log10_p < LOG10_ALPHA and places.size > 0 and float(np.median(places)) < _IN_PLACE


def rows_in_place(a: TensorSketch, b: TensorSketch) -> NDArray[np.float64]:
    """Correlations (rows,) of the sampled rows at equal positions, after the mean row; empty without units."""
    left, right = a.units[0], b.units[0]
    if left is None or right is None:
        return np.empty(0)
    index = common_index(left, right)
    x, y = unit_rows(left, index).astype(np.float64), unit_rows(right, index).astype(np.float64)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return np.asarray((x * y).sum(axis=1)[norms > 0] / norms[norms > 0])


def _recast(a: TensorSketch, b: TensorSketch, x: NDArray[np.float32], y: NDArray[np.float32]) -> Change | None:
    from lineage.ancestry.pair.recast import recast

    return recast(a, b, x, y)


def same_content(a: TensorSketch, b: TensorSketch) -> bool:
    """Whether digests are equal: of all values if both have one, else of the sampled rows."""
    if a.digest is not None and b.digest is not None:
        return a.digest == b.digest
    return a.band_digest == b.band_digest


def _differ_elsewhere(a: TensorSketch, b: TensorSketch) -> bool:
    """Whether values outside the samples differ, by the power sums of all values, in which -0 and 0 are equal."""
    if a.moments is None or b.moments is None:
        return False
    return not np.allclose(a.moments[1::2], b.moments[1::2], rtol=_SUMMED, atol=0.0)


def _pruned(a: TensorSketch, b: TensorSketch, x: NDArray[np.float32], y: NDArray[np.float32]) -> Change | None:
    """Pruned if one side has more zeros and its other values are the other side's, exactly or rounded; else None."""
    more = a.stats.zeros - b.stats.zeros
    if abs(more) < 0.05:
        return None
    sparse, dense = (x, y) if more > 0 else (y, x)
    kept = sparse != 0
    if kept.sum() < _MIN_VALUES:
        return None
    from lineage.ancestry.pair.narrow_types import HALVES, rounded

    mine, other = sparse[kept], dense[kept]
    ways = [(mine, other), *((mine, rounded(other, t)) for t in HALVES), *((rounded(mine, t), other) for t in HALVES)]
    if max(float((left == right).mean()) for left, right in ways) < _KEPT:
        return None
    from lineage.types.facts.schemes import MoreZeros

    direction: Direction = Direction.CHILD if more > 0 else Direction.PARENT
    return Change("pruned", direction, MoreZeros(round(abs(more), 2)))


def _rescaled(a: TensorSketch, x: NDArray[np.float32], y: NDArray[np.float32]) -> Change | None:
    """Recast with scales per unit if a batch norm was folded into one side; else None."""
    if len(a.shape) < 2 or not scaled_by_unit(x, y):
        return None
    from lineage.types.facts.schemes import UnitScales

    return Change("recast", scheme=UnitScales())
