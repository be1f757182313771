"""Chance made visible: z of a pair of models after the units of one have been relabelled at random."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from lineage.match.groups import Sides, groups

_SEED = 20  # of the relabellings: any number, the same everywhere


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
