"""The null distribution for one query: its comparisons with unrelated models, and random relabellings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from lineage.match import by_name
from lineage.match.groups import Sides, groups
from lineage.types import CheckpointSketch, Comparison, Null, Relabelled, UnrelatedComponent

DRAWS = 400  # relabellings: the standard deviation of a null is then known to 4%
_SEED = 20  # seed of the relabellings, fixed for reproducible answers


def null(
    query: CheckpointSketch,
    compared: Sequence[Comparison],
    loaded: Mapping[str, CheckpointSketch],
    chosen: Mapping[str, Comparison],
) -> Null:
    """The null for the figures of `query`, from comparisons that the search made anyway.

    `chosen` is the comparison shown for each component; the units of its reference are relabelled.
    """
    strangers = [one for one in compared if one.verdict.finds_nothing]
    unrelated = [each for one in strangers for each in _unrelated(one)]
    shuffled = [_relabelled(query, loaded[one.model], name, one) for name, one in chosen.items()]
    return Null(
        models=len(strangers),
        unrelated=tuple(unrelated),
        matrices=tuple((m.r, m.z) for one in strangers for m in one.tensors if m.used),
        relabelled=tuple(one for one in shuffled if one is not None),
    )


def relabelled(pairs: Iterable[Sides], draws: int) -> tuple[tuple[float, ...], float] | None:
    """The joint z of (query tensor, reference tensor, transposed) under `draws` random relabellings, and its reach.

    Each draw relabels every group of units that share an axis and combines the groups as the test does (Stouffer), so
    the draws follow the distribution that the test's p-value assumes. The reach is the z that r = 1 would have given:
    z over reach is about the r that chance gives. None where no group can be tested. The draws are seeded.
    """
    tested = [(group, test) for group in groups(pairs).values() if (test := group.test()) is not None]
    if not tested:
        return None
    generator = np.random.default_rng(_SEED)
    total = np.zeros(draws)
    for group, test in tested:
        places = np.arange(test.units)
        labels = generator.permuted(np.tile(places, (draws, 1)), axis=1)
        traces = group.agreement[places, labels].sum(axis=1, dtype=np.float64)
        sigma = math.sqrt(float(np.square(group.agreement).sum(dtype=np.float64)) / (test.units - 1))
        total += traces / sigma
    root = math.sqrt(len(tested))
    return tuple(float(z) for z in total / root), sum(test.reach for _, test in tested) / root


def _unrelated(stranger: Comparison) -> Iterator[UnrelatedComponent]:
    """The components of a comparison that have an r or a z."""
    for finding in stranger.components:
        r, z = finding.evidence.r, finding.evidence.z
        if r is not None or z is not None:
            yield UnrelatedComponent(finding.name, stranger.model, stranger.model_name, r, z)


def _relabelled(
    query: CheckpointSketch, reference: CheckpointSketch, component: str, found: Comparison
) -> Relabelled | None:
    mine, theirs = by_name(query), by_name(reference)
    used = [m for m in found.tensors if m.used and m.component == component]
    # Tensors joined for the comparison share no axis with other tensors and are not relabelled.
    held = [m for m in used if m.a in mine and m.b in theirs]
    drawn = relabelled([(mine[m.a], theirs[m.b], m.transposed) for m in held], DRAWS)
    return None if drawn is None else Relabelled(component, found.model, found.model_name, *drawn)
