"""Values that are others cast to a narrower type, rounded or truncated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lineage.ancestry.pair.beside import Beside
from lineage.ancestry.pair.changes import Change, Held
from lineage.ancestry.pair.first_looks import look
from lineage.ancestry.pair.narrow_types import SIGNIFICANDS, are_cast, is_cast, narrow_types
from lineage.sketch.stacks import in_stacks, laid
from lineage.types import Direction, TensorMatch, TensorSketch
from lineage.types.facts.schemes import StoredAs

_RECAST_R = 0.9  # rounding to eight bits leaves 0.99; below this no cast is tried
_ARITHMETIC = 2.0**-20  # relative error of a few operations in float32; half a step of float16 is 2 ** -11
_HEAD = 32  # values of the quick test: enough to exclude nearly all other pairs
_TOGETHER = 32  # pairs processed at once: they fit in the processor's cache

Values = NDArray[np.float32]


def may_be_cast(pairs: Sequence[tuple[Held, Beside]]) -> list[bool]:
    """Whether one side of each pair may be the other in a narrower type, by a quick test."""
    look.of(tensor for held, _ in pairs for tensor in held[1:])
    narrow = [i for i, (held, seen) in enumerate(pairs) if _has_narrow_side(*held, seen)]
    found = dict(zip(narrow, _are_near([pairs[i][1] for i in narrow]), strict=True))
    return [found.get(i, False) for i in range(len(pairs))]


def recast(a: TensorSketch, b: TensorSketch, x: NDArray[np.float32], y: NDArray[np.float32]) -> Change | None:
    """Recast if one side's values are the other's in a narrower type, rounded or truncated; else None."""
    sides: tuple[tuple[Direction, TensorSketch, NDArray[np.float32], NDArray[np.float32]], ...]
    sides = (Direction.CHILD, a, x, y), (Direction.PARENT, b, y, x)
    for scheme in SIGNIFICANDS:
        for direction, tensor, coarse, fine in sides:
            # A part of the values may fit in a type that does not hold all of them.
            held = coarse.size < tensor.values.size or scheme in narrow_types(tensor)
            if held and is_cast(coarse, fine, scheme):
                return Change("recast", None if _are_recomputed(coarse, fine) else direction, StoredAs(scheme))
    return None


def is_cast_between_halves(coarse: TensorSketch, fine: TensorSketch) -> bool:
    """Whether one tensor is stored as float16 and is the other, stored as bfloat16, but for unsampled small values.

    The two must have equal sampled values, all numbers of both types. Those of float16 have three more bits, so that
    they came from bfloat16; below 2 ** -16 the cast loses some, so that the way back gives other values.
    """
    stored = coarse.dtype, fine.dtype
    return (
        stored == ("float16", "bfloat16") and None not in (coarse.digest, fine.digest) and coarse.digest != fine.digest
    )


def _are_recomputed(coarse: NDArray[np.float32], fine: NDArray[np.float32]) -> bool:
    """Whether values differ from narrow ones only by float32 arithmetic, such as recomputed lengths times directions.

    Errors of rounding to 16 bits are spread over whole steps of the type: here nothing was rounded, so that the cast
    has no direction.
    """
    return bool((np.abs(fine - coarse) <= _ARITHMETIC * np.abs(coarse)).all())


def _has_narrow_side(match: TensorMatch, a: TensorSketch, b: TensorSketch, seen: Beside) -> bool:
    """Whether one side may be a cast of the other: similar, and some side fits in a narrow type as far as sampled."""
    if match.r is not None and match.r <= _RECAST_R:
        return False
    sizes = {a.values.size, b.values.size, seen.x.size}
    return len(sizes) > 1 or bool(narrow_types(a) or narrow_types(b))


def _are_near(pairs: Sequence[Beside]) -> list[bool]:
    """Whether the first values of one side of each pair are those of the other in a narrower type."""
    found = [False] * len(pairs)
    for places, x in in_stacks([_head(one.x) for one in pairs], _TOGETHER):
        y = laid([_head(pairs[i].y) for i in places])
        cast = [are_cast(coarse, fine, scheme) for scheme in SIGNIFICANDS for coarse, fine in ((x, y), (y, x))]
        for i, one in zip(places, np.any(cast, axis=0).tolist(), strict=True):
            found[i] = one
    return found


def _head(values: Values) -> Values:
    return values[: -(-_HEAD // max(1, values.shape[1]))].reshape(-1)[:_HEAD]
