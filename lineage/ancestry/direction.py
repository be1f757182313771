"""Which way the arrow points: only where a cue says so, and with the cue named."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from lineage.ancestry.changes import Change
from lineage.match import Match
from lineage.match.evidence import pair_correlation
from lineage.match.values import common_values
from lineage.types import CheckpointSketch, Relation, Role, TensorMatch, TensorSketch

_MIN_ROWS = 8
_ALONG = 0.97  # cosine of a row's movement with the row: float32 rounding over many steps takes the rest
_ALIKE = 0.2  # how far factors may lie apart, as a share of the shrinkage
_ALIKE_R = 0.5
_MOST_DECAY = 0.1  # a larger factor is a rescaling, not decay


def direction(
    match: Match, changes: Sequence[tuple[TensorMatch, Change]], words: Collection[Relation]
) -> tuple[Role, tuple[str, ...]]:
    """The query's role towards the reference and the cues, the strongest first; "undirected" without one.

    `words` are the relations of the query's components: the cues of vocabulary and depth count where those changed.

    In order: a change that can only be computed one way; experts made of one MLP; vocabulary growth; dropped and copied
    layers; never-trained rows shrunk by weight decay; what a card declares. A later cue never overrules an earlier one.
    """
    cues = (
        _computable(changes),
        _upcycled(match),
        _vocabulary(match, changes) if "vocabulary-changed" in words else None,
        _layers(match, changes) if "depth-changed" in words else None,
        _shrunk_rows(match),
        _declared(match.a, match.b),
    )
    said = [cue for cue in cues if cue is not None]
    if not said:
        return "undirected", ()
    role = said[0][0]
    return role, tuple(text for other, text in said if other == role)


def _computable(changes: Sequence[tuple[TensorMatch, Change]]) -> tuple[Role, str] | None:
    roles = {c.role for _, c in changes if c.role is not None}
    if len(roles) != 1:
        return None
    role = roles.pop()
    assert role is not None
    kind = next(c.kind for _, c in changes if c.role is not None)
    finer, coarser = ("the reference", "this model") if role == "child" else ("this model", "the reference")
    verb = {"recast": "rounding", "pruned": "pruning", "quantized": "quantising"}[kind]
    return role, f"{coarser} can be computed from {finer} by {verb}, not the other way round"


def experts(sketch: CheckpointSketch) -> bool:
    """Whether a model has expert matrices."""
    return any(t.part.role.startswith("expert") for t in sketch.tensors)


def _upcycled(match: Match) -> tuple[Role, str] | None:
    """One side has experts where the other has one MLP: experts are copied from it, not averaged into it."""
    mine, theirs = experts(match.a), experts(match.b)
    if mine == theirs:
        return None
    return ("child" if mine else "parent"), "experts are made of one MLP, not the other way round"


def _vocabulary(match: Match, changes: Sequence[tuple[TensorMatch, Change]]) -> tuple[Role, str] | None:
    """Token tables of two lengths whose common rows agree: tokens are added more often than removed."""
    ours = {t.name: t.params for t in match.a.tensors}
    theirs = {t.name: t.params for t in match.b.tensors}
    for held, found in changes:
        if held.role != "token-embedding" or found.kind not in ("same", "recast", "tuned"):
            continue
        mine, other = ours[held.a], theirs[held.b]
        if mine != other:
            role: Role = "child" if mine > other else "parent"
            return role, f"token table of {mine:,} values against {other:,}: vocabularies grow"
    return None


def _layers(match: Match, changes: Sequence[tuple[TensorMatch, Change]]) -> tuple[Role, str] | None:
    """One side's layers are a part of the other's: the fewer were kept, or the more are copies."""
    kept = [(m, c) for m, c in changes if c.kind != "unrelated" and len(m.shape) > 1 and None not in m.layers]
    ours = _layer_matrices(match.a, {m.component for m, _ in kept})
    names = {m.b for m, _ in kept}
    theirs = _layer_matrices(match.b, {t.part.component for t in match.b.tensors if t.name in names})
    here, there = {m.layers[0] for m, _ in kept}, {m.layers[1] for m, _ in kept}
    if len(theirs) > len(ours) and here == set(ours):
        if _copies(theirs, there):
            return "parent", "the reference holds copies of this model's layers"
        return "child", f"{len(ours)} of the reference's {len(theirs)} layers are here and no other"
    if len(ours) > len(theirs) and there == set(theirs):
        if len(names) < len(kept) or _copies(ours, here):
            return "child", "this model holds copies of the reference's layers"
        return "parent", f"{len(theirs)} of this model's {len(ours)} layers are in the reference and no other"
    return None


def _layer_matrices(sketch: CheckpointSketch, components: Collection[str]) -> dict[int | None, list[TensorSketch]]:
    found: dict[int | None, list[TensorSketch]] = {}
    for t in sketch.tensors:
        if t.part.component in components and t.part.layer is not None and len(t.shape) > 1:
            found.setdefault(t.part.layer, []).append(t)
    return found


def _copies(layers: dict[int | None, list[TensorSketch]], matched: Collection[int | None]) -> bool:
    """Whether an unmatched layer is a matched one over again, trained since or not: half of its matrices are alike."""
    for layer, mine in layers.items():
        if layer in matched:
            continue
        for other in matched:
            alike = [
                _are_alike(a, b)
                for a in mine
                for b in layers.get(other, ())
                if a.part.role == b.part.role and a.shape == b.shape
            ]
            if sum(alike) > len(alike) / 2:
                return True
    return False


def _are_alike(a: TensorSketch, b: TensorSketch) -> bool:
    """Whether two tensors of one shape are plainly alike: r over 0.5 of a few hundred values."""
    r = pair_correlation(a, b, transposed=False)
    return r is not None and r > _ALIKE_R


def _shrunk_rows(match: Match) -> tuple[Role, str] | None:
    """Rows of unseen tokens receive no gradient; weight decay scales them all by one factor below 1 in the child."""
    for pair in match.pairs:
        a, b = match.a.tensors[pair.a], match.b.tensors[pair.b]
        if a.part.role != "token-embedding" or pair.transposed or pair.how == "rows":
            continue
        factor = common_factor(a, b)
        if factor is not None:
            role: Role = "child" if factor < 1.0 else "parent"
            side = "this model" if role == "child" else "the reference"
            return role, f"rows of unseen tokens are scaled by {min(factor, 1 / factor):.6f} in {side} (weight decay)"
    return None


def common_factor(a: TensorSketch, b: TensorSketch) -> float | None:
    """The one factor by which a quarter (and eight) of the sampled rows of `b` were scaled to give those of `a`.

    A row counts if nearly all of its movement is along itself, which movement by gradients is not. None without
    enough such rows, one common factor, or a factor that decay could give.
    """
    x, y = (v.astype(np.float64) for v in common_values(a, b, transposed=False))
    square = (y * y).sum(axis=1)
    moved = (square > 0) & (x != y).any(axis=1)
    x, y, square = x[moved], y[moved], square[moved]
    along = ((x - y) * y).sum(axis=1) / square
    cosine = np.abs(along) * np.sqrt(square) / np.linalg.norm(x - y, axis=1)
    scaled = along[cosine > _ALONG]
    if len(scaled) < max(_MIN_ROWS, len(along) / 4):
        return None
    middle = float(np.median(scaled))
    alike = np.abs(scaled - middle).max() < _ALIKE * abs(middle)
    return 1.0 + middle if alike and abs(middle) < _MOST_DECAY else None


def _declared(a: CheckpointSketch, b: CheckpointSketch) -> tuple[Role, str] | None:
    for child, parent, role in ((a, b, "child"), (b, a, "parent")):
        for fact in child.declared:
            if same_name(fact.model, parent.name):
                found: Role = "child" if role == "child" else "parent"
                return found, f"declared: {fact.source} names {parent.name}"
    return None


def same_name(left: str, right: str) -> bool:
    """Whether two model names agree but for the organisation before the slash and the case."""
    return bool(left) and left.rsplit("/", 1)[-1].lower() == right.rsplit("/", 1)[-1].lower()
