"""How much of a component was inherited, tensor by tensor, and which parts if not all of it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from lineage.ancestry.pair.changes import EQUAL, Change, Changes
from lineage.match import LOG10_ALPHA, Match
from lineage.match.alone import STATISTICS, Alone, judged_alone, log10_equal
from lineage.match.containment import containment, same_values
from lineage.match.evidence import why_not
from lineage.match.values import common_values
from lineage.sketch.vectors import is_searchable
from lineage.types import Inherited, InheritedPart, TensorMatch, TensorSketch

_KINDS: Mapping[str, str] = {
    **dict.fromkeys(("q", "k", "v", "kv", "qkv", "o"), "attention"),
    **dict.fromkeys(("gate", "up", "gate-up", "down"), "mlp"),
    **dict.fromkeys(("expert-gate", "expert-up", "expert-gate-up", "expert-down"), "experts"),
}
"""Roles that are reported together under one name."""

Told = tuple[TensorSketch, bool]
"""A tensor that was decided, and whether it was inherited."""


def inherited(matched: Match, name: str, changes: Changes) -> Inherited:
    """The part of component `name` that the query inherited from the reference, by evidence on each tensor.

    The significance level is corrected for the number of tensors of the query and of statistics. Gains, biases and
    matrices too small for a test of their own are undecided, unless they are equal beyond chance. If no tensor is
    unrelated, all parameters with a place in the reference count as inherited.
    """
    own = [t for t in matched.a.tensors if t.part.component == name and t.part.excluded is None]
    faced = {held.a: (matched.theirs[held.b], held, found) for held, found in changes}
    alpha = LOG10_ALPHA - math.log10(STATISTICS * max(1, len(matched.a.tensors)))
    states: dict[str, Alone] = {}
    for tensor in own:
        if tensor.name in faced:
            states[tensor.name] = _state(tensor, *faced[tensor.name], alpha)
        else:
            states[tensor.name] = "unrelated" if is_searchable(tensor) else "open"
    is_whole = "unrelated" not in states.values()
    counts = ("related", "open") if is_whole else ("related",)
    params = sum(_common(t, faced.get(t.name)) for t in own if states[t.name] in counts)
    told = [(t, states[t.name] == "related") for t in own if states[t.name] != "open"]
    return Inherited(
        params=params,
        share=params / matched.a.params,
        untested=sum(t.params for t in own if states[t.name] == "open"),
        parts=() if is_whole else tuple(_parts([one for one in told if len(one[0].shape) > 1] or told)),
    )


def _state(a: TensorSketch, b: TensorSketch, held: TensorMatch, found: Change, alpha: float) -> Alone:
    if held.how == "rows":  # significant when they were paired
        return "related"
    if found.kind in EQUAL:
        x, y = common_values(a, b, held.transposed)
        rows = containment(a, b) if found.kind == "reordered" and not held.transposed else None
        told = log10_equal(x) < alpha and (np.array_equal(x, y) or log10_equal(y) < alpha)
        if told or (rows is not None and rows.log10_p < alpha):
            return "related"
    return "open" if why_not(a, b) is not None else judged_alone(a, b, held.transposed, alpha)


def _common(a: TensorSketch, faced: tuple[TensorSketch, TensorMatch, Change] | None) -> int:
    """Parameters of a tensor with a place in its counterpart: rows of added tokens, for example, have none."""
    if faced is None:
        return a.params
    b, held, _ = faced
    if held.how == "rows":
        rows = None if same_values(a, b) else containment(a, b)
        return a.params if rows is None else round(rows.share * a.params)
    other = b.shape[::-1] if held.transposed else b.shape
    if len(a.shape) != len(other):
        return min(a.params, b.params)
    return math.prod(min(mine, theirs) for mine, theirs in zip(a.shape, other, strict=True))


def _parts(told: Sequence[Told]) -> Iterator[InheritedPart]:
    """The inherited parts: whole layers, then kinds of tensors in the other layers, then tensors outside layers."""
    layers: dict[int, list[Told]] = defaultdict(list)
    for one in told:
        if one[0].part.layer is not None:
            layers[one[0].part.layer].append(one)
    whole = {layer for layer, tensors in layers.items() if all(came for _, came in tensors)}
    if whole:
        yield InheritedPart(None, tuple(sorted(whole)), every=len(whole) == len(layers))
    inside = [one for one in told if one[0].part.layer not in {*whole, None}]
    outside = [one for one in told if one[0].part.layer is None]
    yield from _kinds(inside, layers)
    yield from _kinds(outside, {})


def _kinds(told: Sequence[Told], layers: Mapping[int, Sequence[Told]]) -> Iterator[InheritedPart]:
    found: dict[tuple[str, bool], set[int]] = defaultdict(set)
    for layer in dict.fromkeys(tensor.part.layer for tensor, _ in told):
        for kind, is_all in _kinds_of([one for one in told if one[0].part.layer == layer]):
            found[kind, is_all].update(() if layer is None else (layer,))
    for (kind, is_all), where in found.items():
        having = [n for n, tensors in layers.items() if any(kind in _names(tensor) for tensor, _ in tensors)]
        is_every = bool(where) and len(where) == len(having)
        yield InheritedPart(kind, tuple(sorted(where)), every=is_every, some=not is_all)


def _kinds_of(told: Sequence[Told]) -> Iterator[tuple[str, bool]]:
    """Kinds of tensors that were all inherited; for other kinds the inherited roles, and whether all of a role were."""
    by_kind: dict[str, list[Told]] = defaultdict(list)
    for one in told:
        by_kind[_KINDS.get(one[0].part.role, one[0].part.role)].append(one)
    for kind, tensors in by_kind.items():
        if all(came for _, came in tensors):
            yield kind, True
            continue
        for role in dict.fromkeys(tensor.part.role for tensor, _ in tensors):
            came = [came for tensor, came in tensors if tensor.part.role == role]
            if any(came):
                yield role, all(came)


def _names(tensor: TensorSketch) -> tuple[str, str]:
    return tensor.part.role, _KINDS.get(tensor.part.role, tensor.part.role)
