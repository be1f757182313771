"""The comparison of a query with one reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from lineage.ancestry.pair.changes import EQUAL, Change, Changes, Compared, WhenAsked, classified
from lineage.ancestry.pair.relations import component_relation, is_significant, layer_map, strongest_word
from lineage.match import Match, Pair, expert_map, has_experts, match, read_by_both
from lineage.sketch.tied import copies, facing
from lineage.sketch.vectors import is_searchable
from lineage.types import (
    CheckpointSketch,
    Comparison,
    ComponentFinding,
    Cue,
    Direction,
    Evidence,
    Excluded,
    Relation,
    TensorMatch,
    Verdict,
)
from lineage.types.facts import Fact

if TYPE_CHECKING:
    from lineage.types.facts.schemes import Scheme

_A_PART = 0.1  # share of unrelated parameters from which a component was reused and the model not derived as a whole
_A_DETAIL = 0.01  # share of a model below which a component does not decide the relation of the whole
_MIXED = 0.1  # share of the weights from which a further storage scheme is reported


def compare(a: CheckpointSketch, b: CheckpointSketch, models: int = 1) -> Comparison:
    """What query `a` is to reference `b`, by the tensors read from both; `models` is the number of models searched."""
    a, b = read_by_both(a, b)
    matched, changes, words = seen = examine(a, b, models)
    is_found = any(word.is_told_by_two for word in words.values())
    cues = _heard(seen) if is_found else ()
    components = tuple(_component(matched, name, word, changes, cues) for name, word in words.items())
    if facing(a, b) is not a:
        components = _with_copies(components, a)
    components, evidence, hidden = _seen_through(a, b, components, matched.overall)
    if not is_found and any(c.relation.is_told_by_two for c in components):
        cues = _heard(seen)
    cues = (*hidden, *cues)
    own = max(sum(c.share for c in components) + matched.a.unread / a.params, 1e-9)  # without fixed tables
    relation = _overall(components, sum(c.share for c in components if c.relation.is_of_whole) / own)
    share = sum(c.share_inherited for c in components if c.relation.is_told_by_two)
    if not matched.is_copy:
        relation = _of_the_whole(relation, matched, changes)
        components = tuple(replace(c, relation=_true_of_all(c, matched, changes)) for c in components)
    components = tuple(replace(c, relation=_by_format(c.relation, a, b)) for c in components)
    relation = _by_format(relation, a, b)
    found = relation.is_told_by_two
    alike = sum(c.share for c in components if c.is_alike)
    direction, basis = _direction(cues) if found else (None, ())
    return Comparison(
        model=b.id,
        model_name=b.name,
        verdict=_verdict(relation, share / own, alike / own, is_copy=matched.is_copy),
        relation=relation,
        direction=direction,
        share=share,
        evidence=evidence,
        confidence=_confidence(components),
        basis=_basis(matched, changes, components, basis) if found else (),
        components=components,
        tensors=matched.tensors,
        excluded=excluded(a),
        cues=cues if found else (),
    )


def _heard(seen: Compared) -> tuple[Cue, ...]:
    from lineage.ancestry.pair.direction import heard  # imported only for models with relatives

    return () if seen.match.is_copy else heard(seen)


def _direction(cues: Sequence[Cue]) -> tuple[Direction, tuple[Fact, ...]]:
    from lineage.ancestry.pair.direction import direction

    return direction(cues)


def _seen_through(
    a: CheckpointSketch, b: CheckpointSketch, components: tuple[ComponentFinding, ...], overall: Evidence
) -> tuple[tuple[ComponentFinding, ...], Evidence, tuple[Cue, ...]]:
    if not (a.neurons and b.neurons):
        return components, overall, ()
    from lineage.ancestry.pair.disguised import seen_through  # imported only for models with neurons

    return seen_through(a, b, components, overall)


def _basis(
    matched: Match, changes: Changes, components: Sequence[ComponentFinding], pointed: tuple[Fact, ...]
) -> tuple[Fact, ...]:
    """The facts behind a finding: cues of direction, the changes found, and the neurons of disguised components."""
    from lineage.ancestry.pair.findings import findings

    by_place = [c.name for c in components if c.relation != Relation.DISGUISED and (c.basis or c.direction)]
    hidden = dict.fromkeys(fact for c in components if c.relation == Relation.DISGUISED for fact in c.basis)
    return tuple(dict.fromkeys((*pointed, *(findings(matched, changes, by_place) if by_place else ()), *hidden)))


def examine(a: CheckpointSketch, b: CheckpointSketch, models: int = 1) -> Compared:
    """The match of query `a` with reference `b`, the change of each tensor, and the relation of each component."""
    matched = match(facing(a, b), facing(b, a), models)
    changes = _changes(matched) if _is_looked_at(matched) else WhenAsked(lambda: _changes(matched))
    if matched.is_copy:
        is_moved = any(_is_rearranged(m, matched) for m in matched.pairs)
        word = Relation.RE_ENCODED if is_moved else Relation.IDENTICAL
        return Compared(matched, changes, dict.fromkeys(matched.components, word))
    words = {name: component_relation(matched, name, changes) for name in matched.components}
    return Compared(matched, changes, _of_one_beginning(words, matched.a))


def _is_looked_at(matched: Match) -> bool:
    """Whether the changes of tensors decide about a component: for unrelated models they are not worked out."""
    return matched.is_copy or any(map(is_significant, matched.components.values()))


def _is_rearranged(pair: Pair, matched: Match) -> bool:
    ours, theirs = matched.a.tensors[pair.a], matched.b.tensors[pair.b]
    return pair.transposed or ours.shape != theirs.shape or ours.name in matched.reordered


def _of_one_beginning(words: Mapping[str, Relation], a: CheckpointSketch) -> dict[str, Relation]:
    """The relations, without descent if a large component shares only its initialisation.

    Two networks from one seed have equal tensors that neither trained: that is not reuse.
    """
    begun = sum(
        t.params for t in a.tensors if t.part.excluded is None and words[t.part.component] == Relation.SHARED_INIT
    )
    if begun <= _A_PART * a.params:
        return dict(words)
    return {name: Relation.SHARED_INIT if word.is_of_whole else word for name, word in words.items()}


def excluded(sketch: CheckpointSketch) -> tuple[Excluded, ...]:
    """The tensors of a model that are not used as evidence, with the reason."""
    return tuple(Excluded(t.name, t.part.excluded) for t in sketch.tensors if t.part.excluded is not None)


def left_out(sketch: CheckpointSketch) -> tuple[Excluded, ...]:
    """Entries of a checkpoint that are not weights, or were not read, with the reason."""
    return tuple(Excluded(name, reason) for name, reason in sketch.left_out)


def _changes(matched: Match) -> Changes:
    held = [(m, a, b) for m in matched.tensors for a, b in [matched.sides(m)] if a.part.excluded is None]
    found = zip(held, classified(held), strict=True)
    changes = [(m, _in_order(one, m, matched.reordered)) for (m, _, _), one in found]
    if not any(change.scales_units for _, change in changes):
        return changes
    from lineage.ancestry.pair.folded_norms import with_folds  # imported only for scaled units

    return with_folds(matched, changes)


def _in_order(found: Change, held: TensorMatch, reordered: Collection[str]) -> Change:
    """The change, or "reordered" for equal values in another order of rows."""
    return Change("reordered") if found.kind == "same" and held.a in reordered else found


def _component(matched: Match, name: str, word: Relation, changes: Changes, cues: Sequence[Cue]) -> ComponentFinding:
    params = sum(t.params for t in matched.a.tensors if t.part.component == name and t.part.excluded is None)
    share, evidence = params / matched.a.params, matched.components[name]
    if not word.is_told_by_two:
        return ComponentFinding(name, params, share, word, None, evidence, 0.0, (), None)
    from lineage.ancestry.pair.findings import findings  # imported only for models with relatives
    from lineage.ancestry.pair.inherited import inherited

    own = [(m, c) for m, c in changes if m.component == name]
    came = inherited(matched, name, own)
    if word.is_exact and came is not None and came.parts:
        word = Relation.COMPONENT_REUSED  # equal values, in a part of the component
    direction, pointed = _direction(cues)
    return ComponentFinding(
        name=name,
        params=params,
        share=share,
        relation=word,
        direction=direction,
        evidence=evidence,
        confidence=_support(matched, own) * _certainty(matched, name, word, changes),
        basis=(*pointed, *findings(matched, changes, (name,))),
        layer_map=layer_map(own),
        expert_map=expert_map(m for m, _ in own),
        schemes=_schemes(matched, own),
        inherited=came,
    )


def _true_of_all(finding: ComponentFinding, matched: Match, changes: Changes) -> Relation:
    """The relation of a component; not "identical" if gains, biases or small matrices differ or are new."""
    if finding.relation != Relation.IDENTICAL:
        return finding.relation
    own = {t.name for t in matched.a.tensors if t.part.component == finding.name and t.part.excluded is None}
    faced = {held.a: found.kind in EQUAL for held, found in changes if held.a in own}
    if own == faced.keys() and all(faced.values()):
        return finding.relation
    return Relation.RE_ENCODED if all(faced.values()) else Relation.FINE_TUNED


def _holds_more(matched: Match, changes: Changes) -> bool:
    """Whether one of two models has searchable matrices without a counterpart in the other.

    No more values than the other left unread do not count: its unread part may hold them.
    """
    mine, theirs = {held.a for held, _ in changes}, {held.b for held, _ in changes}
    sides = ((matched.a, mine, matched.b.unread), (matched.b, theirs, matched.a.unread))
    return any(
        sum(t.params for t in sketch.tensors if is_searchable(t) and t.name not in faced) > unread
        for sketch, faced, unread in sides
    )


def _with_copies(components: tuple[ComponentFinding, ...], a: CheckpointSketch) -> tuple[ComponentFinding, ...]:
    """The components including tied tables: these were compared once, and each copy has the finding of its original."""
    found, tied = {c.name: c for c in components}, copies(a)
    sizes: Counter[str] = Counter()
    for tensor in a.tensors:
        name = tensor.part.component
        if tensor.part.excluded is None:
            sizes[name] += tensor.params
        if name not in found and tensor.name in tied:
            found[name] = replace(found[tied[tensor.name].part.component], name=name)
    return tuple(_of_size(c, sizes[c.name], a.params) for c in found.values())


def _of_size(finding: ComponentFinding, params: int, of: int) -> ComponentFinding:
    """The finding for `params` parameters out of `of`, with the same inherited proportion."""
    came, scale = finding.inherited, params / max(1, finding.params)
    if came is not None:
        held = round(scale * came.params)
        came = replace(came, params=held, share=held / of, untested=round(scale * came.untested))
    return replace(finding, params=params, share=params / of, inherited=came)


def _schemes(matched: Match, own: Changes) -> tuple[Scheme, ...]:
    """The schemes of at least a tenth of the parameters that have one, largest first: files mix schemes."""
    sizes: Counter[Scheme] = Counter()
    for matching, change_of in own:
        if change_of.scheme is not None:
            sizes[change_of.scheme] += matched.mine[matching.a].params
    return tuple(scheme for scheme, size in sizes.most_common() if size >= _MIXED * sizes.total())


def _support(matched: Match, own: Changes) -> float:
    """Share of the component's compared matrices, by size, that are individually related."""
    compared = [(matched.mine[m.a].params, c.kind != "unrelated") for m, c in own if len(m.shape) > 1]
    total = sum(size for size, _ in compared)
    return sum(size for size, related in compared if related) / total if total else 0.0


def _certainty(matched: Match, name: str, word: Relation, changes: Changes) -> float:
    """Probability of descent rather than a shared initialisation; 1 if any matrix is a copy."""
    own = [c for m, c in changes if m.component == name and len(m.shape) > 1]
    if word == Relation.ADAPTER_MERGED or any(c.kind not in {"tuned", "unrelated"} for c in own):
        return 1.0
    from lineage.ancestry.pair.drift import descent_odds, probability

    return probability(descent_odds(matched, name, changes)[0])


def _is_a_part(matched: Match, changes: Changes) -> bool:
    """Whether the reference has large components, other than heads, that are unrelated to the query."""
    met = {matched.theirs[m.b].part for m, c in changes if c.kind != "unrelated"}
    named = {"head", *(part.component for part in met if part.excluded is None)}
    own = [t for t in matched.b.tensors if t.part.excluded is None]
    foreign = sum(t.params for t in own if t.part.component not in named)
    return foreign - matched.a.unread > _A_PART * matched.b.params


def _overall(components: Sequence[ComponentFinding], share: float) -> Relation:
    words = [c.relation for c in components]
    foreign = sum(c.share for c in components if c.relation == Relation.INDEPENDENT)
    in_part = sum(c.share for c in components if c.relation == Relation.COMPONENT_REUSED)
    if share > 0.0:
        if share < 0.5 or foreign + in_part > _A_PART:
            return Relation.COMPONENT_REUSED
        # A detail such as a small head does not decide for the whole, unless everything else is equal.
        word = strongest_word([_of_a_part(c) for c in components if c.share > _A_DETAIL])
        return strongest_word([_of_a_part(c) for c in components]) if word == Relation.IDENTICAL else word
    if in_part > 0.0:
        return Relation.COMPONENT_REUSED
    if Relation.SHARED_INIT in words:
        return Relation.SHARED_INIT
    return Relation.INDEPENDENT if 2.0 * foreign >= sum(c.share for c in components) > 0.0 else Relation.INCONCLUSIVE


def _of_a_part(finding: ComponentFinding) -> Relation:
    """The relation of a component as it counts for the whole: a small one that moved far, such as a head, is tuned."""
    is_far = finding.relation == Relation.CONTINUED_PRETRAINING and finding.share <= _A_PART
    return Relation.FINE_TUNED if is_far else finding.relation


def _of_the_whole(word: Relation, matched: Match, changes: Changes) -> Relation:
    """The relation with what no component shows alone: experts, parts of the reference only, details that differ."""
    if word == Relation.DISGUISED:  # nothing corresponds by position
        return word
    if word.is_of_whole and has_experts(matched.a) != has_experts(matched.b):
        return Relation.EXPERT_UPCYCLED
    if word.is_of_whole and _is_a_part(matched, changes):
        return Relation.COMPONENT_REUSED
    if word == Relation.IDENTICAL and any(c.kind not in EQUAL for _, c in changes):
        return Relation.FINE_TUNED  # tensors too small to be tested alone differ
    return _of_equal_values(matched, changes) if word == Relation.IDENTICAL else word


def _of_equal_values(matched: Match, changes: Changes) -> Relation:
    """The relation of two models that are not copies but whose paired tensors are all equal."""
    if _holds_more(matched, changes):
        return Relation.COMPONENT_REUSED
    return Relation.IDENTICAL if _is_equal_as_read(matched, changes) else Relation.RE_ENCODED


def _is_equal_as_read(matched: Match, changes: Changes) -> bool:
    """Whether two models, not both read completely, hold the same values in the same order as far as they were read."""
    as_stored = all(c.kind == "same" for _, c in changes) and not any(_is_rearranged(m, matched) for m in matched.pairs)
    return as_stored and max(matched.a.unread, matched.b.unread) > 0


def _by_format(word: Relation, a: CheckpointSketch, b: CheckpointSketch) -> Relation:
    """The relation, with "re-encoded" for identical values in files of different formats."""
    return Relation.RE_ENCODED if word == Relation.IDENTICAL and a.format != b.format else word


def _verdict(relation: Relation, share: float, alike: float, *, is_copy: bool) -> Verdict:
    """The verdict for two models; `alike` is the share of the query that is similar, by descent or initialisation."""
    if relation.is_told_by_two:
        if is_copy:
            return Verdict.IDENTICAL
        return Verdict.DERIVED if share >= 0.5 else Verdict.PARTLY_DERIVED
    if relation == Relation.SHARED_INIT or (relation == Relation.INCONCLUSIVE and alike >= 0.5):
        return Verdict.RELATED
    return Verdict.INDEPENDENT if relation == Relation.INDEPENDENT else Verdict.INCONCLUSIVE


def _confidence(components: Sequence[ComponentFinding]) -> float:
    found = [(c.share_inherited, c.confidence) for c in components if c.relation.is_told_by_two]
    share = sum(size for size, _ in found)
    return sum(size * confidence for size, confidence in found) / share if share else 0.0
