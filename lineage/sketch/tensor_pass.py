"""One pass over one tensor: every family is fed from the same bytes, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineage.anatomy import fixed_rows, fixed_table
from lineage.errors import Malformed
from lineage.sketch.adapters import is_change
from lineage.sketch.bands import grids, runs, sampled
from lineage.sketch.minhash import RowProjector, has_row_codes
from lineage.sketch.projection import block_columns, encode_units, project_matrix, project_units
from lineage.sketch.sane import EXTREME, is_extreme
from lineage.sketch.stats import band_stats
from lineage.sketch.value_digests import ValueHasher, value_digest
from lineage.types import Depth, Part, TensorSketch, TensorView, Units
from lineage.types.facts.exclusions import NotAWeight, NotFinite
from lineage.written_reasons import written

WHOLE = 1 << 18  # tensors up to this many values are read whole at either depth, and checked for being a fixed table
RUN = 1 << 12  # values added in float32 before float64 takes over
BLOCK = 1 << 18  # values in one block of the full pass: fits the cache as float32


class Mask(Exception):
    """A tensor of infinities beside one other number, one infinity alone, or rows of minus infinity: no damage."""


class DamagedTensor(Malformed):
    """A tensor with values that are no numbers, or that float32 does not hold; `reason` says which."""

    def __init__(self, path: str, name: str, reason: NotFinite) -> None:
        if reason.beyond_float32:
            super().__init__(path, f"tensor {name!r} holds {written(reason)}: no network computes with such weights")
        else:
            super().__init__(path, f"tensor {name!r} holds {written(reason)}: the file is damaged")
        self.reason = reason


@dataclass(slots=True)
class FullPass:
    """What needs every value: the digest, the power sums, the row codes."""

    digest: str
    moments: NDArray[np.float64]
    minhash: NDArray[np.uint32] | None


def sketch_tensor(view: TensorView, part: Part, depth: Depth, path: str) -> TensorSketch:
    """Sketch one tensor at `depth`. Raises DamagedTensor where a value read is no number, Mask if that is its use."""
    shape = view.shape or (1,)
    rest = shape[1:]
    params = math.prod(shape)
    rows = sampled(shape[0])
    full: FullPass | None = None
    if view.dtype.kind in "biu":
        part = replace(part, excluded=part.excluded or NotAWeight("integers"))
    if depth == "full" and params > WHOLE:
        blocks = (view.rows(a, b) for a, b in bands_read(view, depth))
        full, band = _feed(blocks, shape, rows, view, path, codes=True)
    elif params <= WHOLE:
        whole = view.rows(0, shape[0])
        full, _ = _feed([whole], shape, rows, view, path, codes=depth == "full")
        band = whole[rows]
        # A product of rank one looks like a table of an outer product.
        table = fixed_table(view.name, shape, None if is_change(view.encoding) else _as_float32(whole))
        part = replace(part, excluded=part.excluded or table)
    else:
        band = np.concatenate([view.rows(a, b) for a, b in bands_read(view, depth)])
    flat = _as_float32(band).reshape(len(rows), -1)
    _require_finite(flat, view, path)
    if params > WHOLE:
        part = replace(part, excluded=part.excluded or fixed_rows(flat))
    grid = grids(shape)
    values = flat[_in_band(shape)]
    units: tuple[Units | None, Units | None] = (None, None)
    projection = None
    block: NDArray[np.float64] = flat.astype(np.float64) if not rest else np.empty(0)
    if rest:
        block = flat[:, block_columns(shape)].astype(np.float64)
        of_rows, of_cols = project_units(block, shape)
        units = encode_units(of_rows, rows), encode_units(of_cols, sampled(shape[1]))
        projection = project_matrix(of_rows, shape[0])
    stats = band_stats(block, flat, values)
    if is_extreme(stats):
        part = replace(part, excluded=part.excluded or EXTREME)
    return TensorSketch(
        name=view.name,
        shape=view.shape,
        dtype=view.encoding or view.dtype.name,
        part=part,
        params=params,
        stats=stats,
        band_digest=full.digest if full and band.shape == shape else value_digest(band),
        digest=full.digest if full else None,
        grid=grid,
        values=values,
        projection=projection,
        units=units,
        minhash=full.minhash if full else None,
        moments=full.moments if full else None,
    )


@lru_cache(maxsize=1024)
def _in_band(shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the kept values lie in the sampled rows of a tensor of `shape`, as an index of both axes."""
    rows, columns = grids(shape)
    return np.searchsorted(sampled(shape[0]), rows)[:, None], columns[None]


def bands_read(view: TensorView, depth: Depth) -> list[tuple[int, int]]:
    """The bands [start, stop) of rows that `sketch_tensor` reads at `depth`, in its order."""
    length, *rest = view.shape or (1,)
    width = math.prod(rest)
    if length * width <= WHOLE:
        return [(0, length)]
    if depth == "sampled":
        return runs(sampled(length))
    step = max(1, BLOCK // width)
    return [(start, min(start + step, length)) for start in range(0, length, step)]


def _feed(
    blocks: Iterator[NDArray[Any]] | list[NDArray[Any]],
    shape: tuple[int, ...],
    rows: NDArray[np.int64],
    view: TensorView,
    path: str,
    *,
    codes: bool,
) -> tuple[FullPass, NDArray[Any]]:
    """Run consecutive row blocks through hash, moments and row codes; returns these and the sampled rows."""
    hasher = ValueHasher(shape, view.dtype)
    moments = np.zeros(4)
    width = math.prod(shape[1:])
    projector = RowProjector(shape[0], width) if codes and has_row_codes(shape) else None
    band: list[NDArray[Any]] = []
    at = 0
    for block in blocks:
        hasher.update(block)
        wanted = rows[(rows >= at) & (rows < at + len(block))] - at
        if len(wanted):
            band.append(block[wanted])
        at += len(block)
        wide = _as_float32(block).reshape(-1)
        for start in range(0, wide.size, BLOCK):
            sums = _power_sums(wide[start : start + BLOCK])
            if not np.isfinite(sums).all():
                _require_finite(wide, view, path)
            moments += sums
        if projector is not None:
            projector.update(wide.reshape(len(block), width))
    return FullPass(hasher.hexdigest(), moments, projector.minhash() if projector else None), np.concatenate(band)


def _power_sums(x: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Sums of x, x**2, x**3, x**4, float64 (4,); infinite or NaN only where a value is.

    Short runs are added in float32 and the runs in float64: the same values in another order agree to about 1e-7.
    """
    even = x.size // RUN * RUN
    total = np.zeros(4)
    with np.errstate(over="ignore", invalid="ignore"):
        for part in (x[:even].reshape(-1, RUN), x[even:].reshape(1, -1)):
            if not part.size:
                continue
            square = part * part
            ones = np.ones(part.shape[1], np.float32)
            sums = part @ ones, square @ ones, np.vecdot(square, part), np.vecdot(square, square)
            total += [s.sum(dtype=np.float64) for s in sums]
        overflown = x.dtype == np.float32 and not np.isfinite(total).all()
        return _power_sums(x.astype(np.float64)) if overflown else total


def _require_finite(values: NDArray[np.float32], view: TensorView, path: str) -> None:
    """Raise Malformed if some values of a block of whole rows are no numbers, Mask where that is their use."""
    bad = int(values.size - np.isfinite(values).sum())
    if not bad:
        return
    if _is_finite_as_stored(view):
        raise DamagedTensor(path, view.name, NotFinite(bad, beyond_float32=True))
    width = math.prod(view.shape[1:])
    sampled_too = [_as_float32(view.rows(a, b)).reshape(-1, width) for a, b in bands_read(view, "sampled")]
    seen = np.concatenate([values.reshape(-1, width), *sampled_too])
    finite = seen[np.isfinite(seen)]
    is_mask = bool((finite == finite[0]).all()) if finite.size else math.prod(view.shape) == 1
    if (is_mask or _bars_units(seen)) and not np.isnan(seen).any():
        raise Mask
    raise DamagedTensor(path, view.name, NotFinite(bad, beyond_float32=False))


def _is_finite_as_stored(view: TensorView) -> bool:
    """Whether a tensor of a wider type than float32 holds nothing but numbers."""
    if view.dtype.itemsize < (16 if view.dtype.kind == "c" else 8):
        return False
    return all(bool(np.isfinite(view.rows(a, b)).all()) for a, b in bands_read(view, "full"))


def _bars_units(seen: NDArray[np.float32]) -> bool:
    """Whether some rows or columns of a matrix, fewer than half, are minus infinity: answers that are never given."""
    barred = np.isneginf(seen)
    if min(seen.shape) < 2 or barred.mean() >= 0.5 or not np.isfinite(seen[~barred]).all():
        return False
    return any(bool((lines.all(axis=1) == lines.any(axis=1)).all()) for lines in (barred, barred.T))


def _as_float32(values: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return (values.real if values.dtype.kind == "c" else values).astype(np.float32, copy=False)
