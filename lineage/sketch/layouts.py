"""Identity of content, separate from layout: the same values under other names, transposed, or in another format."""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from blake3 import blake3

from lineage.sketch.family import DIGEST_BYTES, FAMILY
from lineage.sketch.remembered import remembered
from lineage.sketch.tied import copies, facing
from lineage.types import CheckpointSketch, Depth, Outlined, TensorSketch

SAME_SUM = 1e-6  # relative: power sums are added in float32 pairs, in another order
_SAME_UNIT = 2e-2  # of the largest unit: each is coded in steps of 1/127, and is added in another order

Names = frozenset[tuple[str, tuple[int, ...]]]
Translation = Mapping[str, tuple[TensorSketch, bool]]
"""For each tensor's name in one layout, the tensor with its values in another, and whether that one is transposed."""


@dataclass(frozen=True, slots=True)
class Same:
    """Places of two tensors of equal values in their models, and whether one is stored transposed."""

    a: int
    b: int
    turned: bool


def content_id(tensors: Iterable[Outlined], depth: Depth) -> str:
    """The id of a model: 32 hexadecimal digits over family, depth and its digests, whatever their names and order."""
    digests = sorted(t.digest if depth == "full" and t.digest else t.band_digest for t in tensors)
    return blake3("\n".join([FAMILY, depth, *digests]).encode()).hexdigest(length=DIGEST_BYTES)


def layout_id(sketch: CheckpointSketch) -> str:
    """32 hexadecimal digits over how a file lays its content out: its format; name, shape, encoding of each tensor.

    Two files of one content id are one if this agrees too. The order of tensors does not count.
    """
    lines = sorted(
        json.dumps([t.name, t.shape, t.dtype, t.digest if sketch.depth == "full" and t.digest else t.band_digest])
        for t in sketch.outlines
    )
    return blake3("\n".join([json.dumps(sketch.format), *lines]).encode()).hexdigest(length=DIGEST_BYTES)


def names_of(sketch: CheckpointSketch) -> Names:
    """Names and shapes of all tensors: models of one library and configuration agree in them."""
    return frozenset((t.name, t.shape) for t in sketch.outlines)


@remembered
def content_key(sketch: CheckpointSketch) -> str | None:
    """32 hexadecimal digits that are equal for models of the same sampled values, whatever their names and orientation.

    A tied table counts once. Where it agrees, `same_weights` says whether all values do. None for a model of fixed
    tables and constants alone.
    """
    tied = copies(sketch)
    values = [_sampled_values(t)[0] for t in sketch.tensors if t.part.excluded is None and t.name not in tied]
    return blake3(b"".join(sorted(values))).hexdigest(length=DIGEST_BYTES) if values else None


@remembered
def vector_digests(sketch: CheckpointSketch) -> frozenset[tuple[str, int]]:
    """How often each content occurs among vectors: if two models differ in this, their weights differ.

    Vectors have one orientation only, and distinguish most models.
    """
    digests = Counter(t.band_digest for t in sketch.outlines if len(t.shape) < 2 and t.part.excluded is None)
    return frozenset(digests.items())


def same_weights(a: CheckpointSketch, b: CheckpointSketch) -> bool:
    """Whether the two hold the same tensors, whatever their names and orientation.

    A tied table may be there once, or once for each of its places.
    """
    return correspondence(facing(a, b), facing(b, a)) is not None


def correspondence(a: CheckpointSketch, b: CheckpointSketch) -> tuple[Same, ...] | None:
    """Tensors of equal values, one of `b` for each of `a`; None unless all of both models are matched.

    Of several tensors of equal values each faces that of its name, else the first. Fixed tables and constants
    belong to no model and are left out; of weights that were not read nothing is known.
    """
    if a.unread or b.unread or vector_digests(a) != vector_digests(b):
        return None
    ours, theirs = ({i: t for i, t in enumerate(s.tensors) if t.part.excluded is None} for s in (a, b))
    if not ours or len(ours) != len(theirs):
        return None
    held: dict[bytes, dict[str, tuple[int, bool]]] = defaultdict(dict)
    for j, tensor in theirs.items():
        key, turned = _sampled_values(tensor)
        held[key][tensor.name] = j, turned
    found = []
    for i, tensor in ours.items():
        key, turned = _sampled_values(tensor)
        alike = held[key]
        if not alike:
            return None
        j, other = alike.pop(tensor.name if tensor.name in alike else next(iter(alike)))
        if not _is_same(tensor, theirs[j], turned != other):
            return None
        found.append(Same(i, j, turned != other))
    return tuple(found)


def translation(a: CheckpointSketch, b: CheckpointSketch) -> Translation | None:
    """How the layout of `a` is translated to that of `b`, a copy of it; None if `b` is not a copy."""
    a, b = facing(a, b), facing(b, a)
    same = correspondence(a, b)
    return None if same is None else {a.tensors[one.a].name: (b.tensors[one.b], one.turned) for one in same}


def translated(sketch: CheckpointSketch, into: Translation) -> CheckpointSketch:
    """A sketch under the names, parts and shapes of another layout; tensors without a translation are unchanged."""
    return replace(
        sketch, tensors=tuple(_translated(t, *into[t.name]) if t.name in into else t for t in sketch.tensors)
    )


def same_sums(a: TensorSketch, b: TensorSketch) -> bool:
    """Whether power sums of two tensors are those of the same values, added in any order; False without them."""
    if a.moments is None or b.moments is None or a.params != b.params:
        return False
    scale = np.array([np.sqrt(a.params * a.moments[1]), a.moments[1], a.moments[1] ** 1.5, a.moments[3]])
    return bool((np.abs(a.moments - b.moments) <= SAME_SUM * scale).all())


def _translated(tensor: TensorSketch, other: TensorSketch, turned: bool) -> TensorSketch:
    part = replace(other.part, excluded=tensor.part.excluded)
    if not turned:
        return replace(tensor, name=other.name, shape=other.shape, part=part)
    if _sampled_values(tensor)[0] == _sampled_values(other)[0] and _is_same(tensor, other, turned=True):
        return replace(other, part=part)  # with the digests that it has when stored this way round
    return replace(
        tensor,
        name=other.name,
        shape=other.shape,
        part=part,
        grid=tensor.grid[::-1],
        values=np.ascontiguousarray(tensor.values.T),
        units=tensor.units[::-1],
        minhash=None,  # of rows, which are columns here
    )


@remembered
def _sampled_values(tensor: TensorSketch) -> tuple[bytes, bool]:
    """Shape and sampled values of a tensor in that of its two orientations that sorts first; whether it is transposed.

    The grid depends on the length of each axis alone, so a transposed matrix has the transposed grid. Positions of a
    kernel have one order, and axes of length one do not count.
    """
    shape = tensor.shape if len(tensor.shape) < 2 else (*tensor.shape[:2], math.prod(tensor.shape[2:]))
    straight = _sealed(shape, tensor.values)
    if len(shape) < 2 or shape[2] > 1:
        return straight, False
    turned = _sealed((shape[1], shape[0], 1), tensor.values.T)
    return min((straight, False), (turned, True))


def _sealed(shape: tuple[int, ...], values: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bytes:
    seal = blake3(str(list(shape)).encode())
    seal.update(np.ascontiguousarray(values).tobytes())
    return seal.digest()


def _is_same(a: TensorSketch, b: TensorSketch, turned: bool) -> bool:
    """Whether two tensors of equal sampled values are equal in everything else that the sketches hold."""
    if not turned and a.shape == b.shape:
        if a.digest is not None and b.digest is not None:
            return a.digest == b.digest
        return a.band_digest == b.band_digest
    if a.moments is not None and b.moments is not None and not same_sums(a, b):
        return False
    return all(same_units(a, axis, b, 1 - axis if turned else axis) for axis in (0, 1))


def same_units(a: TensorSketch, axis: int, b: TensorSketch, other: int) -> bool:
    """Whether units of an axis of `a` and of the axis `other` of `b` are the same, within their coding."""
    left, right = a.units[axis], b.units[other]
    if left is None or right is None:
        return left is right
    x, y = (one.codes * one.scale[:, None].astype(np.float64) for one in (left, right))
    return x.shape == y.shape and bool(np.abs(x - y).max(initial=0.0) <= _SAME_UNIT * np.abs(x).max(initial=0.0))
