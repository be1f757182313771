"""Tensors that could not be read in one of two models, set aside in the other: they cannot be compared."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from lineage.match.structure import by_name_or_part
from lineage.types import CheckpointSketch
from lineage.types.facts.exclusions import (
    NotAWeight,
    NotFinite,
    NotRead,
    UnreadPacking,
    UnreadType,
    UnreadWrapper,
)

_UNREAD = (NotFinite, NotRead, UnreadPacking, UnreadType, UnreadWrapper)
_MASK = NotAWeight("infinities")


def read_by_both(a: CheckpointSketch, b: CheckpointSketch) -> tuple[CheckpointSketch, CheckpointSketch]:
    """Query and reference without what the other has not read, which counts among the unread of both.

    Such tensors are found by name or, under other names, as the unpaired ones if these have exactly as many values. A
    component of the query that would become empty is kept, and is not tested.
    """
    mine, theirs = _unread_in(b, a), _unread_in(a, b)
    if not mine and not theirs:
        return a, b
    left = {t.part.component for t in a.tensors if t.name not in mine and t.part.excluded is None}
    mine = {t.name for t in a.tensors if t.name in mine and t.part.component in left}
    return _without(a, mine), _without(b, theirs)


def _unread_in(model: CheckpointSketch, other: CheckpointSketch) -> set[str]:
    """Names of the tensors of `other` that `model` has, too, and has not read."""
    names = {name for name, why in model.left_out if isinstance(why, _UNREAD) or why == _MASK}
    found = {t.name for t in other.tensors if t.name in names}
    if model.unread and not found:
        faced = {place for _, place, _ in by_name_or_part(model, other)}
        bare = [t for i, t in enumerate(other.tensors) if i not in faced and t.part.excluded is None]
        found = {t.name for t in bare} if sum(t.params for t in bare) == model.unread else set()
    return found


def _without(sketch: CheckpointSketch, names: Collection[str]) -> CheckpointSketch:
    if not names:
        return sketch
    gone = sum(t.params for t in sketch.tensors if t.name in names)
    kept = tuple(t for t in sketch.tensors if t.name not in names)
    return replace(sketch, tensors=kept, unread=sketch.unread + gone)
