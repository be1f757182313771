"""Tensors in pieces, each a box of the whole: what several ranks of a training run saved."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lineage.checkpoints.io.quoting import quoted
from lineage.checkpoints.io.views import count_elements
from lineage.errors import Malformed
from lineage.types import AnyArray, FileSpan, TensorView

MAX_PIECES = 1 << 12  # of one tensor: more than any public run has ranks


@dataclass(frozen=True, slots=True)
class Piece:
    """A box of a tensor: `view` begins at `offsets` of a whole of `shape`."""

    view: TensorView
    offsets: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def is_whole(self) -> bool:
        """Whether the piece is all of the tensor."""
        return self.view.shape == self.shape


def assembled(path: Path, name: str, pieces: Sequence[Piece]) -> TensorView:
    """View a tensor whose pieces fill it without gap or overlap; a band reads only the pieces that it touches.

    Raises Malformed for pieces of several shapes or types, that overlap, or that do not fill the whole.
    """
    whole = pieces[0]
    dtype = whole.view.dtype
    if len(pieces) > MAX_PIECES or any((p.shape, p.view.dtype) != (whole.shape, dtype) for p in pieces):
        raise Malformed(path, f"the pieces of tensor {quoted(name)} do not agree on its shape and type")
    if len(pieces) == 1 and whole.is_whole and not any(whole.offsets):
        return replace(whole.view, name=name)
    ordered = tuple(sorted(pieces, key=lambda piece: piece.offsets))
    _check_cover(path, name, ordered)
    shape = whole.shape

    def touched(start: int, stop: int) -> Iterator[tuple[Piece, int, int]]:
        """Each piece that has some of the rows, and which of them."""
        for piece in ordered:
            first, last = max(start, piece.offsets[0]), min(stop, piece.offsets[0] + piece.view.shape[0])
            if first < last:
                yield piece, first, last

    def rows(start: int, stop: int) -> AnyArray:
        if not 0 <= start <= stop <= shape[0]:
            raise IndexError(f"rows {start}:{stop} of {shape[0]}")
        out = np.empty((stop - start, *shape[1:]), dtype)
        for piece, first, last in touched(start, stop):
            top, sides = piece.offsets[0], zip(piece.offsets[1:], piece.view.shape[1:], strict=True)
            place = (slice(first - start, last - start), *(slice(at, at + side) for at, side in sides))
            out[place] = piece.view.rows(first - top, last - top)
        return out

    def spans(start: int, stop: int) -> Iterable[FileSpan]:
        return [
            span
            for piece, first, last in touched(start, stop)
            for span in piece.view.spans(first - piece.offsets[0], last - piece.offsets[0])
        ]

    storage = "+".join(sorted({piece.view.storage for piece in ordered})[:2]) + f"/{len(ordered)} pieces of {name}"
    return TensorView(name, shape, dtype, rows, storage, spans=spans)


def _check_cover(path: Path, name: str, pieces: Sequence[Piece]) -> None:
    """As many elements as the whole has, and no two boxes that share one: then they fill it."""
    shape = pieces[0].shape
    if any(len(p.offsets) != len(shape) or len(p.view.shape) != len(shape) for p in pieces) or not shape:
        raise Malformed(path, f"the pieces of tensor {quoted(name)} have other axes than it")
    count = count_elements(path, name, shape)
    low = np.array([piece.offsets for piece in pieces], np.float64)
    high = low + np.array([piece.view.shape for piece in pieces], np.float64)
    if (high > np.array(shape, np.float64)).any():
        raise Malformed(path, f"a piece of tensor {quoted(name)} reaches beyond its shape {shape}")
    for number in range(1, len(pieces)):
        if ((low[:number] < high[number]) & (low[number] < high[:number])).all(axis=1).any():
            raise Malformed(path, f"two pieces of tensor {quoted(name)} overlap")
    held = sum(math.prod(piece.view.shape) for piece in pieces)
    if held != count:
        raise Malformed(path, f"tensor {quoted(name)} has {held:,} of its {count:,} values: a part of it is missing")
