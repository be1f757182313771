"""Which models of an index are worth a full comparison with the query."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from lineage.match.values import MIN_DISTINCT
from lineage.sketch.adapters import kind_of
from lineage.sketch.remembered import remembered
from lineage.sketch.search_codes import asked_codes, nearest_stranger, surprise, turned_codes
from lineage.store import Index
from lineage.types import CheckpointSketch, Near, SearchCue, TensorSketch

NEAREST = 16  # by all that votes, and by components
LEAST = 8  # compared though none is nearer than an unrelated model: a search may miss what a comparison sees
NEAREST_NETWORKS = 8  # by what neurons do to the tokens
_NEAREST_KIN = 64  # so that near-copies of one model find others, too
_GRAPHS = 100  # in one of which two families may be joined by chance
_ONE_TENSOR = 2.0  # votes of one tensor: its two digests
_MOST_STATES = 8  # of indexes in which the candidates of a model are kept
_CODES = 4  # of a model, as most have three components

_asked = remembered(asked_codes)  # shared by all indexes of a search


def candidates(query: CheckpointSketch, index: Index) -> list[str]:
    """Model ids worth a full comparison: models with equal tensors, with similar tensors, and the nearest models.

    Only adapters are candidates for adapters, and models for models.
    """
    found, others = _found(query, index)
    return found + others[: max(0, LEAST - len(found))]


def kept_relatives(known: CheckpointSketch, index: Index) -> list[str]:
    """The candidates that a search finds related to a model which many questions meet.

    They are kept from one question to the next for as long as the index stays.
    """
    state = index.state
    if state is None:
        return _found(known, index)[0]
    relatives = _relatives(known)
    if state not in relatives:
        if len(relatives) >= _MOST_STATES:
            relatives.clear()
        relatives[state] = _on_disk_or_found(known, index, state)
    return relatives[state]


def _on_disk_or_found(known: CheckpointSketch, index: Index, state: Hashable) -> list[str]:
    from lineage.store.cache_in_use import on_disk  # imported only for models with relatives

    kept = on_disk.get()
    held = None if kept is None else kept.relatives(known, state)
    if held is not None and len(index.records(held)) == len(held):
        return held
    found = _found(known, index)[0]
    if kept is not None and index.state == state:  # nothing was added meanwhile
        kept.note_relatives(known, state, found)
    return found


@remembered
def _relatives(known: CheckpointSketch) -> dict[Hashable, list[str]]:  # noqa: ARG001 - whose they are
    """Relatives of a model by the state of an index."""
    return {}


class _Seen(NamedTuple):
    """What a search shows of a query: votes for models by their tensors, and the nearest models by other cues."""

    votes: Mapping[str, float]
    components: Sequence[Near]
    rows: Sequence[Near]
    networks: Sequence[Near]


def _found(query: CheckpointSketch, index: Index) -> tuple[list[str], list[str]]:
    """The models that a search finds related, and the nearest of the others."""
    kind = kind_of(query)
    beyond = nearest_stranger(_CODES * index.count(kind))
    seen = _seen(query, index, beyond, NEAREST)
    by_vote = sorted(seen.votes, key=lambda model: (-seen.votes[model], model))
    of_kind = {record.id for record in index.records(by_vote[: 2 * NEAREST]) if kind_of(record) == kind}
    voted = [model for model in by_vote if model in of_kind][:NEAREST]
    related = _in_turn([_beyond(cue, row, beyond) for cue, row in _parts(seen)])
    found = list(dict.fromkeys([*voted, *related[:NEAREST], *_alike(seen.networks)]))
    return found, [model for model in _in_turn([row for _, row in _parts(seen)]) if model not in found]


def near_kin(known: CheckpointSketch, index: Index, asking: int) -> list[str]:
    """The models of an index that a search surely finds related to one of `asking` models that are all asked about.

    Nearer than chance brings any two of them, in a component; by more than one tensor; or by their networks. Ordered.
    """
    kind = kind_of(known)
    beyond = nearest_stranger(_GRAPHS * _CODES * index.count(kind) * asking)
    seen = _seen(known, index, beyond, _NEAREST_KIN)
    by_vote = {model for model, vote in seen.votes.items() if vote > _ONE_TENSOR}
    of_kind = {record.id for record in index.records(by_vote) if kind_of(record) == kind}
    related = {model for cue, row in _parts(seen) for model, _ in _beyond(cue, row, beyond)}
    return sorted(of_kind | related | {*_alike(seen.networks)})


def _seen(query: CheckpointSketch, index: Index, beyond: float, nearest: int) -> _Seen:
    """What a search shows; matrices of components that have nothing near (`beyond`) are looked for transposed, too."""
    kind = kind_of(query)
    votes: dict[str, float] = {}
    digests = {d for t in query.tensors for d in (t.band_digest, t.digest) if d is not None and _tells(t)}
    for holders in index.same_digests(digests).values():
        for model, _ in holders:
            votes[model] = votes.get(model, 0.0) + 1.0
    straight = index.nearest(_asked(query), kind, nearest)
    open_ones = {i for i, row in enumerate(straight["component"]) if not _beyond("component", row, beyond)}
    turned = index.nearest(turned_codes(query, open_ones), kind, nearest)
    for model, score in (found for near in (straight, turned) for row in near["tensor"] for found in row):
        votes[model] = votes.get(model, 0.0) + score
    return _Seen(votes, [*straight["component"], *turned["component"]], straight["rows"], straight["network"])


def _parts(seen: _Seen) -> list[tuple[SearchCue, Near]]:
    return [*(("component", row) for row in seen.components), *(("rows", row) for row in seen.rows)]


def _alike(networks: Sequence[Near]) -> list[str]:
    """The models with the nearest networks, above the similarity that suggests a disguise."""
    if not networks:
        return []
    from lineage.match.disguise import SUGGESTIVE  # imported only for models with neurons

    return [model for row in networks for model, score in row[:NEAREST_NETWORKS] if score > SUGGESTIVE]


def _beyond(cue: SearchCue, row: Near, least: float) -> Near:
    """The models of a row that are nearer than unrelated ones (surprise above `least`)."""
    return [one for one in row if surprise(cue, one[1]) > least]


def _in_turn(rows: Iterable[Near]) -> Sequence[str]:
    """The models first in any row, then those second in any, and so on: small parts count like large ones."""
    ranks = zip_longest(*([model for model, _ in row] for row in rows))
    return list(dict.fromkeys(model for rank in ranks for model in rank if model is not None))


def _tells(tensor: TensorSketch) -> bool:
    """Whether equal content of this tensor is evidence: constants and fixed tables are equal in all models."""
    return tensor.part.excluded is None and tensor.stats.distinct >= MIN_DISTINCT
