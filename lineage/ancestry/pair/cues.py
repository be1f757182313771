"""Cues of direction: properties that one model can only have, or is likelier to have, from the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from lineage.ancestry.pair.changes import EQUAL, TOKEN_ROLES, Compared, rows_in_place
from lineage.ancestry.pair.decay import common_factor
from lineage.ancestry.pair.lattices import has_fewer_values
from lineage.ancestry.pair.narrow_types import are_roundings
from lineage.ancestry.pair.relations import Layer, layer_matrices, layers_of, projected_direction, width_changes
from lineage.match import has_experts
from lineage.match.pair_correlations import pair_correlation
from lineage.types import CheckpointSketch, Direction, Relation, TensorSketch
from lineage.types.facts import Fact
from lineage.types.facts.cues import (
    Computable,
    CopiedLayers,
    DeclaredParent,
    ExpertsOfOne,
    FewerLayers,
    FewerUnits,
    GrownVocabulary,
    ShrunkRows,
    Side,
    SpreadGains,
)

_ONE_WAY = (Direction.CHILD, Direction.PARENT)
_UNANIMOUS = 0.8  # share of the computable changes that must point one way
_A_FEW = 0.05  # share of trained matrices that do not make a rounding a fine-tune
_ALIKE_R = 0.5  # correlation of rows or matrices that unrelated ones do not reach
_KEPT_ROWS = 0.9  # share of token rows that stay in place if tokens were only added
_NEARLY_ALL = 0.8  # share of a model's matrices: heads are exchanged, and tied tables are left out
_FEW = 3  # least number of trained gains: the mean of fewer depends on single norms
_SPREAD = 0.005  # relative growth beyond rounding and chance
_CUT = (Relation.DEPTH_CHANGED, Relation.WIDTH_PRUNED)  # what leaves nothing new in the child
_Way = Literal["rounding", "pruning", "quantising", "folding"]
_WAYS: Mapping[str, _Way] = {
    "recast": "rounding", "pruned": "pruning", "quantized": "quantising"
}  # fmt: skip


class Said(NamedTuple):
    """The query's direction by one cue, with the fact behind it; `certain` if one side can be computed from the other.

    Cues that are not certain can also be shown by two children of an absent model.
    """

    direction: Direction
    fact: Fact
    certain: bool = False


def computable(of: Compared) -> Said | None:
    """One side is the exact rounding, pruning or quantization of the other, or the other with its norms folded in."""
    # Quantized matrices that are not computed from the other side come from a sibling or a tuned model.
    ways = [c.direction for _, c in of.changes if c.direction is not None or c.kind == "quantized"]
    direction = next((way for way in _ONE_WAY if ways.count(way) > _UNANIMOUS * len(ways)), None)
    if direction is None:
        return None
    kind = next(c.kind for _, c in of.changes if c.direction == direction)
    # If other matrices were trained, the coarse side is not an ancestor, but may be a sibling or a child.
    has_few_tuned = _tuned_share(of) <= _A_FEW
    has_its_vectors = _moved_vectors(of) <= _A_FEW
    if kind == "recast" and not has_few_tuned:
        return None
    is_fold = any(c.scales_units and c.direction == direction for _, c in of.changes)
    by: _Way = "folding" if is_fold else _WAYS[kind]
    # If other parts or the structure differ, the two may be children of the model that was rounded.
    is_whole = _is_the_whole(of) and not any(one.reshapes for one in of.words.values()) and not _have_own_heads(of)
    is_one_way = not _has_another_source(of, direction)
    certain = has_few_tuned and has_its_vectors and is_whole and is_one_way
    return Said(direction, Computable(_child(direction), by), certain=certain)


def _has_another_source(of: Compared, direction: Direction) -> bool:
    """Whether some matrices show that both were computed from a third model.

    These are matrices that are finer on the side of the copy, however small ones that were trained on one side (heads,
    token tables, tables of positions, routers: each is tuned alone at times), and more than a few matrices on levels
    to which the other side's do not round, since its own were trained further.
    """
    if any(c.direction not in (None, direction) for _, c in of.changes):
        return True
    others = [m for m, c in of.changes if c.kind == "quantized" and c.direction is None]
    if len(others) > _A_FEW * len(of.changes) or any(m.role in TOKEN_ROLES for m in others):
        return True
    trained = [m for m, c in of.changes if c.kind == "tuned" and len(m.shape) > 1]
    return any(m.role in TOKEN_ROLES or _is_trained(*of.match.sides(m)) for m in trained)


def _is_trained(one: TensorSketch, other: TensorSketch) -> bool:
    """Whether two matrices differ by more than rounding, and neither has so few values that its levels were missed."""
    x, y = one.values, other.values
    return x.shape == y.shape and not (has_fewer_values(x, y) or has_fewer_values(y, x) or are_roundings(x, y))


def _is_in(of: Compared, direction: Direction) -> bool:
    """Whether every matrix of the supposed child is related to one of the other's, so that it can come from there."""
    sketch, names = _related_of(of)[0 if direction == Direction.CHILD else 1]
    return all(t.name in names for t in sketch.tensors if _is_outside(t))


def _is_the_whole(of: Compared) -> bool:
    """Whether nearly all matrices of both models, by size, are related."""
    for sketch, names in _related_of(of):
        sizes = [(t.params, t.name in names) for t in sketch.tensors if len(t.shape) > 1 and t.part.excluded is None]
        if sum(size for size, is_related in sizes if is_related) < _NEARLY_ALL * sum(size for size, _ in sizes):
            return False
    return True


def _have_own_heads(of: Compared) -> bool:
    """Whether each model has a matrix outside its layers that the other lacks: both may have been made from a third.

    Such are heads for tasks of their own, whatever their names.
    """
    return all(any(_is_outside(t) and t.name not in names for t in sketch.tensors) for sketch, names in _related_of(of))


def _is_outside(tensor: TensorSketch) -> bool:
    """Whether a tensor is a matrix outside the numbered layers that holds weights of the model's own."""
    return tensor.part.layer is None and tensor.part.excluded is None and tensor.params not in tensor.shape


def _related_of(of: Compared) -> tuple[tuple[CheckpointSketch, set[str]], ...]:
    """Each of the two models, with the names of its tensors that are related to the other's."""
    related = [m for m, c in of.changes if c.kind != "unrelated"]
    return (of.match.a, {m.a for m in related}), (of.match.b, {m.b for m in related})


def _is_untouched(of: Compared) -> bool:
    """Whether all related tensors are equal, up to rounding and order: nothing was trained in between."""
    return all(c.kind in EQUAL for _, c in of.changes if c.kind != "unrelated")


def _is_all(of: Compared, word: Relation, direction: Direction) -> bool:
    """Whether nothing was trained in between and this is the only change of structure, so that one gave the other.

    If both models have changes of their own, they may be siblings: so may those be of which the changed one has a head
    that the other lacks.
    """
    contrary = any(c.direction not in (None, direction) for _, c in of.changes)  # the other side was rounded
    others = any(one.reshapes for one in of.words.values() if one != word)
    if word != Relation.EXPERT_UPCYCLED and has_experts(of.match.a) != has_experts(of.match.b):
        return False
    if word in _CUT and not _is_in(of, direction):
        return False
    return _is_untouched(of) and not contrary and not others and (word == Relation.WIDTH_PRUNED or _keeps_sizes(of))


def _keeps_sizes(of: Compared) -> bool:
    """Whether related matrices, except token tables, have equal sizes in both models.

    A component has one relation only: with fewer and narrower layers it is called "depth-changed".
    """
    return all(
        math.prod(m.shape) == of.match.theirs[m.b].params
        for m, c in of.changes
        if c.kind != "unrelated" and len(m.shape) > 1 and m.role not in TOKEN_ROLES
    )


def _tuned_share(of: Compared) -> float:
    """Share of the compared matrices, by size, that were trained."""
    held = [(t.params, c.kind == "tuned") for m, c in of.changes if len((t := of.match.mine[m.a]).shape) > 1]
    return sum(size for size, tuned in held if tuned) / max(1, sum(size for size, _ in held))


def _moved_vectors(of: Compared) -> float:
    """Share of the norms and biases that were trained; for equal matrices they are the only evidence of training."""
    sides = [(of.match.sides(m), c) for m, c in of.changes if len(m.shape) == 1]
    moved = [c.kind == "tuned" and not are_roundings(a.values, b.values) for (a, b), c in sides]
    return sum(moved) / max(1, len(moved))


def projected_out(of: Compared) -> Said | None:
    """One side is the other with one direction projected out of its matrices, which cannot be undone."""
    direction = projected_direction(of.match, of.changes)
    if direction is None:
        return None
    others = Compared(of.match, [(m, c) for m, c in of.changes if c.rank != 1], of.words)
    return Said(direction, Computable(_child(direction), "projection"), certain=_tuned_share(others) <= _A_FEW)


def _child(direction: Direction) -> Side:
    """The side that is the child if the query has that direction."""
    return "this-model" if direction == Direction.CHILD else "reference"


def upcycled(of: Compared) -> Said | None:
    """One side has experts where the other has one MLP: experts are copied from an MLP, not averaged into one."""
    mine, theirs = has_experts(of.match.a), has_experts(of.match.b)
    if mine == theirs:
        return None
    direction: Direction = Direction.CHILD if mine else Direction.PARENT
    certain = _is_all(of, Relation.EXPERT_UPCYCLED, direction) and _are_copied_experts(of, mine)
    return Said(direction, ExpertsOfOne(), certain)


def _are_copied_experts(of: Compared, ours: bool) -> bool:
    """Whether several experts, the query's if `ours`, are exact copies of the other side's MLP."""
    held = [(m, c) for m, c in of.changes if len(m.shape) > 1 and c.kind != "unrelated"]
    if ours:
        made = [(m.b, c.kind in EQUAL) for m, c in held if m.role.startswith("expert")]
        return bool(made) and all(exact for _, exact in made) and len({b for b, _ in made}) < len(made)
    sketch = of.match.b
    faced = {m.b: c.kind in EQUAL for m, c in held}
    digests = [t.band_digest for t in sketch.tensors if t.part.role.startswith("expert") and len(t.shape) > 1]
    made_of = [t for t in sketch.tensors if t.part.role.startswith("expert") and t.name in faced]
    return bool(made_of) and all(faced[t.name] for t in made_of) and all(digests.count(d) > 1 for d in digests)


def narrower(of: Compared) -> Said | None:
    """Related matrices are smaller on one side: units are removed more often than added."""
    if Relation.WIDTH_PRUNED not in of.words.values():
        return None
    changes = width_changes(of.match, of.changes)
    if not changes:
        return None
    direction: Direction = Direction.CHILD if sum(changes) < 0 else Direction.PARENT
    # Units of different matrices may have been removed from a third model on either side.
    is_one_way = all((change < 0) == (direction == Direction.CHILD) for change in changes)
    return Said(direction, FewerUnits(_child(direction)), is_one_way and _is_all(of, Relation.WIDTH_PRUNED, direction))


def vocabulary_grown(of: Compared) -> Said | None:
    """Token tables of two lengths whose common rows are in place: tokens are added more often than removed.

    Never certain: a table that was cut to the tokens in use, with all else as it was, is as common as one that was
    given rows which nothing has trained yet.
    """
    if Relation.VOCABULARY_CHANGED not in of.words.values():
        return None
    ours, theirs = of.match.mine, of.match.theirs
    for held, found in of.changes:
        if held.role != "token-embedding" or found.kind not in ("same", "recast", "tuned"):
            continue
        mine, other = ours[held.a], theirs[held.b]
        places = rows_in_place(mine, other)
        if mine.params != other.params and len(places) and (places > _ALIKE_R).mean() > _KEPT_ROWS:
            direction: Direction = Direction.CHILD if mine.params > other.params else Direction.PARENT
            return Said(direction, GrownVocabulary(mine.params, other.params))
    return None


def layers(of: Compared) -> Said | None:
    """One side's layers are a subset of the other's: layers were removed, or copies of layers were added.

    Nothing is said if the deeper one has copies and layers of its own as well: both may be children of another model.
    """
    if Relation.DEPTH_CHANGED not in of.words.values():
        return None
    match = of.match
    kept = [(m, c) for m, c in of.changes if c.kind != "unrelated" and len(m.shape) > 1 and None not in m.layers]
    names = {m.b for m, _ in kept}
    components = {t.part.component for t in match.b.tensors if t.name in names}
    of_a, of_b = layers_of(match.a), layers_of(match.b)
    ours = _by_layer(layer_matrices(match.a, {m.component for m, _ in kept}, {m.a for m, _ in kept}), of_a)
    theirs = _by_layer(layer_matrices(match.b, components, names), of_b)
    here, there = {of_a(match.mine[m.a]) for m, _ in kept}, {of_b(match.theirs[m.b]) for m, _ in kept}
    here, there = here - {None}, there - {None}
    if len(theirs) > len(ours) and here == set(ours):
        extra = _are_copies(theirs, there)
        if any(extra):
            return _of_layers(of, Direction.PARENT, CopiedLayers("reference")) if all(extra) else None
        return _of_layers(of, Direction.CHILD, FewerLayers("this-model", len(ours), len(theirs)))
    if len(ours) > len(theirs) and there == set(theirs):
        extra = _are_copies(ours, here)
        if any(extra) or len(names) < len(kept):
            return _of_layers(of, Direction.CHILD, CopiedLayers("this-model")) if all(extra) else None
        return _of_layers(of, Direction.PARENT, FewerLayers("reference", len(theirs), len(ours)))
    return None


def _of_layers(of: Compared, direction: Direction, fact: Fact) -> Said:
    # Equal layers prove that a shallower model existed; it is this one only if nothing was trained.
    return Said(direction, fact, _is_all(of, Relation.DEPTH_CHANGED, direction))


def _by_layer(
    tensors: Iterable[TensorSketch], layer: Callable[[TensorSketch], Layer]
) -> dict[Layer, list[TensorSketch]]:
    found: dict[Layer, list[TensorSketch]] = {}
    for t in tensors:
        if (at := layer(t)) is not None:
            found.setdefault(at, []).append(t)
    return found


def _are_copies(layers: dict[Layer, list[TensorSketch]], matched: Collection[Layer]) -> list[bool]:
    """Of each layer that is not `matched`, whether it repeats one that is: more than half of it is similar."""
    known = [layers[layer] for layer in matched if layer in layers]
    return [any(_repeats(mine, other) for other in known) for layer, mine in layers.items() if layer not in matched]


def _repeats(mine: Sequence[TensorSketch], other: Sequence[TensorSketch]) -> bool:
    facing = [[b for b in other if _may_be_copies(a, b)] for a in mine]
    alike = [any(_are_alike(a, b) for b in some) for a, some in zip(mine, facing, strict=True) if some]
    return sum(alike) > len(alike) / 2


def _may_be_copies(a: TensorSketch, b: TensorSketch) -> bool:
    return a.part.role == b.part.role and a.shape == b.shape


def _are_alike(a: TensorSketch, b: TensorSketch) -> bool:
    """Whether two tensors of one shape are similar beyond chance: r above 0.5 over a few hundred values."""
    r = pair_correlation(a, b, transposed=False)
    return r is not None and r > _ALIKE_R


def shrunk_rows(of: Compared) -> Said | None:
    """Rows of unseen tokens receive no gradient; weight decay scales them all by one factor below 1 in the child."""
    for pair in of.match.pairs:
        a, b = of.match.a.tensors[pair.a], of.match.b.tensors[pair.b]
        if a.part.role != "token-embedding" or pair.transposed or pair.how == "rows":
            continue
        factor = common_factor(a, b)
        if factor is not None:
            direction: Direction = Direction.CHILD if factor < 1.0 else Direction.PARENT
            return Said(direction, ShrunkRows(_child(direction), min(factor, 1 / factor)))
    return None


def gains_spread(of: Compared) -> Said | None:
    """Gains start from one constant and spread during training: the wider spread is the child's."""
    gains = [of.match.sides(m) for m, c in of.changes if m.role == "norm" and len(m.shape) == 1 and c.kind == "tuned"]
    growth = [
        float(np.log(ours.stats.std / theirs.stats.std))
        for ours, theirs in gains
        if ours.stats.std > 0 and theirs.stats.std > 0
    ]
    mean = float(np.mean(growth)) if len(growth) >= _FEW else 0.0
    if abs(mean) < _SPREAD:
        return None
    direction: Direction = Direction.CHILD if mean > 0 else Direction.PARENT
    return Said(direction, SpreadGains(_child(direction), abs(mean)))


def declared(of: Compared) -> Said | None:
    """A card or config names the other model as its parent: a prior, not a measurement."""
    a, b = of.match.a, of.match.b
    sides: tuple[tuple[CheckpointSketch, CheckpointSketch, Direction], ...] = (
        (a, b, Direction.CHILD),
        (b, a, Direction.PARENT),
    )
    for child, parent, direction in sides:
        for fact in child.declared:
            if fact.model and bare_name(fact.model) == bare_name(parent.name):
                return Said(direction, DeclaredParent(fact.source, parent.name))
    return None


def bare_name(name: str) -> str:
    """A model's name without the organisation before the slash and without case."""
    return name.rsplit("/", 1)[-1].lower()
