"""What chance looks like for one query: its comparisons with unrelated models, and random relabellings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lineage.match import by_name, relabelled
from lineage.types import CheckpointSketch, Comparison, Null, Relabelled, UnrelatedComponent

DRAWS = 400  # relabellings: the standard deviation of a null is then known to 4%


def null(
    query: CheckpointSketch,
    compared: Sequence[Comparison],
    loaded: Mapping[str, CheckpointSketch],
    chosen: Mapping[str, Comparison],
) -> Null:
    """The null beside the figures of `query`, from comparisons that were made anyway.

    `chosen` is the comparison that is shown for each component; its reference is the one that is relabelled.
    """
    strangers = [one for one in compared if one.verdict in ("independent", "inconclusive")]
    unrelated = [each for one in strangers for each in _unrelated(one)]
    shuffled = [_relabelled(query, loaded[one.model], name, one) for name, one in chosen.items()]
    return Null(
        models=len(strangers),
        unrelated=tuple(unrelated),
        matrices=tuple((m.r, m.z) for one in strangers for m in one.tensors if m.used),
        relabelled=tuple(one for one in shuffled if one is not None),
    )


def _unrelated(stranger: Comparison) -> Iterator[UnrelatedComponent]:
    """The components of which something could be tested."""
    for finding in stranger.components:
        r, z = finding.evidence.r, finding.evidence.z
        if r is not None or z is not None:
            yield UnrelatedComponent(finding.name, stranger.model, stranger.model_name, r, z)


def _relabelled(
    query: CheckpointSketch, reference: CheckpointSketch, component: str, found: Comparison
) -> Relabelled | None:
    mine, theirs = by_name(query), by_name(reference)
    used = [m for m in found.tensors if m.used and m.component == component]
    # What was joined for the comparison shares no axis with other tensors: nothing of it is relabelled.
    held = [m for m in used if m.a in mine and m.b in theirs]
    drawn = relabelled([(mine[m.a], theirs[m.b], m.transposed) for m in held], DRAWS)
    return None if drawn is None else Relabelled(component, found.model, found.model_name, *drawn)
