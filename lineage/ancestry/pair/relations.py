"""The relation of each component, from its evidence and the changes of its tensors."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from lineage.anatomy.names import block_of
from lineage.ancestry.pair.changes import EQUAL, TOKEN_ROLES, Change
from lineage.match import LOG10_ALPHA, Match
from lineage.match.permutation import SEEN_R
from lineage.match.tails import log10_normal
from lineage.sketch.remembered import remembered
from lineage.sketch.vectors import is_searchable
from lineage.types import CheckpointSketch, Direction, Evidence, Relation, TensorMatch, TensorSketch

Layer = int | str | None
"""The number of a layer, the path of a block, or None for a tensor outside of both."""

_FROZEN = 0.05  # share of equal parameters from which layers were frozen rather than equal by chance
_BY_TOKEN = ("token-embedding", "position-embedding", "type-embedding", "head")
_LOW_RANK = 0.9  # share of the tuned matrices, without tables, whose difference has low rank if adapters were merged
_MOSTLY = 0.5  # least tested share of a component for a statement on its initialisation
_SOME = 0.01  # share of the compared parameters below which a change is ignored
_PRUNED = 0.3  # how many more zeros, as a share, trained matrices have that were pruned too


def is_significant(evidence: Evidence) -> bool:
    """Whether common descent is significant at 1e-6 after all corrections."""
    return evidence.log10_p < LOG10_ALPHA


def component_relation(match: Match, name: str, changes: Sequence[tuple[TensorMatch, Change]]) -> Relation:
    """The relation of one component, from its evidence and the changes of its tensors."""
    if not is_significant(match.components[name]):
        return _not_significant(match, name)
    mine = [(m, c) for m, c in changes if m.component == name]
    share = _shares(match, name, mine)
    kept = 1.0 - share["unrelated"]
    if kept < _SOME:
        # Weak correlation everywhere is a shared initialisation; one small common table is not ancestry.
        if match.components[name].coverage < _MOSTLY:
            return Relation.INCONCLUSIVE  # most of it has no counterpart and was not tested
        return Relation.SHARED_INIT if _passes_by_z(_of_the_rest(match, name, mine)) else Relation.INDEPENDENT
    word = _tuned_word(match, name, changes, share) if share["tuned"] > _SOME else _exact_word(share)
    if not word.is_of_whole:
        is_part = word == Relation.SHARED_INIT and kept < _MOSTLY  # heads drawn by one seed say nothing on the rest
        return Relation.INDEPENDENT if is_part and not _passes_by_z(_of_the_rest(match, name, mine)) else word
    if kept < 0.5:
        return Relation.COMPONENT_REUSED
    return _shape_word(match, name, changes) or word


def _shape_word(match: Match, name: str, changes: Sequence[tuple[TensorMatch, Change]]) -> Relation | None:
    """The relation for a change of shape, which takes precedence over changes of values; None without one."""
    mine = [(m, c) for m, c in changes if m.component == name]
    if _upcycled(match, mine):
        return Relation.EXPERT_UPCYCLED
    if _depth_changed(match, name, changes):
        return Relation.DEPTH_CHANGED
    if width_changes(match, mine):
        return Relation.WIDTH_PRUNED
    return Relation.VOCABULARY_CHANGED if _vocabulary_changed(match, mine) else None


def _of_the_rest(match: Match, name: str, mine: Sequence[tuple[TensorMatch, Change]]) -> Evidence:
    """The evidence of a component without the matrices that are related one by one."""
    whole = match.components[name]
    if all(c.kind == "unrelated" for m, c in mine if m.used):
        return whole
    left = [m.z for m, c in mine if m.used and c.kind == "unrelated" and m.z is not None]
    return replace(whole, z=sum(left) / math.sqrt(len(left)) if left else None)


def _passes_by_z(evidence: Evidence) -> bool:
    """Whether the permutation test alone, over everything that shares an axis, is significant."""
    z = evidence.z or 0.0
    return z > 0.0 and log10_normal(z) + math.log10(3 * evidence.hypotheses) < LOG10_ALPHA


def _shares(match: Match, name: str, mine: Sequence[tuple[TensorMatch, Change]]) -> dict[str, float]:
    """Share of a component's matrix parameters by kind of change; unpaired matrices count as unrelated.

    Gains and biases are not counted.
    """
    kinds = {held.a: found.kind for held, found in mine}
    weights: Counter[str] = Counter()
    for tensor in match.a.tensors:
        if tensor.part.component == name and tensor.part.excluded is None and len(tensor.shape) > 1:
            weights[kinds.get(tensor.name, "unrelated")] += tensor.params
    total = sum(weights.values())
    return defaultdict(float, {kind: weight / total for kind, weight in weights.items()})


def strongest_word(words: Sequence[Relation]) -> Relation:
    """The first of the relations in the order of `Relation` that is of a whole; "inconclusive" if none is."""
    return next((word for word in Relation if word.is_of_whole and word in words), Relation.INCONCLUSIVE)


def _not_significant(match: Match, name: str) -> Relation:
    """Independent if a fine-tune would have been detected, or a copy anywhere in the reference; else inconclusive."""
    evidence = match.components[name]
    if evidence.coverage < 0.5:
        return Relation.INDEPENDENT if _was_searched(match, name) else Relation.INCONCLUSIVE
    reach = evidence.min_detectable_r
    return Relation.INDEPENDENT if reach is not None and reach < SEEN_R else Relation.INCONCLUSIVE


def _was_searched(match: Match, name: str) -> bool:
    """Whether at least half of a component was searched for among all matrices of a reference that has some.

    Matrices without a structural counterpart are compared with every matrix by content, except those with few units. A
    single matrix is not enough: only a copy of it would be detected.
    """
    own = [t for t in match.a.tensors if t.part.component == name and t.part.excluded is None]
    sought = [t.params for t in own if is_searchable(t)]
    is_most = len(sought) > 1 and sum(sought) >= 0.5 * sum(t.params for t in own)
    return is_most and any(map(is_searchable, match.b.tensors))


def _tuned_word(
    match: Match, name: str, changes: Sequence[tuple[TensorMatch, Change]], share: Mapping[str, float]
) -> Relation:
    from lineage.ancestry.pair.calibration import calibration  # imported only for models with relatives
    from lineage.ancestry.pair.drift import descent_odds
    from lineage.ancestry.pair.untrained import is_untrained

    matrices = [(m, c) for m, c in changes if m.component == name and c.kind == "tuned" and len(m.shape) > 1]
    tuned = [(m, c, match.mine[m.a].params) for m, c in matrices]
    inner_pairs = [m for m, _, _ in tuned if m.role not in _BY_TOKEN]
    inner = [(c, size) for m, c, size in tuned if m.role not in _BY_TOKEN]
    weight = sum(size for _, size in inner)
    if weight and sum(size for c, size in inner if c.rank is not None) > _LOW_RANK * weight:
        return Relation.FINE_TUNED if projected_direction(match, changes) is not None else Relation.ADAPTER_MERGED
    moved = [(size, m.r) for m, _, size in tuned if m.r is not None and m.used]
    total = sum(size for size, _ in moved)
    r = sum(size * r for size, r in moved) / total if total else 0.0
    word: Relation = Relation.FINE_TUNED if r >= calibration().fine_tuned_r else Relation.CONTINUED_PRETRAINING
    # Equal trained weights were copied, however far the others have moved since.
    every = sum(size for _, _, size in tuned)
    still = sum(c.unchanged * size for c, size in inner) / every * share["tuned"] if every else 0.0
    if still + sum(share[kind] for kind in EQUAL) > _FROZEN:
        return Relation.FINE_TUNED
    odds, bounds = descent_odds(match, name, changes)
    if odds >= bounds.derived_at:
        return Relation.PRUNED if _more_zeros(match, inner_pairs) >= _PRUNED else word
    begun = is_untrained(match.a) != is_untrained(match.b)
    return Relation.SHARED_INIT if begun or odds <= bounds.shared_at else Relation.INCONCLUSIVE


def _more_zeros(match: Match, pairs: Sequence[TensorMatch]) -> float:
    """How much greater the share of zeros of the query's matrices is than of the reference's; 0 without any."""
    held = [match.sides(pair) for pair in pairs]
    more = sum((mine.stats.zeros - theirs.stats.zeros) * mine.params for mine, theirs in held)
    return more / max(1, sum(mine.params for mine, _ in held))


def projected_direction(match: Match, changes: Sequence[tuple[TensorMatch, Change]]) -> Direction | None:
    """The query's direction if one direction was projected out of its matrices or of the reference's; else None."""
    from lineage.ancestry.pair.low_rank import projected_out

    return projected_out([(*match.sides(m), m.transposed) for m, c in changes if c.rank == 1])


def _exact_word(share: Mapping[str, float]) -> Relation:
    if share["quantized"] > _SOME:
        return Relation.QUANTIZED
    if share["pruned"] > _SOME:
        return Relation.PRUNED
    return Relation.RE_ENCODED if share["recast"] + share["reordered"] > 0 else Relation.IDENTICAL


def layer_map(mine: Sequence[tuple[TensorMatch, Change]]) -> tuple[tuple[int, int], ...] | None:
    """Pairs (query layer, reference layer) by majority of the related matrices.

    None without layers, or if numbers in the names are not layers: then several layers of the query map to one of the
    reference although no tensor is used twice.
    """
    votes: dict[int, Counter[int]] = {}
    partners: list[str] = []
    for held, found in mine:
        child, parent = held.layers
        if child is not None and parent is not None and found.kind != "unrelated" and len(held.shape) > 1:
            votes.setdefault(child, Counter())[parent] += 1
            partners.append(held.b)
    mapping = tuple((child, votes[child].most_common(1)[0][0]) for child in sorted(votes))
    folded = len({parent for _, parent in mapping}) < len(mapping)
    return None if folded and len(set(partners)) == len(partners) else mapping or None


def _upcycled(match: Match, mine: Sequence[tuple[TensorMatch, Change]]) -> bool:
    """Whether most related matrices pair an expert on one side with a dense MLP on the other."""
    related = [m for m, c in mine if c.kind != "unrelated" and len(m.shape) > 1]
    held = [m.role.startswith("expert") != match.theirs[m.b].part.role.startswith("expert") for m in related]
    return sum(held) > len(held) / 2


def _depth_changed(match: Match, name: str, changes: Sequence[tuple[TensorMatch, Change]]) -> bool:
    """Whether whole layers were dropped, doubled or added: layers without a related matrix, or a partner used twice.

    One component of a format may be two in another: layers paired with the other component are not missing.
    """
    related = [m for m, c in changes if c.kind != "unrelated" and len(m.shape) > 1]
    taken = {m.b for m in related}
    held = [m for m in related if m.component == name]
    own = {m.b for m in held}
    components = {t.part.component for t in match.b.tensors if t.name in own}
    single = Counter(m.b for m in held if not m.role.startswith("expert"))  # one MLP serves several experts
    doubled = sum(count > 1 for count in single.values()) > len(held) / 20
    mine, theirs = {m.a for m, _ in changes}, {m.b for m, _ in changes}
    added = _in_bare_layers(match.a, {name}, {m.a for m in held}, mine) > match.b.unread
    dropped = _in_bare_layers(match.b, components, taken, theirs) > match.a.unread
    return doubled or added or dropped


def _in_bare_layers(
    sketch: CheckpointSketch, components: Collection[str], related: Collection[str], faced: Collection[str]
) -> int:
    """Parameters of matrices in those layers of the components that have no matrix in `related`.

    Nor, for blocks of a network without a residual stream, one that is `faced` by another: a block of two
    convolutions may have been trained anew. If the other model left at least as many unread, these layers are not
    known to be missing.
    """
    layer = layers_of(sketch)
    layered = [(t, layer(t)) for t in layer_matrices(sketch, components, related)]
    met = {at for t, at in layered if t.name in related or (isinstance(at, str) and t.name in faced)}
    return sum(t.params for t, at in layered if at is not None and at not in met)


def layers_of(sketch: CheckpointSketch) -> Callable[[TensorSketch], Layer]:
    """What layer a tensor belongs to: its number, or the path of its block in a network without a residual stream.

    Networks of convolutions come in stages, whose blocks are numbered anew; what stands outside of these is no layer.
    """
    in_blocks = _in_blocks(sketch)

    def layer(tensor: TensorSketch) -> Layer:
        return block_of(tensor.name) if tensor.part.component in in_blocks else tensor.part.layer

    return layer


@remembered
def _in_blocks(sketch: CheckpointSketch) -> frozenset[str]:
    """The components of a model that have numbered blocks and no residual stream."""
    on_streams = {t.part.component for t in sketch.tensors for one in t.part.axes if one.label.endswith("/residual")}
    return frozenset(t.part.component for t in sketch.tensors if block_of(t.name) is not None) - on_streams


def layer_matrices(
    sketch: CheckpointSketch, components: Collection[str], related: Collection[str]
) -> list[TensorSketch]:
    """Matrices of the numbered layers of the components that form a series with one of `related`.

    A series has equal names up to the layer number, or equal shapes: a constant named "465" in a file is not a layer.
    """
    layered = [
        t
        for t in sketch.tensors
        if t.part.component in components and t.part.layer is not None and len(t.shape) > 1 and t.part.excluded is None
    ]
    met = [t for t in layered if t.name in related]
    rows, shapes = {_row(t) for t in met}, {t.shape for t in met}
    return [t for t in layered if _row(t) in rows or t.shape in shapes]


def _row(tensor: TensorSketch) -> str:
    return tensor.name.partition(str(tensor.part.layer))[0]


def width_changes(match: Match, mine: Sequence[tuple[TensorMatch, Change]]) -> list[int]:
    """By how many parameters related matrices of the query exceed the reference's; none if few differ in size.

    Except for token tables, units of the larger matrix are missing in the smaller. Matrices fused from several others
    are not counted.
    """
    held = [m for m, c in mine if c.kind != "unrelated" and len(m.shape) > 1 and m.role not in _BY_TOKEN]
    more = [match.mine[m.a].params - match.theirs[m.b].params for m in held]
    cut = [params for m, params in zip(held, more, strict=True) if params and not _holds_others(match, m, params)]
    return cut if len(cut) > len(held) / 20 else []


def _holds_others(match: Match, held: TensorMatch, more: int) -> bool:
    """Whether the larger of two matrices may be fused: the excess equals unpaired matrices of the smaller's layer."""
    if more > 0:
        small, sketch, faced = match.theirs[held.b], match.b, {m.b for m in match.tensors}
    else:
        small, sketch, faced = match.mine[held.a], match.a, {m.a for m in match.tensors}
    bare = [
        t.params
        for t in sketch.tensors
        if t.part.layer == small.part.layer is not None and len(t.shape) == len(small.shape) and t.name not in faced
    ]
    return abs(more) in (*bare, sum(bare))


def _vocabulary_changed(match: Match, mine: Sequence[tuple[TensorMatch, Change]]) -> bool:
    tables = [(m, c) for m, c in mine if m.role in TOKEN_ROLES and len(m.shape) > 1]
    numbered_anew = any(c.kind == "reordered" and not m.transposed for m, c in tables)
    return numbered_anew or any(
        m.role == "token-embedding" and match.mine[m.a].params != match.theirs[m.b].params and c.kind != "unrelated"
        for m, c in tables
    )
