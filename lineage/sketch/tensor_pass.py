"""One pass over one tensor: all parts of the sketch are computed from the same bytes, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lineage.anatomy import fixed_rows, fixed_table, may_be_formulas
from lineage.errors import Malformed
from lineage.sketch.adapters import is_change
from lineage.sketch.bands import grids, runs, sampled
from lineage.sketch.compiled_rows import compiled_rows
from lineage.sketch.minhash import RowProjector, has_row_codes, minhashes
from lineage.sketch.projection import block_columns, coded, encode_units, project_units
from lineage.sketch.sane import EXTREME, is_extreme
from lineage.sketch.stacks import by_kind
from lineage.sketch.stats import band_stats, stack_stats
from lineage.sketch.value_digests import ValueHasher, value_digest, value_digests
from lineage.sketch.widening import widen, widened
from lineage.types import Depth, Part, Stats, TensorSketch, TensorView, Units
from lineage.types.facts.exclusions import NotAWeight, NotFinite
from lineage.written_reasons import written

WHOLE = 1 << 18  # tensors up to this many values are read whole at either depth, and checked for being a fixed table
RUN = 1 << 12  # values added in float32 before float64 takes over
BLOCK = 1 << 18  # values in one block of the full pass: fits the cache as float32
ROWS_TOGETHER, BLOCKS_TOGETHER = 128, 4  # rows that are projected at once, in so many blocks at most
TOGETHER = 1 << 16  # values of tensors that are sketched at once: fit the cache as float64


class Mask(Exception):
    """A tensor of infinities beside one other number, one infinity alone, or rows of minus infinity: no damage."""


class DamagedTensor(Malformed):
    """A tensor with NaN or infinite values, or with values beyond float32; `reason` says which."""

    def __init__(self, path: str, name: str, reason: NotFinite) -> None:
        if reason.beyond_float32:
            super().__init__(path, f"tensor {name!r} holds {written(reason)}: no network computes with such weights")
        else:
            super().__init__(path, f"tensor {name!r} holds {written(reason)}: the file is damaged")
        self.reason = reason


Made = TensorSketch | Mask | DamagedTensor


@dataclass(slots=True)
class FullPass:
    """The parts of a sketch that need every value: digest, power sums, row codes."""

    digest: str
    moments: NDArray[np.float64]
    minhash: NDArray[np.uint32] | None


def alike(views: Sequence[TensorView]) -> list[list[int]]:
    """Places of tensors that `sketch_tensors` takes together: large ones alone, others with those of their shape."""
    kinds = [(view.shape, view.dtype, view.encoding) for view in views]
    found: list[list[int]] = []
    for places in by_kind(kinds, len(kinds)):
        most = max(1, TOGETHER // math.prod(views[places[0]].shape))
        found += [places[start : start + most] for start in range(0, len(places), most)]
    return found


def sketch_tensor(view: TensorView, part: Part, depth: Depth, path: str) -> TensorSketch:
    """Sketch one tensor at `depth`. Raises DamagedTensor for NaN or infinite values, Mask if it is a mask of these."""
    made = sketch_tensors([view], [part], depth, path)[0]
    if isinstance(made, TensorSketch):
        return made
    raise made


def sketch_tensors(views: Sequence[TensorView], parts: Sequence[Part], depth: Depth, path: str) -> list[Made]:
    """Sketches of tensors of one shape and encoding, several of them only of up to `WHOLE` values each.

    What is done of a tensor is done of all at once, since a call of NumPy costs as much as a small tensor does.
    DamagedTensor and Mask stand in the places of tensors that are one. Raises CheckpointError.
    """
    shape = views[0].shape or (1,)
    if math.prod(shape) > WHOLE:
        return [_caught(_sketch_large, view, part, depth, path) for view, part in zip(views, parts, strict=True)]
    whole = np.stack([view.rows(0, shape[0]) for view in views])
    flat = widened(whole).reshape(len(views), shape[0], -1)
    sound = np.flatnonzero(np.isfinite(flat).all(axis=(1, 2))).tolist()
    if len(sound) == len(views):
        return [*_sketched(views, parts, depth, whole, flat)]
    chosen = [views[i] for i in sound], [parts[i] for i in sound]
    found = dict(zip(sound, _sketched(*chosen, depth, whole[sound], flat[sound]), strict=True))
    return [found[i] if i in found else _caught(_fault, flat[i], view, path) for i, view in enumerate(views)]


def _caught(make: Callable[..., TensorSketch], *about: Any) -> Made:
    try:
        return make(*about)
    except (Mask, DamagedTensor) as error:
        return error


def _fault(values: NDArray[np.float32], view: TensorView, path: str) -> TensorSketch:
    """Raise DamagedTensor or Mask for a tensor with NaN or infinite values."""
    _require_finite(values, view, path)
    raise AssertionError(view.name)


def _sketched(
    views: Sequence[TensorView],
    parts: Sequence[Part],
    depth: Depth,
    whole: NDArray[Any],
    flat: NDArray[np.float32],
) -> list[TensorSketch]:
    """Of tensors that are finite: `whole` as stored, (k, *shape), and `flat` as float32, (k, rows, width)."""
    if not views:
        return []
    shape = views[0].shape or (1,)
    rows, grid = sampled(shape[0]), grids(shape)
    digests = value_digests(whole)
    of_band = digests if len(rows) == shape[0] else value_digests(whole[:, rows])
    moments = _power_sums(flat.reshape(len(views), -1))
    codes = minhashes(flat) if depth == "full" and has_row_codes(shape) else None
    kept, of_block = _places(shape)
    values = _taken(flat, kept)
    block = _taken(flat, of_block).astype(np.float64)
    stats = stack_stats(block, flat if len(rows) == shape[0] else flat[:, rows], values)
    values = values.reshape(len(views), len(grid[0]), len(grid[1]))
    units: Sequence[tuple[Units | None, Units | None]] = [(None, None)] * len(views)
    if len(shape) > 1:
        of_rows, of_cols = project_units(block.reshape(len(views), -1, len(rows)).transpose(0, 2, 1), shape)
        units = [*zip(_units(of_rows, rows), _units(of_cols, sampled(shape[1])), strict=True)]
    return [
        TensorSketch(
            name=view.name,
            shape=view.shape,
            dtype=view.encoding or view.dtype.name,
            part=part,
            params=math.prod(shape),
            stats=stats[i],
            band_digest=of_band[i],
            digest=digests[i],
            grid=grid,
            values=values[i],
            units=units[i],
            minhash=codes[i] if codes is not None else None,
            moments=moments[i],
        )
        for i, (view, part) in enumerate(zip(views, _excluding(views, parts, flat, stats), strict=True))
    ]


def _excluding(
    views: Sequence[TensorView], parts: Sequence[Part], flat: NDArray[np.float32], stats: Sequence[Stats]
) -> list[Part]:
    """The parts, with the reason of the tensors that are excluded: integers, fixed tables, extreme values."""
    if views[0].dtype.kind in "biu":
        return [replace(part, excluded=part.excluded or NotAWeight("integers")) for part in parts]
    shape = views[0].shape or (1,)
    # A product of rank one looks like a table of an outer product.
    may_be = np.zeros(len(views), bool) if is_change(views[0].encoding) else may_be_formulas(flat.reshape(-1, *shape))
    found = []
    for view, part, values, is_looked_at, stat in zip(views, parts, flat, may_be.tolist(), stats, strict=True):
        if part.excluded is None:
            table = fixed_table(view.name, shape, values if is_looked_at else None)
            reason = table or (EXTREME if is_extreme(stat) else None)
            found.append(part if reason is None else replace(part, excluded=reason))
        else:
            found.append(part)
    return found


def _taken(stack: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.float32]:
    """The values at these places of each of a stack, (k, places)."""
    return np.take(stack.reshape(len(stack), -1), places, axis=1)


@lru_cache(maxsize=1024)
def _places(shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the kept values and the sampled block lie in a flattened tensor; the block column by column."""
    width = math.prod(shape[1:])
    rows, columns = grids(shape)
    kept = (rows[:, None] * width + columns).reshape(-1)
    if len(shape) == 1:
        return kept, kept
    # A block that is taken from one tensor lies by columns, and sums hang on the order in their last bits.
    return kept, (sampled(shape[0]) * width + block_columns(shape)[:, None]).reshape(-1)


def _units(units: NDArray[np.float64], index: NDArray[np.int64]) -> list[Units]:
    """The units of an axis of each of a stack, (k, n, 32), coded."""
    codes, scale = coded(units)
    return [Units(index, *one) for one in zip(codes, scale, strict=True)]


def _sketch_large(view: TensorView, part: Part, depth: Depth, path: str) -> TensorSketch:
    """Sketch a tensor of more than `WHOLE` values, block by block at full depth, by its sampled rows else."""
    shape = view.shape
    rows = sampled(shape[0])
    full: FullPass | None = None
    if view.dtype.kind in "biu":
        part = replace(part, excluded=part.excluded or NotAWeight("integers"))
    if depth == "full":
        full, band = _feed(view, rows, path)
    else:
        band = np.concatenate([view.rows(a, b) for a, b in bands_read(view, depth)])
    flat = widened(band).reshape(len(rows), -1)
    if full is None:
        _require_finite(flat, view, path)
    part = replace(part, excluded=part.excluded or fixed_rows(flat))
    grid = grids(shape)
    values = flat[_in_band(shape)]
    units: tuple[Units | None, Units | None] = (None, None)
    block: NDArray[np.float64] = flat.astype(np.float64) if len(shape) == 1 else np.empty(0)
    if len(shape) > 1:
        block = _by_columns(flat, block_columns(shape))
        of_rows, of_cols = project_units(block, shape)
        units = encode_units(of_rows, rows), encode_units(of_cols, sampled(shape[1]))
    stats = band_stats(block, flat, values)
    if is_extreme(stats):
        part = replace(part, excluded=part.excluded or EXTREME)
    return TensorSketch(
        name=view.name,
        shape=view.shape,
        dtype=view.encoding or view.dtype.name,
        part=part,
        params=math.prod(shape),
        stats=stats,
        band_digest=full.digest if full and band.shape == shape else value_digest(band),
        digest=full.digest if full else None,
        grid=grid,
        values=values,
        units=units,
        minhash=full.minhash if full else None,
        moments=full.moments if full else None,
    )


def _by_columns(rows: NDArray[np.float32], columns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Columns of rows as float64, one behind the other in memory: sums hang on that order in their last bits."""
    found = np.empty((len(columns), len(rows)))
    found[...] = np.take(rows, columns, axis=1).T
    return found.T


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


def _feed(view: TensorView, rows: NDArray[np.int64], path: str) -> tuple[FullPass, NDArray[Any]]:
    """Run consecutive row blocks through hash, moments and row codes; returns these and the sampled rows."""
    shape = view.shape
    hasher = ValueHasher(shape, view.dtype)
    moments = np.zeros(4)
    width = math.prod(shape[1:])
    projector = RowProjector(shape[0], width) if has_row_codes(shape) else None
    spans = bands_read(view, "full")
    each = spans[0][1]
    compiled = compiled_rows(each, width, view.dtype) if projector else None
    together = min(-(-ROWS_TOGETHER // each), BLOCKS_TOGETHER) if projector else 1
    held = np.empty((min(together * each, shape[0]), width), np.float32)
    scratch = np.empty(min(BLOCK, held.size), np.float32)
    band: list[NDArray[Any]] = []
    for lot in (spans[i : i + together] for i in range(0, len(spans), together)):
        first = lot[0][0]
        for start, stop in lot:
            block = view.rows(start, stop)
            hasher.update(block)
            wanted = rows[(rows >= start) & (rows < stop)] - start
            if len(wanted):
                band.append(block[wanted])
            if compiled is not None and projector is not None:
                sums = compiled.add(block.reshape(-1, width), projector.room(stop - start))
                if np.isfinite(sums).all():
                    moments += sums
                    continue
            wide = held[start - first : stop - first]
            widen(block.reshape(wide.shape), wide)
            _add_sums(moments, wide, scratch, view, path)
        if projector is not None and compiled is None:
            projector.update(held[: lot[-1][1] - first])
    return FullPass(hasher.hexdigest(), moments, projector.minhash() if projector else None), np.concatenate(band)


def _add_sums(
    moments: NDArray[np.float64],
    values: NDArray[np.float32],
    scratch: NDArray[np.float32],
    view: TensorView,
    path: str,
) -> None:
    """Add the power sums of some whole rows. Raises DamagedTensor, Mask if values are not finite."""
    flat = values.reshape(-1)
    for start in range(0, flat.size, BLOCK):
        sums = _power_sums(flat[None, start : start + BLOCK], scratch)[0]
        if not np.isfinite(sums).all():
            _require_finite(values, view, path)
        moments += sums


def _power_sums(x: NDArray[np.floating[Any]], scratch: NDArray[np.float32] | None = None) -> NDArray[np.float64]:
    """Sums of x, x**2, x**3, x**4 of each row of (k, n), float64 (k, 4); infinite or NaN only where a value is.

    Short runs are added in float32 and the runs in float64: the same values in another order agree to about 1e-7.
    `scratch` is memory for as many values: new memory takes as long to come as to be filled.
    """
    even = x.shape[1] // RUN * RUN
    total = np.zeros((len(x), 4))
    with np.errstate(over="ignore", invalid="ignore"):
        for part in (x[:, :even].reshape(len(x), -1, RUN), x[:, even:].reshape(len(x), 1, -1)):
            if not part.size:
                continue
            own = None if scratch is None else scratch[: part.size].reshape(part.shape)
            square = np.multiply(part, part, out=own)
            ones = np.ones(part.shape[2], np.float32)
            sums = np.empty((4, *part.shape[:2]), x.dtype)
            np.matmul(part, ones, out=sums[0])
            np.matmul(square, ones, out=sums[1])
            np.vecdot(square, part, out=sums[2])
            np.vecdot(square, square, out=sums[3])
            total += sums.sum(axis=2, dtype=np.float64).T
        overflown = np.flatnonzero(~np.isfinite(total).all(axis=1)) if x.dtype == np.float32 else ()
        if len(overflown):
            total[overflown] = _power_sums(x[overflown].astype(np.float64))
        return total


def _require_finite(values: NDArray[np.float32], view: TensorView, path: str) -> None:
    """Raise DamagedTensor if a block of whole rows has NaN or infinite values, Mask if it is a mask of these."""
    finite = np.isfinite(values)
    if finite.all():
        return
    bad = int(values.size - finite.sum())
    if _is_finite_as_stored(view):
        raise DamagedTensor(path, view.name, NotFinite(bad, beyond_float32=True))
    width = math.prod(view.shape[1:])
    sampled_too = [widened(view.rows(a, b)).reshape(-1, width) for a, b in bands_read(view, "sampled")]
    seen = np.concatenate([values.reshape(-1, width), *sampled_too])
    others = seen[np.isfinite(seen)]
    is_mask = bool((others == others[0]).all()) if others.size else math.prod(view.shape) == 1
    if (is_mask or _bars_units(seen)) and not np.isnan(seen).any():
        raise Mask
    raise DamagedTensor(path, view.name, NotFinite(bad, beyond_float32=False))


def _is_finite_as_stored(view: TensorView) -> bool:
    """Whether all values of a tensor of a wider type than float32 are finite."""
    if view.dtype.itemsize < (16 if view.dtype.kind == "c" else 8):
        return False
    return all(bool(np.isfinite(view.rows(a, b)).all()) for a, b in bands_read(view, "full"))


def _bars_units(seen: NDArray[np.float32]) -> bool:
    """Whether some rows or columns of a matrix, fewer than half, are minus infinity: outputs that are masked."""
    barred = np.isneginf(seen)
    if min(seen.shape) < 2 or barred.mean() >= 0.5 or not np.isfinite(seen[~barred]).all():
        return False
    return any(bool((lines.all(axis=1) == lines.any(axis=1)).all()) for lines in (barred, barred.T))
