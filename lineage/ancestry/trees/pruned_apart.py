"""Models that were pruned separately: arcs between them that their zeros rule out."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lineage.ancestry.geometry import Cohort

_PRUNED = 0.3  # least share of zeros of a pruned model: four-bit levels leave up to 0.2
_RESTORED = 0.05  # share of a parent's zeros that its child may have other values at, if it was pruned too


def pruned_apart(cohort: Cohort) -> Iterator[tuple[int, int]]:
    """Arcs (parent, child) between pruned members of which the child has values at many of the parent's zeros.

    Pruning takes the smallest weights of relatives alike, so that two pruned children of one model lie near each other.
    What was trained from a pruned model keeps its zeros, or loses them all.
    """
    zeros = cohort.points == 0.0
    pruned = np.flatnonzero(zeros.mean(axis=1) >= _PRUNED).tolist()
    for parent in pruned:
        for child in pruned:
            if float((~zeros[child, zeros[parent]]).mean()) > _RESTORED:
                yield cohort.members[parent], cohort.members[child]
