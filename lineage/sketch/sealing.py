"""The seal that binds digests of a sketch to its values, and whether two sketches of one id can be of the same weights.

An id covers digests alone, which anybody can copy into a sketch of something else. The seal covers digests and sampled
values together, and so differs for such a mixture; all else is the same only within the rounding of machines.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from lineage.sketch.family import DIGEST_BYTES, SEED_PROJECTION, UNIT_DIMS
from lineage.sketch.layouts import same_sums, same_units
from lineage.sketch.signs import signs
from lineage.types import CheckpointSketch, Neurons, Stats, TensorSketch, Units
from lineage.types.facts.handed_over import Figure

_SAME_STAT = 1e-3
_SAME_MINHASH = 0.75  # share of equal places: a code next to zero may come out otherwise
_SAME_CODE = 8  # of 127
_HELD_EXACTLY = ("bfloat16", "float16", "float32")  # dtypes of which float32 holds every value
_SAME_SUMS = 1e-5  # relative: added in float32 pairs
_CODE, _END, _TINY = 127.0, 3e38, float(np.finfo(np.float32).tiny)


def seal(sketch: CheckpointSketch) -> str:
    """32 hexadecimal digits over digests, shapes and sampled values; the same in every layout and on every machine."""
    lines = sorted(_line(tensor) for tensor in sketch.tensors)
    return blake3("\n".join([sketch.family, sketch.depth, *lines]).encode()).hexdigest(length=DIGEST_BYTES)


def contradiction(a: CheckpointSketch, b: CheckpointSketch) -> Figure | None:
    """A figure that shows that two sketches of one id cannot be of the same weights, None if they can be."""
    if seal(a) != seal(b):
        return "values"
    ours, theirs = (sorted(one.tensors, key=_line) for one in (a, b))
    for mine, other in zip(ours, theirs, strict=True):
        figure = next((what for what, is_same in _figures(mine, other) if not is_same), None)
        if figure is not None:
            return figure
    return None if _neurons_agree(a, b) else "neurons"


def _line(tensor: TensorSketch) -> str:
    values = blake3(np.ascontiguousarray(tensor.values, "<f4").tobytes()).hexdigest(length=DIGEST_BYTES)
    shape = ", ".join(map(str, tensor.shape or (1,)))
    return f'[{_written(tensor.digest)}, {_written(tensor.band_digest)}, [{shape}], "{values}"]'


def _written(text: str | None) -> str:
    """A text in JSON; digests are only quoted, since the JSON encoder would take most of the time here."""
    return f'"{text}"' if text is not None and text.isascii() and text.isalnum() else json.dumps(text)


def _figures(a: TensorSketch, b: TensorSketch) -> Iterator[tuple[Figure, bool]]:
    yield "units", all(same_units(a, axis, b, axis) for axis in (0, 1))
    yield "sums", a.moments is None or b.moments is None or same_sums(a, b)
    yield "statistics", _stats_agree(a.stats, b.stats)
    if a.minhash is not None and b.minhash is not None:
        yield "row-codes", float((a.minhash == b.minhash).mean()) >= _SAME_MINHASH


def _stats_agree(a: Stats, b: Stats) -> bool:
    """Whether means and spreads agree relative to the spread; counts of levels depend on single values: skipped."""
    scale = max(a.std, abs(a.mean))
    near = (abs(a.mean - b.mean), abs(a.std - b.std))
    shares = (abs(a.zeros - b.zeros), abs(a.distinct - b.distinct))
    return max(near) <= _SAME_STAT * scale and max(shares) <= _SAME_STAT


def _neurons_agree(a: CheckpointSketch, b: CheckpointSketch) -> bool:
    """Whether the codes of common neurons in common layers agree; True for a sketch without neurons."""
    others = {(one.component, one.layer, one.keyed): one for one in b.neurons}
    ours = {(one.component, one.layer, one.keyed): one for one in a.neurons}
    pairs = [(one, others[key]) for key, one in ours.items() if key in others]
    return all(_codes_agree(one, other) for one, other in pairs)


def _codes_agree(a: Neurons, b: Neurons) -> bool:
    both, mine, theirs = np.intersect1d(a.index, b.index, assume_unique=True, return_indices=True)
    if len(a.codes) != len(b.codes) or 2 * len(both) < max(len(a.index), len(b.index)):
        return False
    apart = np.abs(a.codes[:, mine].astype(np.int16) - b.codes[:, theirs].astype(np.int16))
    return bool(np.median(apart) <= _SAME_CODE)


def inconsistency(sketch: CheckpointSketch) -> tuple[str, str] | None:
    """An inconsistency of a sketch within itself and the tensor's name; None if there is none.

    What a sketch holds twice is checked: tensors whose values it holds whole have their digests and sums, and the
    units of both axes of a matrix tell of one block, within what coding them rounds away. Kernels and longer tensors
    hold too little twice.
    """
    for tensor in sketch.tensors:
        for what, is_possible in _told_twice(tensor):
            if not is_possible:
                return what, tensor.name
    return None


def _told_twice(tensor: TensorSketch) -> Iterator[tuple[str, bool]]:
    if tensor.values.size == tensor.params and tensor.dtype in _HELD_EXACTLY:
        from lineage.sketch.value_digests import value_digest

        values = tensor.values.reshape(tensor.shape or (1,))
        own = value_digest(values)
        yield "digests", own == tensor.band_digest and tensor.digest in (None, own)
        if tensor.moments is not None:
            yield "sums", _are_sums(tensor.moments, values.astype(np.float64))
    rows, columns = tensor.units
    if rows is not None and columns is not None and math.prod(tensor.shape[2:]) == 1:
        yield "units", _are_of_one_block(rows, columns)


def _are_sums(moments: NDArray[np.float64], values: NDArray[np.float64]) -> bool:
    """Whether these are the power sums of the values, with tolerance for powers below the range of float32."""
    sums = np.array([values.sum(), *((values**power).sum() for power in (2, 3, 4))])
    scale = np.array([math.sqrt(values.size * sums[1]), sums[1], sums[1] ** 1.5, sums[3]])
    return bool((np.abs(moments - sums) <= _SAME_SUMS * scale + values.size * _TINY).all())


def _are_of_one_block(rows: Units, columns: Units) -> bool:
    """Whether sums of the units of both axes by their signs are the same, each code being half a step off at most."""
    sums, off = zip(*map(_signed_sums, (rows, columns)), strict=True)
    most = sum(off) * (1.0 + 1e-6) + 1e-4 * np.abs(sums[0]).max(initial=0.0)
    is_cut = max(units.scale.max(initial=0.0) for units in (rows, columns)) * _CODE >= _END  # at the end of float32
    return bool(is_cut or np.abs(sums[0] - sums[1].T).max(initial=0.0) <= most + _TINY)


def _signed_sums(units: Units) -> tuple[NDArray[np.float64], float]:
    """The units of an axis added by 32 signs each, (32, 32), and how much these can be off."""
    scale = units.scale.astype(np.float64)
    codes = units.codes.astype(np.float64) * scale[:, None]
    return signs(units.index, SEED_PROJECTION, UNIT_DIMS).T @ codes, 0.5 * float(scale.sum())
