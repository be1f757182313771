"""Key and value heads that a conversion repeated for each query head that shares them, reduced to one copy.

Programs without grouped queries get a model with them in this way (`repeat_kv` of transformers, done to the weights).
One side alone shows whether rows repeat: rows that no training makes equal are equal, including their units.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from lineage.sketch.family import MIN_UNITS
from lineage.types import CheckpointSketch, TensorSketch, Units

_ROLES = ("k", "v")
_SIDES = range(8, 513)  # rows of a head, in every public model

Places = NDArray[np.int64]


def without_repeats(a: CheckpointSketch, b: CheckpointSketch) -> tuple[CheckpointSketch, CheckpointSketch, set[str]]:
    """Both models with repeated heads reduced if the other has them once, and the query's tensors concerned."""
    found: set[str] = set()
    mine, theirs = {}, {}
    for x, y in _facing(a, b):
        if (once := _once(x, y)) is not None:
            mine[x.name] = _as(once, y)
            found.add(x.name)
        elif (once := _once(y, x)) is not None:
            theirs[y.name] = _as(once, x)
            found.add(x.name)
    return _with(a, mine), _with(b, theirs), found


def _facing(a: CheckpointSketch, b: CheckpointSketch) -> Iterator[tuple[TensorSketch, TensorSketch]]:
    """Keys and values of the same layer and width with different numbers of rows."""
    held = {(t.part.component, t.part.layer, t.part.role): t for t in b.tensors if _is_of_heads(t)}
    for tensor in filter(_is_of_heads, a.tensors):
        other = held.get((tensor.part.component, tensor.part.layer, tensor.part.role))
        if other is not None and other.shape[1] == tensor.shape[1] and other.shape[0] != tensor.shape[0]:
            yield tensor, other


def _is_of_heads(tensor: TensorSketch) -> bool:
    return tensor.part.role in _ROLES and len(tensor.shape) == 2 and tensor.part.excluded is None


def _once(tensor: TensorSketch, other: TensorSketch) -> TensorSketch | None:
    """A tensor with its repeated heads reduced to one copy, as in the other; None if it repeats none."""
    times, rest = divmod(tensor.shape[0], other.shape[0])
    units = tensor.units[0]
    if rest or times < 2 or units is None:
        return None
    rows = other.shape[0]
    for side in (n for n in _SIDES if rows % n == 0):
        first = _first_of(units.index, side, times)
        if not _repeat(units, first):
            continue
        index, at = np.unique(first, return_index=True)
        kept, where = np.unique(_first_of(tensor.grid[0], side, times), return_index=True)
        return replace(
            tensor,
            shape=(rows, tensor.shape[1]),
            params=tensor.params // times,
            digest=None,
            band_digest=f"{tensor.band_digest}/{times}",
            grid=(kept, tensor.grid[1]),
            values=tensor.values[where],
            units=(Units(index, units.codes[at], units.scale[at]), None),
            minhash=None,
            moments=None if tensor.moments is None else tensor.moments / times,
        )
    return None


def _as(once: TensorSketch, other: TensorSketch) -> TensorSketch:
    """The tensor with the content of another whose values it holds."""
    from lineage.match.equal_content import hold_the_same  # imported only for repeated heads

    same = hold_the_same(once, other)
    return replace(once, digest=other.digest, band_digest=other.band_digest, stats=other.stats) if same else once


def _first_of(rows: Places, side: int, times: int) -> Places:
    """The row, of heads of `side` rows taken once, that each row of heads written `times` times is a copy of."""
    head, within = np.divmod(rows, side)
    return np.asarray(head // times * side + within)


def _repeat(units: Units, first: Places) -> bool:
    """Whether all kept rows that would be copies of one row are equal, and enough of them are kept twice."""
    order = np.argsort(first, kind="stable")
    same = np.flatnonzero(np.diff(first[order]) == 0)
    left, right = order[same], order[same + 1]
    if len(np.unique(first[left])) < MIN_UNITS // 2:
        return False
    return bool((units.codes[left] == units.codes[right]).all() and (units.scale[left] == units.scale[right]).all())


def _with(sketch: CheckpointSketch, changed: dict[str, TensorSketch]) -> CheckpointSketch:
    if not changed:
        return sketch
    return replace(sketch, tensors=tuple(changed.get(tensor.name, tensor) for tensor in sketch.tensors))
