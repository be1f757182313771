"""Sketches of several tensors joined to one, row by row, and sketches whose rows are put in another order.

A row's unit is a projection over the columns alone, so that it and the sampled values are the same wherever the row
lies. What depends on all rows, units of columns and row codes, is not known of a joined tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lineage.types import Axis, Part, Stats, TensorSketch, Units

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class RowStack:
    """Tensors one above the other: at which rows of the whole units and values were kept, and these."""

    members: tuple[TensorSketch, ...]
    length: int
    units: Units | None
    rows: Places
    columns: Places
    values: NDArray[np.float32]

    def moved(self, places: Places) -> RowStack:
        """The stack with row i at row `places[i]`."""
        units = self.units
        if units is not None:
            to = places[units.index]
            order = np.argsort(to)
            units = Units(to[order], units.codes[order], units.scale[order])
        to = places[self.rows]
        order = np.argsort(to)
        return replace(self, units=units, rows=to[order], values=self.values[order])


def row_stack(members: Sequence[TensorSketch]) -> RowStack | None:
    """Join matrices of one width, or vectors; None if their widths differ."""
    first = members[0]
    rank = len(first.shape)
    if rank not in (1, 2) or any(t.shape[1:] != first.shape[1:] or len(t.shape) != rank for t in members):
        return None
    starts = np.cumsum([0, *(t.shape[0] for t in members)])
    kept = [t.units[0] for t in members]
    units = None
    if rank == 2:
        found = [one for one in kept if one is not None]
        if len(found) < len(members):
            return None
        units = Units(
            np.concatenate([one.index + start for one, start in zip(found, starts, strict=False)]),
            np.concatenate([one.codes for one in found]),
            np.concatenate([one.scale for one in found]),
        )
    return RowStack(
        tuple(members),
        int(starts[-1]),
        units,
        np.concatenate([t.grid[0] + start for t, start in zip(members, starts, strict=False)]),
        first.grid[1],
        np.concatenate([t.values for t in members]),
    )


def at_common_rows(x: RowStack, y: RowStack) -> tuple[RowStack, RowStack]:
    """Two stacks of equal length, restricted to the rows sampled in both."""
    rows, mine, theirs = np.intersect1d(x.rows, y.rows, assume_unique=True, return_indices=True)
    left, right = x.units, y.units
    if left is not None and right is not None:
        index, ours, others = np.intersect1d(left.index, right.index, assume_unique=True, return_indices=True)
        left = Units(index, left.codes[ours], left.scale[ours])
        right = Units(index, right.codes[others], right.scale[others])
    return (
        replace(x, units=left, rows=rows, values=x.values[mine]),
        replace(y, units=right, rows=rows, values=y.values[theirs]),
    )


def joined_sketch(stack: RowStack, role: str) -> TensorSketch:
    """The sketch of a stack as one tensor, under the names of its members."""
    members, first = stack.members, stack.members[0]
    digests = [t.digest for t in members if t.digest is not None]
    moments = [t.moments for t in members if t.moments is not None]
    whole = len(members)
    return TensorSketch(
        name=joined_name([t.name for t in members]),
        shape=(stack.length, *first.shape[1:]),
        dtype=first.dtype,
        part=_part(first.part, role, matrix=len(first.shape) > 1),
        params=sum(t.params for t in members),
        stats=_pooled(members),
        band_digest="+".join(t.band_digest for t in members),
        digest="+".join(digests) if len(digests) == whole else None,
        grid=(stack.rows, stack.columns),
        values=stack.values,
        units=(stack.units, None),
        minhash=None,
        moments=np.sum(moments, axis=0) if len(moments) == whole else None,
    )


def turned(tensor: TensorSketch) -> TensorSketch:
    """The sketch of the transposed matrix; its digests remain those of the matrix as stored."""
    first, second = tensor.part.axes
    return replace(
        tensor,
        shape=tensor.shape[::-1],
        part=replace(tensor.part, axes=(second, first)),
        grid=tensor.grid[::-1],
        values=np.ascontiguousarray(tensor.values.T),
        units=tensor.units[::-1],
        minhash=None,
    )


def joined_name(names: Sequence[str]) -> str:
    """One name for tensors whose names differ in one piece: "attn.(q_proj+k_proj+v_proj).weight"."""
    if len(names) == 1:
        return names[0]
    pieces = [name.split(".") for name in names]
    head = _shared(pieces)
    tail = _shared([one[head:][::-1] for one in pieces])
    middle = "+".join("/".join(one[head : len(one) - tail]) for one in pieces)
    return ".".join([*pieces[0][:head], f"({middle})", *pieces[0][len(pieces[0]) - tail :]])


def _shared(pieces: Sequence[Sequence[str]]) -> int:
    """The length of the common prefix."""
    columns = zip(*pieces, strict=False)
    return next((at for at, column in enumerate(columns) if len(set(column)) > 1), min(map(len, pieces)))


def _part(part: Part, role: str, *, matrix: bool) -> Part:
    """The part of a joined tensor: its rows are of several kinds, so that no relabelling may take one for another."""
    rows = Axis("joined", exchangeable=False)
    return replace(part, role=role if matrix else part.role, axes=(rows, part.axes[1]))


def _pooled(members: Sequence[TensorSketch]) -> Stats:
    """Statistics of a joined tensor: moments weighted by size, levels of the first, the smallest distinctness."""
    weights = np.array([t.params for t in members], np.float64)
    weights /= weights.sum()
    mean = float(weights @ [t.stats.mean for t in members])
    square = float(weights @ [t.stats.std**2 + t.stats.mean**2 for t in members])
    first = members[0].stats
    return Stats(
        mean=mean,
        std=float(np.sqrt(max(0.0, square - mean**2))),
        kurtosis=float(weights @ [t.stats.kurtosis for t in members]),
        zeros=float(weights @ [t.stats.zeros for t in members]),
        levels_row=first.levels_row,
        levels_group=first.levels_group,
        distinct=min(t.stats.distinct for t in members),
    )
