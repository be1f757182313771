"""Weights that a network computes from other tensors each time it runs: prune masks, weight norm, spectral norm.

Each has two spellings, of the older functions of torch and of torch.nn.utils.parametrize:

- masks: `P_orig` and `P_mask` (torch.nn.utils.prune), `parametrizations.P.original` and `parametrizations.P.0.mask`
  (torch.ao.pruning). P is their product.
- weight norm: `P_g` and `P_v`, `parametrizations.P.original0` and `original1`. P is g * v / |v|, with a norm for
  each index of one axis, or one for all.
- spectral norm: `P_orig`, `P_u` and `P_v`, `parametrizations.P.original`, `0._u` and `0._v`. P is `P_orig` over one
  number; `P_orig` is given in its place.

For an orthogonal weight (`parametrizations.P.original` and `0.base`) the file does not say which map makes it, so it is
unread.
"""

from __future__ import annotations

import math
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from lineage.checkpoints.decode.non_weights import UNMERGED
from lineage.checkpoints.reader import Contents
from lineage.types import AnyArray, Float64Array, TensorView
from lineage.types.facts.exclusions import Exclusion, NotAWeight, UnreadPacking

MASK = NotAWeight("prune-mask")
SPECTRAL = NotAWeight("spectral-vector")
ORTHOGONAL = UnreadPacking("parametrizations.orthogonal")


_OLD = frozenset({"orig", "mask", "g", "u", "v"})
_MASKED = frozenset({"orig", "mask"})  # of a parameter of any name, as a stack of experts has one: both must be there
_NEW = re.compile(r"(?P<owner>(?:.+\.)?)parametrizations\.(?P<stem>[^.]+)\.(?P<part>.+)")
_PARTS = {"original": "orig", "original0": "g", "original1": "v", "mask": "mask", "_u": "u", "_v": "v"}
_NUMBERED = re.compile(r"\d+\.(?=(?:mask|_u|_v)$)")
_ADAPTER = re.compile(r"\d+\.lora_\w+")
_SPENT = {"g": None, "mask": MASK, "u": SPECTRAL, "v": SPECTRAL}
_BLOCK = 1 << 18  # values that a norm is taken of at a time

_Parts = Mapping[str, TensorView]


class _Found(NamedTuple):
    """A weight, the part that it replaces, and the parts that it is made of."""

    weight: TensorView
    main: str
    spent: tuple[str, ...]


def computed(contents: Contents) -> Contents:
    """Put each weight that is computed from others in their place, under its own name.

    A pruned `weight_v` is `weight_v_orig` and `weight_v_mask`, so that masks come first. Parts that do not fit each
    other, and functions that are not known here, stay as they are stored.
    """
    return _replaced(_replaced(_without_orthogonal(contents), _original), _normed)


def _without_orthogonal(contents: Contents) -> Contents:
    found = [parts for _, parts in _groups(contents) if parts.keys() == {"orig", "0.base"}]
    gone = {view.name for parts in found for view in parts.values()}
    unread = tuple((ORTHOGONAL, math.prod(parts["orig"].shape)) for parts in found)
    return replace(
        contents,
        tensors=tuple(view for view in contents.tensors if view.name not in gone),
        left_out=(*contents.left_out, *((parts["orig"].name, ORTHOGONAL) for parts in found)),
        unread=(*contents.unread, *unread),
    )


def _replaced(contents: Contents, find: Callable[[str, _Parts], _Found | None]) -> Contents:
    weights: dict[str, TensorView] = {}
    spent: dict[str, Exclusion | None] = {}
    for stem, parts in _groups(contents):
        found = find(stem, parts)
        if found is not None:
            weights[parts[found.main].name] = found.weight
            spent |= {parts[part].name: _SPENT.get(part, UNMERGED) for part in found.spent}
    left_out = tuple((name, reason) for name, reason in spent.items() if reason is not None)
    tensors = tuple(weights.get(view.name, view) for view in contents.tensors if view.name not in spent)
    return replace(contents, tensors=tensors, left_out=(*contents.left_out, *left_out))


def _groups(contents: Contents) -> Iterator[tuple[str, _Parts]]:
    """The parts of each weight that is not there itself; of one with a part in both spellings none."""
    named = [(*_taken_apart(view.name), view) for view in contents.tensors]
    if not any(part for _, part, _ in named):
        return
    names = {view.name for view in contents.tensors}
    groups: dict[str, dict[str, TensorView]] = defaultdict(dict)
    twice: set[str] = set()
    for stem, part, view in named:
        if part in groups[stem]:
            twice.add(stem)
        groups[stem][part] = view
    whole = names | twice
    yield from ((stem, parts) for stem, parts in groups.items() if stem not in whole)


def _taken_apart(name: str) -> tuple[str, str]:
    """The weight that a tensor is a part of, by name, and which part; one that is not a part is "" of itself."""
    new = _NEW.fullmatch(name)
    if new is not None:
        part = _NUMBERED.sub("", new["part"])
        return f"{new['owner']}{new['stem']}", _PARTS.get(part, part)
    stem, _, part = name.rpartition("_")
    parameter = stem.rpartition(".")[2]
    is_weight = "weight" in parameter or "bias" in parameter
    return (stem, part) if part in _MASKED or (part in _OLD and is_weight) else (name, "")


def _original(stem: str, parts: _Parts) -> _Found | None:
    """A weight that is kept before a mask, a spectral norm or an adapter is applied to it."""
    original, mask = parts.get("orig"), parts.get("mask")
    vectors = [part for part in ("u", "v") if part in parts and len(parts[part].shape) == 1]
    adapters = [part for part in parts if _ADAPTER.fullmatch(part)]
    spent = (*(("mask",) if mask is not None else ()), *vectors, *adapters)
    if original is None or not spent or len(spent) + 1 < len(parts):
        return None
    if mask is None:
        return _Found(replace(original, name=stem), "orig", spent)
    return _Found(_masked(stem, original, mask), "orig", spent) if mask.shape == original.shape else None


def _masked(name: str, original: TensorView, mask: TensorView) -> TensorView:
    def rows(start: int, stop: int) -> AnyArray:
        values = original.rows(start, stop)
        with np.errstate(invalid="ignore", over="ignore"):  # the sketch refuses what is not finite
            return np.asarray(values * mask.rows(start, stop).astype(values.dtype))

    return replace(original, name=name, rows=rows, storage=f"{original.storage} * {mask.storage}")


def _normed(stem: str, parts: _Parts) -> _Found | None:
    """A weight of which length and direction are kept, and perhaps a mask that is applied after these."""
    if not {"g", "v"} <= parts.keys() <= {"g", "v", "mask"}:
        return None
    length, direction, mask = parts["g"], parts["v"], parts.get("mask")
    kept = _kept_axes(length.shape, direction.shape)
    if kept is None or any(view.dtype.kind in "biuc" for view in (length, direction)):
        return None
    weight = _Directed(stem, direction, length, kept[0] if kept else None).view()
    if mask is None:
        return _Found(weight, "v", ("g",))
    return _Found(_masked(stem, weight, mask), "v", ("g", "mask")) if mask.shape == direction.shape else None


def _kept_axes(length: tuple[int, ...], direction: tuple[int, ...]) -> list[int] | None:
    """The axis whose indices have a length each, none where all have one; None where the two do not fit."""
    if len(direction) < 2:
        return None
    if math.prod(length) == 1:
        return []
    if len(length) == 1:
        length = (*length, *[1] * (len(direction) - 1))
    kept = [axis for axis, side in enumerate(length) if side > 1]
    fits = len(length) == len(direction) and len(kept) == 1 and length[kept[0]] == direction[kept[0]]
    return kept if fits else None


class _Directed:
    """g * v / |v| in float32; the norms of all but whole rows take a pass over v, made once."""

    def __init__(self, name: str, direction: TensorView, length: TensorView, axis: int | None) -> None:
        self._name, self._direction, self._length, self._axis = name, direction, length, axis
        self._lock = threading.Lock()
        self._factors: Float64Array | None = None

    def view(self) -> TensorView:
        """The weight."""
        storage = f"{self._length.storage} * {self._direction.storage}"
        return TensorView(
            self._name, self._direction.shape, np.dtype(np.float32), self._rows, storage, spans=self._direction.spans
        )

    def _rows(self, start: int, stop: int) -> AnyArray:
        values = _as_float64(self._direction.rows(start, stop))
        lengths = self._lengths()
        if self._axis == 0:
            factors = _over(lengths[start:stop], _squared(values, tuple(range(1, values.ndim))))
        else:
            with self._lock:
                if self._factors is None:
                    self._factors = _over(lengths, self._squares())
                factors = self._factors
        shape = [1] * values.ndim
        shape[self._axis or 0] = -1
        with np.errstate(over="ignore", invalid="ignore"):  # the sketch refuses what is not finite
            return np.asarray((values * factors.reshape(shape)).astype(np.float32))

    def _lengths(self) -> Float64Array:
        view = self._length
        return _as_float64(view.rows(0, view.shape[0] if view.shape else 1).reshape(-1))

    def _squares(self) -> Float64Array:
        """Sum of the squares of v for each index of the axis, or of all."""
        view, axis = self._direction, self._axis
        others = tuple(a for a in range(len(view.shape)) if a != axis)
        step = max(1, _BLOCK // math.prod(view.shape[1:]))
        total = np.zeros(1 if axis is None else view.shape[axis])
        for start in range(0, view.shape[0], step):
            band = _as_float64(view.rows(start, min(start + step, view.shape[0])))
            total += _squared(band, others).reshape(-1)
        return total


def _as_float64(values: AnyArray) -> Float64Array:
    with np.errstate(invalid="ignore"):  # of a signalling NaN
        return values.astype(np.float64)


def _squared(values: Float64Array, axes: tuple[int, ...]) -> Float64Array:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.square(values).sum(axis=axes))


def _over(lengths: Float64Array, squares: Float64Array) -> Float64Array:
    """Length over norm: 0 where the direction is zero, as the weight then is; NaN where no float64 is the norm."""
    norms = np.where(np.isfinite(squares), np.sqrt(squares), np.nan)
    with np.errstate(over="ignore"):
        return np.divide(lengths, norms, out=np.zeros(norms.shape), where=norms != 0)
