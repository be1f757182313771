"""Which parts of an answer rest on sketches that were handed over, and which of these the query refutes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lineage.errors import Contradicted, Unknown
from lineage.sketch.sealing import contradiction
from lineage.store import Index
from lineage.types import CheckpointSketch, Place, Whois
from lineage.types.facts import Fact
from lineage.types.facts.handed_over import ClaimContradicted, OwnWeightsUnseen, WeightsUnseen


def believable(query: CheckpointSketch, indexes: Sequence[Index]) -> tuple[list[Index], tuple[ClaimContradicted, ...]]:
    """The indexes without sketches of the query's id that cannot be of its weights, and a fact for each of these.

    Raises Contradicted if the query was handed over and contradicts weights of its id that were seen.
    """
    kept, refuted = list[Index](), list[ClaimContradicted]()
    for index in indexes:
        claim = _of_id(query.id, index)
        figure = None if claim is None or (query.weights_seen and claim.weights_seen) else contradiction(claim, query)
        if claim is None or figure is None:
            kept.append(index)
            continue
        if claim.weights_seen:
            raise Contradicted(query.path or query.name, figure, claim.name)
        refuted.append(ClaimContradicted(claim.id, claim.name, figure, bool(query.weights_seen)))
        from lineage.store import Without

        kept.append(Without(index, claim.id))
    return kept, tuple(refuted)


def with_claims(answer: Whois, indexes: Sequence[Index], refuted: Sequence[ClaimContradicted]) -> Whois:
    """An answer with facts on sketches that were handed over; copies whose weights were seen come first."""
    named = dict(_named(answer))
    unseen = {one.id for index in indexes for one in index.records(named.keys()) if one.weights_seen is False}
    named = {model: name for model, name in named.items() if model in unseen}
    facts: list[Fact] = [*refuted]
    if answer.sketch.weights_seen is False:
        facts.append(OwnWeightsUnseen())
    if named:
        facts.append(WeightsUnseen(tuple(sorted(named)), tuple(named[model] for model in sorted(named))))
    copies = tuple(sorted(answer.place.copies, key=lambda copy: copy.model in named))
    return replace(answer, handed_over=tuple(facts), place=replace(answer.place, copies=copies))


def of_pair(a: CheckpointSketch, b: CheckpointSketch) -> tuple[Fact, ...]:
    """Facts for a comparison of two models, either of which may be a sketch that was handed over."""
    facts: list[Fact] = [OwnWeightsUnseen()] if a.weights_seen is False else []
    return (*facts, WeightsUnseen((b.id,), (b.name,))) if b.weights_seen is False else tuple(facts)


def require_one_content(a: CheckpointSketch, b: CheckpointSketch) -> None:
    """Raise Contradicted if two sketches share an id, one was handed over, and they cannot be of the same weights."""
    if a.id != b.id or (a.weights_seen and b.weights_seen):
        return
    figure = contradiction(a, b)
    if figure is not None:
        claim, other = (a, b) if a.weights_seen is False else (b, a)
        raise Contradicted(claim.path or claim.name, figure, other.name)


def _of_id(model: str, index: Index) -> CheckpointSketch | None:
    try:
        return index.load(model)
    except Unknown:
        return None


def _named(answer: Whois) -> Iterator[tuple[str, str]]:
    """Every model that an answer names, with its name."""
    place: Place = answer.place
    kin = (*place.parents, *place.ancestors, *place.descendants, *place.siblings, *place.copies, *place.open)
    yield from ((one.model, one.model_name) for one in kin)
    yield from ((one.model, one.model_name) for one in (*answer.ancestors, *answer.alternatives))
    yield from ((model, name or model) for _, model, name in answer.components if model is not None)
    if answer.adapted is not None:
        yield from ((one.model, one.model_name) for one in answer.adapted.fits)
        for one in answer.adapted.additions:
            yield from ((one.child, one.child_name), (one.base, one.base_name))
